//! Slack: a bot's `chat.postMessage`, or an incoming webhook.
//!
//! Slack answers most errors with status 200 and `"ok": false`, so the status alone says nothing. What a customer
//! wrote arrives here already escaped; headings are plain text, and `verbatim` keeps Slack from turning a
//! customer's `@channel` into a mention.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::{HeaderMap, HeaderValue};
use url::Url;

use super::wire::{self, Answer, CONTENT_TYPE, Wire};
use super::{Channel, Kind};
use crate::domain::{Markup, Outcome, Rendered, Scope, truncate};

/// Slack.
pub(super) const KIND: Kind = Kind {
    name: "slack",
    summary: "Posts to a Slack channel, as a bot or through an incoming webhook.",
    example: r##"
token   = "xoxb-1234567890-correct-horse"       # of a bot with the scope chat:write
channel = "#pricing"                            # its name or id; invite the bot there with /invite
# webhook_url = "https://hooks.slack.com/services/T0/B0/correct-horse" # instead of both
api_url = "https://slack.com/api"               # or a proxy, or a compatible server
# timeout     = "15s"
"##,
    shared: &[],
    retry: wire::RETRY,
    concurrency: 3,
    // Slack takes one message a second into each channel, and short bursts (docs.slack.dev, rate limits).
    rate: "1/s",
    burst: 3,
    expire: "2days",
    open,
};

/// Slack's limit of a heading, in characters.
const LONGEST_HEADING: usize = 150;

/// Slack's limit of a section is 3,000 characters.
const LONGEST_SECTION: usize = 2900;

/// Slack takes 50 blocks; long before that nobody reads on.
const MOST_SECTIONS: usize = 10;

// No Debug: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token: Option<SecretString>,
    channel: Option<String>,
    webhook_url: Option<SecretString>,
    #[serde(default = "default_api_url")]
    api_url: String,
    #[serde(default = "default_timeout", with = "humantime_serde")]
    timeout: Duration,
}

fn default_api_url() -> String {
    "https://slack.com/api".to_owned()
}

const fn default_timeout() -> Duration {
    Duration::from_secs(15)
}

struct Slack {
    url: Url,
    headers: HeaderMap,
    /// `Some`: where a bot posts. `None`: a webhook knows its channel itself.
    channel: Option<String>,
    wire: Wire,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let wrong = |key: &str, why: &str| figment::Error::from(why.to_owned()).with_path(key);
    let mut headers =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))]);
    let (url, channel) = match (settings.token, settings.channel, settings.webhook_url) {
        (Some(token), Some(channel), None) => {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret().trim()));
            headers.insert(
                wire::header("authorization"),
                bearer.map_err(|_| wrong("token", "a token has no line breaks or control characters"))?,
            );
            let url = wire::parse_url(&format!("{}/chat.postMessage", settings.api_url.trim_end_matches('/')));
            (url.map_err(|why| wrong("api_url", &why))?, Some(channel))
        }
        (None, None, Some(url)) => {
            (wire::parse_url(url.expose_secret()).map_err(|why| wrong("webhook_url", &why))?, None)
        }
        (Some(_), None, None) => {
            return Err(wrong("channel", "say where to post: write `channel = \"#name\"` beside `token`"));
        }
        (None, Some(_), None) => {
            return Err(wrong("token", "a `channel` needs the `token` of a bot: write `token = \"env:SLACK_TOKEN\"`"));
        }
        (None, None, None) => return Err(wrong("token", "write `token` and `channel`, or `webhook_url`")),
        _ => return Err(wrong("webhook_url", "write either `token` and `channel`, or `webhook_url`, not both")),
    };
    let wire = Wire::new(KIND.name, &url, &headers, settings.timeout);
    Ok(Arc::new(Slack { url, headers, channel, wire }))
}

#[async_trait]
impl Channel for Slack {
    fn markup(&self) -> Markup {
        Markup::Mrkdwn
    }

    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        let place = if self.channel.is_some() { self.url.to_string() } else { wire::shown_place(&self.url) };
        Ok(wire::readable("POST", &place, &self.headers, &[CONTENT_TYPE], &self.body(message)))
    }

    async fn deliver(&self, message: &Rendered) -> Outcome {
        let answer = match wire::request("POST", &self.url, &self.headers, self.body(message)) {
            Ok(request) => self.wire.call(request).await,
            Err(outcome) => return outcome,
        };
        match answer {
            Ok(answer) if self.channel.is_some() => of_api(&answer),
            Ok(answer) => of_webhook(&answer),
            Err(outcome) => outcome,
        }
    }
}

impl Slack {
    fn body(&self, message: &Rendered) -> Vec<u8> {
        let mut blocks = vec![
            json!({"type": "header", "text": {"type": "plain_text", "emoji": false, "text": truncate(&message.subject, LONGEST_HEADING).text}}),
        ];
        blocks.extend(
            sections(&message.rich)
                .into_iter()
                .map(|text| json!({"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text": text}})),
        );
        if let Some(url) = &message.chat_url {
            let button = json!({"type": "button", "text": {"type": "plain_text", "text": "Open chat"}, "url": url});
            blocks.push(json!({"type": "actions", "elements": [button]}));
        }
        let text = notification(&message.subject);
        let mut body = json!({"text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false});
        if let Some(channel) = &self.channel {
            body["channel"] = Value::from(channel.as_str());
        }
        body.to_string().into_bytes()
    }
}

/// What a notification shows. Slack reads it as its notation too, so no text of a customer may be a mention, a link or a
/// code block in it.
fn notification(subject: &str) -> String {
    subject.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("``", "`\u{200B}`")
}

/// The text in sections that Slack takes, cut at line ends where possible; what is too much even so is left out, and
/// the last section says that.
fn sections(rich: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    let mut room = 0;
    for piece in rich.trim().split_inclusive('\n').flat_map(pieces) {
        let length = piece.chars().count();
        match sections.last_mut() {
            Some(section) if length <= room => {
                section.push_str(&piece);
                room -= length;
            }
            _ => {
                sections.push(piece);
                room = LONGEST_SECTION.saturating_sub(length);
            }
        }
    }
    sections.retain(|section| !section.trim().is_empty());
    if sections.len() > MOST_SECTIONS {
        sections.truncate(MOST_SECTIONS);
        sections.push("_The text goes on; the whole of it is in umishop's console._".to_owned());
    }
    sections
}

/// A line in pieces that fit into a section. The pieces of a quoted line are quoted lines again.
fn pieces(line: &str) -> Vec<String> {
    let mark = if line.starts_with("> ") { "> " } else { "" };
    let mut pieces = Vec::new();
    let mut rest = line;
    while truncate(rest, LONGEST_SECTION).left_out > 0 {
        let piece = whole_entities(truncate(rest, LONGEST_SECTION - mark.len()).text, rest);
        pieces.push(format!("{}{piece}\n", if pieces.is_empty() { "" } else { mark }));
        rest = &rest[piece.len()..];
    }
    pieces.push(format!("{}{rest}", if pieces.is_empty() { "" } else { mark }));
    pieces
}

/// `piece` without the `&…` at its end, if the cut went through an escaped character of `whole`.
fn whole_entities<'a>(piece: &'a str, whole: &str) -> &'a str {
    match piece.rfind('&') {
        Some(start)
            if piece.len() < whole.len() && start > 0 && piece.len() - start < 5 && !piece[start..].contains(';') =>
        {
            &piece[..start]
        }
        _ => piece,
    }
}

fn of_webhook(answer: &Answer) -> Outcome {
    let error = answer.body.trim();
    match (answer.status, error) {
        (200, "ok") => Outcome::delivered(""),
        (200, _) => Outcome::retry(Scope::Channel, format!("this is not Slack's answer: {}", answer.line())),
        (429 | 500.., _) => answer.refusal(),
        (403, "action_prohibited") => {
            Outcome::dead(Scope::Destination, answer.line(), "an administrator does not allow posting there")
        }
        (403, _) | (_, "invalid_token") => Outcome::dead(
            Scope::Channel,
            answer.line(),
            "make a new incoming webhook and write its address into `webhook_url`",
        ),
        (404 | 410, _) | (_, "user_not_found" | "channel_not_found" | "channel_is_archived" | "no_service") => {
            Outcome::dead(Scope::Destination, answer.line(), "the webhook or its channel is gone: make a new one")
        }
        _ => answer.refusal(),
    }
}

fn of_api(answer: &Answer) -> Outcome {
    if answer.status == 429 || answer.status >= 500 {
        return answer.refusal();
    }
    let Ok(said) = serde_json::from_str::<Value>(&answer.body) else {
        return if answer.status == 200 {
            Outcome::retry(Scope::Channel, format!("this is not Slack's answer: {}", answer.line()))
        } else {
            answer.refusal()
        };
    };
    match (said["ok"].as_bool(), said["error"].as_str()) {
        (Some(true), _) => Outcome::delivered(said["ts"].as_str().unwrap_or_default()),
        (_, Some(error)) => of_error(error, answer),
        _ => answer.refusal(),
    }
}

/// What `"ok": false` means, by the name Slack gives the error.
fn of_error(error: &str, answer: &Answer) -> Outcome {
    let why = format!("Slack answered `{}`", truncate(error, 100).text);
    let new_token = "the token is not accepted: reinstall the app in Slack and write its new bot token into `token`";
    match error {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            Outcome::Retry { after: answer.retry_after, scope: Scope::Channel, why }
        }
        "service_unavailable" | "internal_error" | "request_timeout" | "team_added_to_org" => {
            Outcome::retry(Scope::Message, why)
        }
        "fatal_error" => Outcome::Unknown { why: format!("{why}: it may have been posted") },
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive"
        | "org_login_required" => Outcome::dead(Scope::Channel, why, new_token),
        "missing_scope" | "not_allowed_token_type" | "no_permission" | "access_denied" => Outcome::dead(
            Scope::Channel,
            why,
            "give the bot the scope chat:write under OAuth & Permissions, and reinstall the app",
        ),
        "not_in_channel" => {
            Outcome::dead(Scope::Destination, why, "the bot is not in the channel: write /invite @bot there")
        }
        "channel_not_found" => Outcome::dead(
            Scope::Destination,
            why,
            "check `channel`; a private channel is only seen by a bot that was invited with /invite",
        ),
        "is_archived" => Outcome::dead(
            Scope::Destination,
            why,
            "the channel is archived: unarchive it, or write another one into `channel`",
        ),
        "ekm_access_denied" | "messages_tab_disabled" => {
            Outcome::dead(Scope::Destination, why, "an administrator does not allow posting there")
        }
        _ if error.starts_with("restricted_action") => {
            Outcome::dead(Scope::Destination, why, "an administrator does not allow posting there")
        }
        _ => Outcome::dead(Scope::Message, why, "Slack does not take this message"),
    }
}

#[cfg(test)]
mod tests;
