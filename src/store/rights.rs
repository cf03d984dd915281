//! What customers may ask for: everything that is kept about them, and that it is erased.

use super::{InboxEntry, MessageHistory, Touch};
use crate::domain::{Clues, Request, RequestChange, RequestEdit, Suppression, Timestamp, User};

/// Everything that is kept about one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserExport {
    /// The customer.
    pub user: User,
    /// When they were erased; `None`: they were not.
    pub erased_at: Option<Timestamp>,
    /// When their welcome was delivered.
    pub welcomed_at: Option<Timestamp>,
    /// Whether their welcome was given up because nobody is at their address.
    pub bounced: bool,
    /// When they first opened the chat by the link in it; `None`: they have not.
    pub opened_at: Option<Timestamp>,
    /// What the ledger credits with them, by first and by last touch; `None`: they are not counted yet.
    pub credited: Option<(Clues, Clues)>,
    /// Later visits, oldest first.
    pub touches: Vec<Touch>,
    /// Their requests, oldest first.
    pub requests: Vec<ExportedRequest>,
    /// Every message to or about them, oldest first.
    pub messages: Vec<MessageHistory>,
    /// Why nothing is sent to their address, if that is so.
    pub suppression: Option<Suppression>,
    /// Webhooks that nobody could read, and in which their mail address, phone or Landbot's number for them stands.
    pub inbox: Vec<InboxEntry>,
}

/// A request with all that is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedRequest {
    /// The request.
    pub request: Request,
    /// What its caller named it by, so that it would not be taken twice.
    pub idempotency_key: Option<String>,
    /// When it came the last time.
    pub seen_at: Timestamp,
    /// When the first of its messages was delivered.
    pub delivered_at: Option<Timestamp>,
    /// What the ledger credits with it; `None`: it is not counted yet.
    pub credited: Option<(Clues, Clues)>,
    /// Every change of its state, oldest first.
    pub changes: Vec<RequestChange>,
    /// Every note and every name that stood beside it, oldest first.
    pub edits: Vec<RequestEdit>,
}

/// What an erasure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// When the customer was erased: earlier, if this was asked for again.
    pub at: Timestamp,
    /// Whether they had been erased before.
    pub was_erased: bool,
    /// How many messages were deleted with everything that was tried.
    pub messages: u64,
    /// How many unreadable webhooks were deleted, since they named the customer.
    pub inbox: u64,
    /// Whether nothing is left in the write-ahead log either. If not, somebody reads an old state of the database, and the
    /// log is emptied as soon as they let go.
    pub log_emptied: bool,
}
