//! Matrix: a message of a user of our own into a room, over the client-server API.
//!
//! The message's id is the transaction's: a server answers a repeated one with the event that it already made. The text
//! comes twice, plain and as HTML, as far as an event has room for both; `m.mentions` is there and empty, by which clients
//! know that nobody is meant, whatever names stand in the text.
//!
//! Sources: spec.matrix.org, "Client-Server API" v1.16: "Standard error response", "Common error codes", "Rate limiting"
//! (Retry-After, and `retry_after_ms` before), "PUT …/send/{eventType}/{txnId}", "GET …/account/whoami", "m.room.message
//! msgtypes" (HTML), "User and room mentions", "Size limits" (65,536 bytes an event); element-hq.github.io/synapse,
//! `rc_message` (0.2 a second, 10 at once). tests/peers/matrix holds this against Synapse itself.

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::HeaderValue;
use url::Url;

use super::api::{Api, Call, Web, address, after, below, credential, wrong};
use super::secrets::Secrets;
use super::text::{bytes_in_json, escape_html, fit_sized};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Markup, Outcome, Rendered, Scope};

/// Matrix.
pub(super) const KIND: Kind = Kind {
    name: "matrix",
    summary: "Writes to a Matrix room as a user of your own.",
    example: r#"
homeserver = "https://matrix.example.com"        # where its clients connect to
token      = "syt_correct-horse_battery_staple"  # the access token of the user that writes
room       = "!OGEhHVWSdvArJzumhm:example.com"   # the room's internal id
# timeout    = "15s"
"#,
    pasted: &["matrix://{token}@{https:homeserver}/{room}"],
    notes: "
- **The user**: register one for umishop. Its token is in Element under *Settings › Help & About › Advanced › Access Token*;
  close that window instead of logging out, which would end the token.
- **The room**: invite that user and let it join. The id is in Element under *Room settings › Advanced › Internal room ID*. It
  begins with `!` and outlives every renaming; an alias, which begins with `#`, is not taken.
- **Encryption**: umishop does not encrypt. In an encrypted room its messages can be read by the server, and clients mark
  them. Make a room without encryption: it cannot be turned off later.
- **The homeserver** can be at another address than the name in its users' ids: `https://NAME/.well-known/matrix/client`
  says which.
- A message that is sent again because its answer got lost is the same event.
- **Limits**: an event has 65,536 bytes; what does not fit can be read in the console. Synapse takes ten messages at once
  and then one in five seconds from each user; if its administrator lifts that, raise `rate`.
- A customer's text can mention nobody and forge no link.
",
    meanings: MEANINGS,
    shared: &[],
    // What Synapse takes of a user, unless its administrator says otherwise.
    pace: Pace { rate: "12/m", burst: 10, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_UNAUTHORIZED", "HTTP 401"],
        Scope::Channel,
        "the token has ended, as by a logout: log in anew and write the new one into `token`",
    ),
    Meaning::dead(
        &["M_USER_DEACTIVATED", "M_USER_LOCKED", "M_USER_SUSPENDED"],
        Scope::Channel,
        "the server has shut this user out: ask its administrator",
    ),
    Meaning::dead(&["M_CONSENT_NOT_GIVEN"], Scope::Channel, "log in as this user once and agree to the server's terms"),
    Meaning::dead(
        &["M_RESOURCE_LIMIT_EXCEEDED"],
        Scope::Channel,
        "the server has reached a limit of its own: ask its administrator",
    ),
    Meaning::dead(
        &["M_UNRECOGNIZED", "HTTP 404"],
        Scope::Channel,
        "no Matrix server answers there: https://NAME/.well-known/matrix/client says which `homeserver` is right",
    ),
    Meaning::dead(
        &["M_FORBIDDEN", "M_NOT_FOUND", "M_INVALID_PARAM"],
        Scope::Destination,
        "this user may not write into the room: check `room`, invite the user, let it join, and look at its power level",
    ),
    Meaning::dead(&["M_TOO_LARGE"], Scope::Message, "the text is too long for this server"),
    Meaning::retry(&["M_LIMIT_EXCEEDED"], Scope::Channel, "nothing: it goes on when the server says so"),
];

/// The most that both texts may take, in bytes of JSON. An event has 65,536, with the server's signatures and references.
const LONGEST_TEXT: usize = 60_000;

// No Debug: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    homeserver: String,
    token: SecretString,
    room: String,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

/// A room, as a user sees it.
struct Matrix {
    homeserver: Url,
    authorization: HeaderValue,
    room: String,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let homeserver = address("homeserver", &settings.homeserver)?;
    let authorization = credential("token", "Bearer", &settings.token)?;
    let room = settings.room.trim().to_owned();
    if !room.starts_with('!') || room.len() < 2 {
        return Err(wrong("room", "write the room's internal id, which begins with !: it is in the room's settings"));
    }
    let matrix = Matrix { homeserver: homeserver.clone(), authorization, room };
    Ok(Web::open(&KIND, matrix, &homeserver, Secrets::these([settings.token.expose_secret()]), settings.timeout))
}

impl Matrix {
    /// An address of the client-server API.
    fn place(&self, steps: &[&str]) -> Url {
        below(&below(&self.homeserver, &["_matrix", "client", "v3"]), steps)
    }
}

impl Api for Matrix {
    fn markup(&self) -> Markup {
        Markup::Inline
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let url = self.place(&["rooms", &self.room, "send", "m.room.message", &message.id.to_string()]);
        Ok(Call::put(url, &content(message)).authorized(&self.authorization))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        said(answer, "event_id")
    }

    fn question(&self) -> Option<Call> {
        Some(Call::get(self.place(&["account", "whoami"])).authorized(&self.authorization))
    }

    fn checked(&self, answer: &Answer) -> Outcome {
        said(answer, "user_id")
    }
}

/// What an answer means that has `name` when it is a yes.
fn said(answer: &Answer, name: &str) -> Outcome {
    let said = answer.json();
    if answer.status == 200 {
        return match said[name].as_str() {
            Some(reference) => Outcome::delivered(reference),
            None => answer.is_not("Matrix's"),
        };
    }
    let code = said["errcode"].as_str().unwrap_or_default();
    let words = match said["error"].as_str() {
        Some(error) if !code.is_empty() => format!("{code}: {error}"),
        _ => code.to_owned(),
    };
    after(answer.judge(MEANINGS, &[code], &words), said["retry_after_ms"].as_f64().map(|millis| millis / 1000.0))
}

/// The text, and the same as HTML unless both are too much.
fn content(message: &Rendered) -> Value {
    let size = |text: &str| text.chars().map(bytes_in_json).sum::<usize>();
    let (plain, html) = (format!("{}\n\n{}", message.subject, message.text.trim()), html(message));
    let mut content = json!({
        "msgtype": "m.text",
        "body": fit_sized(&plain, LONGEST_TEXT, bytes_in_json),
        "m.mentions": {},
    });
    if size(&plain) + size(&html) <= LONGEST_TEXT {
        content["format"] = json!("org.matrix.custom.html");
        content["formatted_body"] = json!(html);
    }
    content
}

fn html(message: &Rendered) -> String {
    let link = match &message.chat_url {
        Some(url) => format!("\n\n<a href=\"{}\">Open chat</a>", escape_html(url)),
        None => String::new(),
    };
    let html = format!("<b>{}</b>\n\n{}{link}", message.heading, message.rich.trim());
    // A quote stands on lines of its own anyway.
    let html = html.replace("\n\n<blockquote>", "<blockquote>").replace("</blockquote>\n\n", "</blockquote>");
    html.replace('\n', "<br>")
}
