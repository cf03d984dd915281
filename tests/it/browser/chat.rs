//! A visitor of the shop, from the advertisement to the operator's console.

use std::time::Duration;

use fantoccini::key::Key;

use crate::support::TestApp;

use super::driver::{Browser, browse};

const ADVERTISED: &str = "utm_source=google&utm_medium=cpc&utm_campaign=summer";

impl Browser {
    /// Answers what the demo chat asks last.
    async fn answer(&self, field: &str, text: &str) {
        self.write(field, text).await;
        self.press(Key::Enter).await;
    }
}

#[tokio::test]
async fn a_visitor_of_the_demo_chat_stands_in_the_console_with_where_they_came_from() {
    let app = TestApp::run().await;
    app.catch_up();
    browse(async |browser| {
        browser.open(&format!("http://{}/?{ADVERTISED}", app.address)).await;
        browser.answer("Your name", "Ana Ruíz").await;
        browser.answer("Your e-mail address", "ana@example.com").await;
        browser.click("button", "Skip").await;
        browser.see("Thank you").await;
        browser.click("button", "Pricing").await;
        browser.answer("Your question", "How much is the large one?").await;
        browser.see("Ask something else").await;
        app.pass(Duration::from_mins(1));

        browser.sign_in(&app).await;
        browser.click("link", "Users").await;
        browser.click_row("Ana Ruíz").await;
        for told in ["ana@example.com", "google", "cpc", "summer", "Pricing", "How much is the large one?", "welcome"] {
            browser.see(told).await;
        }
        browser.click_row("welcome").await;
        browser.see("delivered").await;
        browser.see("What would have been sent").await;
    })
    .await;
}
