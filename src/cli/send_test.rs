//! `umishop send-test`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Global, block_on};
use crate::app;
use crate::clock::Clock;
use crate::domain::{About, ChannelAddress, Context, EmailAddress, MessageId, Outcome, Purpose};
use crate::render::{Draft, Renderer};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The channel, as in slack.pricing
    channel: ChannelAddress,
    /// Where to send it, for a channel that has no address of its own, such as email.welcome
    #[arg(long, value_name = "ADDRESS")]
    to: Option<EmailAddress>,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let channel = config.channels.get(&arguments.channel).with_context(|| {
        let known: Vec<_> = config.channels.keys().map(ToString::to_string).collect();
        format!("there is no channel {}; the configured ones are {}", arguments.channel, known.join(", "))
    })?;
    let now = Clock::system().now();
    let context = Context { email: arguments.to.clone(), ..Context::default() };
    let (id, about) = (MessageId::new(now), About::default());
    let draft = Draft { id, created_at: now, purpose: Purpose::Test, about, context: &context };
    let rendered = Renderer::new(app::texts(&config))?.render(draft, &arguments.channel, channel.channel.markup())?;
    let composed = channel.channel.compose(&rendered).map_err(|why| {
        let hint = if arguments.to.is_none() { "; for this one test, --to name@example.com will do" } else { "" };
        anyhow::anyhow!("{why}{hint}")
    })?;
    if config.sandbox {
        let text = String::from_utf8_lossy(&composed);
        if global.json {
            writeln!(out, "{}", json!({ "outcome": "captured", "scope": null, "answer": "", "text": text }))?;
        } else {
            writeln!(out, "Sandbox: nothing was sent. This is what would have been:\n\n{text}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = block_on(async { Ok(channel.channel.deliver(&rendered).await) })?;
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
