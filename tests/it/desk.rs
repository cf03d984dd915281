//! What an operator asks at the desk: how much there is, which customers, requests and messages, and why.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::client::Response;
use crate::command_line::{json_of, run};
use crate::sinks::{HttpSink, nobody};
use crate::support::{ADMIN_TOKEN, TestApp};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

async fn visit(app: &TestApp, name: &str, more: Value) -> String {
    let mut body = json!({ "name": name, "email": format!("{name}@example.com") });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = app.post("/umishop_api/user", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Response {
    let token = format!("Bearer {ADMIN_TOKEN}");
    app.send("POST", path, &[("Authorization", &token)], body.to_string().as_bytes()).await
}

async fn asked(app: &TestApp, path: &str) -> Value {
    let answer = app.api("GET", path).await;
    assert_eq!(answer.status, 200, "{path} {answer:?}");
    answer.json()
}

/// The names of a list, in its order, page by page.
async fn names(app: &TestApp, path: &str) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = asked(app, &format!("{path}&limit=2{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return names,
        }
    }
}

fn http(name: &str, url: &str, more: &str) -> String {
    format!(
        "[channels.http.{name}]\nurl = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\nretry = [\"10s\", \"10s\", \"10s\"]\n{more}\n"
    )
}

fn all_to(channel: &str, tables: &str) -> String {
    format!("[welcome]\nchannel = \"\"\n{tables}\n[[routes]]\nchannels = [\"{channel}\"]\n")
}

#[tokio::test]
async fn the_overview_counts_today_beside_yesterday_up_to_the_same_time() {
    let app = TestApp::start().await;
    assert_eq!(asked(&app, "/api/overview").await["last_webhook_at"], Value::Null);
    visit(&app, "ana", json!({})).await;
    app.ask("Sales", "How much?").await;
    let pending = asked(&app, "/api/overview").await["messages"].clone();
    assert_eq!(pending, json!({ "pending": 2, "sending": 0, "dead": 0, "held": 0, "more": false }));
    app.advance(2 * MINUTE).await;
    let now = asked(&app, "/api/overview?tz=Europe/Madrid").await;
    let happened = json!({ "registrations": 1, "requests": 1, "delivered": 2, "dead": 0, "more": false });
    let nothing = json!({ "registrations": 0, "requests": 0, "delivered": 0, "dead": 0, "more": false });
    assert_eq!((&now["today"], &now["yesterday"]), (&happened, &nothing));
    assert_eq!(now["requests"], json!({ "new": 1, "acknowledged": 0, "answered": 0, "closed": 0, "more": false }));
    assert_eq!((&now["health"]["ready"], &now["health"]["reasons"]), (&json!(true), &json!([])));
    assert_eq!((&now["channels"]["working"], &now["channels"]["trouble"]), (&json!(3), &json!(0)));
    assert_eq!(now["last_webhook_at"], "2026-11-24T09:30:00.000Z");

    app.api("POST", "/api/channels/slack.pricing/pause").await;
    app.pass(Duration::from_mins(24 * 60 - 3));
    let earlier = asked(&app, "/api/overview").await;
    assert_eq!((&earlier["today"], &earlier["yesterday"]), (&nothing, &nothing), "not yet at this time of yesterday");
    assert_eq!((&earlier["channels"]["working"], &earlier["channels"]["paused"]), (&json!(2), &json!(1)));
    app.pass(4 * MINUTE);
    assert_eq!(asked(&app, "/api/overview").await["yesterday"], happened);
    let wrong = app.api("GET", "/api/overview?tz=Madrid").await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
}

/// How many entries a list has.
async fn length(app: &TestApp, path: &str) -> Value {
    json!(app.items(&format!("{path}&limit=500")).await.len())
}

#[tokio::test]
async fn every_number_of_the_overview_is_the_length_of_the_list_behind_it() {
    let sink = HttpSink::start().await;
    let tables = [http("shop", &sink.url("/hook"), ""), http("gone", &sink.url("/s/422"), "")];
    let routes = "[[routes]]\ntopic = \"Gone\"\nchannels = [\"http.gone\"]\n";
    let app = TestApp::start_live(&format!("{}{routes}", all_to("http.shop", &tables.concat()))).await;
    visit(&app, "ana", json!({})).await;
    // Made today and delivered or given up tomorrow; another one of each is made and finished today.
    for question in ["today", "tomorrow"] {
        app.ask("Sales", question).await;
        app.ask("Gone", question).await;
        if question == "today" {
            app.deliver_due().await;
        }
    }
    app.advance(15 * 60 * MINUTE).await;
    visit(&app, "eva", json!({})).await;
    app.ask("Sales", "not yet delivered").await;

    let zone = "tz=Europe/Madrid";
    let overview = asked(&app, &format!("/api/overview?{zone}")).await;
    let counts = json!({ "registrations": 1, "requests": 1, "delivered": 1, "dead": 1, "more": false });
    assert_eq!(overview["today"], counts);
    let today = format!("2026-11-25&{zone}");
    for (number, list) in [
        ("registrations", format!("/api/users?from={today}")),
        ("requests", format!("/api/requests?from={today}")),
        ("delivered", format!("/api/messages?state=delivered&finished_from={today}")),
        ("dead", format!("/api/messages?state=dead&finished_from={today}")),
    ] {
        assert_eq!(length(&app, &list).await, overview["today"][number], "{list}");
    }
    let counted = asked(&app, &format!("/api/messages/count?state=dead&finished_from={today}")).await;
    assert_eq!(counted["count"], 1);
    for state in ["new", "acknowledged"] {
        assert_eq!(length(&app, &format!("/api/requests?state={state}")).await, overview["requests"][state], "{state}");
    }
    for state in ["held", "dead", "pending"] {
        assert_eq!(length(&app, &format!("/api/messages?state={state}")).await, overview["messages"][state], "{state}");
    }

    let finished = async |query: &str| length(&app, &format!("/api/messages?{query}")).await;
    assert_eq!(finished("finished_to=2026-11-25").await, 2, "both states, yesterday");
    assert_eq!(finished("finished_from=2026-11-24&finished_to=2026-11-26&channel=http.gone").await, 2);
    assert_eq!(finished("finished_from=2026-11-25&from=2026-11-25").await, 0, "made today and finished today");
    assert_eq!(finished("finished_from=2026-11-24&state=pending").await, 0, "what is pending is not finished");
    let table = app.api("GET", &format!("/api/export/messages.csv?state=dead&finished_from={today}")).await.body;
    assert_eq!(table.lines().count(), 2, "{table}");
    let arguments = ["messages", "--finished-from", "2026-11-25", "--state", "dead", "--json"];
    assert_eq!(json_of(app.directory(), &arguments).as_array().unwrap().len(), 1);
    for (wrong, named) in
        [("finished_from=today", "finished_from"), ("finished_from=2026-11-02&finished_to=2026-11-01", "finished_to")]
    {
        let refused = app.api("GET", &format!("/api/messages?{wrong}")).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().starts_with(named), "{refused:?}");
    }
    let together = "/api/messages/retry?state=dead&finished_from=";
    assert_eq!(app.api("POST", together).await.status, 400, "a script's empty variable means nothing");
    let retried = app.api("POST", &format!("{together}{today}")).await.json();
    assert_eq!(retried["changed"], 1, "the one that was given up yesterday stays");
}

#[tokio::test]
async fn the_requests_behind_a_topic_of_the_ledger_are_those_that_it_counts() {
    let app = TestApp::start().await;
    for (topic, question) in [("Sales", "1"), ("ventas", "2"), ("💶 VENTAS!", "3"), ("Pricing", "4"), ("Gifts", "5")]
    {
        app.ask(topic, question).await;
    }
    app.pass(MINUTE);
    let day = "from=2026-11-24&to=2026-11-25";
    let topics = asked(&app, &format!("/api/origins?{day}")).await["total"]["topics"].clone();
    assert_eq!(topics, json!({ "Sales": 3, "Pricing": 1, "": 1 }));
    for topic in ["Sales", "Pricing"] {
        assert_eq!(length(&app, &format!("/api/requests?topic={topic}&{day}")).await, topics[topic], "{topic}");
    }
    assert_eq!(length(&app, "/api/requests?topic=ventas&state=new&source=direct").await, 3, "by any of its names");
    assert_eq!(length(&app, "/api/requests?topic=gifts").await, 1);
    let listed = json_of(app.directory(), &["requests", "--topic", "sales", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_customers_behind_a_row_of_the_ledger_are_those_that_it_counts() {
    let app = TestApp::start().await;
    let google = json!({ "utm_source": "GOOGLE / CPC", "utm_campaign": "Summer" });
    for (name, more) in [
        ("ana", google.clone()),
        ("eva", json!({ "referrer": "https://www.google.es/", "channel": "whatsapp" })),
        ("leo", json!({})),
    ] {
        visit(&app, name, more).await;
        app.pass(MINUTE);
    }
    // Who asked first and registers a day later was sent by the newsletter then.
    let question =
        json!({ "email": "mia@example.com", "name": "mia", "topic": "Sales", "question": "?", "utm_source": "google" });
    app.post("/umishop_api/topic", &question).await;
    app.pass(DAY);
    visit(&app, "mia", json!({ "utm_source": "newsletter" })).await;
    visit(&app, "leo", json!({ "utm_source": "google" })).await;
    app.pass(MINUTE);

    for touch in ["first", "last"] {
        for by in ["source", "medium", "campaign", "referrer", "channel", "country", "landing_page"] {
            for period in
                ["from=2026-11-24&to=2026-11-25", "from=2026-11-01&to=2026-12-01", "from=2026-11-25T00:00:00Z"]
            {
                let ledger = asked(&app, &format!("/api/origins?by={by}&touch={touch}&{period}")).await;
                for row in ledger["items"].as_array().unwrap() {
                    let value = row["value"].as_str().unwrap();
                    let path = format!("/api/users?{by}={value}&touch={touch}&{period}");
                    let found = names(&app, &path).await;
                    assert_eq!(json!(found.len()), row["registrations"], "{path} {found:?}");
                    let path = format!("/api/requests?{by}={value}&touch={touch}&{period}");
                    assert_eq!(json!(app.items(&path).await.len()), row["requests"], "{path}");
                }
            }
        }
    }
    let month = "from=2026-11-01&to=2026-12-01&tz=Europe/Madrid";
    assert_eq!(names(&app, &format!("/api/users?source=google&{month}")).await, ["mia", "eva", "ana"]);
    assert_eq!(names(&app, &format!("/api/users?source=google&touch=last&{month}")).await, ["eva", "ana"]);
    assert_eq!(
        names(&app, &format!("/api/users?{month}")).await,
        ["mia", "leo", "eva", "ana"],
        "the last to register first"
    );
    assert_eq!(names(&app, "/api/users?source=google&medium=cpc").await, ["ana"]);
    assert_eq!(names(&app, "/api/users?campaign=").await.len(), 3, "who told none");
    assert_eq!(names(&app, "/api/users?source=google&search=ev").await, ["eva"]);
    assert_eq!(names(&app, "/api/users?source=bing").await, Vec::<String>::new());
    for (wrong, named) in
        [("touch=middle&source=x", "touch"), ("from=yesterday", "from"), ("from=2026-11-02&to=2026-11-01", "period")]
    {
        let answer = app.api("GET", &format!("/api/users?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong} {answer:?}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(named), "{wrong} {answer:?}");
    }
}

/// Lists change their way from an index to a walk when very many fulfil a condition; what they show must not.
#[tokio::test]
async fn what_very_many_fulfil_is_listed_in_the_same_order() {
    let app = TestApp::start().await;
    visit(&app, "ana", json!({ "utm_source": "google" })).await;
    let app = app
        .restart_after(|directory| {
            let connection = Connection::open(directory.join("umishop.db")).unwrap();
            connection
                .execute_batch(
                    "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10100)
                     INSERT INTO users (id, name, language, origin, source, created_at, registered_at, first_origin,
                                        last_origin, registered_origin)
                     SELECT unhex(printf('%012x7000800000000000%04x', created_at - 20000 + x, 0)), printf('n%05d', x), '',
                            origin, source, created_at - 20000 + x, registered_at - x, first_origin, last_origin,
                            registered_origin FROM users, n WHERE name = 'ana';
                     WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10100)
                     INSERT INTO messages (id, channel, purpose, state, created_at, due_at, first_due_at, context)
                     SELECT unhex(printf('%012x7000800000000000%04x', created_at - 20000 + x, 0)), channel, purpose, state,
                            created_at, due_at, first_due_at, context FROM messages, n;",
                )
                .unwrap();
        })
        .await;
    let first = async |path: &str| -> Vec<String> {
        let items = app.items(&format!("{path}&limit=3")).await;
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(first("/api/users?source=google").await, ["ana", "n10100", "n10099"], "the youngest first");
    assert_eq!(first("/api/users?source=google&touch=last").await, ["ana", "n10100", "n10099"]);
    assert_eq!(first("/api/users?source=google&from=2026-11-01").await, ["ana", "n00001", "n00002"], "by registration");
    let pending = app.items("/api/messages?state=pending&limit=3").await;
    let created: Vec<_> = pending.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert!(created.is_sorted_by(|a, b| a > b) && created.len() == 3, "{created:?}");
    let counted = asked(&app, "/api/messages/count?state=pending&purpose=welcome").await;
    assert_eq!(counted, json!({ "count": 10_101, "more": false }));
    let cancelled = post(&app, "/api/messages/cancel?state=pending&expected=10101", &json!({})).await;
    assert_eq!(cancelled.json(), json!({ "changed": 10_101, "next": null }));
    let finished = "finished_from=2026-11-24&finished_to=2026-11-25";
    for query in [finished.to_owned(), format!("{finished}&state=cancelled")] {
        let shown = app.items(&format!("/api/messages?{query}&limit=3")).await;
        let shown: Vec<_> = shown.iter().map(|message| message["id"].as_str().unwrap()).collect();
        assert_eq!(shown, created, "{query}");
        assert_eq!(asked(&app, &format!("/api/messages/count?{query}")).await["count"], 10_101);
    }
    assert_eq!(app.items("/api/messages?finished_to=2026-11-24").await.len(), 0);
}

#[tokio::test]
async fn messages_are_counted_before_they_are_changed_together_and_a_selection_that_changed_is_left_alone() {
    let app = TestApp::start().await;
    for name in ["ana", "eva", "leo"] {
        visit(&app, name, json!({})).await;
        app.pass(MINUTE);
    }
    let request = app.ask("Sales", "How much?").await.json()["id"].as_str().unwrap().to_owned();
    let count = async |query: &str| asked(&app, &format!("/api/messages/count?{query}")).await["count"].clone();
    assert_eq!(count("").await, 4);
    assert_eq!(count("state=pending&purpose=welcome").await, 3);
    assert_eq!(count("from=2026-11-24T09:31:00Z&to=2026-11-24T09:32:00Z").await, 1);
    assert_eq!(count(&format!("request={request}")).await, 1);
    assert_eq!(app.items(&format!("/api/messages?request={request}")).await[0]["purpose"], "request");
    assert_eq!(app.items("/api/messages?from=2026-11-24T09:32:00Z").await.len(), 2);

    let some = "/api/messages/cancel?state=pending&purpose=welcome&to=2026-11-24T09:32:00Z";
    let refused = app.api("POST", &format!("{some}&expected=5")).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("2 messages by now, not 5"), "{refused:?}");
    assert_eq!(count("state=cancelled").await, 0);
    let done = app.api("POST", &format!("{some}&expected=2")).await;
    assert_eq!((done.status, done.json()), (200, json!({ "changed": 2, "next": null })));
    assert_eq!(count("state=cancelled").await, 2);
    let listed = app.items("/api/audit").await.len();
    assert_eq!(app.api("POST", some).await.json()["changed"], 0);
    assert_eq!(app.items("/api/audit").await.len(), listed, "where nothing was changed, nobody changed anything");
    let back = app.api("POST", "/api/messages/retry?state=cancelled&channel=email.welcome").await;
    assert_eq!(back.json()["changed"], 2);
    app.advance(2 * MINUTE).await;
    assert_eq!(count("state=delivered").await, 4);

    for (path, named) in [
        ("retry", "dead or held or cancelled"),
        ("retry?state=pending", "dead"),
        ("cancel?state=dead", "pending or held"),
    ] {
        let refused = app.api("POST", &format!("/api/messages/{path}")).await;
        assert_eq!(refused.status, 400, "{path} {refused:?}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(named), "{path} {refused:?}");
    }
}

#[tokio::test]
async fn a_message_shows_its_parts_and_what_it_waits_for() {
    let app = TestApp::start().await;
    visit(&app, "ana", json!({})).await;
    app.ask("ventas", "How much <b>?").await;
    let of = async |purpose: &str| app.message(&app.items(&format!("/api/messages?purpose={purpose}")).await[0]).await;
    let welcome = of("welcome").await;
    assert_eq!(welcome["why"]["deferred_until"], "2026-11-24T09:31:00.000Z");
    assert_eq!(welcome["why"]["deferred_because"], "a welcome is sent 1m after the registration");
    assert!(welcome["why"]["route"].as_str().unwrap().contains("[welcome] channel"), "{welcome}");
    assert_eq!((&welcome["why"]["retry"], &welcome["why"]["handed_over"]), (&Value::Null, &json!("")));

    app.advance(2 * MINUTE).await;
    let question = of("request").await;
    let route = question["why"]["route"].as_str().unwrap();
    assert!(
        route.starts_with("by today's routes: ") && route.contains("config.toml:") && route.contains("(Sales)"),
        "{route}"
    );
    let preview = &question["preview"];
    assert!(question["captured"] == json!(true) && preview["current"] == json!(true), "{question}");
    assert!(
        preview["subject"].as_str().unwrap().contains("Sales")
            || preview["subject"].as_str().unwrap().contains("ventas")
    );
    assert!(preview["text"].as_str().unwrap().contains("How much <b>?"), "{preview}");
    assert!(preview["html"].as_str().unwrap().contains("How much &lt;b&gt;?"), "{preview}");
    assert!(preview["source"].as_str().unwrap().starts_with("Message-ID: <"), "{preview}");
    assert_eq!(preview["source"], question["text"]);

    app.post("/umishop_api/topic", &json!({ "topic": "Pricing", "question": "?", "email": "ana@example.com" })).await;
    app.api("POST", "/api/channels/slack.pricing/pause").await;
    let waiting = app.message(&app.items("/api/messages?channel=slack.pricing").await[0]).await;
    assert_eq!(waiting["preview"]["html"], Value::Null, "a chat shows no HTML");
    let because = waiting["why"]["deferred_because"].as_str().unwrap();
    assert!(because.starts_with("slack.pricing is paused by an operator since"), "{because}");
    assert_eq!(waiting["why"]["deferred_until"], Value::Null);
}

#[tokio::test]
async fn why_tells_what_failed_how_often_and_who_took_over() {
    let (busy, ops) = (HttpSink::start().await, HttpSink::start().await);
    let down = format!("http://{}/hook", nobody().await);
    let tables = [
        http("crm", &busy.url("/s/503"), "fallback = \"http.ops\""),
        http("ops", &ops.url("/hook"), ""),
        http("down", &down, ""),
    ];
    let routes = "[[routes]]\ntopic = \"Down\"\nchannels = [\"http.down\"]\n";
    let app = TestApp::start_live(&format!("{}{routes}", all_to("http.crm", &tables.concat()))).await;
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    let message = app.message(&app.items("/api/messages").await[0]).await;
    let retry = &message["why"]["retry"];
    assert_eq!((&retry["attempt"], &retry["of"], &retry["next_at"]), (&json!(1), &json!(4), &message["due_at"]));
    assert!(retry["because"].as_str().unwrap().contains("503"), "{retry}");
    assert_eq!(message["why"]["deferred_because"], "the retry schedule: the last attempt failed");
    assert!(message["why"]["route"].as_str().unwrap().contains("((anything else))"), "{message}");
    app.advance(Duration::from_secs(12)).await;
    let message = app.message(&message).await;
    let handed_over = message["why"]["handed_over"].as_str().unwrap();
    assert!(handed_over.starts_with("http.crm did not deliver it: ") && handed_over.contains("503"), "{handed_over}");
    assert!(message["why"]["route"].as_str().unwrap().starts_with("by today's routes: "), "{message}");

    app.ask("Down", "How much?").await;
    app.deliver_due().await;
    let message = app.message(&app.items("/api/messages?channel=http.down").await[0]).await;
    let why = &message["why"];
    assert!(why["deferred_because"].as_str().unwrap().starts_with("http.down is in trouble since"), "{why}");
    assert!(why["deferred_until"].as_str().unwrap() >= message["due_at"].as_str().unwrap(), "{why}");
    assert_eq!(
        (&why["retry"]["attempt"], &why["retry"]["of"]),
        (&json!(0), &json!(4)),
        "the channel's fault costs none"
    );
}

#[tokio::test]
async fn a_request_keeps_every_note_and_every_name_and_tells_how_to_answer() {
    let app = TestApp::start().await;
    let body = json!({
        "topic": "Sales", "question": "How much?", "name": "Ana", "email": "ana@example.com", "phone": "+34 612 345 678",
        "chat_uuid": "0a1b2c3d-0000-4000-8000-000000000000", "utm_source": "google",
    });
    let id = app.post("/umishop_api/topic", &body).await.json()["id"].as_str().unwrap().to_owned();
    let path = |what: &str| format!("/api/requests/{id}/{what}");
    let noted = post(&app, &path("note"), &json!({ "note": " Call back\non Monday " })).await.json();
    assert_eq!((&noted["note"], &noted["state"]), (&json!("Call back\non Monday"), &json!("new")));
    post(&app, &path("assign"), &json!({ "assignee": "Eva", "by": "Leo" })).await;
    post(&app, &path("assign"), &json!({ "assignee": "Eva", "by": "Mia" })).await;
    app.pass(MINUTE);
    let cleared = post(&app, &path("note"), &json!({})).await.json();
    let at = ["2026-11-24T09:30:00.000Z", "2026-11-24T09:31:00.000Z"];
    let edits = json!([
        { "at": at[0], "field": "note", "value": "Call back\non Monday", "by": "admin token" },
        { "at": at[0], "field": "assignee", "value": "Eva", "by": "Leo" },
        { "at": at[1], "field": "note", "value": "", "by": "admin token" },
    ]);
    assert_eq!((&cleared["edits"], &cleared["changes"]), (&edits, &json!([])), "what is so already is not said again");
    let listed = app.items("/api/requests?assignee=Eva&source=google&state=new").await;
    assert_eq!((&listed[0]["assignee"], &listed[0]["note"]), (&json!("Eva"), &json!("")));
    let reply_to = json!([
        { "label": "Mail", "href": "mailto:ana@example.com?subject=Re:%20Sales" },
        { "label": "Call", "href": "tel:+34612345678" },
        { "label": "WhatsApp", "href": "https://wa.me/34612345678" },
        { "label": "Landbot chat", "href": "https://app.landbot.io/gui/chats_v4/0a1b2c3d-0000-4000-8000-000000000000" },
    ]);
    assert_eq!(listed[0]["reply_to"], reply_to);
    for (query, count) in [
        ("assignee=", 0),
        ("assignee=Leo", 0),
        ("source=bing", 0),
        ("from=2026-11-24&to=2026-11-25", 1),
        ("to=2026-11-24", 0),
    ] {
        assert_eq!(app.items(&format!("/api/requests?{query}")).await.len(), count, "{query}");
    }
    app.ask("Sales", "And when?").await;
    post(&app, &path("answer"), &json!({})).await;
    let counts = asked(&app, "/api/requests/counts").await;
    assert_eq!(counts, json!({ "new": 1, "acknowledged": 0, "answered": 1, "closed": 0, "more": false }));
    let ledger = asked(&app, "/api/origins?source=google&from=2026-11-24").await;
    let total = &ledger["total"];
    assert_eq!((&total["acknowledged"], &total["answered"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&total["median_to_acknowledgement_ms"], &total["median_to_answer_ms"]),
        (&json!(60_000), &json!(60_000))
    );

    let nobody = "01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d";
    assert_eq!(post(&app, &format!("/api/requests/{nobody}/note"), &json!({})).await.status, 404);
    for (what, body, named) in [
        ("note", json!({ "note": "n".repeat(2_001) }), "note"),
        ("assign", json!({ "assignee": "n".repeat(101) }), "assignee"),
    ] {
        let refused = post(&app, &path(what), &body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(named), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_writes_over_a_note_that_they_have_not_read() {
    let app = TestApp::start().await;
    let id = app.ask("Sales", "How much?").await.json()["id"].as_str().unwrap().to_owned();
    let note = async |body: Value| post(&app, &format!("/api/requests/{id}/note"), &body).await;
    assert_eq!(note(json!({ "note": "Eva: call back", "expected": "" })).await.status, 200);
    let refused = note(json!({ "note": "Leo: wrote to them", "expected": "" })).await;
    let error = refused.json()["error"].clone();
    assert_eq!(
        (refused.status, &error["code"], &error["present"]),
        (409, &json!("conflict"), &json!("Eva: call back"))
    );
    assert_eq!(app.items("/api/requests").await[0]["note"], "Eva: call back");
    assert_eq!(note(json!({ "note": "Eva: call back", "expected": "" })).await.status, 200, "it says so already");
    let both = json!({ "note": "Both", "expected": "Eva: call back" });
    assert_eq!(note(both).await.json()["note"], "Both");
    let whatever = note(json!({ "note": "Leo: done" })).await.json();
    assert_eq!((&whatever["note"], whatever["edits"].as_array().unwrap().len()), (&json!("Leo: done"), 3));
    let listed = app.items("/api/audit").await;
    assert_eq!(listed.len(), 4, "what was refused is not listed: {listed:?}");
}

#[tokio::test]
async fn the_command_line_filters_notes_and_assigns_likewise() {
    let app = TestApp::start().await;
    visit(&app, "ana", json!({ "utm_source": "google" })).await;
    let id = app.ask("Sales", "How much?").await.json()["id"].as_str().unwrap().to_owned();
    let directory = app.directory();
    let said = run(directory, &["requests", "assign", &id, "Eva", "--by", "Leo"]);
    assert_eq!((said.0, said.1.trim()), (Some(0), &*format!("Request {id} is looked after by Eva.")), "{}", said.2);
    assert_eq!(run(directory, &["requests", "note", &id, "Call back"]).0, Some(0));
    let listed = json_of(directory, &["requests", "--assignee", "Eva", "--only", "source=google", "--json"]);
    assert_eq!((&listed[0]["id"], &listed[0]["note"]), (&json!(id), &json!("Call back")));
    let shown = run(directory, &["requests", "show", &id]).1;
    for expected in ["Assignee   Eva", "Note       Call back", "assignee  Leo  Eva", "note  operator  Call back"] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    let users = |arguments: &[&str]| {
        let arguments: Vec<_> = ["users", "--json"].iter().chain(arguments).copied().collect();
        json_of(directory, &arguments).as_array().unwrap().len()
    };
    assert_eq!(users(&["--only", "source=google", "--from", "2026-11-24", "--to", "2026-11-25"]), 1);
    assert_eq!(users(&["--only", "source=bing"]), 0);
    let messages = json_of(directory, &["messages", "--request", &id, "--json"]);
    assert_eq!(messages.as_array().unwrap().len(), 1);
    assert_eq!(run(directory, &["messages", "--from", "2026-11-02", "--to", "2026-11-01"]).0, Some(1));
    let origins = run(directory, &["origins", "--from", "2026-11-01", "--to", "2026-12-01", "--csv"]).1;
    assert!(
        origins.lines().next().unwrap().contains("acknowledged,median_to_acknowledgement_ms,answered"),
        "{origins}"
    );
}
