//! A message: one text, for one recipient, over one channel; and the states it passes through.
//!
//! ```text
//! (new) ─► pending ── claim ──► sending ── settle ──► delivered
//!             ▲  ▲                 │ │ └─────────────► dead ───┐
//!             │  └─ settle: again, ┘ └─ settle: hold ► held ───┤
//!             │     or handed over                             │
//!             │                                                │
//!             └───────────── retry (by an operator) ───────────┘
//! pending, held ── cancel (by an operator) ──► cancelled ◄── settle (the customer has unsubscribed) ── sending
//! ```
//!
//! A message that is handed over goes on over another channel, its fallback: the same message, under the same id, with
//! a fresh retry schedule. It is handed over at most once.
//!
//! A claim raises the message's lease epoch; a settlement names the epoch it was claimed under and changes nothing
//! when a later claim has taken the message over.

use super::words::words;
use super::{
    ALERT_EXPIRES, About, ChannelAddress, Context, EmailAddress, MessageId, RequestId, RequestState, Rules,
    Suppression, SuppressionCause, Timestamp, Transition, UserId,
};

words!(
    /// Where a message stands.
    State, "state", "pending, sending, delivered, dead, held, cancelled" {
        /// Waiting for its time.
        Pending = "pending",
        /// Claimed by the relay.
        Sending = "sending",
        /// Taken by the receiver.
        Delivered = "delivered",
        /// Given up: a dead letter.
        Dead = "dead",
        /// Waiting for an operator's decision.
        Held = "held",
        /// Called off by an operator, or because its customer wants no more mail.
        Cancelled = "cancelled",
    }
);

impl State {
    /// The states of which all messages may be retried together. One pending message may be retried, but all of them would
    /// be due at once for nothing.
    pub const RETRIED_TOGETHER: &[Self] = &[Self::Dead, Self::Held, Self::Cancelled];

    /// The states of which all messages may be cancelled together.
    pub const CANCELLED_TOGETHER: &[Self] = &[Self::Pending, Self::Held];
}

words!(
    /// What a message is for. Each purpose has its templates.
    Purpose, "purpose", "welcome, request, test, alert, acknowledged, answered, closed, report" {
        /// Greets a customer who registered; goes to the customer.
        Welcome = "welcome",
        /// Carries a customer's question; goes to the channel's own address.
        Request = "request",
        /// Tries a channel out; goes to the channel's own address.
        Test = "test",
        /// Tells the operator about trouble; goes to the channel's own address.
        Alert = "alert",
        /// Says that somebody looks after a request; goes where its question went.
        Acknowledged = "acknowledged",
        /// Says that a request is answered; likewise.
        Answered = "answered",
        /// Says that a request is closed; likewise.
        Closed = "closed",
        /// Tells the product department where customers came from; goes to the channel's own address.
        Report = "report",
    }
);

impl Purpose {
    /// Whether it goes to a customer's address, if there is one; a test, to one that the operator names.
    pub const fn may_go_to_customer(self) -> bool {
        matches!(self, Self::Welcome | Self::Test)
    }

    /// What carries that a request has come to `state`; nothing does when it is new.
    pub const fn of(state: RequestState) -> Option<Self> {
        match state {
            RequestState::New => None,
            RequestState::Acknowledged => Some(Self::Acknowledged),
            RequestState::Answered => Some(Self::Answered),
            RequestState::Closed => Some(Self::Closed),
        }
    }

    /// Whether it is a follow-up: it carries what became of a request, after its question and over the same channel.
    pub const fn is_follow_up(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Answered | Self::Closed)
    }

    /// Whether another channel may take over. None does for an alert: the others have it already, but for the one that
    /// it is about. Nor for a follow-up: elsewhere nobody got its question.
    pub const fn may_be_handed_over(self) -> bool {
        matches!(self, Self::Welcome | Self::Request | Self::Test | Self::Report)
    }
}

/// A message to put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Its name.
    pub id: MessageId,
    /// Where it goes.
    pub channel: ChannelAddress,
    /// What it is for.
    pub purpose: Purpose,
    /// When it may be sent.
    pub due_at: Timestamp,
    /// Who takes over when `channel` does not deliver it, if the route says; else the channel's own rules do.
    pub fallback: Option<ChannelAddress>,
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name; travels as Message-ID and as idempotency key.
    pub id: MessageId,
    /// The customer it is about.
    pub user_id: Option<UserId>,
    /// The request it carries.
    pub request_id: Option<RequestId>,
    /// Where it goes.
    pub channel: ChannelAddress,
    /// The channel that did not deliver it, when it was handed over.
    pub handed_over_from: Option<ChannelAddress>,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it stands.
    pub state: State,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it may be sent.
    pub due_at: Timestamp,
    /// When it came to rest: delivered, dead or cancelled.
    pub finished_at: Option<Timestamp>,
    /// How many attempts count against its retry schedule.
    pub attempts: u32,
    /// What the receiver calls it.
    pub reference: String,
    /// Why the last attempt failed; empty when it did not.
    pub last_error: String,
    /// What it says.
    pub context: Context,
}

/// The sole right to deliver a message, until it is settled or a later claim takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The message's name.
    pub id: MessageId,
    /// The lease epoch that a settlement must name.
    pub epoch: i64,
    /// The number of this attempt in the retry schedule, from 1.
    pub attempt: u32,
    /// What the message is for.
    pub purpose: Purpose,
    /// Whom and what it is about.
    pub about: About,
    /// When the message was made.
    pub created_at: Timestamp,
    /// When it was due.
    pub due_at: Timestamp,
    /// When it was first due over this channel; failed attempts do not move it.
    pub first_due_at: Timestamp,
    /// What it says.
    pub context: Context,
    /// Who takes over, if the message's route says.
    pub fallback: Option<ChannelAddress>,
    /// Whether it was handed over already, so that nobody takes over again.
    pub handed_over: bool,
    /// That nothing is sent to its customer's address any more, if that is so.
    pub suppressed: Option<Suppression>,
}

impl Claim {
    /// Who takes over when the channel of these rules does not deliver the message.
    pub fn fallback<'a>(&'a self, rules: &'a Rules) -> Option<&'a ChannelAddress> {
        let stays = self.handed_over || !self.purpose.may_be_handed_over();
        self.fallback.as_ref().or(rules.fallback.channel.as_ref()).filter(|_| !stays)
    }

    /// Whether its customer wants no more mail.
    pub fn is_unsubscribed(&self) -> bool {
        self.suppressed.as_ref().is_some_and(|found| found.cause == SuppressionCause::Unsubscribed)
    }

    /// Why the message is not worth sending any more; `None`: it is.
    pub fn expired(&self, rules: &Rules, now: Timestamp) -> Option<String> {
        let worth = if self.purpose == Purpose::Alert { rules.expire.min(ALERT_EXPIRES) } else { rules.expire };
        (now.since(self.first_due_at) > worth).then(|| {
            format!(
                "expired: it was due at {} and is worth sending for {}",
                self.first_due_at,
                humantime::format_duration(worth)
            )
        })
    }
}

/// One attempt, kept for ever beside its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The lease epoch: counts every claim of the message, in order.
    pub epoch: i64,
    /// The channel it went over.
    pub channel: ChannelAddress,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// `delivered`, `retry`, `dead` or `unknown`.
    pub outcome: String,
    /// How far the outcome reaches; empty for a delivery.
    pub scope: String,
    /// What happened and what to do about it; empty for a delivery.
    pub error: String,
}

/// The end of a claim: what was tried, and where that leaves the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The message.
    pub id: MessageId,
    /// What was tried; its epoch must still be the message's.
    pub attempt: Attempt,
    /// Where the message goes from here.
    pub transition: Transition,
    /// The customer's address, when the attempt has shown that nobody is there.
    pub suppress: Option<EmailAddress>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Fallback, OnUnknown, RetrySchedule};

    #[test]
    fn a_message_is_worth_sending_only_so_long_and_an_alert_shorter() {
        let now = Timestamp::from_millis(1_000_000);
        let rules = Rules {
            retry: RetrySchedule::new(Vec::new()).unwrap(),
            on_unknown: OnUnknown::Retry,
            concurrency: 1,
            rate: None,
            expire: Duration::from_hours(24),
            fallback: Fallback { channel: None, failures: 1, after: Duration::ZERO, is_elsewhere: false },
        };
        let claim = Claim {
            id: MessageId::new(now),
            epoch: 1,
            attempt: 1,
            purpose: Purpose::Request,
            about: About::default(),
            created_at: now,
            due_at: now,
            first_due_at: now,
            context: Context::default(),
            fallback: None,
            handed_over: false,
            suppressed: None,
        };
        let hours = |hours| now.after(Duration::from_hours(hours));
        assert_eq!(claim.expired(&rules, hours(24)), None);
        assert!(claim.expired(&rules, hours(25)).unwrap().contains("worth sending for 1day"));
        assert!(Claim { purpose: Purpose::Alert, ..claim }.expired(&rules, hours(7)).is_some());
    }

    #[test]
    fn words_read_back() {
        assert_eq!("held".parse(), Ok(State::Held));
        assert!("failed".parse::<State>().unwrap_err().to_string().contains("expected one of pending"));
    }
}
