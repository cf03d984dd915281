//! The app as the tests run it: the real one, on a real socket and a real database, with time moved by hand.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use umishop::alerts::Alerts;
use umishop::app::App;
use umishop::clock::Clock;
use umishop::config::{self, Sources};
use umishop::domain::Timestamp;
use umishop::relay::Relay;
use umishop::reports::Reports;
use umishop::store::{Retention, Store};

use crate::client::{self, Response};

/// When every test begins: 2026-11-24T09:30:00Z.
const START: Timestamp = Timestamp::from_millis(1_795_512_600_000);

/// What `[admin] token` is in the tests.
pub(crate) const ADMIN_TOKEN: &str = "the-admin-token";

/// A running app.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) login_code: Option<String>,
    relay: Arc<Relay>,
    alerts: Arc<Alerts>,
    reports: Arc<Reports>,
    store: Arc<dyn Store>,
    clock: Clock,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
    directory: TempDir,
    runs: bool,
}

impl TestApp {
    /// With the configuration that is compiled in: the sandbox.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With this config.toml.
    pub(crate) async fn start_with(config: &str) -> Self {
        Self::begin(config, false).await
    }

    /// With this config.toml, and really sending.
    pub(crate) async fn start_live(config: &str) -> Self {
        Self::begin(&live(config), false).await
    }

    /// Really sending, and by itself: the whole app runs, so that nobody needs to call [`deliver_due`](Self::deliver_due).
    pub(crate) async fn run_live(config: &str) -> Self {
        Self::begin(&live(config), true).await
    }

    /// In the sandbox, and by itself.
    pub(crate) async fn run() -> Self {
        Self::begin("", true).await
    }

    async fn begin(config: &str, runs: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_config(&directory, config);
        Self::in_directory(directory, Clock::manual(START), runs).await
    }

    async fn in_directory(directory: TempDir, clock: Clock, runs: bool) -> Self {
        let sources = Sources { file: None, directory: directory.path().to_owned(), environment: Vec::new() };
        let loaded = config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        let app = App::open(loaded.config, clock.clone()).await.unwrap();
        let listener = umishop::http::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Arc::clone(&app.relay);
        let alerts = Arc::clone(&app.alerts);
        let reports = Arc::clone(&app.reports);
        let store = Arc::clone(&app.store);
        let login_code = app.login_code.clone();
        let shutdown = CancellationToken::new();
        let server = {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                if runs { app.run(listener, shutdown).await } else { app.serve(listener, shutdown).await }
            })
        };
        Self { address, login_code, relay, alerts, reports, store, clock, shutdown, server, directory, runs }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes()).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        client::send(self.address, method, path, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], b"").await
    }

    /// As an operator.
    pub(crate) async fn api(&self, method: &str, path: &str) -> Response {
        let token = format!("Bearer {ADMIN_TOKEN}");
        self.send(method, path, &[("Authorization", &token)], b"").await
    }

    /// The items of a list under `/api`.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        let answer = self.api("GET", path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["items"].as_array().unwrap().clone()
    }

    /// A message with its history and text.
    pub(crate) async fn message(&self, item: &Value) -> Value {
        self.api("GET", &format!("/api/messages/{}", item["id"].as_str().unwrap())).await.json()
    }

    pub(crate) async fn register(&self, name: &str, email: &str) -> Response {
        self.post("/umishop_api/user", &json!({ "name": name, "email": email, "phone": "612 345 678" })).await
    }

    pub(crate) async fn ask(&self, topic: &str, question: &str) -> Response {
        let body = json!({ "topic": topic, "question": question, "name": "Ana", "email": "ana@example.com" });
        self.post("/umishop_api/topic", &body).await
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Where everything is kept: to be another boot, which the app knows nothing of.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Lets time pass to where the command line has it, which knows only the system's clock.
    pub(crate) fn catch_up(&self) {
        self.pass(Clock::system().now().since(self.clock.now()));
    }

    /// Sets the time of day, while no time passes.
    pub(crate) fn set_clock(&self, to: Timestamp) {
        self.clock.set(to);
    }

    /// Lets time pass and delivers what became due; says how many attempts that took.
    pub(crate) async fn advance(&self, by: Duration) -> usize {
        self.pass(by);
        self.deliver_due().await
    }

    /// Delivers what is due; says how many attempts that took.
    pub(crate) async fn deliver_due(&self) -> usize {
        self.relay.deliver_due().await.unwrap()
    }

    /// Looks for trouble as the app does now and then; says how much news there was for the operator.
    pub(crate) async fn look(&self) -> usize {
        self.alerts.look().await.unwrap()
    }

    /// Where its configuration and its database are.
    /// Looks whether reports are due, and says of how many periods one went into the outbox.
    pub(crate) async fn report(&self) -> usize {
        self.reports.look().await.unwrap()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Backs up to a file of this name beside the database.
    pub(crate) async fn back_up(&self, name: &str) {
        let file = self.directory().join(name);
        self.store.back_up(file, self.clock.now(), CancellationToken::new()).await.unwrap();
    }

    /// Stops in good order and starts again on the same database.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// The same, after something happened to the directory.
    pub(crate) async fn restart_after(self, between: impl FnOnce(&Path)) -> Self {
        let Self { store, clock, shutdown, server, directory, runs, .. } = self;
        shutdown.cancel();
        server.await.unwrap().unwrap();
        store.close().await.unwrap();
        between(directory.path());
        Self::in_directory(directory, clock, runs).await
    }

    /// The same, after the operator has changed config.toml; really sending.
    pub(crate) async fn restart_live(self, config: &str) -> Self {
        write_config(&self.directory, &live(config));
        self.restart().await
    }
}

/// How long what is finished is kept, and all else as long as that.
pub(crate) const fn retention(delivered: Duration, dead: Duration, inbox: Duration) -> Retention {
    Retention {
        delivered,
        dead,
        inbox,
        captures: None,
        attempts: None,
        questions: None,
        touches: None,
        customers: None,
        audit: None,
    }
}

/// A config.toml that really sends.
pub(crate) fn live(config: &str) -> String {
    format!("sandbox = false\n[intake]\nauth = \"none\"\n{config}\n")
}

fn write_config(directory: &TempDir, config: &str) {
    let token =
        if config.contains("[admin]") { String::new() } else { format!("[admin]\ntoken = \"{ADMIN_TOKEN}\"\n") };
    std::fs::write(directory.path().join("config.toml"), format!("{config}\n{token}")).unwrap();
}

/// Says aloud that a test proves nothing here.
pub(crate) fn left_out(why: &str) {
    let thread = std::thread::current();
    let line = format!("{}: LEFT OUT: {why}\n", thread.name().unwrap_or_default());
    // Not eprintln!, which the test harness keeps to itself.
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
}
