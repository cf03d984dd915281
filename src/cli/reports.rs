//! `umishop reports`

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Global, block_on, record, table};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Cadence, ChannelAddress, Timestamp};
use crate::http::scheduled_json;
use crate::preview;
use crate::render::Renderer;
use crate::reports::Reports;
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say when reports come, and to whom
    List,
    /// Show what a report says now, without sending it
    Show {
        /// daily, weekly or monthly: of the newest day, week or month that is over
        cadence: Cadence,
        /// The channel that it is made for [default: the first one that hears of it]
        #[arg(long)]
        channel: Option<ChannelAddress>,
        /// Write nothing but the text as HTML
        #[arg(long)]
        html: bool,
    },
    /// Send a report now, also when it was sent already, to the channels that hear of it
    Send {
        /// daily, weekly or monthly: of the newest day, week or month that is over
        cadence: Cadence,
    },
}

pub(super) fn run(global: &Global, arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    block_on(async {
        let store = Arc::new(Global::open_store(&config)?);
        let kept: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let reports = app::reports(&config, &kept, &Clock::system(), None);
        match arguments.action {
            None | Some(Action::List) => list(global, &reports, &*kept, out).await?,
            Some(Action::Show { cadence, channel, html }) => {
                show(global, &config, &reports, (cadence, channel, html), out).await?;
            }
            Some(Action::Send { cadence }) => {
                let messages = reports.send(cadence).await?;
                record(&store, "report.send", cadence, "").await?;
                if global.json {
                    writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "messages": messages }))?)?;
                } else {
                    for id in messages {
                        writeln!(out, "Put into the outbox: message {id}")?;
                    }
                }
            }
        }
        kept.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(global: &Global, reports: &Reports, store: &dyn Store, out: &mut dyn Write) -> anyhow::Result<()> {
    let (told, now) = (store.told_reports().await?, Clock::system().now());
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&scheduled_json(reports, &told, now))?)?;
        return Ok(());
    }
    if !reports.is_wanted() {
        writeln!(out, "Nobody is told where customers came from: name channels under [reports], as in")?;
        writeln!(out, "    [reports]\n    weekly = [\"email.sales\"]")?;
        return Ok(());
    }
    let rows = Cadence::ALL.iter().filter(|cadence| !reports.channels(**cadence).is_empty()).map(|cadence| {
        let channels: Vec<_> = reports.channels(*cadence).iter().map(ToString::to_string).collect();
        let last = told.iter().find(|told| told.cadence == *cadence).and_then(|told| told.told_at);
        let readable = |at: Option<Timestamp>| at.map_or_else(String::new, Timestamp::to_readable);
        [cadence.to_string(), channels.join(", "), readable(reports.next_at(*cadence, &told, now)), readable(last)]
    });
    table::write(out, ["REPORT", "CHANNELS", "NEXT", "LAST"], &rows.collect::<Vec<_>>())?;
    Ok(())
}

async fn show(
    global: &Global,
    config: &Config,
    reports: &Reports,
    (cadence, channel, html): (Cadence, Option<ChannelAddress>, bool),
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let address = channel
        .or_else(|| reports.channels(cadence).first().cloned())
        .with_context(|| format!("no channel hears of it: name one with --channel, or under [reports] {cadence}"))?;
    let settings = config.channels.get(&address).with_context(|| format!("there is no channel {address}"))?;
    let (period, report) = reports.preview(cadence).await?;
    let renderer = Renderer::new(app::texts(config, None))?;
    let shown = preview::report(report, &period, &renderer, &address, &*settings.channel);
    let (words, source) = shown.map_err(anyhow::Error::msg)?;
    if html {
        let Some(html) = words.html else { bail!("{address} shows no HTML") };
        out.write_all(html.as_bytes())?;
    } else if global.json {
        let shown = json!({ "channel": address, "subject": words.subject, "text": words.text, "html": words.html, "source": source });
        writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
    } else {
        writeln!(out, "Channel   {address}\nSubject   {}\n\n{}", words.subject, words.text.trim_end())?;
    }
    Ok(())
}
