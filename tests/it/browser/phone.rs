//! The pages on a phone.

use serde_json::json;

use crate::support::TestApp;

use super::driver::{Browser, browse};

impl Browser {
    /// At 375 pixels.
    pub(super) async fn scrolls_only_down(&self, page: &str) {
        let widest = self.look("return document.documentElement.scrollWidth", &[]).await;
        let screen = self.look("return document.documentElement.clientWidth", &[]).await;
        assert_eq!((widest, screen), (json!(375), json!(375)), "{page} is wider than the screen");
    }
}

#[tokio::test]
async fn no_page_scrolls_sideways_on_a_phone() {
    let app = TestApp::run().await;
    app.catch_up();
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    app.register(&format!("{long} {long}"), &format!("{}@{}.example.com", "a".repeat(60), "b".repeat(60))).await;
    app.ask("Pricing", &long.repeat(4)).await;
    app.send("POST", "/umishop_api/user", &[("Content-Type", "application/json")], long.repeat(9).as_bytes()).await;
    browse(async |browser| {
        browser.screen(375, 812).await;
        browser.open(&format!("http://{}/", app.address)).await;
        browser.see("What is your name?").await;
        browser.scrolls_only_down("the shop's page").await;
        browser.open(&format!("http://{}/admin", app.address)).await;
        browser.find("field", "token").await;
        browser.scrolls_only_down("the login").await;
        browser.sign_in(&app).await;
        for page in browser.every_page(&app).await {
            browser.go(&page).await;
            browser.scrolls_only_down(&page).await;
        }
    })
    .await;
}
