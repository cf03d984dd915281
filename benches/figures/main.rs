//! `cargo bench`: every figure that umishop promises, measured in one run beside what the disk allows.
//!
//! Nothing is asserted: a figure is only worth something beside its machine, so the table says both. The program under
//! test is the real binary, driven over its webhooks and seen from outside; the client and the receivers are our own,
//! as small as can be, since they share the machine with it. `docs/benchmarks.md` says what each row means.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a table is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures, not accounts"
)]

mod claim;
mod ledger;
mod load;
mod machine;
mod rows;
mod server;
mod sinks;
mod table;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::rows::Bench;
use crate::table::Table;

/// Measures umishop: `cargo bench -- [OPTIONS]`.
#[derive(Parser)]
#[command(name = "figures")]
struct Options {
    /// Only these groups of rows.
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Group>,
    /// How often the cheap rows are measured; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// How long each intake run measures, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Over how many connections intake is loaded.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// How many messages the relay has to drain over HTTP; half as many over SMTP.
    #[arg(long, default_value_t = 40_000)]
    backlog: u32,
    /// How many users are stored before the start is timed; 0 leaves that row out.
    #[arg(long, default_value_t = 1_000_000)]
    users: u32,
    /// How many rows the outbox holds when claims are timed against one of 10,000; 10,000,000 takes minutes and 4 GB.
    #[arg(long, default_value_t = 0)]
    claim: u32,
    /// How many customers the origin ledger counts over a year, with twice as many requests and five times as many
    /// messages; 1,000,000 takes minutes and 4 GB.
    #[arg(long, default_value_t = 0)]
    ledger: u32,
    /// Another server with the same webhooks, for a ratio: `http://HOST:PORT`.
    #[arg(long)]
    peer: Option<String>,
    /// The program to measure, instead of the one just built.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where the databases are made, instead of the build directory: the disk that is measured.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Rows that are measured together.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    Intake,
    Relay,
    Request,
    Lateness,
    Idle,
    Start,
    Claim,
    Ledger,
    Size,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let only = options.only.clone();
    let bench = Bench::new(options)?;
    let mut table = Table::default();
    println!("{}", machine::describe(bench.dir()));
    let mut failures = Vec::new();
    for group in Group::value_variants() {
        if !only.is_empty() && !only.contains(group) {
            continue;
        }
        let measured = match group {
            Group::Intake => bench.intake(&mut table),
            Group::Relay => bench.relay(&mut table),
            Group::Request => bench.idle_request(&mut table),
            Group::Lateness => bench.lateness(&mut table),
            Group::Idle => bench.idle(&mut table),
            Group::Start => bench.start(&mut table),
            Group::Claim => bench.claim(&mut table),
            Group::Ledger => bench.ledger(&mut table),
            Group::Size => bench.size(&mut table),
        };
        failures.extend(measured.err());
    }
    table.print();
    // What could be measured is worth printing also when something else could not.
    for failure in &failures {
        eprintln!("not measured: {failure:#}");
    }
    anyhow::ensure!(failures.is_empty(), "{} group(s) of rows could not be measured", failures.len());
    Ok(())
}
