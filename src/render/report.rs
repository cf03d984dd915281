//! A report as its templates see it.

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;
use url::form_urlencoded;

use crate::domain::{Report, ReportPart, ReportRow, one_line, truncate};

/// Longest name of an origin, in characters: a stranger's link may say anything.
const LONGEST_NAME: usize = 80;

#[derive(Serialize)]
struct View<'a> {
    cadence: &'a str,
    first_day: &'a str,
    last_day: &'a str,
    timezone: &'a str,
    by: &'a str,
    touch: &'a str,
    rows: Vec<Row>,
    others: Option<Row>,
    total: Row,
    parts: &'a [ReportPart],
    peak: Option<&'a ReportPart>,
    complete: bool,
    empty: bool,
    /// Shows the same in the console.
    link: String,
    /// Shows the chart in a mail; empty where none is shown.
    chart_url: &'a str,
}

#[derive(Serialize)]
struct Row {
    name: String,
    registrations: u64,
    change: String,
    welcomed: u64,
    bounced: u64,
    opened: u64,
    requests: u64,
    answered: u64,
    to_answer: String,
}

impl From<&ReportRow> for Row {
    fn from(row: &ReportRow) -> Self {
        Self {
            name: cut(&one_line(&row.name), LONGEST_NAME),
            registrations: row.registrations,
            change: row.change(),
            welcomed: row.welcomed,
            bounced: row.bounced,
            opened: row.opened,
            requests: row.requests,
            answered: row.answered,
            to_answer: row.to_answer().unwrap_or_default(),
        }
    }
}

/// What a template reads of `report`.
pub(super) fn view(report: &Report, public_url: &str, chart_url: &str) -> Value {
    Value::from(Serde(View {
        cadence: report.cadence.as_str(),
        first_day: &report.first_day,
        last_day: &report.last_day,
        timezone: &report.timezone,
        by: &report.by,
        touch: &report.touch,
        rows: report.rows.iter().map(Row::from).collect(),
        others: report.others.as_ref().map(Row::from),
        total: Row::from(&report.total),
        parts: &report.parts,
        peak: report.peak(),
        complete: report.complete,
        empty: report.is_empty(),
        link: link(report, public_url),
        chart_url,
    }))
}

/// The console's page of origins, about the same days.
fn link(report: &Report, public_url: &str) -> String {
    let asked = [
        ("from", &report.first_day),
        ("to", &report.end_day),
        ("tz", &report.timezone),
        ("by", &report.by),
        ("touch", &report.touch),
    ];
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
    format!("{public_url}/admin#/origins?{query}")
}

/// `text` at the left of a column that is `width` characters wide, cut so that a space is left behind it.
pub(super) fn left(text: &Value, width: usize) -> String {
    format!("{:<width$}", cut(&text.to_string(), width.saturating_sub(2)))
}

/// At most so many characters, and an ellipsis where there were more.
fn cut(text: &str, longest: usize) -> String {
    let short = truncate(text, longest);
    if short.left_out > 0 { format!("{}…", short.text) } else { text.to_owned() }
}

/// `text` at its right.
pub(super) fn right(text: &Value, width: usize) -> String {
    format!("{:>width$}", text.to_string())
}
