//! A kind's part of the documentation, made from what the code itself goes by.

use std::fmt::Write as _;

use super::{Kind, Meaning, Pace, Verdict};
use crate::domain::Scope;

/// All there is to know about `kind`, in Markdown.
pub fn section(kind: &Kind) -> String {
    let mut text = format!("## {}\n\n{}\n\n", kind.name, kind.summary);
    let table = kind.example.trim_matches('\n');
    // Writing to a text cannot fail.
    let _ = write!(text, "```toml\n[channels.{}.sales]\n{table}\n```\n\n", kind.name);
    if !kind.pasted.is_empty() {
        let addresses: Vec<String> =
            kind.pasted.iter().map(|pattern| format!("`\"{}\"`", as_written(pattern))).collect();
        // A whole address keeps whatever query it has.
        let takes_keys = kind.pasted.iter().any(|pattern| !pattern.starts_with('{'));
        let keys = if takes_keys { " Further keys follow as `?key=value&key=value`." } else { "" };
        let address = addresses.join(" or ");
        let _ = writeln!(text, "- **As one address**, under `[channels.{}]`: `sales =` {address}.{keys}", kind.name);
    }
    let _ = writeln!(text, "- **Defaults**: {}", pace(&kind.pace));
    text.push_str(kind.notes.trim_start_matches('\n'));
    if !kind.meanings.is_empty() {
        text.push_str("\n| what you read | what comes of it | what to do |\n|---|---|---|\n");
        for meaning in kind.meanings {
            let codes: Vec<String> = meaning.codes.iter().map(|code| format!("`{code}`")).collect();
            let _ = writeln!(text, "| {} | {} | {} |", codes.join(", "), consequence(meaning), meaning.hint);
        }
    }
    text
}

/// `slack://{token}@{channel}` as a person writes it: `slack://TOKEN@CHANNEL`.
pub fn as_written(pattern: &str) -> String {
    let mut shown = String::new();
    for (index, part) in pattern.split(['{', '}']).enumerate() {
        if index % 2 == 0 {
            shown.push_str(part);
        } else if pattern.starts_with('{') {
            shown.push_str("https://…");
        } else {
            shown.push_str(&part.rsplit(':').next().unwrap_or_default().to_uppercase());
        }
    }
    shown
}

fn pace(pace: &Pace) -> String {
    let rate = if pace.rate.is_empty() {
        "as fast as they go".to_owned()
    } else {
        format!("{}, {} in a burst", pace.rate, pace.burst)
    };
    format!(
        "retries after {}; {} at once, {rate}; worth sending for {}.",
        pace.retry.join(", "),
        pace.concurrency,
        pace.expire.replace("days", " days")
    )
}

const fn consequence(meaning: &Meaning) -> &'static str {
    match meaning.verdict {
        Verdict::Unknown => "may have been taken: `on_unknown` decides",
        Verdict::Retry(Scope::Channel) => "the channel waits; messages keep their attempts",
        Verdict::Retry(_) => "tried again",
        Verdict::Dead(Scope::Channel) => "the channel waits for you; messages keep their attempts",
        Verdict::Dead(Scope::Destination) => "a dead letter; so will be the next",
        Verdict::Dead(Scope::Recipient) => "a dead letter: this customer cannot be reached",
        Verdict::Dead(Scope::Message) => "a dead letter; others go on",
    }
}
