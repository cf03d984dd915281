//! What strangers write is shown, never run.

use serde_json::json;

use crate::support::TestApp;

use super::driver::{Browser, browse};

/// Runs if it ever becomes markup, even where nothing is loaded.
const MARKUP: &str = "<img src=x onerror=globalThis.ran=1><svg onload=globalThis.ran=1>";

impl Browser {
    async fn ran_nothing(&self, page: &str) {
        let markup =
            "return [globalThis.ran ?? 'nothing', document.querySelectorAll('img[src=x], svg[onload]').length]";
        assert_eq!(self.look(markup, &[]).await, json!(["nothing", 0]), "{page}");
    }
}

#[tokio::test]
async fn a_stranger_whose_name_is_markup_runs_nothing_on_any_page() {
    let app = TestApp::run().await;
    app.catch_up();
    let call = json!({
        "name": MARKUP, "email": "eve@example.com", "phone": MARKUP, "channel": MARKUP, "topic": MARKUP, "question": MARKUP,
        "utm_source": MARKUP, "utm_medium": MARKUP, "utm_campaign": MARKUP, "landing_page": format!("https://shop.test/{MARKUP}"),
        "referrer": format!("https://elsewhere.example/{MARKUP}"), "language": MARKUP, MARKUP: MARKUP,
    });
    for path in ["/umishop_api/user", "/umishop_api/topic"] {
        assert_eq!(app.post(path, &call).await.status, 200);
    }
    assert_eq!(app.send("POST", "/umishop_api/user", &[], MARKUP.as_bytes()).await.status, 400);
    app.pass(std::time::Duration::from_mins(1));
    browse(async |browser| {
        browser.sign_in(&app).await;
        for page in browser.every_page(&app).await {
            browser.go(&page).await;
            browser.look("document.querySelectorAll('details').forEach((entry) => (entry.open = true))", &[]).await;
            if ["#/users", "#/inbox", "#/messages"].iter().any(|shown| page.starts_with(shown)) {
                browser.see("<img src=x").await;
            }
            browser.ran_nothing(&page).await;
        }
        for message in app.items("/api/messages").await {
            let page = format!("#/messages/{}", super::console::id(&message));
            browser.go(&page).await;
            browser.ran_nothing(&page).await;
            if message["purpose"] == "welcome" {
                assert!(browser.text_in_frame().await.contains(MARKUP), "it reads as it was written");
            }
        }
        browser.open(&format!("http://{}/?utm_source={MARKUP}&name={MARKUP}", app.address)).await;
        browser.see("What is your name?").await;
        browser.ran_nothing("the shop's page").await;
    })
    .await;
}
