//! Slack: a bot's `chat.postMessage`, or an incoming webhook.
//!
//! Slack answers most errors with status 200 and `"ok": false`, so the status alone says nothing. What a customer
//! wrote arrives here already escaped; headings are plain text, and `verbatim` keeps Slack from turning a
//! customer's `@channel` into a mention.
//!
//! Sources: docs.slack.dev, `chat.postMessage` (errors, threads), "Sending messages using incoming webhooks" (error
//! handling), "Rate limits", "Block Kit" (lengths).

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::{HeaderMap, HeaderValue};
use url::Url;

use super::api::{Api, Call, Web, address, below, credential, secret_address, wrong};
use super::secrets::Secrets;
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
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
# threads     = true                            # a bot: what one customer asks stays in one thread
# timeout     = "15s"
"##,
    pasted: &["{webhook_url}", "slack://{token}@{channel}"],
    notes: "
- **A bot**: make an app at <https://api.slack.com/apps>, give it the bot scope `chat:write` under *OAuth & Permissions*,
  install it, copy the *Bot User OAuth Token*, and `/invite` the bot into the channel. One token serves all channels of a
  workspace. An id such as `C0123456789` outlives a renaming.
- **Threads**: a bot puts what the same customer asks again into the thread of their first question, and shows it in the
  channel, too. A webhook cannot. When a request is acknowledged, answered or closed, the thread says so, by whom, and
  with which note.
- **An incoming webhook** is made for one channel and needs nothing else: `webhook_url = \"env:SLACK_WEBHOOK\"`.
- **Limits**: a heading holds 150 characters, a section 3,000. A long text is cut at line ends into up to ten sections;
  what is left out can be read in the console.
- A customer's text can mention nobody: `@channel` stays what it is, a word.
- Slack knows no idempotency key: where a message twice is worse than none, write `on_unknown = \"hold\"`.
",
    meanings: MEANINGS,
    shared: &[],
    // Slack takes one message a second into each channel, and short bursts.
    pace: Pace::CHAT,
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "org_login_required"],
        Scope::Channel,
        "reinstall the app in Slack and write its new bot token into `token`",
    ),
    Meaning::dead(
        &["missing_scope", "not_allowed_token_type", "no_permission", "access_denied"],
        Scope::Channel,
        "give the bot the scope chat:write under OAuth & Permissions, and reinstall the app; the token begins with xoxb-",
    ),
    Meaning::dead(&["not_in_channel"], Scope::Destination, "the bot is not in the channel: write /invite @bot there"),
    Meaning::dead(
        &["channel_not_found"],
        Scope::Destination,
        "check `channel`; a private channel is only seen by a bot that was invited with /invite",
    ),
    Meaning::dead(
        &["is_archived", "channel_is_archived"],
        Scope::Destination,
        "unarchive the channel, or write another one",
    ),
    Meaning::dead(
        &["restricted_action*", "ekm_access_denied", "messages_tab_disabled", "action_prohibited"],
        Scope::Destination,
        "an administrator does not allow posting there",
    ),
    Meaning::dead(
        &["invalid_token", "HTTP 403"],
        Scope::Channel,
        "make a new incoming webhook and write its address into `webhook_url`",
    ),
    Meaning::dead(
        &["no_service", "user_not_found", "HTTP 404", "HTTP 410"],
        Scope::Destination,
        "the webhook or its channel is gone: make a new one",
    ),
    Meaning::retry(
        &["ratelimited", "rate_limited", "message_limit_exceeded"],
        Scope::Channel,
        "nothing: it goes on when Slack says so",
    ),
    Meaning::retry(
        &["service_unavailable", "internal_error", "request_timeout", "team_added_to_org", "rollup_error"],
        Scope::Message,
        "",
    ),
    Meaning::unknown(&["fatal_error"], ""),
];

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
    #[serde(default = "yes")]
    threads: bool,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

fn default_api_url() -> String {
    "https://slack.com/api".to_owned()
}

const fn yes() -> bool {
    true
}

/// How messages get there.
enum Slack {
    Bot {
        api: Url,
        authorization: HeaderValue,
        channel: String,
        threads: bool,
    },
    /// A webhook knows its channel itself.
    Webhook(Url),
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    match (settings.token, settings.channel, settings.webhook_url) {
        (Some(token), Some(channel), None) => {
            let api = address("api_url", &settings.api_url)?;
            let authorization = credential("token", "Bearer", &token)?;
            let slack = Slack::Bot { api: api.clone(), authorization, channel, threads: settings.threads };
            Ok(Web::open(&KIND, slack, &api, Secrets::these([token.expose_secret()]), settings.timeout))
        }
        (None, None, Some(url)) => {
            let url = secret_address("webhook_url", &url)?;
            let secrets = Secrets::of(&url, &HeaderMap::new());
            Ok(Web::open(&KIND, Slack::Webhook(url.clone()), &url, secrets, settings.timeout))
        }
        (Some(_), None, None) => Err(wrong("channel", "say where to post: write `channel = \"#name\"` beside `token`")),
        (None, Some(_), None) => {
            Err(wrong("token", "a `channel` needs the `token` of a bot: write `token = \"env:SLACK_TOKEN\"`"))
        }
        (None, None, None) => Err(wrong("token", "write `token` and `channel`, or `webhook_url`")),
        _ => Err(wrong("webhook_url", "write either `token` and `channel`, or `webhook_url`, not both")),
    }
}

impl Api for Slack {
    fn markup(&self) -> Markup {
        Markup::Mrkdwn
    }

    fn keeps_threads(&self) -> bool {
        matches!(self, Self::Bot { threads: true, .. })
    }

    /// Only in a thread is it clear which question is meant.
    fn follows(&self) -> bool {
        self.keeps_threads()
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let mut body = body(message);
        match self {
            Self::Webhook(url) => Ok(Call::post(url.clone(), &body)),
            Self::Bot { api, authorization, channel, .. } => {
                body["channel"] = Value::from(channel.as_str());
                if let Some(thread) = message.thread.as_deref().filter(|thread| is_timestamp(thread)) {
                    body["thread_ts"] = Value::from(thread);
                    // What became of a question concerns those who read its thread.
                    body["reply_broadcast"] = Value::from(!message.purpose.is_follow_up());
                }
                Ok(Call::post(below(api, &["chat.postMessage"]), &body).authorized(authorization))
            }
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        match self {
            Self::Webhook(_) => of_webhook(answer),
            // A reply is called by the name of its thread: that is what the next reply needs.
            Self::Bot { .. } => of_api(answer, |said| {
                said["message"]["thread_ts"].as_str().or(said["ts"].as_str()).unwrap_or_default().to_owned()
            }),
        }
    }

    fn question(&self) -> Option<Call> {
        match self {
            Self::Webhook(_) => None,
            Self::Bot { api, authorization, .. } => {
                Some(Call::post(below(api, &["auth.test"]), &json!({})).authorized(authorization))
            }
        }
    }

    fn checked(&self, answer: &Answer) -> Outcome {
        let said = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        of_api(answer, |answer| format!("{} in {}", said(&answer["user"]), said(&answer["team"])))
    }
}

/// Whether Slack can have called a message so; what the sandbox kept has another name.
fn is_timestamp(text: &str) -> bool {
    text.contains('.') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn body(message: &Rendered) -> Value {
    let plain = |text: &str| json!({"type": "plain_text", "emoji": false, "text": text});
    let mut blocks = Vec::new();
    if !message.purpose.is_follow_up() {
        blocks.push(json!({"type": "header", "text": plain(truncate(&message.subject, LONGEST_HEADING).text)}));
    }
    blocks.extend(
        sections(&message.rich)
            .into_iter()
            .map(|text| json!({"type": "section", "text": {"type": "mrkdwn", "verbatim": true, "text": text}})),
    );
    if let Some(url) = message.chat_url.as_ref().filter(|_| !message.purpose.is_follow_up()) {
        let button = json!({"type": "button", "text": {"type": "plain_text", "text": "Open chat"}, "url": url});
        blocks.push(json!({"type": "actions", "elements": [button]}));
    }
    // A notification is read as notation, too.
    json!({"text": message.heading, "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
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
    match (answer.status, answer.body.trim()) {
        (200, "ok") => Outcome::delivered(""),
        (200, _) => answer.is_not("Slack's"),
        (_, word) => answer.judge(MEANINGS, &[word], ""),
    }
}

fn of_api(answer: &Answer, reference: impl FnOnce(&Value) -> String) -> Outcome {
    let said = answer.json();
    match (said["ok"].as_bool(), said["error"].as_str()) {
        (Some(true), _) => Outcome::delivered(reference(&said)),
        (Some(false), Some(error)) => answer.judge(MEANINGS, &[error], error),
        _ if answer.status == 200 => answer.is_not("Slack's"),
        _ => answer.refusal(""),
    }
}

#[cfg(test)]
mod tests;
