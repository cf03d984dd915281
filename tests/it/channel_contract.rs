//! What every kind of channel promises, checked over every entry of the registry, and each kind's own answers over
//! real sockets.

use std::sync::Arc;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use umishop::channel::{Capture, Channel, KINDS, Kind, kind, section};
use umishop::domain::{
    About, Context, EmailAddress, Markup, MessageId, Outcome, Purpose, Rendered, Report, Scope, Timestamp,
};
use umishop::render::{Draft, Renderer, Texts};

use crate::channel_answers::taken;
use crate::sinks::{CA_FILE, Entrance, HttpSink, SmtpSink, nobody, silent};
use crate::support::TestApp;

/// A message as the relay would hand it over.
pub(crate) fn message(purpose: Purpose, to: &str, markup: Markup) -> Rendered {
    let context = Context {
        name: "Ana Ruíz".into(),
        email: Some(EmailAddress::parse(to).unwrap()),
        phone: "+34612345678".into(),
        landbot_customer_id: "161808359".into(),
        topic: "Pricing".into(),
        question: "How much?\n.\nAnd <!channel> when?".into(),
        source: "google / cpc".into(),
        chat_uuid: "0123-abcd-4567".into(),
        ..Context::default()
    };
    let about_customers = Context { report: Some(Box::new(Report::example())), ..Context::default() };
    let context = if purpose == Purpose::Report { about_customers } else { context };
    let created_at = Timestamp::from_millis(1_795_509_000_000);
    let (id, about) = (MessageId::from_bytes([7; 16]), About::default());
    let draft = Draft { id, created_at, purpose, about, context: &context };
    let texts = Texts { public_url: "https://shop.example".into(), ..Texts::default() };
    Renderer::new(texts).unwrap().render(draft, &"email.sales".parse().unwrap(), markup).unwrap()
}

pub(crate) fn try_open(kind: &Kind, table: &str) -> Result<Arc<dyn Channel>, figment::Error> {
    (kind.open)(&Figment::from(Toml::string(table)))
}

fn open(kind_name: &str, table: &str) -> Arc<dyn Channel> {
    try_open(kind(kind_name).unwrap(), table).unwrap()
}

/// Such a table is refused at the key to change, and its secret is not repeated.
pub(crate) fn refused_at(kind_name: &str, table: &str, key: &str, complaint: &str) {
    let error = try_open(kind(kind_name).unwrap(), table).err().unwrap_or_else(|| panic!("{kind_name} takes {table}"));
    assert_eq!(error.path.first().map(String::as_str), Some(key), "{kind_name}: {error}");
    let said = error.to_string();
    assert!(said.contains(complaint) && !said.contains("correct-horse"), "{kind_name}: {said}");
}

/// A kind's example with `address` in place of every host in it, unencrypted, and a short limit of time.
pub(crate) fn table_to(kind: &Kind, address: &str) -> String {
    let line = |line: &str| match line.split_once("://") {
        Some((before, after)) if !line.starts_with('#') => {
            let scheme = before.split('+').next().unwrap().trim_end_matches('s');
            format!("{scheme}://{address}{}\n", after.trim_start_matches(|c| !"/\"".contains(c)))
        }
        _ => format!("{line}\n"),
    };
    let table: String = kind.example.lines().map(line).collect();
    assert!(table.contains(address), "{}: the example does not write where it leads to", kind.name);
    let reach = if kind.name == "http" { "private_networks = [\"127.0.0.1\"]\n" } else { "" };
    format!("{table}{reach}timeout = \"300ms\"\n")
}

/// A message that the channel can carry: a question, unless it only writes to customers.
fn request(channel: &Arc<dyn Channel>) -> Rendered {
    let purpose = if channel.has_own_address() { Purpose::Request } else { Purpose::Welcome };
    message(purpose, "ana@example.com", channel.markup())
}

#[test]
fn every_example_opens_and_composes_the_same_bytes_twice() {
    for kind in KINDS {
        let channel = try_open(kind, kind.example).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        let message = request(&channel);
        let bytes = channel.compose(&message).unwrap();
        assert!(!bytes.is_empty() && bytes == channel.compose(&message).unwrap(), "{}", kind.name);
        assert_eq!(
            bytes,
            try_open(kind, kind.example).unwrap().compose(&message).unwrap(),
            "{}: opened anew",
            kind.name
        );
    }
}

#[test]
fn every_kind_describes_itself() {
    for kind in KINDS {
        assert!(
            kind.summary.ends_with('.') && kind.pace.concurrency > 0 && !kind.pace.retry.is_empty(),
            "{}",
            kind.name
        );
        assert_eq!(umishop::channel::kind(kind.name).unwrap().name, kind.name);
        for wait in kind.pace.retry {
            assert!(humantime::parse_duration(wait).is_ok(), "{}: {wait}", kind.name);
        }
        for key in kind.shared.iter().copied().flatten() {
            assert!(kind.example.contains(key), "{}: the example does not mention the shared key `{key}`", kind.name);
        }
    }
}

#[test]
fn the_documentation_says_what_the_code_goes_by() {
    const PAGE: &str = "docs/channels.md";
    const START: &str = "<!-- What follows is made from src/channel: `just bless` writes it anew. -->\n\n";
    const END: &str = "<!-- Here that ends. -->\n";
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let sections: String = KINDS.iter().map(|kind| section(kind) + "\n").collect();
    let wanted = format!("{before}{START}{sections}{END}{after}");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(PAGE, wanted).unwrap();
    } else {
        assert!(page == wanted, "{PAGE} is not what the kinds say of themselves: run `just bless`");
    }
}

#[test]
fn an_unknown_key_is_refused_by_its_name() {
    for kind in KINDS {
        let error = try_open(kind, &format!("{}\nchanel = \"x\"\n", kind.example)).err().unwrap();
        assert!(error.to_string().contains("chanel"), "{}: {error}", kind.name);
    }
}

#[test]
fn no_secret_stands_in_what_a_channel_composes() {
    for kind in KINDS {
        let channel = try_open(kind, kind.example).unwrap();
        let bytes = String::from_utf8(channel.compose(&request(&channel)).unwrap()).unwrap();
        assert!(kind.example.contains("correct-horse"), "{}: the example has a secret to look for", kind.name);
        assert!(!bytes.contains("correct-horse"), "{}: {bytes}", kind.name);
    }
}

#[tokio::test]
async fn a_refused_connection_is_the_channels_fault() {
    for kind in KINDS {
        let channel = try_open(kind, &table_to(kind, &nobody().await)).unwrap();
        let outcome = channel.deliver(&request(&channel)).await;
        assert!(matches!(outcome, Outcome::Retry { scope: Scope::Channel, .. }), "{}: {outcome:?}", kind.name);
    }
}

#[tokio::test]
async fn a_silent_receiver_is_given_up() {
    for kind in KINDS {
        let (_listener, address) = silent().await;
        let channel = try_open(kind, &table_to(kind, &address)).unwrap();
        let outcome = channel.deliver(&request(&channel)).await;
        assert!(matches!(outcome.word(), "retry" | "unknown"), "{}: {outcome:?}", kind.name);
    }
}

#[tokio::test]
async fn the_sandbox_keeps_the_bytes_and_sends_nothing() {
    for kind in KINDS {
        let channel = try_open(kind, kind.example).unwrap();
        let message = request(&channel);
        let composed = channel.compose(&message).unwrap();
        match Capture::new(channel).deliver(&message).await {
            Outcome::Delivered { capture: Some(bytes), .. } => assert_eq!(bytes, composed, "{}", kind.name),
            other => panic!("{}: {other:?}", kind.name),
        }
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused_at_the_key_to_change() {
    for (kind_name, table, key, complaint) in [
        (
            "email",
            "server = \"smtps://m.example\"\nfrom = \"a@b.example\"\nusername = \"me\"",
            "password",
            "no `password`",
        ),
        ("email", "server = \"smtp://m.example\"\nfrom = \"a@b.example\"", "server", "smtp+starttls://m.example:587"),
        ("email", "server = \"smtps://m.example\"\nfrom = \"a@b.example\"\nto = [\"x\"]", "to", "`x`"),
        ("slack", "token = \"xoxb\"", "channel", "say where to post"),
        ("twilio", "account_sid = \"SK1\"", "account_sid", "begins with AC"),
        ("twilio", "account_sid = \"AC1\"", "auth_token", "`api_key` and `api_secret`"),
        ("twilio", "account_sid = \"AC1\"\napi_key = \"SK1\"", "api_secret", "needs its `api_secret`"),
        ("twilio", "account_sid = \"AC1\"\nauth_token = \"x\"", "from", "messaging_service_sid"),
        ("twilio", "account_sid = \"AC1\"\nauth_token = \"x\"\nfrom = \"Shop\"\nto = \"600 123\"", "to", "its country"),
        (
            "twilio",
            "account_sid = \"AC1\"\nauth_token = \"x\"\nfrom = \"Shop\"\nvia = \"whatsapp\"",
            "from",
            "its country",
        ),
        (
            "slack",
            "token = \"xoxb\"\nchannel = \"c\"\nwebhook_url = \"https://h.example/x\"",
            "webhook_url",
            "not both",
        ),
        ("slack", "", "token", "webhook_url"),
        ("whatsapp", "token = \"x\"\nphone_number_id = \"+34600123456\"", "phone_number_id", "digits"),
        ("whatsapp", "token = \"x\"\nphone_number_id = \"1\"\nto = \"600123456\"", "to", "its country"),
        ("http", "url = \"ftp://h.example\"", "url", "http:// or https://"),
        ("http", "url = \"https://h.example\"\nbody = '{\"a\": {{ question }}}'", "body", "tojson"),
        ("http", "url = \"https://h.example\"\nsuccess = [\"okay\"]", "success", "`okay`"),
        ("http", "url = \"https://h.example\"\nheaders = { \"a b\" = \"c\" }", "headers", "no name of a header"),
    ] {
        refused_at(kind_name, table, key, complaint);
    }
}

/// A mail channel over `sink`, with `more` settings.
fn mail_to(sink: &SmtpSink, more: &str) -> Arc<dyn Channel> {
    let server =
        if more.contains("server") { String::new() } else { format!("server = \"smtp://{}\"\n", sink.address()) };
    open("email", &format!("{server}from = \"UmiShop <hello@umishop.example>\"\ntimeout = \"5s\"\n{more}"))
}

async fn welcome(channel: &Arc<dyn Channel>, to: &str) -> Outcome {
    channel.deliver(&message(Purpose::Welcome, to, Markup::Html)).await
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_composed_and_the_connection_is_kept() {
    let sink = SmtpSink::start(Entrance::Pipelining).await;
    let channel = mail_to(&sink, "to = [\"sales@umishop.example\", \"boss@umishop.example\"]");
    let request = request(&channel);
    assert_eq!(channel.deliver(&request).await, Outcome::delivered("250 2.0.0 queued as 4711"));
    for number in 0..20 {
        assert_eq!(welcome(&channel, &format!("ana{number}@example.com")).await.word(), "delivered");
    }
    let mails = sink.mails();
    assert_eq!((mails.len(), sink.connections()), (21, 1));
    assert_eq!(mails[0].to, ["sales@umishop.example", "boss@umishop.example"]);
    assert_eq!(
        (mails[0].from.as_str(), &mails[20].to),
        ("hello@umishop.example", &vec!["ana19@example.com".to_owned()])
    );
    let composed = String::from_utf8(channel.compose(&request).unwrap()).unwrap();
    assert_eq!(mails[0].text.trim_end(), composed.trim_end());
    assert!(mails[0].text.contains(&format!("Message-ID: <{}@umishop.example>\r\n", request.id)));
}

#[tokio::test]
async fn many_mails_at_once_use_few_connections() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let channel = mail_to(&sink, "connections = 2");
    for _ in 0..3 {
        let mails = (0..4).map(|_| welcome(&channel, "ana@example.com"));
        let mails: Vec<_> = mails.map(Box::pin).collect();
        for outcome in join(mails).await {
            assert_eq!(outcome.word(), "delivered");
        }
    }
    assert_eq!(sink.wait_for(12).await.len(), 12);
    // Four at first; each later round finds two of them kept.
    assert!(sink.connections() <= 8, "{}", sink.connections());
}

/// All of them, at the same time.
async fn join<T: Send + 'static>(futures: Vec<std::pin::Pin<Box<impl Future<Output = T>>>>) -> Vec<T> {
    let mut futures = futures;
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|task| {
        for (future, slot) in futures.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(task)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn each_refusal_of_a_mail_has_its_scope_and_the_next_mail_goes_through() {
    for entrance in [Entrance::Plain, Entrance::Pipelining] {
        let sink = SmtpSink::start(entrance).await;
        let channel = mail_to(&sink, "");
        for (to, word, scope) in [
            ("perm550@example.com", "dead", Scope::Recipient),
            ("full552@example.com", "retry", Scope::Recipient),
            ("grey451@example.com", "retry", Scope::Message),
            ("data554@example.com", "dead", Scope::Message),
            ("dmarc550@example.com", "dead", Scope::Channel),
            ("busy421@example.com", "retry", Scope::Channel),
            ("drop@example.com", "unknown", Scope::Message),
            ("dropafter@example.com", "unknown", Scope::Message),
        ] {
            let outcome = welcome(&channel, to).await;
            assert_eq!((outcome.word(), outcome.scope()), (word, Some(scope)), "{to}: {outcome:?}");
            assert_eq!(welcome(&channel, "ana@example.com").await.word(), "delivered", "after {to}");
        }
        assert_eq!(welcome(&channel, "grey451@example.com").await.word(), "delivered");
        // Refusals keep the connection; only a 421 and the two cuts cost one.
        assert_eq!(sink.connections(), 4);
    }
}

#[tokio::test]
async fn a_mail_waits_for_the_recipient_that_is_refused_only_for_now() {
    let sink = SmtpSink::start(Entrance::Pipelining).await;
    let to = ["perm550@umishop.example", "grey451@umishop.example", "sales@umishop.example"];
    let channel = mail_to(&sink, &format!("to = {to:?}"));
    let request = request(&channel);
    let outcome = channel.deliver(&request).await;
    assert!(matches!(&outcome, Outcome::Retry { why, .. } if why.contains("451")), "{outcome:?}");
    assert!(sink.mails().is_empty());
    assert_eq!(channel.deliver(&request).await.word(), "delivered");
    assert_eq!(sink.mails()[0].to, to[1..]);
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn a_mail_goes_to_the_recipients_that_are_taken_and_says_who_was_not() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let channel = mail_to(&sink, "to = [\"perm550@umishop.example\", \"sales@umishop.example\"]");
    match channel.deliver(&request(&channel)).await {
        Outcome::Delivered { reference, .. } => {
            assert!(reference.contains("not for perm550@umishop.example: RCPT TO: 550 5.1.1"), "{reference}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sink.mails()[0].to, ["sales@umishop.example"]);
}

#[tokio::test]
async fn a_request_over_a_channel_without_an_address_says_what_to_write() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let outcome = {
        let channel = mail_to(&sink, "");
        channel.deliver(&message(Purpose::Request, "ana@example.com", channel.markup())).await
    };
    assert!(outcome.explanation().contains("write `to = [") && outcome.word() == "dead", "{outcome:?}");
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_test_goes_to_the_address_it_was_given() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let channel = mail_to(&sink, "");
    let outcome = channel.deliver(&message(Purpose::Test, "you@example.com", channel.markup())).await;
    assert_eq!(outcome.word(), "delivered", "{outcome:?}");
    assert_eq!(sink.mails()[0].to, ["you@example.com"]);
}

#[tokio::test]
async fn mail_is_sent_encrypted_and_logged_in() {
    for (entrance, scheme) in [(Entrance::StartTls, "smtp+starttls"), (Entrance::Tls, "smtps")] {
        let sink = SmtpSink::start(entrance).await;
        let port = sink.address().replace("127.0.0.1", "localhost");
        let login = |password: &str| {
            format!(
                "server = \"{scheme}://{port}\"\nca_file = \"{CA_FILE}\"\nusername = \"apikey\"\npassword = \"{password}\""
            )
        };
        let outcome = welcome(&mail_to(&sink, &login("secret")), "ana@example.com").await;
        assert_eq!(outcome.word(), "delivered", "{scheme}: {outcome:?}");
        let refused = welcome(&mail_to(&sink, &login("wrong-horse")), "ana@example.com").await;
        assert!(
            matches!(&refused, Outcome::Dead { scope: Scope::Channel, hint, .. } if hint.contains("`password`")),
            "{refused:?}"
        );
        assert!(!refused.explanation().contains("wrong-horse"));
        let untrusted = welcome(&mail_to(&sink, &format!("server = \"{scheme}://{port}\"")), "ana@example.com").await;
        assert!(
            matches!(&untrusted, Outcome::Retry { scope: Scope::Channel, why, .. } if why.contains("ca_file")),
            "{untrusted:?}"
        );
        assert_eq!(sink.mails().len(), 1);
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_said_in_the_clear() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let outcome =
        welcome(&mail_to(&sink, &format!("server = \"smtp+starttls://{}\"", sink.address())), "ana@example.com").await;
    assert!(matches!(outcome, Outcome::Dead { scope: Scope::Channel, .. }), "{outcome:?}");
}

fn slack_to(sink: &HttpSink, api: &str) -> Arc<dyn Channel> {
    open("slack", &format!("token = \"xoxb-1\"\nchannel = \"#pricing\"\napi_url = \"{}\"", sink.url(api)))
}

#[tokio::test]
async fn a_slack_post_arrives_with_its_blocks_and_its_token() {
    let sink = HttpSink::start().await;
    let channel = slack_to(&sink, "/api/");
    assert_eq!(channel.deliver(&request(&channel)).await, Outcome::delivered("1700000000.000100"));
    let posted = &sink.requests()[0];
    assert_eq!(
        (posted.method.as_str(), posted.path.as_str(), posted.header("authorization")),
        ("POST", "/api/chat.postMessage", Some("Bearer xoxb-1"))
    );
    let body: serde_json::Value = serde_json::from_str(&posted.body).unwrap();
    assert_eq!((body["channel"].as_str(), body["blocks"][0]["type"].as_str()), (Some("#pricing"), Some("header")));
    assert_eq!(body["blocks"][2]["elements"][0]["url"], "https://app.landbot.io/gui/chats_v4/0123-abcd-4567");
    assert!(posted.body.contains("&lt;!channel&gt;") && !posted.body.contains("<!channel>"), "{}", posted.body);
}

#[tokio::test]
async fn a_slack_webhook_says_ok() {
    let sink = HttpSink::start().await;
    let channel = open("slack", &format!("webhook_url = \"{}\"", sink.url("/webhook")));
    assert_eq!(channel.deliver(&request(&channel)).await.word(), "delivered");
    assert!(!sink.requests()[0].body.contains("\"channel\""));
}

fn http_to(sink: &HttpSink, path: &str, more: &str) -> Arc<dyn Channel> {
    let url = sink.url(path);
    open("http", &format!("url = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\ntimeout = \"5s\"\n{more}"))
}

#[tokio::test]
async fn an_http_request_carries_the_message_and_its_name_over_one_connection() {
    let sink = HttpSink::start().await;
    let channel = http_to(&sink, "/hook?a=1", "headers = { x-key = \"k\" }\nbody = '{\"text\": \"{{ question }}\"}'");
    let message = request(&channel);
    for _ in 0..10 {
        assert_eq!(channel.deliver(&message).await, Outcome::delivered("HTTP 200"));
    }
    let sent = &sink.wait_for(10).await[0];
    assert_eq!(
        (sent.path.as_str(), sent.header("x-key"), sent.header("content-type")),
        ("/hook?a=1", Some("k"), Some("application/json"))
    );
    assert_eq!(sent.header("idempotency-key"), Some(message.id.to_string().as_str()));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&sent.body).unwrap()["text"], message.context.question);
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn each_http_answer_has_its_scope() {
    let sink = HttpSink::start().await;
    for (path, word, scope) in [
        ("/s/204", "delivered", None),
        ("/s/302", "dead", Some(Scope::Message)),
        ("/s/400", "dead", Some(Scope::Message)),
        ("/s/401", "dead", Some(Scope::Channel)),
        ("/s/404", "dead", Some(Scope::Destination)),
        ("/s/503", "retry", Some(Scope::Message)),
        ("/drop", "unknown", Some(Scope::Message)),
    ] {
        let channel = http_to(&sink, path, "");
        let outcome = channel.deliver(&request(&channel)).await;
        assert_eq!((outcome.word(), outcome.scope()), (word, scope), "{path}: {outcome:?}");
    }
    let channel = http_to(&sink, "/429/17", "");
    let after = std::time::Duration::from_secs(17);
    assert!(
        matches!(channel.deliver(&request(&channel)).await, Outcome::Retry { after: Some(wish), scope: Scope::Channel, .. } if wish == after)
    );
    let channel = http_to(&sink, "/s/409", "success = [\"2xx\", \"409\"]");
    assert_eq!(channel.deliver(&request(&channel)).await, Outcome::delivered("HTTP 409"));
    let channel = http_to(&sink, "/retry/1/a", "");
    assert_eq!(channel.deliver(&request(&channel)).await.word(), "retry");
    assert_eq!(channel.deliver(&request(&channel)).await.word(), "delivered");
}

/// What stands in the headers of a request to prove who we are, and what that says when it is base64.
fn credentials(request: &crate::sinks::Request) -> Vec<String> {
    let ordinary =
        ["host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "idempotency-key"];
    let values = request.headers.iter().filter(|(name, _)| !ordinary.contains(&name.as_str()));
    values.map(|(_, value)| value.rsplit(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_receiver_that_repeats_a_secret_does_not_get_it_shown() {
    // As it is, and as JSON may write a slash.
    for part in ["{path}", "{credentials}", "{body}", "{\"message\":\"{escaped}\"}"] {
        for kind in KINDS.iter().filter(|kind| kind.name != "email") {
            for status in [400, 401, 500] {
                let sink = HttpSink::answering(Some((status, String::new(), part.to_owned()))).await;
                let table = table_to(kind, sink.url("").trim_start_matches("http://")).replace("300ms", "10s");
                let channel = try_open(kind, &table).unwrap();
                let why = channel.deliver(&request(&channel)).await.explanation();
                let mut secrets = vec!["correct-horse".to_owned()];
                secrets.extend(sink.requests().iter().flat_map(credentials));
                for secret in secrets {
                    assert!(!why.contains(&secret), "{}, {part}: {why}", kind.name);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_yes_of_which_the_rest_is_lost_is_no_refusal() {
    for kind in KINDS.iter().filter(|kind| !["email", "http"].contains(&kind.name)) {
        let (status, headers, body) = taken(kind);
        let start = &body[..body.len() / 2];
        let sink = HttpSink::answering(Some((status, headers, format!("{start}{{cut}}")))).await;
        let table = table_to(kind, sink.url("").trim_start_matches("http://")).replace("300ms", "10s");
        let channel = try_open(kind, &table).unwrap();
        let outcome = channel.deliver(&request(&channel)).await;
        assert_eq!(outcome.word(), "unknown", "{}: {outcome:?}", kind.name);
    }
}

#[tokio::test]
async fn what_one_customer_asks_again_goes_into_the_thread_of_their_first_question() {
    let sink = HttpSink::start().await;
    let app = TestApp::start_live(&format!(
        "[welcome]\nchannel = \"\"\n[channels.slack.desk]\ntoken = \"xoxb-1\"\nchannel = \"#desk\"\napi_url = \"{}\"\n\
         [[routes]]\nchannels = [\"slack.desk\"]\n",
        sink.url("/api")
    ))
    .await;
    for (email, question) in
        [("ana@example.com", "How much?"), ("eva@example.com", "When?"), ("ana@example.com", "And when?")]
    {
        let body = serde_json::json!({"email": email, "topic": "Sales", "question": question});
        assert_eq!(app.post("/umishop_api/topic", &body).await.json()["status"], "queued");
        // Slack takes one a second.
        app.advance(std::time::Duration::from_secs(2)).await;
    }
    let posted: Vec<serde_json::Value> =
        sink.requests().iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    let threads: Vec<_> = posted.iter().map(|body| body["thread_ts"].as_str()).collect();
    assert_eq!(threads, [None, None, Some("1700000000.000100")]);
    assert_eq!(posted[2]["reply_broadcast"], true);
}
