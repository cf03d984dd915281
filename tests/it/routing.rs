//! Where a question goes, as a bot and an operator meet it.

use std::time::Duration;

use serde_json::{Value, json};
use umishop::store::Overdue;

use crate::command_line::{configured, json_of, run};
use crate::support::{TestApp, retention};

/// A campaign with a desk of its own, a copy for a country, and the rest.
const ROUTES: &str = r#"
[channels.email.ads]
to = "ads@shop.test"
[channels.email.lisbon]
to = "lisbon@shop.test"

[[routes]]
channels = ["email.sales"]

[[routes]]
topic    = "Pricing"
when     = { source = "google", campaign = "summer-*" }
channels = ["email.ads"]
fallback = "email.sales"

[[routes]]
when     = { country = "PT" }
channels = ["email.lisbon", "slack.pricing"]
continue = true

[[routes]]
topic    = "Pricing"
aliases  = ["precios"]
channels = ["slack.pricing", "email.sales"]
"#;

async fn asked(app: &TestApp, more: &Value) -> Value {
    let mut body = json!({ "topic": "Pricing", "question": "How much?", "name": "Ana", "email": "ana@example.com" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = app.post("/umishop_api/topic", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The channels that messages were made for, in the order in which they were named.
async fn channels(app: &TestApp, request: &Value) -> Vec<String> {
    let user = app.items("/api/users").await;
    let user = app.api("GET", &format!("/api/users/{}", user[0]["id"].as_str().unwrap())).await.json();
    let messages = user["messages"].as_array().unwrap();
    let mut channels: Vec<String> = messages
        .iter()
        .filter(|message| message["request_id"] == request["id"])
        .map(|message| message["channel"].as_str().unwrap().to_owned())
        .collect();
    channels.sort();
    channels
}

#[tokio::test]
async fn a_campaign_goes_elsewhere_and_a_country_gets_its_copy() {
    let app = TestApp::start_with(ROUTES).await;
    for (question, told, topic, expected) in [
        ("1", json!({}), "Pricing", "slack.pricing, email.sales"),
        ("2", json!({ "utm_source": "Google", "utm_campaign": "summer-24" }), "Pricing", "email.ads"),
        ("3", json!({ "utm_source": "google", "utm_campaign": "winter" }), "Pricing", "slack.pricing, email.sales"),
        ("4", json!({ "topic": "precios", "country": "pt" }), "Pricing", "email.lisbon, slack.pricing, email.sales"),
        (
            "5",
            json!({ "topic": "Fish", "phone": "+351 912 345 678" }),
            "Fish",
            "email.lisbon, slack.pricing, email.sales",
        ),
    ] {
        let mut body = told;
        body["question"] = json!(question);
        let answer = asked(&app, &body).await;
        assert_eq!((&answer["topic"], &answer["channel"]), (&json!(topic), &json!(expected)), "{body}");
        let mut expected: Vec<&str> = expected.split(", ").collect();
        expected.sort_unstable();
        assert_eq!(channels(&app, &answer).await, expected, "{body}");
    }
    app.deliver_due().await;
    for (channel, expected) in [("email.ads", 1), ("email.lisbon", 2), ("email.sales", 4)] {
        let delivered = app.items(&format!("/api/messages?channel={channel}&state=delivered")).await;
        assert_eq!(delivered.len(), expected, "{channel}");
    }
}

#[tokio::test]
async fn only_what_this_call_tells_counts() {
    let app = TestApp::start_with(ROUTES).await;
    let first = asked(&app, &json!({ "country": "PT", "phone": "+351 912 345 678", "question": "1" })).await;
    assert_eq!(first["channel"], "email.lisbon, slack.pricing, email.sales");
    let later = asked(&app, &json!({ "question": "2" })).await;
    assert_eq!(later["channel"], "slack.pricing, email.sales", "the same customer, from nowhere in particular");
}

#[test]
fn route_explains_a_decision_line_by_line_as_the_webhook_makes_it() {
    let directory = configured(ROUTES);
    let line = |out: &str, start: &str| {
        let found = out.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} in {out}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let arguments = ["route", "--topic", "PRECIOS", "--utm_source", "Google", "--utm_campaign", "winter"];
    let phone = ["--channel", "landbot", "--phone", "+351 912 345 678", "--language", "pt_BR"];
    let (code, out, error) = run(directory.path(), &[&arguments[..], &phone].concat());
    assert_eq!(code, Some(0), "{error}");
    for (start, expected) in [
        ("country", "country PT"),
        ("channel", "channel web"),
        ("language", "language pt-BR"),
        (
            "config.toml:10",
            "config.toml:10 Pricing, when source = google, campaign = summer-* not taken: campaign is winter",
        ),
        (
            "config.toml:16",
            "config.toml:16 (any), when country = PT taken: email.lisbon, slack.pricing, and the search goes on",
        ),
        ("config.toml:21", "config.toml:21 Pricing taken: slack.pricing, email.sales, and the search ends"),
        ("config.toml:7", "config.toml:7 (anything else) not tried: the search ended at config.toml:21"),
    ] {
        assert_eq!(line(&out, start), expected);
    }
    assert!(out.ends_with("Goes to email.lisbon.\nGoes to slack.pricing.\nGoes to email.sales.\n"), "{out}");

    let (_, out, _) = run(directory.path(), &["route", "--topic", "Fish", "--country", "Spain"]);
    let catch_all = "config.toml:7 (anything else) taken: email.sales, since nothing else ended the search";
    assert_eq!(line(&out, "config.toml:7"), catch_all);
    assert_eq!(line(&out, "country"), "country Spain, which is no country's two letters");
    assert!(out.ends_with("No route names this topic: the message says so.\n"), "{out}");

    let paid = ["route", "--topic", "Pricing", "--utm_source", "google", "--utm_campaign", "Summer-1", "--json"];
    let explained = json_of(directory.path(), &paid);
    assert_eq!(explained["destinations"], json!([{ "channel": "email.ads", "fallback": "email.sales" }]));
    let verdicts: Vec<_> = explained["routes"].as_array().unwrap().iter().map(|route| &route["verdict"]).collect();
    assert_eq!(verdicts, ["taken", "not_tried", "not_tried", "not_tried"]);
    assert_eq!(explained["routes"][0]["place"], "config.toml:10");
}

#[test]
fn check_shows_conditions_and_where_the_search_goes_on() {
    let directory = configured(ROUTES);
    let (_, out, _) = run(directory.path(), &["check"]);
    for expected in ["source = google, campaign = summer-*", "country = PT", "email.lisbon, slack.pricing, and on"] {
        assert!(out.contains(expected), "{expected} in {out}");
    }
    let routes = &json_of(directory.path(), &["check", "--json"])["routes"];
    assert_eq!((&routes[1]["when"], &routes[1]["continue"]), (&json!({ "country": ["PT"] }), &json!(true)));
}

#[tokio::test]
async fn a_replay_tells_what_other_routes_would_have_done_with_the_requests_that_came() {
    let app = TestApp::start_with(ROUTES).await;
    app.catch_up();
    let pruned = asked(&app, &json!({ "question": "0" })).await;
    app.deliver_due().await;
    let forget = retention(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    app.pass(Duration::from_secs(1));
    while app.store().prune(forget, app.now()).await.unwrap().more {}
    let kept = asked(&app, &json!({ "question": "1", "utm_source": "google", "utm_campaign": "summer-1" })).await;
    let moved = asked(&app, &json!({ "question": "2", "utm_source": "google", "utm_campaign": "summer-2" })).await;
    let handed_over = asked(&app, &json!({ "question": "3" })).await;
    let overdue = Overdue {
        channel: "slack.pricing".parse().unwrap(),
        fallback: Some("email.sales".parse().unwrap()),
        known: vec!["email.sales".parse().unwrap()],
        hand_over_before: app.now(),
        expire_before: app.now(),
        expire_alerts_before: app.now(),
        why: String::new(),
    };
    assert!(!app.store().sweep(overdue, app.now()).await.unwrap().handed_over.is_empty());

    // The same routes, while the server runs.
    let same = json_of(app.directory(), &["route", "--replay", "30d", "--json"]);
    assert_eq!(
        (&same["same"], &same["changed"], &same["pruned"]),
        (&json!(3), &json!(0), &json!(1)),
        "{same} {pruned}"
    );

    let new = ROUTES.replace("summer-*", "summer-1");
    std::fs::write(app.directory().join("new.toml"), new).unwrap();
    let replay = json_of(app.directory(), &["route", "--replay", "30d", "--config", "new.toml", "--json"]);
    assert_eq!(
        replay["topics"],
        json!([{ "topic": "Pricing", "same": 2, "changes": [{
            "from": ["email.ads"],
            "to": ["email.sales", "slack.pricing"],
            "requests": 1,
            "for_instance": [moved["id"]],
        }] }]),
        "{kept} {handed_over}"
    );
    let (_, out, _) = run(app.directory(), &["route", "--replay", "30d", "--config", "new.toml"]);
    for expected in [
        "email.ads  email.sales, slack.pricing",
        "Of the last 30 days: 2 requests go as before, 1 elsewhere.",
        "Not compared: 1 requests whose messages are no longer kept.",
    ] {
        assert!(out.contains(expected), "{expected} in {out}");
    }
    let (code, _, error) = run(app.directory(), &["route", "--replay", "30d", "--topic", "Pricing"]);
    assert!(code == Some(2) && error.contains("--replay"), "{error}");
}
