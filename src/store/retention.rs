//! How long things are kept, and how much of them went.

use std::time::Duration;

/// How long what is finished is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Delivered and cancelled messages with their attempts and captures.
    pub delivered: Duration,
    /// Dead letters.
    pub dead: Duration,
    /// Unreadable webhooks.
    pub inbox: Duration,
    /// What a sandboxed channel kept, from when the message was made; here and below `None`: as long as the rest.
    pub captures: Option<Duration>,
    /// What came of each attempt, from when the message was made.
    pub attempts: Option<Duration>,
    /// What was asked, noted and told with requests that are closed.
    pub questions: Option<Duration>,
    /// What was told of visits.
    pub touches: Option<Duration>,
    /// Customers of whom nothing was heard: they are erased.
    pub customers: Option<Duration>,
    /// The list of changes.
    pub audit: Option<Duration>,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Messages.
    pub messages: u64,
    /// Unreadable webhooks.
    pub inbox: u64,
    /// What a sandboxed channel kept.
    pub captures: u64,
    /// Attempts.
    pub attempts: u64,
    /// Requests, of their words.
    pub questions: u64,
    /// Visits, of what was told of them.
    pub touches: u64,
    /// Customers, who were erased.
    pub customers: u64,
    /// Entries of the list of changes.
    pub audit: u64,
    /// Whether there may be more to delete.
    pub more: bool,
}

impl Pruned {
    /// With what another bite deleted.
    pub const fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.inbox += other.inbox;
        self.captures += other.captures;
        self.attempts += other.attempts;
        self.questions += other.questions;
        self.touches += other.touches;
        self.customers += other.customers;
        self.audit += other.audit;
        self.more = other.more;
    }
}
