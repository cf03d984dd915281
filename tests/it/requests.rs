//! A request's life: what operators say of it, and how the channels that carried its question hear of that.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{self, Response};
use crate::command_line::{configured, json_of, run};
use crate::process::Process;
use crate::sinks::HttpSink;
use crate::support::{ADMIN_TOKEN, TestApp};

const SECOND: Duration = Duration::from_secs(1);

fn pagerduty(name: &str, api_url: &str) -> String {
    format!(
        "[channels.pagerduty.{name}]\nrouting_key = \"0123456789abcdef0123456789abcdef\"\nrate = \"none\"\n\
         retry = [\"10s\", \"10s\", \"10s\", \"10s\"]\napi_url = \"{api_url}\"\n"
    )
}

fn slack(name: &str, api_url: &str) -> String {
    format!(
        "[channels.slack.{name}]\ntoken = \"xoxb-1\"\nchannel = \"#{name}\"\nrate = \"none\"\napi_url = \"{api_url}\"\n"
    )
}

fn all_to(channels: &[&str], tables: &str) -> String {
    format!("[welcome]\nchannel = \"\"\n{tables}\n[[routes]]\nchannels = {channels:?}\n")
}

/// Asks something, and says what the request is called.
async fn ask(app: &TestApp) -> String {
    app.ask("Sales", "How much?").await.json()["id"].as_str().unwrap().to_owned()
}

/// An operator says something of the request.
async fn say(app: &TestApp, id: &str, what: &str, said: &Value) -> Response {
    let token = format!("Bearer {ADMIN_TOKEN}");
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    app.send("POST", &format!("/api/requests/{id}/{what}"), &headers, said.to_string().as_bytes()).await
}

async fn say_state(app: &TestApp, id: &str, what: &str, state: &str) {
    let answer = say(app, id, what, &json!({})).await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!(state)), "{answer:?}");
}

fn bodies(sink: &HttpSink) -> Vec<Value> {
    sink.requests().iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect()
}

/// What PagerDuty was told of which alert, in order.
fn events(sink: &HttpSink) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    bodies(sink).iter().map(|event| (text(&event["event_action"]), text(&event["dedup_key"]))).collect()
}

fn of_alert(id: &str, actions: &[&str]) -> Vec<(String, String)> {
    actions.iter().map(|action| ((*action).to_owned(), id.to_owned())).collect()
}

#[tokio::test]
async fn an_alert_is_opened_acknowledged_and_resolved_in_order_even_when_the_first_event_fails_again_and_again() {
    let sink = HttpSink::start().await;
    let app =
        TestApp::start_live(&all_to(&["pagerduty.desk"], &pagerduty("desk", &sink.url("/retry/3/pagerduty")))).await;
    let id = ask(&app).await;
    app.advance(SECOND).await;
    for (what, state) in [("acknowledge", "acknowledged"), ("answer", "answered"), ("close", "closed")] {
        say_state(&app, &id, what, state).await;
        app.advance(SECOND).await;
    }
    assert!(sink.requests().is_empty(), "the follow-ups wait for their question");
    for _ in 0..60 {
        app.advance(SECOND).await;
    }
    assert_eq!(events(&sink), of_alert(&id, &["trigger", "acknowledge", "resolve", "resolve"]));
    let messages = app.items("/api/messages").await;
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|message| message["state"] == "delivered"), "{messages:?}");
    let counted: Vec<_> = messages.iter().rev().map(|message| message["attempts"].as_i64().unwrap()).collect();
    assert_eq!(counted, [4, 1, 1, 1], "waiting for its turn is no attempt");
}

#[tokio::test]
async fn a_follow_up_that_fails_is_tried_again_and_no_later_one_overtakes_it() {
    let (broken, works) = (HttpSink::start().await, HttpSink::start().await);
    let table = |sink: &HttpSink| all_to(&["pagerduty.desk"], &pagerduty("desk", &sink.url("/x")));
    let app = TestApp::start_live(&table(&works)).await;
    let id = ask(&app).await;
    app.deliver_due().await;
    let app =
        app.restart_live(&all_to(&["pagerduty.desk"], &pagerduty("desk", &broken.url("/retry/2/pagerduty")))).await;
    say_state(&app, &id, "acknowledge", "acknowledged").await;
    app.deliver_due().await;
    say_state(&app, &id, "answer", "answered").await;
    for _ in 0..40 {
        app.advance(SECOND).await;
    }
    assert_eq!(events(&works), of_alert(&id, &["trigger"]));
    assert_eq!(events(&broken), of_alert(&id, &["acknowledge", "resolve"]));
}

#[tokio::test]
async fn a_follow_up_is_called_off_when_its_question_died_and_comes_back_when_that_is_retried() {
    let sink = HttpSink::start().await;
    let refusing = HttpSink::answering(Some((400, String::new(), "{\"message\":\"no\"}".into()))).await;
    let table = |sink: &HttpSink| all_to(&["pagerduty.desk"], &pagerduty("desk", &sink.url("/x")));
    let app = TestApp::start_live(&table(&refusing)).await;
    let id = ask(&app).await;
    app.pass(SECOND);
    say_state(&app, &id, "answer", "answered").await;
    for _ in 0..3 {
        app.advance(SECOND).await;
    }
    assert_eq!(refusing.requests().len(), 1, "only the question was tried");
    let messages = app.items("/api/messages").await;
    let states: Vec<_> = messages.iter().map(|message| (&message["purpose"], &message["state"])).collect();
    assert_eq!(states, [(&json!("answered"), &json!("cancelled")), (&json!("request"), &json!("dead"))]);
    assert!(messages[0]["last_error"].as_str().unwrap().contains("its question was not delivered"), "{messages:?}");

    let app = app.restart_live(&table(&sink)).await;
    app.api("POST", &format!("/api/messages/{}/retry", messages[1]["id"].as_str().unwrap())).await;
    for _ in 0..3 {
        app.advance(SECOND).await;
    }
    assert_eq!(events(&sink), of_alert(&id, &["trigger", "resolve"]));
}

#[tokio::test]
async fn a_channel_that_takes_over_the_question_hears_what_became_of_it_and_the_one_that_failed_does_not() {
    let (down, sink) = (HttpSink::answering(Some((503, String::new(), String::new()))).await, HttpSink::start().await);
    let tables = format!(
        "{}fallback = \"pagerduty.on_call\"\nretry = [\"10s\", \"10s\"]\n{}",
        slack("desk", &down.url("/api")),
        pagerduty("on_call", &sink.url("/pagerduty"))
    );
    let app = TestApp::start_live(&all_to(&["slack.desk"], &tables)).await;
    let id = ask(&app).await;
    app.deliver_due().await;
    say_state(&app, &id, "acknowledge", "acknowledged").await;
    for _ in 0..60 {
        app.advance(SECOND).await;
    }
    assert_eq!(events(&sink), of_alert(&id, &["trigger", "acknowledge"]));
    assert!(down.requests().iter().all(|request| request.body.contains("How much?")), "{:?}", down.requests());
    say_state(&app, &id, "answer", "answered").await;
    app.advance(SECOND).await;
    assert_eq!(events(&sink), of_alert(&id, &["trigger", "acknowledge", "resolve"]));
}

#[tokio::test]
async fn a_slack_thread_says_who_looks_after_the_question_and_channels_that_do_not_follow_say_nothing() {
    let sink = HttpSink::start().await;
    let tables = format!(
        "{}{}[channels.http.crm]\nurl = \"{}\"\nprivate_networks = [\"127.0.0.1\"]\n",
        slack("desk", &sink.url("/api")),
        slack("loose", &sink.url("/loose")) + "threads = false\n",
        sink.url("/crm")
    );
    let app = TestApp::start_live(&all_to(&["slack.desk", "slack.loose", "http.crm"], &tables)).await;
    let id = ask(&app).await;
    app.deliver_due().await;
    assert_eq!(sink.requests().len(), 3);
    let said = json!({ "by": "Eva", "note": "<!channel> On it." });
    assert_eq!(say(&app, &id, "acknowledge", &said).await.status, 200);
    app.deliver_due().await;
    let posted = sink.requests();
    let [reply] = &posted[3..] else { panic!("{posted:?}") };
    assert_eq!(reply.path, "/api/chat.postMessage");
    let reply: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((&reply["thread_ts"], &reply["reply_broadcast"]), (&json!("1700000000.000100"), &json!(false)));
    let text = reply["blocks"][0]["text"]["text"].as_str().unwrap();
    assert_eq!(text.trim(), "Acknowledged by Eva: Sales, \"How much?\"\n\n&gt; &lt;!channel&gt; On it.");
}

#[tokio::test]
async fn a_request_is_listed_shown_and_only_moves_on() {
    let app = TestApp::start().await;
    let first = ask(&app).await;
    app.pass(SECOND);
    let other = json!({ "topic": "💶 Pricing!", "question": "And when?", "phone": "+34 612 345 678" });
    let second = app.post("/umishop_api/topic", &other).await.json()["id"].as_str().unwrap().to_owned();
    let listed = async |query: &str, expected: &[&str]| {
        let items = app.items(&format!("/api/requests{query}")).await;
        assert_eq!(items.iter().map(|item| item["id"].as_str().unwrap()).collect::<Vec<_>>(), expected, "{query}");
    };
    listed("", &[&second, &first]).await;
    listed("?topic=pricing", &[&second]).await;
    listed(&format!("?limit=1&cursor={second}"), &[&first]).await;

    let said = json!({ "by": "Eva", "note": "Sold out until May." });
    let answered = say(&app, &first, "answer", &said).await.json();
    assert_eq!((&answered["state"], &answered["name"]), (&json!("answered"), &json!("Ana")));
    let change =
        json!([{ "at": "2026-11-24T09:30:01.000Z", "state": "answered", "by": "Eva", "note": "Sold out until May." }]);
    assert_eq!(answered["changes"], change);
    assert_eq!(answered["messages"].as_array().unwrap().len(), 1, "mail does not follow");
    listed("?state=answered", &[&first]).await;
    listed("?state=new", &[&second]).await;

    for what in ["answer", "acknowledge"] {
        let again = say(&app, &first, what, &json!({})).await;
        assert_eq!(again.status, 409, "{again:?}");
        let why = again.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(why.starts_with("a request that is answered cannot become "), "{why}");
    }
    let user = app.items("/api/users").await.pop().unwrap()["id"].as_str().unwrap().to_owned();
    listed(&format!("?user={user}"), &[&first]).await;
    let timeline = app.api("GET", &format!("/api/users/{user}")).await.json();
    assert_eq!(timeline["requests"][0]["state"], "answered");
    // Without a body at all, as `curl -X POST` sends it.
    let closed = app.api("POST", &format!("/api/requests/{first}/close")).await;
    assert_eq!((closed.status, &closed.json()["state"]), (200, &json!("closed")), "{closed:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_call_about_a_request_is_named() {
    let app = TestApp::start().await;
    let id = ask(&app).await;
    let nobody = "01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d";
    for (path, status, named) in [
        ("?state=open", 400, "state"),
        ("?user=42", 400, "user"),
        ("/42", 400, "id"),
        (&format!("/{nobody}"), 404, "no request"),
    ] {
        let answer = app.api("GET", &format!("/api/requests{path}")).await;
        assert_eq!(answer.status, status, "{path} {answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(named), "{path} {answer:?}");
    }
    assert_eq!(say(&app, nobody, "close", &json!({})).await.status, 404);
    for (said, named) in [
        (json!({ "note": "n".repeat(2_001) }), "note"),
        (json!({ "by": "n".repeat(101) }), "by"),
        (json!({ "note": 42 }), "string"),
        (json!("closed"), "expected"),
    ] {
        let answer = say(&app, &id, "close", &said).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(named), "{answer:?}");
    }
    let path = format!("/api/requests/{id}/close");
    for headers in [&[][..], &[("Authorization", "Bearer wrong")]] {
        assert_eq!(app.send("POST", &path, headers, b"{}").await.status, 401);
    }
    assert_eq!(app.api("GET", &format!("/api/requests/{id}")).await.json()["state"], "new");
}

#[tokio::test]
async fn the_command_line_says_what_became_of_a_request_beside_a_running_server() {
    let directory = configured(
        "[server]\nlisten = \"127.0.0.1:0\"\n[channels.pagerduty.desk]\nrouting_key = \"0123456789abcdef0123456789abcdef\"\n\
         [[routes]]\nchannels = [\"pagerduty.desk\"]\n",
    );
    let process = Process::start(directory.path());
    let body =
        json!({ "topic": "Sales", "question": "How much?", "name": "Ana", "email": "ana@example.com" }).to_string();
    let asked = client::send(process.address, "POST", "/umishop_api/topic", &[], body.as_bytes()).await.json();
    let id = asked["id"].as_str().unwrap();

    let (code, out, error) = run(directory.path(), &["requests", "acknowledge", id, "--by", "Eva", "--note", "On it"]);
    assert_eq!(
        (code, out.trim()),
        (Some(0), &*format!("Request {id} is acknowledged; pagerduty.desk will be told.")),
        "{error}"
    );
    let (code, _, error) = run(directory.path(), &["requests", "acknowledge", id]);
    assert_eq!(code, Some(1));
    assert!(error.contains("a request that is acknowledged cannot become acknowledged"), "{error}");
    let listed = json_of(directory.path(), &["requests", "--state", "acknowledged", "--topic", "SALES", "--json"]);
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&json!(id), &json!("Ana")));
    let shown = run(directory.path(), &["requests", "show", id]).1;
    for expected in ["acknowledged", "Eva", "On it", "How much?", "request over pagerduty.desk", "Ana  ana@example.com"]
    {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    assert_eq!(run(directory.path(), &["requests", "answer", id]).0, Some(0));
    assert_eq!(run(directory.path(), &["requests", "close", id]).0, Some(0));
    // The server notices by itself.
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    let all_delivered = || {
        let shown = json_of(directory.path(), &["requests", "show", id, "--json"]);
        let messages = shown["messages"].as_array().unwrap().clone();
        messages.len() == 4 && messages.iter().all(|message| message["state"] == "delivered")
    };
    while !all_delivered() {
        assert!(std::time::Instant::now() < deadline, "the server has not noticed");
    }
}
