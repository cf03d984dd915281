//! `umishop export`

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Global, channels, record_beside};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::config::StoreUrl;
use crate::domain::{ChannelAddress, Timeline, Timestamp, User};
use crate::http::{message_json, message_row, request_json, user_json};
use crate::sheet::{AddressedMessage, Listed, Sheet};
use crate::store::sqlite::Snapshot;
use crate::store::{Page, RequestEntry, StoreError, UserTouch};

/// How many rows are read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to write out
    what: What,
    /// Only what was made so lately, as in 30d or 12h, or on a day like 2026-11-24 or later
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
    /// The time zone of that day
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    tz: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Customers, with where they first came from
    Users,
    /// Their questions, with what became of them
    Requests,
    /// What was sent, or is to be
    Messages,
    /// Later visits of customers
    Touches,
}

impl What {
    /// How taking it along is called in the list of changes.
    const fn action(self) -> &'static str {
        match self {
            Self::Users => "user.export",
            Self::Requests => "request.export",
            Self::Messages => "message.export",
            Self::Touches => "touch.export",
        }
    }
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let StoreUrl::Sqlite(path) = &config.store;
    let since = arguments.since.as_deref().map(|since| moment(since, &arguments.tz)).transpose()?;
    let since = since.unwrap_or(Timestamp::from_millis(i64::MIN));
    let snapshot = Snapshot::open(path).with_context(|| format!("cannot open the database {}", path.display()))?;
    // Whoever stops reading has some of it all the same.
    record_beside(&config, arguments.what.action(), "many", "");
    let mut export = Export { since, json: global.json, out: BufWriter::with_capacity(1 << 16, out) };
    match arguments.what {
        What::Users => export.write(|page| snapshot.users(page), |user: &User| user.id, |user| user.created_at, user_json),
        What::Requests => export.write(
            |page| snapshot.requests(page),
            |entry: &RequestEntry| entry.request.id,
            |entry| entry.request.created_at,
            |entry| request_json(&entry),
        ),
        What::Messages => {
            let channels: BTreeMap<ChannelAddress, Arc<dyn Channel>> = channels(&config);
            let row = |message| message_row(message, &channels);
            export.write(
                |page| Ok(snapshot.messages(page)?.into_iter().map(row).collect()),
                |row: &AddressedMessage| row.message.id,
                |row| row.message.created_at,
                |row| message_json(&row.message, &channels),
            )
        }
        What::Touches => export.write(
            |page| snapshot.touches(page),
            |visit: &UserTouch| visit.number,
            |visit| visit.touch.at,
            |visit| {
                let origin = &visit.touch.origin;
                json!({
                    "user_id": visit.user_id, "at": visit.touch.at, "source": origin.source(), "origin": origin.fields(),
                })
            },
        ),
    }?;
    export.out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A day, a moment, or how long ago.
fn moment(text: &str, zone: &str) -> anyhow::Result<Timestamp> {
    if let Ok(age) = humantime::parse_duration(text) {
        return Ok(Clock::system().now().before(age.max(Duration::ZERO)));
    }
    Ok(Timeline::moment(text, zone)?)
}

struct Export<'a> {
    since: Timestamp,
    json: bool,
    out: BufWriter<&'a mut dyn Write>,
}

impl Export<'_> {
    /// Writes all of a list, newest first, page by page: no more than one is held in memory.
    fn write<T: Listed, Id: Copy>(
        &mut self,
        read: impl Fn(Page<Id>) -> Result<Vec<T>, StoreError>,
        id: impl Fn(&T) -> Id,
        made_at: impl Fn(&T) -> Timestamp,
        json: impl Fn(T) -> Value,
    ) -> anyhow::Result<()> {
        let mut sheet = (!self.json).then(|| Sheet::new(Vec::with_capacity(1 << 18)));
        if let Some(sheet) = &mut sheet {
            sheet.row(T::HEADINGS.iter().copied())?;
        }
        let mut page = Page { limit: PAGE, before: None };
        loop {
            let rows = read(page)?;
            let last = rows.last().map(|row| (id(row), made_at(row)));
            let whole = rows.len() == PAGE;
            for row in rows.into_iter().filter(|row| made_at(row) >= self.since) {
                if let Some(sheet) = &mut sheet {
                    sheet.add(&row)?;
                } else {
                    serde_json::to_writer(&mut self.out, &json(row))?;
                    self.out.write_all(b"\n")?;
                }
            }
            if let Some(sheet) = &mut sheet {
                self.out.write_all(&sheet.take()?)?;
            }
            match last {
                // What is older was made earlier.
                Some((last, made_at)) if whole && made_at >= self.since => page.before = Some(last),
                _ => return Ok(()),
            }
        }
    }
}
