//! A period, cut into hours, days, weeks or months of some place.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{RoundMode, ToSpan as _, Unit, ZonedDateTime, ZonedDateTimeRound};

use super::Timestamp;

/// More parts than this are no table and no chart.
const MOST_PARTS: usize = 1000;

/// How a period is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucketing {
    /// Not at all.
    Whole,
    /// By the hour.
    Hour,
    /// By the calendar's day.
    Day,
    /// By the week, which begins on Monday (ISO 8601).
    Week,
    /// By the calendar's month.
    Month,
}

impl FromStr for Bucketing {
    type Err = TimelineError;

    fn from_str(text: &str) -> Result<Self, TimelineError> {
        Ok(match text {
            "none" => Self::Whole,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            _ => return Err(TimelineError::Bucket),
        })
    }
}

impl fmt::Display for Bucketing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Whole => "none",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        })
    }
}

/// Why a period cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// The word means nothing.
    #[error("expected hour, day, week, month or none")]
    Bucket,
    /// There is no such time zone.
    #[error("there is no time zone {0:?}; names are like Europe/Madrid or UTC")]
    Zone(String),
    /// It is no moment.
    #[error("{0:?} is no moment; write a day like 2026-11-24, or a time like 2026-11-24T09:00:00Z")]
    Moment(String),
    /// It is no time of day.
    #[error("{0:?} is no time of day; write hour and minute, as in 08:00")]
    TimeOfDay(String),
    /// It ends before it begins.
    #[error("the period must end after it begins")]
    Empty,
    /// There would be too many parts.
    #[error("that are more than {MOST_PARTS} parts; ask for a shorter period or larger parts")]
    TooMany,
}

/// A period and where its parts begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The first moment that belongs to it.
    pub from: Timestamp,
    /// The first moment that does not any more.
    pub to: Timestamp,
    /// Where each part begins; the first one at `from`. Parts end where the next one begins.
    pub starts: Vec<Timestamp>,
}

impl Timeline {
    /// Cuts a period by the calendar of a time zone, named as the IANA does: `Europe/Madrid`.
    pub fn new(from: Timestamp, to: Timestamp, bucketing: Bucketing, zone: &str) -> Result<Self, TimelineError> {
        let zone = TimeZone::get(zone).map_err(|_| TimelineError::Zone(zone.to_owned()))?;
        if from >= to {
            return Err(TimelineError::Empty);
        }
        let mut starts = vec![from];
        let mut next = from.to_jiff().to_zoned_datetime(zone);
        while let Some(start) = after(&next, bucketing) {
            let moment = Timestamp::from_millis(start.timestamp().as_millisecond());
            if moment >= to {
                break;
            }
            if starts.len() == MOST_PARTS {
                return Err(TimelineError::TooMany);
            }
            starts.push(moment);
            next = start;
        }
        Ok(Self { from, to, starts })
    }

    /// A moment as people write it: RFC 3339, or a day, which is its first moment in that time zone.
    pub fn moment(text: &str, zone: &str) -> Result<Timestamp, TimelineError> {
        if let Some(moment) = Timestamp::parse(text) {
            return Ok(moment);
        }
        let zone = TimeZone::get(zone).map_err(|_| TimelineError::Zone(zone.to_owned()))?;
        let day = text.parse::<jiff::civil::Date>().and_then(|day| day.to_zoned_datetime(zone));
        let day = day.map_err(|_| TimelineError::Moment(text.to_owned()))?;
        Ok(Timestamp::from_millis(day.timestamp().as_millisecond()))
    }

    /// The part that a moment belongs to; `None`: it lies outside.
    pub fn part(&self, moment: Timestamp) -> Option<usize> {
        (self.from..self.to).contains(&moment).then(|| self.starts.partition_point(|start| *start <= moment) - 1)
    }
}

/// A day that is not over, and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Today {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment of the day before.
    pub yesterday: Timestamp,
    /// The moment of the day before at which its clocks showed the same time.
    pub yesterday_until: Timestamp,
}

impl Today {
    /// The day that `now` belongs to in a time zone.
    pub fn new(now: Timestamp, zone: &str) -> Result<Self, TimelineError> {
        let zone = TimeZone::get(zone).map_err(|_| TimelineError::Zone(zone.to_owned()))?;
        let here = now.to_jiff().to_zoned_datetime(zone.clone());
        let beyond = |_| TimelineError::Moment(now.to_string());
        let yesterday = here.date().yesterday().map_err(beyond)?;
        let starts = [here.date(), yesterday].map(|day| day.to_zoned_datetime(zone.clone()));
        let [start, yesterday] = starts;
        let moment = |found: ZonedDateTime| Timestamp::from_millis(found.timestamp().as_millisecond());
        let start = moment(start.map_err(beyond)?);
        Ok(Self {
            start,
            yesterday: moment(yesterday.map_err(beyond)?),
            yesterday_until: moment(here.checked_sub(1.day()).map_err(beyond)?).min(start),
        })
    }
}

/// Where the next part begins; `None`: never, or beyond what a calendar knows.
fn after(moment: &ZonedDateTime, bucketing: Bucketing) -> Option<ZonedDateTime> {
    match bucketing {
        Bucketing::Whole => None,
        // An hour is one also where the clocks change.
        Bucketing::Hour => moment
            .round(ZonedDateTimeRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc))
            .ok()?
            .checked_add(1.hour())
            .ok(),
        Bucketing::Day => moment.date().tomorrow().ok()?.to_zoned_datetime(moment.time_zone().clone()).ok(),
        Bucketing::Week => {
            moment.date().nth_weekday(1, Weekday::Monday).ok()?.to_zoned_datetime(moment.time_zone().clone()).ok()
        }
        Bucketing::Month => {
            let next = moment.date().first_of_month().checked_add(1.month()).ok()?;
            next.to_zoned_datetime(moment.time_zone().clone()).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(from: &str, to: &str, bucketing: Bucketing, zone: &str) -> Vec<String> {
        let moment = |text| Timestamp::parse(text).unwrap();
        let timeline = Timeline::new(moment(from), moment(to), bucketing, zone).unwrap();
        timeline.starts.iter().map(|start| start.to_readable()).collect()
    }

    #[test]
    fn parts_begin_where_the_calendar_of_the_place_says() {
        assert_eq!(
            starts("2026-10-24T10:00:00Z", "2026-10-27T00:00:00Z", Bucketing::Day, "Europe/Madrid"),
            ["2026-10-24 10:00 UTC", "2026-10-24 22:00 UTC", "2026-10-25 23:00 UTC", "2026-10-26 23:00 UTC"],
            "the day on which summer ends has 25 hours"
        );
        assert_eq!(
            starts("2026-11-24T00:00:00Z", "2026-12-08T00:00:00Z", Bucketing::Week, "UTC"),
            ["2026-11-24 00:00 UTC", "2026-11-30 00:00 UTC", "2026-12-07 00:00 UTC"]
        );
        assert_eq!(
            starts("2026-01-31T12:00:00Z", "2026-03-02T00:00:00Z", Bucketing::Month, "UTC"),
            ["2026-01-31 12:00 UTC", "2026-02-01 00:00 UTC", "2026-03-01 00:00 UTC"]
        );
        assert_eq!(
            starts("2026-01-01T00:45:00Z", "2026-01-01T02:00:00Z", Bucketing::Hour, "Asia/Kolkata"),
            ["2026-01-01 00:45 UTC", "2026-01-01 01:30 UTC"]
        );
        assert_eq!(starts("2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", Bucketing::Hour, "Europe/Madrid").len(), 3);
    }

    #[test]
    fn a_moment_belongs_to_the_part_that_began_last() {
        let moment = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        let timeline = Timeline::new(moment(1), moment(49), Bucketing::Day, "UTC").unwrap();
        let parts = [0, 1, 23, 24, 48, 49].map(|hours| timeline.part(moment(hours)));
        assert_eq!(parts, [None, Some(0), Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn a_day_begins_when_it_does_there() {
        let moment = |text| Timeline::moment(text, "Europe/Madrid").map(Timestamp::to_readable);
        assert_eq!(moment("2026-11-24").as_deref(), Ok("2026-11-23 23:00 UTC"));
        assert_eq!(moment("2026-11-24T09:00:00+01:00").as_deref(), Ok("2026-11-24 08:00 UTC"));
        assert_eq!(moment("24.11.2026"), Err(TimelineError::Moment("24.11.2026".into())));
    }

    #[test]
    fn yesterday_is_compared_up_to_the_same_time_of_day_also_where_the_clocks_change() {
        let today = |now| Today::new(Timestamp::parse(now).unwrap(), "Europe/Madrid").unwrap();
        let readable = |Today { start, yesterday, yesterday_until }: Today| {
            [start, yesterday, yesterday_until].map(Timestamp::to_readable)
        };
        assert_eq!(
            readable(today("2026-10-26T10:30:00Z")),
            ["2026-10-25 23:00 UTC", "2026-10-24 22:00 UTC", "2026-10-25 10:30 UTC"]
        );
        assert!(matches!(Today::new(Timestamp::from_millis(0), "Madrid"), Err(TimelineError::Zone(_))));
    }

    #[test]
    fn what_cannot_be_cut_is_told() {
        let new =
            |to, zone| Timeline::new(Timestamp::from_millis(0), Timestamp::from_millis(to), Bucketing::Hour, zone);
        assert_eq!(new(0, "UTC"), Err(TimelineError::Empty));
        assert_eq!(new(1, "Madrid"), Err(TimelineError::Zone("Madrid".into())));
        assert_eq!(new(1_001 * 3_600_000, "UTC"), Err(TimelineError::TooMany));
        assert_eq!(new(1_000 * 3_600_000, "UTC").unwrap().starts.len(), 1_000);
    }
}
