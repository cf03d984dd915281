//! That Chromium asks nobody but this machine, neither for a page nor of its own accord.

use std::net::SocketAddr;

use serde_json::Value;
use url::Url;

use crate::support::TestApp;

use super::driver::{browse, visit};

/// Everything in Chromium's log of its network that is not this machine: what a page asked for, the connections that were
/// tried, the packets that were sent. What Chromium itself would like to ask its maker does not get as far.
pub(super) fn strayed(log: &str) -> Vec<String> {
    let log: Value = serde_json::from_str(log).unwrap();
    let number = |kind: &str| log["constants"]["logEventTypes"][kind].as_i64().unwrap_or_else(|| panic!("no {kind}"));
    let [asked, connected, sent] = ["URL_REQUEST_START_JOB", "TCP_CONNECT_ATTEMPT", "UDP_BYTES_SENT"].map(number);
    let mut strayed = Vec::new();
    let mut ours = 0;
    for event in log["events"].as_array().unwrap() {
        let parameters = &event["params"];
        let kind = event["type"].as_i64().unwrap();
        let (what, here) =
            if kind == asked && parameters["initiator"].as_str().is_some_and(|who| who != "not an origin") {
                (&parameters["url"], is_here(&parameters["url"]))
            } else if kind == connected && parameters["address"].is_string() {
                (&parameters["address"], is_loopback(&parameters["address"]))
            } else if kind == sent {
                (parameters, false)
            } else {
                continue;
            };
        ours += 1;
        if !here {
            strayed.push(what.to_string());
        }
    }
    assert!(ours > 0, "a log of nothing proves nothing");
    strayed
}

/// Whether a page may ask for this: from our server, or from itself.
fn is_here(address: &Value) -> bool {
    let address = Url::parse(address.as_str().unwrap()).unwrap();
    !matches!(address.scheme(), "http" | "https" | "ws" | "wss") || address.host_str() == Some("127.0.0.1")
}

fn is_loopback(address: &Value) -> bool {
    address.as_str().unwrap().parse().is_ok_and(|address: SocketAddr| address.ip().is_loopback())
}

#[tokio::test]
async fn whatever_leaves_a_page_or_is_said_in_its_console_would_be_noticed() {
    let app = TestApp::start().await;
    let visited = visit(async |browser| {
        browser.open(&format!("http://{}/healthz", app.address)).await;
        for elsewhere in ["http://192.0.2.7/x", "https://elsewhere.example/y"] {
            let script = "return fetch(arguments[0]).then(() => 'it was let out', () => 'it was not')";
            assert_eq!(browser.look(script, &[elsewhere.into()]).await, "it was not");
        }
        browser.look("console.error('all is not well')", &[]).await;
    });
    let Some(visited) = visited.await else { return };
    assert_eq!(visited.strayed, ["\"http://192.0.2.7/x\"", "\"https://elsewhere.example/y\""]);
    assert!(visited.said.iter().any(|line| line.contains("all is not well")), "{:?}", visited.said);
}

#[tokio::test]
async fn no_page_asks_anybody_but_the_server_it_came_from() {
    let app = TestApp::start().await;
    browse(async |browser| {
        for (page, shows) in [("/", "What is your name?"), ("/docs", "umishop_api"), ("/admin", "Sign in")] {
            browser.open(&format!("http://{}{page}", app.address)).await;
            browser.see(shows).await;
        }
    })
    .await;
}
