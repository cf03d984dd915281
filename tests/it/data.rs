//! Data in and out: `umishop import`, `umishop export`, and the tables of `/api/export`.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use umishop::domain::Timestamp;

use crate::client;
use crate::command_line::{configured, json_of, run};
use crate::process::{Process, command};
use crate::support::TestApp;

const TABLE: &str = "Name;E-Mail;Phone;Source;utm_campaign;Registered at\r\n\
    Ana Ruiz;ana@example.com;612 345 678;google;summer;2024-05-01\r\n\
    \"Luz\nMar\";luz@example.com;;fair;;2024-06-01T10:00:00Z\r\n\
    Nobody;;;;;\r\n\
    Eva;not an address;;;;\r\n\
    Ana;ANA@example.com;;bing;;2025-01-01\r\n";

/// What an import of `table` says of itself.
fn import(directory: &Path, table: &str, arguments: &[&str]) -> Value {
    fs::write(directory.join("table.csv"), table).unwrap();
    let (_, out, error) = run(directory, &[&["import", "table.csv", "--json"], arguments].concat());
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"))
}

fn counts(report: &Value) -> [u64; 4] {
    ["new", "merged", "unchanged", "refused"].map(|count| report[count].as_u64().unwrap())
}

#[test]
fn a_table_is_imported_once_however_often_it_is() {
    let directory = configured("");
    let errors = ["--errors", "errors.csv"];
    assert_eq!(counts(&import(directory.path(), TABLE, &errors)), [2, 0, 1, 2]);
    let users = json_of(directory.path(), &["users", "--json"]);
    assert_eq!(users.as_array().unwrap().len(), 2);
    assert_eq!((&users[0]["name"], &users[0]["source"]), (&json!("Luz Mar"), &json!("fair")));
    let ana = &users[1];
    assert_eq!((&ana["name"], &ana["phone_e164"]), (&json!("Ana Ruiz"), &json!("+34612345678")));
    assert_eq!(
        (&ana["source"], &ana["registered_at"]),
        (&json!("google / summer"), &json!("2024-05-01T00:00:00.000Z"))
    );
    let expected = "line,column,why\r\n\
        5,e_mail,neither a mail address nor a phone: there is no way to reach them\r\n\
        6,e_mail,not a mail address we can write to: it has a character that no address has\r\n";
    assert_eq!(fs::read_to_string(directory.path().join("errors.csv")).unwrap(), expected);

    assert_eq!(counts(&import(directory.path(), TABLE, &[])), [0, 0, 3, 2]);
    assert_eq!(json_of(directory.path(), &["users", "--json"]), users);
    let (_, touches, _) = run(directory.path(), &["export", "touches"]);
    assert_eq!(touches.lines().count(), 1, "an import is no visit: {touches}");
    let counted = json_of(directory.path(), &["origins", "--from", "2024-01-01", "--to", "2025-01-01", "--json"]);
    assert_eq!((&counted["total"]["registrations"], &counted["complete"]), (&json!(2), &json!(true)));
}

#[test]
fn nobody_is_welcomed_unless_the_operator_asks_for_it() {
    let directory = configured("");
    import(directory.path(), TABLE, &[]);
    assert_eq!(json_of(directory.path(), &["messages", "--json"]), json!([]));
    // Whoever has been a customer for long is not greeted later either.
    assert_eq!(counts(&import(directory.path(), TABLE, &["--welcome"])), [0, 0, 3, 2]);
    assert_eq!(json_of(directory.path(), &["messages", "--json"]), json!([]));
    let more = "email,phone\nnew@example.com,\n,699 999 999\n";
    assert_eq!(counts(&import(directory.path(), more, &["--welcome"])), [2, 0, 0, 0]);
    let messages = json_of(directory.path(), &["messages", "--json"]);
    assert_eq!(messages.as_array().unwrap().len(), 1, "a mail reaches only one of them: {messages}");
    assert_eq!(messages[0]["recipient"], "new@example.com");
}

#[test]
fn an_imported_customer_waits_for_their_welcome_as_if_they_had_just_registered() {
    let directory = configured("[welcome]\ndelay = \"2days\"\n");
    assert_eq!(counts(&import(directory.path(), "email\nnew@example.com\n", &["--welcome"])), [1, 0, 0, 0]);
    let messages = json_of(directory.path(), &["messages", "--json"]);
    let time = |name: &str| Timestamp::parse(messages[0][name].as_str().unwrap()).unwrap();
    assert_eq!(time("due_at").since(time("created_at")), std::time::Duration::from_hours(48));
    // An id begins with the time at which it was made. One that lies ahead is a wrong clock's: what waits for it is due.
    let id = messages[0]["id"].as_str().unwrap().replace('-', "");
    assert_eq!(i64::from_str_radix(&id[..12], 16).unwrap(), time("created_at").as_millis());
}

#[test]
fn an_import_is_in_the_list_of_changes() {
    let directory = configured("");
    let listed = || {
        let entries = json_of(directory.path(), &["audit", "--json"]);
        let told =
            |entry: &Value| ["who", "action", "target", "detail"].map(|name| entry[name].as_str().unwrap().to_owned());
        let listed: Vec<[String; 4]> = entries.as_array().unwrap().iter().map(told).collect();
        listed
    };
    import(directory.path(), TABLE, &[]);
    let expected = ["command line", "user.import", "many", "2 new, 0 merged"].map(str::to_owned);
    assert_eq!(listed(), std::slice::from_ref(&expected));
    import(directory.path(), TABLE, &[]);
    import(directory.path(), "email\nnew@example.com\n", &["--dry-run"]);
    assert_eq!(listed(), [expected], "an import that changed nothing is no change");
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let directory = configured("");
    let lines = |arguments: &[&str]| {
        fs::write(directory.path().join("table.csv"), TABLE).unwrap();
        run(directory.path(), &[&["import", "table.csv", "--dry-run"], arguments].concat()).1
    };
    let dry = lines(&[]);
    for expected in [
        "line 2: new\n",
        "line 3: new\n",
        "line 5: refused: e_mail: neither",
        "line 7: unchanged\n",
        "Nothing was written",
    ] {
        assert!(dry.contains(expected), "{expected} in {dry}");
    }
    assert!(!directory.path().join("umishop.db").exists());
    import(directory.path(), "email,name\nana@example.com,\n", &[]);
    let dry = lines(&[]);
    assert!(dry.contains("line 2: merged\n") && dry.contains("line 7: unchanged\n"), "{dry}");
    assert_eq!(json_of(directory.path(), &["users", "--json"])[0]["name"], "");
    assert_eq!(counts(&import(directory.path(), TABLE, &[])), [1, 1, 1, 2], "it does what the dry run said");
}

#[tokio::test]
async fn a_table_is_imported_and_exported_beside_a_running_server() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    let process = Process::start(directory.path());
    let many: Vec<String> = (0..2_000).map(|n| format!("{n}@example.com,Ñ {n}")).collect();
    assert_eq!(counts(&import(directory.path(), &format!("email,name\n{}", many.join("\n")), &[])), [2_000, 0, 0, 0]);
    let body = br#"{"name": "Ana", "email": "ana@example.com"}"#;
    assert_eq!(client::send(process.address, "POST", "/umishop_api/user", &[], body).await.status, 200);
    let (code, out, _) = run(directory.path(), &["export", "users"]);
    assert_eq!((code, out.lines().count()), (Some(0), 2_002));
    assert!(out.starts_with("id,name,email,") && out.contains(",Ñ 1999,1999@example.com,"));
    let (_, out, _) = run(directory.path(), &["export", "messages", "--json", "--since", "1h"]);
    let message: Value = serde_json::from_str(out.trim_end()).unwrap();
    assert_eq!((&message["purpose"], &message["name"]), (&json!("welcome"), &json!("Ana")));
}

#[tokio::test]
async fn webhooks_are_answered_in_the_middle_of_an_import() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    let process = Process::start(directory.path());
    let mut importing = command(directory.path(), &["import", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut table = importing.stdin.take().unwrap();
    std::io::Write::write_all(&mut table, b"email\n").unwrap();
    for part in 0..10_u32 {
        for n in 0..2_000 {
            std::io::Write::write_all(&mut table, format!("{part}.{n}@example.com\n").as_bytes()).unwrap();
        }
        let body = json!({ "name": "Ana", "email": format!("ana{part}@example.com") }).to_string();
        let answer = client::send(process.address, "POST", "/umishop_api/user", &[], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(importing.try_wait().unwrap().is_none(), "the table has not ended");
    }
    drop(table);
    let output = importing.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&report), [20_000, 0, 0, 0]);
    let (_, users, _) = run(directory.path(), &["export", "users"]);
    assert_eq!(users.lines().count(), 20_011);
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let (one, other) = (configured(""), configured(""));
    import(one.path(), TABLE, &[]);
    let (_, exported, _) = run(one.path(), &["export", "users"]);
    assert!(exported.contains(",'+34612345678,"), "a phone is no formula: {exported}");
    assert_eq!(counts(&import(other.path(), &format!("\u{FEFF}{exported}"), &[])), [2, 0, 0, 0]);
    let without_ids =
        |text: String| text.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect::<Vec<_>>();
    let again = run(other.path(), &["export", "users"]).1;
    assert_eq!(without_ids(again), without_ids(exported));
}

#[test]
fn an_import_that_is_interrupted_says_how_far_it_came_and_goes_on_later() {
    let directory = configured("");
    let mut importing = command(directory.path(), &["import", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut table = importing.stdin.take().unwrap();
    let rows =
        |range: std::ops::Range<u32>| range.map(|n| format!("{n}@example.com")).collect::<Vec<_>>().join("\n") + "\n";
    let first = format!("email\n{}", rows(0..500));
    std::io::Write::write_all(&mut table, first.as_bytes()).unwrap();
    // Its bite is read when something follows it, and written when it can be listed.
    std::io::Write::write_all(&mut table, rows(500..20_000).as_bytes()).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !run(directory.path(), &["users", "--json", "--limit", "1"]).1.contains("@example.com") {
        assert!(std::time::Instant::now() < deadline, "nothing was imported");
    }
    let id = importing.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = importing.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["complete"]), (Some(1), &json!(false)));
    let done = report["rows"].as_u64().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("stopped: {done} rows are done")));
    let (_, users, _) = run(directory.path(), &["export", "users"]);
    assert_eq!(users.lines().count() as u64, done + 1);
    let again = import(directory.path(), &format!("email\n{}", rows(0..20_000)), &[]);
    assert_eq!(counts(&again), [20_000 - done, 0, done, 0]);
    drop(table);
}

#[tokio::test]
async fn lists_are_downloaded_as_tables_with_their_filters() {
    let app = TestApp::start().await;
    for n in 0..1_100 {
        let body = json!({ "name": "=cmd()", "email": format!("{n}@example.com"), "utm_source": "google" });
        assert_eq!(app.post("/umishop_api/user", &body).await.status, 200);
    }
    app.pass(std::time::Duration::from_secs(1));
    app.ask("Sales", "Two\nlines, \"quoted\"").await;
    let id = app.items("/api/requests").await[0]["id"].as_str().unwrap().to_owned();
    for noted in [["assign", "Eva"], ["note", "Wants a call"]] {
        assert_eq!(run(app.directory(), &["requests", noted[0], &id, noted[1]]).0, Some(0));
    }
    let table = async |path: &str| {
        let answer = app.api("GET", path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        let name = path.split(['/', '?']).nth(3).unwrap();
        assert_eq!(answer.header("content-disposition"), Some(format!("attachment; filename=\"{name}\"").as_str()));
        answer.body.strip_prefix('\u{FEFF}').unwrap().to_owned()
    };
    let users = table("/api/export/users.csv").await;
    assert_eq!((users.lines().count(), users.matches(",'=cmd(),").count()), (1_102, 1_100));
    assert_eq!(table("/api/export/users.csv?search=77@").await.lines().count(), 2);
    let requests = table("/api/export/requests.csv?state=new&topic=sales").await;
    assert!(requests.contains(",\"Two\nlines, \"\"quoted\"\"\",Eva,Wants a call,"), "{requests}");
    assert_eq!(table("/api/export/requests.csv?state=closed").await.lines().count(), 1);
    assert_eq!(table("/api/export/messages.csv?purpose=request").await.lines().count(), 2);
    let welcomes = table("/api/export/messages.csv?purpose=welcome").await;
    assert!(welcomes.contains(",77@example.com,'=cmd()\r\n"), "{welcomes}");
    let (_, written, _) = run(app.directory(), &["export", "messages"]);
    assert!(written.lines().next().unwrap().ends_with(",request_id,recipient,name"), "{written}");
    assert!(written.contains(",77@example.com,'=cmd()\r\n") && written.contains(",,Ana\r\n"), "the shop's own people");
    let origins = table("/api/export/origins.csv?by=source&source=google").await;
    assert!(origins.contains("\r\ngoogle,") && origins.contains(",1100,0,0,"), "{origins}");
    assert_eq!(app.api("GET", "/api/export/messages.csv?state=lost").await.status, 400);
    assert_eq!(app.get("/api/export/users.csv").await.status, 401);
    let listed = app.items("/api/audit").await;
    let taken = |action: &str| listed.iter().filter(|entry| entry["action"] == action).count();
    assert_eq!((taken("user.export"), taken("request.export"), taken("message.export")), (2, 2, 3), "{listed:?}");
}
