//! Reports, and what was told already.

use crate::domain::{Cadence, Context, NewMessage, Timestamp};

/// A report, to be put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReport {
    /// How often such a report comes.
    pub cadence: Cadence,
    /// The first day of its period, as in `2026-11-16`.
    pub first_day: String,
    /// What its messages say.
    pub context: Context,
    /// Its messages, one for each channel; none: there is nothing to tell of this period.
    pub messages: Vec<NewMessage>,
    /// Whether it counts also when its period, or a later one, was told already: somebody asks for it, or a clock that was
    /// ahead told of what is not over.
    pub again: bool,
}

/// The newest period that is done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldReport {
    /// How often such a report comes.
    pub cadence: Cadence,
    /// The first day of the period.
    pub first_day: String,
    /// When such a report was sent last; `None`: there was nothing to tell yet.
    pub told_at: Option<Timestamp>,
}
