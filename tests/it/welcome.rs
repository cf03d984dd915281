//! Customers who come back to the chat by the link in their welcome, and what is no sign of it.

use std::time::Duration;

use serde_json::{Value, json};
use umishop::domain::{Link, LinkKey, UserId};

use crate::client::Response;
use crate::mail::Letter;
use crate::sinks::{Entrance, SmtpSink};
use crate::support::{ADMIN_TOKEN, TestApp};
use crate::unsubscribe::{HERE, page_before_the_welcome, shop};

const MINUTE: Duration = Duration::from_mins(1);

/// Of the sandbox, where welcomes lead to this address.
const SANDBOX: &str = "[server]\npublic_url = \"http://127.0.0.1:8000\"";

/// A welcome of the shop's own that says `link`.
fn own_text(link: &str) -> String {
    format!("Subject: Hello\n\nCome back: {link} .\n")
}

/// The link in a letter that leads to the shop's page.
fn link_of(letter: &Letter) -> String {
    let is_link = |word: &&str| word.starts_with(HERE) && !word.contains("/unsubscribe/");
    letter.text.split([' ', '\n', ',']).find(is_link).unwrap_or_else(|| panic!("{letter:?}")).to_owned()
}

/// Registers a customer, and returns their id and the token that their welcome says.
pub(crate) async fn customer(app: &TestApp, email: &str) -> (String, String) {
    app.post("/umishop_api/user", &json!({ "name": "Ana", "email": email, "utm_source": "google" })).await;
    let user = app.items(&format!("/api/users?search={email}")).await.remove(0);
    let id = user["id"].as_str().unwrap().to_owned();
    let message = app.items(&format!("/api/messages?user={id}")).await.remove(0);
    let letter = Letter::read(app.message(&message).await["text"].as_str().unwrap());
    let (page, token) = link_of(&letter).split_once("/?welcome=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(page, HERE);
    (id, token)
}

/// What the page says once the chat is open.
async fn say(app: &TestApp, token: &str) -> Response {
    app.post("/welcome/opened", &json!({ "token": token })).await
}

async fn opened(app: &TestApp) -> (Value, Value) {
    let total = app.api("GET", "/api/origins").await.json()["total"].clone();
    (total["opened"].clone(), total["median_to_opening_ms"].clone())
}

async fn opened_at(app: &TestApp, id: &str) -> Value {
    app.api("GET", &format!("/api/users/{id}")).await.json()["opened_at"].clone()
}

/// What [`opened`] tells where nobody has.
fn nobody() -> (Value, Value) {
    (json!(0), Value::Null)
}

#[tokio::test]
async fn a_welcome_leads_to_the_chat_by_a_link_that_says_whose_it_is_on_every_attempt_the_same() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&shop(&sink.address(), HERE)).await;
    let (id, token) = customer(&app, "grey451@example.com").await;
    let message = app.items("/api/messages").await.remove(0);
    let before = app.message(&message).await["text"].clone();
    app.advance(MINUTE).await;
    assert_eq!((sink.mails().len(), app.message(&message).await["text"].clone()), (0, before), "greylisted");
    app.advance(2 * MINUTE).await;
    let letter = Letter::read(&sink.mails()[0].text);
    let link = format!("{HERE}/?welcome={token}");
    assert!(letter.text.contains(&link), "{letter:?}");
    let html = letter.html.replace("&#x2f;", "/").replace("&#x3d;", "=");
    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    let key = LinkKey::new(app.store().link_key([0; 32]).await.unwrap());
    assert_eq!(key.token(Link::Welcome, id.parse::<UserId>().unwrap()), token);
}

#[tokio::test]
async fn a_scanner_that_opens_the_link_counts_nothing_and_the_open_chat_counts_once() {
    let app = TestApp::start_with(SANDBOX).await;
    let ((id, token), (other, _)) = (customer(&app, "ana@example.com").await, customer(&app, "eva@example.com").await);
    app.advance(MINUTE).await;
    for method in ["GET", "HEAD"] {
        for path in [format!("/?welcome={token}"), format!("/index.html?welcome={token}")] {
            assert_eq!(app.send(method, &path, &[], b"").await.status, 200);
        }
    }
    assert_eq!(app.get("/welcome/opened").await.status, 405);
    assert_eq!((opened(&app).await, opened_at(&app, &id).await), (nobody(), Value::Null));

    app.pass(MINUTE);
    assert_eq!(say(&app, &token).await.status, 204);
    let (at, once) = (app.now().to_string(), (json!(1), json!(120_000)));
    assert_eq!((opened(&app).await, opened_at(&app, &id).await), (once.clone(), json!(at)));
    app.pass(MINUTE);
    assert_eq!(say(&app, &token).await.status, 204);
    assert_eq!((opened(&app).await, opened_at(&app, &id).await), (once, json!(at)), "the first time counts");
    assert_eq!(opened_at(&app, &other).await, Value::Null);
    let google = app.api("GET", "/api/origins?by=source&source=google").await.json()["items"][0].clone();
    assert_eq!((&google["registrations"], &google["opened"]), (&json!(2), &json!(1)));
    let table = app.api("GET", "/api/export/origins.csv").await.body;
    assert!(table.contains(",median_to_welcome_ms,opened,median_to_opening_ms,requests,"), "{table}");
    assert!(table.contains(",1,120000,"), "{table}");
    let export = app.api("GET", &format!("/api/users/{id}/export")).await.json();
    assert_eq!(export["welcome"]["opened_at"], json!(at));
}

#[tokio::test]
async fn a_welcomes_token_unsubscribes_nobody_and_the_other_opens_nothing() {
    let app = TestApp::start_with(SANDBOX).await;
    let (id, token) = customer(&app, "ana@example.com").await;
    let (_, page) = page_before_the_welcome(&app).await;
    let unsubscribes = page.strip_prefix("/unsubscribe/").unwrap();
    assert_ne!(token, unsubscribes);
    for method in ["GET", "POST"] {
        assert_eq!(app.send(method, &format!("/unsubscribe/{token}"), &[], b"").await.status, 404);
    }
    assert!(app.items("/api/suppressions").await.is_empty());
    assert_eq!(say(&app, unsubscribes).await.status, 204);
    assert_eq!((opened(&app).await, opened_at(&app, &id).await), (nobody(), Value::Null));
}

#[tokio::test]
async fn whoever_calls_learns_nothing_about_a_token() {
    let app = TestApp::start_with(SANDBOX).await;
    let (_, token) = customer(&app, "ana@example.com").await;
    let shown = |answer: &Response| {
        let is_everybodys = |line: &&str| !line.starts_with("date:") && !line.starts_with("x-request-id:");
        let headers: Vec<_> = answer.headers.lines().filter(is_everybodys).map(str::to_owned).collect();
        (answer.status, headers, answer.body.clone())
    };
    let known = say(&app, &token).await;
    for nobodys in [&token[..63], "x", "", &"A".repeat(64)] {
        assert_eq!(shown(&say(&app, nobodys).await), shown(&known), "{nobodys}");
    }
    assert_eq!((known.status, known.body.as_str()), (204, ""));
    for wrong in ["", "{}", "[", "{\"token\": 7}", &json!({ "token": "x".repeat(2000) }).to_string()] {
        assert_eq!(app.send("POST", "/welcome/opened", &[], wrong.as_bytes()).await.status, 400, "{wrong}");
    }
    let refused = app.get("/welcome/opened").await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn who_says_it_too_often_is_asked_to_wait_and_counted_afterwards() {
    let app = TestApp::start_with(&format!("{SANDBOX}\n[intake]\nrate = \"1/m\"\nburst = 3")).await;
    let (_, token) = customer(&app, "ana@example.com").await;
    let say = async |token: &str| {
        let body = json!({ "token": token }).to_string();
        app.send("POST", "/welcome/opened", &[("X-Forwarded-For", "203.0.113.9")], body.as_bytes()).await
    };
    for _ in 0..3 {
        assert_eq!(say("x").await.status, 204);
    }
    let refused = say(&token).await;
    assert!(refused.status == 429 && refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(opened(&app).await, nobody());
    app.pass(MINUTE);
    assert_eq!((say(&token).await.status, opened(&app).await.0), (204, json!(1)));
}

#[tokio::test]
async fn of_somebody_who_was_erased_nothing_more_is_noted() {
    let app = TestApp::start_with(SANDBOX).await;
    let (id, token) = customer(&app, "ana@example.com").await;
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let body = json!({ "confirm": id }).to_string();
    let erased =
        app.send("POST", &format!("/api/users/{id}/erase"), &[("Authorization", &bearer)], body.as_bytes()).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(say(&app, &token).await.status, 204);
    assert_eq!((opened(&app).await, opened_at(&app, &id).await), (nobody(), Value::Null));
}

#[tokio::test]
async fn a_shops_own_text_may_count_or_leave_it() {
    for (field, counts) in [("{{ welcome_url }}", true), ("{{ public_url }}", false)] {
        let app = TestApp::start_with(SANDBOX).await;
        let app = app.restart_after(|directory| {
            let (texts, config) = (directory.join("texts"), directory.join("config.toml"));
            std::fs::create_dir(&texts).unwrap();
            std::fs::write(texts.join("welcome.txt"), own_text(field)).unwrap();
            let before = std::fs::read_to_string(&config).unwrap();
            std::fs::write(&config, format!("{before}\n[templates]\ndirectory = \"texts\"\n")).unwrap();
        });
        let app = app.await;
        app.register("Ana", "ana@example.com").await;
        let message = app.items("/api/messages").await.remove(0);
        let letter = Letter::read(app.message(&message).await["text"].as_str().unwrap());
        assert_eq!(link_of(&letter).starts_with(&format!("{HERE}/?welcome=")), counts, "{letter:?}");
        assert_eq!(link_of(&letter) == HERE, !counts, "{letter:?}");
    }
}
