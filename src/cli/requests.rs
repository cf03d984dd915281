//! `umishop requests`

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{Global, block_on, channels, filters, record, table};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{RequestChange, RequestEdit, RequestField, RequestId, RequestState, Topic, UserId, one_line};
use crate::http::{request_history_json, request_json};
use crate::store::sqlite::SqliteStore;
use crate::store::{Page, RequestChanged, RequestEdited, RequestEntry, RequestFilter, RequestHistory, Store};

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
    /// Only those about this topic, by any name that a route gives it
    #[arg(long)]
    topic: Option<String>,
    /// Only those of this customer
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Only those that this person looks after; empty: those that nobody does
    #[arg(long, value_name = "NAME")]
    assignee: Option<String>,
    #[command(flatten)]
    period: filters::Period,
    #[command(flatten)]
    origin: filters::Origin,
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
    /// Note something about a request, for your own people
    Note {
        /// The request
        id: RequestId,
        /// The note; empty: none any more
        note: String,
        /// Who says so
        #[arg(long, value_name = "NAME", default_value = "operator")]
        by: String,
    },
    /// Say who looks after a request
    Assign {
        /// The request
        id: RequestId,
        /// Their name; empty: nobody any more
        assignee: String,
        /// Who says so
        #[arg(long, value_name = "NAME", default_value = "operator")]
        by: String,
    },
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
            None => list(global, &config, &store, arguments.list, out).await?,
            Some(Action::Show { id }) => show(global, &config, &store, id, out).await?,
            Some(Action::Acknowledge(said)) => change(&config, &store, RequestState::Acknowledged, said, out).await?,
            Some(Action::Answer(said)) => change(&config, &store, RequestState::Answered, said, out).await?,
            Some(Action::Close(said)) => change(&config, &store, RequestState::Closed, said, out).await?,
            Some(Action::Note { id, note, by }) => {
                edit(&store, id, RequestField::Note, &note, &by).await?;
                writeln!(out, "Request {id} has this note.")?;
            }
            Some(Action::Assign { id, assignee, by }) => {
                edit(&store, id, RequestField::Assignee, &assignee, &by).await?;
                writeln!(out, "Request {id} is looked after by {}.", named(&assignee))?;
            }
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
    let List { state, topic, user, assignee, period, origin, limit } = list;
    let filter = RequestFilter {
        state,
        topics: topic.map(|text| config.routes.names_of(&Topic::new(&text))).unwrap_or_default(),
        user,
        assignee: assignee.map(|name| one_line(&name)),
        came: period.read()?,
        origin: origin.read(config),
    };
    let entries = store.requests(filter, Page { limit, before: None }).await?;
    if global.json {
        let items: Vec<_> = entries.iter().map(request_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
    } else if entries.is_empty() {
        writeln!(out, "No requests.")?;
    } else {
        let rows: Vec<_> = entries.iter().map(row).collect();
        table::write(out, ["ID", "CREATED", "STATE", "ASSIGNEE", "TOPIC", "CUSTOMER", "QUESTION"], &rows)?;
    }
    Ok(())
}

fn row(entry: &RequestEntry) -> [String; 7] {
    let RequestEntry { request, user } = entry;
    [
        request.id.to_string(),
        request.created_at.to_readable(),
        request.state.to_string(),
        request.assignee.clone(),
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
    let RequestHistory { entry: RequestEntry { request, user }, changes, edits, messages } = &history;
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
    writeln!(out, "Assignee   {}", named(&request.assignee))?;
    if !request.note.is_empty() {
        writeln!(out, "Note       {}", one_line(&request.note))?;
    }
    let said = changes.iter().map(|RequestChange { at, state, by, note }| (*at, format!("{state}  {by}  {note}")));
    let noted = edits.iter();
    let noted = noted.map(|RequestEdit { at, field, value, by }| (*at, format!("{field}  {by}  {}", one_line(value))));
    let mut history: Vec<_> = said.chain(noted).collect();
    history.sort_by_key(|(at, _)| *at);
    for (at, what) in history {
        writeln!(out, "Change     {at}  {what}")?;
    }
    for message in messages {
        writeln!(out, "Message    {}  {}  {} over {}", message.id, message.state, message.purpose, message.channel)?;
    }
    writeln!(out, "\n{}", request.question)?;
    Ok(())
}

/// Changes what is noted beside the request.
async fn edit(store: &SqliteStore, id: RequestId, field: RequestField, value: &str, by: &str) -> anyhow::Result<()> {
    let edit = RequestEdit::new(field, Clock::system().now(), value, by)?;
    if store.edit_request(id, edit, None).await? == RequestEdited::NotFound {
        bail!("there is no such request");
    }
    record(store, field.action(), id, "").await
}

fn named(assignee: &str) -> &str {
    if assignee.trim().is_empty() { "nobody" } else { assignee }
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
    let changed = store.change_request(id, change, config.followers()).await?;
    if let RequestChanged::Yes(_) = changed {
        record(store, state.action(), id, "").await?;
    }
    match changed {
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
