//! What operators do over the API, and what they must not be able to do without the token.

use std::time::Duration;

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn without_the_token_nobody_sees_anything() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    for path in ["/api/users", "/api/messages", "/api/inbox", "/api/users/x", "/api/messages/x"] {
        for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", "the-admin-token")]] {
            let answer = app.send("GET", path, headers, b"").await;
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (401, &json!("unauthorized")),
                "{path} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_message_is_cancelled_and_retried_with_the_same_id() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    let message = app.items("/api/messages").await.remove(0);
    let act =
        async |what: &str| app.api("POST", &format!("/api/messages/{}/{what}", message["id"].as_str().unwrap())).await;
    assert_eq!(act("cancel").await.json()["state"], "cancelled");
    app.advance(Duration::from_mins(2)).await;
    assert_eq!(app.message(&message).await["state"], "cancelled");
    assert_eq!(act("retry").await.json()["state"], "pending");
    app.deliver_due().await;
    assert_eq!(app.message(&message).await["state"], "delivered");
    let refused = act("cancel").await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!("conflict")));
}

#[tokio::test]
async fn origins_tell_what_became_of_the_customers_they_brought() {
    let app = TestApp::start().await;
    let visit =
        json!({ "name": "Ana", "email": "ana@example.com", "utm_source": "GOOGLE / CPC", "utm_campaign": "Summer" });
    app.post("/umishop_api/user", &visit).await;
    let question =
        json!({ "email": "ana@example.com", "topic": "ventas", "question": "?", "referrer": "https://t.co/x" });
    app.post("/umishop_api/topic", &question).await;
    app.advance(Duration::from_mins(2)).await;
    let counted = async |query: &str| app.api("GET", &format!("/api/origins?{query}")).await.json();
    let first = counted("by=source").await;
    assert_eq!(first["complete"], json!(true));
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    let google = &first["items"][0];
    for (field, value) in [
        ("value", json!("google")),
        ("registrations", json!(1)),
        ("welcomed", json!(1)),
        ("requests", json!(1)),
        ("delivered", json!(1)),
        ("topics", json!({ "Sales": 1 })),
    ] {
        assert_eq!(google[field], value, "{field}");
    }
    let last = counted("by=source&touch=last&bucket=month&tz=Europe/Madrid").await;
    let of =
        |value: &str| last["items"].as_array().unwrap().iter().find(|item| item["value"] == value).unwrap().clone();
    assert_eq!((&of("x")["requests"], &of("x")["registrations"]), (&json!(1), &json!(0)));
    assert_eq!(last["total"]["requests"], json!(1));
    assert_eq!(counted("by=campaign&source=goo*").await["items"][0]["value"], json!("summer"));
    assert_eq!(counted("source=bing").await["items"], json!([]));
}

#[tokio::test]
async fn a_value_tells_from_what_and_by_which_rule_it_got_its_name() {
    let app = TestApp::start().await;
    let register = async |email: &str, from: serde_json::Value| {
        let mut body = json!({ "name": "Ana", "email": email });
        body.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
        app.post("/umishop_api/user", &body).await;
    };
    register("ana@example.com", json!({ "utm_source": "Google" })).await;
    register("bea@example.com", json!({ "referrer": "https://www.google.es/", "country": "ES" })).await;
    register("eva@example.com", json!({ "referrer": "https://www.google.es/", "country": "PT" })).await;
    register("leo@example.com", json!({ "utm_source": "fair" })).await;
    let why = async |query: &str| app.items(&format!("/api/origins/why?{query}")).await;
    let told = |item: &serde_json::Value| (item["value"].clone(), item["from"].clone(), item["visits"].clone());
    let google = why("by=source&value=google").await;
    assert_eq!(
        google.iter().map(told).collect::<Vec<_>>(),
        [(json!("google"), json!("www.google.es"), json!(2)), (json!("google"), json!("Google"), json!(1)),]
    );
    assert!(google[0]["why"].as_str().unwrap().contains("search engine"), "{google:?}");
    assert_eq!(why("by=campaign&value=").await.len(), 1);
    assert_eq!(why("by=source&value=bing").await, Vec::<serde_json::Value>::new());
    let bea = app.items("/api/users?search=bea").await.remove(0);
    let bea = app.api("GET", &format!("/api/users/{}", bea["id"].as_str().unwrap())).await.json();
    assert_eq!(bea["credited"][0]["dimension"], "source");
    assert_eq!(bea["credited"][0]["value"], "google");
    assert_eq!(bea["credited"][0]["why"], google[0]["why"]);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let app = TestApp::start().await;
    for (path, status, named) in [
        ("/api/messages?state=failed", 400, "state"),
        ("/api/messages?cursor=42", 400, "cursor"),
        ("/api/messages?channel=slack", 400, "channel"),
        ("/api/messages?limit=-1", 400, "limit"),
        ("/api/messages?limit=many", 400, "limit"),
        ("/api/origins?by=colour", 400, "by"),
        ("/api/origins/why?by=colour", 400, "by"),
        ("/api/origins?touch=middle", 400, "touch"),
        ("/api/origins?bucket=year", 400, "bucket"),
        ("/api/origins?tz=Madrid", 400, "Madrid"),
        ("/api/origins?from=yesterday", 400, "from"),
        ("/api/origins?from=2030-01-02&to=2030-01-01", 400, "period"),
        ("/api/messages/42", 400, "id"),
        ("/api/messages/01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d", 404, "no message"),
        ("/api/users/01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d", 404, "no customer"),
    ] {
        let answer = app.api("GET", path).await;
        assert_eq!(answer.status, status, "{path} {answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(named), "{path} {answer:?}");
    }
}

#[tokio::test]
async fn what_a_form_sends_empty_was_not_told() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    for (path, empty) in [
        ("/api/origins", "by=&touch=&from=&to=&bucket=&tz="),
        ("/api/origins/why", "by="),
        ("/api/users", "touch=&from=&to=&tz="),
        ("/api/requests", "touch=&from=&to=&tz="),
        ("/api/messages", "from=&to=&tz="),
        ("/api/overview", "tz="),
        ("/api/export/origins.csv", "by=&touch=&from=&to=&bucket=&tz="),
        ("/api/export/users.csv", "touch=&from=&to=&tz="),
    ] {
        let (plain, answer) = (app.api("GET", path).await, app.api("GET", &format!("{path}?{empty}")).await);
        assert_eq!((plain.status, answer.status), (200, 200), "{path} {answer:?}");
        assert_eq!(answer.body, plain.body, "{path}");
    }
    let cancelled = app.api("POST", "/api/messages/cancel?state=pending&from=").await;
    assert_eq!(cancelled.status, 400, "what changes many messages is not widened by a slip: {cancelled:?}");
}

#[tokio::test]
async fn a_list_is_as_long_as_we_allow_however_much_is_asked_for() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    for limit in ["0", "1", "501", "99999999999999999999999"] {
        assert_eq!(app.items(&format!("/api/users?limit={limit}")).await.len(), 1, "{limit}");
    }
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_refused_with_those_it_does() {
    let app = TestApp::start().await;
    for (path, methods) in [
        ("/api/messages", "GET"),
        ("/api/messages/01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d/retry", "POST"),
        ("/healthz", "GET, HEAD"),
    ] {
        let answer = app.api("DELETE", path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(methods)), "{path}");
    }
}

#[tokio::test]
async fn a_list_is_walked_by_its_cursor() {
    let app = TestApp::start().await;
    for number in 0..5 {
        app.register(&format!("Ana {number}"), &format!("ana{number}@example.com")).await;
    }
    let mut seen = 0;
    let mut path = "/api/users?limit=2".to_owned();
    loop {
        let page = app.api("GET", &path).await.json();
        seen += page["items"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(cursor) => path = format!("/api/users?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn pages_and_documents_are_served_with_strict_headers() {
    let app = TestApp::start().await;
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/admin", "text/html; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
    ] {
        let page = app.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (200, Some(content_type)), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path} {policy}"
        );
        assert!(
            !policy.split("script-src").nth(1).unwrap().split(';').next().unwrap().contains("unsafe"),
            "{path} {policy}"
        );
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    let openapi = app.get("/openapi.json").await.json();
    for path in ["/umishop_api/user", "/umishop_api/topic"] {
        let responses = &openapi["paths"][path]["post"]["responses"];
        for status in ["200", "400", "401", "413", "422", "503"] {
            assert!(responses[status].is_object(), "{path} {status}");
        }
    }
    assert_eq!(app.get("/healthz").await.body, "ok\n");
    assert_eq!(app.get("/readyz").await.json()["ready"], true);
    assert_eq!(app.get("/static/..%2fCargo.toml").await.status, 404);
}

#[tokio::test]
async fn a_file_that_the_browser_has_already_is_not_sent_again() {
    let app = TestApp::start().await;
    let first = app.get("/static/admin.js").await;
    let tag = first.header("etag").unwrap().to_owned();
    let again = app.send("GET", "/static/admin.js", &[("if-none-match", &tag)], b"").await;
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(tag.as_str())));
    let other = app.send("GET", "/static/admin.css", &[("if-none-match", &tag)], b"").await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn every_file_a_page_names_is_served() {
    let app = TestApp::start().await;
    let mut waiting = vec!["/".to_owned(), "/admin".to_owned()];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(path) = waiting.pop() {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        for quoted in answer.body.split(['"', '\'']).skip(1).step_by(1) {
            let named = match quoted.strip_prefix("./") {
                Some(file) if path.starts_with("/static/") => format!("/static/{file}"),
                _ => quoted.to_owned(),
            };
            let is_file = named.starts_with("/static/")
                && named.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
            if is_file && seen.insert(named.clone()) {
                waiting.push(named);
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}
