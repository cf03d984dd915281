//! `umishop check`

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::{Global, table};
use crate::config::{self, Config, Loaded, Problem};
use crate::domain::{ChannelAddress, Route, Topic};

pub(super) fn run(global: &Global, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match config::load(&global.sources()) {
        Ok(loaded) if global.json => {
            writeln!(out, "{}", serde_json::to_string_pretty(&to_json(&loaded))?)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(loaded) => {
            report(&loaded, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) if global.json => {
            let problems: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "ok": false, "problems": problems }))?)?;
            Ok(ExitCode::FAILURE)
        }
        Err(problems) => anyhow::bail!("the configuration cannot be used\n{problems}"),
    }
}

fn report(loaded: &Loaded, out: &mut dyn Write) -> anyhow::Result<()> {
    let Config { sandbox, routes, welcome, alerts, .. } = &loaded.config;
    match &loaded.origin {
        Some(file) => writeln!(out, "Configuration  {}, over the built-in one", file.display())?,
        None => writeln!(out, "Configuration  the built-in one (no config.toml here)")?,
    }
    let mode =
        if *sandbox { "on: every message is kept, nothing leaves this machine" } else { "off: messages are sent" };
    writeln!(out, "Sandbox        {mode}")?;
    match &welcome.channel {
        Some(channel) => writeln!(
            out,
            "Welcome        over {channel}, {} after the registration",
            humantime::format_duration(welcome.delay)
        )?,
        None => writeln!(out, "Welcome        none")?,
    }
    match alerts.channels.iter().map(ChannelAddress::as_str).collect::<Vec<_>>().join(", ").as_str() {
        "" => writeln!(out, "Alerts         none: trouble is only logged, and shown in the console")?,
        channels => writeln!(out, "Alerts         over {channels}")?,
    }
    writeln!(out)?;
    let rows: Vec<_> =
        routes.routes().map(|route| [topic(route).to_owned(), aliases(route), channels(route)]).collect();
    table::write(out, ["TOPIC", "ALSO CALLED", "GOES TO"], &rows)?;
    if !loaded.missing.is_empty() {
        let note = if *sandbox { " (the sandbox does without)" } else { "" };
        writeln!(out, "\nNot set{note}:")?;
        let rows: Vec<_> =
            loaded.missing.iter().map(|missing| [missing.reference.to_string(), missing.key.clone()]).collect();
        table::write(out, ["REFERENCE", "NEEDED FOR"], &rows)?;
    }
    for warning in &loaded.warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    writeln!(out, "\nThe configuration can be used.")?;
    Ok(())
}

fn topic(route: &Route) -> &str {
    route.topic.as_ref().map_or("(anything else)", Topic::as_str)
}

fn aliases(route: &Route) -> String {
    route.aliases.iter().map(Topic::as_str).collect::<Vec<_>>().join(", ")
}

fn channels(route: &Route) -> String {
    route.channels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn to_json(loaded: &Loaded) -> serde_json::Value {
    let routes: Vec<_> = loaded
        .config
        .routes
        .routes()
        .map(|route| {
            let aliases: Vec<_> = route.aliases.iter().map(Topic::as_str).collect();
            json!({ "topic": route.topic.as_ref().map(Topic::as_str), "aliases": aliases, "channels": route.channels })
        })
        .collect();
    let missing: Vec<_> = loaded
        .missing
        .iter()
        .map(|missing| json!({ "reference": missing.reference.to_string(), "key": missing.key }))
        .collect();
    let warnings: Vec<String> = loaded.warnings.iter().map(Problem::to_string).collect();
    json!({ "ok": true, "sandbox": loaded.config.sandbox, "routes": routes, "missing": missing, "warnings": warnings })
}
