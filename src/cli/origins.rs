//! `umishop origins`

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::filters::condition;
use super::{Global, block_on, table};
use crate::clock::Clock;
use crate::domain::{Bucketing, CreditedTouch, Dimension, Pattern, RoutingTable, Timeline, Timestamp};
use crate::http::{ledger_json, ledger_sheet, topic_counts};
use crate::store::{Ledger, LedgerQuery, LedgerRow, Store, Tally};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What a row stands for: source, medium, campaign, referrer, channel, country or `landing_page`
    #[arg(long, default_value_t = Dimension::Source)]
    by: Dimension,
    /// Which visit is credited: first or last
    #[arg(long, default_value_t = CreditedTouch::First)]
    touch: CreditedTouch,
    /// How far back, as in 30d or 12h
    #[arg(long, default_value = "30d", value_parser = humantime::parse_duration, conflicts_with = "from")]
    since: Duration,
    /// The first day, or moment, that is counted
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The first day, or moment, that is not counted any more [default: now]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Cut the period into parts: hour, day, week, month or none
    #[arg(long, default_value_t = Bucketing::Whole)]
    bucket: Bucketing,
    /// The time zone of days and parts
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    tz: String,
    /// Only these, as in source=google or campaign=summer-*; several must all hold
    #[arg(long, value_name = "NAME=VALUE", value_parser = condition)]
    only: Vec<(Dimension, Option<Pattern>)>,
    /// How many rows at most; what is left is added up
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Write comma-separated values, for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let query = arguments.query(Clock::system().now())?;
    let asked = query.clone();
    let ledger = block_on(async {
        let store = Global::open_store(&config)?;
        let ledger = store.ledger(asked, Arc::clone(&config.origins)).await?;
        store.close().await?;
        Ok(ledger)
    })?;
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&ledger_json(ledger, &query, &config.routes))?)?;
    } else if arguments.csv {
        out.write_all(&ledger_sheet(&ledger, &query, &config.routes)?)?;
    } else {
        write_table(&ledger, &query, &config.routes, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn query(&self, now: Timestamp) -> anyhow::Result<LedgerQuery> {
        let moment = |text: &String| Timeline::moment(text, &self.tz);
        let to = self.to.as_ref().map_or(Ok(now), moment)?;
        let from = self.from.as_ref().map_or_else(|| Ok(to.before(self.since)), moment)?;
        Ok(LedgerQuery {
            by: self.by,
            touch: self.touch,
            timeline: Timeline::new(from, to, self.bucket, &self.tz)?,
            only: self.only.clone(),
            limit: self.limit,
        })
    }
}

/// The rows with their names, the total last.
fn named<'a>(ledger: &'a Ledger, none: &'a str) -> impl Iterator<Item = (&'a str, &'a LedgerRow)> {
    let rows = ledger.rows.iter().map(move |(value, row)| (if value.is_empty() { none } else { value.as_str() }, row));
    rows.chain(ledger.others.iter().map(|row| ("(others)", row))).chain([("(total)", &ledger.total)])
}

/// Each part of a row that has several and anything in it, else the whole.
fn parts<'a>(row: &'a LedgerRow, query: &'a LedgerQuery) -> Vec<(String, &'a Tally)> {
    if row.parts.len() < 2 {
        return vec![(query.timeline.from.to_readable(), &row.whole)];
    }
    let starts = query.timeline.starts.iter().map(|start| start.to_readable());
    starts.zip(&row.parts).filter(|(_, tally)| tally.registrations + tally.requests > 0).collect()
}

fn write_table(ledger: &Ledger, query: &LedgerQuery, routes: &RoutingTable, out: &mut dyn Write) -> anyhow::Result<()> {
    if ledger.rows.is_empty() {
        writeln!(out, "Nobody registered or asked in this period.")?;
    } else {
        let mut rows = Vec::new();
        for (name, row) in named(ledger, "(none)") {
            for (start, tally) in parts(row, query) {
                let [registrations, welcomed, bounced, opened, requests, delivered, acknowledged, answered] =
                    counts(tally);
                rows.push([
                    name.to_owned(),
                    start,
                    registrations,
                    welcomed,
                    bounced,
                    readable(tally.to_welcome),
                    opened,
                    readable(tally.to_opening),
                    requests,
                    delivered,
                    readable(tally.to_delivery),
                    acknowledged,
                    readable(tally.to_acknowledgement),
                    answered,
                    readable(tally.to_answer),
                    topics(tally, routes),
                ]);
            }
        }
        let by = query.by.as_str().to_uppercase();
        let headings = [
            by.as_str(),
            "FROM",
            "REGISTERED",
            "WELCOMED",
            "BOUNCED",
            "AFTER",
            "OPENED",
            "AFTER",
            "ASKED",
            "DELIVERED",
            "AFTER",
            "ACKNOWLEDGED",
            "AFTER",
            "ANSWERED",
            "AFTER",
            "TOPICS",
        ];
        table::write(out, headings, &rows)?;
    }
    if !ledger.complete {
        writeln!(out, "Not everything from before the last upgrade is counted yet; the server is at it.")?;
    }
    Ok(())
}

fn counts(tally: &Tally) -> [String; 8] {
    let Tally { registrations, welcomed, bounced, opened, requests, delivered, acknowledged, answered, .. } = tally;
    [registrations, welcomed, bounced, opened, requests, delivered, acknowledged, answered].map(ToString::to_string)
}

/// `Sales 12, (no route) 1`
fn topics(tally: &Tally, routes: &RoutingTable) -> String {
    let counts = topic_counts(tally, routes);
    let name = |name: &String| if name.is_empty() { "(no route)".to_owned() } else { name.clone() };
    counts.iter().map(|(topic, count)| format!("{} {count}", name(topic))).collect::<Vec<_>>().join(", ")
}

/// A time that was taken, for people: to the millisecond below a second, else to the second.
fn readable(time: Option<Duration>) -> String {
    let Some(time) = time else { return String::new() };
    let rounded = if time < Duration::from_secs(1) { time } else { Duration::from_secs(time.as_secs()) };
    humantime::format_duration(rounded).to_string()
}
