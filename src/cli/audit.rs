//! `umishop audit`: who changed what.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::{Global, block_on, table};
use crate::domain::AuditEntry;
use crate::http::audit_json;
use crate::store::{AccessStore as _, Page, Store as _};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let entries = block_on(async {
        let store = Global::open_store(&config)?;
        let entries = store.audit(Page { limit: arguments.limit, before: None }).await?;
        store.close().await?;
        Ok(entries)
    })?;
    if global.json {
        let items: Vec<_> = entries.iter().map(audit_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
    } else if entries.is_empty() {
        writeln!(out, "Nobody has changed anything.")?;
    } else {
        let rows: Vec<_> = entries.iter().map(row).collect();
        table::write(out, ["AT", "WHO", "ROLE", "ACTION", "TARGET", "DETAIL"], &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &AuditEntry) -> [String; 6] {
    [
        entry.at.to_readable(),
        entry.actor.name.clone(),
        entry.actor.role.to_string(),
        entry.action.clone(),
        entry.target.clone(),
        entry.detail.clone(),
    ]
}
