//! `umishop requests`

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{Global, block_on, channels, table};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{RequestChange, RequestId, RequestState, Topic, UserId, one_line};
use crate::http::{request_history_json, request_json};
use crate::store::sqlite::SqliteStore;
use crate::store::{Page, RequestChanged, RequestEntry, RequestFilter, RequestHistory, Store};

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
    /// Only those in this state: new, acknowledged, answered, closed
    #[arg(long)]
    state: Option<RequestState>,
    /// Only those about this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only those of this customer
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a request: its question, what became of it, and its messages
    Show {
        /// The request
        id: RequestId,
    },
    /// Say that somebody looks after a request
    Acknowledge(Said),
    /// Say that a request is answered
    Answer(Said),
    /// Say that nothing more is to be done about a request
    Close(Said),
}

#[derive(Debug, Args)]
struct Said {
    /// The request
    id: RequestId,
    /// Who says so
    #[arg(long, value_name = "NAME", default_value = "")]
    by: String,
    /// What they say about it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

pub(super) fn run(global: &Global, arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    block_on(async {
        let store = Global::open_store(&config)?;
        match arguments.action {
            None => list(global, &store, arguments.list, out).await?,
            Some(Action::Show { id }) => show(global, &config, &store, id, out).await?,
            Some(Action::Acknowledge(said)) => change(&config, &store, RequestState::Acknowledged, said, out).await?,
            Some(Action::Answer(said)) => change(&config, &store, RequestState::Answered, said, out).await?,
            Some(Action::Close(said)) => change(&config, &store, RequestState::Closed, said, out).await?,
        }
        store.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(global: &Global, store: &SqliteStore, list: List, out: &mut dyn Write) -> anyhow::Result<()> {
    let topic = list.topic.map(|text| Topic::new(&text));
    let filter = RequestFilter { state: list.state, topic, user: list.user };
    let entries = store.requests(filter, Page { limit: list.limit, before: None }).await?;
    if global.json {
        let items: Vec<_> = entries.iter().map(request_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
    } else if entries.is_empty() {
        writeln!(out, "No requests.")?;
    } else {
        let rows: Vec<_> = entries.iter().map(row).collect();
        table::write(out, ["ID", "CREATED", "STATE", "TOPIC", "CUSTOMER", "QUESTION"], &rows)?;
    }
    Ok(())
}

fn row(entry: &RequestEntry) -> [String; 6] {
    let RequestEntry { request, user } = entry;
    [
        request.id.to_string(),
        request.created_at.to_readable(),
        request.state.to_string(),
        request.topic.as_str().to_owned(),
        user.as_ref().map_or_else(String::new, |user| user.name.clone()),
        one_line(&request.question),
    ]
}

async fn show(
    global: &Global,
    config: &Config,
    store: &SqliteStore,
    id: RequestId,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Some(history) = store.request(id).await? else { bail!("there is no such request") };
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&request_history_json(&history, &channels(config)))?)?;
        return Ok(());
    }
    let RequestHistory { entry: RequestEntry { request, user }, changes, messages } = &history;
    writeln!(out, "Request    {id}")?;
    writeln!(out, "State      {}", request.state)?;
    writeln!(out, "Topic      {}", request.topic.as_str())?;
    if let Some(user) = user {
        let ways = [user.email.as_ref().map(ToString::to_string), user.phone.as_ref().map(|p| p.best().to_owned())];
        let customer: Vec<String> = [user.name.clone()].into_iter().chain(ways.into_iter().flatten()).collect();
        writeln!(out, "Customer   {}", customer.join("  ").trim_start())?;
    }
    writeln!(out, "Origin     {}", request.origin.source())?;
    writeln!(out, "Created    {}", request.created_at)?;
    for RequestChange { at, state, by, note } in changes {
        writeln!(out, "Change     {at}  {state}  {by}  {note}")?;
    }
    for message in messages {
        writeln!(out, "Message    {}  {}  {} over {}", message.id, message.state, message.purpose, message.channel)?;
    }
    writeln!(out, "\n{}", request.question)?;
    Ok(())
}

/// Changes the request beside a server that may be running: it notices by itself what is due.
async fn change(
    config: &Config,
    store: &SqliteStore,
    state: RequestState,
    said: Said,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Said { id, by, note } = said;
    let change = RequestChange::new(state, Clock::system().now(), &by, &note)?;
    match store.change_request(id, change, config.followers()).await? {
        RequestChanged::Yes(channels) if channels.is_empty() => writeln!(out, "Request {id} is {state}.")?,
        RequestChanged::Yes(channels) => {
            let channels: Vec<_> = channels.iter().map(ToString::to_string).collect();
            writeln!(out, "Request {id} is {state}; {} will be told.", channels.join(", "))?;
        }
        RequestChanged::NotFrom(from) => bail!("a request that is {from} cannot become {state}"),
        RequestChanged::NotFound => bail!("there is no such request"),
    }
    Ok(())
}
