//! The ledger: which origins brought which customers, and what became of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{CreditedTouch, Dimension, Pattern, Timeline};

/// What to count.
#[derive(Clone, Debug)]
pub struct LedgerQuery {
    /// What a row stands for.
    pub by: Dimension,
    /// Which visit is credited.
    pub touch: CreditedTouch,
    /// The period, and its parts.
    pub timeline: Timeline,
    /// Only customers whose values are like these; every one must hold. `None`: those of whom it was not told.
    pub only: Vec<(Dimension, Option<Pattern>)>,
    /// How many rows at most; what is left is added up. At least one.
    pub limit: usize,
}

/// What happened to the customers of one origin. A registration and its welcome count where the registration was, a
/// request with its deliveries and answers where the request was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Customers who registered.
    pub registrations: u64,
    /// Of them, those whose welcome was delivered.
    pub welcomed: u64,
    /// Of them, those whose welcome was given up because nobody is at their address.
    pub bounced: u64,
    /// Half of the delivered welcomes took no longer, from the registration on; `None`: there are none.
    pub to_welcome: Option<Duration>,
    /// Of the registrations, those who opened the chat by the link in their welcome.
    pub opened: u64,
    /// Half of them took no longer, from the registration on; `None`: there are none.
    pub to_opening: Option<Duration>,
    /// Requests.
    pub requests: u64,
    /// Of them, those of which at least one message was delivered.
    pub delivered: u64,
    /// Half of the delivered requests took no longer to their first delivery; `None`: there are none.
    pub to_delivery: Option<Duration>,
    /// Of the requests, those that somebody looks after: acknowledged, or answered at once.
    pub acknowledged: u64,
    /// Half of the acknowledged requests waited no longer for it; `None`: there are none.
    pub to_acknowledgement: Option<Duration>,
    /// Of the requests, those whose customer has their answer.
    pub answered: u64,
    /// Half of the answered requests waited no longer for it; `None`: there are none.
    pub to_answer: Option<Duration>,
    /// Requests by the [key](crate::domain::TopicKey) of their topic; under the empty one those that no route named.
    pub topics: BTreeMap<String, u64>,
}

/// One value of the dimension, or all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerRow {
    /// Of the whole period.
    pub whole: Tally,
    /// Of each part of it.
    pub parts: Vec<Tally>,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The values, those of which there is most first; the empty one: it was not told.
    pub rows: Vec<(String, LedgerRow)>,
    /// The values beyond the limit.
    pub others: Option<LedgerRow>,
    /// Everything.
    pub total: LedgerRow,
    /// Whether everything is counted: after an upgrade it takes a while until all that is older is.
    pub complete: bool,
}

/// Why some visits are counted under a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginReason {
    /// The value; empty: it was not told.
    pub value: String,
    /// What it was made from, as it came; empty: from nothing.
    pub from: String,
    /// The rule that was followed.
    pub why: String,
    /// How many different combinations of clues it is true of.
    pub visits: u64,
}
