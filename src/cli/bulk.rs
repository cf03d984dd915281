//! `umishop messages retry` and `umishop messages cancel`: one message, or all of a selection.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::{Global, record};
use crate::clock::Clock;
use crate::domain::{ChannelAddress, MessageId, Purpose, State, Timestamp};
use crate::store::sqlite::SqliteStore;
use crate::store::{Changed, Counted, MessageFilter, Period, Store};

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The message
    #[arg(required_unless_present = "state", conflicts_with_all = ["state", "channel", "purpose", "before", "yes"])]
    id: Option<MessageId>,
    /// All messages in this state, instead of one
    #[arg(long)]
    state: Option<State>,
    /// Of these only those over this channel, as in slack.pricing
    #[arg(long)]
    channel: Option<ChannelAddress>,
    /// Of these only those for this purpose: welcome, request, test, alert, acknowledged, answered, closed
    #[arg(long)]
    purpose: Option<Purpose>,
    /// Of these only those made before this moment, as in 2026-11-24T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    before: Option<Timestamp>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a moment like 2026-11-24T09:30:00Z".to_owned())
}

/// What is done to a message.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Retry,
    Cancel,
}

impl Change {
    const fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Cancel => "cancelled",
        }
    }

    /// What it is called in the list of changes.
    const fn action(self) -> &'static str {
        match self {
            Self::Retry => "message.retry",
            Self::Cancel => "message.cancel",
        }
    }

    /// The states that whole selections may be in. One pending message may be retried, but all of them would be due at
    /// once for nothing.
    const fn from(self) -> &'static [State] {
        match self {
            Self::Retry => State::RETRIED_TOGETHER,
            Self::Cancel => State::CANCELLED_TOGETHER,
        }
    }
}

pub(super) async fn change(
    global: &Global,
    store: &SqliteStore,
    change: Change,
    which: Which,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match (which.id, which.state) {
        (Some(id), _) => one(store, change, id, out).await,
        (None, Some(state)) => {
            let Which { channel, purpose, before, yes, .. } = which;
            let made = Period { from: None, to: before };
            let filter = MessageFilter { state: Some(state), channel, purpose, made, ..MessageFilter::default() };
            all(global, store, change, (state, filter), yes, out).await
        }
        (None, None) => bail!("name a message, or --state for all messages in it"),
    }
}

async fn one(store: &SqliteStore, change: Change, id: MessageId, out: &mut dyn Write) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let changed = match change {
        Change::Retry => store.retry_message(id, now).await?,
        Change::Cancel => store.cancel_message(id, now).await?,
    };
    if changed == Changed::Yes {
        record(store, change.action(), id, "").await?;
    }
    match (changed, change) {
        (Changed::Yes, Change::Retry) => writeln!(out, "Message {id} is due now.")?,
        (Changed::Yes, Change::Cancel) => writeln!(out, "Message {id} is cancelled.")?,
        (Changed::NotFrom(state), _) => bail!("a message that is {state} cannot be {}", change.done()),
        (Changed::NotFound, _) => bail!("there is no such message; it may have been pruned"),
    }
    Ok(())
}

async fn all(
    global: &Global,
    store: &SqliteStore,
    change: Change,
    (state, filter): (State, MessageFilter),
    yes: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if !change.from().contains(&state) {
        let states: Vec<_> = change.from().iter().map(ToString::to_string).collect();
        bail!("messages that are {state} cannot all be {}; --state is {}", change.done(), states.join(" or "));
    }
    let counted = store.count_messages(filter.clone()).await?;
    if !yes && counted.count > 0 && !confirmed(counted, change)? {
        bail!("nothing was changed");
    }
    let now = Clock::system().now();
    let (mut changed, mut after) = (0, None);
    let ended = loop {
        let bite = match change {
            Change::Retry => store.retry_messages(filter.clone(), after, now).await,
            Change::Cancel => store.cancel_messages(filter.clone(), after, now).await,
        };
        match bite {
            Ok(bite) => {
                changed += bite.changed;
                after = bite.next;
                if after.is_none() {
                    break Ok(());
                }
            }
            Err(error) => break Err(error),
        }
    };
    if changed > 0 {
        record(store, change.action(), "many", &format!("{changed} that were {state}")).await?;
    }
    ended.with_context(|| format!("only {changed} messages were {}", change.done()))?;
    if global.json {
        writeln!(out, "{}", json!({ "changed": changed }))?;
    } else {
        writeln!(out, "{changed} messages are {}.", change.done())?;
    }
    Ok(())
}

/// Asks on a terminal. A script must have said yes already.
fn confirmed(counted: Counted, change: Change) -> anyhow::Result<bool> {
    let Counted { count, more } = counted;
    let count = if more { format!("more than {count}") } else { count.to_string() };
    if !io::stdin().is_terminal() {
        bail!("{count} messages would be {}; say --yes if they are to be", change.done());
    }
    write!(io::stderr(), "{count} messages will be {}. Go on? [y/N] ", change.done())?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
