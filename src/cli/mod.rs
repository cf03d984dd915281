//! The command line: the server, and an operator's tools over the same store.
//!
//! Every command writes to `out`; for people by default, as JSON with `--json`. What goes wrong is one message on
//! standard error and a non-zero exit: 1 when it could not be done, 2 when the command line itself was wrong, and a code
//! of its own for what a supervisor may want to tell apart; see [`exit_code`].

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{CommandFactory, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config, Loaded, Sources, StoreUrl};
use crate::domain::{Actor, AuditEntry};
use crate::store::sqlite::{OpenError, SqliteStore, Watch};
use crate::store::{AccessStore as _, Store as _, StoreError};

mod audit;
mod backup;
mod bulk;
mod check;
mod demo;
mod doctor;
mod export;
mod filters;
mod import;
mod kinds;
mod landbot;
mod log;
mod login_link;
mod messages;
mod origins;
mod render;
mod replay;
mod reports;
mod requests;
mod restore;
mod rights;
mod route;
mod send_test;
mod serve;
mod simulate;
mod table;
mod tokens;
mod users;

/// Registers the customers a chatbot brings, welcomes them by mail, and carries their questions to the right channel.
#[derive(Debug, Parser)]
#[command(name = "umishop", version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration file [default: ./config.toml if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "UMISHOP_CONFIG")]
    config: Option<PathBuf>,
    /// Write JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the webhooks and the pages, and deliver messages
    Serve,
    /// Validate the configuration and show where each topic goes
    Check,
    /// Say whether all is well: channels, mail domain, address, clock, disk; sends and changes nothing
    Doctor(doctor::Arguments),
    /// Explain where a question goes, or what other routes would have done with those that came
    Route(route::Arguments),
    /// List messages; show, retry or cancel one, or many
    Messages(messages::Arguments),
    /// List requests; show one, or say what became of it
    Requests(requests::Arguments),
    /// List customers and where they came from; export or erase one
    Users(users::Arguments),
    /// Count customers and requests by where they came from
    Origins(origins::Arguments),
    /// Show when the product department is told where customers came from; show or send a report
    Reports(reports::Arguments),
    /// List, make or revoke tokens for the API and the console
    Tokens(tokens::Arguments),
    /// Print a link that signs in to the console, once and within a day
    LoginLink(login_link::Arguments),
    /// List who changed what
    Audit(audit::Arguments),
    /// Take customers of another program in, from a table
    Import(import::Arguments),
    /// Write customers, requests, messages or visits out, as a table or as JSON, one a line
    Export(export::Arguments),
    /// Copy the database to a file, also while it is in use
    Backup(backup::Arguments),
    /// Bring a backup back; what it may have missed is held, not sent again
    Restore(restore::Arguments),
    /// Show what a message says, byte for byte, without sending it
    Render(render::Arguments),
    /// Send one test message over a channel and show the answer
    SendTest(send_test::Arguments),
    /// List the kinds of channels, or tell all about one
    Kinds(kinds::Arguments),
    /// Post bodies as Landbot sends them, in every shape, to a running server
    Simulate(simulate::Arguments),
    /// Make up a year of a shop, for a look around; nothing is ever sent from it
    Demo(demo::Arguments),
    /// Print what to paste into Landbot
    Landbot(landbot::Arguments),
    /// Print the API's description (OpenAPI)
    Openapi,
    /// Print the built-in configuration: every key, its default, one sentence
    Config,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Does what the command line says.
pub fn run(cli: Cli) -> ExitCode {
    let mut out = io::stdout().lock();
    let result = cli.dispatch(&mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match result {
        Ok(code) => code,
        // Whoever read our output has seen enough, as in `umishop messages | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell this to if standard error is gone, too.
            drop(writeln!(io::stderr(), "error: {error:#}"));
            exit_code(&error)
        }
    }
}

/// Another server runs on the database.
const LOCKED: u8 = 3;

/// The disk failed or the database is damaged: `EX_IOERR` of sysexits.h.
const BROKEN: u8 = 74;

fn exit_code(error: &anyhow::Error) -> ExitCode {
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(OpenError::Locked { .. }), _) => ExitCode::from(LOCKED),
        (_, Some(StoreError::Broken(_))) => ExitCode::from(BROKEN),
        _ => ExitCode::FAILURE,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl Cli {
    fn dispatch(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let global = Global { config: self.config, json: self.json };
        match self.command {
            Command::Serve => serve::run(&global, out),
            Command::Check => check::run(&global, out),
            Command::Doctor(arguments) => doctor::run(&global, &arguments, out),
            Command::Route(arguments) => route::run(&global, &arguments, out),
            Command::Messages(arguments) => messages::run(&global, arguments, out),
            Command::Requests(arguments) => requests::run(&global, arguments, out),
            Command::Users(arguments) => users::run(&global, arguments, out),
            Command::Origins(arguments) => origins::run(&global, &arguments, out),
            Command::Reports(arguments) => reports::run(&global, arguments, out),
            Command::Tokens(arguments) => tokens::run(&global, arguments, out),
            Command::LoginLink(arguments) => login_link::run(&global, &arguments, out),
            Command::Audit(arguments) => audit::run(&global, &arguments, out),
            Command::Import(arguments) => import::run(&global, &arguments, out),
            Command::Export(arguments) => export::run(&global, &arguments, out),
            Command::Backup(arguments) => backup::run(&global, arguments, out),
            Command::Restore(arguments) => restore::run(&global, &arguments, out),
            Command::Render(arguments) => render::run(&global, &arguments, out),
            Command::SendTest(arguments) => send_test::run(&global, &arguments, out),
            Command::Kinds(arguments) => kinds::run(&global, &arguments, out),
            Command::Simulate(arguments) => simulate::run(&global, &arguments, out),
            Command::Demo(arguments) => demo::run(&global, &arguments, out),
            Command::Landbot(arguments) => landbot::run(&global, &arguments, out),
            Command::Openapi => print(out, &crate::http::openapi()),
            Command::Config => print(out, config::SHIPPED.trim_end()),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "umishop", &mut script);
                out.write_all(&script)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn print(out: &mut dyn Write, text: &str) -> anyhow::Result<ExitCode> {
    writeln!(out, "{text}")?;
    Ok(ExitCode::SUCCESS)
}

/// What every command is told.
struct Global {
    config: Option<PathBuf>,
    json: bool,
}

impl Global {
    fn sources(&self) -> Sources {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Sources {
            file: self.config.clone(),
            directory: PathBuf::from("."),
            environment: std::env::vars_os().filter_map(text).collect(),
        }
    }

    fn load(&self) -> anyhow::Result<Loaded> {
        config::load(&self.sources())
            .map_err(|problems| anyhow::anyhow!("the configuration cannot be used\n{problems}"))
    }

    /// The configuration's store, beside a server that may be running on it.
    fn open_store(config: &Config) -> anyhow::Result<SqliteStore> {
        let StoreUrl::Sqlite(path) = &config.store;
        SqliteStore::open_beside(path).with_context(|| format!("cannot open the database {}", path.display()))
    }
}

/// Keeps that something was changed by the command line; as over the API, no customer's name or address may be told.
async fn record(store: &SqliteStore, action: &str, target: impl Display, detail: &str) -> anyhow::Result<()> {
    let entry = AuditEntry::new(Clock::system().now(), &Actor::command_line(), action, &target.to_string(), detail);
    store.record(entry).await.context("it was done, but could not be put into the list of changes")
}

/// The same by a command that is done with its work, or needs no store for it. Without a database there is no list; and
/// that it could not be written is only said, since the command has done what it was asked for.
fn record_beside(config: &Config, action: &str, target: impl Display, detail: &str) {
    let recorded = block_on(async {
        let store = Global::open_store(config)?;
        record(&store, action, target, detail).await?;
        Ok(store.close().await?)
    });
    if let Err(error) = recorded
        && !matches!(error.downcast_ref(), Some(OpenError::Missing(_)))
    {
        // Nothing is left to tell this to if standard error is gone, too.
        drop(writeln!(io::stderr(), "warning: this does not stand in the list of changes: {error:#}"));
    }
}

/// The channels, by their addresses.
fn channels(config: &Config) -> BTreeMap<crate::domain::ChannelAddress, Arc<dyn crate::channel::Channel>> {
    config.channels.iter().map(|(address, settings)| (address.clone(), Arc::clone(&settings.channel))).collect()
}

/// Copies a database by `work`, off the async threads, showing on a terminal how far it is. Ctrl-C ends it in good order.
fn watched<T: Send + 'static>(
    global: &Global,
    work: impl FnOnce(&mut Watch<'_>) -> T + Send + 'static,
) -> anyhow::Result<T> {
    let shown = !global.json && io::stderr().is_terminal();
    block_on(async move {
        let stop = CancellationToken::new();
        let copying = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || {
                let mut last = None;
                let mut percent = |percent| {
                    if shown && last.replace(percent) != Some(percent) {
                        // A terminal that is gone needs no progress.
                        drop(write!(io::stderr(), "\r{percent:>3} % copied"));
                    }
                };
                let done = work(&mut Watch { percent: &mut percent, stop: &stop });
                if last.is_some() {
                    drop(write!(io::stderr(), "\r              \r"));
                }
                done
            }
        });
        let interrupted = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
            }
        });
        let done = copying.await.context("it ended badly")?;
        interrupted.abort();
        Ok(done)
    })
}

/// A size for people.
fn readable_size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// Runs `work` to its end.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(work);
    // A look-up that was given up may hang in the system for long; what was to be known is known.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
