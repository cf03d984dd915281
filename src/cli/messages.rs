//! `umishop messages`

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use super::bulk::{self, Change, Which};
use super::{Global, block_on, channels, filters, table};
use crate::app;
use crate::config::Config;
use crate::domain::{ChannelAddress, Message, MessageId, Purpose, RequestId, State, UserId};
use crate::http::{attempt_json, message_json};
use crate::preview::preview;
use crate::render::Renderer;
use crate::store::sqlite::SqliteStore;
use crate::store::{MessageFilter, Page, Store};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
struct List {
    /// Only those in this state: pending, sending, delivered, dead, held, cancelled
    #[arg(long)]
    state: Option<State>,
    /// Only those over this channel, as in slack.pricing
    #[arg(long)]
    channel: Option<ChannelAddress>,
    /// Only those to or about this customer
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Only those about this request
    #[arg(long, value_name = "ID")]
    request: Option<RequestId>,
    /// Only those for this purpose: welcome, request, test, alert, acknowledged, answered, closed
    #[arg(long)]
    purpose: Option<Purpose>,
    #[command(flatten)]
    period: filters::Period,
    #[command(flatten)]
    finished: filters::Finished,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a message: its text and every attempt
    Show {
        /// The message
        id: MessageId,
    },
    /// Make a message due now, with a fresh retry schedule; or all that are held, dead or cancelled
    Retry(Which),
    /// Call off a message that is pending or held; or all that are
    Cancel(Which),
}

pub(super) fn run(global: &Global, arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    block_on(async {
        let store = Global::open_store(&config)?;
        match arguments.action {
            None => list(global, &config, &store, arguments.list, out).await?,
            Some(Action::Show { id }) => show(global, &config, &store, id, out).await?,
            Some(Action::Retry(which)) => bulk::change(global, &store, Change::Retry, which, out).await?,
            Some(Action::Cancel(which)) => bulk::change(global, &store, Change::Cancel, which, out).await?,
        }
        store.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(
    global: &Global,
    config: &Config,
    store: &SqliteStore,
    list: List,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let List { state, channel, user, request, purpose, period, finished, limit } = list;
    let (made, finished) = (period.read()?, period.read_finished(&finished)?);
    let filter = MessageFilter { state, channel, user, request, purpose, made, finished };
    let messages = store.messages(filter, Page { limit, before: None }).await?;
    if global.json {
        let channels = channels(config);
        let items: Vec<_> = messages.iter().map(|message| message_json(message, &channels)).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
        return Ok(());
    }
    if messages.is_empty() {
        writeln!(out, "No messages.")?;
        return Ok(());
    }
    let row = |message: &Message| {
        [
            message.id.to_string(),
            message.created_at.to_readable(),
            message.state.to_string(),
            message.purpose.to_string(),
            message.channel.to_string(),
            message.attempts.to_string(),
            message.context.name.clone(),
            message.last_error.clone(),
        ]
    };
    let rows: Vec<_> = messages.iter().map(row).collect();
    table::write(out, ["ID", "CREATED", "STATE", "PURPOSE", "CHANNEL", "ATTEMPTS", "CUSTOMER", "LAST ERROR"], &rows)?;
    Ok(())
}

async fn show(
    global: &Global,
    config: &Config,
    store: &SqliteStore,
    id: MessageId,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Some(history) = store.message(id).await? else { bail!("there is no such message; it may have been pruned") };
    let renderer = Renderer::new(app::texts(config, Some(app::link_key(store).await?)))?;
    let channels = channels(config);
    let preview = preview(&history, &renderer, &channels);
    let (message, attempts) = (history.message, history.attempts);
    if global.json {
        let mut item = message_json(&message, &channels);
        item["history"] = attempts.iter().map(attempt_json).collect();
        item["text"] = json!(preview.text);
        item["captured"] = json!(preview.captured);
        writeln!(out, "{}", serde_json::to_string_pretty(&item)?)?;
        return Ok(());
    }
    writeln!(out, "Message    {id}")?;
    writeln!(out, "State      {}", message.state)?;
    writeln!(out, "Purpose    {} over {}", message.purpose, message.channel)?;
    writeln!(out, "Customer   {}", message.context.name)?;
    writeln!(out, "Created    {}", message.created_at)?;
    writeln!(out, "Due        {}", message.due_at)?;
    if !message.reference.is_empty() {
        writeln!(out, "Reference  {}", message.reference)?;
    }
    writeln!(out)?;
    if attempts.is_empty() {
        writeln!(out, "Not tried yet.")?;
    }
    for attempt in &attempts {
        let (started, took, outcome, error) =
            (attempt.started_at, attempt.duration_ms, &attempt.outcome, &attempt.error);
        writeln!(out, "Attempt    {started}  {took} ms  {outcome}  {error}")?;
    }
    writeln!(
        out,
        "\n{}\n\n{}",
        if preview.captured { "What the sandbox kept:" } else { "As it is sent:" },
        preview.text
    )?;
    Ok(())
}
