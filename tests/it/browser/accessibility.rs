//! The pages as axe-core judges them: nothing that would keep somebody out, by day and by night, on a desk and on a phone.

use serde_json::json;

use crate::support::TestApp;

use super::driver::{Browser, browse};

/// axe-core's words for what keeps people out.
const GRAVE: &str = "
const { violations } = await axe.run(document, { resultTypes: ['violations'], iframes: false });
return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').flatMap(({ id, impact, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${impact}: ${id}: ${help}\\n    ${html}\\n    ${failureSummary.replaceAll('\\n', ' ')}`));";

impl Browser {
    /// Brings axe-core into the page that is open.
    pub(super) async fn bring_axe(&self) {
        let file = std::env::var("UMISHOP_TEST_AXE").expect("tests/browser/driver names axe-core's file");
        let axe = std::fs::read_to_string(file).unwrap();
        self.client.execute(&format!("{axe}; return axe.version"), Vec::new()).await.unwrap();
    }

    /// What is wrong with the page in both widths.
    pub(super) async fn judge(&self, page: &str, findings: &mut Vec<String>) {
        for width in [1280, 375] {
            self.screen(width, 900).await;
            let found = self.look(GRAVE, &[]).await;
            let found: Vec<String> = serde_json::from_value(found).unwrap();
            findings.extend(found.into_iter().map(|finding| format!("{page} at {width} pixels: {finding}")));
        }
    }
}

/// A shop where something of everything has happened.
async fn a_busy_shop() -> TestApp {
    let app = TestApp::start().await;
    app.catch_up();
    app.register("Ana Ruíz", "ana@example.com").await;
    let visit = json!({ "name": "Ben", "email": "ben@example.com", "topic": "Pricing", "question": "How much?",
                        "utm_source": "google", "utm_medium": "cpc", "utm_campaign": "summer" });
    app.post("/umishop_api/topic", &visit).await;
    app.send("POST", "/umishop_api/user", &[], b"not to be read").await;
    app.deliver_due().await;
    app
}

async fn nothing_keeps_people_out(theme: &str) {
    let app = a_busy_shop().await;
    browse(async |browser| {
        let mut findings = Vec::new();
        browser.theme(theme).await;
        for (page, shows) in [("/", "What is your name?"), ("/admin", "Sign in")] {
            browser.open(&format!("http://{}{page}", app.address)).await;
            browser.see(shows).await;
            browser.bring_axe().await;
            browser.judge(page, &mut findings).await;
        }
        browser.sign_in(&app).await;
        browser.bring_axe().await;
        for page in browser.every_page(&app).await {
            browser.go(&page).await;
            browser.judge(&page, &mut findings).await;
        }
        assert!(findings.is_empty(), "{theme}:\n{}", findings.join("\n"));
    })
    .await;
}

#[tokio::test]
async fn by_day_nothing_keeps_people_out() {
    nothing_keeps_people_out("light").await;
}

#[tokio::test]
async fn by_night_nothing_keeps_people_out() {
    nothing_keeps_people_out("dark").await;
}

#[tokio::test]
async fn what_keeps_people_out_would_be_found() {
    let app = TestApp::start().await;
    browse(async |browser| {
        browser.open(&format!("http://{}/", app.address)).await;
        browser.see("What is your name?").await;
        browser.bring_axe().await;
        browser.look("document.querySelector('main').append(document.createElement('button'))", &[]).await;
        let mut findings = Vec::new();
        browser.judge("the page", &mut findings).await;
        assert!(findings.len() == 2 && findings[0].contains("critical: button-name"), "{findings:#?}");
    })
    .await;
}
