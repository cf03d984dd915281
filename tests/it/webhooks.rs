//! The two webhooks as a bot meets them: every shape, every repair, every refusal; and nothing lost.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::TestApp;

/// What every answer has, whatever its status.
const KEYS: [&str; 8] = ["ok", "status", "message", "id", "name", "topic", "channel", "field"];

const USER: &str = "/umishop_api/user";
const TOPIC: &str = "/umishop_api/topic";

#[track_caller]
fn assert_flat(answer: &Value) {
    let answer = answer.as_object().unwrap();
    assert_eq!(answer.len(), KEYS.len(), "{answer:?}");
    for key in KEYS {
        assert!(answer[key].is_string() || answer[key].is_boolean(), "{key} in {answer:?}");
    }
}

#[tokio::test]
async fn a_customer_registers_and_is_welcomed_a_minute_later_exactly_once() {
    let app = TestApp::start().await;
    let answer = app.register("Ana", "Ana@Example.com").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("created")));
    assert_flat(&answer.json());
    app.advance(Duration::from_secs(59)).await;
    assert_eq!(app.items("/api/messages?state=pending").await.len(), 1);
    app.advance(Duration::from_secs(1)).await;
    let delivered = app.items("/api/messages?state=delivered").await;
    assert_eq!((delivered.len(), delivered[0]["recipient"].as_str()), (1, Some("ana@example.com")));
    let text = app.message(&delivered[0]).await["text"].as_str().unwrap().to_owned();
    assert!(text.contains("To: \"Ana\" <ana@example.com>\r\n"), "{text}");

    let again = app.register("Ana", "ana@example.com").await;
    assert_eq!((again.status, again.json()["status"].as_str()), (200, Some("already_registered")));
    app.advance(Duration::from_hours(1)).await;
    assert_eq!(app.items("/api/messages").await.len(), 1);
}

#[tokio::test]
async fn a_question_reaches_the_channel_of_its_topic() {
    let app = TestApp::start().await;
    let answer = app.ask("💶 PRECIOS!", "How much is shipping?").await.json();
    assert_flat(&answer);
    assert_eq!(
        (&answer["status"], &answer["topic"], &answer["channel"]),
        (&json!("queued"), &json!("Pricing"), &json!("slack.pricing"))
    );
    app.deliver_due().await;
    let delivered = app.items("/api/messages?channel=slack.pricing&state=delivered").await;
    assert_eq!(delivered.len(), 1);
    assert!(app.message(&delivered[0]).await["text"].as_str().unwrap().contains("How much is shipping?"));
}

#[tokio::test]
async fn the_visitor_is_answered_in_what_the_bot_told_else_in_the_language_of_their_phone() {
    let app = TestApp::start().await;
    for (told, phone, answer) in [
        ("es-MX", "+1 212 555 0123", "¡Gracias, Ana! Tu registro está completo."),
        ("", "612 345 678", "¡Gracias, Ana! Tu registro está completo."),
        ("en", "612 345 678", "Thank you, Ana! You are registered."),
        ("", "+32 470 12 34 56", "Thank you, Ana! You are registered."),
    ] {
        let email = format!("ana{}@example.com", phone.len() + told.len());
        let body = json!({ "name": "Ana", "email": email, "phone": phone, "language": told });
        assert_eq!(app.post(USER, &body).await.json()["message"], answer, "{told} {phone}");
    }
    let asked =
        json!({ "topic": "Sales", "question": "How much?", "email": "eva@example.com", "phone": "612 345 679" });
    assert!(app.post(TOPIC, &asked).await.json()["message"].as_str().unwrap().contains("pregunta sobre Sales"));
}

#[tokio::test]
async fn a_call_that_tells_no_language_is_answered_in_what_is_known_of_its_customer() {
    let app = TestApp::start().await;
    let said =
        async |path: &str, body: Value| app.post(path, &body).await.json()["message"].as_str().unwrap().to_owned();
    let (ana, eva) = (("ana@example.com", "161808359"), ("eva@example.com", "161808360"));
    let (first, number) = (ana.0, ana.1);
    said(USER, json!({ "name": "Ana", "email": first, "language": "es", "landbot_customer_id": number })).await;
    let (first, number) = (eva.0, eva.1);
    let with_phone = json!({ "topic": "Sales", "question": "?", "email": first, "phone": "612 345 678", "landbot_customer_id": number });
    said(TOPIC, with_phone).await;
    for (email, number) in [ana, eva] {
        let told = json!({ "email": email, "landbot_customer_id": number });
        let with = |more: Value| {
            let mut body = told.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let question = with(json!({ "topic": "Sales", "question": "How much?" }));
        assert!(said(TOPIC, question.clone()).await.contains("Hemos pasado tu pregunta sobre Sales"), "{email}");
        assert!(said(TOPIC, question).await.contains("Ya tenemos tu pregunta"), "{email}");
        let registration = with(json!({ "name": "Ana" }));
        said(USER, registration.clone()).await;
        assert!(said(USER, registration).await.contains("¡Hola de nuevo, Ana!"), "{email}");
        let in_english = with(json!({ "topic": "Sales", "question": "And when?", "language": "en" }));
        assert!(said(TOPIC, in_english).await.contains("Thank you"), "what the call tells counts");
        let typed = json!({ "topic": "Sales", "question": "Who is it?", "email": email });
        assert!(said(TOPIC, typed).await.contains("Thank you"), "who knows but the address learns nothing");
    }
    let stranger = json!({ "topic": "Sales", "question": "How much?", "email": "leo@example.com" });
    assert!(said(TOPIC, stranger).await.contains("Thank you"));
}

#[tokio::test]
async fn an_unknown_topic_takes_the_catch_all_and_is_marked() {
    let app = TestApp::start().await;
    let answer = app.ask("Astrology", "Will it rain?").await.json();
    assert_eq!((&answer["status"], &answer["channel"]), (&json!("queued"), &json!("email.sales")));
    let users = app.items("/api/users").await;
    let user = app.api("GET", &format!("/api/users/{}", users[0]["id"].as_str().unwrap())).await.json();
    assert_eq!(
        (&user["requests"][0]["topic"], &user["requests"][0]["topic_unknown"]),
        (&json!("Astrology"), &json!(true))
    );
}

#[tokio::test]
async fn the_same_question_twice_is_one_request() {
    let app = TestApp::start().await;
    let first = app.ask("Sales", "How much?").await.json();
    let second = app.ask("sales", "how much?").await;
    assert_eq!(
        (second.status, &second.json()["status"], &second.json()["id"]),
        (200, &json!("duplicate"), &first["id"])
    );
    assert_eq!(app.items("/api/messages").await.len(), 1);
}

#[tokio::test]
async fn every_shape_of_body_registers_the_same_customer() {
    let fields = r#""name":"Ana","email":"ana@example.com","phone":"612345678""#;
    let json = ("Content-Type", "application/json");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let shapes = [
        (USER, vec![json], format!("{{{fields}}}")),
        (USER, vec![], format!("{{{fields}}}")),
        (USER, vec![("Content-Type", "text/plain")], format!("{{{fields}}}")),
        (USER, vec![json], format!("[{{{fields}}}]")),
        (USER, vec![json], format!("{{\"customer\":{{{fields}}}}}")),
        (
            USER,
            vec![json],
            "{\"username\":\"Ana\",\"MAIL\":\"ana@example.com\",\"Telephone\":612345678, \"id\": }".to_owned(),
        ),
        (USER, vec![form], "name=Ana&email=ana%40example.com&phone=612345678".to_owned()),
        ("/umishop_api/user?name=Ana&email=ana%40example.com&phone=612345678", vec![], String::new()),
        (
            USER,
            vec![json],
            format!("{{\"messages\":[{{\"sender\":{{\"type\":\"customer\"}},\"customer\":{{{fields}}}}}]}}"),
        ),
    ];
    for (path, headers, body) in shapes {
        let app = TestApp::start().await;
        let answer = app.send("POST", path, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{body} {answer:?}");
        let users = app.items("/api/users").await;
        assert_eq!(users[0]["email"], "ana@example.com", "{body}");
        assert_eq!((&users[0]["name"], &users[0]["phone_e164"]), (&json!("Ana"), &json!("+34612345678")), "{body}");
    }
}

#[tokio::test]
async fn the_bots_own_lines_of_a_hook_are_acknowledged_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let hook = json!({ "messages": [{ "sender": { "type": "bot" }, "customer": { "name": "Ana", "email": "ana@example.com" } }] });
    let answer = app.post(USER, &hook).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ignored")));
    assert!(app.items("/api/users").await.is_empty());
}

#[tokio::test]
async fn a_repeated_hook_is_one_request() {
    let app = TestApp::start().await;
    let hook = json!({ "messages": [{ "data": { "body": "Do you ship?" }, "sender": { "type": "customer" },
                                      "customer": { "name": "Ana", "email": "ana@example.com", "topic": "Sales" } }] });
    for expected in ["queued", "duplicate"] {
        let answer = app.send("POST", TOPIC, &[("sentry-trace", "abc-1")], hook.to_string().as_bytes()).await;
        assert_eq!(answer.json()["status"], expected, "{answer:?}");
    }
    assert_eq!(app.items("/api/messages").await.len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_one_question() {
    let app = TestApp::start().await;
    let ask = async |question: &str| {
        let body = json!({ "topic": "Sales", "question": question, "email": "ana@example.com" }).to_string();
        app.send("POST", TOPIC, &[("Idempotency-Key", "k1")], body.as_bytes()).await
    };
    assert_eq!(ask("How much?").await.json()["status"], "queued");
    assert_eq!(ask("How much?").await.json()["status"], "duplicate");
    let reused = ask("How many?").await;
    assert_eq!((reused.status, &reused.json()["field"]), (422, &json!("request_id")));
    assert_flat(&reused.json());
}

#[tokio::test]
async fn what_the_visitor_can_mend_is_422_and_says_which() {
    let app = TestApp::start().await;
    for (path, body, field) in [
        (USER, json!({ "name": "Ana" }), "email"),
        (USER, json!({ "name": "Ana", "email": "ana@", "phone": "612345678" }), "email"),
        (USER, json!({}), "email"),
        (TOPIC, json!({ "email": "ana@example.com" }), "question"),
        (TOPIC, json!({ "topic": "Sales" }), "question"),
        (TOPIC, json!({ "topic": "Sales", "question": "@question", "email": "" }), "question"),
    ] {
        let answer = app.post(path, &body).await;
        assert_eq!((answer.status, &answer.json()["field"]), (422, &json!(field)), "{body} {answer:?}");
        assert_eq!(answer.json()["status"], "invalid");
        assert_flat(&answer.json());
    }
    assert!(app.items("/api/users").await.is_empty());
}

#[tokio::test]
async fn a_bad_phone_refuses_nobody() {
    let app = TestApp::start().await;
    let answer = app.post(USER, &json!({ "name": "Ana", "email": "ana@example.com", "phone": "call me 12" })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(app.items("/api/users").await[0]["phone"], "call me 12");
}

#[tokio::test]
async fn a_phone_alone_is_enough_and_no_mail_is_sent() {
    let app = TestApp::start().await;
    let answer = app.post(USER, &json!({ "name": "Ana", "phone": "+44 7911 123456" })).await;
    assert_eq!(answer.json()["status"], "created");
    assert!(app.items("/api/messages").await.is_empty());
}

#[tokio::test]
async fn what_nobody_can_read_is_400_and_kept_with_its_headers_but_not_its_secrets() {
    let app = TestApp::start().await;
    let body = br#"{"name": "Ana "the boss" Ruiz"#;
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Umishop-Secret", "s3cret-value"),
        ("Authorization", "Bearer s3cret-value"),
    ];
    let answer = app.send("POST", "/umishop_api/user?token=s3cret-value&a=b", &headers, body).await;
    assert_eq!((answer.status, &answer.json()["status"]), (400, &json!("error")), "{answer:?}");
    assert_flat(&answer.json());
    let inbox = app.items("/api/inbox").await;
    assert_eq!(inbox[0]["body"], String::from_utf8_lossy(body).as_ref());
    assert_eq!(inbox[0]["request_line"], "POST /umishop_api/user?token=[redacted]&a=b");
    assert!(inbox[0]["headers"].as_str().unwrap().contains("content-type: application/json"));
    assert!(!inbox[0].to_string().contains("s3cret"), "{}", inbox[0]);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_413_and_its_start_is_kept() {
    let app = TestApp::start().await;
    let body = format!("{{\"email\":\"ana@example.com\",\"question\":\"{}\"}}", "a".repeat(200_000));
    let answer = app.send("POST", TOPIC, &[], body.as_bytes()).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_flat(&answer.json());
    assert!(app.items("/api/inbox").await[0]["body"].as_str().unwrap().starts_with("{\"email\":\"ana@example.com\""));
}

#[tokio::test]
async fn a_question_of_100_kb_is_cut_with_a_note() {
    let app = TestApp::start().await;
    let answer = app.ask("Sales", &"a".repeat(100_000)).await;
    assert_eq!(answer.json()["status"], "queued", "{answer:?}");
    app.deliver_due().await;
    let message = app.message(&app.items("/api/messages").await[0]).await;
    assert!(message["text"].as_str().unwrap().contains("100000 characters"));
    assert_eq!(message["state"], "delivered");
}

#[tokio::test]
async fn hostile_text_is_carried_as_text() {
    let app = TestApp::start().await;
    let hostile = "<script>alert(1)</script> <!channel> {{ 7*7 }} {% for x in y %}";
    let body = json!({ "topic": "Pricing", "question": hostile, "name": "Ana\r\nBcc: evil@example.com", "email": "ana@example.com" });
    assert_eq!(app.post(TOPIC, &body).await.status, 200);
    let mail = json!({ "topic": "Sales", "question": hostile, "name": "Ana\r\nBcc: evil@example.com", "email": "ana@example.com" });
    assert_eq!(app.post(TOPIC, &mail).await.status, 200);
    app.deliver_due().await;
    let items = app.items("/api/messages?state=delivered").await;
    assert_eq!(items.len(), 2, "{items:?}");
    for item in items {
        let text = app.message(&item).await["text"].as_str().unwrap().to_owned();
        assert!(!text.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc:")), "{text}");
        assert!(text.contains("{{ 7*7 }}"), "{text}");
        if item["channel"] == "slack.pricing" {
            assert!(!text.contains("<!channel>"), "{text}");
        } else {
            let html = text.split("text/html").nth(1).unwrap();
            assert!(!html.contains("<script>"), "{html}");
        }
    }
    let injected = app.post(USER, &json!({ "name": "Ana", "email": "a@b.co>\r\nRCPT TO:<evil@b.co" })).await;
    assert_eq!((injected.status, &injected.json()["field"]), (422, &json!("email")));
}

#[tokio::test]
async fn the_sandbox_is_open_but_a_wrong_secret_is_told() {
    let app = TestApp::start_with("[intake]\nsecret = \"s3cret\"").await;
    assert_eq!(app.register("Ana", "ana@example.com").await.status, 200);
    let body = json!({ "email": "eva@example.com" }).to_string();
    let wrong = app.send("POST", USER, &[("X-Umishop-Secret", "guess")], body.as_bytes()).await;
    assert_eq!((wrong.status, &wrong.json()["status"]), (401, &json!("unauthorized")));
    assert_eq!(app.items("/api/users").await.len(), 1);
}

#[tokio::test]
async fn live_only_the_secret_opens_the_door_in_any_of_its_places() {
    let app = TestApp::start_with(LIVE).await;
    let body = json!({ "email": "ana@example.com" }).to_string();
    for refused in
        [&[][..], &[("X-Umishop-Secret", "")], &[("X-Api-Key", "S3cret")], &[("Authorization", "Basic s3cret")]]
    {
        let answer = app.send("POST", USER, refused, body.as_bytes()).await;
        assert_eq!(answer.status, 401, "{refused:?}");
        assert_flat(&answer.json());
    }
    assert_eq!(app.send("POST", "/umishop_api/guess/user", &[], body.as_bytes()).await.status, 401);
    assert!(app.items("/api/users").await.is_empty() && app.items("/api/inbox").await.is_empty());
    for (path, headers) in [
        (USER, &[("X-Umishop-Secret", "s3cret")][..]),
        (USER, &[("X-Api-Key", "s3cret")]),
        (USER, &[("Authorization", "Bearer s3cret")]),
        (USER, &[("Authorization", "Token s3cret")]),
        ("/umishop_api/s3cret/user", &[]),
    ] {
        assert_eq!(app.send("POST", path, headers, body.as_bytes()).await.status, 200, "{path} {headers:?}");
    }
    let unreadable = app.send("POST", "/umishop_api/s3cret/topic", &[], b"{").await;
    assert_eq!(unreadable.status, 400);
    assert_eq!(app.items("/api/inbox").await[0]["request_line"], "POST /umishop_api/[redacted]/topic");
}

/// Nothing is sent to it in these tests.
const LIVE: &str = r#"
sandbox = false
[intake]
secret = "s3cret"
[welcome]
channel = ""
[channels.http.sink]
url = "http://127.0.0.1:9/"
private_networks = ["127.0.0.1"]
[[routes]]
channels = ["http.sink"]
"#;

#[tokio::test]
async fn a_test_call_is_answered_in_full_and_stores_nothing() {
    let app = TestApp::start().await;
    let user = json!({ "name": "Ana", "email": "ana@example.com", "test": true });
    let answer = app.post(USER, &user).await.json();
    assert_eq!(answer["status"], "created");
    assert!(!answer["id"].as_str().unwrap().is_empty());
    let question = json!({ "topic": "Sales", "question": "How much?", "email": "ana@example.com" }).to_string();
    let answer = app.send("POST", TOPIC, &[("X-Umishop-Test", "1")], question.as_bytes()).await.json();
    assert_eq!((&answer["status"], &answer["channel"]), (&json!("queued"), &json!("email.sales")));
    assert!(app.items("/api/users").await.is_empty() && app.items("/api/messages").await.is_empty());
}

#[tokio::test]
async fn a_webhooks_address_answers_json_to_whatever_is_done_with_it() {
    let app = TestApp::start().await;
    for path in [USER, TOPIC] {
        let hint = app.get(path).await;
        assert_eq!((hint.status, &hint.json()["ok"]), (200, &json!(true)));
        let wrong = app.send("DELETE", path, &[], b"").await;
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, POST")));
        assert_flat(&wrong.json());
    }
    assert_eq!(app.get("/umishop_api/nothing/at/all").await.status, 404);
}

#[tokio::test]
async fn an_xml_body_reaches_no_parser() {
    let app = TestApp::start().await;
    let answer = app
        .send("POST", USER, &[("Content-Type", "application/xml")], b"<user><email>ana@example.com</email></user>")
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn the_origin_is_kept_first_touch_and_later_ones() {
    let app = TestApp::start().await;
    let first = json!({ "email": "ana@example.com", "utm_source": "google", "utm_medium": "cpc", "utm_campaign": "summer", "gclid": "x1",
                        "landing_page": "https://shop.example/", "interests": "boats", "channel": "web", "chat_uuid": "c-1" });
    app.post(USER, &first).await;
    app.post(USER, &json!({ "email": "ana@example.com", "origin": { "referrer": "https://www.blog.example/post" } }))
        .await;
    app.post(USER, &json!({ "email": "ana@example.com", "origin": "Fair in Madrid" })).await;
    let user = &app.items("/api/users").await[0];
    assert_eq!(user["source"], "google / cpc / summer");
    for (field, value) in
        [("gclid", "x1"), ("landing_page", "https://shop.example/"), ("interests", "boats"), ("chat_uuid", "c-1")]
    {
        assert_eq!(user["origin"][field], value);
    }
    let timeline = app.api("GET", &format!("/api/users/{}", user["id"].as_str().unwrap())).await.json();
    let sources: Vec<_> =
        timeline["touches"].as_array().unwrap().iter().map(|touch| touch["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["blog.example", "Fair in Madrid"]);
}

#[tokio::test]
async fn two_visitors_without_any_contact_are_two_requests_with_the_same_words() {
    let app = TestApp::start().await;
    let ask = async |chat: Option<&str>| {
        app.post(TOPIC, &json!({ "topic": "Sales", "question": "Price?", "chat_uuid": chat })).await.json()["status"]
            .clone()
    };
    assert_eq!(ask(Some("chat-1")).await, "queued");
    assert_eq!(ask(Some("chat-2")).await, "queued");
    assert_eq!(ask(Some("chat-2")).await, "duplicate");
    assert_eq!((ask(None).await, ask(None).await), (json!("queued"), json!("queued")));
}

#[tokio::test]
async fn a_notification_shows_where_the_customer_came_from_this_time() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.post(
        TOPIC,
        &json!({ "topic": "Sales", "question": "Price?", "email": "ana@example.com", "utm_source": "newsletter" }),
    )
    .await;
    app.deliver_due().await;
    let message = app.message(&app.items("/api/messages?purpose=request").await[0]).await;
    assert!(message["text"].as_str().unwrap().contains("newsletter"), "{message}");
}

#[tokio::test]
async fn a_question_under_a_used_request_id_is_refused_but_kept() {
    let app = TestApp::start().await;
    for (email, status) in [("ana@example.com", 200), ("eva@example.com", 422)] {
        let body = json!({ "topic": "Sales", "question": format!("I am {email}"), "email": email, "request_id": "7" });
        assert_eq!(app.post(TOPIC, &body).await.status, status);
    }
    let inbox = app.items("/api/inbox").await;
    assert!(inbox[0]["body"].as_str().unwrap().contains("I am eva@example.com"));
    assert!(inbox[0]["why"].as_str().unwrap().contains("request_id"));
}

#[tokio::test]
async fn nobody_learns_the_name_behind_an_address() {
    let app = TestApp::start().await;
    app.register("Maria Garcia", "maria@example.com").await;
    let answer = app.post(USER, &json!({ "email": "maria@example.com" })).await;
    assert!(!answer.body.contains("Garcia"), "{answer:?}");
}

#[tokio::test]
async fn a_shops_own_field_called_test_turns_nobody_away() {
    let app = TestApp::start().await;
    app.post(USER, &json!({ "email": "ana@example.com", "custom_fields": { "test": "1" } })).await;
    app.send("POST", "/umishop_api/user?test=1&email=eva%40example.com", &[], b"").await;
    assert_eq!(app.items("/api/users").await.len(), 2);
}

#[tokio::test]
async fn an_address_that_ends_in_a_slash_is_the_same_webhook() {
    let app = TestApp::start_with("[intake]\nsecret = \"a b/c\"").await;
    let body = json!({ "email": "ana@example.com" }).to_string();
    assert_eq!(app.send("POST", "/umishop_api/user/?utm_source=x", &[], body.as_bytes()).await.status, 200);
    assert_eq!(app.send("POST", "/umishop_api/a%20b%2Fc/user/", &[], b"{").await.status, 400);
    assert_eq!(app.items("/api/inbox").await[0]["request_line"], "POST /umishop_api/[redacted]/user");
    assert_eq!(app.get("/umishop_api/whatever/user").await.status, 200);
}

#[tokio::test]
async fn headers_that_sound_like_secrets_are_not_kept() {
    let app = TestApp::start().await;
    app.send("POST", USER, &[("X-Webhook-Secret", "hunter2"), ("X-Landbot-Token", "hunter2")], b"{").await;
    assert!(!app.items("/api/inbox").await[0].to_string().contains("hunter2"));
}
