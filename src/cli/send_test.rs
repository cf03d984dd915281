//! `umishop send-test`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Global, block_on};
use crate::app;
use crate::clock::Clock;
use crate::domain::{About, ChannelAddress, ContactField, Context, EmailAddress, MessageId, Outcome, Purpose};
use crate::render::{Draft, Renderer};

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
    let channel = config.channels.get(&arguments.channel).with_context(|| {
        let known: Vec<_> = config.channels.keys().map(ToString::to_string).collect();
        format!("there is no channel {}; the configured ones are {}", arguments.channel, known.join(", "))
    })?;
    let now = Clock::system().now();
    let context = match &arguments.to {
        Some(to) => customer_at(to, &arguments.channel, channel.channel.writes_to())?,
        None => Context::default(),
    };
    let (id, about) = (MessageId::new(now), About::default());
    let draft = Draft { id, created_at: now, purpose: Purpose::Test, about, context: &context };
    let rendered =
        Renderer::new(app::texts(&config, None))?.render(draft, &arguments.channel, channel.channel.markup())?;
    let composed = channel.channel.compose(&rendered).map_err(|why| {
        let example = channel.channel.writes_to().filter(|_| arguments.to.is_none()).map(example);
        let hint = example.map(|to| format!("; for this one test, --to {to} will do")).unwrap_or_default();
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

/// A customer who is reached at `to`.
fn customer_at(to: &str, channel: &ChannelAddress, field: Option<ContactField>) -> anyhow::Result<Context> {
    let field = field.with_context(|| format!("{channel} does not write to customers: leave --to out"))?;
    let mut context = Context::default();
    match field {
        ContactField::Email => context.email = Some(EmailAddress::parse(to).with_context(|| format!("--to {to}"))?),
        ContactField::Phone => to.clone_into(&mut context.phone),
        ContactField::LandbotCustomerId => to.clone_into(&mut context.landbot_customer_id),
    }
    context
        .address(field)
        .with_context(|| format!("--to {to} is no {}: write something like {}", field.description(), example(field)))?;
    Ok(context)
}

const fn example(field: ContactField) -> &'static str {
    match field {
        ContactField::Email => "name@example.com",
        ContactField::Phone => "+34600123456",
        ContactField::LandbotCustomerId => "123456789",
    }
}
