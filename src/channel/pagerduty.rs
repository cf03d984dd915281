//! PagerDuty: events of the Events API v2.
//!
//! A question opens an alert, which its request's later states acknowledge and resolve: they name it by the same
//! `dedup_key`, the request's id. PagerDuty drops what acknowledges or resolves an alert that it does not know, and what
//! comes over another integration than the alert did. A repeated attempt adds a line to the open alert, no second alert.
//!
//! Sources: PagerDuty/developer-docs, "Events API v2 Overview" (response codes, limits) and "Send an Alert Event" (fields,
//! lengths, de-duplication); for the words of a refused key, what PagerDuty answered in blockpane/tenderduty#10 and
//! robusta-dev/robusta#571.

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::api::{Api, Call, Web, address, below, wrong};
use super::secrets::Secrets;
use super::text::{fit, start};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Outcome, Purpose, Rendered, Scope};

/// PagerDuty.
pub(super) const KIND: Kind = Kind {
    name: "pagerduty",
    summary: "Opens an alert in PagerDuty, and acknowledges and resolves it as the request goes on.",
    example: r#"
routing_key = "4711correct-horse11bb22cc33dd44e"         # the integration key of a service
api_url     = "https://events.pagerduty.com"             # in the EU: https://events.eu.pagerduty.com
# severity  = "error"                                    # or critical, warning, info
# source    = "umishop"                                  # where an alert says that it comes from
# timeout   = "15s"
"#,
    pasted: &["pagerduty://{routing_key}"],
    notes: "
- **The key**: in PagerDuty open the service whose people shall be called, then *Integrations*, *Add an integration*,
  *Events API V2*; copy its *Integration Key*, 32 letters and digits. A key of PagerDuty's REST API is another thing, and
  is refused. A service in the EU region needs the `api_url` of the EU.
- **A request's life**: a question opens an alert; `umishop requests acknowledge ID` (or the API) acknowledges it, and so
  nobody is called any more; `answer` and `close` resolve it. That is carried in order, after the question, and tried
  again like everything else. What happens in PagerDuty does not come back to umishop.
- **Tests, alerts and reports** of umishop open an alert each, which somebody has to resolve in PagerDuty.
- **Who is called** is decided by the service: `severity` picks high or low urgency only where the service is set to
  follow it. A disabled service, and one under maintenance, takes events and calls nobody.
- **Limits**: a title holds 1,024 characters; a question is cut after 10,000, with a note that the rest is in the
  console. PagerDuty takes about 120 events a minute for one key.
- A customer's text is a field of the alert, and nothing else.
",
    meanings: MEANINGS,
    shared: &[],
    pace: Pace { rate: "120/m", burst: 10, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["Invalid routing key*", "Length of 'routing_key'*", "'routing_key' *"],
        Scope::Channel,
        "copy the Integration Key of an Events API V2 integration into `routing_key`; in the EU check `api_url`, too",
    ),
    Meaning::dead(&["HTTP 400", "HTTP 413"], Scope::Message, "PagerDuty does not take this event"),
    Meaning::retry(&["HTTP 429"], Scope::Channel, "nothing: too many events came within a minute"),
];

/// PagerDuty's limit of a title, in characters.
const LONGEST_SUMMARY: usize = 1024;

/// PagerDuty takes 512 KB in all; long before that nobody reads on.
const LONGEST_DETAIL: usize = 10_000;

/// PagerDuty does not say how long to wait, but for "a few minutes"; its limit is one of events in a minute.
const PATIENCE: Duration = Duration::from_mins(2);

// No Debug: it holds a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    routing_key: SecretString,
    #[serde(default = "default_api_url")]
    api_url: String,
    #[serde(default)]
    severity: Severity,
    #[serde(default = "default_source")]
    source: String,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

/// How bad it is, in PagerDuty's words.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Critical,
    #[default]
    Error,
    Warning,
    Info,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

fn default_api_url() -> String {
    "https://events.pagerduty.com".to_owned()
}

fn default_source() -> String {
    "umishop".to_owned()
}

/// One integration of a service.
struct PagerDuty {
    enqueue: Url,
    routing_key: SecretString,
    severity: Severity,
    source: String,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let Settings { routing_key, api_url, severity, source, timeout } = table.extract()?;
    if routing_key.expose_secret().trim().is_empty() {
        return Err(wrong("routing_key", "write the Integration Key of an Events API V2 integration"));
    }
    if source.trim().is_empty() {
        return Err(wrong("source", "an alert has to say where it comes from: write a name, or leave `source` out"));
    }
    let api = address("api_url", &api_url)?;
    let secrets = Secrets::these([routing_key.expose_secret()]);
    let enqueue = below(&api, &["v2", "enqueue"]);
    Ok(Web::open(&KIND, PagerDuty { enqueue, routing_key, severity, source }, &api, secrets, timeout))
}

impl Api for PagerDuty {
    fn follows(&self) -> bool {
        true
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let action = match message.purpose {
            Purpose::Welcome | Purpose::Request | Purpose::Test | Purpose::Alert | Purpose::Report => "trigger",
            Purpose::Acknowledged => "acknowledge",
            Purpose::Answered | Purpose::Closed => "resolve",
        };
        let alert = message.about.request.map_or_else(|| message.id.to_string(), |request| request.to_string());
        let mut event = json!({
            "routing_key": self.routing_key.expose_secret().trim(), "event_action": action, "dedup_key": alert,
        });
        if action == "trigger" {
            event["client"] = json!("umishop");
            event["payload"] = json!({
                "summary": start(&message.subject, LONGEST_SUMMARY),
                // Nobody is to be woken for it.
                "severity": if message.purpose == Purpose::Report { "info" } else { self.severity.as_str() },
                "source": self.source,
                "timestamp": message.created_at.to_string(),
                "custom_details": details(message),
            });
            if let Some(url) = &message.chat_url {
                event["links"] = json!([{"href": url, "text": "Open chat"}]);
            }
        }
        Ok(Call::post(self.enqueue.clone(), &event))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        if answer.status == 202 {
            return Outcome::delivered(said["dedup_key"].as_str().unwrap_or_default());
        }
        let errors: Vec<&str> = said["errors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let message = said["message"].as_str().unwrap_or_default();
        let codes: Vec<&str> = errors.iter().copied().chain([message, answer.body.trim()]).collect();
        let explained = if errors.is_empty() { message.to_owned() } else { errors.join("; ") };
        match answer.judge(MEANINGS, &codes, &explained) {
            Outcome::Retry { after: None, scope: Scope::Channel, why } => {
                Outcome::Retry { after: Some(PATIENCE), scope: Scope::Channel, why }
            }
            outcome => outcome,
        }
    }
}

/// What the alert shows beside its title: what is known of the question, or the text of anything else.
fn details(message: &Rendered) -> Value {
    let about = &message.context;
    let email = about.email.as_ref().map_or("", |email| email.as_str());
    let fields: &[(&str, &str)] = match message.purpose {
        Purpose::Request => &[
            ("topic", &about.topic),
            ("question", &about.question),
            ("name", &about.name),
            ("email", email),
            ("phone", &about.phone),
            ("source", &about.source),
        ],
        _ => &[("text", message.text.trim_end())],
    };
    let told = fields
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| ((*name).to_owned(), Value::from(fit(text, LONGEST_DETAIL))));
    Value::Object(told.collect::<Map<_, _>>())
}
