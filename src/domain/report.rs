//! What the product department is told: where the customers of some days came from, and what became of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Cadence;

/// Where the customers of a period came from. Fixed when its messages are made: what is counted later is told by the
/// next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// How often such a report comes.
    pub cadence: Cadence,
    /// The period's first day, as in `2026-11-16`.
    pub first_day: String,
    /// Its last day.
    pub last_day: String,
    /// The day after it.
    pub end_day: String,
    /// Whose days these are: a time zone's name.
    pub timezone: String,
    /// What a row stands for, as in `source`.
    pub by: String,
    /// Which visit is credited: `first` or `last`.
    pub touch: String,
    /// The values, those of which there is most first.
    pub rows: Vec<ReportRow>,
    /// The values beyond these together.
    pub others: Option<ReportRow>,
    /// Everything.
    pub total: ReportRow,
    /// The parts of the period, in order.
    pub parts: Vec<ReportPart>,
    /// Whether everything is counted: after an upgrade it takes a while.
    pub complete: bool,
}

impl Report {
    /// Whether nobody registered and nobody asked.
    pub fn is_empty(&self) -> bool {
        self.total.registrations == 0 && self.total.requests == 0
    }

    /// The part with most registrations, the first of several; `None`: nobody registered.
    pub fn peak(&self) -> Option<&ReportPart> {
        let most = self.parts.iter().map(|part| part.registrations).max().filter(|most| *most > 0)?;
        self.parts.iter().find(|part| part.registrations == most)
    }

    /// A report that says something of everything, for trying out how it looks.
    pub fn example() -> Self {
        let row = |name: &str, registrations, before, requests, answered| ReportRow {
            name: name.to_owned(),
            registrations,
            before,
            welcomed: registrations,
            bounced: 0,
            opened: registrations / 4,
            requests,
            answered,
            to_answer_ms: Some(2_190_000),
        };
        let part = |(day, registrations): (i32, u64)| ReportPart {
            day: format!("2026-11-{day}"),
            name: day.to_string(),
            registrations,
            requests: 3,
        };
        Self {
            cadence: Cadence::Weekly,
            first_day: "2026-11-16".to_owned(),
            last_day: "2026-11-22".to_owned(),
            end_day: "2026-11-23".to_owned(),
            timezone: "Europe/Madrid".to_owned(),
            by: "source".to_owned(),
            touch: "first".to_owned(),
            rows: vec![row("google", 42, 30, 12, 11), row("newsletter", 18, 21, 4, 4), row("", 3, 3, 1, 0)],
            others: Some(row("", 12, 0, 4, 4)),
            total: row("", 75, 54, 21, 19),
            parts: (16..).zip([9, 14, 11, 8, 13, 12, 8]).map(part).collect(),
            complete: true,
        }
    }
}

/// What became of the customers of one origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportRow {
    /// The value; empty: it was not told.
    pub name: String,
    /// Customers who registered.
    pub registrations: u64,
    /// The same in the period before.
    pub before: u64,
    /// Of those who registered, those whose welcome was delivered.
    pub welcomed: u64,
    /// Of them, those whose welcome was given up because nobody is at their address.
    pub bounced: u64,
    /// Of those who registered, those who came back to the chat by the link in their welcome.
    pub opened: u64,
    /// Requests.
    pub requests: u64,
    /// Of these, those whose customer has their answer.
    pub answered: u64,
    /// Half of the answered requests waited no longer for it, in milliseconds; `None`: there are none.
    pub to_answer_ms: Option<u64>,
}

impl ReportRow {
    /// How many more registered than in the period before, with its sign: `+12`, `-3`; `±0`.
    pub fn change(&self) -> String {
        match (self.registrations.checked_sub(self.before), self.before.saturating_sub(self.registrations)) {
            (Some(0), _) => "±0".to_owned(),
            (Some(more), _) => format!("+{more}"),
            (None, fewer) => format!("-{fewer}"),
        }
    }

    /// How long half of the answered requests waited at most, for people: to the minute, below that to the second.
    pub fn to_answer(&self) -> Option<String> {
        let seconds = self.to_answer_ms? / 1000;
        let rounded = if seconds < 60 { seconds } else { seconds - seconds % 60 };
        Some(humantime::format_duration(Duration::from_secs(rounded)).to_string())
    }
}

/// A part of the period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReportPart {
    /// The day it belongs to, as in `2026-11-17`.
    pub day: String,
    /// The hour it begins at in a day, as in `09:00`; else the day of the month.
    pub name: String,
    /// Customers who registered.
    pub registrations: u64,
    /// Requests.
    pub requests: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_its_sign_and_a_time_is_rounded() {
        let row = |registrations, before, to_answer_ms| ReportRow {
            registrations,
            before,
            to_answer_ms,
            ..ReportRow::default()
        };
        assert_eq!([row(12, 0, None), row(3, 6, None), row(4, 4, None)].map(|row| row.change()), ["+12", "-3", "±0"]);
        let times = [Some(41_900), Some(2_190_000), Some(90_000_000), None];
        let said = times.map(|time| row(0, 0, time).to_answer());
        assert_eq!(said, [Some("41s".into()), Some("36m".into()), Some("1day 1h".into()), None]);
    }

    #[test]
    fn the_peak_is_the_first_of_the_highest() {
        let mut report = Report::example();
        assert_eq!(report.peak().map(|part| part.name.as_str()), Some("17"));
        report.parts.iter_mut().for_each(|part| part.registrations = 0);
        assert_eq!((report.peak(), report.is_empty()), (None, false));
    }
}
