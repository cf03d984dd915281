//! A moment, as the store keeps it: whole milliseconds since 1970 in UTC.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// A moment in UTC, cut to the millisecond so that every store returns exactly what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment `wait` later; the end of time when that is out of range.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `age` earlier; the beginning of time when that is out of range.
    #[must_use]
    pub fn before(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` to this moment; zero when it lies later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub(super) fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// The moment as a mail's `Date` header wants it (RFC 5322 §3.3).
    pub fn to_rfc_2822(self) -> String {
        self.to_jiff().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }

    /// The moment for a person to read, to the minute: `2026-11-24 09:30 UTC`.
    pub fn to_readable(self) -> String {
        self.to_jiff().strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// The moment as part of a file's name, to the second; names sort as the moments do: `2026-11-24T093000Z`.
    pub fn to_file_stamp(self) -> String {
        self.to_jiff().strftime("%Y-%m-%dT%H%M%SZ").to_string()
    }

    /// Reads what [`to_file_stamp`](Self::to_file_stamp) writes, and nothing else.
    pub fn parse_file_stamp(text: &str) -> Option<Self> {
        let (hour, minute) = (text.get(..13)?, text.get(13..15)?);
        let moment = Self::parse(&format!("{hour}:{minute}:{}", text.get(15..)?))?;
        (moment.to_file_stamp() == text).then_some(moment)
    }

    /// Reads RFC 3339, as [`Display`](fmt::Display) writes it.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }
}

/// RFC 3339 with milliseconds: `2026-11-24T09:30:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_as_it_was_written() {
        let moment = Timestamp::from_millis(1_795_509_000_123);
        assert_eq!(moment.to_string(), "2026-11-24T08:30:00.123Z");
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        assert_eq!(moment.to_rfc_2822(), "Tue, 24 Nov 2026 08:30:00 +0000");
        assert_eq!(moment.to_file_stamp(), "2026-11-24T083000Z");
        assert_eq!(Timestamp::parse_file_stamp("2026-11-24T083000Z"), Some(Timestamp::from_millis(1_795_509_000_000)));
        for other in ["2026-11-24T08:30:00Z", "2026-11-24T083000", "2026-11-24T083000+0100", "", "2026-13-24T083000Z"] {
            assert_eq!(Timestamp::parse_file_stamp(other), None, "{other}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        assert_eq!(Timestamp::from_millis(i64::MAX).after(Duration::from_secs(1)), Timestamp::from_millis(i64::MAX));
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert!(!Timestamp::from_millis(i64::MAX).to_string().is_empty());
    }
}
