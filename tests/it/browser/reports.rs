//! What the console shows of reports.

use std::time::Duration;

use serde_json::json;

use crate::support::TestApp;

use super::driver::browse;

#[tokio::test]
async fn a_report_is_looked_at_with_its_chart_and_sent_in_the_console() {
    let config = "[reports]\ndaily = [\"email.sales\"]\n[[routes]]\nchannels = [\"email.sales\"]\n";
    let app = TestApp::start_with(config).await;
    app.catch_up();
    let visit = json!({ "name": "Ana", "email": "ana@example.com", "utm_source": "harbour-fair" });
    app.post("/umishop_api/user", &visit).await;
    app.pass(Duration::from_hours(24));
    browse(async |browser| {
        browser.sign_in(&app).await;
        browser.click("link", "Origins").await;
        browser.click("link", "Reports").await;
        browser.click("link", "daily").await;
        browser.see("1 registered (+1)").await;
        browser.client.enter_frame(0).await.unwrap();
        browser.see("harbour-fair").await;
        browser.until("[...document.images].some((image) => image.naturalWidth === 1120)", &[]).await;
        browser.client.enter_parent_frame().await.unwrap();

        browser.click("button", "Send it now…").await;
        browser.click("button", "Send it").await;
        browser.see("It is on its way.").await;
        let sent = app.items("/api/messages?purpose=report").await;
        assert_eq!((sent.len(), sent[0]["channel"].as_str()), (1, Some("email.sales")));
        browser.click("link", "Every report that was sent").await;
        // The page that is left has such a row, too.
        browser.until("document.title.startsWith('Messages')", &[]).await;
        browser.click_row("email.sales").await;
        browser.see("[reports] tells these channels where customers came from").await;
    })
    .await;
}
