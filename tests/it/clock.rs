//! Clocks that jump: nothing is lost, doubled, given up or kept waiting by them.

use std::time::{Duration, Instant};

use serde_json::Value;
use umishop::domain::Timestamp;

use crate::support::TestApp;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const TEN_YEARS: Duration = Duration::from_hours(24 * 3652);

/// Sets a clock.
type Jump = fn(Timestamp) -> Timestamp;

/// Waits until the messages are so; no time passes by the clock.
async fn until(app: &TestApp, are_so: impl Fn(&[Value]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let messages = app.items("/api/messages").await;
        if are_so(&messages) {
            return;
        }
        assert!(Instant::now() < deadline, "{messages:?}");
    }
}

/// A welcome waits for a minute: whatever the clock says, nothing may wait for longer.
async fn until_nothing_waits_for_more_than_a_minute(app: &TestApp) {
    let limit = app.now().after(MINUTE);
    let due = |message: &Value| Timestamp::parse(message["due_at"].as_str().unwrap()).unwrap();
    until(app, |messages| messages.iter().all(|message| message["state"] != "pending" || due(message) <= limit)).await;
}

async fn until_delivered(app: &TestApp, count: usize) {
    let delivered = |messages: &[Value]| messages.iter().filter(|message| message["state"] == "delivered").count();
    until(app, |messages| delivered(messages) == count).await;
}

/// The addresses of all messages, once for each attempt.
async fn sent_to(app: &TestApp) -> Vec<String> {
    let mut sent = Vec::new();
    for message in app.items("/api/messages").await {
        let history = app.message(&message).await;
        let attempts = history["history"].as_array().unwrap().len();
        sent.extend(std::iter::repeat_n(message["recipient"].as_str().unwrap().to_owned(), attempts));
    }
    sent.sort();
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_way_the_clock_jumps_each_message_is_delivered_once_and_none_waits_for_it() {
    let jumps: [(&str, Jump); 5] = [
        ("an hour ahead", |now| now.after(HOUR)),
        ("an hour back", |now| now.before(HOUR)),
        ("a day ahead", |now| now.after(DAY)),
        ("a day back", |now| now.before(DAY)),
        ("ten years ahead", |now| now.after(TEN_YEARS)),
    ];
    for (name, jump) in jumps {
        let app = TestApp::run().await;
        app.register("Ana", "ana@example.com").await;
        app.set_clock(jump(app.now()));
        app.register("Eva", "eva@example.com").await;
        until_nothing_waits_for_more_than_a_minute(&app).await;
        app.pass(MINUTE);
        until_delivered(&app, 2).await;
        assert_eq!(sent_to(&app).await, ["ana@example.com", "eva@example.com"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_the_clock_was_ten_years_ahead_is_delivered_when_it_is_set_right() {
    let app = TestApp::run().await;
    let right = app.now();
    app.set_clock(right.after(TEN_YEARS));
    app.register("Ana", "ana@example.com").await;
    app.set_clock(right);
    until_nothing_waits_for_more_than_a_minute(&app).await;
    assert!(sent_to(&app).await.is_empty());
    app.pass(MINUTE);
    until_delivered(&app, 1).await;
    assert_eq!(sent_to(&app).await, ["ana@example.com"]);
}

#[tokio::test]
async fn a_start_with_the_right_clock_mends_what_a_wrong_one_left() {
    let app = TestApp::start().await;
    let right = app.now();
    app.set_clock(right.after(TEN_YEARS));
    app.register("Ana", "ana@example.com").await;
    app.set_clock(right);
    let app = app.restart().await;
    assert_eq!(app.advance(Duration::from_mins(1)).await, 1);
    // The same question, asked again next week, is a new one.
    app.set_clock(right.after(TEN_YEARS));
    assert_eq!(app.ask("Sales", "How much is it?").await.json()["status"], "queued");
    app.set_clock(right);
    let app = app.restart().await;
    app.pass(DAY * 7);
    assert_eq!(app.ask("Sales", "How much is it?").await.json()["status"], "queued");
}

#[tokio::test]
async fn a_jump_ahead_gives_nothing_up_before_it_has_stood_for_a_day() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.set_clock(app.now().after(TEN_YEARS));
    let ready: Value = app.get("/readyz").await.json();
    assert!(ready["ready"] == true && ready["warnings"].to_string().contains("the clock jumped ahead"), "{ready}");
    assert_eq!(app.deliver_due().await, 1);
    assert_eq!(app.items("/api/messages").await[0]["state"], "delivered");
    app.pass(DAY);
    assert!(!app.get("/readyz").await.json()["warnings"].to_string().contains("the clock"));
}
