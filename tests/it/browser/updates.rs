//! Open pages that keep up with what happens.

use serde_json::json;

use crate::support::TestApp;

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
