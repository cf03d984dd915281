//! `umishop landbot`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Global;
use crate::app;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Show the secret itself instead of where it comes from
    #[arg(long)]
    show_secret: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let setup = app::landbot_setup(&config, arguments.show_secret);
    let [user, topic] = setup.hooks();
    if global.json {
        let answer = json!({
            "user": { "url": user.url, "body": user.body },
            "topic": { "url": topic.url, "body": topic.body },
            "headers": setup.headers(),
            "prompt": setup.prompt(),
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if setup.public_url.is_none() {
        writeln!(
            out,
            "Landbot calls only public https:// addresses: set [server] public_url, and this text is filled in.\n"
        )?;
    }
    writeln!(out, "1. Webhook block that registers the customer: POST\n\n{}\n", user.url)?;
    writeln!(out, "2. Webhook block that carries the question: POST\n\n{}\n", topic.url)?;
    writeln!(out, "Headers of both\n")?;
    for (name, value) in setup.headers() {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out, "\nBody of the first (Customize body; insert the variables with the picker)\n\n{}\n", user.body)?;
    writeln!(out, "Body of the second\n\n{}\n", topic.body)?;
    writeln!(out, "Save from both answers: message → @umi_message, status → @umi_status, field → @umi_field\n")?;
    writeln!(out, "Or paste this into Landbot's \"Build it for me\":\n\n{}", setup.prompt())?;
    Ok(ExitCode::SUCCESS)
}
