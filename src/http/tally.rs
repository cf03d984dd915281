//! Counts what happens often, so that the log tells of it once a minute and not once each.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Timestamp;

/// How often it is told.
const EVERY: Duration = Duration::from_mins(1);

/// A count of what has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    count: u64,
    told: Option<Timestamp>,
}

impl Tally {
    /// Counts one more. Says how many there were since it last said so, at most once a minute.
    pub(super) fn count(&self, now: Timestamp) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.count += 1;
        // A clock that was set back must not silence it.
        let is_time = counted.told.is_none_or(|told| now < told || now.since(told) >= EVERY);
        is_time.then(|| {
            counted.told = Some(now);
            std::mem::take(&mut counted.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_once_a_minute() {
        let tally = Tally::default();
        let at = |seconds: i64| tally.count(Timestamp::from_millis(seconds * 1000));
        assert_eq!((at(0), at(1), at(59), at(60), at(61)), (Some(1), None, None, Some(3), None));
        assert_eq!(at(-3600), Some(2), "the clock was set back");
    }
}
