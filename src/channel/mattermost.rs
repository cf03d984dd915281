//! Mattermost: an incoming webhook.
//!
//! Two things are read before Markdown is: what Slack would take for a mention or a link (`<!channel>`,
//! `<address|word>`), and character references (`&commat;`). Neither `<` nor `&` is left as it is, therefore.
//!
//! Sources: developers.mattermost.com, "Incoming webhooks" (keys, answers, priorities); Mattermost's own source,
//! `app/webhook.go` (the names of errors, splitting at 16,383 characters), `app/slack.go` (`<!channel>`),
//! `app/mention_parser_standard.go` (what calls somebody), the setting `RateLimitSettings` (10 a second).

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::http::HeaderMap;
use url::Url;

use super::api::{Api, Call, Web, secret_address};
use super::secrets::Secrets;
use super::text::{fit, units};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Markup, Outcome, Rendered, Scope};

/// Mattermost.
pub(super) const KIND: Kind = Kind {
    name: "mattermost",
    summary: "Posts to a Mattermost channel through an incoming webhook.",
    example: r#"
webhook_url = "https://chat.example.com/hooks/correct-horse-battery"
# channel  = "town-square"               # another one than the webhook's: its name in its address, or "@user"
# username = "UmiShop"                   # the name it posts under, if the server allows another
# priority = "urgent"                    # or "important"
# timeout  = "15s"
"#,
    pasted: &["{webhook_url}"],
    notes: "
- **An incoming webhook**: in Mattermost open *Product menu › Integrations › Incoming Webhooks › Add Incoming Webhook*,
  choose the channel, save, and copy the address. Without *Integrations* in the menu, a System Admin has to allow them:
  *System Console › Integrations › Integration Management › Enable Incoming Webhooks*.
- **Another channel**: `channel` works unless the webhook is locked to its own. The name is the last part of the channel's
  address (`town-square`), not what is shown above it.
- **Another name**: `username` counts only where *Enable integrations to override usernames* is on.
- **Limits**: a message holds 16,383 characters; what does not fit can be read in the console. Servers that limit at all
  usually take ten requests a second.
- A customer's text can mention nobody: `@channel`, `@all`, `@here` and names stay words.
- Mattermost knows no idempotency key: where a message twice is worse than none, write `on_unknown = \"hold\"`.
",
    meanings: MEANINGS,
    shared: &[],
    // What a server takes that limits at all and was not told otherwise.
    pace: Pace { rate: "10/s", burst: 10, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["web.incoming_webhook.invalid.app_error"],
        Scope::Channel,
        "the webhook was deleted, or its address is wrong: make a new one and write its address into `webhook_url`",
    ),
    Meaning::dead(
        &["web.incoming_webhook.disabled.app_error"],
        Scope::Channel,
        "a System Admin has to allow incoming webhooks: System Console, Integrations, Integration Management",
    ),
    Meaning::dead(
        &["web.incoming_webhook.channel_locked.app_error"],
        Scope::Channel,
        "the webhook is locked to its own channel: take `channel` out, or unlock it",
    ),
    Meaning::dead(
        &["web.incoming_webhook.channel.app_error", "app.channel.get.existing.app_error"],
        Scope::Destination,
        "there is no such channel: check `channel`, which is the last part of the channel's address, and the webhook",
    ),
    Meaning::dead(
        &["web.incoming_webhook.user.app_error"],
        Scope::Destination,
        "there is no such user: check `channel`, and whether the webhook's maker still has an account",
    ),
    Meaning::dead(
        &["web.incoming_webhook.permissions.app_error"],
        Scope::Destination,
        "the webhook's maker is no member of that channel: invite them",
    ),
    Meaning::dead(
        &["api.post.create_post.can_not_post_to_deleted.error"],
        Scope::Destination,
        "the channel is archived: unarchive it, or write another one",
    ),
    Meaning::dead(&["HTTP 404", "HTTP 410"], Scope::Destination, "no webhook is there: check `webhook_url`"),
];

/// Mattermost's limit of a message; what is longer it would split itself, through whatever stands there.
const LONGEST_TEXT: usize = 16_383;

/// How much attention a message asks for.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Priority {
    Important,
    Urgent,
}

// No Debug: the address is a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    webhook_url: SecretString,
    channel: Option<String>,
    username: Option<String>,
    priority: Option<Priority>,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

struct Mattermost {
    url: Url,
    /// What every message says beside its text.
    further: Vec<(&'static str, Value)>,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let url = secret_address("webhook_url", &settings.webhook_url)?;
    let secrets = Secrets::of(&url, &HeaderMap::new());
    let channel = settings.channel.map(|channel| ("channel", Value::from(channel)));
    let username = settings.username.map(|username| ("username", Value::from(username)));
    let priority = settings.priority.map(|priority| ("priority", json!({ "priority": priority })));
    let further = [channel, username, priority].into_iter().flatten().collect();
    Ok(Web::open(&KIND, Mattermost { url: url.clone(), further }, &url, secrets, settings.timeout))
}

impl Api for Mattermost {
    fn markup(&self) -> Markup {
        Markup::Markdown
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let mut body = json!({ "text": text(message) });
        for (key, value) in &self.further {
            body[*key] = value.clone();
        }
        Ok(Call::post(self.url.clone(), &body))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        match (answer.status, answer.body.trim(), said["id"].as_str()) {
            (200, "ok", _) => Outcome::delivered(""),
            (200, ..) => answer.is_not("Mattermost's"),
            // Its words are in the language of the server; its name for the error is what people find.
            (_, _, Some(id)) => {
                answer.judge(MEANINGS, &[id], &format!("{} ({id})", said["message"].as_str().unwrap_or_default()))
            }
            _ => answer.judge(MEANINGS, &[], ""),
        }
    }
}

fn text(message: &Rendered) -> String {
    let title = harmless(&format!("#### {}\n\n", message.heading));
    let link = message.chat_url.as_ref().map(|url| format!("\n\n[Open chat]({url})")).unwrap_or_default();
    let room = LONGEST_TEXT - units(&title) - units(&link);
    format!("{title}{}{link}", fit(&harmless(message.rich.trim()), room))
}

/// Markdown in which nothing is left that Mattermost reads before it.
fn harmless(markdown: &str) -> String {
    markdown.replace('&', "&amp;").replace("\\<", "&lt;").replace("\\>", "&gt;")
}
