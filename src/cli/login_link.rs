//! `umishop login-link`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Global, block_on, record};
use crate::app::{login_code, login_link};
use crate::clock::Clock;
use crate::domain::{Actor, Role};
use crate::store::Store as _;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What whoever signs in may do: owner, operator, read-only
    #[arg(long, default_value_t = Role::Owner)]
    role: Role,
    /// What they are called in the list of changes
    #[arg(long, default_value = "login link")]
    name: String,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let actor = Actor::new(&arguments.name, arguments.role)?;
    let link = block_on(async {
        let store = Global::open_store(&config)?;
        let code = login_code(&store, actor.clone(), Clock::system().now()).await?;
        record(&store, "login_link.create", "console", &format!("{}, {}", actor.name, actor.role)).await?;
        store.close().await?;
        Ok(login_link(&config.site_url(), &code))
    })?;
    if global.json {
        writeln!(out, "{}", json!({ "link": link, "name": actor.name, "role": actor.role.as_str() }))?;
    } else {
        writeln!(out, "{link}\n\nIt signs in {} with the role {}, once and within a day.", actor.name, actor.role)?;
    }
    Ok(ExitCode::SUCCESS)
}
