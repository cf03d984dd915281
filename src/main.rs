//! Reads the command line, does what it says, and exits.

use std::process::ExitCode;

use clap::Parser;
use umishop::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
