//! What comes in: what a store is asked to take, and what it answers.

use crate::domain::{ContactField, InboxId, NewMessage, NewRequest, NewUser, RequestId, Timestamp, User};

/// A customer registers.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What the bot told about them.
    pub user: NewUser,
    /// The welcome to put into the outbox; sent only once to each user, and only to one whom it can reach.
    pub welcome: Option<NewMessage>,
    /// The addresses that it can reach a user at: any of them will do.
    pub reached_at: Vec<ContactField>,
    /// Landbot's own mark of this delivery, stable across its retries.
    pub trace: Option<String>,
}

/// What came of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The user, merged with what was known before.
    pub user: User,
    /// Whether they had not registered before.
    pub created: bool,
    /// When their welcome is due, if this registration put one into the outbox.
    pub welcome_due: Option<Timestamp>,
}

/// A customer asks for help.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What the bot told about them; `None` when there is nothing to know them by.
    pub user: Option<NewUser>,
    /// What they ask.
    pub request: NewRequest,
    /// The messages that carry it, one for each channel of its route.
    pub messages: Vec<NewMessage>,
}

/// What came of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The request: the earlier one, if this was a repeat.
    pub request_id: RequestId,
    /// The user, merged with what was known before.
    pub user: Option<User>,
    /// Whether it was a repeat, so that nothing was put into the outbox.
    pub duplicate: bool,
}

/// What came of an imported customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// They were not known.
    New,
    /// They were known, and something that was missing is known now.
    Merged,
    /// Nothing was missing.
    Unchanged,
}

impl Arrival {
    /// The word for a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Merged => "merged",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A webhook nobody could read, kept so that no customer is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxEntry {
    /// Its id.
    pub id: InboxId,
    /// When it came.
    pub received_at: Timestamp,
    /// Method, path and query, secrets redacted.
    pub request_line: String,
    /// `Name: value` lines, secrets redacted.
    pub headers: String,
    /// The body, as it came.
    pub body: Vec<u8>,
    /// Why it could not be read.
    pub why: String,
}
