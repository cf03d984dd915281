//! `umishop restore`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Global, record_beside, watched};
use crate::config::StoreUrl;
use crate::domain::Timestamp;
use crate::store::sqlite::{RestoreError, Restored, restore};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The backup
    file: PathBuf,
    /// Put it in the place of the database that is there, which is kept beside it
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let StoreUrl::Sqlite(database) = config.store.clone();
    let (file, replace, path) = (arguments.file.clone(), arguments.replace, database.clone());
    let restored = watched(global, move |watch| restore(&file, &path, replace, watch))?;
    let restored = restored.map_err(|error| match error {
        // A server that holds the lock has an exit code of its own.
        RestoreError::Open(error) => anyhow::Error::from(error),
        error => error.into(),
    })?;
    let taken_at = restored.taken_at.map_or("an unknown time".to_owned(), Timestamp::to_readable);
    record_beside(&config, "backup.restore", "", &format!("of {taken_at}"));
    if global.json {
        let Restored { taken_at, counts, delivered, held, erased, replaced, warnings } = restored;
        let answer = json!({
            "database": database.display().to_string(), "taken_at": taken_at,
            "users": counts.users, "requests": counts.requests, "messages": counts.messages,
            "delivered": delivered, "held": held, "erased": erased,
            "replaced": replaced.map(|path| path.display().to_string()), "warnings": warnings,
        });
        writeln!(out, "{answer}")?;
    } else {
        let Restored { counts, delivered, held, erased, .. } = restored;
        writeln!(out, "{} is the backup of {taken_at} now:", database.display())?;
        writeln!(out, "  {} customers, {} requests, {} messages.", counts.users, counts.requests, counts.messages)?;
        writeln!(out, "  {delivered} messages were delivered since then, and are marked so.")?;
        writeln!(out, "  {held} messages may have been sent already. They are held, and none is sent by itself.")?;
        if erased > 0 {
            writeln!(out, "  {erased} customers were erased since then, and are erased again.")?;
        }
        if let Some(replaced) = &restored.replaced {
            writeln!(out, "The database that was there is kept as {}.", replaced.display())?;
        }
        for warning in &restored.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        writeln!(out, "\nNext: `umishop serve`.")?;
        if held > 0 {
            writeln!(
                out,
                "Look at what is held: `umishop messages --state held`. Then `umishop messages retry --state held`\nsends it, `umishop messages cancel --state held` calls it off; --channel, --purpose and --before choose."
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
