//! The tables that pages offer for a spreadsheet.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestApp;

use super::driver::{Browser, browse};

/// What the link of this name gives whoever follows it, as they are signed in.
const FOLLOWED: &str = "
const answer = await fetch(find('link', arguments[0]).href);
return [answer.status, answer.headers.get('content-disposition'), await answer.text()];";

impl Browser {
    /// Where the page's table is, without the server.
    async fn table(&self, app: &TestApp) -> String {
        let address = self.find("link", "CSV").await.prop("href").await.unwrap().unwrap();
        address.strip_prefix(&format!("http://{}", app.address)).unwrap_or_else(|| panic!("{address}")).to_owned()
    }

    /// The table of the page that is open. It is the one that the API gives a script.
    async fn take_table(&self, app: &TestApp) -> String {
        let address = self.table(app).await;
        let followed = self.look(FOLLOWED, &[json!("CSV")]).await;
        let answer = app.api("GET", &address).await;
        assert_eq!((&followed[0], answer.status), (&json!(200), 200), "{address}");
        assert_eq!(followed[1].as_str(), answer.header("content-disposition"));
        assert!(followed[1].as_str().unwrap().starts_with("attachment;"), "it is shown instead of kept: {followed}");
        let table = followed[2].as_str().unwrap().to_owned();
        assert_eq!(table, answer.body.trim_start_matches('\u{feff}'), "{address}");
        table
    }
}

/// Ana came from Google and asked for prices; Ben came from a newsletter and asked where his parcel is.
async fn two_customers() -> TestApp {
    let app = TestApp::start().await;
    app.catch_up();
    let visits = [
        ("Ana", "ana@example.com", "Pricing", "google", "cpc"),
        ("Ben", "ben@example.com", "Shipping", "newsletter", "email"),
    ];
    for (name, email, topic, source, medium) in visits {
        let visit = json!({ "name": name, "email": email, "topic": topic, "question": "How?", "utm_source": source, "utm_medium": medium });
        for path in ["/umishop_api/user", "/umishop_api/topic"] {
            assert_eq!(app.post(path, &visit).await.status, 200);
        }
    }
    // A period that is running ends now, and does not hold what comes now.
    app.pass(Duration::from_secs(1));
    app
}

#[tokio::test]
async fn the_table_of_a_page_holds_what_its_filters_let_through_and_nothing_else() {
    let app = two_customers().await;
    browse(async |browser| {
        browser.sign_in(&app).await;
        // Where one goes, what is in the table, and what is not.
        let pages: [(&str, &[&str], &[&str]); 8] = [
            ("#/users", &["ana@example.com", "ben@example.com"], &[]),
            ("#/users?source=google", &["ana@example.com"], &["ben@"]),
            ("#/requests?topic=Shipping", &["ben@example.com"], &["ana@"]),
            ("#/requests?state=closed", &["question"], &["ana@", "ben@"]),
            ("#/messages?purpose=welcome", &["Ana", ",welcome,"], &[",request,"]),
            ("#/messages?from=2999-01-01", &["purpose"], &["welcome"]),
            ("#/origins?by=medium&source=google", &["cpc"], &["email"]),
            ("#/origins?by=medium&from=2001-01-01&to=2001-01-02", &["registrations"], &["cpc"]),
        ];
        for (page, holds, lacks) in pages {
            browser.go(page).await;
            let table = browser.take_table(&app).await;
            assert!(holds.iter().all(|text| table.contains(text)), "{page}: {table}");
            assert!(!lacks.iter().any(|text| table.contains(text)), "{page}: {table}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_table_follows_what_is_typed_into_the_search() {
    let app = two_customers().await;
    browse(async |browser| {
        browser.sign_in(&app).await;
        browser.go("#/users").await;
        browser.write("Search users", "ben@").await;
        browser.until("find('link', 'CSV')?.search.includes('search=ben')", &[]).await;
        let table = browser.take_table(&app).await;
        assert!(table.contains("ben@example.com") && !table.contains("ana@example.com"), "{table}");
        let address = browser.client.current_url().await.unwrap();
        assert!(address.fragment().unwrap().contains("search=ben"), "{address}");
    })
    .await;
}

#[tokio::test]
async fn a_click_on_the_table_of_a_page_keeps_it_as_a_file() {
    let app = two_customers().await;
    let directory = tempfile::tempdir().unwrap();
    browse(async |browser| {
        let path = directory.path().to_str().unwrap();
        let wish = json!({ "behavior": "allow", "downloadPath": path, "eventsEnabled": false });
        let allowed: Value = browser.devtools("Browser.setDownloadBehavior", wish).await;
        assert!(allowed.is_object(), "{allowed}");
        browser.sign_in(&app).await;
        browser.go("#/users?source=google").await;
        let table = browser.take_table(&app).await;
        browser.click("link", "CSV").await;
        let file = directory.path().join("users.csv");
        // The page knows nothing of it: any command of the browser gives it time.
        for _ in 0..2_000 {
            if file.exists() {
                break;
            }
            browser.look("return new Promise((done) => setTimeout(done, 10))", &[]).await;
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim_start_matches('\u{feff}'), table);
        assert_eq!(browser.look("return location.hash", &[]).await, "#/users?source=google");
    })
    .await;
}
