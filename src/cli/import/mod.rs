//! `umishop import`
//!
//! One thread reads the table, a bite of rows at a time, while another writes the bite before. Each bite is one
//! transaction, so that whatever ends an import leaves whole bites, and the same import takes up where it ended.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::progress::{Progress, per_second};
use self::rows::{Refused, Rows, Rules};
use self::target::{Most, Target};
use super::{Global, block_on};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{ChannelAddress, MessageId, NewMessage, Purpose, Timestamp};
use crate::sheet::Sheet;
use crate::store::Arrival;
use crate::store::sqlite::Imported;

mod progress;
mod rows;
mod target;

/// How many rows the first bite has: so few that something is there at once.
const FIRST_BITE: usize = 500;

/// How many refused rows are told where no file was named for them.
const TOLD: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The table, comma-separated or the like, its first line the names of the columns; - for standard input
    file: PathBuf,
    /// Say of each row what would come of it, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Welcome the new customers, as if they had just registered
    #[arg(long)]
    welcome: bool,
    /// Where to write which rows were refused, and why, as a table
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// The time zone of days and times that name none
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    tz: String,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let now = Clock::system().now();
    let rules = Rules { country: config.intake.default_country, zone: arguments.tz.clone(), now };
    let (source, length) = open(&arguments.file)?;
    let rows = Rows::new(source, rules)?;
    let welcome = if arguments.welcome { Some(Welcome::new(&config, now)?) } else { None };
    let errors = arguments.errors.as_deref().map(errors_file).transpose()?;
    let mut import = Import {
        out,
        tells_each: arguments.dry_run && !global.json,
        errors,
        progress: Progress::new(length, !global.json),
        counts: Counts::default(),
    };
    let ended = block_on(async {
        let target = if arguments.dry_run { Target::trial(&config, now)? } else { Target::store(&config, now)? };
        let taken = import.take(rows, welcome, &target).await;
        let recorded = target.record(import.counts.new, import.counts.merged).await;
        target.close().await?;
        let ended = taken?;
        recorded.map(|()| ended)
    });
    import.progress.clear();
    import.report(global, arguments, ended)
}

fn open(file: &Path) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if file == Path::new("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let length = opened.metadata().ok().map(|found| found.len());
    Ok((Box::new(opened), length))
}

fn errors_file(file: &Path) -> anyhow::Result<Sheet<File>> {
    let file = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut errors = Sheet::new(file);
    errors.row(["line", "column", "why"])?;
    Ok(errors)
}

/// What greets the new customers.
struct Welcome {
    channel: ChannelAddress,
    now: Timestamp,
    due_at: Timestamp,
}

impl Welcome {
    fn new(config: &Config, now: Timestamp) -> anyhow::Result<Self> {
        let channel = config.welcome.channel.clone().context("there is no welcome: [welcome] channel is empty")?;
        Ok(Self { channel, now, due_at: now.after(config.welcome.delay) })
    }

    fn message(&self) -> NewMessage {
        NewMessage {
            id: MessageId::new(self.now),
            channel: self.channel.clone(),
            purpose: Purpose::Welcome,
            due_at: self.due_at,
            fallback: None,
        }
    }
}

/// Some rows.
#[derive(Default)]
struct Bite {
    lines: Vec<u64>,
    customers: Vec<Imported>,
    refused: Vec<Refused>,
    /// How far the table was read then, in bytes.
    position: u64,
}

impl Bite {
    /// Takes the next rows, up to `most`. Says whether that was the end of the table.
    fn read(&mut self, rows: &mut Rows, welcome: Option<&Welcome>, most: Most) -> anyhow::Result<bool> {
        let begun = rows.position();
        while self.customers.len() + self.refused.len() < most.rows && rows.position() - begun < most.bytes {
            match rows.next()? {
                Some(Ok(row)) => {
                    let customer = Imported::new(row.user, row.registered_at, welcome.map(Welcome::message))?;
                    self.lines.push(row.line);
                    self.customers.push(customer);
                }
                Some(Err(refused)) => self.refused.push(refused),
                None => return Ok(true),
            }
            self.position = rows.position();
        }
        Ok(false)
    }
}

/// Reads the table to its end, or until nobody takes the bites any more. Each is twice as large as the one before, up to
/// `most`; it is begun when the one before is taken, so that there is never more than one that waits.
fn read(
    mut rows: Rows,
    welcome: Option<&Welcome>,
    most: Most,
    bites: &mpsc::Sender<anyhow::Result<Bite>>,
) -> anyhow::Result<()> {
    let sizes = std::iter::successors(Some(FIRST_BITE), |size| Some((size * 2).min(most.rows)));
    for size in sizes {
        let Ok(place) = Handle::current().block_on(bites.reserve()) else { break };
        let mut bite = Bite { position: rows.position(), ..Bite::default() };
        let ended = bite.read(&mut rows, welcome, Most { rows: size, ..most });
        place.send(Ok(bite));
        if ended? {
            break;
        }
    }
    Ok(())
}

/// How many rows came to what.
#[derive(Default)]
struct Counts {
    new: u64,
    merged: u64,
    unchanged: u64,
    refused: u64,
}

impl Counts {
    fn count(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::New => self.new += 1,
            Arrival::Merged => self.merged += 1,
            Arrival::Unchanged => self.unchanged += 1,
        }
    }

    fn rows(&self) -> u64 {
        self.new + self.merged + self.unchanged + self.refused
    }
}

/// How it ended.
enum Ended {
    AtTheEnd,
    ByTheUser,
}

struct Import<'a> {
    out: &'a mut dyn Write,
    /// Whether it says of each row what comes of it.
    tells_each: bool,
    errors: Option<Sheet<File>>,
    progress: Progress,
    counts: Counts,
}

impl Import<'_> {
    async fn take(&mut self, rows: Rows, welcome: Option<Welcome>, target: &Target) -> anyhow::Result<Ended> {
        let (send, mut bites) = mpsc::channel(1);
        let most = target.most();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = read(rows, welcome.as_ref(), most, &send) {
                // Whoever takes nothing any more need not hear of it.
                drop(send.blocking_send(Err(error)));
            }
        });
        let stop = CancellationToken::new();
        let interrupted = tokio::spawn({
            let stop = stop.clone();
            async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    stop.cancel();
                }
            }
        });
        let ended = loop {
            let bite = tokio::select! {
                biased;
                () = stop.cancelled() => break Ended::ByTheUser,
                bite = bites.recv() => bite,
            };
            let Some(bite) = bite else { break Ended::AtTheEnd };
            self.bite(bite?, target).await?;
        };
        interrupted.abort();
        Ok(ended)
    }

    async fn bite(&mut self, bite: Bite, target: &Target) -> anyhow::Result<()> {
        let Bite { lines, customers, refused, position } = bite;
        let customers = Arc::new(customers);
        let arrivals = target.import(&customers).await?;
        // Another thread gives a hundred thousand texts back, not the one that writes.
        tokio::task::spawn_blocking(move || drop(customers));
        let mut each: Vec<(u64, String)> = Vec::new();
        for (line, arrival) in lines.into_iter().zip(arrivals) {
            self.counts.count(arrival);
            if self.tells_each {
                each.push((line, arrival.as_str().to_owned()));
            }
        }
        for refused in refused {
            self.counts.refused += 1;
            self.refuse(&refused)?;
            if self.tells_each {
                each.push((refused.line, format!("refused: {}", refused.told())));
            }
        }
        each.sort_by_key(|(line, _)| *line);
        for (line, what) in each {
            writeln!(self.out, "line {line}: {what}")?;
        }
        self.progress.show(self.counts.rows(), position);
        Ok(())
    }

    /// Tells of a row that is not taken: all of them where a file was named for it, else the first ones.
    fn refuse(&mut self, refused: &Refused) -> anyhow::Result<()> {
        let Refused { line, column, why } = refused;
        match &mut self.errors {
            Some(errors) => errors.row([line.to_string().as_str(), column, why])?,
            None if self.tells_each || self.counts.refused > TOLD as u64 => {}
            None => {
                self.progress.clear();
                writeln!(io::stderr(), "line {line}: refused: {}", refused.told())?;
            }
        }
        Ok(())
    }

    fn report(
        mut self,
        global: &Global,
        arguments: &Arguments,
        ended: anyhow::Result<Ended>,
    ) -> anyhow::Result<ExitCode> {
        if let Some(errors) = &mut self.errors {
            errors.flush()?;
        }
        let Counts { new, merged, unchanged, refused } = self.counts;
        let (rows, took) = (self.counts.rows(), self.progress.took());
        if global.json {
            let answer = json!({
                "rows": rows, "new": new, "merged": merged, "unchanged": unchanged, "refused": refused,
                "dry_run": arguments.dry_run, "complete": matches!(ended, Ok(Ended::AtTheEnd)),
                "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            });
            writeln!(self.out, "{answer}")?;
        } else {
            let would = if arguments.dry_run { "Nothing was written. It would be: " } else { "" };
            let rate = per_second(rows, took);
            writeln!(
                self.out,
                "{would}{rows} rows: {new} new, {merged} merged, {unchanged} unchanged, {refused} refused; {rate} rows/s."
            )?;
            let untold = refused.saturating_sub(TOLD as u64);
            if untold > 0 && self.errors.is_none() && !self.tells_each {
                writeln!(self.out, "{untold} more rows were refused; --errors FILE writes all of them down.")?;
            }
        }
        match ended {
            Ok(Ended::AtTheEnd) if refused == 0 => Ok(ExitCode::SUCCESS),
            Ok(Ended::AtTheEnd) => Ok(ExitCode::FAILURE),
            Ok(Ended::ByTheUser) => {
                bail!("stopped: {rows} rows are done; the same command goes on, and changes nothing twice")
            }
            Err(error) => Err(error.context(format!("only {rows} rows are done"))),
        }
    }
}
