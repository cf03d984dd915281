//! What was answered survives whatever ends the process.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client;
use crate::process::{Process, command};
use crate::support::ADMIN_TOKEN;

fn configure(directory: &Path, more: &str) {
    let config = format!("{more}\n[server]\nlisten = \"127.0.0.1:0\"\n[admin]\ntoken = \"{ADMIN_TOKEN}\"\n");
    std::fs::write(directory.join("config.toml"), config).unwrap();
}

async fn register(address: std::net::SocketAddr, email: &str) -> u16 {
    let body = json!({ "name": "Ana", "email": email }).to_string();
    client::send(address, "POST", "/umishop_api/user", &[], body.as_bytes()).await.status
}

/// One field of every item of a list, over all its pages.
async fn all(process: &Process, path: &str, field: &str) -> BTreeSet<String> {
    let token = format!("Bearer {ADMIN_TOKEN}");
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = format!("{path}{separator}limit=500{cursor}");
        let page = client::send(process.address, "GET", &page, &[("Authorization", &token)], b"").await.json();
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_answered_registration_and_every_message_is_delivered() {
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), "[welcome]\ndelay = \"1ms\"");
    let mut process = Process::start(directory.path());
    let (address, killed) = (process.address, Arc::new(AtomicBool::new(false)));
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let killed = Arc::clone(&killed);
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for number in 0.. {
                    let email = format!("s{sender}n{number}@example.com");
                    // A connection that the kill cut is no answer.
                    match tokio::spawn({
                        let email = email.clone();
                        async move { register(address, &email).await }
                    })
                    .await
                    {
                        Ok(200) => answered.push(email),
                        _ if killed.load(Ordering::Acquire) => break,
                        other => panic!("{other:?}"),
                    }
                    // Enough are on their way: the first of them asks for the kill.
                    if number == 100 {
                        killed.store(true, Ordering::Release);
                    }
                }
                answered
            })
        })
        .collect();
    while !killed.load(Ordering::Acquire) {
        assert!(senders.iter().any(|sender| !sender.is_finished()));
        tokio::task::yield_now().await;
    }
    process.kill();
    let mut answered = BTreeSet::new();
    for sender in senders {
        answered.extend(sender.await.unwrap());
    }
    assert!(answered.len() > 100);

    let process = Process::start(directory.path());
    let kept = all(&process, "/api/users", "email").await;
    let lost: Vec<_> = answered.difference(&kept).collect();
    assert!(lost.is_empty(), "{} answered registrations are lost: {lost:?}", lost.len());
    let deadline = Instant::now() + Duration::from_mins(2);
    while !process.items("/api/messages?state=pending&limit=1", ADMIN_TOKEN).await.is_empty()
        || !process.items("/api/messages?state=sending&limit=1", ADMIN_TOKEN).await.is_empty()
    {
        assert!(Instant::now() < deadline, "messages are still on their way");
        tokio::task::yield_now().await;
    }
    let welcomed = all(&process, "/api/messages?state=delivered", "recipient").await;
    assert_eq!(kept, welcomed, "not every registered customer was welcomed");
}

#[tokio::test]
async fn sigterm_stops_in_good_order_and_leaves_one_file() {
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), "");
    let mut process = Process::start(directory.path());
    assert_eq!(register(process.address, "ana@example.com").await, 200);
    assert_eq!(process.terminate().code(), Some(0));
    assert!(!directory.path().join("umishop.db-wal").exists());
    let process = Process::start(directory.path());
    assert_eq!(all(&process, "/api/users", "email").await.len(), 1);
}

#[tokio::test]
async fn a_first_start_needs_no_file_and_its_link_opens_the_console_once() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), "UMISHOP_SERVER__LISTEN=127.0.0.1:0\n").unwrap();
    let mut process = Process::start(directory.path());
    assert!(process.banner.contains("https://YOUR-PUBLIC-ADDRESS/umishop_api/user"), "{}", process.banner);
    let code = |process: &Process| {
        let link = process.banner.split("/admin#login=").nth(1)?;
        link.split_whitespace().next().map(|code| format!(r#"{{ "code": "{code}" }}"#))
    };
    let unused = code(&process).unwrap();
    process.kill();
    let mut process = Process::start(directory.path());
    let code_again = code(&process).unwrap();
    assert_ne!(unused, code_again, "nobody has signed in yet, so there is another link");
    let sign_in = async |process: &Process, code: &str| {
        crate::client::send(process.address, "POST", "/api/session", &[], code.as_bytes()).await
    };
    let answer = sign_in(&process, &code_again).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(sign_in(&process, &code_again).await.status, 401);
    process.kill();
    let process = Process::start(directory.path());
    assert_eq!(code(&process), None, "{}", process.banner);
    let session = crate::client::send(process.address, "GET", "/api/session", &[("Cookie", &cookie)], b"").await;
    assert_eq!((session.status, &session.json()["role"]), (200, &serde_json::json!("owner")));
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    configure(directory.path(), "");
    let _first = Process::start(directory.path());
    let second = command(directory.path(), &["serve"]).output().unwrap();
    assert_eq!(second.status.code(), Some(3));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains("another umishop") && error.contains("umishop.db"), "{error}");
}
