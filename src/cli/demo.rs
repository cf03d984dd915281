//! `umishop demo`

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{Global, block_on, serve};
use crate::clock::Clock;
use crate::config::{self, Loaded, Sources, StoreUrl};
use crate::demo::{self, CONFIG, Plan};
use crate::domain::Timestamp;
use crate::store::Store;
use crate::store::sqlite::{InventedError, OpenError, SqliteStore};

/// The database of a configuration that names none.
const DATABASE: &str = "umishop.db";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The directory that it is made in; an earlier demo there is replaced
    #[arg(default_value = "umishop-demo")]
    directory: PathBuf,
    /// How many customers
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    customers: u32,
    /// Another number gives another year
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The moment at which the year ends, as in 2026-11-24T12:00:00Z [default: now]
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    until: Option<Timestamp>,
    /// Serve it right away, in the sandbox
    #[arg(long)]
    serve: bool,
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("expected a moment, as in 2026-11-24T12:00:00Z")
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if global.config.is_some() {
        bail!("a demo has a configuration of its own, in its directory: leave --config out");
    }
    let directory = &arguments.directory;
    let file = directory.join("config.toml");
    let loaded = prepare(directory, &file)?;
    let StoreUrl::Sqlite(database) = &loaded.config.store;
    block_on(fill(&loaded, database, arguments))?;
    let at = directory.display();
    if arguments.serve {
        return serve::serve_loaded(served(global, directory, &file, database)?, out);
    }
    writeln!(out, "A year of {} invented customers is in {}.", arguments.customers, database.display())?;
    writeln!(out, "Look at it:  cd {at} && umishop serve")?;
    writeln!(out, "Nothing is ever sent from there: it is served in the sandbox only.")?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the directory with the demo's configuration, unless that is there, and reads it without the environment: the
/// year is the same wherever it is made.
fn prepare(directory: &Path, file: &Path) -> anyhow::Result<Loaded> {
    let reading = || format!("cannot use {}", file.display());
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    if file.exists() {
        let found = fs::read_to_string(file).with_context(reading)?;
        if found.lines().next() != CONFIG.lines().next() {
            bail!("{} is not a demo's: name another directory", file.display());
        }
    } else {
        // Whoever configures a shop by the environment alone must not find another configuration in its place.
        if directory.join(DATABASE).exists() {
            bail!("{}: {}", directory.join(DATABASE).display(), InventedError::NotInvented);
        }
        fs::write(file, CONFIG).with_context(reading)?;
    }
    let loaded = load(directory, file, Vec::new())?;
    let StoreUrl::Sqlite(database) = &loaded.config.store;
    if !loaded.config.sandbox || database.parent() != Some(directory) {
        bail!("{}: a demo has sandbox = true and its database beside it", file.display());
    }
    Ok(loaded)
}

fn load(directory: &Path, file: &Path, environment: Vec<(String, String)>) -> anyhow::Result<Loaded> {
    let sources = Sources { file: Some(file.to_owned()), directory: directory.to_owned(), environment };
    config::load(&sources).map_err(|problems| anyhow::anyhow!("the demo's configuration cannot be used\n{problems}"))
}

/// The configuration that it is served with: where to listen may come from the environment, but never which database,
/// nor that anything leaves the sandbox.
fn served(global: &Global, directory: &Path, file: &Path, database: &Path) -> anyhow::Result<Loaded> {
    let mut loaded = load(directory, file, global.sources().environment)?;
    loaded.config.sandbox = true;
    loaded.config.store = StoreUrl::Sqlite(database.to_owned());
    Ok(loaded)
}

async fn fill(loaded: &Loaded, database: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let config = &loaded.config;
    let plan = Plan {
        customers: arguments.customers,
        seed: arguments.seed,
        until: arguments.until.unwrap_or_else(|| Clock::system().now()),
        routes: &config.routes,
        welcome: config.welcome.channel.clone().context("a demo needs [welcome] channel")?,
        reached_at: config.welcome_reaches(),
        rules: Arc::clone(&config.origins),
    };
    let store = SqliteStore::create_invented(database).map_err(|error| match error {
        // A server that holds the lock has an exit code of its own.
        InventedError::Open(error @ OpenError::Locked { .. }) => anyhow::Error::from(error),
        error => anyhow::Error::from(error).context(format!("cannot make {}", database.display())),
    })?;
    let shown = io::stderr().is_terminal();
    let mut progress = |days: usize, of: usize| {
        if shown {
            // A terminal that is gone needs no progress.
            drop(write!(io::stderr(), "\r{:>3} % made up", days * 100 / of));
        }
    };
    let filled = demo::fill(&store, &plan, &mut progress).await;
    if shown {
        drop(write!(io::stderr(), "\r              \r"));
    }
    store.close().await?;
    Ok(filled?)
}
