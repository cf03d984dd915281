//! Customers: what became of them, and whether they want to be written to.

use crate::domain::{Message, Origin, Request, Timestamp, User, UserId};

/// A later visit of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// When it was.
    pub at: Timestamp,
    /// Where they came from that time.
    pub origin: Origin,
}

/// A later visit, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTouch {
    /// Its place among all visits; later ones have higher numbers.
    pub number: i64,
    /// Whose it was.
    pub user_id: UserId,
    /// The visit.
    pub touch: Touch,
}

/// A user with everything that happened to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTimeline {
    /// The user.
    pub user: User,
    /// When they first opened the chat by the link in their welcome; `None`: they have not.
    pub opened_at: Option<Timestamp>,
    /// Later visits, oldest first.
    pub touches: Vec<Touch>,
    /// Their requests, oldest first.
    pub requests: Vec<Request>,
    /// Every message to or about them, oldest first.
    pub messages: Vec<Message>,
}

/// Whether a customer wants to be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The language that they read, as a tag; empty when nothing tells.
    pub language: String,
    /// Whether they do: everybody does who has not said otherwise.
    pub subscribed: bool,
}
