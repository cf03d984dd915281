//! `umishop users`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::{Global, block_on, table};
use crate::domain::User;
use crate::http::user_json;
use crate::store::{Page, Store};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The beginning of a mail address, or part of a name or phone
    search: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(global: &Global, arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let users = block_on(async {
        let store = Global::open_store(&config)?;
        let users = store.users(arguments.search, Page { limit: arguments.limit, before: None }).await?;
        store.close().await?;
        Ok(users)
    })?;
    if global.json {
        let items: Vec<_> = users.into_iter().map(user_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
    } else if users.is_empty() {
        writeln!(out, "No customers.")?;
    } else {
        let rows: Vec<_> = users.iter().map(row).collect();
        table::write(out, ["SINCE", "NAME", "EMAIL", "PHONE", "SOURCE"], &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(user: &User) -> [String; 5] {
    [
        user.created_at.to_readable(),
        user.name.clone(),
        user.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        user.phone.as_ref().map(|phone| phone.best().to_owned()).unwrap_or_default(),
        user.origin.source(),
    ]
}
