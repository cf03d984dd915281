//! WhatsApp, over Meta's Cloud API: a message from a business's own number to one phone.
//!
//! A text is taken only within 24 hours after its receiver wrote to that number; otherwise Meta wants a template, whose
//! words it has approved beforehand. We do not know who wrote when, for that goes to a webhook of the bot, so the shop
//! says which of the two a channel sends. What becomes of a message after Meta took it is told to the same webhook.
//!
//! Sources: developers.facebook.com, WhatsApp Business Platform: "Messages" (bodies; a text holds 4,096 characters),
//! "Template messages", "Error codes" (of May 2026; Meta says to go by `code`), "Throughput" (80 messages a second, one in
//! six seconds to the same person, some 45 of them in a burst: 131056); "Graph API changelog" (v26.0, July 2026).

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::HeaderValue;
use url::Url;

use super::api::{Api, Call, Identifier, Web, address, below, credential, recipient, wrong};
use super::fields::{Field, fill};
use super::secrets::Secrets;
use super::text::whole;
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{ContactField, Outcome, Phone, Rendered, Scope};

/// WhatsApp.
pub(super) const KIND: Kind = Kind {
    name: "whatsapp",
    summary: "Sends WhatsApp messages through Meta's Cloud API.",
    example: r#"
token           = "EAA-correct-horse-battery-staple" # of a system user, with whatsapp_business_messaging
phone_number_id = "106540352242922"             # of the number that sends; not the number itself
to              = "+34600123456"                # one number; not needed where messages only go to customers
# template      = { name = "new_question", language = "en", fields = ["name", "question"] } # else: a text
api_url         = "https://graph.facebook.com/v26.0"
# timeout       = "15s"
"#,
    pasted: &["whatsapp://{token}@{phone_number_id}/{to}", "whatsapp://{token}@{phone_number_id}"],
    notes: r#"
- **Set up**: at <https://developers.facebook.com> make an app with *WhatsApp*; under *API Setup* it shows the *Phone number
  ID*. In *Business settings → System users* make a user, give it the app and the WhatsApp account, and generate a token with
  `whatsapp_business_messaging` that never expires; the one under *API Setup* lasts a day. `token`, `phone_number_id` and
  `api_url` are **shared**.
- **24 hours**: a text reaches only those who wrote to this number within 24 hours. For all others make a template in
  *WhatsApp Manager → Message templates* and name it in `template`, with its language exactly as it stands there (`en`,
  `en_US`, `es`) and what fills `{{1}}`, `{{2}}` …: `name`, `email`, `phone`, `topic`, `question`, `source`, `chat_url`,
  `subject`, `text`. Then every message of the channel is sent as that one, so that a welcome and a question need two
  channels. A welcome over a number that is not your Landbot bot's own needs a template, and so does your own phone.
- **Who gets it**: a welcome goes to the customer's phone, everything else to `to`, which is one number, so that a
  repetition tells nobody twice; a route to a channel without `to` is refused. Only numbers that could be understood, with
  their country, count: `+34600123456`.
- **Limits**: a text of 4,096 characters; the rest can be read in the console. Meta takes one message in six seconds to the same
  person, so that is the default, after a burst of 45. Where messages only go to customers, write `rate = "80/s"`.
- **Taken is not delivered**: that somebody has no WhatsApp, or that Meta held a message back, most often comes later and
  to the webhook of your app, not here.
- Meta knows no idempotency key: where a message twice is worse than none, write `on_unknown = "hold"`.
"#,
    meanings: MEANINGS,
    shared: &[&["phone_number_id", "token", "api_url"]],
    pace: Pace { rate: "10/m", burst: 45, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["0", "190", "HTTP 401"],
        Scope::Channel,
        "the token has expired or was revoked: generate one of a system user and write it into `token`",
    ),
    Meaning::dead(
        &["3", "10", "200-299", "131005"],
        Scope::Channel,
        "give the system user the app and the account, and the token whatsapp_business_messaging",
    ),
    Meaning::dead(&["33", "100/33"], Scope::Channel, "check `phone_number_id`: it is not the number itself"),
    Meaning::dead(
        &["368", "131031", "131037", "131042", "131045", "133010"],
        Scope::Channel,
        "WhatsApp Manager says what is wrong with the account or its number: policy, payment, display name, registration",
    ),
    Meaning::dead(
        &["132000", "132001", "132012", "132015", "132016"],
        Scope::Channel,
        "check `template`: its name and language, as many fields as it has gaps, and that it is approved and not paused",
    ),
    Meaning::retry(
        &["4", "80007", "130429", "131048", "131057", "HTTP 429"],
        Scope::Channel,
        "nothing: it goes on by itself; if it lasts, look at the number's quality in WhatsApp Manager",
    ),
    Meaning::retry(&["131056"], Scope::Message, "too many messages to one person: slower, with `rate`"),
    Meaning::retry(&["1", "2", "131000", "131016", "133004"], Scope::Message, ""),
    Meaning::dead(
        &["131026", "131050"],
        Scope::Recipient,
        "they have no WhatsApp that takes it, or want no messages of yours",
    ),
    Meaning::dead(&["131047"], Scope::Message, "they have not written within 24 hours: name an approved `template`"),
    Meaning::dead(
        &["131049", "130472"],
        Scope::Message,
        "Meta holds it back, as this person gets many such messages: do not repeat it within a day",
    ),
    Meaning::dead(&["130497"], Scope::Message, "Meta does not let your business write to this country"),
    Meaning::dead(
        &["131030"],
        Scope::Message,
        "a test number reaches only those on its list under API Setup: add this one, or register a number of your own",
    ),
    Meaning::dead(&["131021"], Scope::Destination, "the sender cannot write to itself: mend `to`"),
    Meaning::dead(
        &["132005", "132007"],
        Scope::Message,
        "what fills the template is too long, or against Meta's rules",
    ),
];

/// Meta's limit of a text, in characters.
const LONGEST: usize = 4_096;

// No Debug: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token: SecretString,
    phone_number_id: Identifier,
    to: Option<String>,
    template: Option<Template>,
    #[serde(default = "default_api_url")]
    api_url: String,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

/// A text that Meta has approved.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: String,
    language: String,
    #[serde(default)]
    fields: Vec<Field>,
}

fn default_api_url() -> String {
    "https://graph.facebook.com/v26.0".to_owned()
}

struct WhatsApp {
    number: Url,
    authorization: HeaderValue,
    to: Option<String>,
    template: Option<Template>,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let api = address("api_url", &settings.api_url)?;
    let Settings { token, phone_number_id, to, template, timeout, .. } = settings;
    let id = phone_number_id.into_text();
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("phone_number_id", "expected the digits that API Setup shows under the number"));
    }
    if to.as_deref().is_some_and(|to| !Phone::is_e164(to)) {
        return Err(wrong("to", "expected one number with its country, without spaces, as in \"+34600123456\""));
    }
    let authorization = credential("token", "Bearer", &token)?;
    let whatsapp = WhatsApp { number: below(&api, &[&id]), authorization, to, template };
    Ok(Web::open(&KIND, whatsapp, &api, Secrets::these([token.expose_secret()]), timeout))
}

impl WhatsApp {
    fn body(&self, message: &Rendered) -> Result<Value, Outcome> {
        let to = recipient(message, ContactField::Phone, self.to.as_deref())?;
        let (kind, content) = match &self.template {
            None => ("text", json!({"preview_url": false, "body": whole(message, LONGEST)})),
            Some(template) => ("template", template.filled(message)),
        };
        Ok(json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": kind, kind: content,
        }))
    }
}

impl Template {
    fn filled(&self, message: &Rendered) -> Value {
        let parameters: Vec<Value> =
            fill(&self.fields, message).into_iter().map(|text| json!({"type": "text", "text": text})).collect();
        let mut filled = json!({"name": self.name, "language": {"code": self.language}});
        if !parameters.is_empty() {
            filled["components"] = json!([{"type": "body", "parameters": parameters}]);
        }
        filled
    }
}

impl Api for WhatsApp {
    fn has_own_address(&self) -> bool {
        self.to.is_some()
    }

    fn writes_to(&self) -> Option<ContactField> {
        Some(ContactField::Phone)
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let call = Call::post(below(&self.number, &["messages"]), &self.body(message)?);
        Ok(call.authorized(&self.authorization))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        let error = &said["error"];
        match (answer.status, said["messages"][0]["id"].as_str(), error["code"].as_u64()) {
            (200, Some(id), _) => Outcome::delivered(id),
            (_, _, Some(code)) => {
                let precise = format!("{code}/{}", error["error_subcode"].as_u64().unwrap_or_default());
                let general = if (200..300).contains(&code) { "200-299".to_owned() } else { code.to_string() };
                answer.judge(MEANINGS, &[&precise, &general], &format!("{code}: {}", explained(error)))
            }
            (200..300, ..) => answer.is_not("Meta's"),
            _ => answer.judge(MEANINGS, &[], ""),
        }
    }

    fn question(&self) -> Option<Call> {
        let mut number = self.number.clone();
        number.query_pairs_mut().append_pair("fields", "display_phone_number,verified_name");
        Some(Call::get(number).authorized(&self.authorization))
    }

    fn checked(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        match said["display_phone_number"].as_str() {
            Some(number) => {
                Outcome::delivered(format!("{} {number}", said["verified_name"].as_str().unwrap_or_default()).trim())
            }
            None => self.outcome(answer),
        }
    }
}

/// The details say more than the message, which is a title.
fn explained(error: &Value) -> &str {
    let details = error["error_data"]["details"].as_str();
    details.or(error["message"].as_str()).unwrap_or_default()
}
