//! Any receiver that takes an HTTP request: method (POST, PUT or PATCH, since others carry no body), address, headers,
//! body, and what counts as success are settings.
//!
//! Address, headers and body are templates of the shop's own. In a JSON body every value is written as the inside of a
//! JSON string, so `"text": "{{ name }} asks: {{ question }}"` is right whatever the customer wrote, and `| tojson`
//! writes a whole JSON value, quotes included. A value outside of quotes would let a customer add to the document: the
//! template is tried out when the channel is opened, and refused if it does that.

mod address;
mod answers;
mod headers;
mod signature;
mod template;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use self::address::Address;
use self::answers::{Answers, Statuses};
use self::headers::Headers;
use self::signature::Signer;
use self::template::{Notation, Template};
use super::api::{name_of, wrong};
use super::reach::Reach;
use super::secrets::Secrets;
use super::wire::{self, CONTENT_TYPE, Wire};
use super::{Channel, Kind, Pace};
use crate::domain::{ContactField, Markup, Outcome, Rendered, Scope};

/// Any HTTP receiver.
pub(super) const KIND: Kind = Kind {
    name: "http",
    summary: "Sends an HTTP request (POST, PUT or PATCH) to any address, with address, headers and body of your own.",
    example: r#"
url     = "https://crm.example.com/hooks/umishop"      # fields fit here, too: https://crm.example.com/{{ topic }}
headers = { authorization = "Bearer correct-horse-battery-staple" }   # and here: { x-customer = "{{ name }}" }
body    = '{"title": "{{ subject }}", "text": "{{ text }}", "chat": {{ chat_url | tojson }}}' # default: every field
# method  = "POST"                       # or PUT, PATCH
# success = ["2xx"]                      # also "409" or "200-204"
# success_body = '"ok":true'             # a success has this in its body, too
# retry_on = ["423"]                     # tried again, besides 408, 425, 429 and 5xx
# signing_secrets  = ["whsec_…"]         # signs each request as Standard Webhooks asks, with every one of them
# customers = "email"                    # a welcome goes over it to whoever has one; also "phone", "landbot_customer_id"
# private_networks = ["10.0.0.0/8"]      # may be connected to, besides the public internet
# timeout = "15s"
"#,
    pasted: &["{url}"],
    notes: r#"
- **Fields**: `id`, `purpose`, `created_at`, `subject`, `text`, `chat_url`, `unsubscribe_url`, `name`, `email`, `phone`,
  `topic`, `topic_unknown`, `question`, `source`. `url`, every header and `body` may show them. Without `body` all of them are sent,
  as one JSON object. A template is tried out when the configuration is read.
- **Who gets it**: questions go to the address. With `customers`, a welcome may go over it, too, to an API that sends mail
  or text messages: the body shows `email` or `phone`, and `unsubscribe_url`.
- **In the body** write `"{{ field }}"` with quotes around it, or `{{ field | tojson }}` without. In between, a customer
  could add to your document; such a body is refused. With a `content-type` of `application/x-www-form-urlencoded` values
  are encoded for a form, with any other they stay as they are.
- **In the address** a value is one step of the path or one value of the query, whatever the customer wrote:
  `https://crm.example.com/{{ topic }}/notes?mail={{ email }}`. Scheme, host and port are written out. Where a value is
  nothing but `.` or `..`, underscores stand for the dots. Servers refuse long addresses: cut long texts, as in
  `{{ question[:200] }}`, or send them in the body.
- **In a header** a value is on one line, and what is not ASCII is encoded as in an address, as is `%`: `Ana Ru%C3%ADz`.
- **What the answers mean**: a status in `success` is a success; if `success_body` is written, only with that text in the
  answer, for receivers that answer 200 with an error inside: without it the message is tried again. `retry_on` names
  statuses that mean "later" to this receiver; all others mean what the table below says.
- **Signed**: with `signing_secrets` each request carries `webhook-id`, `webhook-timestamp` and `webhook-signature` as
  [Standard Webhooks](https://www.standardwebhooks.com) asks, and the receiver can check them with a library of its
  language. Make a secret with `echo whsec_$(openssl rand -base64 32)`. To change it, write the new one before the old one,
  let the receiver change, take the old one out: meanwhile both sign. The id is the message's, the time the attempt's.
- **Only the public internet** is connected to: what leads to this machine, a private network, or a cloud's metadata is
  refused, whatever its name, and checked again at each connection. `private_networks` names what may be reached all the
  same: `["127.0.0.1"]`, `["10.1.0.0/16", "::1"]`. Other kinds connect wherever their settings say.
- The message's id goes along as `Idempotency-Key`, and address, headers and body are the same on every attempt.
- Redirects are not followed. Secrets belong into `headers` or the address, never into the body.

| what you read | what it means |
|---|---|
| HTTP 401, 403 | the credentials are wrong. The channel waits, messages keep their attempts |
| HTTP 404, 410 | the receiver is gone: check `url` |
| HTTP 3xx | it has moved: write its new address |
| HTTP 429, or 503 with `Retry-After` | the whole channel waits as long as the receiver asks, and no attempt counts |
| HTTP 408, 425, other 5xx | this message is tried again |
| `not connected: … is not an address of the public internet` | check `url`, or write `private_networks`. The channel waits, messages keep their attempts |
| any other | it does not accept this request. If it means "had that already", add it to `success`; if it means "later", to `retry_on` |

A catch hook of Zapier, for instance:

```toml
[channels.http.zapier]
url  = "env:ZAPIER_HOOK"               # https://hooks.zapier.com/hooks/catch/…
body = '{"who": "{{ name }}", "mail": {{ email | tojson }}, "asks": "{{ question }}"}'
```
"#,
    meanings: &[],
    shared: &[],
    pace: Pace { concurrency: 32, rate: "", burst: 32, ..Pace::CHAT },
    open,
};

/// The name of the header that lets a receiver notice a repetition.
const IDEMPOTENCY_KEY: HeaderName = wire::header("idempotency-key");

// No Debug: address, headers and secrets are secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: SecretString,
    #[serde(default = "default_method")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, SecretString>,
    body: Option<String>,
    #[serde(default = "default_success")]
    success: Vec<Statuses>,
    success_body: Option<String>,
    #[serde(default)]
    retry_on: Vec<Statuses>,
    #[serde(default)]
    signing_secrets: Vec<SecretString>,
    customers: Option<ContactField>,
    #[serde(default)]
    private_networks: Vec<String>,
    #[serde(default = "default_timeout", with = "humantime_serde")]
    timeout: Duration,
}

fn default_method() -> String {
    "POST".to_owned()
}

fn default_success() -> Vec<Statuses> {
    vec![Statuses::SUCCESS]
}

const fn default_timeout() -> Duration {
    Duration::from_secs(15)
}

struct Http {
    method: String,
    address: Address,
    headers: Headers,
    body: Option<Template>,
    signer: Option<Signer>,
    answers: Answers,
    /// What its receiver knows customers by, if it writes to them.
    customers: Option<ContactField>,
    wire: Wire,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let reach = Reach::public_and(&settings.private_networks).map_err(|why| wrong("private_networks", why))?;
    let address = Address::new(settings.url.expose_secret()).map_err(|why| wrong("url", why))?;
    reach.check(address.base()).map_err(|refused| wrong("url", format!("{refused}: {}", refused.mend())))?;
    let method = settings.method.to_ascii_uppercase();
    if !matches!(method.as_str(), "POST" | "PUT" | "PATCH") {
        return Err(wrong("method", "a message is carried by POST, PUT or PATCH"));
    }
    let signer = match settings.signing_secrets.as_slice() {
        [] => None,
        secrets => Some(Signer::new(secrets).map_err(|why| wrong("signing_secrets", why))?),
    };
    let ours: &[HeaderName] = if signer.is_some() { &signature::HEADERS } else { &[] };
    let headers = Headers::new(&settings.headers, ours).map_err(|why| wrong("headers", why))?;
    let body = settings.body.map(|source| body(source, headers.fixed()));
    let body = body.transpose().map_err(|why| wrong("body", why))?;
    let (success, success_body) = (settings.success, settings.success_body);
    let answers = Answers { success, success_body, retry_on: settings.retry_on };
    if let Some(statuses) = answers.contradiction() {
        return Err(wrong("retry_on", format!("{statuses} means `success`, too: write it into one of the two")));
    }
    let literals = address.literals().iter().chain(headers.literals()).map(String::as_str);
    let secrets = Secrets::of(address.base(), headers.fixed()).and(literals);
    let wire = Wire::new(KIND.name, address.base(), secrets, settings.timeout).within(reach);
    Ok(Arc::new(Http { method, address, headers, body, signer, answers, customers: settings.customers, wire }))
}

/// A body as `headers` say what it is.
fn body(source: String, headers: &HeaderMap) -> Result<Template, String> {
    let content_type =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let notation = if content_type.contains("json") {
        Notation::Json
    } else if content_type.contains("x-www-form-urlencoded") {
        Notation::Form
    } else {
        Notation::Text
    };
    let template = Template::new(source, notation)?;
    template::try_out(|fields| template.fill(fields))?;
    Ok(template)
}

#[async_trait]
impl Channel for Http {
    fn markup(&self) -> Markup {
        Markup::Plain
    }

    fn writes_to(&self) -> Option<ContactField> {
        self.customers
    }

    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        let Request { url, mut headers, body } = self.request(message).map_err(|(_, why)| why)?;
        let mut shown = self.headers.shown().to_vec();
        if !self.headers.has(&IDEMPOTENCY_KEY) {
            shown.push(IDEMPOTENCY_KEY);
        }
        if let Some(signer) = &self.signer {
            headers.extend(signer.headers(message.id, message.attempted_at, &body));
            // The time is another on each attempt, and so is the signature.
            headers.insert(signature::TIMESTAMP, HeaderValue::from_static("[the time of the attempt]"));
            shown.extend([signature::ID, signature::TIMESTAMP]);
        }
        Ok(wire::readable(&self.method, &wire::shown_place(&url), &headers, &shown, &body))
    }

    async fn deliver(&self, message: &Rendered) -> Outcome {
        let Request { url, mut headers, body } = match self.request(message) {
            Ok(request) => request,
            Err((key, why)) => {
                return Outcome::dead(Scope::Message, why, format!("check `{key}` of this channel"));
            }
        };
        if let Some(signer) = &self.signer {
            headers.extend(signer.headers(message.id, message.attempted_at, &body));
        }
        let answer = match wire::request(&self.method, &url, &headers, body) {
            Ok(request) => self.wire.call(request).await,
            Err(outcome) => return outcome,
        };
        answer
            .map_or_else(|outcome| outcome, |answer| self.answers.judge(&answer))
            .map_text(|text| self.wire.hide(text))
    }
}

/// What is sent, the same on every attempt; not signed yet.
struct Request<'a> {
    url: Cow<'a, Url>,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Http {
    /// The request that `message` is. The error names the key that is at fault.
    fn request(&self, message: &Rendered) -> Result<Request<'_>, (&'static str, String)> {
        let fields = message.to_json();
        let url = self.address.fill(&fields).map_err(|why| ("url", why))?;
        let mut headers = self.headers.fill(&fields).map_err(|why| ("headers", why))?;
        headers.entry(IDEMPOTENCY_KEY).or_insert_with(|| name_of(message));
        let body = match &self.body {
            None => fields.to_string(),
            Some(body) => body.fill(&fields).map_err(|why| ("body", why))?,
        };
        Ok(Request { url, headers, body: body.into_bytes() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{About, Context, MessageId, Purpose, Timestamp};

    /// A message whose texts all say `text`.
    pub(super) fn rendered(text: &str) -> Rendered {
        let created_at = Timestamp::from_millis(1_795_509_000_000);
        Rendered {
            id: MessageId::new(created_at),
            created_at,
            purpose: Purpose::Request,
            about: About::default(),
            subject: text.into(),
            heading: text.into(),
            text: text.into(),
            rich: text.into(),
            picture: None,
            chat_url: None,
            unsubscribe_url: None,
            thread: None,
            attempted_at: created_at,
            context: Context { question: text.into(), ..Context::default() },
        }
    }
}
