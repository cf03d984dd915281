//! What the product department is told of where customers came from: at its time, once, and what the ledger says.

use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders as _};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use umishop::store::sqlite::{Watch, restore};

use crate::client::Response;
use crate::mail::Letter;
use crate::process;
use crate::sinks::{Entrance, HttpSink, SmtpSink};
use crate::support::{ADMIN_TOKEN, TestApp};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Questions are mailed to sales; `reports` stands under `[reports]`.
fn config(reports: &str) -> String {
    format!("[reports]\n{reports}\n[[routes]]\nchannels = [\"email.sales\"]\n")
}

async fn register(app: &TestApp, name: &str, more: Value) -> Response {
    let mut body = json!({ "name": name, "email": format!("{name}@example.com") });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post("/umishop_api/user", &body).await
}

/// Every report in the outbox, oldest first, as the console shows it.
async fn reports(app: &TestApp) -> Vec<Value> {
    let mut found = Vec::new();
    for item in app.items("/api/messages?purpose=report").await.iter().rev() {
        found.push(app.message(item).await);
    }
    found
}

async fn preview(app: &TestApp, path: &str) -> Value {
    let answer = app.api("GET", &format!("/api/reports/{path}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The tests begin on Tuesday, 24 November 2026, 09:30 UTC.
#[tokio::test]
async fn a_weekly_report_comes_on_monday_morning_once_and_whoever_starts_today_hears_nothing_of_last_week() {
    let app =
        TestApp::start_with(&config("weekly = [\"email.sales\"]\nat = \"08:00\"\ntimezone = \"Europe/Madrid\"")).await;
    assert_eq!(app.report().await, 0, "last week was over before anybody wanted to hear of it");
    register(&app, "ana", json!({ "utm_source": "google" })).await;
    app.pass(5 * DAY + 21 * HOUR + Duration::from_mins(29));
    assert_eq!((app.report().await, app.now().to_string()), (0, "2026-11-30T06:59:00.000Z".to_owned()));
    app.pass(Duration::from_mins(1));
    assert_eq!((app.report().await, app.report().await), (1, 0));
    let app = app.restart().await;
    assert_eq!(app.report().await, 0, "a restart repeats nothing");
    let told = reports(&app).await;
    assert_eq!((told.len(), told[0]["channel"].as_str()), (1, Some("email.sales")));
    let subject = told[0]["preview"]["subject"].as_str().unwrap();
    assert_eq!(subject, "Where customers came from, 2026-11-23 to 2026-11-29: 1 registered (+1)");
    assert_eq!(told[0]["why"]["route"], "[reports] tells these channels where customers came from");
    assert_eq!(app.deliver_due().await, 2, "the report, and Ana's welcome");
}

#[tokio::test]
async fn what_was_missed_is_told_after_the_start_the_newest_of_several_alone() {
    let app = TestApp::start_with(&config("daily = [\"email.sales\"]")).await;
    app.report().await;
    for name in ["ana", "eva", "leo"] {
        register(&app, name, json!({})).await;
        app.pass(DAY);
    }
    let app = app.restart().await;
    assert_eq!((app.report().await, app.report().await), (1, 0));
    let subjects: Vec<String> =
        reports(&app).await.iter().map(|told| told["preview"]["subject"].as_str().unwrap().to_owned()).collect();
    assert_eq!(subjects, ["Where customers came from, 2026-11-26: 1 registered (±0)"]);
}

#[tokio::test]
async fn a_clock_that_was_ahead_silences_no_report_once_it_is_set_back() {
    let app = TestApp::start_with(&config("daily = [\"email.sales\"]")).await;
    app.report().await;
    register(&app, "ana", json!({})).await;
    let then = app.now();
    for ahead in [DAY, 3650 * DAY] {
        app.set_clock(then.after(ahead));
        app.report().await;
        app.set_clock(then);
        assert_eq!(app.report().await, 0, "what was told under the wrong clock is not known");
    }
    let told = reports(&app).await.len();
    app.pass(DAY);
    assert_eq!((app.report().await, reports(&app).await.len()), (1, told + 1), "the day is over, and is told whole");
}

#[tokio::test]
async fn a_restored_backup_sends_no_report_again() {
    let app = TestApp::start_with(&config("daily = [\"email.sales\"]")).await;
    app.report().await;
    register(&app, "ana", json!({})).await;
    app.back_up("backup").await;
    app.pass(DAY);
    assert_eq!(app.report().await, 1);
    let app = app.restart_after(|directory| {
        let (stop, mut percent) = (CancellationToken::new(), |_| {});
        let mut watch = Watch { percent: &mut percent, stop: &stop };
        restore(&directory.join("backup"), &directory.join("umishop.db"), true, &mut watch).unwrap();
    });
    let app = app.await;
    assert_eq!((app.report().await, reports(&app).await.len()), (0, 0));
    register(&app, "eva", json!({})).await;
    app.pass(DAY);
    assert_eq!(app.report().await, 1);
}

#[tokio::test]
async fn a_period_in_which_nobody_came_is_told_of_only_if_the_shop_asks_for_it() {
    let app = TestApp::start_with(&config("daily = [\"email.sales\"]")).await;
    app.report().await;
    app.pass(DAY);
    assert_eq!((app.report().await, reports(&app).await.len()), (0, 0));
    let app = app.restart_after(|directory| {
        std::fs::write(directory.join("config.toml"), with_token(&config("daily = [\"email.sales\"]\nempty = true")))
            .unwrap();
    });
    let app = app.await;
    assert_eq!(app.report().await, 0, "it was looked at, and is over");
    app.pass(DAY);
    assert_eq!(app.report().await, 1);
    let text = reports(&app).await[0]["preview"]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("Nobody registered and nobody asked on 2026-11-25."), "{text}");
}

fn with_token(config: &str) -> String {
    format!("[admin]\ntoken = \"{ADMIN_TOKEN}\"\n{config}")
}

#[tokio::test]
async fn a_report_by_mail_has_a_table_without_notation_and_its_chart_within() {
    let (sales, channel) = (SmtpSink::start(Entrance::Plain).await, "email.product");
    let table = format!(
        "[channels.email.product]\nserver = \"smtp://{}\"\nfrom = \"UmiShop <hello@shop.test>\"\nto = \"product@shop.test\"\n",
        sales.address()
    );
    let config = format!(
        "[server]\npublic_url = \"https://shop.test\"\n[welcome]\nchannel = \"\"\n{table}\n{}",
        "[reports]\ndaily = [\"email.product\"]\n[[routes]]\nchannels = [\"email.product\"]\n"
    );
    let app = TestApp::start_live(&config).await;
    app.report().await;
    register(&app, "ana", json!({ "utm_source": "google" })).await;
    register(&app, "eva", json!({ "utm_source": "Google" })).await;
    register(&app, "leo", json!({ "utm_source": "<b>x</b>" })).await;
    app.pass(DAY);
    assert_eq!((app.report().await, app.deliver_due().await), (1, 1), "over {channel}");
    let raw = sales.mails().last().unwrap().text.clone();
    let letter = Letter::read(&raw);
    assert_eq!((letter.to.as_str(), letter.auto_submitted.as_str()), ("product@shop.test", "auto-generated"));
    assert_eq!(letter.subject, "Where customers came from, 2026-11-24: 3 registered (+3)");
    let rows: Vec<Vec<&str>> = letter.text.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        ["Source", "Registered", "Change", "Asked", "Answered"],
        ["google", "2", "+2", "0", "0"],
        ["<b>x</b>", "1", "+1", "0", "0"],
        ["Together", "3", "+3", "0", "0"],
    ] {
        assert!(rows.contains(&row.to_vec()), "{row:?} in {}", letter.text);
    }
    assert!(letter.text.contains("https://shop.test/admin#/origins?from=2026-11-24&to=2026-11-25&tz=UTC&by=source"));
    assert!(letter.html.contains("&lt;b&gt;x&lt;") && !letter.html.contains("<b>x</b>"), "{}", letter.html);

    let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
    let picture = mail.attachments().find(|part| part.content_id().is_some()).expect("the chart");
    let shown = format!("src=\"cid:{}\"", picture.content_id().unwrap());
    assert!(letter.html.contains(&shown), "{shown} in {}", letter.html);
    assert!(picture.contents().starts_with(b"\x89PNG\r\n"), "a PNG");
    assert_eq!(picture.content_disposition().unwrap().ctype(), "inline");
}

#[tokio::test]
async fn a_report_over_slack_is_blocks_in_which_no_link_of_a_stranger_is_notation() {
    let slack = HttpSink::start().await;
    let config = format!(
        "[welcome]\nchannel = \"\"\n[channels.slack.product]\ntoken = \"xoxb-1\"\nchannel = \"#product\"\napi_url = \"{}\"\n{}",
        slack.url("/slack"),
        "[reports]\ndaily = [\"slack.product\"]\n[[routes]]\nchannels = [\"slack.product\"]\n"
    );
    let app = TestApp::start_live(&config).await;
    app.report().await;
    register(&app, "ana", json!({ "utm_source": "<!channel> *x*" })).await;
    app.pass(DAY);
    assert_eq!((app.report().await, app.deliver_due().await), (1, 1));
    let sent: Value = serde_json::from_str(&slack.requests().last().unwrap().body).unwrap();
    assert_eq!(sent["blocks"][0]["type"], "header");
    let text = sent["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(text.starts_with("*1* registered (+1 on the day before)"), "{text}");
    assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!"), "{text}");
}

#[tokio::test]
async fn a_preview_says_what_would_be_sent_and_sending_sends_it_now_also_again() {
    let app = TestApp::start_with(&config("daily = [\"slack.pricing\"]\nmonthly = [\"email.sales\"]")).await;
    register(&app, "ana", json!({ "utm_source": "fair" })).await;
    app.pass(7 * DAY);
    let shown = preview(&app, "monthly/preview").await;
    assert_eq!((shown["first_day"].as_str(), shown["last_day"].as_str()), (Some("2026-11-01"), Some("2026-11-30")));
    assert_eq!((shown["channel"].as_str(), shown["empty"].as_bool()), (Some("email.sales"), Some(false)));
    assert!(shown["html"].as_str().unwrap().contains("src=\"data:image/png;base64,"), "a page shows the chart at once");
    assert!(reports(&app).await.is_empty(), "looking sends nothing");

    for times in 1..=2 {
        let sent = app.api("POST", "/api/reports/monthly/send").await;
        assert_eq!((sent.status, sent.json()["messages"].as_array().unwrap().len()), (200, 1), "{sent:?}");
        assert_eq!(reports(&app).await.len(), times);
    }
    assert_eq!(reports(&app).await[0]["preview"]["text"], shown["text"]);
    let audit = app.items("/api/audit").await;
    assert_eq!((audit[0]["action"].as_str(), audit[0]["target"].as_str()), (Some("report.send"), Some("monthly")));
    assert_eq!(app.report().await, 0, "what was sent by hand is not sent again by itself");

    let slack = preview(&app, "daily/preview?channel=slack.pricing").await;
    assert_eq!((slack["html"].is_null(), slack["empty"].as_bool()), (true, Some(true)));
    let refused = app.api("POST", "/api/reports/weekly/send").await;
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (409, Some("conflict")));
    assert_eq!(app.api("GET", "/api/reports/hourly/preview").await.status, 400);
    assert_eq!(app.api("GET", "/api/reports/daily/preview?channel=slack.none").await.status, 400);
}

#[tokio::test]
async fn the_schedule_tells_when_each_report_comes_and_what_was_told_last() {
    let app = TestApp::start_with(&config(
        "daily = [\"email.sales\"]\nweekly = [\"email.sales\", \"slack.pricing\"]\nat = \"07:15\"",
    ))
    .await;
    app.report().await;
    register(&app, "ana", json!({})).await;
    app.pass(DAY);
    app.report().await;
    let list = app.api("GET", "/api/reports").await.json();
    assert_eq!((list["at"].as_str(), list["timezone"].as_str()), (Some("07:15"), Some("UTC")));
    let [daily, weekly, monthly] = [0, 1, 2].map(|nth| &list["items"][nth]);
    assert_eq!(daily["next_at"], "2026-11-26T07:15:00.000Z");
    assert_eq!(
        (daily["told_day"].as_str(), daily["told_at"].as_str()),
        (Some("2026-11-24"), Some("2026-11-25T09:30:00.000Z"))
    );
    assert_eq!((weekly["next_at"].as_str(), weekly["told_at"].is_null()), (Some("2026-11-30T07:15:00.000Z"), true));
    assert_eq!(weekly["channels"], json!(["email.sales", "slack.pricing"]));
    app.pass(13 * HOUR + Duration::from_mins(30));
    app.pass(Duration::from_hours(1));
    assert_eq!(app.api("POST", "/api/reports/daily/send").await.status, 200, "half past midnight");
    let list = app.api("GET", "/api/reports").await.json();
    assert_eq!(list["items"][0]["next_at"], "2026-11-27T07:15:00.000Z", "that of the morning was sent already");
    assert_eq!((monthly["next_at"].is_null(), monthly["channels"].as_array().unwrap().len()), (true, 0));
}

#[tokio::test]
async fn a_report_says_what_the_ledger_says_of_the_same_days() {
    let app =
        TestApp::start_with(&config("daily = [\"email.sales\"]\nrows = 2\nby = \"campaign\"\ntouch = \"last\"")).await;
    for (name, campaign) in [("a", "one"), ("b", "one"), ("c", "two"), ("d", "three"), ("e", "")] {
        register(&app, name, json!({ "utm_source": "x", "utm_campaign": campaign })).await;
        app.pass(HOUR);
    }
    app.deliver_due().await;
    app.pass(DAY);
    let text = preview(&app, "daily/preview").await["text"].as_str().unwrap().to_owned();
    let ledger =
        app.api("GET", "/api/origins?by=campaign&touch=last&from=2026-11-24&to=2026-11-25&limit=2").await.json();
    let counted = |row: &Value| row["registrations"].to_string();
    let mut expected: Vec<Vec<String>> = Vec::new();
    for row in ledger["items"].as_array().unwrap() {
        let name = row["value"].as_str().unwrap();
        let name = if name.is_empty() { "(not told)" } else { name };
        expected.push(name.split(' ').map(str::to_owned).chain([counted(row), format!("+{}", counted(row))]).collect());
    }
    expected.push(vec!["(all".into(), "others)".into(), counted(&ledger["others"])]);
    expected.push(vec!["Together".into(), counted(&ledger["total"]), "+5".into()]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in expected {
        assert!(
            lines.iter().any(|line| line.starts_with(&row.iter().map(String::as_str).collect::<Vec<_>>())),
            "{row:?} in {text}"
        );
    }
    assert!(text.contains("5 were welcomed"), "{text}");
}

#[tokio::test]
async fn an_erased_customers_address_goes_from_reports_too() {
    let app = TestApp::start_with(&config("daily = [\"email.sales\"]")).await;
    app.report().await;
    register(&app, "ximena", json!({ "utm_source": "ximena@example.com" })).await;
    app.pass(DAY);
    assert_eq!((app.report().await, app.deliver_due().await), (1, 2), "the sandbox keeps its bytes");
    let told = || async { reports(&app).await[0]["preview"]["text"].as_str().unwrap().to_owned() };
    assert!(told().await.contains("ximena@example.com"));
    let id = app.items("/api/users").await[0]["id"].as_str().unwrap().to_owned();
    let token = format!("Bearer {ADMIN_TOKEN}");
    let body = json!({ "confirm": id }).to_string();
    let erased =
        app.send("POST", &format!("/api/users/{id}/erase"), &[("Authorization", &token)], body.as_bytes()).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert!(!told().await.contains("ximena") && told().await.contains("(erased)"), "{}", told().await);
    let shown = reports(&app).await[0].to_string();
    assert!(!shown.contains("ximena"), "{shown}");
}

#[tokio::test]
async fn the_command_line_lists_shows_and_sends_reports_beside_the_server() {
    let app = TestApp::start_with(&config("weekly = [\"email.sales\"]\nempty = true")).await;
    let run = |arguments: &[&str]| {
        let output = process::command(app.directory(), arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let list = run(&["reports"]);
    assert!(list.contains("weekly") && list.contains("email.sales") && list.contains("08:00 UTC"), "{list}");
    let shown = run(&["reports", "show", "weekly"]);
    assert!(shown.contains("Nobody registered and nobody asked from"), "{shown}");
    assert!(run(&["reports", "show", "daily", "--channel", "email.sales", "--html"]).starts_with("<!doctype html>"));
    assert!(run(&["render", "report"]).contains("newsletter"), "an example");
    assert!(run(&["reports", "send", "weekly"]).contains("Put into the outbox"));
    assert_eq!(reports(&app).await.len(), 1);
    let refused = process::command(app.directory(), &["reports", "send", "daily"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("name some under [reports] daily"), "{said}");
}
