//! The kind `http` over real sockets: where its requests go, what they carry, how they are signed, and where it does not
//! connect.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use figment::Figment;
use figment::providers::{Format as _, Toml};
use ring::hmac;
use umishop::channel::{Channel, kind};
use umishop::domain::{Markup, Outcome, Purpose, Rendered};

use crate::channel_contract::message;
use crate::sinks::{HttpSink, Request};
use crate::support::TestApp;

const KEYS: [[u8; 32]; 2] = [[1; 32], [2; 32]];

fn open(table: &str) -> Result<Arc<dyn Channel>, figment::Error> {
    (kind("http").unwrap().open)(&Figment::from(Toml::string(table)))
}

fn to(sink: &HttpSink, path: &str, more: &str) -> Arc<dyn Channel> {
    let url = sink.url(path);
    open(&format!("url = '{url}'\nprivate_networks = [\"127.0.0.1\"]\ntimeout = \"5s\"\n{more}")).unwrap()
}

fn request() -> Rendered {
    message(Purpose::Request, "ana+shop@example.com", Markup::Plain)
}

fn secrets() -> String {
    format!("signing_secrets = {:?}", KEYS.map(|key| format!("whsec_{}", STANDARD.encode(key))))
}

/// Whether the request's n-th signature was made with the n-th key, over what arrived.
fn is_signed(request: &Request) -> bool {
    let header = |name| request.header(name).unwrap();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), request.body);
    let signatures: Vec<&str> = header("webhook-signature").split(' ').collect();
    signatures.len() == KEYS.len()
        && signatures.iter().zip(KEYS).all(|(signature, key)| {
            let signature = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
            hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &signature).is_ok()
        })
}

#[tokio::test]
async fn a_request_goes_where_its_fields_say_over_one_connection() {
    let sink = HttpSink::start().await;
    let headers = r#"headers = { x-name = "{{ name }}", x-asked = "Asked: {{ question }}" }"#;
    let channel = to(&sink, "/topics/{{ topic }}/{{ email }}?from={{ source }}&v=1", headers);
    for _ in 0..3 {
        assert_eq!(channel.deliver(&request()).await, Outcome::delivered("HTTP 200"));
    }
    let sent = &sink.wait_for(3).await[2];
    assert_eq!(sent.path, "/topics/Pricing/ana%2Bshop%40example.com?from=google%20%2F%20cpc&v=1");
    assert_eq!(sent.header("x-name"), Some("Ana Ru%C3%ADz"));
    assert_eq!(sent.header("x-asked"), Some("Asked: How much? . And <!channel> when?"));
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn what_is_written_between_fields_is_hidden_when_the_receiver_repeats_it() {
    let sink = HttpSink::start().await;
    let headers = r#"headers = { authorization = "Bearer correct-horse-{{ topic }}" }"#;
    let channel = to(&sink, "/echo/battery-staple/{{ name }}/correct-horse?sig=battery-staple&n={{ topic }}", headers);
    let why = channel.deliver(&request()).await.explanation();
    assert!(why.contains("[redacted]") && why.contains("Pricing"), "{why}");
    assert!(!why.contains("correct-horse") && !why.contains("battery-staple"), "{why}");
    let composed = String::from_utf8(channel.compose(&request()).unwrap()).unwrap();
    assert!(!composed.contains("correct-horse") && !composed.contains("battery-staple"), "{composed}");
}

#[tokio::test]
async fn what_an_operator_is_shown_of_a_signed_request_is_what_stays_the_same() {
    let sink = HttpSink::start().await;
    let channel = to(&sink, "/hook", &format!("headers = {{ x-topic = '{{{{ topic }}}}' }}\n{}", secrets()));
    let message = request();
    let shown = String::from_utf8(channel.compose(&message).unwrap()).unwrap();
    for line in [
        format!("webhook-id: {}\r\n", message.id),
        "webhook-timestamp: [the time of the attempt]\r\n".to_owned(),
        "webhook-signature: [redacted]\r\n".to_owned(),
        "x-topic: Pricing\r\n".to_owned(),
    ] {
        assert!(shown.contains(&line), "{line:?} is not in {shown}");
    }
}

#[tokio::test]
async fn each_attempt_is_signed_at_its_own_time_and_differs_in_nothing_else() {
    let sink = HttpSink::start().await;
    // The sink keeps what it takes; here its yes means "later".
    let app = TestApp::start_live(&format!(
        "[welcome]\nchannel = \"\"\n[channels.http.crm]\nurl = \"{}\"\nprivate_networks = [\"127.0.0.1\"]\n\
         success = [\"201\"]\nretry_on = [\"200\"]\nretry = [\"10s\"]\n{}\n[[routes]]\nchannels = [\"http.crm\"]\n",
        sink.url("/hook"),
        secrets()
    ))
    .await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    app.advance(Duration::from_secs(12)).await;
    let [first, second] = &sink.requests()[..] else { panic!("{:?}", sink.requests()) };
    assert!(is_signed(first) && is_signed(second), "{first:?} {second:?}");
    let varies = |name: &str| ["webhook-timestamp", "webhook-signature"].contains(&name);
    let rest = |request: &Request| {
        let headers = request.headers.iter().filter(|(name, _)| !varies(name)).cloned().collect::<Vec<_>>();
        (request.path.clone(), headers, request.body.clone())
    };
    assert_eq!(rest(first), rest(second));
    let seconds = |request: &Request| request.header("webhook-timestamp").unwrap().parse::<i64>().unwrap();
    // 2026-11-24T09:30:00Z
    assert_eq!((seconds(first), seconds(second)), (1_795_512_600, 1_795_512_612));
    assert_eq!(first.header("webhook-id"), first.header("idempotency-key"));
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_unless_its_network_is_named() {
    let sink = HttpSink::start().await;
    let local = sink.url("/hook").replace("127.0.0.1", "localhost");
    for url in [sink.url("/hook"), local.clone(), sink.url("/{{ topic }}")] {
        let error = open(&format!("url = '{url}'")).err().unwrap();
        assert_eq!(error.path, ["url"]);
        assert!(error.to_string().contains("write private_networks = [\"127.0.0.1\"]"), "{error}");
    }
    let channel = open(&format!("url = '{local}'\nprivate_networks = [\"127.0.0.0/8\", \"::1\"]")).unwrap();
    assert_eq!(channel.deliver(&request()).await, Outcome::delivered("HTTP 200"));
    assert_eq!(sink.connections(), 1);
}

#[test]
fn settings_that_cannot_be_followed_are_refused_at_the_key_to_change() {
    for (more, key, complaint) in [
        ("private_networks = [\"10.0.0.0/40\"]", "private_networks", "`10.0.0.0/40` is no network"),
        ("signing_secrets = [\"correct-horse\"]", "signing_secrets", "begins with whsec_"),
        ("signing_secrets = [\"whsec_AAAA\"]", "signing_secrets", "must have 24 to 64"),
        ("retry_on = [\"later\"]", "retry_on", "`later` names no statuses"),
        ("retry_on = [\"204\"]", "retry_on", "204 means `success`, too"),
        ("headers = { x-name = \"{{ nmae }}\" }", "headers", "`x-name`: line 1"),
        (&format!("headers = {{ Webhook-Id = \"1\" }}\n{}", secrets()), "headers", "set by umishop itself"),
    ] {
        let error = open(&format!("url = \"https://crm.example.com/\"\n{more}")).err().unwrap();
        assert_eq!(error.path.first().map(String::as_str), Some(key), "{error}");
        assert!(error.to_string().contains(complaint) && !error.to_string().contains("horse"), "{error}");
    }
    let error = open("url = \"https://{{ topic }}.example.com/\"").err().unwrap();
    assert!(
        error.path == ["url"] && error.to_string().contains("no field of a message may say where it goes"),
        "{error}"
    );
}
