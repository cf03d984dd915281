//! Rocket.Chat: an incoming webhook.
//!
//! Its own notation has no escape that every version knows, so the text goes as plain text, out of which only what does
//! harm is taken: mentions, and links that hide where they lead.
//!
//! Sources: docs.rocket.chat, "Integrations"; Rocket.Chat's own source, `integrations/server/api/api.ts` (answers),
//! `processWebhookMessage.ts` and `canSendMessage.ts` (errors), `ApiClass.ts` (the limiter and its words), `message-parser`
//! (notation), the settings `Message_MaxAllowedSize` (5,000) and `API_Enable_Rate_Limiter_*` (10 a minute).

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::HeaderMap;
use url::Url;

use super::api::{Api, Call, Web, after, colour, secret_address};
use super::secrets::Secrets;
use super::text::{fit, without_mentions};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Outcome, Rendered, Scope};

/// Rocket.Chat.
pub(super) const KIND: Kind = Kind {
    name: "rocket_chat",
    summary: "Posts to a Rocket.Chat channel through an incoming webhook.",
    example: r##"
webhook_url = "https://chat.example.com/hooks/64f0c1/correct-horse-battery"
# channel = "#sales"                     # another one than the webhook's, if it allows that
# timeout = "15s"
"##,
    pasted: &["{webhook_url}"],
    notes: "
- **An incoming webhook**: in Rocket.Chat open *Administration › Workspace › Integrations › New › Incoming*, switch it on,
  name the channel (`#sales`) and the user it posts as (a bot, say), save, and copy the *Webhook URL*. That user has to be
  a member of the channel. No script is needed; if there is one, it has to pass the text on.
- **Limits**: a message holds 5,000 characters; what does not fit can be read in the console. A server takes ten posts a
  minute from one machine unless its *Rate Limiter* says otherwise: then set `rate` to that.
- A customer's text can mention nobody, and a link shows where it leads.
- Rocket.Chat has no threads here: each question is a message of its own.
- Rocket.Chat knows no idempotency key: where a message twice is worse than none, write `on_unknown = \"hold\"`.
",
    meanings: MEANINGS,
    shared: &[],
    // A server's limiter lets ten a minute through.
    pace: Pace { rate: "10/m", burst: 5, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["Invalid integration id or token provided."],
        Scope::Channel,
        "make a new incoming webhook in Rocket.Chat and write its address into `webhook_url`",
    ),
    Meaning::dead(
        &["HTTP 401"],
        Scope::Channel,
        "the user that the webhook posts as is gone or deactivated: choose another one in the integration",
    ),
    Meaning::dead(&["Service Unavailable"], Scope::Channel, "the integration is switched off: switch it on"),
    Meaning::dead(
        &["overriding destination channel is disabled for this integration"],
        Scope::Channel,
        "take `channel` out, or allow the integration to override its destination channel",
    ),
    Meaning::dead(
        &["Not enough permission"],
        Scope::Channel,
        "give the webhook's user the permission message-impersonate, or take alias and avatar out of the integration",
    ),
    Meaning::dead(&["error-running-script"], Scope::Channel, "mend the integration's script, or switch it off"),
    Meaning::dead(
        &["invalid-channel", "error-invalid-room"],
        Scope::Destination,
        "there is no such channel: check the integration's, and `channel`",
    ),
    Meaning::dead(
        &[
            "error-not-allowed",
            "You can't send messages because the room is readonly.",
            "You_have_been_muted",
            "room_is_blocked",
        ],
        Scope::Destination,
        "the user that the webhook posts as may not write there: make it a member of the channel",
    ),
    Meaning::dead(&["HTTP 404", "HTTP 410"], Scope::Destination, "no webhook is there: check `webhook_url`"),
    Meaning::dead(
        &["error-message-size-exceeded"],
        Scope::Message,
        "the server's Message_MaxAllowedSize is below 5,000",
    ),
];

/// `Message_MaxAllowedSize` of a server that nobody changed, and what a title takes.
const LONGEST_TEXT: usize = 4_800;

// No Debug: the address is a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    webhook_url: SecretString,
    channel: Option<String>,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

struct RocketChat {
    url: Url,
    channel: Option<String>,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let url = secret_address("webhook_url", &settings.webhook_url)?;
    let secrets = Secrets::of(&url, &HeaderMap::new());
    let api = RocketChat { url: url.clone(), channel: settings.channel };
    Ok(Web::open(&KIND, api, &url, secrets, settings.timeout))
}

impl Api for RocketChat {
    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let mut body = body(message);
        if let Some(channel) = &self.channel {
            body["channel"] = Value::from(channel.as_str());
        }
        Ok(Call::post(self.url.clone(), &body))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        match (said["success"].as_bool(), said["error"].as_str()) {
            (Some(true), _) if answer.status == 200 => Outcome::delivered(""),
            (Some(false), Some(error)) => after(answer.judge(MEANINGS, &[error], error), seconds(error)),
            _ if answer.status == 200 => answer.is_not("Rocket.Chat's"),
            _ => answer.judge(MEANINGS, &[], ""),
        }
    }

    /// `/hooks/sample/…` answers to whoever has the webhook's address, and posts nothing.
    fn question(&self) -> Option<Call> {
        let (before, hook) = self.url.path().rsplit_once("/hooks/")?;
        let mut url = self.url.clone();
        url.set_path(&format!("{before}/hooks/sample/{hook}"));
        Some(Call::get(url))
    }
}

/// The wait in `You must wait 23 seconds before trying this endpoint again.`
fn seconds(error: &str) -> Option<f64> {
    let (_, wait) = error.split_once("must wait ")?;
    wait.split(' ').next()?.parse().ok()
}

fn body(message: &Rendered) -> Value {
    let mut attachment = json!({
        "text": fit(&harmless(message.text.trim()), LONGEST_TEXT),
        "color": format!("#{:06x}", colour(message.purpose)),
        "ts": message.created_at,
    });
    if let Some(url) = &message.chat_url {
        attachment["title"] = Value::from("Open chat");
        attachment["title_link"] = Value::from(url.as_str());
    }
    json!({"text": harmless(&message.subject), "attachments": [attachment]})
}

/// A text that mentions nobody and hides no address behind another word: `[word](address)` and `<address|word>` are taken
/// apart.
fn harmless(text: &str) -> String {
    let text = without_mentions(text).replace("](", "]\u{200B}(");
    if text.contains('|') { text.replace('<', "< ") } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_calls_nobody_and_hides_no_address(text in r"([a@<>|\[\]()\\.:/ \n]|@all|https://evil\.example){0,40}") {
            let shown = harmless(&text);
            let mut before = ' ';
            for (at, character) in shown.char_indices() {
                let rest = &shown[at + character.len_utf8()..];
                let is_called = character == '@' && !before.is_ascii_alphanumeric() && rest.starts_with(|c: char| c != '\u{200B}');
                prop_assert!(!is_called, "{shown}");
                prop_assert!(character != '<' || rest.is_empty() || rest.starts_with(' ') || !shown.contains('|'), "{shown}");
                before = character;
            }
            prop_assert!(!shown.contains("]("), "{shown}");
        }
    }

    #[test]
    fn a_link_shows_where_it_leads() {
        assert_eq!(harmless("[bank](https://evil.example)"), "[bank]\u{200B}(https://evil.example)");
        assert_eq!(harmless("<evil.example|bank> 1 < 2"), "< evil.example|bank> 1 <  2");
        assert_eq!(harmless("1 < 2 <3 #sales"), "1 < 2 <3 #sales");
    }

    #[test]
    fn the_limiter_says_in_words_how_long_to_wait() {
        assert_eq!(seconds("You must wait 23 seconds before trying this endpoint again."), Some(23.0));
        assert_eq!(seconds("slow down"), None);
    }
}
