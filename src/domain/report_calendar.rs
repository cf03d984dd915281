//! When the product department is told where customers came from, and about which days.

use jiff::ToSpan as _;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::words::words;
use super::{Bucketing, Timeline, TimelineError, Timestamp};

words!(
    /// How often a report comes, each about the time since the one before.
    #[derive(Default, PartialOrd, Ord, Deserialize)]
    Cadence, "cadence", "daily, weekly, monthly" {
        /// Each morning, about the day before.
        #[default]
        Daily = "daily",
        /// Each Monday, about the week before (ISO 8601).
        Weekly = "weekly",
        /// On the first of each month, about the month before.
        Monthly = "monthly",
    }
);

impl Cadence {
    /// How the period of such a report is cut for its chart.
    pub const fn bucketing(self) -> Bucketing {
        match self {
            Self::Daily => Bucketing::Hour,
            Self::Weekly | Self::Monthly => Bucketing::Day,
        }
    }

    /// The newest day up to `day` on which a period of this length ends, and the next one begins.
    fn boundary(self, day: Date) -> Option<Date> {
        match self {
            Self::Daily => Some(day),
            Self::Weekly => day.checked_sub(i32::from(day.weekday().to_monday_zero_offset()).days()).ok(),
            Self::Monthly => Some(day.first_of_month()),
        }
    }

    /// Where the period ends that begins on this boundary.
    fn following(self, boundary: Date) -> Option<Date> {
        let length = match self {
            Self::Daily => 1.day(),
            Self::Weekly => 1.week(),
            Self::Monthly => 1.month(),
        };
        boundary.checked_add(length).ok()
    }
}

/// A period that a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPeriod {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Its first day, as in `2026-11-16`; days sort as their texts do.
    pub first_day: String,
    /// Its last day.
    pub last_day: String,
    /// The day after it.
    pub end_day: String,
    /// When the report is due.
    pub due_at: Timestamp,
}

/// At which time of day reports come, and whose days they are about.
#[derive(Clone, Debug)]
pub struct ReportCalendar {
    at: Time,
    zone: TimeZone,
    zone_name: String,
}

impl ReportCalendar {
    /// Reads a time of day, as in `08:00`, and the name of a time zone, as in `Europe/Madrid`.
    pub fn new(at: &str, zone: &str) -> Result<Self, TimelineError> {
        let is_time = |text: &str| text.len() == 5 && text.is_char_boundary(2) && &text[2..3] == ":";
        let time = Some(at).filter(|at| is_time(at)).and_then(|at| Time::strptime("%H:%M", at).ok());
        Ok(Self {
            at: time.ok_or_else(|| TimelineError::TimeOfDay(at.to_owned()))?,
            zone: TimeZone::get(zone).map_err(|_| TimelineError::Zone(zone.to_owned()))?,
            zone_name: zone.to_owned(),
        })
    }

    /// The time zone's name.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// The time of day, as in `08:00`.
    pub fn at(&self) -> String {
        self.at.strftime("%H:%M").to_string()
    }

    /// The newest period that was over at `now`, whether its report is due already or not; `None`: beyond the calendar.
    pub fn over(&self, cadence: Cadence, now: Timestamp) -> Option<ReportPeriod> {
        self.ending(cadence, cadence.boundary(self.day(now))?)
    }

    /// The newest period whose report is due at `now`.
    pub fn due(&self, cadence: Cadence, now: Timestamp) -> Option<ReportPeriod> {
        let end = cadence.boundary(self.day(now))?;
        let newest = self.ending(cadence, end)?;
        if newest.due_at <= now {
            return Some(newest);
        }
        self.ending(cadence, cadence.boundary(end.yesterday().ok()?)?)
    }

    /// The period whose report comes next after `now`.
    pub fn next(&self, cadence: Cadence, now: Timestamp) -> Option<ReportPeriod> {
        let end = cadence.boundary(self.day(now))?;
        let newest = self.ending(cadence, end)?;
        if newest.due_at > now {
            return Some(newest);
        }
        self.ending(cadence, cadence.following(end)?)
    }

    /// The period before another one.
    pub fn before(&self, cadence: Cadence, period: &ReportPeriod) -> Option<ReportPeriod> {
        self.ending(cadence, period.first_day.parse().ok()?)
    }

    /// A period, cut for its chart.
    pub fn timeline(&self, cadence: Cadence, period: &ReportPeriod) -> Result<Timeline, TimelineError> {
        Timeline::new(period.from, period.to, cadence.bucketing(), &self.zone_name)
    }

    /// The day of a part of a period that begins at `start`, and what the part is called there: its hour in a day, else its
    /// day of the month.
    pub fn part_names(&self, cadence: Cadence, start: Timestamp) -> (String, String) {
        let here = start.to_jiff().to_zoned_datetime(self.zone.clone());
        let name = match cadence.bucketing() {
            Bucketing::Hour => here.strftime("%H:%M").to_string(),
            _ => here.strftime("%-d").to_string(),
        };
        (here.date().to_string(), name)
    }

    fn day(&self, now: Timestamp) -> Date {
        now.to_jiff().to_zoned_datetime(self.zone.clone()).date()
    }

    /// The period that ends before `end`, which is a boundary.
    fn ending(&self, cadence: Cadence, end: Date) -> Option<ReportPeriod> {
        let last = end.yesterday().ok()?;
        let first = cadence.boundary(last)?;
        let begin = |day: Date| self.moment(day, Time::midnight());
        Some(ReportPeriod {
            from: begin(first)?,
            to: begin(end)?,
            first_day: first.to_string(),
            last_day: last.to_string(),
            end_day: end.to_string(),
            due_at: self.moment(end, self.at)?,
        })
    }

    /// A time of day that the clocks jump over comes when they have.
    fn moment(&self, day: Date, time: Time) -> Option<Timestamp> {
        let moment = day.to_datetime(time).to_zoned_datetime(self.zone.clone()).ok()?;
        Some(Timestamp::from_millis(moment.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn days(period: Option<ReportPeriod>) -> (String, String) {
        let period = period.unwrap();
        (period.first_day, period.last_day)
    }

    fn pair(first: &str, last: &str) -> (String, String) {
        (first.to_owned(), last.to_owned())
    }

    #[test]
    fn a_week_is_reported_on_the_monday_after_it_at_that_time_of_day() {
        let calendar = ReportCalendar::new("08:00", "Europe/Madrid").unwrap();
        // Monday, 23 November 2026, a minute before and at eight in Madrid.
        let (before, then) = (at("2026-11-23T06:59:00Z"), at("2026-11-23T07:00:00Z"));
        assert_eq!(days(calendar.due(Cadence::Weekly, before)), pair("2026-11-09", "2026-11-15"));
        assert_eq!(days(calendar.due(Cadence::Weekly, then)), pair("2026-11-16", "2026-11-22"));
        assert_eq!(calendar.next(Cadence::Weekly, before).unwrap().due_at, then);
        assert_eq!(calendar.next(Cadence::Weekly, then).unwrap().due_at, at("2026-11-30T07:00:00Z"));
        assert_eq!(days(calendar.over(Cadence::Weekly, before)), pair("2026-11-16", "2026-11-22"));
        let period = calendar.due(Cadence::Weekly, then).unwrap();
        assert_eq!((period.from, period.to), (at("2026-11-15T23:00:00Z"), at("2026-11-22T23:00:00Z")));
        assert_eq!(calendar.timeline(Cadence::Weekly, &period).unwrap().starts.len(), 7);
        assert_eq!(days(calendar.before(Cadence::Weekly, &period)), pair("2026-11-09", "2026-11-15"));
    }

    #[test]
    fn a_month_has_as_many_days_as_it_has_and_a_day_as_many_hours() {
        let calendar = ReportCalendar::new("08:00", "Europe/Madrid").unwrap();
        let march = calendar.due(Cadence::Monthly, at("2026-04-01T06:00:00Z")).unwrap();
        assert_eq!((march.first_day.as_str(), march.last_day.as_str()), ("2026-03-01", "2026-03-31"));
        assert_eq!(calendar.timeline(Cadence::Monthly, &march).unwrap().starts.len(), 31);
        assert_eq!(days(calendar.before(Cadence::Monthly, &march)), pair("2026-02-01", "2026-02-28"));
        // The clocks went forward on 29 March 2026.
        let short = calendar.due(Cadence::Daily, at("2026-03-30T12:00:00Z")).unwrap();
        let timeline = calendar.timeline(Cadence::Daily, &short).unwrap();
        assert_eq!(timeline.starts.len(), 23);
        assert_eq!(calendar.part_names(Cadence::Daily, timeline.starts[2]).1, "03:00");
        // 02:30 was never: the report comes at 03:30.
        let night = ReportCalendar::new("02:30", "Europe/Madrid").unwrap();
        assert_eq!(night.next(Cadence::Daily, at("2026-03-28T23:30:00Z")).unwrap().due_at, at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn whatever_the_moment_reports_come_in_order_and_leave_no_day_out() {
        for (zone, time) in [("UTC", "00:00"), ("Pacific/Apia", "23:59"), ("America/St_Johns", "08:00")] {
            let calendar = ReportCalendar::new(time, zone).unwrap();
            for cadence in Cadence::ALL {
                let mut now = at("2026-02-15T00:00:00Z");
                let mut last = calendar.due(*cadence, now).unwrap();
                for _ in 0..100 {
                    let next = calendar.next(*cadence, now).unwrap();
                    assert!(next.due_at > now, "{zone} {cadence}");
                    assert_eq!(next.from, last.to, "{zone} {cadence}");
                    now = next.due_at;
                    assert_eq!(calendar.due(*cadence, now).as_ref(), Some(&next), "{zone} {cadence}");
                    last = next;
                }
            }
        }
    }

    #[test]
    fn a_time_of_day_has_two_digits_for_hour_and_minute() {
        for text in ["8:00", "08:00:00", "24:00", "08.00", "8am", "", "ü8:0"] {
            assert!(ReportCalendar::new(text, "UTC").is_err(), "{text}");
        }
        assert!(ReportCalendar::new("08:00", "Madrid").is_err());
        assert_eq!(ReportCalendar::new("23:59", "UTC").unwrap().at(), "23:59");
    }
}
