//! Mail over SendGrid's Web API, for a shop whose machine may not speak SMTP, or that has an API key and no more.
//!
//! The mail is that of the kind `email`: to the customer, or one to all of the channel's own `to`. SendGrid answers 202
//! when it has queued it; what comes of it later stands in its own activity feed.
//!
//! Sources: www.twilio.com/docs/sendgrid, "Mail Send" (body, limits, status codes), "Errors", "Rate Limits"
//! (`X-RateLimit-Reset` is in seconds since 1970), "API Key Permissions" (scopes); docs of error 60222 for the sender
//! identity; sendgrid-nodejs #370 for the 413 that nginx writes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ureq::http::HeaderValue;
use url::Url;

use super::api::{Api, Call, Web, address, below, credential, recipient};
use super::email::{self, head, lines, one_or_many};
use super::secrets::Secrets;
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Sender};
use crate::domain::{ContactField, EmailAddress, Mailbox, Markup, Outcome, Picture, Rendered, Scope};

/// SendGrid.
pub(super) const KIND: Kind = Kind {
    name: "sendgrid",
    summary: "Sends mail through SendGrid's Web API.",
    example: r#"
api_key = "SG.correct-horse.battery-staple"     # with the permission Mail Send
from    = "UmiShop <hello@umishop.example>"     # of a verified sender or an authenticated domain
to      = ["sales@umishop.example"]             # not needed where mail only goes to customers
# reply_to = "UmiShop <care@umishop.example>"   # requests: the customer
api_url = "https://api.sendgrid.com"            # EU subusers: https://api.eu.sendgrid.com
# timeout  = "15s"
"#,
    pasted: &["sendgrid://{api_key}"],
    notes: "
- **Set up**: in SendGrid under *Settings → Sender Authentication* authenticate the domain of `from` (or verify that one
  address), and under *Settings → API Keys* make a key with *Restricted Access* and *Mail Send*: nothing else is needed.
- **Shared**: `from`; and `api_key` with its `api_url`. A second address needs one key, `to`.
- **Who gets it**: as for `email`. A welcome goes to the customer, everything else to `to`, one mail to all of them;
  a route to a channel without `to` is refused. A reply to a question's mail goes to the customer.
- **Tracking** of clicks and openings is off, whatever the account says.
- **Queued is not delivered**: SendGrid says yes before it knows the mailbox. What it cannot deliver stands in its
  *Activity*, under the `reference` of the message; `umishop_id` among the custom arguments is the message's id.
- SendGrid knows no idempotency key: where a mail twice is worse than none, write `on_unknown = \"hold\"`.
",
    meanings: MEANINGS,
    shared: &[&["api_url", "api_key"], &["from"]],
    // It is mail, however it is handed over. SendGrid names its limits in its answers.
    pace: email::KIND.pace,
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["The from address does not match a verified Sender Identity*", "from*"],
        Scope::Channel,
        "verify `from`, or authenticate its domain, under Settings → Sender Authentication",
    ),
    Meaning::retry(
        &["Maximum credits exceeded"],
        Scope::Channel,
        "the plan's mails are used up: wait for the next period, or take a larger plan",
    ),
    Meaning::dead(
        &["HTTP 401"],
        Scope::Channel,
        "make a new key under Settings → API Keys and write it into `api_key`",
    ),
    Meaning::dead(
        &["HTTP 403"],
        Scope::Channel,
        "give the key the permission Mail Send; SendGrid also blocks for a while after too many bad requests",
    ),
    Meaning::dead(
        &["HTTP 451"],
        Scope::Channel,
        "the account's data stays in the EU: write api_url = \"https://api.eu.sendgrid.com\"",
    ),
    Meaning::dead(&["HTTP 404", "HTTP 405"], Scope::Channel, "check `api_url`"),
    Meaning::dead(&["HTTP 406"], Scope::Channel, "something on the way takes out the header Accept"),
    Meaning::dead(&["personalizations.0.to*"], Scope::Recipient, "SendGrid takes this for no mail address"),
    Meaning::dead(&["HTTP 413"], Scope::Message, "the mail is larger than SendGrid takes"),
    Meaning::retry(&["HTTP 429"], Scope::Channel, "nothing: it goes on when SendGrid says so"),
];

// No Debug: it holds a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    api_key: SecretString,
    from: Mailbox,
    #[serde(default, deserialize_with = "one_or_many")]
    to: Vec<EmailAddress>,
    reply_to: Option<Mailbox>,
    #[serde(default = "default_api_url")]
    api_url: String,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

fn default_api_url() -> String {
    "https://api.sendgrid.com".to_owned()
}

struct SendGrid {
    api: Url,
    authorization: HeaderValue,
    from: Mailbox,
    to: Vec<EmailAddress>,
    reply_to: Option<Mailbox>,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let api = address("api_url", &settings.api_url)?;
    let authorization = credential("api_key", "Bearer", &settings.api_key)?;
    let secrets = Secrets::these([settings.api_key.expose_secret()]);
    let Settings { from, mut to, reply_to, timeout, .. } = settings;
    // SendGrid refuses a mail that names somebody twice.
    let mut known = HashSet::new();
    to.retain(|address| known.insert(address.to_string()));
    Ok(Web::open(&KIND, SendGrid { api: api.clone(), authorization, from, to, reply_to }, &api, secrets, timeout))
}

impl SendGrid {
    fn recipients(&self, message: &Rendered) -> Result<Value, Outcome> {
        let first = recipient(message, ContactField::Email, self.to.first().map(EmailAddress::as_str))?;
        Ok(match message.customer() {
            Some(_) => json!([person(&message.context.name, first)]),
            None => self.to.iter().map(|to| person("", to.as_str())).collect(),
        })
    }

    fn body(&self, message: &Rendered) -> Result<Value, Outcome> {
        let mut body = json!({
            "personalizations": [{"to": self.recipients(message)?}],
            "from": mailbox(&self.from),
            "subject": head(&message.subject),
            "content": [
                {"type": "text/plain", "value": lines(&message.text)},
                {"type": "text/html", "value": lines(&message.rich)},
            ],
            "headers": headers(message),
            "custom_args": {"umishop_id": message.id},
            "tracking_settings": {
                "click_tracking": {"enable": false, "enable_text": false},
                "open_tracking": {"enable": false},
            },
        });
        if let Some(Picture { content_id, bytes }) = &message.picture {
            body["attachments"] = json!([{
                "content": STANDARD.encode(bytes), "type": "image/png", "filename": "chart.png",
                "disposition": "inline", "content_id": content_id,
            }]);
        }
        if let Some(reply_to) = message.reply_to().as_ref().or(self.reply_to.as_ref()) {
            body["reply_to"] = mailbox(reply_to);
        }
        Ok(body)
    }
}

/// The headers of the mail that its fields do not make.
fn headers(message: &Rendered) -> Map<String, Value> {
    // RFC 3834: keeps holiday notices from answering.
    let always = [("Auto-Submitted", "auto-generated".to_owned())].into_iter();
    always.chain(message.unsubscribe_headers()).map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn mailbox(mailbox: &Mailbox) -> Value {
    person(&mailbox.name, mailbox.address.as_str())
}

/// A name in a header of addresses: SendGrid takes what stands between commas or semicolons for several of them.
fn person(name: &str, address: &str) -> Value {
    let name = head(&name.replace([',', ';', '<', '>', '"'], " "));
    if name.is_empty() { json!({"email": address}) } else { json!({"email": address, "name": name}) }
}

impl Api for SendGrid {
    fn markup(&self) -> Markup {
        Markup::Html
    }

    fn has_own_address(&self) -> bool {
        !self.to.is_empty()
    }

    fn writes_to(&self) -> Option<ContactField> {
        Some(ContactField::Email)
    }

    fn sender(&self) -> Option<Sender> {
        let hosts = self.api.host_str().map(str::to_owned).into_iter().collect();
        Some(Sender { address: self.from.address.clone(), hosts })
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let call = Call::post(below(&self.api, &["v3", "mail", "send"]), &self.body(message)?);
        Ok(call.header("accept", HeaderValue::from_static("application/json")).authorized(&self.authorization))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        // 200 is what its sandbox says.
        if matches!(answer.status, 200 | 202) {
            return Outcome::delivered(answer.header("x-message-id"));
        }
        let said = answer.json();
        let error = &said["errors"][0];
        let (field, text) =
            (error["field"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default());
        match answer.judge(MEANINGS, &[text, field], &explained(field, text)) {
            Outcome::Retry { after: None, scope: Scope::Channel, why } => {
                Outcome::Retry { after: answer.wait_until("x-ratelimit-reset"), scope: Scope::Channel, why }
            }
            outcome => outcome,
        }
    }

    fn question(&self) -> Option<Call> {
        Some(Call::get(below(&self.api, &["v3", "scopes"])).authorized(&self.authorization))
    }

    fn checked(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        match said["scopes"].as_array() {
            Some(scopes) if scopes.iter().any(|scope| scope == "mail.send") => {
                Outcome::delivered("a key that sends mail")
            }
            Some(_) => Outcome::dead(Scope::Channel, "the key may not send mail", "give it the permission Mail Send"),
            None => self.outcome(answer),
        }
    }
}

/// What SendGrid said, and about which part of the mail.
fn explained(field: &str, text: &str) -> String {
    if field.is_empty() { text.to_owned() } else { format!("{field}: {text}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_one_name(name in any::<String>()) {
            let person = person(&name, "ana@example.com");
            let shown = person["name"].as_str().unwrap_or_default();
            prop_assert!(!shown.contains([',', ';', '<', '>', '"', '\r', '\n']) && !shown.contains("=?"), "{shown}");
        }
    }
}
