//! `umishop check`

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::{Global, table};
use crate::app;
use crate::config::{self, Config, Loaded, Problem};
use crate::domain::{ChannelAddress, Pattern, Route, Topic};
use crate::render::Renderer;

pub(super) fn run(global: &Global, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&global.sources());
    if let Ok(loaded) = &loaded
        && let Err(error) = Renderer::new(app::texts(&loaded.config, None))
    {
        if global.json {
            let report = json!({ "ok": false, "problems": [error.to_string()] });
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
            return Ok(ExitCode::FAILURE);
        }
        anyhow::bail!("a template cannot be used\n{error}");
    }
    match loaded {
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
    let row =
        |route: &Route| [route.shown_topic().to_owned(), aliases(route), route.shown_conditions(), channels(route)];
    let rows: Vec<_> = routes.routes().map(row).collect();
    table::write(out, ["TOPIC", "ALSO CALLED", "WHEN", "GOES TO"], &rows)?;
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

fn aliases(route: &Route) -> String {
    route.aliases.iter().map(Topic::as_str).collect::<Vec<_>>().join(", ")
}

fn channels(route: &Route) -> String {
    let channels = route.channels.iter().map(ChannelAddress::as_str).collect::<Vec<_>>().join(", ");
    if route.continues { format!("{channels}, and on") } else { channels }
}

/// A route for scripts, as it is written in the configuration.
pub(super) fn route_json(route: &Route) -> serde_json::Value {
    let aliases: Vec<_> = route.aliases.iter().map(Topic::as_str).collect();
    let when: serde_json::Map<_, _> = route
        .when
        .iter()
        .map(|condition| {
            let any_of: Vec<_> = condition.any_of.iter().map(Pattern::as_str).collect();
            (condition.aspect.to_string(), json!(any_of))
        })
        .collect();
    json!({
        "topic": route.topic.as_ref().map(Topic::as_str),
        "aliases": aliases,
        "when": when,
        "continue": route.continues,
        "channels": route.channels,
    })
}

fn to_json(loaded: &Loaded) -> serde_json::Value {
    let routes: Vec<_> = loaded.config.routes.routes().map(route_json).collect();
    let missing: Vec<_> = loaded
        .missing
        .iter()
        .map(|missing| json!({ "reference": missing.reference.to_string(), "key": missing.key }))
        .collect();
    let warnings: Vec<String> = loaded.warnings.iter().map(Problem::to_string).collect();
    json!({ "ok": true, "sandbox": loaded.config.sandbox, "routes": routes, "missing": missing, "warnings": warnings })
}
