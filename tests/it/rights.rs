//! What a customer may ask for: everything that is kept about them, and that they are forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use umishop::domain::{
    Attempt, BootId, Bucketing, CreditedTouch, Dimension, EmailAddress, OriginRules, Settlement, Timeline, Timestamp,
    Transition, UserId,
};
use umishop::store::sqlite::{Restored, Watch, restore};
use umishop::store::{Ledger, LedgerQuery};

use crate::client::Response;
use crate::command_line::{json_of, run};
use crate::support::{ADMIN_TOKEN, TestApp};

const MINUTE: Duration = Duration::from_mins(1);

/// Of whoever is erased: none of these may be left anywhere.
const SECRETS: [&str; 8] = [
    "Ximena Quetzalcoatl",
    "ximena.q@example.com",
    "ximena.q%40example.com",
    "612000111",
    "161808359",
    "gclid-of-ximena",
    "the pool leaks",
    "told-by-ximena",
];

fn ximena() -> Value {
    json!({
        "name": SECRETS[0], "email": SECRETS[1], "phone": "+34612000111", "landbot_customer_id": SECRETS[4],
        "utm_source": "google", "utm_campaign": "summer", "utm_term": "told-by-ximena", "gclid": SECRETS[5],
        "landing_page": "https://shop.example/sale?email=ximena.q%40example.com",
    })
}

fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Value {
    let token = format!("Bearer {ADMIN_TOKEN}");
    let answer = app.send("POST", path, &[("Authorization", &token)], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn register(app: &TestApp, body: &Value) -> String {
    post(app, "/umishop_api/user", body).await;
    id_of(app, body["email"].as_str().unwrap()).await
}

async fn id_of(app: &TestApp, email: &str) -> String {
    let found = app.items(&format!("/api/users?search={}", email.replace('+', "%2B"))).await;
    found[0]["id"].as_str().unwrap().to_owned()
}

async fn erase(app: &TestApp, id: &str) -> Value {
    post(app, &format!("/api/users/{id}/erase"), &json!({ "confirm": id })).await
}

/// Everything that can happen to a customer, among many others.
async fn long_history(app: &TestApp) -> String {
    let id = register(app, &ximena()).await;
    app.advance(MINUTE).await;
    for number in 0..60 {
        let email = format!("other{number}.ximena.q@example.com");
        register(app, &json!({ "name": format!("Eva {number}"), "email": email, "utm_source": "google" })).await;
        // The page that an advert leads to may name its reader.
        let campaign = format!("mail to ximena.q@example.com {}", number % 3);
        let visit = with(&ximena(), &json!({ "utm_campaign": campaign, "gclid": format!("gclid-of-ximena-{number}") }));
        let topic = if number % 2 == 0 { "Sales" } else { "I am told-by-ximena" };
        let question = format!("the pool leaks {number} {}", "x".repeat(number * 40));
        let asked =
            with(&visit, &json!({ "topic": topic, "question": question, "request_id": format!("612000111-{number}") }));
        let asked = post(app, "/umishop_api/topic", &asked).await;
        if number % 5 == 0 {
            let path = format!("/api/requests/{}/close", asked["id"].as_str().unwrap());
            post(app, &path, &json!({ "by": "Olga", "note": "wrote to ximena.q@example.com" })).await;
            let id = asked["id"].as_str().unwrap();
            for said in ["call ximena.q@example.com", "ximena.q@example.com was called"] {
                post(app, &format!("/api/requests/{id}/note"), &json!({ "note": said })).await;
            }
        }
        app.advance(MINUTE).await;
    }
    let unreadable = br#"[1, "ximena.q@example.com""#;
    let refused = app.send("POST", "/umishop_api/user", &[("Content-Type", "application/json")], unreadable).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    app.store().set_subscribed(id.parse().unwrap(), false, app.now()).await.unwrap().unwrap();
    post(app, "/umishop_api/topic", &with(&ximena(), &json!({ "topic": "Sales", "question": "the pool leaks still" })))
        .await;
    id
}

/// Which of these stand in which of the files beside the configuration.
fn left(directory: &Path) -> BTreeSet<(String, &'static str)> {
    let mut left = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (name, bytes) = (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
        // What is part of another customer's address is theirs.
        let mut text = bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
        (0..60).for_each(|number| text = text.replace(&format!("other{number}.{}", SECRETS[1]), ""));
        left.extend(SECRETS.iter().filter(|secret| text.contains(**secret)).map(|secret| (name.clone(), *secret)));
    }
    left
}

async fn ledgers(app: &TestApp) -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for by in Dimension::ALL {
        for touch in [CreditedTouch::First, CreditedTouch::Last] {
            let (from, to) = (Timestamp::from_millis(0), app.now().after(MINUTE));
            let timeline = Timeline::new(from, to, Bucketing::Whole, "UTC").unwrap();
            let query = LedgerQuery { by, touch, timeline, only: Vec::new(), limit: 50 };
            let mut ledger = app.store().ledger(query, Arc::new(OriginRules::default())).await.unwrap();
            // Only the name of what names the customer may change.
            for (name, _) in &mut ledger.rows {
                if name.contains("ximena.q@example.com") || name.contains("(erased ") {
                    "somebody".clone_into(name);
                }
            }
            ledger.rows.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
            ledgers.push(ledger);
        }
    }
    ledgers
}

/// Every row of every table, but for those that know this customer.
fn others(directory: &Path, id: &str) -> BTreeMap<String, Vec<String>> {
    let connection = Connection::open(directory.join("umishop.db")).unwrap();
    let id = id.parse::<UserId>().unwrap().as_bytes().to_vec();
    let theirs =
        "SELECT id FROM requests WHERE user_id = ?1 UNION SELECT id FROM messages WHERE user_id = ?1 UNION SELECT ?1";
    let mut statement = connection.prepare(theirs).unwrap();
    let theirs: Vec<Vec<u8>> = statement.query_map([&id], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let tables =
        ["users", "touches", "requests", "request_changes", "request_edits", "messages", "attempts", "captures"];
    let rows = |table: &&str| {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {table} ORDER BY rowid"))
            .or_else(|_| connection.prepare(&format!("SELECT * FROM {table}")))
            .unwrap();
        let columns = statement.column_count();
        let cells = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|index| row.get::<_, Cell>(index)).collect::<Result<Vec<_>, _>>()
        };
        let rows = statement.query_map([], cells).unwrap().map(Result::unwrap);
        let strangers =
            rows.filter(|row| !row.iter().any(|cell| matches!(cell, Cell::Blob(blob) if theirs.contains(blob))));
        ((*table).to_owned(), strangers.map(|row| format!("{row:?}")).collect())
    };
    tables.iter().map(rows).collect()
}

#[tokio::test]
async fn an_erased_customer_leaves_no_byte_behind_while_every_count_and_everybody_else_stays() {
    let app = TestApp::start().await;
    let id = long_history(&app).await;
    let (counted, strangers) = (ledgers(&app).await, others(app.directory(), &id));
    let found: BTreeSet<_> = left(app.directory()).into_iter().map(|(_, secret)| secret).collect();
    assert_eq!(found, BTreeSet::from(SECRETS), "the search finds what is there");
    let erased = erase(&app, &id).await;
    assert_eq!((&erased["log_emptied"], &erased["inbox"]), (&json!(true), &json!(1)), "{erased}");
    assert!(erased["messages"].as_u64().unwrap() > 60, "{erased}");
    assert_eq!(left(app.directory()), BTreeSet::new());
    assert_eq!(ledgers(&app).await, counted);
    assert_eq!(others(app.directory(), &id), strangers);
    assert_eq!(strangers["users"].len(), 60);
    assert_eq!(app.deliver_due().await, 0, "nothing is sent to them any more");
    // What is counted later on stays, too, and so do the requests, without words.
    let requests = app.items(&format!("/api/requests?user={id}&limit=100")).await;
    assert_eq!(requests.len(), 61);
    assert!(requests.iter().all(|request| request["question"] == "" && request["email"].is_null()), "{requests:?}");
    let user = app.api("GET", &format!("/api/users/{id}")).await.json();
    assert_eq!((&user["erased"], &user["name"], &user["messages"]), (&json!(true), &json!(""), &json!([])));
    let app = app.restart().await;
    assert_eq!((left(app.directory()), ledgers(&app).await), (BTreeSet::new(), counted));
}

#[tokio::test]
async fn who_registers_again_is_somebody_new_and_an_unsubscribed_address_stays_so() {
    let app = TestApp::start().await;
    let (first, other) =
        (register(&app, &ximena()).await, register(&app, &json!({ "name": "Eva", "email": "eva@example.com" })).await);
    for id in [&first, &other] {
        app.store().set_subscribed(id.parse().unwrap(), false, app.now()).await.unwrap().unwrap();
    }
    erase(&app, &first).await;
    assert_eq!(app.items("/api/suppressions").await.len(), 1, "the address is known to nobody");
    let again = post(&app, "/umishop_api/user", &ximena()).await;
    assert_eq!(again["status"], "created", "{again}");
    let second = id_of(&app, SECRETS[1]).await;
    assert_ne!(first, second);
    let welcome = app.items(&format!("/api/messages?user={second}")).await.remove(0);
    app.advance(MINUTE).await;
    let welcome = app.message(&welcome).await;
    assert_eq!(welcome["state"], "cancelled", "{welcome}");
    let suppressed: Vec<_> = app.items("/api/suppressions").await.iter().map(|item| item["address"].clone()).collect();
    assert_eq!(suppressed, ["eva@example.com", SECRETS[1]]);
    // It is theirs to change.
    assert!(app.store().lift_suppression(&EmailAddress::parse(SECRETS[1]).unwrap()).await.unwrap());
    erase(&app, &second).await;
    let third = register(&app, &ximena()).await;
    assert!(app.store().subscription(third.parse().unwrap()).await.unwrap().unwrap().subscribed);
}

#[tokio::test]
async fn a_message_that_is_on_its_way_when_its_customer_is_erased_brings_nothing_back() {
    let app = TestApp::start().await;
    let id = register(&app, &ximena()).await;
    app.pass(MINUTE);
    let (boot, channel) = (BootId::new(app.now()), "email.welcome".parse().unwrap());
    let claim = app.store().claim_due(&channel, boot, 1, app.now()).await.unwrap().claims.remove(0);
    erase(&app, &id).await;
    let settled = |transition, scope: &str| {
        let error = "550 <ximena.q@example.com>: nobody of this name".to_owned();
        let attempt = Attempt {
            epoch: claim.epoch,
            channel: channel.clone(),
            started_at: app.now(),
            duration_ms: 1,
            outcome: "dead".into(),
            scope: scope.to_owned(),
            error,
        };
        let settlement = Settlement { id: claim.id, attempt, transition, suppress: claim.context.email.clone() };
        app.store().settle(settlement, app.now())
    };
    let (capture, reference) = (Some(b"Hello Ximena Quetzalcoatl".to_vec()), "161808359".to_owned());
    assert!(!settled(Transition::Delivered { reference, capture }, "").await.unwrap());
    assert!(!settled(Transition::Dead, "recipient").await.unwrap());
    assert!(!settled(Transition::Again { due_at: app.now(), counted: true }, "message").await.unwrap());
    assert_eq!(app.items("/api/messages").await.len() + app.items("/api/suppressions").await.len(), 0);
    let app = app.restart().await;
    assert_eq!((left(app.directory()), app.deliver_due().await), (BTreeSet::new(), 0));
}

#[tokio::test]
async fn nobody_is_erased_by_mistake() {
    let app = TestApp::start().await;
    let id = register(&app, &ximena()).await;
    let refused = async |id: &str, confirm: &Value| -> Response {
        let token = format!("Bearer {ADMIN_TOKEN}");
        let body = confirm.to_string();
        app.send("POST", &format!("/api/users/{id}/erase"), &[("Authorization", &token)], body.as_bytes()).await
    };
    for confirm in
        [json!({}), json!({ "confirm": "eva@example.com" }), json!({ "confirm": "yes" }), json!({ "confirm": "" })]
    {
        assert_eq!(refused(&id, &confirm).await.status, 400, "{confirm}");
    }
    let nobody = UserId::new(app.now()).to_string();
    assert_eq!(refused(&nobody, &json!({ "confirm": nobody })).await.status, 404);
    assert_eq!(app.send("POST", &format!("/api/users/{id}/erase"), &[], b"{}").await.status, 401);
    assert_eq!(app.api("GET", &format!("/api/users/{id}")).await.json()["erased"], false);
    let erased = post(&app, &format!("/api/users/{id}/erase"), &json!({ "confirm": " +34612000111 " })).await;
    let listed = app.items("/api/audit").await.remove(0);
    assert_eq!((&listed["action"], &listed["target"]), (&json!("user.erase"), &json!(id)));
    app.pass(MINUTE);
    let again = erase(&app, &id).await;
    assert_eq!((&again["erased_at"], &again["messages"]), (&erased["erased_at"], &json!(0)));
}

/// Brings the backup back in the place of the app's database.
fn bring_back(directory: &Path) -> Restored {
    let (stop, mut percent) = (CancellationToken::new(), |_| {});
    let mut watch = Watch { percent: &mut percent, stop: &stop };
    let database = directory.join("umishop.db");
    restore(&directory.join("backup"), &database, true, &mut watch).unwrap()
}

#[tokio::test]
async fn a_backup_that_is_brought_back_brings_nobody_back_who_was_erased_since() {
    for lost in [false, true] {
        let app = TestApp::start().await;
        let id = long_history(&app).await;
        let counted = ledgers(&app).await;
        app.back_up("backup").await;
        erase(&app, &id).await;
        let app = app.restart_after(|directory| {
            if lost {
                std::fs::remove_file(directory.join("umishop.db")).unwrap();
            }
            assert_eq!(bring_back(directory).erased, 1);
            std::fs::remove_file(directory.join("backup")).unwrap();
        });
        let app = app.await;
        let user = app.api("GET", &format!("/api/users/{id}")).await.json();
        assert_eq!(user["erased"], true);
        assert_eq!((left(app.directory()), ledgers(&app).await), (BTreeSet::new(), counted));
    }
}

#[tokio::test]
async fn who_was_erased_is_written_down_at_the_next_start_if_a_crash_came_between() {
    let app = TestApp::start().await;
    let (id, kept) = (register(&app, &ximena()).await, "umishop.db.erased");
    erase(&app, &id).await;
    let list = std::fs::read_to_string(app.directory().join(kept)).unwrap();
    assert!(list.ends_with(&format!(" {id}\n")) && list.lines().count() == 1, "{list}");
    // Cut off in the middle, as by a loss of power.
    let app = app.restart_after(|directory| std::fs::write(directory.join(kept), &list[..30]).unwrap()).await;
    let mended = std::fs::read_to_string(app.directory().join(kept)).unwrap();
    assert_eq!(mended, format!("{}\n{list}", &list[..30]));
    let app = app.restart().await;
    assert_eq!(std::fs::read_to_string(app.directory().join(kept)).unwrap(), mended, "nobody is written down twice");
}

#[tokio::test]
async fn while_somebody_reads_an_old_state_the_log_is_kept_and_emptied_when_they_let_go() {
    let app = TestApp::start().await;
    let id = register(&app, &ximena()).await;
    let reader = Connection::open(app.directory().join("umishop.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM users").unwrap();
    assert_eq!(erase(&app, &id).await["log_emptied"], false);
    reader.execute_batch("ROLLBACK").unwrap();
    drop(reader);
    assert_eq!(erase(&app, &id).await["erased"], true);
    let app = app.restart().await;
    assert_eq!(left(app.directory()), BTreeSet::new());
}

#[tokio::test]
async fn an_export_holds_everything_about_one_customer_and_nothing_about_another() {
    let app = TestApp::start().await;
    let id = long_history(&app).await;
    let answer = app.api("GET", &format!("/api/users/{id}/export")).await;
    let attached = format!("attachment; filename=\"umishop-customer-{id}.json\"");
    assert_eq!((answer.status, answer.header("content-disposition")), (200, Some(attached.as_str())));
    let export = answer.json();
    let text = export.to_string();
    for secret in SECRETS {
        assert!(text.contains(secret), "{secret} is missing");
    }
    assert!(!text.contains("Eva") && !text.contains("other1.ximena"), "somebody else is in it");
    let length = |field: &str| export[field].as_array().unwrap().len();
    assert_eq!((length("requests"), length("touches"), length("unreadable_webhooks")), (61, 61, 1));
    assert_eq!(export["requests"][0]["changes"][0]["note"], "wrote to ximena.q@example.com");
    assert_eq!(export["requests"][0]["edits"][0]["value"], "call ximena.q@example.com");
    assert_eq!(export["requests"][0]["idempotency_key"], "612000111-0");
    assert_eq!(export["touches"][0]["origin"]["gclid"], "gclid-of-ximena-0");
    assert_eq!(export["suppression"]["cause"], "unsubscribed");
    assert_eq!(export["ledger"]["first_touch"]["source"], "google");
    let welcome = &export["messages"][0];
    assert_eq!((&welcome["purpose"], &welcome["history"][0]["outcome"]), (&json!("welcome"), &json!("delivered")));
    assert_eq!((&welcome["captured"], &welcome["says"]["email"]), (&json!(true), &json!(SECRETS[1])));
    // The same from the command line, whichever way the customer is named.
    for named in [id.as_str(), SECRETS[1], "+34612000111"] {
        let same = json_of(app.directory(), &["users", "export", named]);
        assert_eq!(same["requests"], export["requests"], "{named}");
        assert_eq!(same["user"], export["user"]);
    }
    assert_eq!(app.api("GET", &format!("/api/users/{}/export", UserId::new(app.now()))).await.status, 404);
}

#[tokio::test]
async fn the_command_line_erases_whoever_is_named_beside_the_server() {
    let app = TestApp::start().await;
    let id = register(&app, &ximena()).await;
    register(&app, &json!({ "name": "Eva", "email": "eva@example.com", "phone": "+34612000111" })).await;
    let refused = |arguments: &[&str]| {
        let (code, _, error) = run(app.directory(), arguments);
        assert_eq!(code, Some(1), "{error}");
        error
    };
    assert!(refused(&["users", "erase", SECRETS[1]]).contains("--yes"));
    assert!(refused(&["users", "erase", "+34612000111", "--yes"]).contains(&id), "two customers have this phone");
    assert!(refused(&["users", "erase", "ximena.q@example", "--yes"]).contains("no customer"));
    let erased = json_of(app.directory(), &["users", "erase", "XIMENA.Q@example.com", "--yes", "--json"]);
    assert_eq!((&erased["erased"], &erased["id"], &erased["messages"]), (&json!(true), &json!(id), &json!(1)));
    let listed = app.items("/api/audit").await.remove(0);
    assert_eq!((&listed["who"], &listed["action"]), (&json!("command line"), &json!("user.erase")));
    let users = json_of(app.directory(), &["users", "--json"]);
    let names: BTreeSet<_> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["name"].clone().to_string(), user["erased"].as_bool()))
        .collect();
    assert_eq!(names, BTreeSet::from([("\"Eva\"".to_owned(), Some(false)), ("\"\"".to_owned(), Some(true))]));
}
