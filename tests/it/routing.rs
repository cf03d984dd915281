//! Where a question goes, as a bot and an operator meet it.

use serde_json::{Value, json};

use crate::support::TestApp;

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
