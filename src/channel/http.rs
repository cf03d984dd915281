//! Any receiver that takes an HTTP request: method (POST, PUT or PATCH, since others carry no body), address, headers, body and what counts as success are settings.
//!
//! The body is a template of the shop's own. In a JSON body every value is written as the inside of a JSON string, so
//! `"text": "{{ name }} asks: {{ question }}"` is right whatever the customer wrote, and `| tojson` writes a whole
//! JSON value, quotes included. A value outside of quotes would let a customer add to the document: the template is
//! tried out when the channel is opened, and refused if it does that.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use figment::Figment;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::secrets::Secrets;
use super::wire::{self, CONTENT_TYPE, Wire};
use super::{Channel, Kind, Pace};
use crate::domain::{Markup, Outcome, Rendered, Scope};

/// Any HTTP receiver.
pub(super) const KIND: Kind = Kind {
    name: "http",
    summary: "Sends an HTTP request (POST, PUT or PATCH) to any address, with a body of your own.",
    example: r#"
url     = "https://crm.example.com/hooks/umishop"
headers = { authorization = "Bearer correct-horse-battery-staple" }
body    = '{"title": "{{ subject }}", "text": "{{ text }}", "chat": {{ chat_url | tojson }}}' # default: every field
# method  = "POST"                       # or PUT, PATCH
# success = ["2xx"]                      # also "409" or "200-204"
# timeout = "15s"
"#,
    pasted: &["{url}"],
    notes: r#"
- **Fields** of the body: `id`, `purpose`, `created_at`, `subject`, `text`, `chat_url`, `name`, `email`, `phone`, `topic`,
  `topic_unknown`, `question`, `source`. Without `body` all of them are sent, as one JSON object.
- **Quotes**: write `"{{ field }}"` with quotes around it, or `{{ field | tojson }}` without. In between, a customer could
  add to your document; such a body is refused when the configuration is read. With a `content-type` of
  `application/x-www-form-urlencoded` values are encoded for a form, with any other they stay as they are.
- The message's id goes along as `Idempotency-Key`, the same on every attempt.
- Redirects are not followed. Secrets belong into `headers` or the address, never into the body.

| what you read | what it means |
|---|---|
| HTTP 401, 403 | the credentials are wrong. The channel waits, messages keep their attempts |
| HTTP 404, 410 | the receiver is gone: check `url` |
| HTTP 3xx | it has moved: write its new address |
| HTTP 429, or 503 with `Retry-After` | the whole channel waits as long as the receiver asks, and no attempt counts |
| HTTP 408, 425, other 5xx | this message is tried again |
| any other | it does not accept this request. If it means "had that already", add it to `success` |

Discord, for instance:

```toml
[channels.http.discord]
url  = "env:DISCORD_WEBHOOK"
body = '{"content": "{{ text }}", "allowed_mentions": {"parse": []}}'
```
"#,
    meanings: &[],
    shared: &[],
    pace: Pace { concurrency: 32, rate: "", burst: 32, ..Pace::CHAT },
    open,
};

/// The name of the header that lets a receiver notice a repetition.
const IDEMPOTENCY_KEY: HeaderName = wire::header("idempotency-key");

// No Debug: address and headers hold secrets.
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
    #[serde(default = "default_timeout", with = "humantime_serde")]
    timeout: Duration,
}

fn default_method() -> String {
    "POST".to_owned()
}

fn default_success() -> Vec<Statuses> {
    vec![Statuses { first: 200, last: 299 }]
}

const fn default_timeout() -> Duration {
    Duration::from_secs(15)
}

struct Http {
    method: String,
    url: Url,
    headers: HeaderMap,
    body: Option<Body>,
    success: Vec<Statuses>,
    wire: Wire,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let wrong = |key: &str, why: String| figment::Error::from(why).with_path(key);
    let url = wire::parse_url(settings.url.expose_secret()).map_err(|why| wrong("url", why))?;
    let method = settings.method.to_ascii_uppercase();
    if !matches!(method.as_str(), "POST" | "PUT" | "PATCH") {
        return Err(wrong("method", "a message is carried by POST, PUT or PATCH".to_owned()));
    }
    let headers = headers(&settings.headers).map_err(|(name, why)| wrong("headers", format!("`{name}`: {why}")))?;
    let notation = Notation::of(&headers);
    let body = settings.body.map(|source| Body::new(source, notation)).transpose().map_err(|why| wrong("body", why))?;
    let wire = Wire::new(KIND.name, &url, Secrets::of(&url, &headers), settings.timeout);
    Ok(Arc::new(Http { method, url, headers, body, success: settings.success, wire }))
}

/// The headers of every request; the error names the one that cannot be sent.
fn headers(written: &BTreeMap<String, SecretString>) -> Result<HeaderMap, (String, &'static str)> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    for (name, value) in written {
        let wrong = |why| (name.clone(), why);
        let parsed: HeaderName = name.parse().map_err(|_| wrong("that is no name of a header"))?;
        if ["content-length", "transfer-encoding", "connection", "host"].contains(&parsed.as_str()) {
            return Err(wrong("this header is set by umishop itself"));
        }
        let value = HeaderValue::from_str(value.expose_secret())
            .map_err(|_| wrong("its value has a line break or a control character"))?;
        headers.insert(parsed, value);
    }
    Ok(headers)
}

#[async_trait]
impl Channel for Http {
    fn markup(&self) -> Markup {
        Markup::Plain
    }

    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        let headers = self.headers_for(message);
        let mut shown = vec![CONTENT_TYPE];
        if !self.headers.contains_key(IDEMPOTENCY_KEY) {
            shown.push(IDEMPOTENCY_KEY);
        }
        Ok(wire::readable(&self.method, &wire::shown_place(&self.url), &headers, &shown, &self.body(message)?))
    }

    async fn deliver(&self, message: &Rendered) -> Outcome {
        let body = match self.body(message) {
            Ok(body) => body,
            Err(why) => return Outcome::dead(Scope::Message, why, "check `body` of this channel"),
        };
        let answer = match wire::request(&self.method, &self.url, &self.headers_for(message), body) {
            Ok(request) => self.wire.call(request).await,
            Err(outcome) => return outcome,
        };
        match answer {
            Ok(answer) if self.success.iter().any(|statuses| statuses.contain(answer.status)) => {
                Outcome::delivered(format!("HTTP {}", answer.status))
            }
            Ok(answer) => answer.refusal(),
            Err(outcome) => outcome,
        }
    }
}

impl Http {
    fn headers_for(&self, message: &Rendered) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Ok(id) = HeaderValue::from_str(&message.id.to_string()) {
            headers.entry(IDEMPOTENCY_KEY).or_insert(id);
        }
        headers
    }

    fn body(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        let fields = message.to_json();
        match &self.body {
            None => Ok(fields.to_string().into_bytes()),
            Some(body) => body.fill(&fields).map(String::into_bytes),
        }
    }
}

/// How values are written into the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Json,
    Form,
    Text,
}

impl Notation {
    fn of(headers: &HeaderMap) -> Self {
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        if content_type.contains("json") {
            Self::Json
        } else if content_type.contains("x-www-form-urlencoded") {
            Self::Form
        } else {
            Self::Text
        }
    }

    fn escape(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Json => {
                let quoted = serde_json::Value::from(text).to_string();
                Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
            }
            Self::Form => Cow::Owned(url::form_urlencoded::byte_serialize(text.as_bytes()).collect()),
            Self::Text => Cow::Borrowed(text),
        }
    }
}

/// The body's template.
struct Body {
    environment: Environment<'static>,
    notation: Notation,
}

impl Body {
    fn new(source: String, notation: Notation) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(move |out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value| {
            let text = match value.kind() {
                ValueKind::None => String::new(),
                ValueKind::Bool => value.is_true().to_string(),
                _ => value.to_string(),
            };
            out.write_str(&if value.is_safe() { Cow::Borrowed(text.as_str()) } else { notation.escape(&text) })
                .map_err(Into::into)
        });
        environment
            .add_template_owned("body", source)
            .map_err(|error| format!("line {}: {error}", error.line().unwrap_or(1)))?;
        let body = Self { environment, notation };
        // A text that is valid neither inside quotes unless escaped, nor outside of them at all; and nothing.
        for (text, optional) in [("a\"b\\c\n", json!("a\"b\\c\n")), ("", json!(null))] {
            body.fill(&json!({
                "id": "0", "purpose": "request", "created_at": "2026-01-01T00:00:00.000Z", "subject": text, "text": text, "chat_url": optional, "name": text,
                "email": optional, "phone": text, "topic": text, "topic_unknown": false, "question": text, "source": text,
            }))?;
        }
        Ok(body)
    }

    fn fill(&self, fields: &serde_json::Value) -> Result<String, String> {
        let filled = self.environment.get_template("body").and_then(|template| template.render(Serde(fields)));
        let filled = filled.map_err(|error| format!("line {}: {error}", error.line().unwrap_or(1)))?;
        if self.notation == Notation::Json
            && let Err(error) = serde_json::from_str::<IgnoredAny>(&filled)
        {
            return Err(format!(
                "the body is not JSON once it is filled in ({error}): write \"{{{{ field }}}}\" with quotes around it, or {{{{ field | tojson }}}} without"
            ));
        }
        Ok(filled)
    }
}

/// Statuses, as `"2xx"`, `"409"` or `"200-204"` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    const fn contain(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }

    fn parse(text: &str) -> Option<Self> {
        let status = |text: &str| text.trim().parse().ok().filter(|status| (100..600).contains(status));
        let (first, last) = match text.strip_suffix("xx") {
            Some(class) => {
                let class: u16 = class.parse().ok().filter(|class| (1..6).contains(class))?;
                (class * 100, class * 100 + 99)
            }
            None => match text.split_once('-') {
                Some((first, last)) => (status(first)?, status(last)?),
                None => (status(text)?, status(text)?),
            },
        };
        (first <= last).then_some(Self { first, last })
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` names no statuses: write \"2xx\", \"409\" or \"200-204\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{About, Context, MessageId, Purpose, Timestamp};

    fn rendered(question: &str) -> Rendered {
        let created_at = Timestamp::from_millis(1_795_509_000_000);
        Rendered {
            id: MessageId::new(created_at),
            created_at,
            purpose: Purpose::Request,
            about: About::default(),
            subject: question.into(),
            text: question.into(),
            rich: question.into(),
            chat_url: None,
            thread: None,
            context: Context { question: question.into(), ..Context::default() },
        }
    }

    fn filled(source: &str, notation: Notation, question: &str) -> Result<String, String> {
        Body::new(source.into(), notation)?.fill(&rendered(question).to_json())
    }

    #[test]
    fn a_value_outside_of_quotes_is_refused_when_the_channel_is_opened() {
        let error = filled(r#"{"text": {{ question }}}"#, Notation::Json, "1, \"admin\": true").unwrap_err();
        assert!(error.contains("{{ field | tojson }}"), "{error}");
        assert!(
            filled(r#"{"text": {{ question | tojson }}, "flag": {{ topic_unknown }}}"#, Notation::Json, "x").is_ok()
        );
    }

    #[test]
    fn a_field_that_does_not_exist_is_refused_when_the_channel_is_opened() {
        assert!(filled(r#"{"text": "{{ qestion }}"}"#, Notation::Json, "x").unwrap_err().contains("line 1"));
    }

    #[test]
    fn a_form_is_encoded_and_plain_text_is_left_alone() {
        assert_eq!(filled("q={{ question }}&to=1", Notation::Form, "a&to=2 ñ").unwrap(), "q=a%26to%3D2+%C3%B1&to=1");
        assert_eq!(filled("{{ question }}", Notation::Text, "a & \"b\"").unwrap(), "a & \"b\"");
    }

    #[test]
    fn statuses_are_a_class_a_number_or_a_range() {
        let parsed = |text| Statuses::parse(text).map(|statuses| (statuses.first, statuses.last));
        assert_eq!(
            (parsed("2xx"), parsed("409"), parsed("200-204")),
            (Some((200, 299)), Some((409, 409)), Some((200, 204)))
        );
        for bad in ["", "xx", "9xx", "99", "204-200", "ok"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_question_adds_to_a_json_document(question in any::<String>()) {
            let body = filled(r#"{"text": "{{ question }}", "whole": {{ question | tojson }}}"#, Notation::Json, &question).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), json!({"text": question, "whole": question}));
        }
    }
}
