//! What the console shows while it happens: changes that are told over an open connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use umishop::backups::{BackupStatus, Backups, Directory};
use umishop::changes::Section;
use umishop::clock::Clock;
use umishop::store::Store;
use umishop::store::sqlite::SqliteStore;

use crate::support::{ADMIN_TOKEN, TestApp};

/// How many streams the server lets there be.
const MOST: usize = 32;

/// Longer than anything here takes: what hangs shall fail.
const PATIENCE: Duration = Duration::from_secs(20);

/// A console that follows what changes.
struct Stream {
    socket: TcpStream,
    /// What came and was not looked at yet.
    came: String,
}

impl Stream {
    /// Asks for the stream, and reads the head of the answer.
    async fn open(app: &TestApp) -> Self {
        let mut socket = TcpStream::connect(app.address).await.unwrap();
        let head = format!("GET /api/events HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut stream = Self { socket, came: String::new() };
        let head = stream.take("\r\n\r\n").await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        stream
    }

    /// All up to this end; `None`: the server closed the connection before.
    async fn take(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.came.find(end) {
                let rest = self.came.split_off(at + end.len());
                let mut taken = std::mem::replace(&mut self.came, rest);
                taken.truncate(at);
                return Some(taken);
            }
            let mut buffer = [0; 4096];
            let length = tokio::time::timeout(PATIENCE, self.socket.read(&mut buffer)).await.unwrap().unwrap();
            if length == 0 {
                return None;
            }
            self.came.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    }

    /// What the next event is about; `None`: the stream has ended.
    async fn next(&mut self) -> Option<Vec<String>> {
        let event = self.take("\n\n").await?;
        let (_, data) = event.split_once("event: changed\ndata: ")?;
        let data: Value = serde_json::from_str(data).unwrap();
        Some(data["about"].as_array().unwrap().iter().map(|about| about.as_str().unwrap().to_owned()).collect())
    }

    /// Listens until it has heard of all of these.
    async fn hears(&mut self, about: &[&str]) {
        let mut left = about.to_vec();
        while !left.is_empty() {
            let told = self.next().await.unwrap_or_else(|| panic!("the stream ended before {left:?}"));
            left.retain(|about| !told.iter().any(|told| told == about));
        }
    }
}

#[tokio::test]
async fn what_happens_is_told_to_whoever_follows_it() {
    let app = TestApp::start().await;
    let mut stream = Stream::open(&app).await;
    app.register("Ana", "ana@example.com").await;
    stream.hears(&["users", "messages"]).await;
    app.ask("Pricing", "How much?").await;
    stream.hears(&["requests", "messages"]).await;
    app.advance(Duration::from_mins(2)).await;
    stream.hears(&["messages"]).await;
    app.api("POST", "/api/channels/email.welcome/pause").await;
    stream.hears(&["channels"]).await;
    app.send("POST", "/umishop_api/user", &[], b"\xff\xfe{").await;
    stream.hears(&["inbox"]).await;
}

#[tokio::test]
async fn a_token_a_backup_and_whatever_is_listed_as_a_change_are_told_as_settings() {
    let app = TestApp::start().await;
    let mut stream = Stream::open(&app).await;
    let token = format!("Bearer {ADMIN_TOKEN}");
    let wish = json!({ "name": "report", "role": "read-only" }).to_string();
    app.send("POST", "/api/tokens", &[("Authorization", &token)], wish.as_bytes()).await;
    stream.hears(&["settings"]).await;
    app.api("GET", "/api/export/users.csv").await;
    stream.hears(&["settings"]).await;

    let store = Arc::new(SqliteStore::open(&app.directory().join("other.db")).unwrap());
    let (status, clock) = (BackupStatus::default(), Clock::manual(app.now()));
    let place = Directory::new(app.directory().to_owned(), Path::new("other.db"));
    let mut told = store.feed().reader();
    let backups = Backups::new(store, clock, place, 1, status.clone());
    backups.make(CancellationToken::new()).await.unwrap();
    assert_eq!(told.next().now_or_never(), Some(Some(vec![Section::Settings])), "there is a new backup");
    assert!(status.last().success.is_some());
}

#[tokio::test]
async fn who_never_reads_keeps_nobody_waiting() {
    let app = TestApp::start().await;
    let _deaf = Stream::open(&app).await;
    let mut stream = Stream::open(&app).await;
    for number in 0..50 {
        assert_eq!(app.register("Ana", &format!("ana{number}@example.com")).await.status, 200);
    }
    stream.hears(&["users"]).await;
}

#[tokio::test]
async fn a_stop_ends_the_streams_at_once() {
    let app = TestApp::run().await;
    let (mut stream, _deaf) = (Stream::open(&app).await, Stream::open(&app).await);
    tokio::time::timeout(PATIENCE, app.restart()).await.unwrap();
    assert_eq!(stream.next().await, None);
    assert!(stream.came.ends_with("0\r\n\r\n"), "it ended in good order, and was not cut: {:?}", stream.came);
}

#[tokio::test]
async fn a_stream_outlasts_the_rest_that_a_connection_may_have() {
    let app = TestApp::start_with("[server]\nidle_timeout = \"1s\"").await;
    let mut stream = Stream::open(&app).await;
    for _ in 0..4 {
        let comment = stream.take("\n\n").await.expect("the server closed it");
        assert!(comment.ends_with(':'), "{comment:?}");
    }
}

#[tokio::test]
async fn there_are_no_more_streams_than_may_be_and_who_leaves_makes_room() {
    let app = TestApp::start().await;
    let mut streams = Vec::new();
    for _ in 0..MOST {
        streams.push(Stream::open(&app).await);
    }
    let refused = app.api("GET", "/api/events").await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("unavailable")));
    assert_eq!(app.send("GET", "/api/events", &[], b"").await.status, 401);
    drop(streams.pop());
    // Who has left is noticed when something is to be told.
    let is_open = format!("umishop_event_streams_open {}\n", MOST - 1);
    let noticed = async {
        while !app.api("GET", "/metrics").await.body.contains(&is_open) {
            app.register("Ana", "ana@example.com").await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.unwrap();
    streams.push(Stream::open(&app).await);
}
