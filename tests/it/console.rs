//! What the pages of the console ask for: the last webhooks and their replay, tests of channels, how a bot is connected,
//! the configuration as it counts, a backup.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use umishop::store::Retention;

use crate::client::Response;
use crate::command_line::run;
use crate::sinks::{HttpSink, nobody};
use crate::support::{ADMIN_TOKEN, TestApp, retention};

const DAY: Duration = Duration::from_hours(24);

/// A shop whose webhooks want a secret.
pub(crate) const WITH_SECRET: &str = "sandbox = false\n[intake]\nsecret = \"s3cret\"\n[channels.email.welcome]\nserver = \"smtp://127.0.0.1:2525\"\nfrom = \"shop@example.com\"\npassword = \"hunter2\"\nusername = \"shop\"\n[channels.email.sales]\nto = [\"sales@example.com\"]\n[[routes]]\ntopic = \"Prices\"\nchannels = [\"email.sales\"]\n[[routes]]\nchannels = [\"email.sales\"]\n";

/// As an operator, with a body.
async fn act(app: &TestApp, path: &str, body: &Value) -> Response {
    let token = format!("Bearer {ADMIN_TOKEN}");
    app.send("POST", path, &[("Authorization", &token)], body.to_string().as_bytes()).await
}

/// The answer's word.
fn status(answer: &Value) -> &str {
    answer["answer"]["status"].as_str().unwrap()
}

#[tokio::test]
async fn the_last_calls_are_shown_with_what_was_understood_of_them_and_without_their_secrets() {
    let app = TestApp::start_with(WITH_SECRET).await;
    let ana = br#"{"first_name": "Ana", "mail": "ana@example.com", "tel": "612 345 678", "utm_source": "google"}"#;
    app.send("POST", "/umishop_api/s3cret/user?token=s3cret&ref=x", &[("Authorization", "Bearer s3cret")], ana).await;
    let headers = [("Content-Type", "text/stranger")];
    let path = "/umishop_api/wr0ng/user?email=eva@example.com";
    let wrong = app.send("POST", path, &headers, b"a stranger's words").await;
    assert_eq!(wrong.status, 401);
    let answer = app.api("GET", "/api/webhooks").await;
    for secret in ["s3cret", "wr0ng", "stranger", "eva"] {
        assert!(!answer.body.contains(secret), "{secret}: {answer:?}");
    }
    let calls = answer.json()["items"].clone();
    assert_eq!(calls.as_array().unwrap().len(), 2);
    assert_eq!(calls[0]["answer"]["http_status"], 401, "the newest comes first");
    let call = &calls[1];
    assert_eq!(call["path"], "/umishop_api/[redacted]/user?token=[redacted]&ref=x");
    assert_eq!(call["body"], std::str::from_utf8(ana).unwrap());
    let told = json!({ "name": "Ana", "email": "ana@example.com", "phone": "+34612345678", "utm_source": "google", "ref": "x" });
    assert_eq!(call["understood"], told);
    assert_eq!((call["answer"]["http_status"].as_u64(), status(call)), (Some(200), "created"));
}

#[tokio::test]
async fn a_webhook_of_the_inbox_is_done_once_it_can_be() {
    let app = TestApp::start().await;
    // The bot's platform gave up in the middle, but all that matters had come.
    let mut socket = TcpStream::connect(app.address).await.unwrap();
    let head = "POST /umishop_api/user HTTP/1.1\r\nHost: shop\r\nIdempotency-Key: 1\r\nContent-Length: 500\r\n\r\n";
    let body = "{\"name\": \"Ana\", \"email\": \"ana@example.com\"}";
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    drop(socket.read_to_end(&mut Vec::new()).await);
    app.send("POST", "/umishop_api/user", &[], b"\xff\xfe{").await;
    let inbox = app.items("/api/inbox").await;
    assert_eq!(inbox.len(), 2, "{inbox:?}");
    // Both came in the same millisecond of this clock.
    let (whole, garbage): (Vec<_>, Vec<_>) = inbox.iter().partition(|entry| entry["body"] == body);
    let (whole, garbage) = (whole[0], garbage[0]);
    assert_eq!(app.items("/api/users").await, Vec::<Value>::new());
    let replay = async |entry: &Value| {
        act(&app, &format!("/api/inbox/{}/replay", entry["id"].as_str().unwrap()), &json!({})).await.json()
    };
    let done = replay(whole).await;
    assert_eq!((done["http_status"].as_u64(), status(&done)), (Some(200), "created"), "{done}");
    assert_eq!(app.items("/api/users").await[0]["email"], "ana@example.com");
    assert_eq!(status(&replay(whole).await), "already_registered");
    let still = replay(garbage).await;
    assert_eq!((still["http_status"].as_u64(), status(&still)), (Some(400), "error"));
    assert_eq!(app.items("/api/inbox").await.len(), 2, "what is kept already is not kept again");
    assert_eq!(app.items("/api/messages").await.len(), 1, "one welcome, however often it is done");
}

#[tokio::test]
async fn a_call_is_done_once_more_and_is_what_a_repeated_call_would_be() {
    let app = TestApp::start_with(WITH_SECRET).await;
    let secret = ("X-Umishop-Secret", "s3cret");
    let question = br#"{"topic": "Prices", "question": "How much?", "email": "ana@example.com"}"#;
    app.send("POST", "/umishop_api/topic", &[secret], question).await;
    app.send("POST", "/umishop_api/topic", &[], question).await;
    let long = format!("{{\"email\": \"bo@example.com\", \"name\": \"Bo\", \"note\": \"{}\"}}", "x".repeat(40_000));
    app.send("POST", "/umishop_api/user", &[secret], long.as_bytes()).await;
    let calls = app.items("/api/webhooks").await;
    assert_eq!((&calls[0]["truncated"], &calls[0]["understood"]), (&json!(true), &json!({})));
    let replay = async |id: &str| act(&app, &format!("/api/webhooks/{id}/replay"), &json!({})).await;
    let done = replay(calls[2]["id"].as_str().unwrap()).await.json();
    assert_eq!(status(&done), "duplicate");
    assert_eq!(app.items("/api/requests").await.len(), 1);
    for (id, refused) in [
        (calls[0]["id"].as_str().unwrap(), 409),
        (calls[1]["id"].as_str().unwrap(), 409),
        ("01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d", 404),
        ("42", 400),
    ] {
        assert_eq!(replay(id).await.status, refused, "{id}");
    }
    assert_eq!(app.items("/api/webhooks").await.len(), 3, "a replay is no call of the bot");
}

#[tokio::test]
async fn a_test_of_a_channel_is_answered_with_what_its_receiver_says() {
    let (sink, closed) = (HttpSink::start().await, nobody().await);
    let config = format!(
        "[channels.http.good]\nurl = \"{}\"\nprivate_networks = [\"127.0.0.1\"]\n[channels.http.closed]\nurl = \"http://{closed}/\"\nprivate_networks = [\"127.0.0.1\"]\n[[routes]]\nchannels = [\"http.good\", \"http.closed\"]\n[welcome]\nchannel = \"\"\n",
        sink.url("/hook")
    );
    let app = TestApp::start_live(&config).await;
    let good = act(&app, "/api/channels/http.good/test", &json!({})).await.json();
    assert_eq!((&good["outcome"], &good["error"]), (&json!("delivered"), &json!("")), "{good}");
    assert_eq!(sink.requests().len(), 1);
    let closed = act(&app, "/api/channels/http.closed/test", &json!({})).await.json();
    assert_eq!(closed["outcome"], "retry", "{closed}");
    assert!(!closed["error"].as_str().unwrap().is_empty());
    assert_eq!(app.api("POST", "/api/channels/http.nowhere/test").await.status, 404);
    assert_eq!(app.items("/api/messages").await, Vec::<Value>::new(), "it goes past the outbox");
}

#[tokio::test]
async fn in_the_sandbox_a_test_shows_what_would_be_sent() {
    let app = TestApp::start().await;
    let test = async |body: Value| act(&app, "/api/channels/email.welcome/test", &body).await;
    let kept = test(json!({ "to": "ana@example.com" })).await.json();
    assert_eq!(kept["outcome"], "captured");
    let listed = app.items("/api/audit?limit=1").await.remove(0);
    assert_eq!((&listed["action"], &listed["detail"]), (&json!("channel.test"), &json!("captured")), "{listed}");
    assert!(kept["text"].as_str().unwrap().contains("To: "), "{kept}");
    for (body, named) in [(json!({}), "name@example.com"), (json!({ "to": "ana" }), "ana")] {
        let refused = test(body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(named), "{refused:?}");
    }
}

#[tokio::test]
async fn the_checklist_of_landbot_follows_the_calls_that_arrive() {
    let app = TestApp::start_with(&format!("{WITH_SECRET}\n[server]\npublic_url = \"https://shop.example\"")).await;
    let landbot = async || app.api("GET", "/api/landbot").await.json();
    let done = |shown: &Value| -> Vec<bool> {
        shown["checklist"].as_array().unwrap().iter().map(|check| check["done"].as_bool().unwrap()).collect()
    };
    let before = landbot().await;
    assert!(!before.to_string().contains("s3cret"), "{before}");
    assert_eq!(before["hooks"][1]["url"], "https://shop.example/umishop_api/topic");
    assert_eq!((&before["last_webhook"], done(&before)), (&Value::Null, vec![true, true, false, false, false, true]));
    app.post("/umishop_api/user", &json!({ "email": "ana@example.com" })).await;
    let refused = landbot().await;
    assert_eq!((&refused["last_webhook"]["http_status"], done(&refused)[2]), (&json!(401), false));
    let ana = br#"{"email": "ana@example.com", "topic": "Prices", "question": "?"}"#;
    for webhook in ["user", "topic"] {
        app.send("POST", &format!("/umishop_api/s3cret/{webhook}"), &[], ana).await;
    }
    let after = landbot().await;
    assert_eq!(done(&after), [true; 6]);
    assert_eq!(after["last_webhook"]["status"], "queued");
}

#[tokio::test]
async fn the_settings_say_what_counts_and_where_it_stands_and_show_no_secret() {
    let app = TestApp::start_with(WITH_SECRET).await;
    let answer = app.api("GET", "/api/settings").await;
    for secret in ["s3cret", "hunter2", ADMIN_TOKEN] {
        assert!(!answer.body.contains(secret), "{secret}: {answer:?}");
    }
    let settings = answer.json();
    let of = |key: &str| {
        let item = settings["config"].as_array().unwrap().iter().find(|item| item["key"] == key);
        item.map(|item| (item["value"].as_str().unwrap(), item["from"].as_str().unwrap(), item["line"].as_u64()))
    };
    assert_eq!(of("sandbox"), Some(("false", "file", Some(1))));
    assert_eq!(of("intake.secret"), Some(("•••", "file", Some(3))));
    assert_eq!(of("channels.email.welcome.password"), Some(("•••", "file", Some(7))));
    assert_eq!(of("channels.email.sales.to"), Some(("[\"sales@example.com\"]", "file", Some(10))));
    assert_eq!(of("routes.0.topic"), Some(("Prices", "file", Some(12))));
    assert!(matches!(of("intake.rate"), Some(("50/s", "default", Some(_)))));
    assert_eq!(of("channels.slack.pricing.channel"), None, "nothing uses it");
    assert_eq!(settings["backup"], json!({ "last_at": null, "file": null, "bytes": null, "error": null }));
    assert!(settings["files"]["database"].as_str().unwrap().ends_with("umishop.db"));
    let by_reference = TestApp::start().await.api("GET", "/api/settings").await.json();
    let secret = by_reference["config"].as_array().unwrap().iter().find(|item| item["key"] == "intake.secret").cloned();
    assert_eq!(secret.unwrap()["value"], "env:UMISHOP_SECRET", "a reference gives nothing away");
}

#[tokio::test]
async fn a_backup_is_made_when_an_operator_asks_for_one() {
    let app = TestApp::start().await;
    assert_eq!(app.api("POST", "/api/backup").await.status, 409, "there is no place for it");
    let app = TestApp::start_with("[backup]\ndirectory = \"copies\"").await;
    std::fs::create_dir_all(app.directory().join("copies")).unwrap();
    app.register("Ana", "ana@example.com").await;
    let made = app.api("POST", "/api/backup").await.json();
    assert_eq!(made["done"], true, "{made}");
    let file = std::path::PathBuf::from(made["file"].as_str().unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().len(), made["bytes"].as_u64().unwrap());
    let last = app.api("GET", "/api/settings").await.json()["backup"].clone();
    assert_eq!((&last["file"], &last["bytes"], &last["error"]), (&made["file"], &made["bytes"], &Value::Null));
    let second = app.api("POST", "/api/backup").await;
    assert_eq!(second.status, 409, "there is one of this very moment: {second:?}");
    let last = app.api("GET", "/api/settings").await.json()["backup"].clone();
    assert_eq!(last["error"], Value::Null, "which is nothing to be warned of");
}

#[tokio::test]
async fn nothing_is_left_of_the_last_calls_when_a_customer_is_erased() {
    let app = TestApp::start().await;
    let id = app.register("Ana", "ana@example.com").await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(app.items("/api/webhooks").await.len(), 1);
    let erased = act(&app, &format!("/api/users/{id}/erase"), &json!({ "confirm": id })).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(app.items("/api/webhooks").await, Vec::<Value>::new());
}

#[tokio::test]
async fn nobody_sees_a_call_from_before_an_erasure_by_the_command_line_or_by_retention() {
    let app = TestApp::start().await;
    app.catch_up();
    let calls = async || app.items("/api/webhooks").await;
    let arrived = async || app.api("GET", "/api/landbot").await.json()["last_webhook"].clone();
    app.register("Ana", "ana@example.com").await;
    let call = calls().await[0]["id"].as_str().unwrap().to_owned();
    let (code, _, error) = run(app.directory(), &["users", "erase", "ana@example.com", "--yes"]);
    assert_eq!(code, Some(0), "{error}");
    let replay = app.api("POST", &format!("/api/webhooks/{call}/replay")).await;
    assert_eq!(replay.status, 404, "{replay:?}");
    assert_eq!((calls().await, arrived().await), (Vec::<Value>::new(), Value::Null));

    app.register("Eva", "eva@example.com").await;
    assert_eq!(calls().await.len(), 1, "what comes later is kept");
    let app = app.restart().await;
    app.register("Eva", "eva@example.com").await;
    assert_eq!(app.items("/api/webhooks").await.len(), 1, "who was erased before the start is nobody's concern");
    app.advance(2 * DAY).await;
    let silent = Retention { customers: Some(DAY), ..retention(30 * DAY, 30 * DAY, 30 * DAY) };
    while app.store().prune(silent, app.now()).await.unwrap().more {}
    assert_eq!(app.items("/api/users").await[0]["erased"], true);
    assert_eq!(app.items("/api/webhooks").await, Vec::<Value>::new());
}
