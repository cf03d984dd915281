//! What came of one attempt to deliver, and how far it reaches.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far an answer reaches. A wrong scope is the classic mistake of notification software: a revoked token says
/// nothing about a message, and a full mailbox nothing about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This message alone: it is too long, its content was refused.
    Message,
    /// The customer it is for: their mailbox does not exist.
    Recipient,
    /// The place it goes to: an archived Slack channel, a deleted webhook.
    Destination,
    /// Everything sent over this channel: a wrong password, a server that is down. Burns no message's attempts.
    Channel,
}

impl Scope {
    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Recipient => "recipient",
            Self::Destination => "destination",
            Self::Channel => "channel",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered {
        /// What the receiver calls it: a queue id, a Slack timestamp. Empty when it says nothing.
        reference: String,
        /// The exact bytes, when a sandboxed channel kept them instead of sending.
        capture: Option<Vec<u8>>,
    },
    /// It was not taken; another attempt may succeed.
    Retry {
        /// How long the receiver asked us to wait.
        after: Option<Duration>,
        /// How far the failure reaches.
        scope: Scope,
        /// What happened, for a person.
        why: String,
    },
    /// It was not taken and never will be.
    Dead {
        /// How far the refusal reaches.
        scope: Scope,
        /// What happened, for a person.
        why: String,
        /// What that person can do about it; empty when nothing is known.
        hint: String,
    },
    /// It was sent, but no answer came: it may or may not have been taken.
    Unknown {
        /// What happened, for a person.
        why: String,
    },
}

impl Outcome {
    /// Taken, under the receiver's name for it.
    pub fn delivered(reference: impl Into<String>) -> Self {
        Self::Delivered { reference: reference.into(), capture: None }
    }

    /// Worth another attempt.
    pub fn retry(scope: Scope, why: impl Into<String>) -> Self {
        Self::Retry { after: None, scope, why: why.into() }
    }

    /// Refused for good.
    pub fn dead(scope: Scope, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Dead { scope, why: why.into(), hint: hint.into() }
    }

    /// The same, with whatever the receiver said passed through `change`.
    #[must_use]
    pub fn map_text(self, change: impl Fn(String) -> String) -> Self {
        match self {
            Self::Delivered { reference, capture } => Self::Delivered { reference: change(reference), capture },
            Self::Retry { after, scope, why } => Self::Retry { after, scope, why: change(why) },
            Self::Dead { scope, why, hint } => Self::Dead { scope, why: change(why), hint },
            Self::Unknown { why } => Self::Unknown { why: change(why) },
        }
    }

    /// The word kept with the attempt.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Retry { .. } => "retry",
            Self::Dead { .. } => "dead",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// How far it reaches; a delivery has no scope.
    pub const fn scope(&self) -> Option<Scope> {
        match self {
            Self::Retry { scope, .. } | Self::Dead { scope, .. } => Some(*scope),
            Self::Unknown { .. } => Some(Scope::Message),
            Self::Delivered { .. } => None,
        }
    }

    /// What happened and what to do about it, in one line; empty for a delivery.
    pub fn explanation(&self) -> String {
        match self {
            Self::Delivered { .. } => String::new(),
            Self::Retry { why, .. } | Self::Unknown { why } => why.clone(),
            Self::Dead { why, hint, .. } if hint.is_empty() => why.clone(),
            Self::Dead { why, hint, .. } => format!("{why} ({hint})"),
        }
    }
}

/// What to do when a message was sent but no answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Send it again with the same id: it may arrive twice, it will not be lost.
    #[default]
    Retry,
    /// Hold it until an operator decides: it may be missing, it will not arrive twice.
    Hold,
}
