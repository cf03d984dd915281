//! `umishop backup`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Global, readable_size, record_beside, watched};
use crate::app::backup_directory;
use crate::backups::Directory;
use crate::clock::Clock;
use crate::config::StoreUrl;
use crate::store::sqlite::back_up;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The new file, or the directory it is put into [default: in the directory of `[backup]`, named by the time]
    file: Option<PathBuf>,
}

pub(super) fn run(global: &Global, arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let StoreUrl::Sqlite(database) = config.store.clone();
    let now = Clock::system().now();
    let file = match arguments.file {
        Some(directory) if directory.is_dir() => Directory::new(directory, &database).file(now),
        Some(file) => file,
        None => backup_directory(&config)
            .context("name the file, as in `umishop backup shop.db`, or set [backup] directory")?
            .file(now),
    };
    let made = watched(global, move |watch| back_up(&database, &file, now, watch))??;
    record_beside(&config, "backup.make", "", "");
    let (file, counts) = (made.file.display(), made.counts);
    if global.json {
        let answer = json!({
            "file": file.to_string(), "taken_at": made.taken_at, "bytes": made.bytes,
            "users": counts.users, "requests": counts.requests, "messages": counts.messages,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{file}: {} customers, {} requests, {} messages, {}; read back and whole.",
            counts.users,
            counts.requests,
            counts.messages,
            readable_size(made.bytes)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
