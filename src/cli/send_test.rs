//! `umishop send-test`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Global, block_on, record_beside};
use crate::app;
use crate::clock::Clock;
use crate::domain::{ChannelAddress, Outcome};
use crate::render::Renderer;
use crate::trial::{Trial, example};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The channel, as in slack.pricing
    channel: ChannelAddress,
    /// Whom to send it to, for a channel that writes to customers: a mail address, a phone like +34600123456, or
    /// Landbot's number of a customer
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let settings = config.channels.get(&arguments.channel).with_context(|| {
        let known: Vec<_> = config.channels.keys().map(ToString::to_string).collect();
        format!("there is no channel {}; the configured ones are {}", arguments.channel, known.join(", "))
    })?;
    let (channel, renderer) = (&*settings.channel, Renderer::new(app::texts(&config, None))?);
    let trial = Trial::new(&renderer, &arguments.channel, channel, arguments.to.as_deref(), &Clock::system());
    let Trial { message, composed } = trial.map_err(|why| {
        let example = channel.writes_to().filter(|_| arguments.to.is_none()).map(example);
        let hint = example.map(|to| format!("; for this one test, --to {to} will do")).unwrap_or_default();
        anyhow::anyhow!("{why}{hint}")
    })?;
    if config.sandbox {
        record_beside(&config, "channel.test", &arguments.channel, "captured");
        let text = String::from_utf8_lossy(&composed);
        if global.json {
            writeln!(out, "{}", json!({ "outcome": "captured", "scope": null, "answer": "", "text": text }))?;
        } else {
            writeln!(out, "Sandbox: nothing was sent. This is what would have been:\n\n{text}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = block_on(async { Ok(channel.deliver(&message).await) })?;
    record_beside(&config, "channel.test", &arguments.channel, outcome.word());
    let delivered = matches!(outcome, Outcome::Delivered { .. });
    let answer =
        if let Outcome::Delivered { reference, .. } = &outcome { reference.clone() } else { outcome.explanation() };
    if global.json {
        let scope = outcome.scope().map(|scope| scope.to_string());
        writeln!(out, "{}", json!({ "outcome": outcome.word(), "scope": scope, "answer": answer }))?;
    } else {
        writeln!(out, "{}: {answer}", outcome.word())?;
    }
    Ok(if delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
