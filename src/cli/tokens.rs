//! `umishop tokens`: what opens the API and the console.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Global, block_on, record, table};
use crate::clock::Clock;
use crate::domain::{Actor, Role, Timestamp, TokenId};
use crate::http::{fresh_token, hash, token_json};
use crate::store::sqlite::SqliteStore;
use crate::store::{AccessStore as _, NewToken, Store as _, Token};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the tokens that are not revoked
    List,
    /// Make a token, and show it this once
    Create(Create),
    /// Revoke a token, with the sessions of the console that it began
    Revoke {
        /// Its name or its id
        token: String,
    },
    /// End every session of the console: everybody signs in again
    SignOut,
}

#[derive(Debug, Args)]
struct Create {
    /// What it is called in the list of changes
    name: String,
    /// What it may do: owner, operator, read-only
    #[arg(long)]
    role: Role,
    /// How long it works, as in 90d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
}

pub(super) fn run(global: &Global, arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    block_on(async {
        let store = Global::open_store(&config)?;
        match arguments.action {
            None | Some(Action::List) => list(global, &store, out).await?,
            Some(Action::Create(wanted)) => create(global, &store, wanted, out).await?,
            Some(Action::Revoke { token }) => revoke(&store, &token, out).await?,
            Some(Action::SignOut) => sign_out(&store, out).await?,
        }
        store.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(global: &Global, store: &SqliteStore, out: &mut dyn Write) -> anyhow::Result<()> {
    let tokens = store.tokens().await?;
    if global.json {
        let items: Vec<_> = tokens.into_iter().map(token_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
    } else if tokens.is_empty() {
        writeln!(out, "No tokens. `umishop tokens create NAME --role operator` makes one.")?;
    } else {
        let rows: Vec<_> = tokens.iter().map(row).collect();
        table::write(out, ["ID", "NAME", "ROLE", "CREATED", "BY", "LAST USED", "EXPIRES"], &rows)?;
    }
    Ok(())
}

fn row(token: &Token) -> [String; 7] {
    let moment = |moment: Option<Timestamp>| moment.map_or_else(|| "never".to_owned(), Timestamp::to_readable);
    [
        token.id.to_string(),
        token.actor.name.clone(),
        token.actor.role.to_string(),
        token.created_at.to_readable(),
        token.created_by.clone(),
        moment(token.last_used_at),
        moment(token.expires_at),
    ]
}

async fn create(global: &Global, store: &SqliteStore, wanted: Create, out: &mut dyn Write) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let secret = fresh_token().context("the system has no randomness for a token")?;
    let token = Token {
        id: TokenId::new(now),
        actor: Actor::new(&wanted.name, wanted.role)?,
        created_at: now,
        created_by: Actor::command_line().name,
        last_used_at: None,
        expires_at: wanted.expires_in.map(|lifetime| now.after(lifetime)),
    };
    let Actor { name, role } = token.actor.clone();
    if !store.create_token(NewToken { token: token.clone(), hash: hash(&secret) }).await? {
        bail!("another token is called {name}; revoke it, or choose another name");
    }
    record(store, "token.create", token.id, &format!("{name}, {role}")).await?;
    if global.json {
        let mut item = token_json(token);
        item["token"] = json!(secret);
        writeln!(out, "{}", serde_json::to_string_pretty(&item)?)?;
    } else {
        writeln!(out, "{secret}\n\nThis is {name}, with the role {role}. It is shown this once.")?;
    }
    Ok(())
}

async fn revoke(store: &SqliteStore, named: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let tokens = store.tokens().await?;
    let found = tokens.iter().find(|token| token.actor.name == named || token.id.to_string() == named);
    let id = found.map(|token| token.id).with_context(|| format!("there is no token called {named}"))?;
    let Some(Token { actor, .. }) = store.revoke_token(id, Clock::system().now()).await? else {
        bail!("{named} was revoked just now, by somebody else");
    };
    record(store, "token.revoke", id, &actor.name).await?;
    writeln!(out, "{} opens nothing any more, and the sessions that it began have ended.", actor.name)?;
    Ok(())
}

async fn sign_out(store: &SqliteStore, out: &mut dyn Write) -> anyhow::Result<()> {
    let ended = store.end_sessions().await?;
    record(store, "session.end", "all", &ended.to_string()).await?;
    writeln!(out, "{ended} sessions have ended. `umishop login-link` prints a link to sign in by.")?;
    Ok(())
}
