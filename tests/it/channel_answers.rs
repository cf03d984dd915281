//! Every answer that a receiver is documented to give, replayed over a real socket: what comes of it.
//!
//! `fixtures/answers/<kind>.toml` has them, each with where it is documented. A new kind needs such a file: without one,
//! or with one that leaves out what every receiver can answer, the suite fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use serde::Deserialize;
use umishop::channel::{KINDS, Kind};
use umishop::domain::{Outcome, Purpose};

use crate::channel_contract::{message, table_to, try_open};
use crate::sinks::{FixedAnswer, HttpSink};

/// Kinds that do not speak HTTP have suites of their own.
const OTHERS: &[&str] = &["email"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixtures {
    /// Where the answers are documented, unless one says otherwise.
    source: String,
    /// Other tables than the example, by a name; `{sink}` is where the receiver listens.
    #[serde(default)]
    tables: BTreeMap<String, String>,
    answer: Vec<Fixture>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// When it is given.
    when: String,
    source: Option<String>,
    table: Option<String>,
    #[serde(default = "request")]
    purpose: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// The outcome's word, and its scope: `dead channel`.
    outcome: String,
    /// How long the receiver asks us to wait, in seconds.
    after: Option<f64>,
    reference: Option<String>,
    /// Part of what the operator is told.
    #[serde(default)]
    told: String,
}

fn request() -> String {
    "request".to_owned()
}

fn fixtures(kind: &Kind) -> Fixtures {
    let path = format!("tests/it/fixtures/answers/{}.toml", kind.name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{path}: {error}; every kind needs one, see `Adding a kind` in docs/channels.md")
    });
    Figment::from(Toml::string(&text)).extract().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The answer of a receiver that takes the message.
pub(crate) fn taken(kind: &Kind) -> FixedAnswer {
    let fixtures = fixtures(kind).answer;
    let taken = fixtures.into_iter().find(|fixture| fixture.outcome == "delivered" && fixture.table.is_none()).unwrap();
    (taken.status, lines(&taken.headers), taken.body)
}

fn lines(headers: &BTreeMap<String, String>) -> String {
    headers.iter().fold(String::new(), |lines, (name, value)| lines + name + ": " + value + "\r\n")
}

fn over_http() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| !OTHERS.contains(&kind.name))
}

fn shown(outcome: &Outcome) -> String {
    outcome
        .scope()
        .filter(|_| outcome.word() != "unknown")
        .map_or_else(|| outcome.word().to_owned(), |scope| format!("{} {scope}", outcome.word()))
}

#[tokio::test]
async fn every_documented_answer_means_what_it_should() {
    let mut wrong = Vec::new();
    for kind in over_http() {
        let fixtures = fixtures(kind);
        for fixture in &fixtures.answer {
            let answer = (fixture.status, lines(&fixture.headers), fixture.body.clone());
            let sink = HttpSink::answering(Some(answer)).await;
            let table = match &fixture.table {
                Some(name) => fixtures.tables[name].replace("{sink}", &sink.url("")),
                None => table_to(kind, sink.url("").trim_start_matches("http://")).replace("300ms", "10s"),
            };
            let channel = try_open(kind, &table).unwrap_or_else(|error| panic!("{}: {error}\n{table}", kind.name));
            let purpose: Purpose = fixture.purpose.parse().unwrap();
            let outcome = channel.deliver(&message(purpose, "ana@example.com", channel.markup())).await;
            let after = if let Outcome::Retry { after, .. } = &outcome { *after } else { None };
            let reference = if let Outcome::Delivered { reference, .. } = &outcome { reference.as_str() } else { "" };
            let is_right = shown(&outcome) == fixture.outcome
                && after == fixture.after.map(Duration::from_secs_f64)
                && fixture.reference.as_deref().is_none_or(|wanted| wanted == reference)
                && outcome.explanation().contains(&fixture.told)
                && sink.requests().len() == 1;
            if !is_right {
                let source = fixture.source.as_ref().unwrap_or(&fixtures.source);
                wrong.push(format!("{}, {} ({source}): {outcome:?}", kind.name, fixture.when));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_kind_knows_success_patience_a_revoked_credential_and_a_refused_message() {
    for kind in over_http() {
        let fixtures = fixtures(kind);
        for word in ["delivered", "retry channel", "retry message", "dead channel", "dead message"] {
            assert!(
                fixtures.answer.iter().any(|fixture| fixture.outcome == word),
                "{}: no fixture ends as `{word}`",
                kind.name
            );
        }
        for meaning in kind.meanings {
            for code in meaning.codes {
                let code = code.trim_end_matches('*');
                let status = code.strip_prefix("HTTP ").and_then(|status| status.parse().ok());
                // Some receivers tell a code in two parts, or one of a range: then the fixture's own words name it.
                let is_given = |fixture: &Fixture| {
                    fixture.body.contains(code) || fixture.when.contains(code) || status == Some(fixture.status)
                };
                assert!(fixtures.answer.iter().any(is_given), "{}: no fixture has `{code}`", kind.name);
            }
        }
    }
}

/// What each kind sends, in full: read it when it changes.
#[test]
fn every_kind_sends_what_its_snapshot_shows() {
    for kind in KINDS {
        let channel = try_open(kind, kind.example).unwrap();
        let mut sent = String::new();
        for purpose in Purpose::ALL.iter().filter(|purpose| channel.follows() || !purpose.is_follow_up()) {
            let mut rendered = message(*purpose, "ana@example.com", channel.markup());
            rendered.id = umishop::domain::MessageId::from_bytes([7; 16]);
            let composed = channel.compose(&rendered);
            let text = composed.map_or_else(|why| format!("({why})"), |bytes| String::from_utf8(bytes).unwrap());
            let _ = write!(sent, "# {purpose}\n\n{}\n\n", text.trim_end().replace("\r\n", "\n"));
        }
        let path = format!("tests/it/fixtures/requests/{}.txt", kind.name);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, &sent).unwrap();
        }
        let wanted = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(sent == wanted, "{path} is not what is sent now; `just bless` writes it anew:\n{sent}");
    }
}
