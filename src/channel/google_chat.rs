//! Google Chat: the webhook of a space.
//!
//! The message is a card. Its paragraphs are HTML, in which what a customer wrote is escaped; a message's own `text` would
//! be read as Chat's notation, in which `<users/all>` calls everybody, so there is none. The message's id goes along as
//! `requestId`, under which Chat makes one message however often it is asked to.
//!
//! Sources: developers.google.com/workspace/chat, "Send messages to Google Chat as a webhook" (threads, errors of
//! addresses), "Method: spaces.messages.create" (32,000 bytes, `requestId`, `messageReplyOption`), "Cards v2", "Format text in
//! cards", "Usage limits" (60 writes a minute in a space, by all apps together); cloud.google.com/apis/design/errors. Answers
//! to wrong addresses as reported in github.com/ericferon/glpi-webhook/issues/30.

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::HeaderMap;
use url::Url;

use super::api::{Api, Call, Web, secret_address, wrong};
use super::secrets::Secrets;
use super::text::{bytes_in_json, escape_html, fit_sized};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Markup, Outcome, Rendered, Scope};

/// Google Chat.
pub(super) const KIND: Kind = Kind {
    name: "google_chat",
    summary: "Posts to a Google Chat space through its webhook.",
    example: r#"
webhook_url = "https://chat.googleapis.com/v1/spaces/AAAA0b1C2d3/messages?key=AIzaSy-correct-horse&token=correct-horse-battery"
# threads   = true                     # what one customer asks stays in one thread
# timeout   = "15s"
"#,
    pasted: &["{webhook_url}"],
    notes: "
- **The webhook**: in Google Chat, in a browser, open the space, click its name, then *Apps & integrations › Add webhooks*,
  give it a name, and copy its address with everything behind the `?`. That takes a Google Workspace account whose
  administrator allows webhooks; a direct message has none.
- **Threads**: what the same customer asks again goes into the thread of their first question. `threads = false` begins a
  new one each time.
- A message that is sent again because its answer got lost is not shown twice.
- **Limits**: a space takes one message a second from all apps together, and 32,000 bytes of each. What does not fit can be
  read in the console.
- A customer's text can mention nobody and forge no link.
- Whether the address is right cannot be asked without sending: `umishop send-test` is the check.
",
    meanings: MEANINGS,
    shared: &[],
    pace: Pace::CHAT,
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED"],
        Scope::Channel,
        "the `key` in the address is wrong: copy the webhook's address again, whole",
    ),
    Meaning::dead(
        &["UNAUTHENTICATED", "PERMISSION_DENIED", "HTTP 401", "HTTP 403"],
        Scope::Channel,
        "the `token` in the address is wrong, or an administrator has turned webhooks off: copy the address again",
    ),
    Meaning::dead(
        &["NOT_FOUND", "HTTP 404", "HTTP 410"],
        Scope::Destination,
        "the space or its webhook was deleted: make a new webhook and write its address into `webhook_url`",
    ),
    Meaning::retry(
        &["RESOURCE_EXHAUSTED"],
        Scope::Channel,
        "nothing: it goes on by itself; other apps post to this space, too",
    ),
    Meaning::retry(&["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED", "UNKNOWN"], Scope::Message, ""),
    Meaning::dead(&["INVALID_ARGUMENT"], Scope::Message, "Google Chat does not take this message"),
];

/// The longest text, in bytes as it is sent. A message has 32,000 with its title, its button and what names them.
const LONGEST_TEXT: usize = 28_000;

// No Debug: the address is a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    webhook_url: SecretString,
    #[serde(default = "yes")]
    threads: bool,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

const fn yes() -> bool {
    true
}

/// A space's webhook.
struct GoogleChat {
    url: Url,
    threads: bool,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let url = secret_address("webhook_url", &settings.webhook_url)?;
    let is_there = |wanted: &str| url.query_pairs().any(|(name, value)| name == wanted && !value.is_empty());
    if !is_there("key") || !is_there("token") {
        return Err(wrong("webhook_url", "the address of a webhook ends in ?key=…&token=…: copy all of it"));
    }
    let secrets = Secrets::of(&url, &HeaderMap::new());
    Ok(Web::open(&KIND, GoogleChat { url: url.clone(), threads: settings.threads }, &url, secrets, settings.timeout))
}

impl Api for GoogleChat {
    fn markup(&self) -> Markup {
        Markup::Inline
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let mut url = self.url.clone();
        let mut body = body(message);
        url.query_pairs_mut().append_pair("requestId", &message.id.to_string());
        if let Some(user) = message.about.user.filter(|_| self.threads) {
            url.query_pairs_mut().append_pair("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
            body["thread"] = json!({"threadKey": user.to_string()});
        }
        Ok(Call::post(url, &body))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        if answer.status == 200 {
            return match said["name"].as_str() {
                Some(name) => Outcome::delivered(name),
                None => answer.is_not("Google's"),
            };
        }
        let error = &said["error"];
        let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
        let reason = error["details"].as_array().into_iter().flatten().map(|detail| text(&detail["reason"]));
        let reason = reason.into_iter().find(|reason| !reason.is_empty()).unwrap_or_default();
        let status = text(&error["status"]);
        let words = if status.is_empty() { String::new() } else { format!("{status}: {}", text(&error["message"])) };
        answer.judge(MEANINGS, &[&reason, &status], &words)
    }
}

fn body(message: &Rendered) -> Value {
    let title = harmless(&message.subject);
    let mut sections = sections(message);
    if let Some(url) = &message.chat_url {
        let button = json!({"text": "Open chat", "onClick": {"openLink": {"url": url}}});
        sections.push(json!({"widgets": [{"buttonList": {"buttons": [button]}}]}));
    }
    let card = json!({"header": {"title": title}, "sections": sections});
    json!({"cardsV2": [{"cardId": "message", "card": card}], "fallbackDescription": title})
}

/// A line in which nothing is a mention, should it ever be read as Chat's notation.
fn harmless(line: &str) -> String {
    line.replace("<users/", "<\u{200B}users/")
}

/// The text in sections, between which Chat draws a line: a quote is one of its own, because Chat knows no quotes.
fn sections(message: &Rendered) -> Vec<Value> {
    let whole = message.rich.trim();
    let rich = if html(whole).chars().map(bytes_in_json).sum::<usize>() <= LONGEST_TEXT {
        whole.to_owned()
    } else {
        escape_html(&fit_sized(message.text.trim(), LONGEST_TEXT, size))
    };
    rich.split("<blockquote>")
        .flat_map(|part| part.split("</blockquote>"))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| json!({"widgets": [{"textParagraph": {"text": html(part)}}]}))
        .collect()
}

/// With its line breaks as HTML has them.
fn html(rich: &str) -> String {
    rich.replace('\n', "<br>")
}

/// What a character costs once it is HTML, and in JSON.
const fn size(character: char) -> usize {
    match character {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        '"' => "&quot;".len(),
        '\n' => "<br>".len(),
        other => bytes_in_json(other),
    }
}
