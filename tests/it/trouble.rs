//! When a channel or a message makes trouble: who takes over, what is given up, what is paced, paused or sent alone.

use std::time::Duration;

use serde_json::{Value, json};
use umishop::domain::{Attempt, BootId, ChannelAddress, MessageId, Settlement, Timestamp, Transition};

use crate::sinks::{Entrance, HttpSink, SmtpSink, nobody};
use crate::support::TestApp;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn http(name: &str, url: &str, more: &str) -> String {
    format!(
        "[channels.http.{name}]\nurl = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\nretry = [\"10s\", \"10s\", \"10s\"]\n{more}\n"
    )
}

fn all_to(channel: &str, tables: &str) -> String {
    format!("[welcome]\nchannel = \"\"\n{tables}\n[[routes]]\nchannels = [\"{channel}\"]\n")
}

async fn only_message(app: &TestApp) -> Value {
    let items = app.items("/api/messages").await;
    assert_eq!(items.len(), 1, "{items:?}");
    app.message(&items[0]).await
}

/// Each attempt's channel, outcome and scope.
fn attempts(message: &Value) -> Vec<String> {
    let text = |attempt: &Value, key: &str| attempt[key].as_str().unwrap().to_owned();
    let line = |attempt: &Value| {
        [text(attempt, "channel"), text(attempt, "outcome"), text(attempt, "scope")].join(" ").trim_end().to_owned()
    };
    message["history"].as_array().unwrap().iter().map(line).collect()
}

async fn channel(app: &TestApp, address: &str) -> Value {
    app.api("GET", &format!("/api/channels/{address}")).await.json()
}

#[tokio::test]
async fn after_two_failures_the_fallback_takes_the_question_over_under_the_same_id() {
    let (busy, ops) = (HttpSink::start().await, HttpSink::start().await);
    let tables = [http("crm", &busy.url("/s/503"), "fallback = \"http.ops\""), http("ops", &ops.url("/hook"), "")];
    let app = TestApp::start_live(&all_to("http.crm", &tables.concat())).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    assert_eq!(only_message(&app).await["channel"], "http.crm");
    app.advance(Duration::from_secs(12)).await;
    let message = only_message(&app).await;
    assert_eq!((&message["state"], &message["channel"]), (&json!("delivered"), &json!("http.ops")));
    assert_eq!((&message["handed_over_from"], &message["attempts"]), (&json!("http.crm"), &json!(1)));
    assert_eq!(attempts(&message), ["http.crm retry message", "http.crm retry message", "http.ops delivered"]);
    let [taken] = &ops.requests()[..] else { panic!("{:?}", ops.requests()) };
    assert_eq!(taken.header("idempotency-key"), message["id"].as_str());
    assert!(busy.requests().is_empty());
}

#[tokio::test]
async fn what_waits_for_a_channel_that_is_down_goes_to_the_fallback_after_two_minutes() {
    let ops = HttpSink::start().await;
    let down = format!("http://{}/hook", nobody().await);
    let tables = [http("crm", &down, "fallback = \"http.ops\""), http("ops", &ops.url("/hook"), "")];
    let app = TestApp::start_live(&all_to("http.crm", &tables.concat())).await;
    for number in 0..20 {
        app.ask("Sales", &format!("Question {number}")).await;
    }
    app.deliver_due().await;
    app.advance(MINUTE).await;
    assert_eq!(ops.requests().len(), 0, "a minute is no long time");
    app.advance(MINUTE).await;
    app.deliver_due().await;
    let delivered = app.items("/api/messages?state=delivered").await;
    assert!(delivered.len() == 20 && delivered.iter().all(|message| message["channel"] == "http.ops"), "{delivered:?}");
    assert_eq!(ops.requests().len(), 20, "each of them once");
}

#[tokio::test]
async fn a_route_names_its_own_fallback_and_nobody_takes_over_twice() {
    let (gone, ops) = (HttpSink::start().await, HttpSink::start().await);
    let tables = [
        http("crm", &gone.url("/s/410"), "fallback = \"http.unused\""),
        http("ops", &ops.url("/s/410"), "fallback = \"http.crm\""),
        http("unused", &ops.url("/hook"), ""),
    ];
    let app = TestApp::start_live(&format!("{}fallback = \"http.ops\"", all_to("http.crm", &tables.concat()))).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    app.deliver_due().await;
    let message = only_message(&app).await;
    assert_eq!(attempts(&message), ["http.crm dead destination", "http.ops dead destination"]);
    assert_eq!((&message["state"], ops.requests().len()), (&json!("dead"), 0));
}

#[tokio::test]
async fn an_outage_does_not_end_in_a_flood_of_stale_messages() {
    let crm = HttpSink::start().await;
    let down = format!("http://{}/hook", nobody().await);
    let config = |url: &str| all_to("http.crm", &http("crm", url, "expire = \"1h\""));
    let app = TestApp::start_live(&config(&down)).await;
    app.ask("Sales", "An old question").await;
    app.deliver_due().await;
    app.advance(HOUR / 2).await;
    app.ask("Sales", "A fresh question").await;
    app.advance(HOUR / 2 + MINUTE).await;
    let dead = app.items("/api/messages?state=dead").await;
    assert_eq!(dead.len(), 1, "the old one is given up while the channel is still down");
    assert!(dead[0]["last_error"].as_str().unwrap().starts_with("expired"), "{dead:?}");

    let app = app.restart_live(&config(&crm.url("/hook"))).await;
    app.advance(MINUTE).await;
    let [taken] = &crm.requests()[..] else { panic!("{:?}", crm.requests()) };
    assert!(taken.body.contains("A fresh question"));
}

#[tokio::test]
async fn a_message_that_expired_while_the_program_was_off_is_not_sent() {
    let crm = HttpSink::start().await;
    let app = TestApp::start_live(&all_to("http.crm", &http("crm", &crm.url("/hook"), "expire = \"1h\""))).await;
    app.ask("Sales", "How much?").await;
    app.pass(2 * HOUR);
    app.deliver_due().await;
    let message = only_message(&app).await;
    assert_eq!((&message["state"], crm.requests().len()), (&json!("dead"), 0), "{message}");
    assert!(message["last_error"].as_str().unwrap().contains("worth sending for 1h"), "{message}");
}

#[tokio::test]
async fn a_channel_keeps_to_its_rate_after_a_burst() {
    let crm = HttpSink::start().await;
    let table = http("crm", &crm.url("/hook"), "rate = \"1/s\"\nburst = 3");
    let app = TestApp::start_live(&all_to("http.crm", &table)).await;
    app.pass(MINUTE);
    for number in 0..6 {
        app.ask("Sales", &format!("Question {number}")).await;
    }
    assert_eq!(app.deliver_due().await, 3, "a burst");
    assert_eq!(app.advance(Duration::from_millis(900)).await, 0);
    assert_eq!(app.advance(Duration::from_millis(100)).await, 1);
    let app = app.restart().await;
    assert_eq!(app.deliver_due().await, 1, "a restart brings one, not a burst");
    assert_eq!(app.advance(Duration::from_secs(1)).await, 1);
    assert_eq!(crm.requests().len(), 6);
}

#[tokio::test]
async fn a_receivers_wish_for_patience_outlasts_a_restart() {
    let crm = HttpSink::start().await;
    let app = TestApp::start_live(&all_to("http.crm", &http("crm", &crm.url("/429/100"), ""))).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    let app = app.restart().await;
    crm.mend();
    app.ask("Sales", "Another one").await;
    assert_eq!(app.advance(Duration::from_secs(99)).await, 0, "the new question waits, too");
    assert!(app.advance(Duration::from_secs(1)).await >= 1);
    assert_eq!(app.advance(MINUTE).await + crm.requests().len(), 2);
}

#[tokio::test]
async fn a_channel_in_trouble_says_why_and_what_to_do() {
    let slack = HttpSink::start().await;
    let table = format!(
        "[channels.slack.sales]\ntoken = \"xoxb-1\"\nchannel = \"#sales\"\napi_url = \"{}\"\n",
        slack.url("/slack/err/token_revoked")
    );
    let app = TestApp::start_live(&all_to("slack.sales", &table)).await;
    assert_eq!(channel(&app, "slack.sales").await["condition"], "working");
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    let found = channel(&app, "slack.sales").await;
    assert_eq!((&found["condition"], &found["pending"]), (&json!("in_trouble"), &json!(1)), "{found}");
    let trouble = &found["trouble"];
    assert!(trouble["reason"].as_str().unwrap().contains("token_revoked"), "{trouble}");
    assert!(trouble["hint"].as_str().unwrap().contains("token"), "{trouble}");
    assert_eq!((&trouble["lasting"], &trouble["failures"]), (&json!(true), &json!(1)));
    let (ready, told) = (app.get("/readyz").await, app.api("GET", "/readyz").await);
    assert!(told.status == 200 && told.json()["warnings"].to_string().contains("token_revoked"), "{told:?}");
    let warnings = ready.json()["warnings"].to_string();
    assert!(ready.status == 200 && warnings.contains("slack.sales is in trouble since"), "{ready:?}");
    assert!(!warnings.contains("token_revoked"), "what a receiver said is not for everybody: {ready:?}");

    slack.mend();
    let resumed = app.api("POST", "/api/channels/slack.sales/resume").await;
    assert_eq!(resumed.status, 200, "{resumed:?}");
    app.advance(Duration::from_secs(10)).await;
    assert_eq!(channel(&app, "slack.sales").await["condition"], "working");
    assert_eq!(app.get("/readyz").await.json()["warnings"], json!([]));
}

#[tokio::test]
async fn a_paused_channel_sends_nothing_until_it_is_resumed_also_after_a_restart() {
    let crm = HttpSink::start().await;
    let app = TestApp::start_live(&all_to("http.crm", &http("crm", &crm.url("/hook"), ""))).await;
    assert_eq!(app.api("POST", "/api/channels/http.crm/pause").await.json()["condition"], "paused");
    app.ask("Sales", "How much?").await;
    assert_eq!(app.advance(MINUTE).await, 0);
    let app = app.restart().await;
    assert_eq!(app.advance(MINUTE).await, 0);
    assert_eq!(channel(&app, "http.crm").await["condition"], "paused");
    assert_eq!(app.api("POST", "/api/channels/http.crm/resume").await.json()["condition"], "working");
    assert_eq!(app.deliver_due().await, 1);
    assert_eq!(app.api("POST", "/api/channels/http.none/pause").await.status, 404);
}

#[tokio::test]
async fn what_is_wrong_is_said_for_people() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.api("POST", "/api/channels/email.welcome/pause").await;
    app.pass(Duration::from_secs(60 + 67_874));
    let expected = [
        "email.welcome is paused by an operator since 2026-11-24 09:30 UTC",
        "email.welcome: a message is 18h 51m late",
    ];
    assert_eq!(app.get("/readyz").await.json()["warnings"], json!(expected));
}

/// The message as a boot claims it and leaves it, when it dies or settles.
struct Claims<'a> {
    app: &'a TestApp,
    channel: ChannelAddress,
}

impl Claims<'_> {
    async fn claim(&self) -> umishop::domain::Claim {
        let boot = BootId::new(self.app.now());
        let claimed = self.app.store().claim_due(&self.channel, boot, 1, self.app.now()).await.unwrap();
        claimed.claims.into_iter().next().expect("something is due")
    }

    async fn claim_suspect(&self) -> umishop::domain::Claim {
        let boot = BootId::new(self.app.now());
        let claimed = self.app.store().claim_suspect(&self.channel, boot, self.app.now()).await.unwrap();
        claimed.claims.into_iter().next().expect("a suspect is due")
    }

    async fn settle(&self, id: MessageId, epoch: i64, transition: Transition, suppress: &str) {
        let attempt = Attempt {
            epoch,
            channel: self.channel.clone(),
            started_at: self.app.now(),
            duration_ms: 1,
            outcome: "dead".into(),
            scope: "recipient".into(),
            error: "RCPT TO: 550 5.1.1 no such user".into(),
        };
        let suppress = umishop::domain::EmailAddress::parse(suppress).ok();
        let settlement = Settlement { id, attempt, transition, suppress };
        assert!(self.app.store().settle(settlement, self.app.now()).await.unwrap());
    }
}

fn welcome(address: &str) -> String {
    format!(
        "[channels.email.welcome]\nserver = \"smtp://{address}\"\nfrom = \"UmiShop <hello@shop.test>\"\nto = \"care@shop.test\"\n\
         [[routes]]\nchannels = [\"email.welcome\"]\n"
    )
}

#[tokio::test]
async fn an_address_that_a_server_denied_is_suppressed_and_checked_before_sending() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&welcome(&sink.address())).await;
    app.register("Ana", "perm550@example.com").await;
    app.advance(MINUTE).await;
    let suppressed = app.items("/api/suppressions").await;
    assert_eq!(suppressed.len(), 1, "{suppressed:?}");
    assert_eq!(suppressed[0]["address"], "perm550@example.com");
    assert!(suppressed[0]["reason"].as_str().unwrap().contains("550 5.1.1"), "{suppressed:?}");

    app.register("Eva", "eva@example.com").await;
    app.pass(MINUTE);
    let claims = Claims { app: &app, channel: "email.welcome".parse().unwrap() };
    let claim = claims.claim().await;
    let again = Transition::Again { due_at: app.now(), counted: true };
    claims.settle(claim.id, claim.epoch, again, "eva@example.com").await;
    app.deliver_due().await;
    let eva = app.message(&json!({ "id": claim.id.to_string() })).await;
    assert_eq!((&eva["state"], sink.mails().len()), (&json!("dead"), 0), "{eva}");
    assert!(eva["last_error"].as_str().unwrap().starts_with("not sent: a mail server said"), "{eva}");

    assert_eq!(app.api("DELETE", "/api/suppressions/perm550@example.com").await.status, 200);
    assert_eq!(app.api("DELETE", "/api/suppressions/perm550@example.com").await.status, 404);
    app.api("POST", &format!("/api/messages/{}/retry", claim.id)).await;
    app.deliver_due().await;
    assert_eq!(sink.mails().len(), 1, "an operator's retry lifts the suppression");
    assert!(app.items("/api/suppressions").await.is_empty());
}

#[tokio::test]
async fn a_wrong_address_of_the_channel_itself_suppresses_nobody() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let table = format!(
        "[channels.email.sales]\nserver = \"smtp://{}\"\nfrom = \"UmiShop <hello@shop.test>\"\nto = \"perm550@shop.test\"\n",
        sink.address()
    );
    let app = TestApp::start_live(&all_to("email.sales", &table)).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    assert_eq!(attempts(&only_message(&app).await), ["email.sales dead destination"]);
    assert!(app.items("/api/suppressions").await.is_empty());
}

/// Dies `times` times while everything that is due is on its way.
async fn die(app: TestApp, channel: &str, times: usize) -> TestApp {
    let address: ChannelAddress = channel.parse().unwrap();
    let mut app = app;
    for _ in 0..times {
        let boot = BootId::new(Timestamp::from_millis(1));
        let now = app.now();
        app.store().claim_due(&address, boot, 100, now).await.unwrap();
        app.store().claim_suspect(&address, boot, now).await.unwrap();
        app = app.restart().await;
    }
    app
}

#[tokio::test]
async fn a_message_that_kills_the_program_is_found_out_alone_and_takes_no_other_with_it() {
    let crm = HttpSink::start().await;
    let app = TestApp::start_live(&all_to("http.crm", &http("crm", &crm.url("/hook"), ""))).await;
    for number in 0..4 {
        app.ask("Sales", &format!("Question {number}")).await;
    }
    let mut app = die(app, "http.crm", 3).await;
    assert_eq!(app.deliver_due().await, 0, "all four are suspects, and wait");
    app.pass(Duration::from_secs(10));
    // Alone, three of them prove their innocence.
    for _ in 0..3 {
        let claims = Claims { app: &app, channel: "http.crm".parse().unwrap() };
        let claim = claims.claim_suspect().await;
        let delivered = Transition::Delivered { reference: String::new(), capture: None };
        claims.settle(claim.id, claim.epoch, delivered, "").await;
    }
    // The fourth kills again and again; another one is on its way each time, and not blamed.
    app.ask("Sales", "An innocent question").await;
    for _ in 0..5 {
        app = die(app, "http.crm", 1).await;
        app.pass(Duration::from_mins(10));
    }
    app.deliver_due().await;
    let dead = app.items("/api/messages?state=dead").await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0]["last_error"], "umishop died 8 times while sending it");
    let delivered = app.items("/api/messages?state=delivered").await;
    assert_eq!((delivered.len(), crm.requests().len()), (4, 1), "{delivered:?}");
}

#[tokio::test]
async fn a_crash_burns_no_attempt_and_an_attempt_that_ends_clears_the_suspicion() {
    let crm = HttpSink::start().await;
    let app = TestApp::start_live(&all_to("http.crm", &http("crm", &crm.url("/retry/1/x"), ""))).await;
    app.ask("Sales", "How much?").await;
    let app = die(app, "http.crm", 3).await;
    app.advance(Duration::from_secs(10)).await;
    let message = only_message(&app).await;
    assert_eq!((&message["state"], &message["attempts"]), (&json!("pending"), &json!(1)), "{message}");
    let app = die(app, "http.crm", 2).await;
    app.advance(Duration::from_secs(12)).await;
    let message = only_message(&app).await;
    assert_eq!((&message["state"], &message["attempts"]), (&json!("delivered"), &json!(2)), "{message}");
}

#[tokio::test]
async fn however_many_wait_none_expires_that_a_fallback_takes_over() {
    let ops = HttpSink::start().await;
    let down = format!("http://{}/hook", nobody().await);
    let tables = [
        http("crm", &down, "expire = \"1h\"\nfallback = \"http.ops\""),
        http("ops", &ops.url("/hook"), "expire = \"10days\""),
    ];
    let app = TestApp::start_live(&all_to("http.crm", &tables.concat())).await;
    app.api("POST", "/api/channels/http.crm/pause").await;
    // More than one sweep takes at once.
    for number in 0..510 {
        app.ask("Sales", &format!("Question {number}")).await;
    }
    app.pass(2 * HOUR);
    // Until then the clock is not believed, as after a jump.
    app.advance(25 * HOUR).await;
    app.deliver_due().await;
    assert_eq!(app.items("/api/messages?state=dead&limit=500").await.len(), 0);
    assert_eq!(ops.requests().len(), 510);
}

#[tokio::test]
async fn a_question_whose_receiver_wants_patience_across_a_restart_goes_to_the_fallback() {
    let (busy, ops) = (HttpSink::start().await, HttpSink::start().await);
    let tables = [http("crm", &busy.url("/429/90"), "fallback = \"http.ops\""), http("ops", &ops.url("/hook"), "")];
    let app = TestApp::start_live(&all_to("http.crm", &tables.concat())).await;
    app.ask("Sales", "The first question").await;
    app.deliver_due().await;
    let app = app.restart().await;
    assert_eq!(channel(&app, "http.crm").await["condition"], "in_trouble", "a restart forgets no trouble");
    app.ask("Sales", "A new question").await;
    for _ in 0..3 {
        app.advance(MINUTE).await;
    }
    assert_eq!(app.items("/api/messages?state=delivered").await.len(), 2);
    assert_eq!(ops.requests().len(), 2);
}

#[tokio::test]
async fn a_fallback_that_is_not_configured_any_more_strands_nothing() {
    let ops = HttpSink::start().await;
    let down = format!("http://{}/hook", nobody().await);
    let config = |route: &str| {
        let tables = [
            http("crm", &down, "fallback = \"http.ops\""),
            http("ops", &ops.url("/hook"), ""),
            if route.is_empty() { String::new() } else { http("old", &ops.url("/hook"), "") },
        ];
        format!("{}fallback = \"{route}\"", all_to("http.crm", &tables.concat()))
    };
    let app = TestApp::start_live(&config("http.old")).await;
    for number in 0..40 {
        app.ask("Sales", &format!("Question {number}")).await;
    }
    app.deliver_due().await;
    let app = app.restart_live(&config("")).await;
    for _ in 0..3 {
        app.advance(MINUTE).await;
        app.deliver_due().await;
    }
    let delivered = app.items("/api/messages?state=delivered").await;
    assert!(delivered.len() == 40 && delivered.iter().all(|message| message["channel"] == "http.ops"), "{delivered:?}");
}

#[tokio::test]
async fn suspects_of_a_paused_channel_are_handed_over_like_all_others() {
    let (crm, ops) = (HttpSink::start().await, HttpSink::start().await);
    let tables = [http("crm", &crm.url("/hook"), "fallback = \"http.ops\""), http("ops", &ops.url("/hook"), "")];
    let app = TestApp::start_live(&all_to("http.crm", &tables.concat())).await;
    app.ask("Sales", "How much?").await;
    let app = die(app, "http.crm", 3).await;
    app.api("POST", "/api/channels/http.crm/pause").await;
    app.advance(3 * MINUTE).await;
    app.deliver_due().await;
    let message = only_message(&app).await;
    assert_eq!((&message["state"], &message["channel"]), (&json!("delivered"), &json!("http.ops")), "{message}");
}
