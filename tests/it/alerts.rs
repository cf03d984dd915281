//! What the operator is told when something is wrong: once, in words that help, and never over the channel that is broken.

use std::time::Duration;

use serde_json::{Value, json};

use crate::mail::Letter;
use crate::sinks::{Entrance, HttpSink, SmtpSink, nobody};
use crate::support::TestApp;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

fn mail(name: &str, server: &str, more: &str) -> String {
    format!(
        "[channels.email.{name}]\nserver = \"smtp://{server}\"\nfrom = \"UmiShop <hello@shop.test>\"\nto = \"{name}@shop.test\"\nretry = [\"1m\"]\n{more}\n"
    )
}

fn http(name: &str, url: &str) -> String {
    format!("[channels.http.{name}]\nurl = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\nretry = [\"10s\"]\n")
}

fn slack(name: &str, api_url: &str) -> String {
    format!(
        "[channels.slack.{name}]\ntoken = \"xoxb-1\"\nchannel = \"#{name}\"\nrate = \"none\"\napi_url = \"{api_url}\"\n"
    )
}

/// Questions go to `channel`, alerts to `alerts`.
fn config(channel: &str, alerts: &[&str], tables: &[String]) -> String {
    format!(
        "[server]\npublic_url = \"https://shop.test\"\n[welcome]\nchannel = \"\"\n[alerts]\nchannels = {alerts:?}\n{}\n[[routes]]\nchannels = [\"{channel}\"]\n",
        tables.concat()
    )
}

/// The channels of all alerts that there are, oldest first.
async fn alerts(app: &TestApp) -> Vec<String> {
    let mut items = app.items("/api/messages?purpose=alert&limit=500").await;
    items.reverse();
    items.iter().map(|item| item["channel"].as_str().unwrap().to_owned()).collect()
}

/// The newest mail to the operator, once it is delivered.
async fn newest(app: &TestApp, ops: &SmtpSink) -> Letter {
    app.deliver_due().await;
    Letter::read(&ops.mails().last().unwrap().text)
}

fn says(letter: &Letter, headline: &str, parts: &[&str]) {
    assert_eq!(letter.subject, format!("umishop: {headline}"), "{}", letter.text);
    for part in parts.iter().chain(&["The console is at https://shop.test/admin"]) {
        assert!(letter.text.contains(part), "{part:?} in {}", letter.text);
    }
}

async fn pause(app: &TestApp, channel: &str) {
    let paused = app.api("POST", &format!("/api/channels/{channel}/pause")).await;
    assert_eq!(paused.json()["condition"], "paused", "{paused:?}");
}

#[tokio::test]
async fn trouble_that_does_not_mend_by_itself_is_told_at_once_and_over_the_other_channels_alone() {
    let (ops, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let tables = [mail("ops", &ops.address(), ""), slack("sales", &web.url("/slack/err/invalid_auth"))];
    let app = TestApp::start_live(&config("slack.sales", &["slack.sales", "email.ops"], &tables)).await;
    app.ask("Sales", "How much?").await;
    assert_eq!(app.look().await, 0, "nothing has happened yet");
    app.deliver_due().await;
    assert_eq!(app.look().await, 1);
    let letter = newest(&app, &ops).await;
    says(
        &letter,
        "slack.sales delivers nothing",
        &[
            "Nothing is sent over slack.sales since 2026-11-24 09:30 UTC.",
            "Why: the answer was invalid_auth",
            "What to do: reinstall the app in Slack and write its new bot token into `token`.",
            "umishop messages --state pending --channel slack.sales",
        ],
    );
    assert!(!letter.text.contains("How much?"), "no customer's words: {}", letter.text);
    app.pass(29 * MINUTE);
    assert_eq!(app.look().await, 0, "it was told lately");
    app.pass(MINUTE);
    assert_eq!(app.look().await, 1, "it lasts");
    assert_eq!(newest(&app, &ops).await.subject, "umishop: slack.sales delivers nothing");
    assert_eq!(alerts(&app).await, ["email.ops", "email.ops"]);
}

#[tokio::test]
async fn passing_trouble_is_told_after_a_minute_and_two_failures_and_its_end_is_told_when_an_answer_proves_it() {
    let (ops, web, down) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await, nobody().await);
    let to = |url: &str| config("http.crm", &["email.ops"], &[mail("ops", &ops.address(), ""), http("crm", url)]);
    let app = TestApp::start_live(&to(&format!("http://{down}/hook"))).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    assert_eq!((app.look().await, app.advance(20 * SECOND).await, app.look().await), (0, 1, 0), "twice, but not long");
    app.pass(40 * SECOND);
    assert_eq!(app.look().await, 1);
    says(
        &newest(&app, &ops).await,
        "http.crm delivers nothing",
        &[
            "1 message waits, the longest since 2026-11-24 09:30 UTC. Nothing is lost.",
            "What to do: if the other side is down, wait: the channel is tried again by itself.",
        ],
    );

    let app = app.restart_live(&to(&web.url("/hook"))).await;
    app.pass(5 * SECOND);
    assert_eq!(app.look().await, 0, "a restart proves nothing");
    app.advance(15 * SECOND).await;
    assert_eq!(web.requests().len(), 1);
    assert_eq!(app.look().await, 1);
    says(
        &newest(&app, &ops).await,
        "http.crm works again",
        &["http.crm delivers again: it answered at 2026-11-24 09:31 UTC.", "There is nothing to do."],
    );
    app.pass(100 * MINUTE);
    assert_eq!((app.look().await, alerts(&app).await.len()), (0, 2), "and that is the end of it");
}

#[tokio::test]
async fn trouble_that_nobody_heard_of_ends_unheard() {
    let (ops, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let tables = [mail("ops", &ops.address(), ""), slack("sales", &web.url("/slack/err/ratelimited"))];
    let app = TestApp::start_live(&config("slack.sales", &["email.ops"], &tables)).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    assert_eq!(app.look().await, 0);
    web.mend();
    app.advance(MINUTE).await;
    assert_eq!((app.look().await, web.requests().len(), alerts(&app).await.len()), (0, 2, 0));
}

#[tokio::test]
async fn dead_letters_are_told_once_with_their_number_and_the_latest_reason_without_the_customers_address() {
    let (ops, customers) = (SmtpSink::start(Entrance::Plain).await, SmtpSink::start(Entrance::Plain).await);
    let tables = [mail("ops", &ops.address(), ""), mail("welcome", &customers.address(), "")];
    let greet =
        config("email.welcome", &["email.ops"], &tables).replace("channel = \"\"", "channel = \"email.welcome\"");
    let app = TestApp::start_live(&greet).await;
    let refuse = async |host: &str| {
        app.register("Ana", &format!("perm550@{host}.example")).await;
        app.advance(MINUTE).await;
        app.pass(SECOND);
        app.look().await
    };
    assert_eq!(refuse("a").await, 1);
    says(
        &newest(&app, &ops).await,
        "1 dead letter of email.welcome",
        &[
            "Why: ",
            "550 5.1.1 no such user",
            "umishop messages --state dead --channel email.welcome",
            "umishop messages retry ID",
        ],
    );
    assert!(!ops.mails()[0].text.contains("perm550@"), "{}", ops.mails()[0].text);
    app.pass(60 * MINUTE);
    assert_eq!(app.look().await, 0, "no new one, no news");
    assert_eq!((refuse("b").await, refuse("c").await), (1, 0), "the third within half an hour");
    assert_eq!(newest(&app, &ops).await.subject, "umishop: 2 dead letters of email.welcome");
    app.pass(30 * MINUTE);
    assert_eq!(app.look().await, 1, "it is not forgotten");
    assert_eq!(newest(&app, &ops).await.subject, "umishop: 3 dead letters of email.welcome");
    assert_eq!(alerts(&app).await.len(), 3);
}

#[tokio::test]
async fn messages_that_wait_too_long_are_told_with_the_reason() {
    let (ops, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let with = |tables: &[String]| {
        config("email.ops", &["email.ops"], tables).replace("[[routes]]\n", "[[routes]]\ntopic = \"Ops\"\n")
    };
    let ops_table = mail("ops", &ops.address(), "");
    let all = format!(
        "{}[[routes]]\nchannels = [\"http.crm\"]\n",
        with(&[ops_table.clone(), http("crm", &web.url("/hook"))])
    );
    let app = TestApp::start_live(&all).await;
    pause(&app, "http.crm").await;
    app.ask("Sales", "How much?").await;
    app.ask("Sales", "How little?").await;
    assert_eq!((app.advance(10 * MINUTE).await, app.look().await), (0, 0), "not late yet");
    app.pass(SECOND);
    assert_eq!(app.look().await, 1);
    says(
        &newest(&app, &ops).await,
        "messages over http.crm are 10m late",
        &[
            "2 messages wait for http.crm, the longest since 2026-11-24 09:30 UTC",
            "Why: http.crm is paused by an operator since 2026-11-24 09:30 UTC",
            "resume it: POST /api/channels/http.crm/resume",
        ],
    );

    let app = app.restart_live(&config("email.ops", &["email.ops"], &[ops_table])).await;
    app.pass(30 * MINUTE);
    assert_eq!(app.look().await, 1);
    says(&newest(&app, &ops).await, "messages over http.crm are 40m late", &["http.crm is no longer configured"]);
}

#[tokio::test]
async fn messages_that_wait_for_a_decision_are_told() {
    let (ops, sink) = (SmtpSink::start(Entrance::Plain).await, SmtpSink::start(Entrance::Plain).await);
    let table = mail("dropafter", &sink.address(), "on_unknown = \"hold\"");
    let app =
        TestApp::start_live(&config("email.dropafter", &["email.ops"], &[mail("ops", &ops.address(), ""), table]))
            .await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    app.pass(MINUTE);
    assert_eq!((app.look().await, app.look().await), (1, 0));
    says(
        &newest(&app, &ops).await,
        "1 held message of email.dropafter",
        &["no answer came", "look whether they arrived", "umishop messages --state held --channel email.dropafter"],
    );
    app.pass(31 * MINUTE);
    assert_eq!(app.look().await, 0, "no new one, no news");
    app.ask("Sales", "And how little?").await;
    app.deliver_due().await;
    app.pass(MINUTE);
    assert_eq!(app.look().await, 1);
    assert_eq!(newest(&app, &ops).await.subject, "umishop: 2 held messages of email.dropafter");
}

#[tokio::test]
async fn webhooks_that_nobody_could_read_are_told_over_every_channel() {
    let (ops, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let tables = [mail("ops", &ops.address(), ""), slack("ops", &web.url("/api"))];
    let app = TestApp::start_live(&config("email.ops", &["email.ops", "slack.ops"], &tables)).await;
    for _ in 0..3 {
        assert_eq!(app.send("POST", "/umishop_api/user", &[], b"{{{ ana@example.com").await.status, 400);
    }
    assert_eq!((app.look().await, app.look().await), (1, 0));
    let letter = newest(&app, &ops).await;
    says(&letter, "3 unreadable webhooks", &["Why: ", "kept in the inbox", "umishop landbot"]);
    assert!(!letter.text.contains("ana@example.com"), "{}", letter.text);
    let [post] = &web.requests()[..] else { panic!("{:?}", web.requests()) };
    let post: Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!((&post["channel"], &post["text"]), (&json!("#ops"), &json!("umishop: 3 unreadable webhooks")));
    assert!(post["blocks"][1]["text"]["text"].as_str().unwrap().contains("kept in the inbox"), "{post}");
    app.pass(31 * MINUTE);
    assert_eq!(app.look().await, 0, "no new one, no news");
}

#[tokio::test]
async fn a_restart_does_not_repeat_what_was_told_and_does_not_forget_what_was_not() {
    let (ops, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let tables = [mail("ops", &ops.address(), ""), slack("sales", &web.url("/slack/err/invalid_auth"))];
    let mut app = TestApp::start_live(&config("slack.sales", &["email.ops"], &tables)).await;
    app.ask("Sales", "How much?").await;
    app.send("POST", "/umishop_api/user", &[], b"{{{").await;
    app.deliver_due().await;
    assert_eq!(app.look().await, 2);
    app = app.restart().await;
    assert_eq!(app.deliver_due().await, 2, "what was told before the restart arrives after it");
    for _ in 0..9 {
        app = app.restart().await;
        assert_eq!((app.advance(3 * MINUTE).await, app.look().await), (1, 0), "the same trouble, found anew");
    }
    assert_eq!(ops.mails().len(), 2);
    app.send("POST", "/umishop_api/user", &[], b"{{{").await;
    app = app.restart().await;
    app.pass(3 * MINUTE);
    assert_eq!(app.look().await, 1, "the second webhook, as soon as half an hour is over");
    assert_eq!(newest(&app, &ops).await.subject, "umishop: 2 unreadable webhooks");
}

#[tokio::test]
async fn while_every_channel_for_alerts_is_broken_alerts_do_not_pile_up_and_arrive_when_one_is_mended() {
    let (down, web) = (nobody().await, HttpSink::start().await);
    let tables = [
        mail("ops", &down, "fallback = \"http.crm\"\nfallback_after = \"1m\""),
        slack("ops", &web.url("/slack/err/token_revoked")),
        http("crm", &format!("http://{down}/hook")),
    ];
    let app = TestApp::start_live(&config("http.crm", &["email.ops", "slack.ops"], &tables)).await;
    app.ask("Sales", "How much?").await;
    app.send("POST", "/umishop_api/user", &[], b"{{{").await;
    for _ in 0..1_000 {
        app.deliver_due().await;
        app.look().await;
        app.pass(30 * SECOND);
    }
    let told = alerts(&app).await;
    // In more than eight hours, of which an alert lives six: twice about http.crm over both, twice about each of the two
    // over the other, and once about the webhook over both.
    assert_eq!(told.iter().filter(|channel| *channel == "email.ops").count(), 5, "{told:?}");
    assert_eq!(told.iter().filter(|channel| *channel == "slack.ops").count(), 5, "{told:?}");
    assert_eq!(told.len(), 10, "nothing was handed over to a channel in trouble: {told:?}");
    for item in app.items("/api/messages?purpose=alert&channel=slack.ops").await {
        let text = app.message(&item).await["text"].to_string();
        assert!(!text.contains("slack.ops delivers nothing"), "told over the broken channel itself: {text}");
    }

    web.mend();
    app.advance(5 * MINUTE).await;
    let arrived = app.items("/api/messages?purpose=alert&state=delivered").await;
    assert_eq!(arrived.len(), 2, "of each that slack.ops may tell, the one that is not too old: {arrived:?}");
}

#[tokio::test]
async fn alerts_that_wait_are_no_reason_for_alerts() {
    let (ops, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let tables = [mail("ops", &ops.address(), "expire = \"20m\""), slack("ops", &web.url("/api"))];
    let app = TestApp::start_live(&config("email.ops", &["email.ops", "slack.ops"], &tables)).await;
    pause(&app, "email.ops").await;
    pause(&app, "slack.ops").await;
    app.send("POST", "/umishop_api/user", &[], b"{{{").await;
    assert_eq!(app.look().await, 1);
    let mut more = 0;
    for _ in 0..100 {
        app.advance(10 * MINUTE).await;
        more += app.look().await;
    }
    assert_eq!(app.items("/api/messages?purpose=alert&state=dead").await.len(), 2, "they expired");
    assert_eq!((more, alerts(&app).await.len()), (0, 2), "late and dead alerts are told to nobody");
}

#[tokio::test]
async fn trouble_of_the_only_channel_for_alerts_is_left_to_the_log() {
    let web = HttpSink::start().await;
    let table = slack("ops", &web.url("/slack/err/invalid_auth"));
    let app = TestApp::start_live(&config("slack.ops", &["slack.ops"], &[table])).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    assert_eq!((app.look().await, app.look().await), (1, 0));
    web.mend();
    app.advance(2 * MINUTE).await;
    assert_eq!((app.look().await, app.look().await), (1, 0));
    assert!(alerts(&app).await.is_empty());
}

#[tokio::test]
async fn the_sandbox_keeps_alerts_as_it_keeps_everything() {
    let app = TestApp::start_with("[alerts]\nchannels = [\"email.sales\"]\n").await;
    app.send("POST", "/umishop_api/user", &[], b"{{{").await;
    assert_eq!((app.look().await, app.deliver_due().await), (1, 1));
    let message = app.message(&app.items("/api/messages?purpose=alert").await[0]).await;
    assert_eq!((&message["state"], &message["captured"]), (&json!("delivered"), &json!(true)));
    assert!(message["text"].as_str().unwrap().contains("Subject: umishop: 1 unreadable webhook"), "{message}");
}

#[tokio::test]
async fn the_running_app_looks_by_itself() {
    let ops = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::run_live(&config("email.ops", &["email.ops"], &[mail("ops", &ops.address(), "")])).await;
    app.send("POST", "/umishop_api/user", &[], b"{{{").await;
    app.pass(15 * SECOND);
    assert_eq!(Letter::read(&ops.wait_for(1).await[0].text).subject, "umishop: 1 unreadable webhook");
    app.restart().await;
}

#[tokio::test]
async fn a_scheduled_backup_that_failed_is_told_once() {
    let ops = SmtpSink::start(Entrance::Plain).await;
    let backup = "[backup]\ndirectory = \"nowhere\"\nat = \"* * * * * *\"\n";
    let tables = [mail("ops", &ops.address(), ""), backup.to_owned()];
    let app = TestApp::run_live(&config("email.ops", &["email.ops"], &tables)).await;
    while app.get("/readyz").await.json()["warnings"] == json!([]) {
        tokio::task::yield_now().await;
    }
    app.pass(15 * SECOND);
    says(
        &Letter::read(&ops.wait_for(1).await[0].text),
        "there is no new backup",
        &["The backup of 2026-11-24 09:30 UTC failed. There is none at all.", "nowhere", "umishop backup"],
    );
    assert_eq!(app.look().await, 0);
    app.restart().await;
}

#[tokio::test]
async fn a_full_disk_is_told_once_and_what_was_accepted_is_still_delivered() {
    let ops = SmtpSink::start(Entrance::Plain).await;
    let full = "[store]\nkeep_free = \"1000000GiB\"\n";
    let app = TestApp::start_live(&format!(
        "{full}{}",
        config("email.ops", &["email.ops"], &[mail("ops", &ops.address(), "")])
    ))
    .await;
    assert_eq!(app.ask("Sales", "How much?").await.status, 503);
    assert_eq!((app.look().await, app.look().await), (1, 0));
    let letter = newest(&app, &ops).await;
    says(
        &letter,
        "the disk is full: no customer is accepted",
        &["answered with 503", "Why: the disk is full: ", "df -h"],
    );
}
