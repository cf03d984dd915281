//! Landbot: a text back into the chat that the customer came from.
//!
//! The customer's address is Landbot's number for them, which the bot sends along (`landbot_customer_id`). On the web it is
//! another one in every bot, so the one of the visit counts. The channel has no address of its own.
//!
//! Sources: dev.landbot.io, "Platform API" and its OpenAPI document of October 2026 as read by segevsh/w6w-apps
//! (`POST /customers/{id}/send_text/`, every path ends in a slash; 200 without a described body; `{"errors": {field: [text]}}`
//! at 403, 412 and 422, `{"detail": text}` at 401; no limits of rate or length are published).

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::HeaderValue;
use url::Url;

use super::api::{Api, Call, Web, address, below, credential, recipient};
use super::secrets::Secrets;
use super::text::whole;
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{ContactField, Outcome, Rendered, Scope};

/// Landbot.
pub(super) const KIND: Kind = Kind {
    name: "landbot",
    summary: "Writes to customers in the Landbot chat that they came from.",
    example: r#"
token   = "correct-horse-battery-staple"        # of your account: Account settings, API token
api_url = "https://api.landbot.io/v1"
# timeout = "15s"
"#,
    pasted: &["landbot://{token}"],
    notes: r#"
- **Set up**: copy the API token from *Account settings* in Landbot. It can do all that you can, and Landbot has no way to
  make a new one: keep it in the environment or a file, as in `token = "env:LANDBOT_TOKEN"`.
- **Who gets it**: a welcome goes into the customer's chat; the bot's webhook has to send
  `"landbot_customer_id": "@{id}"` along, as `umishop landbot` shows it. The channel has no address of its own, so a route to
  it is refused: it is for `[welcome] channel = "landbot.chat"`, with a `fallback` to mail for those without a chat.
- **WhatsApp**: Landbot takes a text only within 24 hours after the customer's last message; later it wants a template,
  which this channel does not send.
- **Limits**: subject and text in 4,096 characters. How much Landbot takes of a text, and how many in a minute, it does not say.
- Landbot knows no idempotency key: where a message twice is worse than none, write `on_unknown = "hold"`.
- To try it: `umishop send-test landbot.chat --to 123456789`, with the number of a chat of your own.
"#,
    meanings: MEANINGS,
    shared: &[],
    pace: Pace::CHAT,
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(&["HTTP 401"], Scope::Channel, "copy the API token from Account settings in Landbot into `token`"),
    Meaning::dead(&["HTTP 403"], Scope::Channel, "this token, or the account's plan, may not write to customers"),
    Meaning::dead(
        &["HTTP 404"],
        Scope::Recipient,
        "this account has no such customer: their chat was deleted, or is another account's",
    ),
    Meaning::dead(
        &["HTTP 412", "HTTP 422"],
        Scope::Message,
        "Landbot does not take it; on WhatsApp most often because they last wrote more than 24 hours ago",
    ),
    Meaning::retry(&["HTTP 429"], Scope::Channel, "nothing: it goes on when Landbot says so"),
];

/// WhatsApp's limit of a text, in characters; Landbot's own is not published.
const LONGEST: usize = 4_096;

// No Debug: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token: SecretString,
    #[serde(default = "default_api_url")]
    api_url: String,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

fn default_api_url() -> String {
    "https://api.landbot.io/v1".to_owned()
}

struct Landbot {
    api: Url,
    authorization: HeaderValue,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let api = address("api_url", &settings.api_url)?;
    let landbot = Landbot { api: api.clone(), authorization: credential("token", "Token", &settings.token)? };
    let secrets = Secrets::these([settings.token.expose_secret()]);
    Ok(Web::open(&KIND, landbot, &api, secrets, settings.timeout))
}

impl Api for Landbot {
    fn has_own_address(&self) -> bool {
        false
    }

    fn writes_to(&self) -> Option<ContactField> {
        Some(ContactField::LandbotCustomerId)
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let customer = recipient(message, ContactField::LandbotCustomerId, None)?;
        // The last, empty step is the slash at the end, without which there is no such path.
        let url = below(&self.api, &["customers", customer, "send_text", ""]);
        Ok(Call::post(url, &json!({"message": whole(message, LONGEST)})).authorized(&self.authorization))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        match answer.status {
            200..300 if said["success"] == false => {
                Outcome::dead(Scope::Message, answer.line(), "Landbot does not take this message")
            }
            // What it says then is not described; nothing at all, as far as is known.
            200..300 if said.is_object() || answer.body.trim().is_empty() => Outcome::delivered(""),
            200..300 => answer.is_not("Landbot's"),
            // Its own errors are JSON; of what it has no path for, it says so in HTML.
            404 if !said.is_object() => Outcome::dead(Scope::Channel, answer.line(), "check `api_url`"),
            _ => answer.judge(MEANINGS, &[], &explained(&said)),
        }
    }

    fn question(&self) -> Option<Call> {
        let mut channels = below(&self.api, &["channels", ""]);
        channels.query_pairs_mut().append_pair("limit", "1");
        Some(Call::get(channels).authorized(&self.authorization))
    }
}

/// The text of `{"detail": text}`, or the first of `{"errors": {field: [text]}}` with its field.
fn explained(said: &Value) -> String {
    if let Some(detail) = said["detail"].as_str() {
        return detail.to_owned();
    }
    let first = said["errors"].as_object().and_then(|errors| errors.iter().next());
    first.map(|(field, texts)| format!("{field}: {}", texts[0].as_str().unwrap_or_default())).unwrap_or_default()
}
