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
    /// Whether it is sent also when its period was told already: somebody asks for it.
    pub again: bool,
}

/// The newest period that was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldReport {
    /// How often such a report comes.
    pub cadence: Cadence,
    /// The first day of the period.
    pub first_day: String,
    /// When it was told; `None`: there was nothing to tell, or it was over before anybody wanted to hear of it.
    pub told_at: Option<Timestamp>,
}
