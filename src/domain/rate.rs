//! How often something may be done: a rate, and the token bucket that keeps to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Timestamp;

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number from 1 to 1000000 for each s, m, h or day, as in \"1/s\" or \"30/m\"")]
pub struct RateError;

/// So many in a stretch of time, and so many at once after a quiet while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
    /// How many may follow each other without a pause after a quiet while; at least 1.
    pub burst: u32,
}

impl Rate {
    /// The same rate with another burst.
    #[must_use]
    pub const fn with_burst(self, burst: u32) -> Self {
        Self { burst, ..self }
    }

    /// The time between two at this rate.
    pub fn interval(&self) -> Duration {
        self.per / self.count.max(1)
    }
}

/// As it is written in the configuration: `30/m`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            0..=1 => "s",
            60 => "m",
            3600 => "h",
            _ => "day",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl FromStr for Rate {
    type Err = RateError;

    /// Reads `1/s`, `30/m`, `100/h`, `500/day`; the burst is 1.
    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, unit) = text.split_once('/').ok_or(RateError)?;
        let per = match unit.trim() {
            "s" | "sec" | "second" => Duration::from_secs(1),
            "m" | "min" | "minute" => Duration::from_mins(1),
            "h" | "hour" => Duration::from_hours(1),
            "d" | "day" => Duration::from_hours(24),
            _ => return Err(RateError),
        };
        let count = count.trim().parse().ok().filter(|count| (1..=1_000_000).contains(count)).ok_or(RateError)?;
        Ok(Self { count, per, burst: 1 })
    }
}

/// A token bucket that keeps to a rate, as one number: the moment at which it is full again, in microseconds since 1970
/// (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket(i64);

impl Bucket {
    /// One that holds the whole burst.
    pub const fn full() -> Self {
        Self(i64::MIN)
    }

    /// One that holds a single token: a program that is started again and again then keeps to its rate, too.
    pub fn with_one(rate: Rate, now: Timestamp) -> Self {
        let mut bucket = Self::full();
        bucket.take(rate, rate.burst.saturating_sub(1), now);
        bucket
    }

    /// How many tokens it holds, at least one. The error: it holds none, and how long until it does.
    pub fn available(self, rate: Rate, now: Timestamp) -> Result<u32, Duration> {
        let (every, filling) = micros(rate);
        let missing = self.missing(filling, now);
        match filling.saturating_sub(missing).max(0) / every {
            0 => Err(Duration::from_micros(missing.saturating_add(every).saturating_sub(filling).unsigned_abs())),
            tokens => Ok(u32::try_from(tokens).unwrap_or(u32::MAX)),
        }
    }

    /// Takes so many tokens out, if need be more than there are: a debt is paid back by waiting.
    pub fn take(&mut self, rate: Rate, tokens: u32, now: Timestamp) {
        let (every, filling) = micros(rate);
        let missing = self.missing(filling, now).saturating_add(every.saturating_mul(i64::from(tokens)));
        self.0 = now.as_millis().saturating_mul(1000).saturating_add(missing);
    }

    /// How many microseconds it takes to fill. More than twice what an empty one takes comes from a clock that was set
    /// back since, and must lock nobody out.
    fn missing(self, filling: i64, now: Timestamp) -> i64 {
        let missing = self.0.saturating_sub(now.as_millis().saturating_mul(1000)).max(0);
        if missing > filling.saturating_mul(2) { 0 } else { missing }
    }
}

/// The time between two tokens, and the time that an empty bucket takes to fill.
fn micros(rate: Rate) -> (i64, i64) {
    let every = i64::try_from(rate.interval().as_micros()).unwrap_or(i64::MAX).max(1);
    (every, every.saturating_mul(i64::from(rate.burst.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_512_600_000);

    fn at(seconds: f64) -> Timestamp {
        NOW.after(Duration::from_secs_f64(seconds))
    }

    fn rate(text: &str, burst: u32) -> Rate {
        text.parse::<Rate>().unwrap().with_burst(burst)
    }

    #[test]
    fn a_rate_is_a_number_for_each_stretch_of_time() {
        let rate: Rate = "30/m".parse().unwrap();
        assert_eq!((rate.count, rate.per, rate.burst), (30, Duration::from_mins(1), 1));
        assert_eq!(rate.interval(), Duration::from_secs(2));
        assert_eq!("1/s".parse::<Rate>().unwrap().with_burst(3).burst, 3);
        for written in ["1/s", "30/m", "100/h", "500/day"] {
            assert_eq!(written.parse::<Rate>().unwrap().to_string(), written);
        }
        for wrong in ["", "5", "0/s", "1/week", "-1/s", "1.5/s", "/s", "2000000/s"] {
            assert_eq!(wrong.parse::<Rate>(), Err(RateError), "{wrong}");
        }
    }

    #[test]
    fn a_burst_may_follow_a_quiet_while_and_then_one_each_so_often() {
        let rate = rate("1/s", 3);
        let mut bucket = Bucket::full();
        assert_eq!(bucket.available(rate, NOW), Ok(3));
        bucket.take(rate, 3, NOW);
        assert_eq!(bucket.available(rate, at(0.25)), Err(Duration::from_millis(750)));
        assert_eq!(bucket.available(rate, at(1.0)), Ok(1));
        assert_eq!(bucket.available(rate, at(100.0)), Ok(3));
    }

    #[test]
    fn a_start_brings_one_token_and_no_burst() {
        let rate = rate("1/s", 3);
        let mut bucket = Bucket::with_one(rate, NOW);
        assert_eq!(bucket.available(rate, NOW), Ok(1));
        bucket.take(rate, 1, NOW);
        assert_eq!(bucket.available(rate, NOW), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_debt_is_paid_back_by_waiting() {
        let rate = rate("1/s", 1);
        let mut bucket = Bucket::full();
        bucket.take(rate, 2, NOW);
        assert_eq!(bucket.available(rate, NOW), Err(Duration::from_secs(2)));
    }

    #[test]
    fn a_clock_that_jumps_locks_nobody_out_and_brings_no_more_than_the_burst() {
        let rate = rate("1/s", 3);
        let mut bucket = Bucket::full();
        bucket.take(rate, 3, NOW);
        assert_eq!(bucket.available(rate, NOW.before(Duration::from_hours(1))), Ok(3));
        assert_eq!(bucket.available(rate, at(1e9)), Ok(3));
    }

    #[test]
    fn over_any_ten_seconds_no_more_than_the_rate_and_the_burst_pass() {
        let rate = rate("5/s", 2);
        let mut bucket = Bucket::with_one(rate, NOW);
        let mut passed = Vec::new();
        for millisecond in 0..60_000_u64 {
            let now = NOW.after(Duration::from_millis(millisecond));
            if let Ok(available) = bucket.available(rate, now) {
                bucket.take(rate, available, now);
                passed.extend(vec![millisecond; available as usize]);
            }
        }
        let windows = (0..50_000).step_by(100);
        let most = windows.map(|from| passed.iter().filter(|at| (from..from + 10_000).contains(*at)).count()).max();
        assert!(most.unwrap() <= 52 && passed.len() >= 299, "{most:?} of {}", passed.len());
    }
}
