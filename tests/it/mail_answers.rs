//! Every answer that a mail server is documented to give, replayed over a real socket: what comes of it.

use figment::Figment;
use figment::providers::{Format as _, Toml};
use serde::Deserialize;
use umishop::channel::kind;
use umishop::domain::{Outcome, Purpose};

use crate::channel_contract::{message, try_open};
use crate::sinks::{Entrance, SmtpSink};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixtures {
    answer: Vec<Fixture>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Where the server says so: a command, the `greeting`, or after the `text`.
    stage: String,
    reply: String,
    /// The outcome's word, and its scope: `dead channel`.
    outcome: String,
    /// Part of what the operator is told.
    #[serde(default)]
    told: String,
    /// Where the answer is documented.
    source: String,
}

fn fixtures() -> Vec<Fixture> {
    let fixtures: Fixtures =
        Figment::from(Toml::string(include_str!("fixtures/answers/email.toml"))).extract().unwrap();
    fixtures.answer
}

#[tokio::test]
async fn every_documented_answer_means_what_it_should() {
    let mut wrong = Vec::new();
    for fixture in fixtures() {
        let needs_login = fixture.stage == "AUTH";
        for entrance in [Entrance::Plain, Entrance::Pipelining] {
            if needs_login && entrance == Entrance::Pipelining {
                continue;
            }
            let sink = SmtpSink::answering(entrance, Some((&fixture.stage, &fixture.reply))).await;
            let login = if needs_login { "username = \"apikey\"\npassword = \"secret\"\n" } else { "" };
            let table = format!("server = \"smtp://{}\"\nfrom = \"hello@umishop.example\"\n{login}", sink.address());
            let channel = try_open(kind("email").unwrap(), &table).unwrap();
            let outcome = channel.deliver(&message(Purpose::Welcome, "ana@example.com", channel.markup())).await;
            let scope = outcome.scope().map_or_else(String::new, |scope| format!(" {scope}"));
            let reply = fixture.reply.lines().next().unwrap();
            // A server that says no has taken nothing, and the operator reads its own words.
            let words = reply.trim_start_matches(|c: char| c.is_ascii_digit() || "-. ".contains(c));
            let is_told = matches!(outcome, Outcome::Delivered { .. }) || outcome.explanation().contains(words);
            if format!("{}{scope}", outcome.word()) != fixture.outcome
                || !outcome.explanation().contains(&fixture.told)
                || !is_told
            {
                wrong.push(format!("{} {reply} ({}): {outcome:?}", fixture.stage, fixture.source));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
