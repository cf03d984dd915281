//! ntfy: a push notification to whoever follows a topic, on ntfy.sh or a server of one's own.
//!
//! Published as JSON. A server takes twice its `message-size-limit` of that, and makes an attachment of a message that is
//! longer than the limit, so a text is fitted into it as it stands in the JSON. The message's id goes along as `sequence_id`:
//! since version 2.16 a phone shows one notification for it, however often it was published; older servers do not look at it.
//!
//! Sources: docs.ntfy.sh, "Publishing" (JSON, priorities, action buttons, updating notifications, limits), "Configuration"
//! (`message-size-limit`, rate limiting); github.com/binwiederhier/ntfy, `server/errors.go` (the errors' numbers),
//! `server/server.go` (`/v1/account`, names of topics).

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::HeaderValue;
use url::Url;

use super::api::{Api, Call, Web, address, basic, below, credential, wrong};
use super::secrets::Secrets;
use super::text::{bytes_in_json, fit_sized};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Outcome, Purpose, Rendered, Scope};

/// ntfy.
pub(super) const KIND: Kind = Kind {
    name: "ntfy",
    summary: "Sends a push notification to whoever follows a topic on ntfy.sh, or on an ntfy server of your own.",
    example: r#"
server   = "https://ntfy.sh"
topic    = "umishop-sales-4x8Qk2"      # letters, digits, - and _
token    = "tk_correct-horse-battery"  # or username and password; ntfy.sh needs none
# username = "umishop"
# password = "correct-horse-battery"
# priority = 3                         # of questions: 1 (silent) to 5; alerts are one more urgent
# timeout  = "15s"
"#,
    pasted: &[
        "ntfy://{username}:{password}@{https:server}/{topic}",
        "ntfy://{token}@{https:server}/{topic}",
        "ntfy://{https:server}/{topic}",
    ],
    notes: "
- **On a phone**: install the app ntfy, add a subscription, and write the topic and, if it is not ntfy.sh, the server.
- **Without a login** the topic is the password: whoever guesses it reads your customers' questions, and can send you more.
  Take a long one that nobody guesses, or better a server of your own whose `auth-default-access` is `deny-all`.
- **With a login**: `ntfy user add umishop`, `ntfy access umishop TOPIC write-only` and `ntfy token add umishop` on the
  server; the token goes into `token`. Who reads gets `ntfy access NAME TOPIC read-only`.
- A notification opens the customer's chat when it is touched.
- A message that is sent again because its answer got lost replaces the first one, from ntfy 2.16 on.
- **Limits**: 4,096 bytes of text; what does not fit can be read in the console. A server takes 60 requests at once and then
  one in five seconds from each address; ntfy.sh 250 messages a day without an account that is paid for. Then the channel
  waits, so name a `fallback`.
- A customer's text is shown as it was written.
",
    meanings: MEANINGS,
    shared: &[],
    // The server's own bucket holds 60 requests, and one more comes in five seconds.
    pace: Pace { rate: "12/m", burst: 20, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["40101", "HTTP 401"],
        Scope::Channel,
        "the login is wrong: check `token`, or `username` and `password`",
    ),
    Meaning::dead(
        &["40301", "HTTP 403"],
        Scope::Channel,
        "this login may not write to the topic: `ntfy access USERNAME TOPIC write-only` on the server",
    ),
    Meaning::dead(&["40009", "40010"], Scope::Destination, "the server does not allow this `topic`: take another one"),
    Meaning::dead(
        &["40401", "HTTP 404", "HTTP 405"],
        Scope::Channel,
        "no ntfy server answers there: check `server`, which is an address without the topic",
    ),
    Meaning::dead(
        &["40014", "41301", "41303"],
        Scope::Message,
        "the server takes less than 4,096 bytes: raise its `message-size-limit`",
    ),
    Meaning::retry(
        &["42905", "42908"],
        Scope::Channel,
        "what the server takes in a day is used up: it goes on when there is more",
    ),
    Meaning::retry(
        &["42901", "42904", "42909"],
        Scope::Channel,
        "nothing: it goes on by itself; a server of your own can raise its limits",
    ),
    Meaning::dead(
        &["50701"],
        Scope::Destination,
        "topics that begin with `up` belong to UnifiedPush: take another `topic`",
    ),
];

/// ntfy's limit of a message, in bytes.
const LONGEST_TEXT: usize = 4096;

/// ntfy's limit of a topic's name, in characters.
const LONGEST_TOPIC: usize = 64;

// No Debug: it holds a token or a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "default_server")]
    server: String,
    topic: String,
    token: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    #[serde(default = "default_priority")]
    priority: u8,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

fn default_server() -> String {
    "https://ntfy.sh".to_owned()
}

const fn default_priority() -> u8 {
    3
}

/// A topic on a server.
struct Ntfy {
    server: Url,
    topic: String,
    login: Option<HeaderValue>,
    priority: u8,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let server = address("server", &settings.server)?;
    let topic = settings.topic.trim().to_owned();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if topic.is_empty() || topic.len() > LONGEST_TOPIC || !topic.bytes().all(is_name) {
        return Err(wrong("topic", "a topic is 1 to 64 letters, digits, - and _, without the server's address"));
    }
    if !(1..=5).contains(&settings.priority) {
        return Err(wrong("priority", "a priority is 1 (silent) to 5 (most urgent)"));
    }
    let (login, secrets) = login(&settings, &topic)?;
    let ntfy = Ntfy { server: server.clone(), topic, login, priority: settings.priority };
    Ok(Web::open(&KIND, ntfy, &server, secrets, settings.timeout))
}

/// The header of the login, and what is secret: without a login the topic is.
fn login(settings: &Settings, topic: &str) -> Result<(Option<HeaderValue>, Secrets), figment::Error> {
    match (&settings.token, &settings.username, &settings.password) {
        (None, None, None) => Ok((None, Secrets::these([topic]))),
        (Some(token), None, None) => {
            Ok((Some(credential("token", "Bearer", token)?), Secrets::these([token.expose_secret()])))
        }
        (None, Some(username), Some(password)) => {
            let (header, login) = basic("password", username, password)?;
            Ok((Some(header), Secrets::these([password.expose_secret(), login.as_str()])))
        }
        (Some(_), ..) => Err(wrong("token", "write either `token`, or `username` and `password`, not both")),
        (None, Some(_), None) => Err(wrong("password", "a `username` needs its `password`; a token goes into `token`")),
        (None, None, Some(_)) => Err(wrong("username", "a `password` needs its `username`")),
    }
}

impl Ntfy {
    fn as_us(&self, call: Call) -> Call {
        match &self.login {
            Some(login) => call.authorized(login),
            None => call,
        }
    }

    fn body(&self, message: &Rendered) -> Value {
        let (priority, tag) = match message.purpose {
            Purpose::Alert => ((self.priority + 1).min(5), "warning"),
            Purpose::Request => (self.priority, "speech_balloon"),
            Purpose::Welcome | Purpose::Test => (self.priority, "wave"),
            Purpose::Report => (self.priority, "bar_chart"),
            Purpose::Acknowledged | Purpose::Answered | Purpose::Closed => (self.priority, "white_check_mark"),
        };
        let mut body = json!({
            "topic": self.topic,
            "title": message.subject,
            "message": fit_sized(message.text.trim(), LONGEST_TEXT, bytes_in_json),
            "priority": priority,
            "tags": [tag],
            "sequence_id": message.id.to_string(),
        });
        if let Some(url) = &message.chat_url {
            body["click"] = json!(url);
            body["actions"] = json!([{"action": "view", "label": "Open chat", "url": url}]);
        }
        body
    }
}

impl Api for Ntfy {
    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        Ok(self.as_us(Call::post(self.server.clone(), &self.body(message))))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        said(answer, "id")
    }

    fn question(&self) -> Option<Call> {
        Some(self.as_us(Call::get(below(&self.server, &["v1", "account"]))))
    }

    fn checked(&self, answer: &Answer) -> Outcome {
        match said(answer, "username") {
            Outcome::Delivered { reference, .. } if reference == "*" => Outcome::delivered("nobody, without a login"),
            outcome => outcome,
        }
    }
}

/// What an answer means that has `name` when it is a yes; an error has a number of ntfy's own.
fn said(answer: &Answer, name: &str) -> Outcome {
    let said = answer.json();
    if answer.status == 200 {
        return match said[name].as_str() {
            Some(reference) => Outcome::delivered(reference),
            None => answer.is_not("ntfy's"),
        };
    }
    let code = said["code"].as_u64().map(|code| code.to_string()).unwrap_or_default();
    let words = match said["error"].as_str() {
        Some(error) if !code.is_empty() => format!("{error} ({code})"),
        _ => String::new(),
    };
    answer.judge(MEANINGS, &[&code], &words)
}
