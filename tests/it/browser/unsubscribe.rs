//! The page that a mail leads to.

use crate::support::TestApp;
use crate::unsubscribe::{HERE, page_before_the_welcome, shop};

use super::driver::browse;

#[tokio::test]
async fn a_customer_unsubscribes_and_thinks_better_of_it_whatever_their_eyes_or_their_screen() {
    let app = TestApp::start_live(&shop("127.0.0.1:9", HERE)).await;
    // Without a phone, whose country would tell the language.
    app.post("/umishop_api/user", &serde_json::json!({ "name": "Ana", "email": "ana@example.com", "language": "en" }))
        .await;
    let (_, page) = page_before_the_welcome(&app).await;
    browse(async |browser| {
        let mut findings = Vec::new();
        browser.open(&format!("http://{}{page}", app.address)).await;
        for (button, then) in [("Unsubscribe", "You are unsubscribed"), ("Subscribe again", "You are subscribed again")]
        {
            browser.find("button", button).await;
            browser.bring_axe().await;
            for theme in ["light", "dark"] {
                browser.theme(theme).await;
                browser.judge(&format!("{button} ({theme})"), &mut findings).await;
            }
            browser.scrolls_only_down(button).await;
            browser.click("button", button).await;
            browser.see(then).await;
        }
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    })
    .await;
}
