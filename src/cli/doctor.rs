//! `umishop doctor`

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::{Global, block_on};
use crate::app;
use crate::clock::Clock;
use crate::config;
use crate::doctor::{Area, Dns, Examination, Finding, Severity, refused};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The name server to ask about domains [default: this machine's own]
    #[arg(long, value_name = "ADDRESS")]
    dns: Option<Dns>,
    /// How long each look may take
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Read all of the database, too
    #[arg(long)]
    deep: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let findings = match config::load(&global.sources()) {
        Ok(loaded) => {
            let examination = Examination {
                texts: app::texts(&loaded.config, None),
                backups: app::backup_directory(&loaded.config),
                loaded: &loaded,
                clock: Clock::system(),
                dns: arguments.dns.clone().unwrap_or_else(Dns::of_system),
                deadline: arguments.timeout,
                deep: arguments.deep,
            };
            block_on(async { Ok(examination.run().await) })?
        }
        Err(problems) => refused(&problems),
    };
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let problems = count(Severity::Problem);
    let (warnings, unknown) = (count(Severity::Warning), count(Severity::Unknown));
    if global.json {
        let report = json!({
            "ok": problems == 0, "problems": problems, "warnings": warnings, "unknown": unknown, "findings": findings,
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write_report(out, &findings)?;
        let well = count(Severity::Ok);
        writeln!(out, "\n{}", total(problems, warnings, unknown, well))?;
    }
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Area by area, in the order in which they come first; what to do stands below what was found.
fn write_report(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    let width = findings.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
    let mut areas: Vec<Area> = Vec::new();
    for finding in findings {
        if !areas.contains(&finding.area) {
            areas.push(finding.area);
        }
    }
    for (index, area) in areas.into_iter().enumerate() {
        writeln!(out, "{}{}", if index == 0 { "" } else { "\n" }, area.title())?;
        for Finding { subject, severity, what, mend, .. } in findings.iter().filter(|finding| finding.area == area) {
            writeln!(out, "  {:<7}  {subject:<width$}  {what}", severity.as_str())?;
            if !mend.is_empty() {
                writeln!(out, "  {:<7}  {:<width$}  → {mend}", "", "")?;
            }
        }
    }
    Ok(())
}

/// "1 problem, 2 warnings, 3 unknown, 14 well"
fn total(problems: usize, warnings: usize, unknown: usize, well: usize) -> String {
    let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("{}, {}, {unknown} unknown, {well} well", counted(problems, "problem"), counted(warnings, "warning"))
}
