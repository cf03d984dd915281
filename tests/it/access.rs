//! Who may come in, what they may do there, and what is kept of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Response;
use crate::command_line::{json_of, run};
use crate::support::{ADMIN_TOKEN, TestApp};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// An app whose configuration names no token.
async fn first_start() -> TestApp {
    TestApp::start_with("[admin]\ntoken = \"\"").await
}

async fn sign_in(app: &TestApp, shown: &Value) -> Response {
    app.post("/api/session", shown).await
}

/// The cookie as a browser sends it back.
fn cookie(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// A token with this role, made by the owner.
async fn token(app: &TestApp, role: &str) -> String {
    let made = owner(app, "POST", "/api/tokens", &json!({ "name": format!("a {role}"), "role": role })).await;
    assert_eq!(made.status, 200, "{made:?}");
    made.json()["token"].as_str().unwrap().to_owned()
}

async fn owner(app: &TestApp, method: &str, path: &str, body: &Value) -> Response {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    app.send(method, path, &[("Authorization", &bearer)], body.to_string().as_bytes()).await
}

async fn with_token(app: &TestApp, method: &str, path: &str, token: &str) -> u16 {
    app.send(method, path, &[("Authorization", &format!("Bearer {token}"))], b"").await.status
}

async fn with_cookie(app: &TestApp, method: &str, path: &str, cookie: &str, more: &[(&str, &str)]) -> Response {
    let headers: Vec<_> = std::iter::once(("Cookie", cookie)).chain(more.iter().copied()).collect();
    app.send(method, path, &headers, b"").await
}

/// The status of an answer that may never end, as a stream of events does not.
async fn status(app: &TestApp, method: &str, path: &str, token: Option<&str>) -> u16 {
    let authorization = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n{authorization}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).await.unwrap();
    String::from_utf8_lossy(&begun)[9..].parse().unwrap()
}

/// Every operation under `/api`: its method and a path that it takes.
fn operations() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&umishop::http::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().filter(|(path, _)| path.starts_with("/api/")).flat_map(|(path, methods)| {
        let path = path.replace("{address}", "email.welcome").replace("{id}", "01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d");
        methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_operation_refuses_strangers_and_every_change_those_who_may_only_look() {
    let app = TestApp::start_with("[intake]\nrate = \"none\"").await;
    let reader = token(&app, "read-only").await;
    let operations = operations();
    assert!(operations.len() > 20, "{operations:?}");
    for (method, path) in operations {
        let is_session = path.trim_end_matches('/') == "/api/session";
        let stranger = status(&app, &method, &path, None).await;
        assert_eq!(stranger, 401, "a stranger: {method} {path}");
        let may = status(&app, &method, &path, Some(&reader)).await;
        match method.as_str() {
            "GET" => assert!(![401, 403, 405].contains(&may), "who may look cannot {method} {path}: {may}"),
            // Whoever is in may go, and whoever signs in is nobody yet.
            _ if is_session => {}
            _ => assert_eq!(may, 403, "who may only look can {method} {path}"),
        }
    }
}

#[tokio::test]
async fn an_operator_does_what_the_day_brings_and_makes_no_tokens() {
    let app = TestApp::start().await;
    let operator = token(&app, "operator").await;
    assert_eq!(with_token(&app, "POST", "/api/channels/email.welcome/pause", &operator).await, 200);
    assert_eq!(with_token(&app, "GET", "/api/tokens", &operator).await, 200);
    assert_eq!(with_token(&app, "POST", "/api/tokens", &operator).await, 403);
}

#[tokio::test]
async fn a_session_that_began_under_a_clock_that_was_ahead_lasts_no_longer_than_another() {
    let app = TestApp::start().await;
    let (right, shown) = (app.now(), token(&app, "operator").await);
    app.set_clock(right.after(DAY * 3650));
    let session = cookie(&sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await);
    assert_eq!(with_token(&app, "GET", "/api/users", &shown).await, 200);
    app.set_clock(right);
    let app = app.restart().await;
    let used = owner(&app, "GET", "/api/tokens", &json!({})).await.json()["items"][0]["last_used_at"].clone();
    assert_eq!(used, json!(right.to_string()));
    assert_eq!(with_cookie(&app, "GET", "/api/users", &session, &[]).await.status, 200);
    app.pass(DAY * 60);
    assert_eq!(with_cookie(&app, "GET", "/api/users", &session, &[]).await.status, 401);
}

#[tokio::test]
async fn the_first_link_signs_in_once_and_there_is_another_until_somebody_did() {
    let app = first_start().await;
    let unused = app.login_code.clone().unwrap();
    let app = app.restart().await;
    let code = json!({ "code": app.login_code.clone().unwrap() });
    let answer = sign_in(&app, &code).await;
    let of = |field: &str| answer.json()[field].clone();
    assert_eq!((of("role"), of("expires_at")), (json!("owner"), json!("2026-12-01T09:30:00.000Z")));
    let set = answer.header("set-cookie").unwrap();
    assert!(set.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"), "{set}");
    assert_eq!(with_cookie(&app, "GET", "/api/users", &cookie(&answer), &[]).await.status, 200);
    let again = sign_in(&app, &code).await;
    assert_eq!((again.status, &again.json()["error"]["code"]), (401, &json!("unauthorized")), "{again:?}");
    let app = app.restart().await;
    assert_eq!(app.login_code, None);
    assert_eq!(sign_in(&app, &json!({ "code": unused })).await.status, 200, "it still works within its day");
}

#[tokio::test]
async fn a_login_link_is_of_no_use_after_a_day() {
    let app = first_start().await;
    app.pass(DAY);
    assert_eq!(sign_in(&app, &json!({ "code": app.login_code.clone().unwrap() })).await.status, 401);
}

#[tokio::test]
async fn whoever_names_a_token_in_the_configuration_is_given_no_link() {
    let app = TestApp::start().await;
    assert_eq!(app.login_code, None);
    let session = sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await;
    assert_eq!(session.json()["role"], "owner");
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_at_last_even_if_somebody_does() {
    let app = TestApp::start().await;
    let idle = cookie(&sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await);
    let used = cookie(&sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await);
    let works = async |cookie: &str| with_cookie(&app, "GET", "/api/session", cookie, &[]).await.status;
    app.pass(11 * HOUR);
    assert_eq!(works(&used).await, 200);
    app.pass(HOUR);
    assert_eq!((works(&idle).await, works(&used).await), (401, 200));
    for _ in 0..14 {
        app.pass(11 * HOUR);
        works(&used).await;
    }
    assert_eq!(works(&used).await, 200, "six days and 22 hours old");
    app.pass(2 * HOUR);
    assert_eq!(works(&used).await, 401);
}

#[tokio::test]
async fn whoever_signs_out_is_out() {
    let app = TestApp::start().await;
    let session = cookie(&sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await);
    let out = with_cookie(&app, "DELETE", "/api/session", &session, &[("X-Umishop-Console", "1")]).await;
    assert_eq!((out.status, &out.json()["ended"]), (200, &json!(true)));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    assert_eq!(with_cookie(&app, "GET", "/api/session", &session, &[]).await.status, 401);
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_by_the_cookie() {
    let app = TestApp::start().await;
    let session = cookie(&sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await);
    let console = ("X-Umishop-Console", "1");
    let host = format!("http://{}", app.address);
    for (status, headers) in [
        (403, &[][..]),
        (403, &[("Origin", host.as_str())]),
        (403, &[console, ("Origin", "https://evil.example")]),
        (403, &[console, ("Sec-Fetch-Site", "cross-site")]),
        (403, &[console, ("Sec-Fetch-Site", "same-site"), ("Origin", host.as_str())]),
        (200, &[console]),
        (200, &[console, ("Origin", host.as_str())]),
        (200, &[console, ("Sec-Fetch-Site", "same-origin")]),
    ] {
        let answer = with_cookie(&app, "POST", "/api/channels/email.welcome/pause", &session, headers).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
    }
    let body = json!({ "token": ADMIN_TOKEN }).to_string();
    let foreign = app.send("POST", "/api/session", &[("Origin", "https://evil.example")], body.as_bytes()).await;
    assert_eq!(foreign.status, 403, "nor does it sign anybody in");
}

#[tokio::test]
async fn a_password_that_a_proxy_asks_for_does_not_get_in_the_way_of_the_session() {
    let app = TestApp::start().await;
    let session = cookie(&sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await);
    // A browser sends it along with every call from then on.
    let proxys = ("Authorization", "Basic c2hvcDpwYXNz");
    assert_eq!(with_cookie(&app, "GET", "/api/users", &session, &[proxys]).await.status, 200);
    let changed = with_cookie(&app, "POST", "/api/channels/email.welcome/pause", &session, &[proxys]).await;
    assert_eq!(changed.status, 403, "it is no token: what changes something must come from the console");
    let wrong = ("Authorization", "Bearer wrong");
    assert_eq!(
        with_cookie(&app, "GET", "/api/users", &session, &[wrong]).await.status,
        401,
        "a token is looked at alone"
    );
}

#[tokio::test]
async fn behind_a_proxy_the_console_is_known_by_the_public_address_and_its_cookie_stays_on_tls() {
    let app = TestApp::start_with("[server]\npublic_url = \"https://shop.example\"").await;
    let answer = sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await;
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"), "{answer:?}");
    let headers = [("X-Umishop-Console", "1"), ("Origin", "https://shop.example")];
    let paused = with_cookie(&app, "POST", "/api/channels/email.welcome/pause", &cookie(&answer), &headers).await;
    assert_eq!(paused.status, 200, "{paused:?}");
}

#[tokio::test]
async fn guessing_at_the_door_is_held_back_and_the_right_token_passes() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        assert_eq!(sign_in(&app, &json!({ "code": "guess" })).await.status, 401);
    }
    let answer = sign_in(&app, &json!({ "token": "guess" })).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("6")), "{answer:?}");
    assert_eq!(sign_in(&app, &json!({ "token": ADMIN_TOKEN })).await.status, 200);
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_ends_the_sessions_it_began() {
    let app = TestApp::start().await;
    let secret = token(&app, "operator").await;
    let session = cookie(&sign_in(&app, &json!({ "token": secret })).await);
    assert_eq!(with_cookie(&app, "GET", "/api/users", &session, &[]).await.status, 200);
    let listed = app.items("/api/tokens").await.remove(0);
    assert_eq!((&listed["name"], &listed["created_by"]), (&json!("a operator"), &json!("admin token")));
    assert!(!listed.to_string().contains(&secret));
    let path = format!("/api/tokens/{}", listed["id"].as_str().unwrap());
    assert_eq!(owner(&app, "DELETE", &path, &Value::Null).await.status, 200);
    assert_eq!(with_token(&app, "GET", "/api/users", &secret).await, 401);
    assert_eq!(with_cookie(&app, "GET", "/api/users", &session, &[]).await.status, 401);
    assert_eq!(owner(&app, "DELETE", &path, &Value::Null).await.status, 404);
    assert!(app.items("/api/tokens").await.is_empty());
}

#[tokio::test]
async fn a_token_expires_with_its_sessions_and_its_use_is_noted_to_the_hour() {
    let app = TestApp::start().await;
    let wanted = json!({ "name": "report", "role": "read-only", "expires_in": "2d" });
    let made = owner(&app, "POST", "/api/tokens", &wanted).await.json();
    let secret = made["token"].as_str().unwrap();
    let session = cookie(&sign_in(&app, &json!({ "token": secret })).await);
    assert_eq!((&made["expires_at"], &made["last_used_at"]), (&json!("2026-11-26T09:30:00.000Z"), &Value::Null));
    let used_at = async || app.items("/api/tokens").await[0]["last_used_at"].clone();
    for (pass, noted) in [(0, "09:30"), (30, "09:30"), (30, "10:30")] {
        app.pass(Duration::from_mins(pass));
        assert_eq!(with_token(&app, "GET", "/api/users", secret).await, 200);
        assert_eq!(used_at().await, format!("2026-11-24T{noted}:00.000Z"));
    }
    let works = async || with_cookie(&app, "GET", "/api/users", &session, &[]).await.status;
    assert_eq!(works().await, 200);
    for _ in 0..4 {
        app.pass(11 * HOUR);
        assert_eq!(works().await, 200);
    }
    app.pass(3 * HOUR);
    assert_eq!((with_token(&app, "GET", "/api/users", secret).await, works().await), (401, 401));
}

#[tokio::test]
async fn a_token_that_cannot_be_made_is_refused_with_a_reason() {
    let app = TestApp::start().await;
    token(&app, "operator").await;
    for (status, wanted, named) in [
        (409, json!({ "name": "a operator", "role": "owner" }), "name"),
        (400, json!({ "name": "command line", "role": "owner" }), "command line"),
        (400, json!({ "name": " ", "role": "owner" }), "name"),
        (400, json!({ "name": "x", "role": "god" }), "owner, operator, read-only"),
        (400, json!({ "name": "x", "role": "owner", "expires_in": "soon" }), "90d"),
        (400, Value::Null, "body"),
    ] {
        let answer = owner(&app, "POST", "/api/tokens", &wanted).await;
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(answer.status == status && message.contains(named), "{wanted}: {answer:?}");
    }
}

#[tokio::test]
async fn every_change_says_who_made_it_and_nothing_of_a_customer() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.ask("Sales", "How much?").await;
    let operator = token(&app, "operator").await;
    let message = app.items("/api/messages?purpose=welcome").await[0]["id"].as_str().unwrap().to_owned();
    let request = app.items("/api/requests").await[0]["id"].as_str().unwrap().to_owned();
    for (action, path) in [
        ("message.cancel", format!("/api/messages/{message}/cancel")),
        ("message.retry", format!("/api/messages/{message}/retry")),
        ("request.acknowledge", format!("/api/requests/{request}/acknowledge")),
        ("request.answer", format!("/api/requests/{request}/answer")),
        ("request.close", format!("/api/requests/{request}/close")),
        ("channel.pause", "/api/channels/email.welcome/pause".to_owned()),
        ("channel.resume", "/api/channels/email.welcome/resume".to_owned()),
    ] {
        app.pass(Duration::from_millis(1));
        assert_eq!(with_token(&app, "POST", &path, &operator).await, 200, "{path}");
        let last = app.items("/api/audit?limit=1").await.remove(0);
        let target = path.split('/').nth(3).unwrap();
        for (field, value) in [("action", action), ("target", target), ("who", "a operator"), ("role", "operator")] {
            assert_eq!(last[field], value, "{last}");
        }
    }
    assert_eq!(with_token(&app, "POST", &format!("/api/messages/{request}/retry"), &operator).await, 404);
    let all = app.items("/api/audit").await;
    assert_eq!(all.len(), 8, "what was refused changed nothing: {all:?}");
    let all = Value::from(all).to_string();
    assert!(!all.contains("Ana") && !all.contains("example.com") && !all.contains("umi_"), "{all}");
}

/// What an earlier version kept of the token that it made on the first start.
fn keep_first_token(directory: &Path) {
    let connection = rusqlite::Connection::open(directory.join("umishop.db")).unwrap();
    let sql = "INSERT INTO settings (name, value) VALUES ('admin_token_hash', ?1)";
    connection.execute(sql, [&umishop::http::hash("umi_first")[..]]).unwrap();
}

#[tokio::test]
async fn the_token_of_an_earlier_version_works_until_it_is_revoked() {
    let app = first_start().await.restart_after(keep_first_token).await;
    assert_eq!(app.login_code, None);
    let bearer = [("Authorization", "Bearer umi_first")];
    let listed = app.send("GET", "/api/tokens", &bearer, b"").await.json()["items"][0].clone();
    assert_eq!((&listed["name"], &listed["role"]), (&json!("first token"), &json!("owner")));
    let app = app.restart().await;
    let path = format!("/api/tokens/{}", listed["id"].as_str().unwrap());
    assert_eq!(app.send("DELETE", &path, &bearer, b"").await.status, 200);
    let app = app.restart().await;
    assert_eq!(with_token(&app, "GET", "/api/tokens", "umi_first").await, 401);
}

#[tokio::test]
async fn the_token_of_an_earlier_version_stays_replaced_by_the_configurations() {
    let app = TestApp::start().await.restart_after(keep_first_token).await;
    assert_eq!(with_token(&app, "GET", "/api/tokens", "umi_first").await, 401);
}

#[tokio::test]
async fn a_restored_backup_lets_nobody_in_who_signed_in_before() {
    let app = first_start().await;
    let session = cookie(&sign_in(&app, &json!({ "code": app.login_code.clone().unwrap() })).await);
    app.back_up("backup.db").await;
    let restore = |directory: &Path| {
        let restored = run(directory, &["restore", "backup.db", "--replace"]);
        assert_eq!(restored.0, Some(0), "{restored:?}");
    };
    let app = app.restart_after(restore).await;
    assert_eq!(with_cookie(&app, "GET", "/api/users", &session, &[]).await.status, 401);
}

#[tokio::test]
async fn the_command_line_lets_people_in_and_out_while_the_server_runs() {
    let app = first_start().await;
    app.catch_up();
    let at = app.directory();
    let made = json_of(at, &["tokens", "create", "report", "--role", "operator", "--expires-in", "90d", "--json"]);
    let secret = made["token"].as_str().unwrap();
    assert_eq!(with_token(&app, "POST", "/api/channels/email.welcome/pause", secret).await, 200);
    let (code, _, error) = run(at, &["tokens", "create", "report", "--role", "owner"]);
    assert!(code == Some(1) && error.contains("another token is called report"), "{error}");
    let link = json_of(at, &["login-link", "--role", "read-only", "--name", "Eva", "--json"]);
    let (site, code) = link["link"].as_str().unwrap().split_once("/admin#login=").unwrap();
    assert!(site.starts_with("http://127.0.0.1:"), "{link}");
    let session = cookie(&sign_in(&app, &json!({ "code": code })).await);
    let eva = async || with_cookie(&app, "GET", "/api/session", &session, &[]).await;
    assert_eq!((&eva().await.json()["name"], &eva().await.json()["role"]), (&json!("Eva"), &json!("read-only")));
    let listed = run(at, &["tokens"]).1;
    assert!(listed.contains("report") && listed.contains("operator") && !listed.contains(secret), "{listed}");
    assert_eq!(run(at, &["tokens", "revoke", "report"]).0, Some(0));
    assert_eq!(with_token(&app, "GET", "/api/users", secret).await, 401);
    assert_eq!(run(at, &["tokens", "revoke", "report"]).0, Some(1), "there is none any more");
    assert_eq!(run(at, &["tokens", "sign-out"]).0, Some(0));
    assert_eq!(eva().await.status, 401);
    let audit = json_of(at, &["audit", "--json"]);
    let done = |who: &str| -> BTreeSet<&str> {
        let entries = audit.as_array().unwrap().iter().filter(|entry| entry["who"] == who);
        entries.map(|entry| entry["action"].as_str().unwrap()).collect()
    };
    assert_eq!(done("command line"), ["login_link.create", "session.end", "token.create", "token.revoke"].into());
    assert_eq!(done("report"), ["channel.pause"].into());
    assert_eq!(done("Eva"), ["session.begin"].into());
    assert!(run(at, &["audit"]).1.contains("token.revoke"));
}

#[tokio::test]
async fn changes_by_the_command_line_are_listed_too() {
    let app = TestApp::start().await;
    app.catch_up();
    app.register("Ana", "ana@example.com").await;
    app.ask("Sales", "How much?").await;
    let id = async |path: &str| app.items(path).await[0]["id"].as_str().unwrap().to_owned();
    let (message, request) = (id("/api/messages?purpose=welcome").await, id("/api/requests").await);
    for (arguments, action, target, detail) in [
        (&["messages", "cancel", &message][..], "message.cancel", message.as_str(), ""),
        (
            &["messages", "retry", "--state", "cancelled", "--purpose", "welcome", "--yes"],
            "message.retry",
            "many",
            "1 that were cancelled",
        ),
        (&["requests", "answer", &request], "request.answer", &request, ""),
        (&["requests", "note", &request, "Wants a call"], "request.note", &request, ""),
        (&["requests", "assign", &request, "Eva"], "request.assign", &request, ""),
    ] {
        assert_eq!(run(app.directory(), arguments).0, Some(0), "{arguments:?}");
        let all = app.items("/api/audit").await;
        let of = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
        let wanted = ["command line", action, target, detail].map(str::to_owned);
        let found =
            all.iter().any(|entry| ["who", "action", "target", "detail"].map(|field| of(entry, field)) == wanted);
        assert!(found, "{arguments:?} is not in {all:?}");
    }
}

#[tokio::test]
async fn what_the_command_line_takes_along_tries_out_and_brings_back_is_listed_too() {
    let app = TestApp::start().await;
    app.catch_up();
    app.register("Ana", "ana@example.com").await;
    let at = app.directory();
    let commands: [(&[&str], [&str; 3]); 6] = [
        (&["export", "users"], ["user.export", "many", ""]),
        (&["export", "requests"], ["request.export", "many", ""]),
        (&["export", "messages"], ["message.export", "many", ""]),
        (&["export", "touches"], ["touch.export", "many", ""]),
        (&["send-test", "slack.pricing"], ["channel.test", "slack.pricing", "captured"]),
        (&["backup", "backup.db"], ["backup.make", "", ""]),
    ];
    for (arguments, listed) in commands {
        let (code, _, error) = run(at, arguments);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{arguments:?}");
        let last = app.items("/api/audit?limit=1").await.remove(0);
        assert_eq!(["action", "target", "detail"].map(|field| last[field].as_str().unwrap()), listed, "{last}");
        assert_eq!(last["who"], "command line");
    }
    assert_eq!(run(at, &["backup", "backup.db"]).0, Some(1), "there is such a file");
    assert_eq!(app.items("/api/audit").await.len(), 6, "what was not done is not listed");
    let app = app
        .restart_after(|at| {
            let (code, _, error) = run(at, &["restore", "backup.db", "--replace"]);
            assert_eq!((code, error.as_str()), (Some(0), ""));
        })
        .await;
    let listed = app.items("/api/audit").await;
    assert_eq!((&listed[0]["action"], &listed[0]["who"]), (&json!("backup.restore"), &json!("command line")));
    assert!(listed[0]["detail"].as_str().unwrap().starts_with("of 20"), "{listed:?}");
    assert_eq!(listed.len(), 6, "as the backup had it, and that it was restored");
}
