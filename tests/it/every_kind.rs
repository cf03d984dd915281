//! One request over every kind at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use umishop::channel::{KINDS, Kind};

use crate::channel_answers::taken;
use crate::channel_contract::{table_to, try_open};
use crate::sinks::{Entrance, HttpSink, SmtpSink};
use crate::support::TestApp;

const QUESTION: &str = "Question4711";

/// The table of a channel that leads to `address`, as fast as it can.
fn table(kind: &Kind, address: &str) -> String {
    let table = if kind.name == "email" {
        format!("server = \"smtp://{address}\"\nfrom = \"UmiShop <hello@shop.test>\"\nto = \"desk@shop.test\"\n")
    } else {
        // Live, nobody writes as an address that does not exist.
        table_to(kind, address).replace("300ms", "30s").replace("umishop.example", "shop.test")
    };
    format!("[channels.{}.all]\n{table}\nrate = \"none\"\n", kind.name)
}

#[tokio::test]
async fn a_question_reaches_every_receiver_once_and_all_of_them_agree_with_the_store() {
    let mail = SmtpSink::start(Entrance::Plain).await;
    let mut sinks = BTreeMap::new();
    let mut config = String::new();
    let mut channels = Vec::new();
    let mut to_customers = Vec::new();
    for kind in KINDS {
        let address = if kind.name == "email" {
            mail.address().clone()
        } else {
            let sink = HttpSink::answering(Some(taken(kind))).await;
            let address = sink.url("").trim_start_matches("http://").to_owned();
            sinks.insert(kind.name, sink);
            address
        };
        let table = table(kind, &address);
        let channel = format!("{}.all", kind.name);
        let opened =
            try_open(kind, &table.replace("rate = \"none\"", "").lines().skip(1).collect::<Vec<_>>().join("\n"));
        if opened.unwrap_or_else(|error| panic!("{channel}: {error}")).has_own_address() {
            config += &table;
            channels.push(channel);
        } else {
            to_customers.push((channel, table));
        }
    }
    // A channel that only writes to customers cannot carry a question: it carries the welcome, or takes that over.
    let mut next = String::new();
    for (channel, table) in to_customers.iter().rev() {
        let fallback = if next.is_empty() { String::new() } else { format!("fallback = \"{next}\"\n") };
        config += table;
        config += &fallback;
        next.clone_from(channel);
    }
    let welcome = next;
    let _ = write!(config, "[welcome]\nchannel = \"{welcome}\"\n[[routes]]\nchannels = {channels:?}\n");
    let app = TestApp::start_live(&config).await;
    let ana = json!({
        "name": "Ana", "email": "ana@example.com", "phone": "+34 612 345 678", "customer_id": "77",
        "topic": "Pricing", "question": QUESTION, "utm_source": "google",
    });
    assert_eq!(app.post("/umishop_api/user", &ana).await.json()["status"], "created");
    assert_eq!(app.post("/umishop_api/topic", &ana).await.json()["status"], "queued");
    app.advance(Duration::from_mins(2)).await;

    let messages = app.items("/api/messages?limit=100").await;
    assert_eq!(messages.len(), channels.len() + usize::from(!welcome.is_empty()));
    for message in &messages {
        assert_eq!((&message["state"], &message["attempts"]), (&json!("delivered"), &json!(1)), "{message}");
    }
    let silent = |name: &str| to_customers.iter().any(|(channel, _)| channel.starts_with(name) && *channel != welcome);
    for (name, sink) in sinks.iter().filter(|(name, _)| !silent(name)) {
        let requests = sink.requests();
        assert_eq!(requests.len(), 1, "{name}: {requests:?}");
        if !welcome.starts_with(name) {
            assert!(requests[0].body.contains(QUESTION), "{name}: {}", requests[0].body);
        }
    }
    assert_eq!(mail.mails().len(), 1);
    assert!(mail.mails()[0].text.contains(QUESTION));
}
