//! From the webhook to the receiver: what arrives, what is sent again and when, and what is never sent again.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client;
use crate::mail::Letter;
use crate::process::Process;
use crate::sinks::{Entrance, HttpSink, SmtpSink, nobody, silent};
use crate::support::{ADMIN_TOKEN, TestApp, live};

const DAY: Duration = Duration::from_hours(24);

fn mail(name: &str, address: &str, more: &str) -> String {
    format!(
        "[channels.email.{name}]\nserver = \"smtp://{address}\"\nfrom = \"UmiShop <hello@shop.test>\"\nretry = [\"1m\"]\n{more}\n"
    )
}

fn http(name: &str, url: &str, more: &str) -> String {
    format!(
        "[channels.http.{name}]\nurl = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\nretry = [\"10s\", \"10s\"]\n{more}\n"
    )
}

fn slack(name: &str, api_url: &str) -> String {
    format!(
        "[channels.slack.{name}]\ntoken = \"xoxb-1\"\nchannel = \"#{name}\"\nrate = \"none\"\napi_url = \"{api_url}\"\n"
    )
}

/// Welcomes over a server, and a route that no test of a welcome uses.
fn welcome(address: &str, more: &str) -> String {
    format!(
        "{}[[routes]]\nchannels = [\"email.welcome\"]\n",
        mail("welcome", address, &format!("to = \"care@shop.test\"\n{more}"))
    )
}

/// One route for everything, to these channels; no welcome.
fn all_to(channels: &[&str], tables: &str) -> String {
    format!("[welcome]\nchannel = \"\"\n{tables}\n[[routes]]\nchannels = {channels:?}\n")
}

/// The only message there is.
async fn only_message(app: &TestApp) -> Value {
    let items = app.items("/api/messages").await;
    assert_eq!(items.len(), 1, "{items:?}");
    app.message(&items[0]).await
}

/// Each attempt's outcome and scope.
fn attempts(message: &Value) -> Vec<(&str, &str)> {
    message["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (attempt["outcome"].as_str().unwrap(), attempt["scope"].as_str().unwrap()))
        .collect()
}

async fn retry(app: &TestApp, message: &Value) {
    let answer = app.api("POST", &format!("/api/messages/{}/retry", message["id"].as_str().unwrap())).await;
    assert_eq!(answer.json()["state"], "pending", "{answer:?}");
    app.deliver_due().await;
}

#[tokio::test]
async fn a_welcome_arrives_a_minute_later_once_and_with_the_right_headers() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&welcome(&sink.address(), "")).await;
    app.register("Ana Ruíz", "Ana@Example.com").await;
    assert_eq!(app.advance(Duration::from_secs(59)).await, 0);
    assert_eq!(app.advance(Duration::from_secs(1)).await, 1);
    let message = only_message(&app).await;
    assert_eq!((&message["state"], &message["reference"]), (&json!("delivered"), &json!("250 2.0.0 queued as 4711")));

    let sent = &sink.mails()[0];
    assert_eq!((sent.from.as_str(), &sent.to[..]), ("hello@shop.test", &["ana@example.com".to_owned()][..]));
    let letter = Letter::read(&sent.text);
    assert_eq!(letter.headers.join(" "), "Message-ID Date From To Subject Auto-Submitted MIME-Version Content-Type");
    assert_eq!(letter.message_id, format!("{}@shop.test", message["id"].as_str().unwrap()));
    assert_eq!(letter.date, "Tue, 24 Nov 2026 09:30:00 +0000");
    assert_eq!(letter.from, "UmiShop <hello@shop.test>");
    assert_eq!(letter.to, "Ana Ruíz <ana@example.com>");
    // The country of her phone is Spain.
    assert_eq!(letter.subject, "Te damos la bienvenida a UmiShop, Ana Ruíz");
    assert_eq!(letter.auto_submitted, "auto-generated");
    assert!(letter.text.starts_with("Hola, Ana Ruíz:\n") && letter.html.contains("Hola, Ana Ruíz:"), "{letter:?}");

    app.register("Ana", "ana@example.com").await;
    app.advance(DAY).await;
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn a_question_goes_to_every_channel_of_its_route_in_the_form_each_understands() {
    let (smtp, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let tables = [
        mail("sales", &smtp.address(), "to = [\"sales@shop.test\", \"care@shop.test\"]"),
        slack("sales", &web.url("/api")),
        http("crm", &web.url("/crm"), "body = '{\"who\": \"{{ email }}\", \"what\": \"{{ question }}\"}'"),
    ];
    let app = TestApp::start_live(&all_to(&["email.sales", "slack.sales", "http.crm"], &tables.concat())).await;
    let body = json!({ "topic": "Sales", "question": "Do you ship <!channel> to \"Málaga\"?", "name": "Ana Ruíz",
                       "email": "ana@example.com", "utm_source": "google", "utm_medium": "cpc",
                       "chat_uuid": "0123-abcd-4567" });
    assert_eq!(app.post("/umishop_api/topic", &body).await.json()["status"], "queued");
    assert_eq!(app.deliver_due().await, 3);
    assert_eq!(app.items("/api/messages?state=delivered").await.len(), 3);

    let [sent] = &smtp.mails()[..] else { panic!("{:?}", smtp.mails()) };
    assert_eq!(sent.to, ["sales@shop.test", "care@shop.test"]);
    let letter = Letter::read(&sent.text);
    assert_eq!(
        (letter.to.as_str(), letter.reply_to.as_str()),
        ("sales@shop.test, care@shop.test", "Ana Ruíz <ana@example.com>")
    );
    for part in
        ["Do you ship <!channel> to \"Málaga\"?", "google / cpc", "https://app.landbot.io/gui/chats_v4/0123-abcd-4567"]
    {
        assert!(letter.text.contains(part), "{part} in {}", letter.text);
    }

    let (crm, slack): (Vec<_>, Vec<_>) = web.requests().into_iter().partition(|request| request.path == "/crm");
    let [post] = &slack[..] else { panic!("{slack:?}") };
    assert_eq!((post.path.as_str(), post.header("authorization")), ("/api/chat.postMessage", Some("Bearer xoxb-1")));
    let post: Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!((&post["channel"], &post["blocks"][0]["type"]), (&json!("#sales"), &json!("header")));
    assert!(
        post["blocks"][1]["text"]["text"].as_str().unwrap().contains("> Do you ship &lt;!channel&gt; to \"Málaga\"?"),
        "{post}"
    );
    assert_eq!(post["blocks"][2]["elements"][0]["url"], "https://app.landbot.io/gui/chats_v4/0123-abcd-4567");

    let [request] = &crm[..] else { panic!("{crm:?}") };
    let request: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(request, json!({ "who": "ana@example.com", "what": "Do you ship <!channel> to \"Málaga\"?" }));
}

#[tokio::test]
async fn a_greylisted_mail_is_sent_after_its_wait_and_not_before_and_is_the_same_mail() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&welcome(&sink.address(), "")).await;
    app.register("Ana", "grey451@example.com").await;
    let first = only_message(&app).await;
    assert_eq!(app.advance(Duration::from_mins(1)).await, 1);
    let waiting = only_message(&app).await;
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("pending"), &json!(1)));
    assert_eq!(attempts(&waiting), [("retry", "message")]);
    assert!(waiting["last_error"].as_str().unwrap().contains("451 4.7.1 greylisted"), "{waiting}");

    assert_eq!(app.advance(Duration::from_secs(59)).await, 0, "the wait is a minute");
    assert_eq!(app.advance(Duration::from_secs(13)).await, 1, "stretched by at most a fifth");
    let delivered = only_message(&app).await;
    assert_eq!(attempts(&delivered), [("retry", "message"), ("delivered", "")]);
    assert_eq!(delivered["last_error"], "");
    let [sent] = &sink.mails()[..] else { panic!("{:?}", sink.mails()) };
    assert_eq!(sent.text.trim_end(), first["text"].as_str().unwrap().trim_end());
}

#[tokio::test]
async fn an_unavailable_receiver_is_asked_again_and_every_attempt_is_kept() {
    let sink = HttpSink::start().await;
    let app = TestApp::start_live(&all_to(&["http.crm"], &http("crm", &sink.url("/retry/2/a"), ""))).await;
    app.ask("Sales", "How much?").await;
    let mut rounds = vec![app.deliver_due().await];
    for _ in 0..2 {
        rounds.push(app.advance(Duration::from_secs(12)).await);
    }
    assert_eq!(rounds, [1, 1, 1]);
    let message = only_message(&app).await;
    assert_eq!((&message["state"], &message["attempts"]), (&json!("delivered"), &json!(3)));
    assert_eq!(attempts(&message), [("retry", "message"), ("retry", "message"), ("delivered", "")]);
    let history = message["history"].as_array().unwrap();
    let errors: Vec<_> = history.iter().map(|attempt| attempt["error"].as_str().unwrap()).collect();
    assert_eq!(errors, ["HTTP 503", "HTTP 503", ""]);
    let started: Vec<_> = history.iter().map(|attempt| attempt["started_at"].as_str().unwrap()).collect();
    assert_eq!(started, ["2026-11-24T09:30:00.000Z", "2026-11-24T09:30:12.000Z", "2026-11-24T09:30:24.000Z"]);
    assert!(history.iter().all(|attempt| attempt["duration_ms"].is_u64()), "{history:?}");
    let [taken] = &sink.requests()[..] else { panic!("{:?}", sink.requests()) };
    assert_eq!(taken.header("idempotency-key"), message["id"].as_str());
}

#[tokio::test]
async fn after_its_last_wait_a_message_is_a_dead_letter() {
    let sink = HttpSink::start().await;
    let app = TestApp::start_live(&all_to(&["http.crm"], &http("crm", &sink.url("/s/503"), ""))).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    let mut more = 0;
    for _ in 0..10 {
        more += app.advance(DAY).await;
    }
    let message = only_message(&app).await;
    assert_eq!((more, &message["state"], &message["last_error"]), (2, &json!("dead"), &json!("HTTP 503: as you wish")));
}

#[tokio::test]
async fn a_refused_mailbox_is_a_dead_letter_at_once_until_an_operator_retries_it() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&welcome(&sink.address(), "")).await;
    app.register("Ana", "perm550@example.com").await;
    app.advance(Duration::from_mins(1)).await;
    let dead = only_message(&app).await;
    assert_eq!((&dead["state"], &dead["finished_at"]), (&json!("dead"), &json!("2026-11-24T09:31:00.000Z")));
    assert_eq!(attempts(&dead), [("dead", "recipient")]);
    assert!(dead["last_error"].as_str().unwrap().contains("550 5.1.1 no such user"), "{dead}");
    assert_eq!(app.advance(DAY).await, 0);

    sink.mend();
    retry(&app, &dead).await;
    let delivered = only_message(&app).await;
    assert_eq!((&delivered["state"], &delivered["id"]), (&json!("delivered"), &dead["id"]));
    let [sent] = &sink.mails()[..] else { panic!("{:?}", sink.mails()) };
    assert_eq!(sent.text.trim_end(), dead["text"].as_str().unwrap().trim_end());
}

#[tokio::test]
async fn a_revoked_slack_token_pauses_the_channel_and_costs_no_message_an_attempt() {
    let sink = HttpSink::start().await;
    let app =
        TestApp::start_live(&all_to(&["slack.sales"], &slack("sales", &sink.url("/slack/err/invalid_auth")))).await;
    for number in 0..10 {
        app.ask("Sales", &format!("Question {number}")).await;
    }
    assert_eq!(app.deliver_due().await, 3, "as many as go at once");
    assert_eq!(app.advance(Duration::from_secs(59)).await, 0, "a token does not mend by itself: a minute's pause");
    assert_eq!(app.advance(Duration::from_secs(1)).await, 1, "one message tries it out");
    assert_eq!(app.advance(Duration::from_secs(119)).await, 0, "then the pause is two minutes");
    let waiting = app.items("/api/messages?state=pending").await;
    assert!(waiting.len() == 10 && waiting.iter().all(|message| message["attempts"] == 0), "{waiting:?}");
    let tried: Vec<_> =
        waiting.iter().filter_map(|message| message["last_error"].as_str()).filter(|why| !why.is_empty()).collect();
    assert!(
        tried.len() >= 3 && tried.iter().all(|why| why.contains("invalid_auth") && why.contains("token")),
        "{tried:?}"
    );

    sink.mend();
    assert_eq!(app.advance(Duration::from_secs(1)).await, 10);
    let delivered = app.items("/api/messages?state=delivered").await;
    assert!(delivered.len() == 10 && delivered.iter().all(|message| message["attempts"] == 1), "{delivered:?}");
    let posted = sink.requests();
    assert_eq!(posted.len(), 4 + 10, "four refused, ten taken");
    for number in 0..10 {
        let taken = posted[4..].iter().filter(|post| post.body.contains(&format!("Question {number}"))).count();
        assert_eq!(taken, 1, "question {number}");
    }
}

#[tokio::test]
async fn a_receiver_says_when_it_wants_to_be_asked_again() {
    let sink = HttpSink::start().await;
    for (channel, table) in
        [("http.crm", http("crm", &sink.url("/429/100"), "")), ("slack.sales", slack("sales", &sink.url("/429/100")))]
    {
        let app = TestApp::start_live(&all_to(&[channel], &table)).await;
        app.ask("Sales", channel).await;
        assert_eq!(app.deliver_due().await, 1);
        let message = only_message(&app).await;
        assert_eq!(
            (&message["due_at"], &message["attempts"]),
            (&json!("2026-11-24T09:31:40.000Z"), &json!(0)),
            "{channel}"
        );
        assert_eq!(app.advance(Duration::from_secs(99)).await, 0, "{channel}");
        assert_eq!(app.advance(Duration::from_secs(1)).await, 1, "{channel}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_down_costs_no_attempt_and_gets_everything_when_it_is_back() {
    let (smtp, web, down) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await, nobody().await);
    let config = |smtp: &str, web: &str| {
        let tables = [mail("sales", smtp, "to = \"sales@shop.test\""), http("crm", web, ""), slack("sales", web)];
        all_to(&["email.sales", "http.crm", "slack.sales"], &tables.concat())
    };
    let app = TestApp::start_live(&config(&down, &format!("http://{down}/hook"))).await;
    app.ask("Sales", "How much?").await;
    let mut tried = app.deliver_due().await;
    for _ in 0..10 {
        tried += app.advance(Duration::from_hours(1)).await;
    }
    assert_eq!(tried, 33, "each channel is tried out every time");
    for item in app.items("/api/messages").await {
        let message = app.message(&item).await;
        assert_eq!((&message["state"], &message["attempts"]), (&json!("pending"), &json!(0)), "{message}");
        assert!(attempts(&message).iter().all(|attempt| *attempt == ("retry", "channel")), "{message}");
    }

    let app = app.restart_live(&config(&smtp.address(), &web.url("/hook"))).await;
    app.advance(Duration::from_hours(1)).await;
    assert_eq!(app.items("/api/messages?state=delivered").await.len(), 3);
    assert_eq!((smtp.mails().len(), web.requests().len()), (1, 2));
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_is_sent_again_as_the_very_same_mail() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&welcome(&sink.address(), "")).await;
    app.register("Ana", "dropafter@example.com").await;
    app.advance(Duration::from_mins(1)).await;
    assert_eq!(only_message(&app).await["state"], "pending");
    sink.mend();
    app.advance(Duration::from_mins(2)).await;
    assert_eq!(attempts(&only_message(&app).await), [("unknown", "message"), ("delivered", "")]);
    let [first, second] = &sink.mails()[..] else { panic!("{:?}", sink.mails()) };
    assert_eq!(first.text, second.text);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_held_for_the_operator_where_the_shop_wants_that() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&welcome(&sink.address(), "on_unknown = \"hold\"")).await;
    app.register("Ana", "dropafter@example.com").await;
    app.advance(Duration::from_mins(1)).await;
    let held = only_message(&app).await;
    assert_eq!((&held["state"], attempts(&held)), (&json!("held"), vec![("unknown", "message")]));
    assert!(held["last_error"].as_str().unwrap().contains("no answer came"), "{held}");
    sink.mend();
    assert_eq!(app.advance(DAY).await, 0);
    retry(&app, &held).await;
    assert_eq!(only_message(&app).await["state"], "delivered");
    let [first, second] = &sink.mails()[..] else { panic!("{:?}", sink.mails()) };
    assert_eq!(first.text, second.text);
}

#[tokio::test]
async fn a_channel_that_hangs_keeps_no_other_waiting() {
    let (stuck, quick, (_listener, hole)) = (HttpSink::start().await, HttpSink::start().await, silent().await);
    let tables = [
        http("stuck", &stuck.url("/hang"), "concurrency = 1"),
        mail("hole", &hole, "to = \"sales@shop.test\"\nconcurrency = 1"),
        http("quick", &quick.url("/hook"), ""),
    ];
    let app = TestApp::run_live(&all_to(&["http.stuck", "email.hole", "http.quick"], &tables.concat())).await;
    app.ask("Sales", "First").await;
    stuck.wait_for_hanging().await;
    for number in 0..20 {
        app.ask("Sales", &format!("Question {number}")).await;
    }
    quick.wait_for(21).await;
    for channel in ["http.stuck", "email.hole"] {
        let sending = app.items(&format!("/api/messages?channel={channel}&state=sending")).await;
        assert_eq!(sending.len(), 1, "{channel} is still at its first message");
        assert!(attempts(&app.message(&sending[0]).await).is_empty(), "{channel}");
    }
    stuck.mend();
    assert_eq!(stuck.wait_for(21).await.len(), 21, "and what waited behind it goes out");
}

#[tokio::test]
async fn a_message_that_its_template_cannot_show_is_dead_and_the_next_ones_go_out() {
    let (sink, templates) = (HttpSink::start().await, tempfile::tempdir().unwrap());
    let template = |text: &str| fs::write(templates.path().join("request.txt"), text).unwrap();
    // A shop's own template, right for every question but one.
    template("Subject: An order\n\nOrder {{ question | int if question == \"two\" else question }}\n");
    let config = format!(
        "[templates]\ndirectory = {:?}\n{}",
        templates.path(),
        all_to(&["http.crm"], &http("crm", &sink.url("/hook"), ""))
    );
    let app = TestApp::start_live(&config).await;
    for question in ["1", "two", "3"] {
        app.ask("Sales", question).await;
    }
    app.deliver_due().await;
    assert_eq!(app.items("/api/messages?state=delivered").await.len(), 2);
    let dead = app.items("/api/messages?state=dead").await;
    assert_eq!(dead.len(), 1);
    let why = dead[0]["last_error"].as_str().unwrap();
    assert!(why.contains("request.txt:3") && why.contains("mend the template, then retry"), "{why}");

    template("Subject: An order\n\nOrder {{ question }}\n");
    let app = app.restart().await;
    retry(&app, &dead[0]).await;
    assert_eq!(app.message(&dead[0]).await["state"], "delivered");
    let texts: Vec<Value> = sink.requests().iter().map(|sent| serde_json::from_str(&sent.body).unwrap()).collect();
    assert_eq!(texts[2]["text"], "Order two\n");
}

#[tokio::test]
async fn what_was_pending_at_a_restart_is_delivered_after_it() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&welcome(&sink.address(), "")).await;
    app.register("Ana", "ana@example.com").await;
    app.register("Eva", "grey451@example.com").await;
    app.advance(Duration::from_mins(1)).await;
    app.register("Leo", "leo@example.com").await;
    let app = app.restart().await;
    assert_eq!(app.deliver_due().await, 0, "nothing is due sooner because of it");
    assert_eq!(app.advance(Duration::from_mins(2)).await, 2);
    let to: Vec<_> = sink.mails().into_iter().flat_map(|mail| mail.to).collect();
    assert!(to.len() == 3 && to[0] == "ana@example.com" && to[1..].contains(&"leo@example.com".to_owned()), "{to:?}");
}

#[tokio::test]
async fn a_question_is_delivered_at_once_and_a_welcome_when_it_is_due_though_nobody_looks() {
    let (smtp, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let tables = [mail("welcome", &smtp.address(), ""), http("crm", &web.url("/hook"), "")].concat();
    // Its clock stands still, so that nothing but being told can make the relay look.
    let app = TestApp::run_live(&format!("{tables}[[routes]]\nchannels = [\"http.crm\"]\n")).await;
    for number in 1..4 {
        app.ask("Sales", &format!("Question {number}")).await;
        assert!(web.wait_for(number).await.last().unwrap().body.contains(&format!("Question {number}")));
    }
    app.register("Ana", "ana@example.com").await;
    app.pass(Duration::from_mins(1));
    smtp.wait_for(1).await;
    app.restart().await;
    assert_eq!((smtp.mails().len(), web.requests().len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_slow_delivery_end_and_it_is_not_repeated() {
    let (sink, directory) = (SmtpSink::start(Entrance::Plain).await, tempfile::tempdir().unwrap());
    let config = format!(
        "{}[welcome]\ndelay = \"1ms\"\n[server]\nlisten = \"127.0.0.1:0\"\n[admin]\ntoken = \"{ADMIN_TOKEN}\"\n",
        live(&welcome(&sink.address(), ""))
    );
    fs::write(directory.path().join("config.toml"), config).unwrap();
    let mut process = Process::start(directory.path());
    let body = json!({ "name": "Ana", "email": "hang@example.com" }).to_string();
    assert_eq!(client::send(process.address, "POST", "/umishop_api/user", &[], body.as_bytes()).await.status, 200);
    sink.wait_for_hanging().await;
    process.ask_to_stop();
    while TcpStream::connect(process.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(sink.mails().is_empty());
    sink.mend();
    assert_eq!(process.ended().code(), Some(0));
    assert_eq!(sink.mails().len(), 1);

    let process = Process::start(directory.path());
    let messages = process.items("/api/messages", ADMIN_TOKEN).await;
    assert_eq!((messages.len(), &messages[0]["state"], &messages[0]["attempts"]), (1, &json!("delivered"), &json!(1)));
    assert_eq!(sink.mails().len(), 1);
}
