//! Whoever comes by the link in their welcome.

use serde_json::{Value, json};
use umishop::domain::{Link, LinkKey};

use crate::console::WITH_SECRET;
use crate::support::TestApp;
use crate::welcome::customer;

use super::driver::{Browser, browse, visit};

/// Where welcomes lead to in these tests; the pages are opened where the app really is.
const SANDBOX: &str = "[server]\npublic_url = \"http://127.0.0.1:8000\"";

impl Browser {
    /// How often the page has said that the chat is open, since it was loaded.
    async fn told(&self) -> Value {
        self.settle().await;
        let told =
            "return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/opened')).length";
        self.look(told, &[]).await
    }

    async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }
}

async fn opened_at(app: &TestApp, id: &str) -> Value {
    app.api("GET", &format!("/api/users/{id}")).await.json()["opened_at"].clone()
}

#[tokio::test]
async fn who_comes_by_the_link_is_counted_and_the_link_stands_nowhere_afterwards() {
    let app = TestApp::start_with(SANDBOX).await;
    let (id, token) = customer(&app, "ana@example.com").await;
    browse(async |browser| {
        let page = format!("http://{}/", app.address);
        browser.open(&format!("{page}?utm_source=a%20b&welcome={token}&x=1%2B1&flag#here")).await;
        browser.see("What is your name?").await;
        assert_eq!(browser.told().await, 1);
        assert_eq!(browser.address().await, format!("{page}?utm_source=a%20b&x=1%2B1&flag#here"));
        let at = opened_at(&app, &id).await;
        assert!(at.is_string(), "{at}");
        let kept = browser.look("return [JSON.stringify({ ...sessionStorage }), history.state]", &[]).await;
        let origin = kept[0].as_str().unwrap();
        assert!(origin.contains("a b") && !origin.contains("welcome") && !origin.contains(&token), "{origin}");
        assert_eq!(kept[1], Value::Null);
        app.pass(std::time::Duration::from_mins(1));
        browser.client.refresh().await.unwrap();
        browser.see("What is your name?").await;
        assert_eq!((browser.told().await, opened_at(&app, &id).await), (json!(0), at), "once is enough");

        browser.sign_in(&app).await;
        browser.go(&format!("#/users/{id}")).await;
        browser.see("Opened the chat by the link in the welcome").await;
        browser.go("#/origins").await;
        browser.see("Opened").await;
        browser.open(&page).await;
        browser.see("What is your name?").await;
        assert_eq!(browser.told().await, 0, "who comes otherwise is not");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_counted_before_the_chat_is_open() {
    let app = TestApp::start_with(SANDBOX).await;
    let (id, token) = customer(&app, "ana@example.com").await;
    let visited = visit(async |browser| {
        browser.devtools("Network.enable", json!({})).await;
        browser.devtools("Network.setBlockedURLs", json!({ "urls": ["*/page.json"] })).await;
        browser.open(&format!("http://{}/?welcome={token}", app.address)).await;
        browser.see("The chat could not be opened").await;
        assert_eq!((browser.told().await, opened_at(&app, &id).await), (json!(0), Value::Null));
        assert_eq!(browser.address().await, format!("http://{}/", app.address));
        browser.devtools("Network.setBlockedURLs", json!({ "urls": [] })).await;
        browser.click("button", "Try again").await;
        browser.see("What is your name?").await;
        assert_eq!((browser.told().await, opened_at(&app, &id).await.is_string()), (json!(1), true));
    });
    let Some(visited) = visited.await else { return };
    assert!(visited.strayed.is_empty(), "{:?}", visited.strayed);
    let expected = |line: &&String| line.contains("page.json") || line.contains("The chat could not be opened");
    assert!(visited.said.iter().all(|line| expected(&line)), "{:?}", visited.said);
}

#[tokio::test]
async fn nobody_is_counted_where_no_chat_is_connected() {
    let app = TestApp::start_with(WITH_SECRET).await;
    let body = json!({ "name": "Ana", "email": "ana@example.com" }).to_string();
    let registered = app.send("POST", "/umishop_api/user", &[("X-Umishop-Secret", "s3cret")], body.as_bytes()).await;
    assert_eq!(registered.status, 200, "{registered:?}");
    let id = app.items("/api/users").await.remove(0)["id"].as_str().unwrap().to_owned();
    let key = LinkKey::new(app.store().link_key([0; 32]).await.unwrap());
    let token = key.token(Link::Welcome, id.parse().unwrap());
    browse(async |browser| {
        browser.open(&format!("http://{}/?welcome={token}", app.address)).await;
        browser.see("The chat is not connected yet").await;
        assert_eq!((browser.told().await, opened_at(&app, &id).await), (json!(0), Value::Null));
    })
    .await;
}
