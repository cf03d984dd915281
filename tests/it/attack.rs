//! The intake under attack: callers who are slow, too many, too fast, or guess. What a connection may take is shortened
//! here by configuration; how it is counted is proved beside the code, where time stands still.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Response, parse};
use crate::support::{ADMIN_TOKEN, TestApp};

const USER: &str = "/umishop_api/user";

/// Long enough for any machine; no test waits so long unless it fails.
const AT_LAST: Duration = Duration::from_secs(20);

/// Deadlines that a test can wait for. Those that are not meant in a test are far away.
fn server(keys: &str) -> String {
    let mut config = "[server]\n".to_owned();
    for (key, far) in [("header_timeout", "1h"), ("request_timeout", "1h"), ("idle_timeout", "1h")] {
        if !keys.contains(key) {
            writeln!(config, "{key} = \"{far}\"").unwrap();
        }
    }
    config + keys
}

/// A connection that does what a test tells it.
struct Caller(TcpStream);

impl Caller {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// A server may have closed already.
    async fn says(&mut self, text: &[u8]) -> bool {
        self.0.write_all(text).await.is_ok()
    }

    /// Everything until the server closes, which it must.
    async fn hears_to_the_end(&mut self) -> String {
        let mut heard = Vec::new();
        // A reset is an end, too.
        drop(timeout(AT_LAST, self.0.read_to_end(&mut heard)).await.expect("the server does not close"));
        String::from_utf8(heard).unwrap()
    }

    /// One answer on a connection that is kept.
    async fn hears_an_answer(&mut self) -> Response {
        let mut heard = String::new();
        loop {
            let mut bytes = [0; 4096];
            let length = timeout(AT_LAST, self.0.read(&mut bytes)).await.unwrap().unwrap();
            assert!(length > 0, "closed after {heard:?}");
            heard += std::str::from_utf8(&bytes[..length]).unwrap();
            if heard.ends_with('}') {
                return parse(&heard);
            }
        }
    }
}

fn user(email: &str) -> Vec<u8> {
    json!({ "name": "Ana", "email": email }).to_string().into_bytes()
}

/// As from behind the proxy on this machine.
async fn post_from(app: &TestApp, address: &str, secret: &str) -> Response {
    let headers = [("X-Forwarded-For", address), ("X-Umishop-Secret", secret)];
    app.send("POST", USER, &headers, &user("ana@example.com")).await
}

#[tokio::test]
async fn half_a_head_is_answered_408_and_closed() {
    let app = TestApp::start_with(&server("header_timeout = \"200ms\"")).await;
    let mut caller = Caller::connect(app.address).await;
    caller.says(b"POST /umishop_api/user HTTP/1.1\r\nHost: shop\r\n").await;
    let answer = parse(&caller.hears_to_the_end().await);
    assert_eq!((answer.status, &answer.json()["ok"]), (408, &json!(false)), "{answer:?}");
    assert_eq!(answer.json().as_object().unwrap().len(), 8, "{answer:?}");
}

#[tokio::test]
async fn a_head_that_drips_is_closed() {
    let app = TestApp::start_with(&server("header_timeout = \"200ms\"")).await;
    let mut caller = Caller::connect(app.address).await;
    let (mut reader, mut writer) = caller.0.split();
    let mut heard = Vec::new();
    let drip = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while writer.write_all(b"X").await.is_ok() {
            pace.tick().await;
        }
    };
    let closed = async {
        tokio::select! {
            _ = reader.read_to_end(&mut heard) => {}
            () = drip => {}
        }
    };
    timeout(AT_LAST, closed).await.expect("the server does not close");
}

#[tokio::test]
async fn who_opens_a_connection_and_says_nothing_is_closed_without_a_word() {
    let app = TestApp::start_with(&server("header_timeout = \"200ms\"")).await;
    assert_eq!(Caller::connect(app.address).await.hears_to_the_end().await, "");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_kept_as_far_as_it_came_and_answered_400() {
    let app = TestApp::start_with(&server("header_timeout = \"100ms\"\nrequest_timeout = \"300ms\"")).await;
    let mut caller = Caller::connect(app.address).await;
    caller.says(b"POST /umishop_api/user HTTP/1.1\r\nHost: shop\r\nContent-Length: 500\r\n\r\n{\"email\":").await;
    let answer = parse(&caller.hears_to_the_end().await);
    assert_eq!((answer.status, &answer.json()["status"]), (400, &json!("error")), "{answer:?}");
    let inbox = app.items("/api/inbox").await;
    assert_eq!(inbox[0]["body"], "{\"email\":");
    assert!(inbox[0]["why"].as_str().unwrap().contains("did not come in time"), "{}", inbox[0]);
}

#[tokio::test]
async fn a_kept_connection_outlives_the_heads_time_and_ends_at_its_own() {
    let app = TestApp::start_with(&server("header_timeout = \"100ms\"\nidle_timeout = \"2s\"")).await;
    let mut caller = Caller::connect(app.address).await;
    let hint = b"GET /umishop_api/user HTTP/1.1\r\nHost: shop\r\n\r\n";
    caller.says(hint).await;
    assert_eq!(caller.hears_an_answer().await.status, 200);
    let waited = timeout(Duration::from_millis(250), caller.0.read(&mut [0])).await;
    assert!(waited.is_err(), "closed while it might rest");
    caller.says(hint).await;
    assert_eq!(caller.hears_an_answer().await.status, 200);
    assert_eq!(caller.hears_to_the_end().await, "");
}

#[tokio::test]
async fn a_caller_who_does_not_take_the_answer_is_closed() {
    let app =
        TestApp::start_with(&server("header_timeout = \"100ms\"\nrequest_timeout = \"500ms\"\nconnections = 1")).await;
    let mut caller = Caller::connect(app.address).await;
    // The documentation's page is larger than what fits between two sockets.
    caller.says(b"GET /docs HTTP/1.1\r\nHost: shop\r\n\r\n").await;
    // There is one slot, and the slow reader has it until it is closed.
    let served = timeout(AT_LAST, async { while Caller::connect(app.address).await.asks_for_health().await != 200 {} });
    served.await.expect("the slow reader keeps its connection");
}

impl Caller {
    /// The status; 0 when there is none.
    async fn asks_for_health(&mut self) -> u16 {
        self.says(b"GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").await;
        let heard = self.hears_to_the_end().await;
        heard.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
    }
}

#[tokio::test]
async fn over_the_cap_of_connections_callers_are_refused_until_one_is_free() {
    let app = TestApp::start_with(&server("connections = 2")).await;
    let mut held = vec![Caller::connect(app.address).await, Caller::connect(app.address).await];
    for caller in &mut held {
        caller.says(b"GET /umishop_api/user HTTP/1.1\r\nHost: shop\r\n\r\n").await;
        assert_eq!(caller.hears_an_answer().await.status, 200);
    }
    let refused = Caller::connect(app.address).await.hears_to_the_end().await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: "), "{refused:?}");
    drop(held.pop());
    let freed = timeout(AT_LAST, async { while Caller::connect(app.address).await.asks_for_health().await != 200 {} });
    freed.await.expect("the slot does not come back");
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections_and_a_trusted_proxy_all() {
    for (proxies, served) in [("[]", false), ("[\"127.0.0.0/8\"]", true)] {
        let keys = format!("connections_per_address = 1\ntrusted_proxies = {proxies}");
        let app = TestApp::start_with(&server(&keys)).await;
        let mut held = Caller::connect(app.address).await;
        held.says(b"GET /umishop_api/user HTTP/1.1\r\nHost: shop\r\n\r\n").await;
        held.hears_an_answer().await;
        assert_eq!(Caller::connect(app.address).await.asks_for_health().await == 200, served, "{proxies}");
    }
}

const LIMITED: &str = "[intake]\nrate = \"2/s\"\nburst = 3\n";

#[tokio::test]
async fn over_the_rate_a_bot_reads_429_and_when_to_come_back_and_may_then() {
    let app = TestApp::start_with(LIMITED).await;
    for _ in 0..3 {
        assert_eq!(post_from(&app, "203.0.113.9", "").await.status, 200);
    }
    let answer = post_from(&app, "203.0.113.9", "").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{answer:?}");
    assert_eq!((answer.json().as_object().unwrap().len(), &answer.json()["status"]), (8, &json!("error")));
    app.pass(Duration::from_millis(500));
    assert_eq!(post_from(&app, "203.0.113.9", "").await.status, 200);
    assert_eq!(post_from(&app, "203.0.113.9", "").await.status, 429);
    assert_eq!(post_from(&app, "203.0.113.8", "").await.status, 200, "another address has its own");
    assert_eq!(app.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_program_on_this_machine_that_speaks_for_nobody_has_no_rate() {
    let app = TestApp::start_with(LIMITED).await;
    for _ in 0..10 {
        assert_eq!(app.register("Ana", "ana@example.com").await.status, 200);
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed_whom_it_speaks_for() {
    let app = TestApp::start_with(&format!("{LIMITED}[server]\ntrusted_proxies = [\"192.0.2.0/24\"]\n")).await;
    for last in 0..3 {
        assert_eq!(post_from(&app, &format!("203.0.113.{last}"), "").await.status, 200);
    }
    assert_eq!(post_from(&app, "203.0.113.3", "").await.status, 429, "it invents an address each time");

    let app = TestApp::start_with(LIMITED).await;
    for last in 0..3 {
        assert_eq!(post_from(&app, &format!("192.0.2.{last}, 203.0.113.9"), "").await.status, 200);
    }
    assert_eq!(post_from(&app, "192.0.2.3, 203.0.113.9", "").await.status, 429, "it invents where it comes from");
}

const SECRET: &str = "[intake]\nsecret = \"s3cret\"\n";

#[tokio::test]
async fn guesses_are_held_back_and_the_right_secret_from_the_same_address_passes() {
    let app = TestApp::start_with(SECRET).await;
    for _ in 0..10 {
        assert_eq!(post_from(&app, "203.0.113.9", "guess").await.status, 401);
    }
    let answer = post_from(&app, "203.0.113.9", "guess").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("6")), "{answer:?}");
    assert_eq!(post_from(&app, "203.0.113.9", "s3cret").await.status, 200);
    assert_eq!(post_from(&app, "203.0.113.8", "guess").await.status, 401, "another address has its own");
    app.pass(Duration::from_secs(6));
    assert_eq!(post_from(&app, "203.0.113.9", "guess").await.status, 401);
    assert_eq!(post_from(&app, "203.0.113.9", "guess").await.status, 429);
}

#[tokio::test]
async fn a_bot_that_shows_no_secret_is_always_told_so() {
    let app = TestApp::start_with("sandbox = false\n[intake]\nsecret = \"s3cret\"\n[welcome]\nchannel = \"\"\n[channels.http.sink]\nurl = \"http://127.0.0.1:9/\"\nprivate_networks = [\"127.0.0.1\"]\n[[routes]]\nchannels = [\"http.sink\"]\n").await;
    for _ in 0..15 {
        assert_eq!(app.send("POST", USER, &[], &user("ana@example.com")).await.status, 401);
    }
}

#[tokio::test]
async fn guessed_admin_tokens_are_held_back_and_the_right_one_passes() {
    let app = TestApp::start().await;
    let with =
        async |token: &str| app.send("GET", "/api/users", &[("Authorization", &format!("Bearer {token}"))], b"").await;
    for _ in 0..10 {
        assert_eq!(with("guess").await.status, 401);
    }
    let answer = with("guess").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("6")), "{answer:?}");
    assert_eq!(answer.json()["error"]["code"], "too_often");
    assert_eq!(with(ADMIN_TOKEN).await.status, 200);
    app.pass(Duration::from_secs(6));
    assert_eq!(with("guess").await.status, 401);
}

#[tokio::test]
async fn two_lengths_for_one_body_are_refused() {
    let app = TestApp::start().await;
    for lengths in [
        "Content-Length: 44\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 44",
        "Content-Length: 4\r\nContent-Length: 44",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
    ] {
        let mut caller = Caller::connect(app.address).await;
        let smuggled = "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n";
        let request = format!("POST {USER} HTTP/1.1\r\nHost: shop\r\n{lengths}\r\n\r\n{smuggled}");
        caller.says(request.as_bytes()).await;
        let heard = caller.hears_to_the_end().await;
        assert!(heard.starts_with("HTTP/1.1 400 "), "{lengths}: {heard:?}");
        assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{lengths}: {heard:?}");
    }
    assert!(app.items("/api/inbox").await.is_empty());
}

#[tokio::test]
async fn an_absurd_head_is_refused() {
    let app = TestApp::start().await;
    for head in [
        format!("GET / HTTP/1.1\r\nCookie: {}", "a".repeat(70_000)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(66_000)),
        format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200)),
    ] {
        let mut caller = Caller::connect(app.address).await;
        caller.says(head.as_bytes()).await;
        let heard = caller.hears_to_the_end().await;
        let status = heard.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "414", "431"].contains(&status), "{}: {heard:?}", &head[..30]);
    }
}

#[tokio::test]
async fn http_2_is_not_spoken_here() {
    let app = TestApp::start().await;
    let mut caller = Caller::connect(app.address).await;
    caller.says(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await;
    let heard = caller.hears_to_the_end().await;
    assert!(heard.starts_with("HTTP/1.1 505 "), "{heard:?}");
}

#[tokio::test]
async fn a_large_body_comes_whole_after_the_server_said_to_go_on() {
    let app = TestApp::start().await;
    let body = json!({ "topic": "Sales", "question": "a".repeat(90_000), "email": "ana@example.com" }).to_string();
    let head = format!(
        "POST /umishop_api/topic HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut caller = Caller::connect(app.address).await;
    caller.says(head.as_bytes()).await;
    let mut go_on = [0; 25];
    timeout(AT_LAST, caller.0.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    caller.says(body.as_bytes()).await;
    let answer = caller.hears_an_answer().await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("queued")), "{answer:?}");
}
