//! What the console shows first: how much there is, each number counted only so far.

use crate::domain::{RequestState, State, Timestamp};

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many, not counted beyond [`Counted::MOST`].
    pub count: u64,
    /// Whether there are more.
    pub more: bool,
}

impl Counted {
    /// No number is counted beyond this one, so that a long list costs no more to count than this: some milliseconds.
    pub const MOST: u64 = 100_000;
}

/// What happened in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Customers who registered.
    pub registrations: Counted,
    /// Requests that came.
    pub requests: Counted,
    /// Messages that were delivered, of those that are still kept.
    pub delivered: Counted,
    /// Messages that were given up, likewise.
    pub dead: Counted,
}

/// How much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// In each stretch of time that was asked for.
    pub happened: Vec<Happened>,
    /// Messages that are pending, sending, dead or held.
    pub messages: Vec<(State, Counted)>,
    /// Requests by their state.
    pub requests: Vec<(RequestState, Counted)>,
    /// When the last webhook came that brought anything; `None`: none has.
    pub last_webhook_at: Option<Timestamp>,
}
