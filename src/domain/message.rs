//! A message: one text, for one recipient, over one channel; and the states it passes through.
//!
//! ```text
//! (new) ─► pending ── claim ──► sending ── settle ──► delivered
//!             ▲  ▲                 │ │ └─────────────► dead ───┐
//!             │  └── settle: again ┘ └─ settle: hold ► held ───┤
//!             │                                                │
//!             └───────────── retry (by an operator) ───────────┘
//! pending, held ── cancel (by an operator) ──► cancelled
//! ```
//!
//! A claim raises the message's lease epoch; a settlement names the epoch it was claimed under and changes nothing
//! when a later claim has taken the message over.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    ChannelAddress, EmailAddress, Mailbox, MessageId, OnUnknown, Origin, Outcome, Request, RequestId, RetrySchedule,
    Scope, Timestamp, User, UserId,
};

/// The text is none of the words that are known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {what}: expected one of {expected}")]
pub struct UnknownWord {
    what: &'static str,
    found: String,
    expected: &'static str,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $all:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word used in the store, the API and the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { what: $what, found: super::truncate(text, 40).text.to_owned(), expected: $all }),
                }
            }
        }
    };
}

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
        /// Called off by an operator.
        Cancelled = "cancelled",
    }
);

words!(
    /// What a message is for. Each purpose has its templates.
    Purpose, "purpose", "welcome, request, test" {
        /// Greets a customer who registered; goes to the customer.
        Welcome = "welcome",
        /// Carries a customer's question; goes to the channel's own address.
        Request = "request",
        /// Tries a channel out; goes to the channel's own address.
        Test = "test",
    }
);

/// What a message says about its customer and their request, fixed when the message is made, so that every attempt
/// sends the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The customer's name; may be empty.
    pub name: String,
    /// The customer's mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// The customer's phone number, international when it could be understood, else as it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// The topic as it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Whether no route names the topic, so that the catch-all took it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub topic_unknown: bool,
    /// The question.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Where the customer came from, in one readable line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Landbot's name for the chat, when it told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chat_uuid: String,
}

impl Context {
    /// What a message to or about `user` says.
    pub fn of_user(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            email: user.email.clone(),
            phone: user.phone.as_ref().map_or_else(String::new, |phone| phone.best().to_owned()),
            source: user.origin.source(),
            chat_uuid: user.origin.chat_uuid.clone().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// What a message about `request` says. Where the customer came from this time tells more than the first time, unless
    /// it tells nothing.
    pub fn of_request(user: Option<&User>, request: &Request) -> Self {
        let mut context = user.map(Self::of_user).unwrap_or_default();
        request.topic.as_str().clone_into(&mut context.topic);
        context.topic_unknown = request.topic_unknown;
        context.question.clone_from(&request.question);
        let source = request.origin.source();
        if source != Origin::DIRECT || context.source.is_empty() {
            context.source = source;
        }
        if let Some(chat_uuid) = &request.origin.chat_uuid {
            context.chat_uuid.clone_from(chat_uuid);
        }
        context
    }

    /// Where an answer to the customer goes by mail.
    pub fn reply_to(&self) -> Option<Mailbox> {
        self.email.clone().map(|address| Mailbox { name: self.name.clone(), address })
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
    /// When the message was made.
    pub created_at: Timestamp,
    /// When it was due.
    pub due_at: Timestamp,
    /// What it says.
    pub context: Context,
}

/// One attempt, kept for ever beside its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The lease epoch: counts every claim of the message, in order.
    pub epoch: i64,
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

/// Where an attempt leaves its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The receiver took it.
    Delivered {
        /// What the receiver calls it.
        reference: String,
        /// What a sandboxed channel kept.
        capture: Option<Vec<u8>>,
    },
    /// Pending again.
    Again {
        /// When it may be sent next.
        due_at: Timestamp,
        /// Whether the attempt counts against the retry schedule.
        counted: bool,
    },
    /// Given up.
    Dead,
    /// Left to an operator.
    Held,
}

impl Transition {
    /// Where `outcome` of the attempt numbered `attempt` leaves the message. `chance` in `0.0..1.0` picks the jitter.
    pub fn after(
        outcome: &Outcome,
        attempt: u32,
        schedule: &RetrySchedule,
        on_unknown: OnUnknown,
        now: Timestamp,
        chance: f64,
    ) -> Self {
        let again = |asked| match schedule.wait_after(attempt, chance, asked) {
            Some(wait) => Self::Again { due_at: now.after(wait), counted: true },
            None => Self::Dead,
        };
        match outcome {
            Outcome::Delivered { reference, capture } => {
                Self::Delivered { reference: reference.clone(), capture: capture.clone() }
            }
            // The channel is at fault, not the message: it waits the schedule's first wait and loses no attempt.
            Outcome::Retry { scope: Scope::Channel, .. } | Outcome::Dead { scope: Scope::Channel, .. } => {
                let asked = if let Outcome::Retry { after, .. } = outcome { *after } else { None };
                let wait = schedule.wait_for_channel(chance, asked);
                Self::Again { due_at: now.after(wait), counted: false }
            }
            Outcome::Retry { after, .. } => again(*after),
            Outcome::Dead { .. } => Self::Dead,
            Outcome::Unknown { .. } => match on_unknown {
                OnUnknown::Retry => again(None),
                OnUnknown::Hold => Self::Held,
            },
        }
    }
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn after(outcome: &Outcome, attempt: u32, on_unknown: OnUnknown) -> Transition {
        let schedule = RetrySchedule::new(vec![Duration::from_secs(10), Duration::from_secs(20)]).unwrap();
        Transition::after(outcome, attempt, &schedule, on_unknown, NOW, 0.0)
    }

    fn again(seconds: u64, counted: bool) -> Transition {
        Transition::Again { due_at: NOW.after(Duration::from_secs(seconds)), counted }
    }

    #[test]
    fn a_failed_attempt_waits_its_turn_and_the_last_one_is_a_dead_letter() {
        let busy = Outcome::retry(Scope::Message, "503");
        assert_eq!(after(&busy, 1, OnUnknown::Retry), again(10, true));
        assert_eq!(after(&busy, 2, OnUnknown::Retry), again(20, true));
        assert_eq!(after(&busy, 3, OnUnknown::Retry), Transition::Dead);
    }

    #[test]
    fn a_fault_of_the_channel_burns_no_attempt() {
        assert_eq!(after(&Outcome::retry(Scope::Channel, "refused"), 3, OnUnknown::Retry), again(10, false));
        assert_eq!(after(&Outcome::dead(Scope::Channel, "token revoked", ""), 3, OnUnknown::Retry), again(10, false));
    }

    #[test]
    fn a_refusal_ends_the_message_at_once() {
        assert_eq!(after(&Outcome::dead(Scope::Recipient, "550", ""), 1, OnUnknown::Retry), Transition::Dead);
    }

    #[test]
    fn no_answer_is_sent_again_or_held_as_the_channel_says() {
        let silent = Outcome::Unknown { why: "no answer".into() };
        assert_eq!(after(&silent, 1, OnUnknown::Retry), again(10, true));
        assert_eq!(after(&silent, 1, OnUnknown::Hold), Transition::Held);
    }

    #[test]
    fn words_read_back() {
        assert_eq!("held".parse(), Ok(State::Held));
        assert!("failed".parse::<State>().unwrap_err().to_string().contains("expected one of pending"));
    }
}
