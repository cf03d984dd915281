//! A Chromium with a fresh profile for one test, and what is expected of it when the test is over.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use futures_util::FutureExt as _;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::support::left_out;

use super::network::strayed;

/// How long anything on a page may take, in milliseconds: two cores do everything here, twice at once.
pub(super) const PATIENCE: u32 = 20_000;

/// What makes Chromium run as root without a screen, talk to nobody but this machine, and do nothing of its own accord.
const ARGUMENTS: [&str; 14] = [
    "--headless=new",
    "--window-size=1280,900",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--force-prefers-reduced-motion",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// What Chromium says when the console asks who is signed in, and it is nobody.
const NOBODY_IS_SIGNED_IN: &str = "/api/session - Failed to load resource: the server responded with a status of 401";

/// What Chromium says when a page asks for something with a session that has ended.
const THE_SESSION_HAS_ENDED: &str = "Failed to load resource: the server responded with a status of 401";

/// A running Chromium.
pub(super) struct Browser {
    pub(super) client: Client,
    directory: TempDir,
}

/// What is left to judge when the pages are closed.
pub(super) struct Visited {
    /// What the console said beside what it may say.
    pub(super) said: Vec<String>,
    /// What was asked for elsewhere.
    pub(super) strayed: Vec<String>,
}

/// Runs a test in a Chromium of its own, and then holds that the console said nothing and that nothing left the machine.
pub(super) async fn browse(test: impl AsyncFnOnce(&Browser)) {
    if let Some(visited) = visit(test).await {
        visited.judge();
    }
}

/// The same for a test that ends a session of which pages are open.
pub(super) async fn browse_past_a_session(test: impl AsyncFnOnce(&Browser)) {
    if let Some(mut visited) = visit(test).await {
        visited.said.retain(|line| !line.contains(THE_SESSION_HAS_ENDED));
        visited.judge();
    }
}

impl Visited {
    pub(super) fn judge(self) {
        let Self { said, strayed } = self;
        assert!(said.is_empty(), "the console says:\n{}", said.join("\n"));
        assert!(strayed.is_empty(), "a page asks for, or Chromium went to:\n{}", strayed.join("\n"));
    }
}

/// Runs a test in a Chromium of its own. `None`, and said aloud: there is none.
pub(super) async fn visit(test: impl AsyncFnOnce(&Browser)) -> Option<Visited> {
    let Ok(driver) = std::env::var("UMISHOP_TEST_CHROMEDRIVER") else {
        left_out("it needs Chromium: run .ci/run, or `just browser cargo test --test it -- browser::`");
        return None;
    };
    let browser = Browser::start(&driver).await;
    let outcome = AssertUnwindSafe(test(&browser)).catch_unwind().await;
    if outcome.is_err() {
        browser.tell_what_it_shows().await;
    }
    let said = browser.complaints().await;
    browser.client.clone().close().await.unwrap();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
    Some(Visited { said, strayed: strayed(&browser.network_log()) })
}

impl Browser {
    async fn start(driver: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("network.json");
        let mut arguments: Vec<_> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--log-net-log={}", log.display()));
        let Value::Object(wishes) = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": PATIENCE + 10_000, "pageLoad": PATIENCE, "implicit": 0 },
        }) else {
            unreachable!()
        };
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wishes)
            .connect(driver)
            .await
            .unwrap_or_else(|error| panic!("no Chromium at {driver}: {error}"));
        let browser = Self { client, directory };
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": include_str!("watch.js") })).await;
        browser
    }

    /// Chromium's own account of what it asked the network for. Whole once the browser is closed.
    fn network_log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("network.json")).unwrap()
    }

    /// A command of the devtools' protocol.
    pub(super) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.command(Method::POST, "goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// A command that fantoccini has no method for.
    pub(super) async fn command(&self, method: Method, path: &str, body: Value) -> Value {
        let command = Command { method, path: path.to_owned(), body };
        self.client.issue_cmd(command).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What the console said beside what it may say.
    async fn complaints(&self) -> Vec<String> {
        let entries = self.command(Method::POST, "se/log", json!({ "type": "browser" })).await;
        let lines =
            entries.as_array().unwrap().iter().filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        let lines =
            lines.map(|entry| format!("{} {}", entry["level"].as_str().unwrap(), entry["message"].as_str().unwrap()));
        lines.filter(|line| !line.contains(NOBODY_IS_SIGNED_IN)).collect()
    }

    /// For whoever reads why a test failed.
    #[expect(clippy::print_stdout, reason = "the test harness shows it beside the failure")]
    async fn tell_what_it_shows(&self) {
        let test = std::thread::current().name().unwrap_or_default().replace("::", ".");
        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.png"));
        let shows = self.look("return location.href + '\\n' + text().slice(0, 3000)", &[]).await;
        println!("It shows {}", shows.as_str().unwrap_or_default());
        if let Ok(bytes) = self.client.screenshot().await {
            std::fs::write(&picture, bytes).unwrap();
            println!("and looks like {}", picture.display());
        }
    }
}

#[derive(Debug)]
struct Command {
    method: Method,
    path: String,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (self.method.clone(), (self.method == Method::POST).then(|| self.body.to_string()))
    }
}
