//! The command line, beside a running server and without one.

use std::path::Path;

use serde_json::{Value, json};

use crate::client;
use crate::process::{Process, command};

/// Runs a command; its exit code, standard output and standard error.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(directory, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

pub(crate) fn json_of(directory: &Path, arguments: &[&str]) -> Value {
    let (code, out, error) = run(directory, arguments);
    assert_eq!(code, Some(0), "{error}");
    serde_json::from_str(&out).unwrap()
}

pub(crate) fn configured(config: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.toml"), config).unwrap();
    directory
}

#[test]
fn check_shows_the_routes_and_what_is_not_set() {
    let directory = tempfile::tempdir().unwrap();
    let (code, out, _) = run(directory.path(), &["check"]);
    assert_eq!(code, Some(0));
    for expected in
        ["Sales", "ventas", "email.sales", "Pricing", "slack.pricing", "(anything else)", "SLACK_TOKEN", "EMAIL_SALES"]
    {
        assert!(out.contains(expected), "{expected} in {out}");
    }
    let report = json_of(directory.path(), &["check", "--json"]);
    assert_eq!((&report["ok"], &report["sandbox"]), (&json!(true), &json!(true)));
}

#[test]
fn check_tries_the_templates_out_and_tells_where_one_is_wrong() {
    let directory = configured("[templates]\ndirectory = \"texts\"\n");
    std::fs::create_dir(directory.path().join("texts")).unwrap();
    std::fs::write(directory.path().join("texts/welcome.es.txt"), "Subject: Hola\n\n{{ nombre }}\n").unwrap();
    let (code, _, error) = run(directory.path(), &["check"]);
    assert!(code == Some(1) && error.contains("texts/welcome.es.txt:3: `nombre`"), "{error}");
    let report = run(directory.path(), &["check", "--json"]).1;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(
        report["ok"] == json!(false) && report["problems"][0].as_str().unwrap().contains("welcome.es.txt:3"),
        "{report}"
    );
}

#[test]
fn check_tells_every_problem_with_its_line_and_fails() {
    let directory = configured(
        "sandbox = false\n[server]\nlisten = \"nowhere\"\nlisten_on = 1\n[[routes]]\nchannels = [\"slack.nobody\"]\n",
    );
    let (code, _, error) = run(directory.path(), &["check"]);
    assert_eq!(code, Some(1));
    for expected in ["config.toml:3", "config.toml:4", "config.toml:6", "slack.nobody", "UMISHOP_SECRET"] {
        assert!(error.contains(expected), "{expected} in {error}");
    }
}

#[test]
fn live_without_a_secret_does_not_start() {
    let directory = configured(
        "sandbox = false\n[welcome]\nchannel = \"\"\n[channels.http.x]\nurl = \"http://127.0.0.1:9/\"\nprivate_networks = [\"127.0.0.1\"]\n[[routes]]\nchannels = [\"http.x\"]\n",
    );
    let (code, _, error) = run(directory.path(), &["serve"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("UMISHOP_SECRET") && error.contains("auth = \"none\""), "{error}");
}

#[tokio::test]
async fn render_shows_what_a_message_would_say_with_what_is_known_and_sends_nothing() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    let (code, shown, error) = run(directory.path(), &["render", "welcome", "--language", "es"]);
    assert_eq!(code, Some(0), "{error}");
    for part in ["Channel   email.welcome", "templates/welcome.es.html (built in)", "Te damos la bienvenida", "To: "] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!directory.path().join("umishop.db").exists(), "made-up values need no database");

    let process = Process::start(directory.path());
    let ask = json!({ "topic": "Pricing", "question": "How much?", "name": "Eva", "email": "eva@example.com" });
    let asked = client::send(process.address, "POST", "/umishop_api/topic", &[], ask.to_string().as_bytes()).await;
    assert_eq!(asked.status, 200);
    let request = json_of(directory.path(), &["render", "request", "--user", "eva@example.com", "--json"]);
    assert_eq!(
        (&request["channel"], &request["template"], &request["subject"]),
        (&json!("slack.pricing"), &json!("templates/request.mrkdwn (built in)"), &json!("Pricing: Eva asks for help"))
    );
    assert!(request["text"].as_str().unwrap().contains("> How much?"), "{request}");
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    let same = json_of(directory.path(), &["render", "request", "--request", &id, "--json"]);
    assert_eq!(same["subject"], request["subject"]);
    let (code, _, error) = run(directory.path(), &["render", "answered", "--request", &id]);
    assert!(code == Some(1) && error.contains("this request is not answered yet"), "{error}");
    let (code, html, _) = run(directory.path(), &["render", "request", "--channel", "email.sales", "--html"]);
    assert!(code == Some(0) && html.starts_with("<!doctype html>") && html.contains("Ana Ruíz"), "{html}");
    let file = directory.path().join("mail.eml");
    let (code, ..) = run(directory.path(), &["render", "welcome", "--out", file.to_str().unwrap()]);
    assert!(code == Some(0) && std::fs::read_to_string(file).unwrap().starts_with("Message-ID: "));
    for (arguments, complaint) in [
        (
            &["render", "request", "--user", "luz@example.com"][..],
            "there is no customer whose id, mail address or phone",
        ),
        (&["render", "alert"], "no channel is named for the purpose alert: name one with --channel"),
        (&["render", "request", "--channel", "slack.x"], "there is no channel slack.x; the configured ones are"),
    ] {
        let (code, _, error) = run(directory.path(), arguments);
        assert!(code == Some(1) && error.contains(complaint), "{arguments:?} {error}");
    }
}

#[tokio::test]
async fn messages_and_users_are_read_and_changed_beside_a_running_server() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    let process = Process::start(directory.path());
    let body = json!({ "name": "Ana", "email": "ana@example.com", "utm_source": "google" }).to_string();
    assert_eq!(client::send(process.address, "POST", "/umishop_api/user", &[], body.as_bytes()).await.status, 200);

    let users = json_of(directory.path(), &["users", "ana@", "--json"]);
    assert_eq!((&users[0]["name"], &users[0]["source"]), (&json!("Ana"), &json!("google")));
    let counted = json_of(directory.path(), &["origins", "--only", "medium=", "--bucket", "day", "--json"]);
    let google = &counted["items"][0];
    assert_eq!((&google["value"], &google["registrations"]), (&json!("google"), &json!(1)));
    let (_, csv, _) = run(directory.path(), &["origins", "--by", "source", "--csv"]);
    assert!(csv.contains("\r\ngoogle,") && csv.contains(",1,0,0,,0,,0,0,,0,,0,,\r\n(total),"), "{csv}");
    let messages = json_of(directory.path(), &["messages", "--state", "pending", "--json"]);
    let id = messages[0]["id"].as_str().unwrap();
    let shown = json_of(directory.path(), &["messages", "show", id, "--json"]);
    assert!(shown["text"].as_str().unwrap().contains("Subject: "), "{shown}");
    assert_eq!(run(directory.path(), &["messages", "cancel", id]).0, Some(0));
    let (code, _, error) = run(directory.path(), &["messages", "cancel", id]);
    assert_eq!(code, Some(1));
    assert!(error.contains("cancelled"), "{error}");
    assert_eq!(run(directory.path(), &["messages", "retry", id]).0, Some(0));
    // The server notices by itself that the command line made a message due.
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while json_of(directory.path(), &["messages", "show", id, "--json"])["state"] != "delivered" {
        assert!(std::time::Instant::now() < deadline, "the server has not noticed");
    }
}

#[tokio::test]
async fn simulate_is_understood_in_every_shape() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    let process = Process::start(directory.path());
    let url = format!("http://{}", process.address);
    let answers = json_of(directory.path(), &["simulate", "--url", &url, "--json"]);
    assert!(answers.as_array().unwrap().len() > 10);
    for answer in answers.as_array().unwrap() {
        assert_eq!(answer["status"], answer["expected"], "{answer}");
    }
}

#[test]
fn send_test_shows_in_the_sandbox_what_would_be_sent_and_sends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (code, out, error) = run(directory.path(), &["send-test", "slack.pricing"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("nothing was sent") && out.contains("chat.postMessage"), "{out}");
    assert!(!out.contains("xoxb"), "{out}");
    let (code, _, error) = run(directory.path(), &["send-test", "slack.nobody"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("slack.pricing"), "{error}");
}

#[test]
fn landbot_prints_what_to_paste_filled_in() {
    let directory = configured("[server]\npublic_url = \"https://shop.example\"\n[intake]\nsecret = \"s3cret\"\n");
    let (code, out, _) = run(directory.path(), &["landbot"]);
    assert_eq!(code, Some(0));
    for expected in [
        "https://shop.example/umishop_api/user",
        "https://shop.example/umishop_api/topic",
        "X-Umishop-Secret",
        "Sales, Pricing",
    ] {
        assert!(out.contains(expected), "{expected} in {out}");
    }
    assert!(!out.contains("s3cret"), "{out}");
    assert!(run(directory.path(), &["landbot", "--show-secret"]).1.contains("X-Umishop-Secret: s3cret"));
}

#[test]
fn config_openapi_and_completions_are_printed() {
    let directory = tempfile::tempdir().unwrap();
    let (_, config, _) = run(directory.path(), &["config"]);
    assert_eq!(config.trim(), include_str!("../../config.toml").trim());
    assert_eq!(json_of(directory.path(), &["openapi"])["info"]["title"], "umishop");
    assert!(run(directory.path(), &["completions", "bash"]).1.contains("_umishop"));
}

#[test]
fn kinds_are_listed_and_each_tells_all_about_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (_, list, _) = run(directory.path(), &["kinds"]);
    for kind in umishop::channel::KINDS {
        assert!(list.contains(kind.summary), "{list}");
        let (code, section, _) = run(directory.path(), &["kinds", kind.name]);
        assert_eq!((code, section), (Some(0), umishop::channel::section(kind)));
    }
    assert!(run(directory.path(), &["kinds", "pigeon"]).2.contains("the kinds are "));
    assert_eq!(json_of(directory.path(), &["kinds", "slack", "--json"])["kind"], "slack");
}

#[test]
fn a_missing_database_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let (code, _, error) = run(directory.path(), &["users"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("umishop serve"), "{error}");
}
