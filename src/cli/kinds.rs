//! `umishop kinds`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Global, table};
use crate::channel::{KINDS, Kind, kind, section};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One of them, as in slack: its settings, how to set it up, and what its receiver's answers mean
    #[arg(value_parser = |name: &str| kind(name).ok_or_else(unknown))]
    kind: Option<&'static Kind>,
}

fn unknown() -> String {
    format!("the kinds are {}", KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", "))
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match arguments.kind {
        Some(kind) if global.json => writeln!(out, "{}", described(kind))?,
        Some(kind) => write!(out, "{}", section(kind))?,
        None if global.json => {
            writeln!(out, "{}", KINDS.iter().map(described).collect::<serde_json::Value>())?;
        }
        None => {
            let rows: Vec<_> = KINDS.iter().map(|kind| [kind.name.to_owned(), kind.summary.to_owned()]).collect();
            table::write(out, ["KIND", "WHAT IT DOES"], &rows)?;
            writeln!(out, "\n`umishop kinds {}` tells all about it.", KINDS[0].name)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn described(kind: &Kind) -> serde_json::Value {
    json!({ "kind": kind.name, "summary": kind.summary, "example": kind.example.trim(), "addresses": kind.pasted })
}
