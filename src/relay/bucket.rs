//! Keeps a channel to its rate: a token bucket.

use crate::domain::{Rate, Timestamp};

/// Holds a token for each message that may be sent now. They come at the rate, up to the burst.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Option<Rate>,
    tokens: f64,
    counted_at: Timestamp,
}

impl Bucket {
    /// With a single token, so that a program which is restarted again and again keeps to its rate, too.
    pub(super) const fn new(rate: Option<Rate>, now: Timestamp) -> Self {
        Self { rate, tokens: 1.0, counted_at: now }
    }

    /// How many messages may be sent now; the error says when the next one may.
    pub(super) fn available(&mut self, now: Timestamp) -> Result<usize, Timestamp> {
        let Some(rate) = self.rate else { return Ok(usize::MAX) };
        // A clock that is set back brings no tokens and takes none; time goes on from there.
        let passed = now.since(self.counted_at);
        let interval = rate.interval().as_secs_f64();
        self.counted_at = now;
        self.tokens = (self.tokens + passed.as_secs_f64() / interval).min(f64::from(rate.burst.max(1)));
        // A millisecond is the clock's own measure: what is missing less than that is not missing.
        if self.tokens + 0.001 / interval.max(0.001) < 1.0 {
            return Err(now.after(rate.interval().mul_f64(1.0 - self.tokens)));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the burst")]
        Ok((self.tokens as usize).max(1))
    }

    /// Takes tokens away for messages that are being sent. A debt is paid back by waiting.
    pub(super) fn spend(&mut self, messages: usize) {
        if self.rate.is_some() {
            self.tokens -= f64::from(u32::try_from(messages).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn at(seconds: f64) -> Timestamp {
        NOW.after(Duration::from_secs_f64(seconds))
    }

    fn bucket(rate: &str, burst: u32) -> Bucket {
        Bucket::new(Some(rate.parse::<Rate>().unwrap().with_burst(burst)), NOW)
    }

    #[test]
    fn messages_follow_each_other_at_the_rate_after_a_burst() {
        let mut bucket = bucket("1/s", 3);
        assert_eq!(bucket.available(at(100.0)), Ok(3));
        bucket.spend(3);
        assert_eq!(bucket.available(at(100.25)), Err(at(101.0)));
        assert_eq!(bucket.available(at(101.0)), Ok(1));
    }

    #[test]
    fn a_restart_brings_no_burst() {
        let mut bucket = bucket("1/s", 3);
        assert_eq!(bucket.available(NOW), Ok(1));
        bucket.spend(1);
        assert_eq!(bucket.available(NOW), Err(at(1.0)));
    }

    #[test]
    fn a_clock_that_jumps_stalls_nothing_and_brings_no_more_than_the_burst() {
        let mut bucket = bucket("1/s", 3);
        bucket.spend(1);
        assert!(bucket.available(NOW.before(Duration::from_hours(1))).is_err());
        assert_eq!(bucket.available(NOW.before(Duration::from_secs(3599))), Ok(1));
        assert_eq!(bucket.available(at(1e9)), Ok(3));
    }

    #[test]
    fn over_any_ten_seconds_no_more_than_the_rate_and_the_burst_are_sent() {
        let mut bucket = bucket("5/s", 2);
        let mut sent = Vec::new();
        for millisecond in 0..60_000_u64 {
            let now = NOW.after(Duration::from_millis(millisecond));
            if let Ok(available) = bucket.available(now) {
                bucket.spend(available);
                sent.extend(vec![millisecond; available]);
            }
        }
        let most =
            (0..50_000).step_by(100).map(|from| sent.iter().filter(|at| (from..from + 10_000).contains(*at)).count());
        assert!(most.max().unwrap() <= 52, "{} in all", sent.len());
        assert!(sent.len() >= 298, "{} in all", sent.len());
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut bucket = Bucket::new(None, NOW);
        bucket.spend(1_000_000);
        assert_eq!(bucket.available(NOW), Ok(usize::MAX));
    }
}
