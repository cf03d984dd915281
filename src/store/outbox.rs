//! The outbox's own values: what a claim, a rescue, a sweep, an operator's wish or a look at the backlog comes to.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{Attempt, ChannelAddress, Claim, Context, Message, MessageId, NewMessage, State, Timestamp};

/// What a claim found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// The messages, the longest due first.
    pub claims: Vec<Claim>,
    /// When the channel's next pending message is due; `None`: nothing is pending.
    pub next_due: Option<Timestamp>,
}

/// What a start found unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Messages that are pending again.
    pub pending: u32,
    /// Messages that were given up, because the process died over them too often.
    pub dead: u32,
    /// Pending messages that are suspected of ending the process, older ones included: to be sent one at a time.
    pub suspects: u32,
}

/// What has waited too long for a channel that sends nothing just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The channel.
    pub channel: ChannelAddress,
    /// Who takes over, unless the message's route says; `None`: nobody.
    pub fallback: Option<ChannelAddress>,
    /// The channels that there are: a route's fallback may have been given up since the message was made.
    pub known: Vec<ChannelAddress>,
    /// What was due before this is handed over, if somebody takes over.
    pub hand_over_before: Timestamp,
    /// What was due before this is given up, if nobody takes over.
    pub expire_before: Timestamp,
    /// The same for alerts.
    pub expire_alerts_before: Timestamp,
    /// Why nothing is sent over the channel, for a person.
    pub why: String,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The channels that took over, one for each message.
    pub handed_over: Vec<ChannelAddress>,
    /// How many messages were given up.
    pub expired: u64,
    /// Whether there may be more to do.
    pub more: bool,
}

/// What waits for one channel, and what is in trouble there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The channel.
    pub channel: ChannelAddress,
    /// Pending messages, due or not. Counted up to [`Backlog::COUNTED`].
    pub pending: u32,
    /// Messages on their way.
    pub sending: u32,
    /// Messages that wait for an operator's decision, counted likewise.
    pub held: u32,
    /// Dead letters, counted likewise.
    pub dead: u32,
    /// When the one that has waited longest was, or will be, due.
    pub oldest_due: Option<Timestamp>,
}

impl Backlog {
    /// No number above this is counted to its end, so that a long backlog costs no more to look at than a short one.
    pub const COUNTED: u32 = 10_000;

    /// Of a channel that nothing waits for.
    pub const fn empty(channel: ChannelAddress) -> Self {
        Self { channel, pending: 0, sending: 0, held: 0, dead: 0, oldest_due: None }
    }
}

/// What an operator should hear of. Alerts are left out: nobody is alerted about alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Dead letters, by channel.
    pub dead: BTreeMap<ChannelAddress, Incidents>,
    /// Messages that wait for an operator's decision, by channel.
    pub held: BTreeMap<ChannelAddress, Incidents>,
    /// Messages that are due, by channel, configured or not.
    pub waiting: BTreeMap<ChannelAddress, Waiting>,
    /// Unreadable webhooks; `None`: there are none.
    pub unreadable: Option<Incidents>,
    /// When the operator was last told of which subject.
    pub told: BTreeMap<String, Timestamp>,
}

/// Things that went wrong in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incidents {
    /// How many. Counted up to [`Backlog::COUNTED`].
    pub count: u32,
    /// When the latest one happened.
    pub latest_at: Timestamp,
    /// Why it happened.
    pub why: String,
}

/// Messages that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many. Counted up to [`Backlog::COUNTED`].
    pub count: u32,
    /// Since when the one that has waited longest is due.
    pub since: Timestamp,
}

/// What must be known of a channel across a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelNote {
    /// The channel.
    pub channel: ChannelAddress,
    /// When an operator paused it; `None`: it is not paused.
    pub paused_at: Option<Timestamp>,
    /// Until when its receiver asked for patience.
    pub not_before: Option<Timestamp>,
}

/// News for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is about, always in the same words.
    pub subject: String,
    /// The operator is not told again of the same subject within this time.
    pub every: Duration,
    /// What it says.
    pub context: Context,
    /// The messages that carry it.
    pub messages: Vec<NewMessage>,
}

/// A message with everything that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHistory {
    /// The message.
    pub message: Message,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
    /// The exact bytes that a sandboxed channel kept.
    pub capture: Option<Vec<u8>>,
}

/// Whether an operator's wish changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It did.
    Yes,
    /// The message is in a state that does not allow it.
    NotFrom(State),
    /// There is no such message.
    NotFound,
}

/// How many messages were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// How many.
    pub changed: u64,
    /// Where to go on; `None`: all were seen.
    pub next: Option<MessageId>,
}
