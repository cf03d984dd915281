//! `umishop users`

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::rights::{self, Erase, Whom};
use super::{Global, block_on, filters, table};
use crate::config::Config;
use crate::domain::User;
use crate::http::user_json;
use crate::store::sqlite::SqliteStore;
use crate::store::{Page, Store, UserFilter};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write everything that is kept about one customer, as JSON
    Export(Whom),
    /// Erase one customer for good; what is counted stays
    Erase(Erase),
}

#[derive(Debug, Args)]
struct List {
    /// The beginning of a mail address, or part of a name or phone
    search: Option<String>,
    #[command(flatten)]
    registered: filters::Period,
    #[command(flatten)]
    origin: filters::Origin,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(global: &Global, arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    block_on(async {
        let store = Global::open_store(&config)?;
        match &arguments.action {
            None => list(global, &config, &store, arguments.list, out).await?,
            Some(Action::Export(whom)) => rights::export(&config, &store, whom, out).await?,
            Some(Action::Erase(erase)) => rights::erase(global, &store, erase, out).await?,
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
    let List { search, registered, origin, limit } = list;
    let filter = UserFilter { search, registered: registered.read()?, origin: origin.read(config) };
    let users = store.users(filter, Page { limit, before: None }).await?;
    if global.json {
        let items: Vec<_> = users.into_iter().map(user_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
    } else if users.is_empty() {
        writeln!(out, "No customers.")?;
    } else {
        let rows: Vec<_> = users.iter().map(row).collect();
        table::write(out, ["SINCE", "NAME", "EMAIL", "PHONE", "SOURCE"], &rows)?;
    }
    Ok(())
}

fn row(user: &User) -> [String; 5] {
    [
        user.created_at.to_readable(),
        if user.is_erased() { "(erased)".to_owned() } else { user.name.clone() },
        user.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        user.phone.as_ref().map(|phone| phone.best().to_owned()).unwrap_or_default(),
        user.origin.source(),
    ]
}
