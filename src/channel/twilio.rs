//! Twilio: a text message, or a message on WhatsApp, to one phone number.
//!
//! A channel has one number of its own at most: several would be several requests, and when the second one fails, a
//! repetition would tell the first again. A shop that wants two phones to ring writes two channels.
//!
//! Twilio answers 201 when it has queued the message. What a phone company says later, it tells a webhook that we have
//! none of; it stands in Twilio's own log.
//!
//! Sources: www.twilio.com/docs, "Messages resource" (fields, 1,600 characters, 201), "Error and Warning Dictionary" (the
//! pages of each code below), "API keys" (standard keys may read messages, not the account), 63016 (a template goes by
//! `ContentSid`, never as `Body`).

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::HeaderValue;
use url::Url;

use super::api::{Api, Call, Web, address, basic, below, recipient, wrong};
use super::fields::{Field, fill};
use super::secrets::Secrets;
use super::text::whole;
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{ContactField, Outcome, Phone, Rendered, Scope};

/// Twilio.
pub(super) const KIND: Kind = Kind {
    name: "twilio",
    summary: "Sends text messages (SMS), or WhatsApp messages, through Twilio.",
    example: r#"
account_sid = "AC0123456789abcdef0123456789abcdef"
auth_token  = "correct-horse-battery-staple"    # or api_key = "SK…" and api_secret
from        = "+15005550006"                    # a number of yours at Twilio, or a name it lets you send as
# messaging_service_sid = "MG…"                 # instead of from
to          = "+34600123456"                    # one number; not needed where messages only go to customers
# via       = "sms"                             # or "whatsapp"
# template  = { sid = "HX…", fields = ["name"] } # an approved text, for WhatsApp
api_url     = "https://api.twilio.com"
# timeout   = "15s"
"#,
    pasted: &["twilio://{account_sid}:{auth_token}@{from}/{to}", "twilio://{account_sid}:{auth_token}@{from}"],
    notes: r#"
- **Set up**: *Account SID* and *Auth Token* stand on the first page of Twilio's console; better make an API key (*Account →
  API keys*, *Standard*) and write `api_key` and `api_secret`. Buy a number, or set up a messaging service.
  `account_sid` and its credentials are **shared**, and so is `from`.
- **Who gets it**: a welcome goes to the customer's phone, everything else to `to`; a route to a channel without `to` is
  refused. Only numbers that could be understood, with their country, count: `+34600123456`. `to` is one number, so that
  a repetition tells nobody twice; write a channel for each phone.
- **WhatsApp**: `via = "whatsapp"` with a `from` that is a WhatsApp sender of yours. Whoever has not written to that number
  within 24 hours only gets approved templates: make one under *Content Template Builder*, and name its `sid` and what fills
  `{{1}}`, `{{2}}` …: `name`, `email`, `phone`, `topic`, `question`, `source`, `chat_url`, `subject`, `text`. With a
  `template` every message of the channel is sent as that one. The answers of a Landbot bot on another number open no window.
- **Limits**: subject and text in 1,600 characters; the rest can be read in the console. A text message of more than 160
  characters, or 70 with letters outside the GSM alphabet, costs several. A shop's own texts are shorter: see *templates*.
- **Queued is not delivered**: what a phone company says later stands under *Monitor → Logs* at Twilio, not here.
- Twilio knows no idempotency key: where a message twice is worse than none, write `on_unknown = "hold"`.
"#,
    meanings: MEANINGS,
    shared: &[&["account_sid", "auth_token", "api_key", "api_secret"], &["from"]],
    // An ordinary number sends one message a second, and Twilio queues what is more: 10 hours of it (30001).
    pace: Pace { concurrency: 4, burst: 10, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["20003", "20403", "HTTP 401"],
        Scope::Channel,
        "check `account_sid` and `auth_token`, or `api_key` and `api_secret`",
    ),
    Meaning::dead(&["20404"], Scope::Channel, "check `account_sid`, and `messaging_service_sid` if there is one"),
    Meaning::dead(
        &["10001", "20005", "90010", "30002"],
        Scope::Channel,
        "the account is not active: look into Twilio's console",
    ),
    Meaning::dead(
        &["20008", "21608"],
        Scope::Channel,
        "these are test credentials, or a trial account, which reaches verified numbers only: upgrade it",
    ),
    Meaning::dead(
        &["21603", "21606", "21212", "21601", "21659", "21660", "21661", "63007"],
        Scope::Channel,
        "`from` is no number of this account that can send this: check it, and `via`",
    ),
    Meaning::dead(
        &["21701", "21703", "21704", "21705"],
        Scope::Channel,
        "check `messaging_service_sid`, and that the service has a sender",
    ),
    Meaning::retry(&["20429", "HTTP 429", "21611", "63018"], Scope::Channel, "nothing: it goes on by itself"),
    Meaning::retry(
        &["63038"],
        Scope::Channel,
        "the account's messages of this day are used up: it goes on tomorrow; Twilio raises the limit on request",
    ),
    Meaning::dead(&["21610"], Scope::Recipient, "they answered STOP; only they can take that back, with START"),
    Meaning::dead(
        &["21211", "21217", "21265", "21614", "21635", "63003", "63024"],
        Scope::Recipient,
        "no message reaches this number",
    ),
    Meaning::dead(
        &["21408", "21612"],
        Scope::Message,
        "allow this country under Messaging → Settings → Geo permissions, or take a `from` that reaches it",
    ),
    Meaning::dead(&["63016"], Scope::Message, "they have not written within 24 hours: name an approved `template`"),
    Meaning::dead(
        &["21656", "21655", "63027", "63028"],
        Scope::Channel,
        "check `template`: its sid, and as many fields as it has gaps",
    ),
];

/// Twilio's limit of a message is 1,600 characters, of which those outside the basic plane count as two (21617).
const LONGEST: usize = 1_600;

// No Debug: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    account_sid: String,
    auth_token: Option<SecretString>,
    api_key: Option<SecretString>,
    api_secret: Option<SecretString>,
    from: Option<String>,
    messaging_service_sid: Option<String>,
    to: Option<String>,
    #[serde(default)]
    via: Via,
    template: Option<Template>,
    #[serde(default = "default_api_url")]
    api_url: String,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

/// What the message travels as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Via {
    #[default]
    Sms,
    Whatsapp,
}

/// A text that is kept at Twilio.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    sid: String,
    #[serde(default)]
    fields: Vec<Field>,
}

fn default_api_url() -> String {
    "https://api.twilio.com".to_owned()
}

/// Who sends it.
enum Sender {
    Number(String),
    Service(String),
}

struct Twilio {
    messages: Url,
    authorization: HeaderValue,
    sender: Sender,
    to: Option<String>,
    via: Via,
    template: Option<Template>,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let api = address("api_url", &settings.api_url)?;
    let sid = settings.account_sid.trim();
    if !sid.starts_with("AC") {
        return Err(wrong("account_sid", "it begins with AC: copy the Account SID from Twilio's console"));
    }
    let (user, key, secret) = match (&settings.auth_token, &settings.api_key, &settings.api_secret) {
        (Some(token), None, None) => (sid, "auth_token", token),
        (None, Some(key), Some(secret)) => (key.expose_secret().trim(), "api_secret", secret),
        (None, Some(_), None) => return Err(wrong("api_secret", "an `api_key` needs its `api_secret`")),
        (None, None, _) => return Err(wrong("auth_token", "write `auth_token`, or `api_key` and `api_secret`")),
        (Some(_), ..) => {
            return Err(wrong("auth_token", "write `auth_token`, or `api_key` and `api_secret`, not both"));
        }
    };
    let (authorization, login) = basic(key, user, secret)?;
    let sender = match (settings.from, settings.messaging_service_sid) {
        (Some(from), None) => Sender::Number(sender_in(settings.via, from.trim())?),
        (None, Some(service)) => Sender::Service(service),
        (None, None) => return Err(wrong("from", "write `from`, or `messaging_service_sid`")),
        (Some(_), Some(_)) => return Err(wrong("from", "write `from` or `messaging_service_sid`, not both")),
    };
    let to = settings.to.map(|to| number("to", to.trim())).transpose()?;
    let twilio = Twilio {
        messages: below(&api, &["2010-04-01", "Accounts", sid, "Messages.json"]),
        authorization,
        sender,
        to,
        via: settings.via,
        template: settings.template,
    };
    let secrets = Secrets::these([secret.expose_secret(), login.as_str()]);
    Ok(Web::open(&KIND, twilio, &api, secrets, settings.timeout))
}

fn number(key: &str, text: &str) -> Result<String, figment::Error> {
    if Phone::is_e164(text) {
        return Ok(text.to_owned());
    }
    Err(wrong(key, "expected one number with its country, without spaces, as in \"+34600123456\""))
}

/// On WhatsApp a sender is a number; elsewhere it may be a name or a short code.
fn sender_in(via: Via, from: &str) -> Result<String, figment::Error> {
    if via == Via::Whatsapp { number("from", from) } else { Ok(from.to_owned()) }
}

impl Via {
    fn address(self, number: &str) -> String {
        match self {
            Self::Sms => number.to_owned(),
            Self::Whatsapp => format!("whatsapp:{number}"),
        }
    }
}

impl Api for Twilio {
    fn has_own_address(&self) -> bool {
        self.to.is_some()
    }

    fn writes_to(&self) -> Option<ContactField> {
        Some(ContactField::Phone)
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let to = self.via.address(recipient(message, ContactField::Phone, self.to.as_deref())?);
        let (sender, from) = match &self.sender {
            Sender::Number(number) => ("From", self.via.address(number)),
            Sender::Service(service) => ("MessagingServiceSid", service.clone()),
        };
        let mut form = vec![("To", to), (sender, from)];
        match &self.template {
            None => form.push(("Body", whole(message, LONGEST))),
            Some(template) => {
                form.push(("ContentSid", template.sid.clone()));
                form.push(("ContentVariables", variables(&template.fields, message).to_string()));
            }
        }
        let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (*key, value.as_str())).collect();
        Ok(Call::form(self.messages.clone(), &form).authorized(&self.authorization))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        match (answer.status, said["sid"].as_str()) {
            (200 | 201, Some(reference)) => Outcome::delivered(reference),
            (200..300, _) => answer.is_not("Twilio's"),
            _ => {
                let code = said["code"].as_u64().map(|code| code.to_string()).unwrap_or_default();
                let text = said["message"].as_str().unwrap_or_default();
                let explained = if code.is_empty() { text.to_owned() } else { format!("{code}: {text}") };
                answer.judge(MEANINGS, &[&code], &explained)
            }
        }
    }

    /// Every credential that may send may also list messages; of the account itself only some may know.
    fn question(&self) -> Option<Call> {
        let mut messages = self.messages.clone();
        messages.query_pairs_mut().append_pair("PageSize", "1");
        Some(Call::get(messages).authorized(&self.authorization))
    }
}

/// `{"1": …, "2": …}`
fn variables(fields: &[Field], message: &Rendered) -> Value {
    let numbered = fill(fields, message).into_iter().enumerate();
    Value::Object(numbered.map(|(index, value)| ((index + 1).to_string(), Value::from(value))).collect())
}
