//! When to try again, and when to give up.

use std::time::Duration;

/// Longest wait that a receiver's `Retry-After` may impose: a wrong clock on their side must not cost us a week.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// How long a message waits for a channel that is in trouble, when it gets a single attempt and so has no waits.
const WAIT_FOR_CHANNEL: Duration = Duration::from_mins(1);

/// How much a wait may be stretched, so that an outage's victims do not all come back in the same second.
/// Only ever longer, so that no attempt comes earlier than the receiver was promised.
const JITTER: f64 = 0.2;

/// Why a list of waits is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryScheduleError {
    /// There are more than 100 of them.
    #[error("at most 100 waits")]
    TooMany,
    /// One is shorter than a second or longer than thirty days.
    #[error("each wait is at least 1s and at most 30days")]
    OutOfRange,
}

/// The waits between attempts. After the last one has passed in vain, the message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

impl RetrySchedule {
    /// A schedule of these waits; an empty list means a single attempt.
    pub fn new(waits: Vec<Duration>) -> Result<Self, RetryScheduleError> {
        let range = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
        if waits.len() > 100 {
            return Err(RetryScheduleError::TooMany);
        }
        if waits.iter().any(|wait| !range.contains(wait)) {
            return Err(RetryScheduleError::OutOfRange);
        }
        Ok(Self(waits))
    }

    /// How many attempts a message gets in all.
    pub fn attempts(&self) -> usize {
        self.0.len() + 1
    }

    /// How long to wait after the attempt numbered `attempt` (from 1) failed; `None`: give up.
    ///
    /// `chance` in `0.0..1.0` picks the jitter; `asked` is the receiver's own wish.
    pub fn wait_after(&self, attempt: u32, chance: f64, asked: Option<Duration>) -> Option<Duration> {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        Some(stretch(*self.0.get(index)?, chance, asked))
    }

    /// How long to wait for a channel that is in trouble: an attempt that does not count.
    pub fn wait_for_channel(&self, chance: f64, asked: Option<Duration>) -> Duration {
        stretch(self.0.first().copied().unwrap_or(WAIT_FOR_CHANNEL), chance, asked)
    }
}

fn stretch(wait: Duration, chance: f64, asked: Option<Duration>) -> Duration {
    let wait = wait.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0));
    wait.max(asked.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> RetrySchedule {
        RetrySchedule::new(vec![Duration::from_secs(10), Duration::from_secs(100)]).unwrap()
    }

    #[test]
    fn each_wait_is_the_schedules_stretched_by_at_most_a_fifth() {
        assert_eq!(schedule().wait_after(1, 0.0, None), Some(Duration::from_secs(10)));
        assert_eq!(schedule().wait_after(2, 1.0, None), Some(Duration::from_mins(2)));
    }

    #[test]
    fn after_the_last_wait_the_message_is_given_up() {
        assert_eq!(schedule().wait_after(3, 0.0, None), None);
        assert_eq!(schedule().wait_after(3, 0.0, Some(Duration::from_secs(5))), None);
        assert_eq!(schedule().attempts(), 3);
    }

    #[test]
    fn a_receivers_wish_makes_the_wait_longer_never_shorter() {
        let wish = |seconds| schedule().wait_after(1, 0.0, Some(Duration::from_secs(seconds)));
        assert_eq!(wish(3), Some(Duration::from_secs(10)));
        assert_eq!(wish(60), Some(Duration::from_mins(1)));
        assert_eq!(wish(10_000_000), Some(Duration::from_hours(24)));
    }

    #[test]
    fn absurd_waits_are_refused() {
        assert_eq!(RetrySchedule::new(vec![Duration::ZERO]), Err(RetryScheduleError::OutOfRange));
        assert_eq!(RetrySchedule::new(vec![Duration::from_secs(1); 101]), Err(RetryScheduleError::TooMany));
    }
}
