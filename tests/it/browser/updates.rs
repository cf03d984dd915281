//! Open pages that keep up with what happens.

use serde_json::json;

use crate::support::{ADMIN_TOKEN, TestApp};

use super::driver::browse;

#[tokio::test]
async fn a_registration_appears_on_an_open_page_without_a_reload() {
    let app = TestApp::start().await;
    app.catch_up();
    browse(async |browser| {
        browser.sign_in(&app).await;
        browser.click("link", "Users").await;
        browser.settle().await;
        browser.look("globalThis.opened = 'once'", &[]).await;
        app.register("Ana Ruíz", "ana@example.com").await;
        browser.see("Ana Ruíz").await;
        assert_eq!(browser.look("return globalThis.opened", &[]).await, json!("once"), "it was loaded again");
    })
    .await;
}

#[tokio::test]
async fn a_call_of_the_bot_appears_in_the_open_inbox_and_on_the_open_page_of_landbot() {
    let app = TestApp::start().await;
    app.catch_up();
    browse(async |browser| {
        browser.sign_in(&app).await;
        browser.see("live").await;
        browser.go("#/landbot").await;
        browser.see("Waiting for the first webhook").await;
        app.ask("Pricing", "Does it float?").await;
        browser.see_no_more("Waiting for the first webhook").await;
        browser.go("#/inbox").await;
        browser.see("Does it float?").await;
        app.ask("Pricing", "Does it fly?").await;
        browser.see("Does it fly?").await;
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_made_elsewhere_appears_in_the_open_settings() {
    let app = TestApp::start().await;
    app.catch_up();
    browse(async |browser| {
        browser.sign_in(&app).await;
        browser.see("live").await;
        for page in ["#/settings/tokens", "#/settings/audit"] {
            browser.go(page).await;
            let name = format!("made beside {page}");
            let bearer = format!("Bearer {ADMIN_TOKEN}");
            let wish = json!({ "name": name, "role": "read-only" }).to_string();
            app.send("POST", "/api/tokens", &[("Authorization", &bearer)], wish.as_bytes()).await;
            browser.see(&name).await;
        }
    })
    .await;
}
