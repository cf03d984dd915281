//! Backups that are whole, and restores that send nothing twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client;
use crate::command_line::{configured, json_of, run};
use crate::process::{Process, command};
use crate::sinks::HttpSink;
use crate::support::{ADMIN_TOKEN, TestApp};

/// Listens somewhere, and welcomes nobody for a while.
const QUIET: &str =
    "[server]\nlisten = \"127.0.0.1:0\"\n[welcome]\ndelay = \"1h\"\n[admin]\ntoken = \"the-admin-token\"\n";

async fn register(process: &Process, email: &str) {
    let body = json!({ "name": "Ana", "email": email }).to_string();
    let answer = client::send(process.address, "POST", "/umishop_api/user", &[], body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn emails(directory: &Path) -> BTreeSet<String> {
    let users = json_of(directory, &["users", "--limit", "100000", "--json"]);
    users.as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()).collect()
}

/// A directory in which somebody registered, and whose server is gone.
async fn abandoned(emails: &[&str]) -> tempfile::TempDir {
    let directory = configured(QUIET);
    let mut process = Process::start(directory.path());
    for email in emails {
        register(&process, email).await;
    }
    process.kill();
    directory
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The names of the backups in `directory`, without the one that is being made and its companions.
fn whole(directory: &Path) -> BTreeSet<String> {
    let is_whole = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "db");
    names(directory).into_iter().filter(is_whole).collect()
}

/// Why a command failed.
fn refused(directory: &Path, arguments: &[&str]) -> String {
    let (code, out, error) = run(directory, arguments);
    assert_eq!(code, Some(1), "{out}{error}");
    error
}

/// State and reference of each message, by its customer.
fn states(messages: &[Value]) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = |message: &Value| (text(&message["name"]), text(&message["state"]), text(&message["reference"]));
    let mut states: Vec<_> = messages.iter().map(state).collect();
    states.sort();
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_holds_everything_that_was_answered_before_it_began() {
    let directory = configured(QUIET);
    let process = Arc::new(Process::start(directory.path()));
    let stop = Arc::new(AtomicBool::new(false));
    let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (process, stop, answered) = (Arc::clone(&process), Arc::clone(&stop), answered.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let email = format!("s{sender}n{number}@example.com");
                    register(&process, &email).await;
                    answered.send(email).unwrap();
                    if stop.load(Ordering::Acquire) {
                        return;
                    }
                }
            })
        })
        .collect();
    let mut before = BTreeSet::new();
    for backup in ["1.db", "2.db", "3.db"] {
        // Some more customers than at the backup before.
        let enough = before.len() + 40;
        while before.len() < enough {
            before.insert(answers.recv().await.unwrap());
        }
        while let Ok(email) = answers.try_recv() {
            before.insert(email);
        }
        let path = directory.path().to_owned();
        let made = tokio::task::spawn_blocking(move || json_of(&path, &["backup", backup, "--json"])).await.unwrap();
        let elsewhere = configured(QUIET);
        let file = directory.path().join(backup);
        let restored = json_of(elsewhere.path(), &["restore", file.to_str().unwrap(), "--json"]);
        assert_eq!((&restored["users"], &restored["taken_at"]), (&made["users"], &made["taken_at"]));
        assert_eq!((&restored["held"], &restored["delivered"]), (&made["messages"], &json!(0)));
        let kept = emails(elsewhere.path());
        let lost: Vec<_> = before.difference(&kept).collect();
        assert!(lost.is_empty(), "{lost:?} were answered before {backup} began, and are not in it");
    }
    stop.store(true, Ordering::Release);
    for sender in senders {
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn a_restored_backup_sends_nothing_by_itself_and_knows_from_the_journal_what_was_sent_since() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.pass(Duration::from_secs(30));
    app.register("Eva", "eva@example.com").await;
    app.back_up("backup.db").await;
    assert_eq!(app.advance(Duration::from_secs(30)).await, 1);
    let app = app
        .restart_after(|directory| {
            fs::remove_file(directory.join("umishop.db")).unwrap();
            let restored = json_of(directory, &["restore", "backup.db", "--json"]);
            assert_eq!((&restored["delivered"], &restored["held"]), (&json!(1), &json!(1)), "{restored}");
            assert_eq!((&restored["replaced"], &restored["warnings"]), (&Value::Null, &json!([])));
        })
        .await;
    assert_eq!(app.advance(Duration::from_hours(24)).await, 0, "a restored backup sent something");
    let messages = app.items("/api/messages").await;
    let expected = [("Ana", "delivered", "journal"), ("Eva", "held", "")];
    assert_eq!(
        states(&messages),
        expected.map(|(name, state, reference)| (name.into(), state.into(), reference.into()))
    );
    let held = messages.iter().find(|message| message["state"] == "held").unwrap();
    let why = held["last_error"].as_str().unwrap();
    assert!(why.contains("2026-11-24 09:30 UTC") && why.contains("may have been sent already"), "{why}");
    // What an operator releases goes out, once.
    let released = json_of(app.directory(), &["messages", "retry", "--state", "held", "--yes", "--json"]);
    assert_eq!(released["changed"], 1);
    app.catch_up();
    assert_eq!(app.deliver_due().await, 1);
    assert_eq!(app.items("/api/messages?state=delivered").await.len(), 2);
}

#[tokio::test]
async fn without_a_journal_the_replaced_database_tells_what_was_sent_since() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.back_up("backup.db").await;
    assert_eq!(app.advance(Duration::from_mins(1)).await, 1);
    let app = app
        .restart_after(|directory| {
            fs::remove_file(directory.join("umishop.db.delivered")).unwrap();
            let restored = json_of(directory, &["restore", "backup.db", "--replace", "--json"]);
            assert_eq!((&restored["delivered"], &restored["held"]), (&json!(1), &json!(0)), "{restored}");
        })
        .await;
    assert_eq!(app.advance(Duration::from_hours(24)).await, 0);
}

#[tokio::test]
async fn a_restore_replaces_a_database_only_when_told_to_and_keeps_it() {
    let directory = abandoned(&["old@example.com"]).await;
    let path = directory.path();
    assert_eq!(run(path, &["backup", "backup.db"]).0, Some(0));
    let process = Process::start(path);
    register(&process, "new@example.com").await;
    let (code, _, error) = run(path, &["restore", "backup.db", "--replace"]);
    assert_eq!(code, Some(3));
    assert!(error.contains("another umishop") && error.contains("stop it first"), "{error}");
    drop(process);
    assert!(refused(path, &["restore", "backup.db"]).contains("--replace"));
    assert_eq!(emails(path).len(), 2, "a refused restore changed something");

    let restored = json_of(path, &["restore", "backup.db", "--replace", "--json"]);
    assert_eq!(emails(path), BTreeSet::from(["old@example.com".to_owned()]));
    let again = json_of(path, &["restore", "backup.db", "--replace", "--json"]);
    assert_ne!(again["replaced"], restored["replaced"]);
    assert!(refused(path, &["restore", "umishop.db", "--replace"]).contains("the database itself"));
    // What was replaced is a database like any other.
    fs::rename(path.join(restored["replaced"].as_str().unwrap()), path.join("umishop.db")).unwrap();
    assert_eq!(emails(path).len(), 2);
}

#[tokio::test]
async fn a_damaged_database_gives_way_to_its_backup() {
    let directory = abandoned(&["ana@example.com"]).await;
    let path = directory.path();
    assert_eq!(run(path, &["backup", "backup.db"]).0, Some(0));
    fs::write(path.join("umishop.db"), "a disk's idea of a database").unwrap();
    let restored = json_of(path, &["restore", "backup.db", "--replace", "--json"]);
    assert!(restored["warnings"][0].as_str().unwrap().contains("cannot be read"), "{restored}");
    assert_eq!(emails(path).len(), 1);
    let kept = path.join(restored["replaced"].as_str().unwrap());
    assert_eq!(fs::read_to_string(kept).unwrap(), "a disk's idea of a database");
}

#[tokio::test]
async fn a_backup_that_was_merely_copied_back_is_refused() {
    let directory = abandoned(&["ana@example.com"]).await;
    let path = directory.path();
    assert_eq!(run(path, &["backup", "backup.db"]).0, Some(0));
    fs::copy(path.join("backup.db"), path.join("umishop.db")).unwrap();
    for arguments in [&["serve"][..], &["messages"], &["backup", "backup-of-a-backup.db"]] {
        let error = refused(path, arguments);
        assert!(error.contains("this is a backup, taken 20") && error.contains("umishop restore"), "{error}");
    }
    fs::remove_file(path.join("umishop.db")).unwrap();
    assert_eq!(run(path, &["restore", "backup.db"]).0, Some(0));
    assert_eq!(emails(path).len(), 1);
}

/// A directory as it is when a restore has been decided, before anything was moved; with the old one's log still there.
async fn decided() -> tempfile::TempDir {
    let (directory, elsewhere) = (abandoned(&["old@example.com", "new@example.com"]).await, configured(QUIET));
    let path = directory.path();
    assert_eq!(run(path, &["backup", "backup.db"]).0, Some(0));
    let backup = path.join("backup.db");
    assert_eq!(run(elsewhere.path(), &["restore", backup.to_str().unwrap()]).0, Some(0));
    fs::rename(elsewhere.path().join("umishop.db"), path.join("umishop.db.restored")).unwrap();
    fs::write(path.join("umishop.db-wal"), "the old one's").unwrap();
    directory
}

#[tokio::test]
async fn a_restore_that_was_cut_off_is_finished_by_the_next_start() {
    for moved in [&[][..], &["umishop.db"], &["umishop.db", "umishop.db-wal", "umishop.db-shm"]] {
        let directory = decided().await;
        let path = directory.path();
        // A backup of a database that nobody uses leaves it as one file.
        for name in moved.iter().filter(|name| path.join(name).exists()) {
            fs::rename(path.join(name), path.join(format!("moved-{name}"))).unwrap();
        }
        let process = Process::start(path);
        let messages = process.items("/api/messages", ADMIN_TOKEN).await;
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|message| message["state"] == "held"), "{moved:?}: {messages:?}");
        let names = names(path);
        assert!(!names.contains("umishop.db.restored"), "{moved:?}: {names:?}");
        let kept = names.iter().any(|name| name.contains(".replaced-") && name.ends_with("-wal"));
        assert!(kept || moved.contains(&"umishop.db-wal"), "the old one's log met the new one: {names:?}");
    }
}

#[test]
fn a_database_is_backed_up_before_an_upgrade_and_comes_back_upgraded() {
    let directory = configured(QUIET);
    let path = directory.path();
    let connection = rusqlite::Connection::open(path.join("umishop.db")).unwrap();
    connection.execute_batch(include_str!("../../src/store/sqlite/migrations/0001_initial.sql")).unwrap();
    connection
        .execute_batch(
            "PRAGMA user_version = 1;
             PRAGMA application_id = 0x756D6973;
             INSERT INTO messages (id, channel, purpose, state, created_at, due_at, context)
             VALUES (zeroblob(16), 'email.sales', 'request', 'pending', 1, 1, '{}')",
        )
        .unwrap();
    drop(connection);
    assert_eq!(json_of(path, &["backup", "backup.db", "--json"])["messages"], 1);
    assert!(refused(path, &["messages"]).contains("schema 1"), "the backup upgraded the database");
    let restored = json_of(path, &["restore", "backup.db", "--replace", "--json"]);
    assert_eq!(restored["held"], 1);
    assert_eq!(json_of(path, &["messages", "--json"])[0]["state"], "held");
}

#[tokio::test]
async fn what_is_no_whole_backup_is_refused_and_changes_nothing() {
    let directory = abandoned(&["ana@example.com"]).await;
    let path = directory.path();
    assert_eq!(run(path, &["backup", "backup.db"]).0, Some(0));
    let good = fs::read(path.join("backup.db")).unwrap();
    let mut scratched = good.clone();
    for byte in &mut scratched[40_000..90_000] {
        *byte ^= 0x5A;
    }
    fs::write(path.join("scratched.db"), scratched).unwrap();
    fs::write(path.join("cut.db"), &good[..good.len() / 2]).unwrap();
    fs::write(path.join("text.db"), "not a database at all, but long enough to look like one?").unwrap();
    rusqlite::Connection::open(path.join("other.db")).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let mut before = names(path);
    let database = fs::read(path.join("umishop.db")).unwrap();
    for file in ["scratched.db", "cut.db", "text.db", "other.db", "missing.db"] {
        let error = refused(path, &["restore", file, "--replace"]);
        assert!(error.contains(&format!("{file} cannot be restored")), "{error}");
    }
    before.extend(["umishop.db.lock".to_owned()]);
    assert_eq!(names(path), before, "a refused restore left something behind");
    assert!(fs::read(path.join("umishop.db")).unwrap() == database);
}

#[tokio::test]
async fn a_backup_that_cannot_be_written_says_why_and_leaves_nothing_behind() {
    let directory = abandoned(&["ana@example.com"]).await;
    let path = directory.path();
    // What a shell lets its children write, in blocks of 512 bytes: less than the database has.
    let program = env!("CARGO_BIN_EXE_umishop");
    let limited = format!("trap '' XFSZ; ulimit -f 150; exec {program} backup full.db");
    let output = Command::new("sh").args(["-c", &limited]).current_dir(path).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("full.db"), "{error}");
    let error = refused(path, &["backup", "nowhere/backup.db"]);
    assert!(error.contains("nowhere/backup.db.partial") && error.contains("No such file"), "{error}");
    assert!(refused(path, &["backup"]).contains("[backup] directory"));
    let left: Vec<_> =
        names(path).into_iter().filter(|name| name.contains("full") || name.contains("backup")).collect();
    assert!(left.is_empty(), "{left:?}");

    assert_eq!(run(path, &["backup", "backup.db"]).0, Some(0));
    let made = fs::read(path.join("backup.db")).unwrap();
    assert!(refused(path, &["backup", "backup.db"]).contains("is there already"));
    assert!(fs::read(path.join("backup.db")).unwrap() == made, "a backup took another one's place");
}

#[tokio::test]
async fn scheduled_backups_keep_the_newest_and_their_failure_is_told_by_readyz() {
    let directory = configured(&format!("{QUIET}[backup]\ndirectory = \"backups\"\nat = \"* * * * * *\"\nkeep = 2\n"));
    let backups = directory.path().join("backups");
    let process = Process::start(directory.path());
    let warnings = async || {
        let answer = client::send(process.address, "GET", "/readyz", &[], b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["warnings"].to_string()
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    while !warnings().await.contains("there is no new backup") {
        assert!(Instant::now() < deadline, "nobody was told");
        tokio::task::yield_now().await;
    }
    fs::create_dir(&backups).unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 4 {
        assert!(Instant::now() < deadline, "only {seen:?} were made");
        seen.extend(whole(&backups));
        tokio::task::yield_now().await;
    }
    assert_eq!(warnings().await, "[]");
    drop(process);
    let kept: Vec<_> = whole(&backups).into_iter().collect();
    // A third one for a moment, before the oldest is deleted.
    assert!((2..=3).contains(&kept.len()), "{kept:?} of {seen:?}, beside {:?}", names(&backups));
    assert!(kept.iter().all(|name| name.starts_with("umishop-20")), "{kept:?}");
    let file = backups.join(&kept[0]);
    let elsewhere = configured(QUIET);
    assert_eq!(run(elsewhere.path(), &["restore", file.to_str().unwrap()]).0, Some(0));
}

#[tokio::test]
async fn a_thousand_dead_letters_that_are_retried_at_once_are_each_sent_once_under_their_ids() {
    let sink = HttpSink::start().await;
    let url = sink.url("/s/400");
    let app = TestApp::start_live(&format!(
        "[welcome]\nchannel = \"\"\n[channels.http.desk]\nurl = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\n[[routes]]\nchannels = [\"http.desk\"]\n"
    ))
    .await;
    for chunk in 0..20 {
        let questions: Vec<_> = (0..50).map(|number| format!("Question {chunk}.{number}")).collect();
        let answers = futures_util::future::join_all(questions.iter().map(|question| app.ask("Sales", question))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
    }
    assert_eq!(app.deliver_due().await, 1000);
    let path = app.directory();
    let error = refused(path, &["messages", "retry", "--state", "dead"]);
    assert!(error.contains("1000") && error.contains("--yes"), "{error}");
    let error = refused(path, &["messages", "retry", "--state", "delivered", "--yes"]);
    assert!(error.contains("dead or held or cancelled"), "{error}");
    assert_eq!(command(path, &["messages", "retry"]).output().unwrap().status.code(), Some(2));
    for none in [&["--channel", "http.other"], &["--purpose", "welcome"], &["--before", "2020-01-01T00:00:00Z"]] {
        let arguments = [&["messages", "retry", "--state", "dead", "--yes", "--json"][..], none].concat();
        assert_eq!(json_of(path, &arguments)["changed"], 0, "{none:?}");
    }
    let all = ["messages", "retry", "--state", "dead", "--channel", "http.desk", "--purpose", "request", "--yes"];
    assert_eq!(run(path, &all).1, "1000 messages are retried.\n");

    sink.mend();
    app.catch_up();
    assert_eq!(app.deliver_due().await, 1000);
    assert_eq!(app.advance(Duration::from_hours(24)).await, 0);
    let sent = sink.requests();
    let ids: BTreeSet<_> = sent.iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!((sent.len(), ids.len()), (1000, 1000));
}
