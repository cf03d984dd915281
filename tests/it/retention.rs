//! How long each table keeps what is in it, and that every column is accounted for.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use umishop::domain::OriginRules;
use umishop::store::{Pruned, Retention};

use crate::support::{ADMIN_TOKEN, TestApp, retention};

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 365);

/// All is kept for years.
const KEEP: Retention = retention(YEAR, YEAR, YEAR);

async fn prune(app: &TestApp, retention: Retention) -> Pruned {
    let mut all = Pruned::default();
    loop {
        all.add(app.store().prune(retention, app.now()).await.unwrap());
        if !all.more {
            return all;
        }
    }
}

async fn visit(app: &TestApp, email: &str, campaign: &str) {
    let body =
        json!({ "name": "Ana", "email": email, "utm_campaign": campaign, "topic": "Sales", "question": campaign });
    assert_eq!(app.post("/umishop_api/topic", &body).await.status, 200);
}

#[tokio::test]
async fn captures_and_attempts_go_before_their_messages() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.advance(DAY).await;
    app.register("Eva", "eva@example.com").await;
    app.advance(DAY).await;
    let messages = app.items("/api/messages").await;
    let (new, old) = (&messages[0], &messages[1]);
    let pruned = prune(&app, Retention { captures: Some(DAY * 3 / 2), ..KEEP }).await;
    assert_eq!(pruned, Pruned { captures: 1, ..Pruned::default() });
    assert_eq!(
        (app.message(old).await["captured"].clone(), app.message(new).await["captured"].clone()),
        (json!(false), json!(true))
    );
    let pruned = prune(&app, Retention { attempts: Some(DAY * 3 / 2), ..KEEP }).await;
    assert_eq!(pruned, Pruned { attempts: 1, ..Pruned::default() });
    let tried = |message: Value| message["history"].as_array().unwrap().len();
    assert_eq!((tried(app.message(old).await), tried(app.message(new).await)), (0, 1));
    assert_eq!(app.message(old).await["state"], "delivered");
}

#[tokio::test]
async fn the_words_of_a_request_go_when_it_has_been_closed_for_long_enough() {
    let app = TestApp::start().await;
    for question in ["closed early", "closed late", "open"] {
        visit(&app, "ana@example.com", question).await;
    }
    let requests = app.items("/api/requests").await;
    let close = async |question: &str| {
        let request = requests.iter().find(|request| request["question"] == question).unwrap();
        let path = format!("/api/requests/{}/close", request["id"].as_str().unwrap());
        assert_eq!(app.api("POST", &path).await.status, 200);
    };
    close("closed early").await;
    app.pass(DAY * 2);
    close("closed late").await;
    let pruned = prune(&app, Retention { questions: Some(DAY), ..KEEP }).await;
    assert_eq!(pruned, Pruned { questions: 1, ..Pruned::default() });
    let mut kept: Vec<_> = app.items("/api/requests").await.iter().map(|request| request["question"].clone()).collect();
    kept.sort_by_key(Value::to_string);
    assert_eq!(kept, ["", "closed late", "open"]);
    assert_eq!(prune(&app, Retention { questions: Some(DAY), ..KEEP }).await, Pruned::default());
}

#[tokio::test]
async fn a_note_that_is_written_later_goes_too_and_what_its_caller_named_a_request_names_nothing_any_more() {
    let app = TestApp::start().await;
    let ask = async |question: &str| {
        let body = json!({ "email": "ana@example.com", "topic": "Sales", "question": question, "request_id": "one" });
        app.post("/umishop_api/topic", &body).await
    };
    let id = ask("Is it blue?").await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(app.api("POST", &format!("/api/requests/{id}/close")).await.status, 200);
    app.pass(DAY * 2);
    let words = Retention { questions: Some(DAY), ..KEEP };
    assert_eq!(prune(&app, words).await.questions, 1);
    let (token, note) = (format!("Bearer {ADMIN_TOKEN}"), json!({ "note": "Ana called again" }).to_string());
    let path = format!("/api/requests/{id}/note");
    assert_eq!(app.send("POST", &path, &[("Authorization", &token)], note.as_bytes()).await.status, 200);
    assert_eq!(prune(&app, words).await.questions, 1);
    let request = app.api("GET", &format!("/api/requests/{id}")).await.json();
    assert!(!request.to_string().contains("Ana called again"), "{request}");
    let again = ask("Is it green?").await;
    assert_eq!((again.status, again.json()["id"] == json!(id)), (200, false), "{again:?}");
}

#[tokio::test]
async fn nothing_that_the_ledger_has_still_to_count_goes_before_it_is_counted() {
    let app = TestApp::start().await;
    app.register("Eva", "eva@example.com").await;
    visit(&app, "ana@example.com", "summer").await;
    app.advance(DAY).await;
    let id = app.items("/api/requests").await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.api("POST", &format!("/api/requests/{id}/close")).await.status, 200);
    let counts = async || app.api("GET", "/api/origins?by=campaign").await.json()["items"].clone();
    let before = counts().await;
    assert!(before[0]["welcomed"] == 1 && before[1]["delivered"] == 1, "{before}");
    // As an upgrade leaves what is older than the ledger.
    let connection = Connection::open(app.directory().join("umishop.db")).unwrap();
    let uncount =
        "UPDATE users SET first_origin = NULL, last_origin = NULL, registered_origin = NULL, welcomed_at = NULL;
                   UPDATE requests SET first_origin = NULL, last_origin = NULL, delivered_at = NULL;
                   DELETE FROM registration_days; DELETE FROM request_days;";
    connection.execute_batch(uncount).unwrap();
    app.pass(DAY * 2);
    let everything =
        Retention { questions: Some(DAY), touches: Some(DAY), attempts: Some(DAY), ..retention(DAY, DAY, DAY) };
    assert_eq!(prune(&app, everything).await, Pruned::default());
    while app.store().tend_ledger(Arc::new(OriginRules::default()), app.now()).await.unwrap() {}
    let pruned = prune(&app, everything).await;
    assert!(pruned.messages > 0 && pruned.questions == 1, "{pruned:?}");
    assert_eq!(counts().await, before);
}

#[tokio::test]
async fn what_was_told_of_a_visit_goes_and_that_it_was_stays() {
    let app = TestApp::start().await;
    for campaign in ["first", "second", "third"] {
        visit(&app, "ana@example.com", campaign).await;
        app.pass(DAY);
    }
    assert_eq!(
        prune(&app, Retention { touches: Some(DAY * 3 / 2), ..KEEP }).await,
        Pruned { touches: 1, ..Pruned::default() }
    );
    let id = app.items("/api/users").await[0]["id"].as_str().unwrap().to_owned();
    let touches = app.api("GET", &format!("/api/users/{id}")).await.json()["touches"].clone();
    assert_eq!((&touches[0]["origin"], &touches[1]["origin"]["utm_campaign"]), (&json!({}), &json!("third")));
    assert_eq!(app.api("GET", "/api/origins?by=campaign").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn customers_of_whom_nothing_was_heard_are_erased_and_those_who_were_or_wait_are_not() {
    let app = TestApp::start_with("[welcome]\ndelay = \"30d\"").await;
    for number in 0..45 {
        visit(&app, &format!("silent{number}@example.com"), "summer").await;
    }
    for email in ["visits@example.com", "asks@example.com"] {
        visit(&app, email, "summer").await;
    }
    app.deliver_due().await;
    app.post("/umishop_api/user", &json!({ "email": "opens@example.com" })).await;
    let welcome = app.items("/api/messages?purpose=welcome").await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.api("POST", &format!("/api/messages/{welcome}/cancel")).await.status, 200);
    app.register("Ana", "waits@example.com").await;
    app.pass(DAY * 2);
    visit(&app, "visits@example.com", "winter").await;
    visit(&app, "asks@example.com", "winter").await;
    let opens = app.items("/api/users?search=opens@").await[0]["id"].as_str().unwrap().parse().unwrap();
    assert!(app.store().note_opened(opens, app.now()).await.unwrap());
    let silence = Retention { customers: Some(DAY), ..KEEP };
    assert_eq!(prune(&app, silence).await, Pruned { customers: 45, ..Pruned::default() });
    let list = std::fs::read_to_string(app.directory().join("umishop.db.erased")).unwrap();
    assert_eq!(list.lines().count(), 45, "a restore must not bring them back");
    let users = app.items("/api/users?limit=100").await;
    let mut left: Vec<_> = users.iter().filter_map(|user| user["email"].as_str()).collect();
    left.sort_unstable();
    let alive = ["asks@example.com", "opens@example.com", "visits@example.com", "waits@example.com"];
    assert_eq!((left, users.len()), (alive.to_vec(), 49));
    assert_eq!(prune(&app, silence).await, Pruned::default(), "nobody is erased twice");
    app.pass(DAY * 40);
    app.deliver_due().await;
    assert_eq!(prune(&app, silence).await.customers, 4);
}

#[tokio::test]
async fn what_operators_changed_is_listed_for_as_long_as_asked() {
    let app = TestApp::start().await;
    for _ in 0..2 {
        assert_eq!(app.api("POST", "/api/channels/email.welcome/pause").await.status, 200);
        app.pass(DAY);
    }
    let pruned = prune(&app, Retention { audit: Some(DAY * 3 / 2), ..KEEP }).await;
    assert_eq!((pruned.audit, app.items("/api/audit").await.len()), (1, 1));
}

/// What an erasure does with each column that may tell of a customer. A new one belongs here, and into `erase`.
const KEPT: &[(&str, &str)] = &[
    (
        "users",
        "id created_at registered_at welcomed first_origin last_origin registered_origin welcomed_at bounced opened_at \
         erased_at",
    ),
    ("touches", ""),
    (
        "requests",
        "id user_id topic topic_unknown topic_key created_at seen_at state first_origin last_origin delivered_at \
         acknowledged_at answered_at",
    ),
    ("request_changes", "request_id state at by"),
    ("messages", ""),
    ("attempts", ""),
    ("captures", ""),
    ("inbox", ""),
    ("suppressions", ""),
    ("erased_suppressions", "mark since"),
    ("origins", "id clues rules source medium campaign referrer channel country landing_page"),
    ("registration_days", "day facts"),
    ("request_days", "day facts"),
    ("traces", "trace seen_at"),
    ("settings", "name value"),
    ("channels", "address paused_at not_before"),
    ("alerts", "subject told_at"),
    ("reports", "cadence first_day told_at"),
    // Of those who may use the API. What they changed is told without names and addresses of customers.
    ("tokens", "id name role hash created_at created_by last_used_at expires_at revoked_at"),
    ("sessions", "hash token name role created_at seen_at expires_at"),
    ("login_links", "hash name role expires_at used_at"),
    ("audit", "id at who role action target detail"),
];

/// What is emptied or deleted.
const GONE: &[(&str, &str)] = &[
    ("users", "name email phone phone_e164 landbot_customer_id language origin source"),
    ("touches", "user_id at origin source"),
    ("requests", "question origin source idempotency_key fingerprint note assignee"),
    ("request_changes", "note"),
    ("request_edits", "request_id at field value by"),
    (
        "messages",
        "id user_id request_id channel fallback handed_over_from purpose state created_at due_at first_due_at finished_at \
         attempts crashes lease_epoch boot reference last_error context",
    ),
    ("attempts", "message_id epoch started_at duration_ms outcome scope error channel"),
    ("captures", "message_id bytes"),
    ("inbox", "id received_at request_line headers body why"),
    ("suppressions", "address why since cause"),
];

#[tokio::test]
async fn every_column_is_either_emptied_by_an_erasure_or_tells_of_nobody() {
    let app = TestApp::start().await;
    let connection = Connection::open(app.directory().join("umishop.db")).unwrap();
    let sql = "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'";
    let mut statement = connection.prepare(sql).unwrap();
    let mut columns: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let listed = KEPT.iter().chain(GONE);
    let mut listed: Vec<String> = listed
        .flat_map(|(table, columns)| columns.split_whitespace().map(move |column| format!("{table}.{column}")))
        .collect();
    columns.sort();
    listed.sort();
    assert_eq!(columns, listed);
}
