//! How an operator comes in, and how far.

use serde_json::json;

use crate::process::Process;
use crate::support::{ADMIN_TOKEN, TestApp};

use super::driver::{Browser, browse, browse_past_a_session};

/// The names of the buttons on a page that change something.
const CHANGES: &str = "
const changes = /^(cancel|retry|send|acknowledge|answer|close|assign|take|save|pause|resume|try again|back up|erase|replay|make|revoke)/;
return [...document.querySelectorAll('main button')].filter(visible).map(called).filter((name) => changes.test(name));";

impl Browser {
    /// Whether somebody is asked who they are.
    async fn asks_who_it_is(&self) {
        self.find("field", "token").await;
        assert_eq!(self.look("return reads('Sign out')", &[]).await, false);
    }
}

#[tokio::test]
async fn the_link_of_the_first_start_opens_the_console_and_does_so_once() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.toml"), "[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let process = Process::start(directory.path());
    let link = process.banner.split_whitespace().find(|word| word.contains("/admin#")).unwrap();
    let (page, secret) = link.split_once('#').unwrap();
    browse_past_a_session(async |browser| {
        browser.open(link).await;
        browser.see("Sign out").await;
        let address = browser.client.current_url().await.unwrap();
        assert!(!address.as_str().contains(secret), "the secret stays in the address");
        browser.open(page).await;
        browser.see("Sign out").await;

        browser.client.delete_all_cookies().await.unwrap();
        browser.open(&page.replace("/admin", "/")).await;
        browser.open(link).await;
        browser.asks_who_it_is().await;
        browser.until("plain(document.querySelector('[role=alert]:not([hidden])')?.textContent)", &[]).await;
    })
    .await;
}

#[tokio::test]
async fn whoever_signs_out_is_out_in_every_tab() {
    let app = TestApp::start().await;
    browse_past_a_session(async |browser| {
        browser.sign_in(&app).await;
        let first = browser.client.window().await.unwrap();
        let second = browser.client.new_window(true).await.unwrap();
        browser.client.switch_to_window(second.handle).await.unwrap();
        browser.open(&format!("http://{}/admin", app.address)).await;
        browser.click("button", "Sign out").await;
        browser.asks_who_it_is().await;
        browser.client.switch_to_window(first).await.unwrap();
        browser.client.refresh().await.unwrap();
        browser.asks_who_it_is().await;
    })
    .await;
}

#[tokio::test]
async fn who_may_only_look_is_offered_nothing_to_change() {
    let app = TestApp::start().await;
    app.catch_up();
    app.ask("Pricing", "How much?").await;
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let wish = json!({ "name": "a guest", "role": "read-only" }).to_string();
    let made = app.send("POST", "/api/tokens", &[("Authorization", &bearer)], wish.as_bytes()).await.json();
    browse(async |browser| {
        browser.sign_in_with(&app, made["token"].as_str().unwrap()).await;
        for page in browser.every_page(&app).await {
            browser.go(&page).await;
            let offered = browser.look(CHANGES, &[]).await;
            assert_eq!(offered, json!([]), "{page}");
        }
    })
    .await;
}
