//! Customers who want no more mail, and those who ask before their welcome is sent.

use std::time::Duration;

use mail_parser::MessageParser;
use serde_json::{Value, json};

use crate::client::Response;
use crate::mail::Letter;
use crate::sinks::{Entrance, HttpSink, SmtpSink};
use crate::support::TestApp;

const MINUTE: Duration = Duration::from_mins(1);

/// Welcomes and questions over this server, for a shop that customers reach at `public_url`.
pub(crate) fn shop(server: &str, public_url: &str) -> String {
    let table = |name: &str, more: &str| {
        format!(
            "[channels.email.{name}]\nserver = \"smtp://{server}\"\nfrom = \"UmiShop <hello@shop.test>\"\nretry = [\"1m\"]\n{more}\n"
        )
    };
    let (welcome, sales) = (table("welcome", ""), table("sales", "to = \"sales@shop.test\""));
    format!(
        "[server]\npublic_url = \"{public_url}\"\n{welcome}{sales}[[routes]]\ntopic = \"Sales\"\nchannels = [\"email.sales\"]\n\
         [[routes]]\nchannels = [\"email.sales\"]\n"
    )
}

pub(crate) const HERE: &str = "http://127.0.0.1:8000";

/// What stands in a header of a mail, unfolded.
fn header(mail: &str, name: &str) -> Option<String> {
    let mail = MessageParser::default().parse(mail.as_bytes()).unwrap();
    mail.header_raw(name).map(|raw| raw.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The path of the page that a mail leads to.
fn page_of(mail: &str) -> String {
    let named = header(mail, "List-Unsubscribe").unwrap();
    named.strip_prefix(&format!("<{HERE}")).and_then(|rest| rest.strip_suffix('>')).unwrap().to_owned()
}

async fn post(app: &TestApp, page: &str, form: &str) -> Response {
    app.send("POST", page, &[("Content-Type", "application/x-www-form-urlencoded")], form.as_bytes()).await
}

/// The page of a customer who registered just now and is welcomed in a minute.
pub(crate) async fn page_before_the_welcome(app: &TestApp) -> (Value, String) {
    let message = app.items("/api/messages?purpose=welcome").await.remove(0);
    let text = app.message(&message).await["text"].as_str().unwrap().to_owned();
    (message, page_of(&text))
}

#[tokio::test]
async fn a_welcome_says_how_to_get_no_more_mail_to_people_and_to_their_programs() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&shop(&sink.address(), HERE)).await;
    app.register("Ana", "ana@example.com").await;
    app.advance(MINUTE).await;
    let mail = sink.mails()[0].text.clone();
    assert_eq!(header(&mail, "List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    let address = format!("{HERE}{}", page_of(&mail));
    let letter = Letter::read(&mail);
    let html = letter.html.replace("&#x2f;", "/");
    assert!(
        letter.text.ends_with(&format!("{address}\n")) && html.contains(&format!("href=\"{address}\"")),
        "{letter:?}"
    );
    app.ask("Sales", "How much?").await;
    app.deliver_due().await;
    assert_eq!(header(&sink.mails()[1].text, "List-Unsubscribe"), None, "not to the shop's own people");
}

#[tokio::test]
async fn mail_names_no_address_that_customers_cannot_reach_safely() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    for public_url in ["", "http://shop.example", "http://127.0.0.1.shop.example"] {
        let app = TestApp::start_live(&shop(&sink.address(), public_url)).await;
        app.register("Ana", "ana@example.com").await;
        app.advance(MINUTE).await;
        let mail = sink.mails().pop().unwrap().text;
        assert_eq!(header(&mail, "List-Unsubscribe"), None, "{public_url}");
        assert!(!mail.contains("unsubscribe/"), "{mail}");
    }
    let app = TestApp::start_live(&shop(&sink.address(), "https://shop.example/umi/")).await;
    app.register("Ana", "ana@example.com").await;
    app.advance(MINUTE).await;
    let named = header(&sink.mails().pop().unwrap().text, "List-Unsubscribe").unwrap();
    assert!(named.starts_with("<https://shop.example/umi/unsubscribe/"), "{named}");
}

#[tokio::test]
async fn the_same_over_sendgrid_and_a_chat_is_not_bothered_with_it() {
    let welcome_over = async |table: &str| {
        let config = format!("[server]\npublic_url = \"{HERE}\"\n[welcome]\nchannel = \"{table}\n");
        let app = TestApp::start_with(&config).await;
        let body =
            json!({ "name": "Ana", "email": "ana@example.com", "phone": "612 345 678", "landbot_customer_id": 7 });
        app.post("/umishop_api/user", &body).await;
        let message = app.items("/api/messages?purpose=welcome").await.remove(0);
        app.message(&message).await["text"].as_str().unwrap().to_owned()
    };
    let mail =
        welcome_over("sendgrid.welcome\"\n[channels.sendgrid.welcome]\napi_key = \"SG.1\"\nfrom = \"hello@shop.test\"")
            .await;
    let body: Value = serde_json::from_str(mail.split_once("\r\n\r\n").unwrap().1).unwrap();
    let headers = &body["headers"];
    assert_eq!(headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click", "{body}");
    assert!(headers["List-Unsubscribe"].as_str().unwrap().starts_with(&format!("<{HERE}/unsubscribe/")), "{body}");
    let chat = welcome_over("landbot.customer\"\n[channels.landbot.customer]\ntoken = \"secret\"").await;
    assert!(chat.contains("UmiShop") && !chat.contains("unsubscribe"), "{chat}");
}

#[tokio::test]
async fn looking_at_the_page_changes_nothing_and_its_buttons_do() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&shop(&sink.address(), HERE)).await;
    app.register("Ana", "ana@example.com").await;
    app.advance(MINUTE).await;
    let page = page_of(&sink.mails()[0].text);

    let looked = app.get(&page).await;
    assert_eq!((looked.status, looked.header("cache-control")), (200, Some("no-store")));
    assert_eq!(looked.header("referrer-policy"), Some("no-referrer"));
    let policy = looked.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("script"), "{policy}");
    assert!(looked.header("set-cookie").is_none() && !looked.body.contains("ana@"), "{looked:?}");
    assert!(looked.body.contains("lang=\"es\"") && looked.body.contains("Darme de baja"), "her phone is Spanish");
    assert!(app.items("/api/suppressions").await.is_empty());

    let ended = post(&app, &page, "subscription=end").await;
    assert!(ended.status == 200 && ended.body.contains("Te hemos dado de baja"), "{ended:?}");
    let suppressed = app.items("/api/suppressions").await;
    assert_eq!(
        (&suppressed[0]["address"], &suppressed[0]["cause"], &suppressed[0]["reason"]),
        (&json!("ana@example.com"), &json!("unsubscribed"), &json!("the customer unsubscribed"))
    );
    app.pass(MINUTE);
    assert_eq!(post(&app, &page, "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(app.items("/api/suppressions").await, suppressed, "once is enough");
    assert!(app.get(&page).await.body.contains("Volver a suscribirme"));

    let again = post(&app, &page, "subscription=again").await;
    assert!(again.body.contains("Vuelves a estar en la lista"), "{again:?}");
    assert!(app.items("/api/suppressions").await.is_empty());
}

#[tokio::test]
async fn a_mail_program_unsubscribes_whatever_the_form_that_it_sends() {
    let app = TestApp::start_with(&format!("[server]\npublic_url = \"{HERE}\"")).await;
    app.register("Ana", "ana@example.com").await;
    let (_, page) = page_before_the_welcome(&app).await;
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    for (content_type, body) in [
        ("multipart/form-data; boundary=x", multipart.to_owned()),
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click".to_owned()),
        ("text/plain", String::new()),
        ("application/x-www-form-urlencoded", format!("{}&subscription=again", "x".repeat(20_000))),
    ] {
        assert_eq!(post(&app, &page, "subscription=again").await.status, 200);
        assert!(app.items("/api/suppressions").await.is_empty());
        assert_eq!(app.send("POST", &page, &[("Content-Type", content_type)], body.as_bytes()).await.status, 200);
        assert_eq!(app.items("/api/suppressions").await.len(), 1, "{content_type}");
    }
}

#[tokio::test]
async fn a_token_that_is_nobodys_is_told_nothing_and_does_nothing() {
    let app = TestApp::start_with(&format!("[server]\npublic_url = \"{HERE}\"\n[templates]\nlanguage = \"es\"")).await;
    app.register("Ana", "ana@example.com").await;
    let (_, page) = page_before_the_welcome(&app).await;
    let mut changed = page.clone();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    for wrong in [changed.as_str(), "/unsubscribe/x", &page[..page.len() - 1]] {
        for answer in [app.get(wrong).await, post(&app, wrong, "").await] {
            assert!(answer.status == 404 && answer.body.contains("Este enlace no lleva"), "{wrong} {answer:?}");
        }
    }
    assert!(app.items("/api/suppressions").await.is_empty());
    let refused = app.send("DELETE", &page, &[], b"").await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, POST")));
    // The links of old mails go on working.
    let app = app.restart().await;
    assert_eq!(app.get(&page).await.status, 200);
}

#[tokio::test]
async fn who_unsubscribes_gets_nothing_more_and_is_still_answered() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&shop(&sink.address(), HERE)).await;
    app.register("Ana", "grey451@example.com").await;
    let (welcome, page) = page_before_the_welcome(&app).await;
    app.advance(MINUTE).await;
    assert_eq!((&app.message(&welcome).await["state"], sink.mails().len()), (&json!("pending"), 0));

    post(&app, &page, "List-Unsubscribe=One-Click").await;
    app.advance(2 * MINUTE).await;
    let called_off = app.message(&welcome).await;
    assert_eq!((&called_off["state"], sink.mails().len()), (&json!("cancelled"), 0));
    let why = called_off["last_error"].as_str().unwrap();
    assert!(why.starts_with("not sent: the customer unsubscribed at 2026-11-24T09:31:00"), "{why}");

    // An operator's retry does not know better than the customer.
    app.api("POST", &format!("/api/messages/{}/retry", welcome["id"].as_str().unwrap())).await;
    app.deliver_due().await;
    app.api("POST", &format!("/api/messages/{}/retry", welcome["id"].as_str().unwrap())).await;
    app.deliver_due().await;
    let left = app.message(&welcome).await;
    assert_eq!((&left["state"], sink.mails().len()), (&json!("cancelled"), 0), "nobody must look after it");
    let why = left["last_error"].as_str().unwrap();
    assert!(why.starts_with("not sent: the customer unsubscribed at 2026-11-24T09:31:00"), "{why}");

    let body = json!({ "topic": "Sales", "question": "How much?", "email": "grey451@example.com" });
    assert_eq!(app.post("/umishop_api/topic", &body).await.status, 200);
    app.deliver_due().await;
    assert_eq!(sink.mails()[0].to, ["sales@shop.test"]);

    post(&app, &page, "subscription=again").await;
    app.api("POST", &format!("/api/messages/{}/retry", welcome["id"].as_str().unwrap())).await;
    app.deliver_due().await;
    assert_eq!(sink.mails()[1].to, ["grey451@example.com"]);
}

#[tokio::test]
async fn who_subscribes_again_before_the_welcome_is_due_gets_it() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&shop(&sink.address(), HERE)).await;
    app.register("Ana", "ana@example.com").await;
    let (welcome, page) = page_before_the_welcome(&app).await;
    for wish in ["subscription=end", "subscription=again"] {
        assert_eq!(post(&app, &page, wish).await.status, 200);
    }
    app.advance(MINUTE).await;
    assert_eq!((&app.message(&welcome).await["state"], sink.mails().len()), (&json!("delivered"), 1));
}

#[tokio::test]
async fn who_asks_before_the_welcome_is_sent_gets_one_mail_for_both() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&shop(&sink.address(), HERE)).await;
    let register = json!({ "name": "Ana", "email": "ana@example.com", "language": "en" });
    app.post("/umishop_api/user", &register).await;
    app.pass(Duration::from_secs(30));
    let first = app.ask("Sales", "How much?\nAnd <b>when</b>?").await.json();
    assert_eq!(app.ask("Sales", "How much?\nAnd <b>when</b>?").await.json()["id"], first["id"]);
    assert_eq!(app.advance(Duration::from_secs(30)).await, 2);

    let mails = sink.mails();
    let [question, welcome] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!((&question.to[..], &welcome.to[..]), (&["sales@shop.test".into()][..], &["ana@example.com".into()][..]));
    let letter = Letter::read(&welcome.text);
    assert_eq!(letter.subject, "Welcome to UmiShop, Ana");
    assert!(letter.text.contains("Your question about Sales has arrived, too."), "{}", letter.text);
    // Anybody can give somebody else's address to the bot: no words of theirs are mailed to it.
    assert!(!letter.text.contains("How much?") && !letter.html.contains("How much?"), "{}", letter.text);
    assert!(!letter.text.contains("Whenever you have a question"), "{}", letter.text);

    app.ask("Sales", "And by bike?").await;
    app.advance(MINUTE).await;
    assert_eq!(sink.mails().len(), 3, "a later question brings no second welcome");
}

#[tokio::test]
async fn a_welcome_that_was_tried_once_says_the_same_on_every_attempt() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let app = TestApp::start_live(&shop(&sink.address(), HERE)).await;
    app.register("Ana", "grey451@example.com").await;
    app.advance(MINUTE).await;
    let tried = app.items("/api/messages?purpose=welcome").await.remove(0);
    let before = app.message(&tried).await["text"].clone();
    let body = json!({ "topic": "Sales", "question": "How much?", "email": "grey451@example.com" });
    app.post("/umishop_api/topic", &body).await;
    assert_eq!(app.message(&tried).await["text"], before);
    app.advance(2 * MINUTE).await;
    assert_eq!(app.message(&tried).await["state"], "delivered");
}

#[tokio::test]
async fn a_welcome_over_a_mail_services_api_brings_its_link_along() {
    let sink = HttpSink::start().await;
    let app = TestApp::start_live(&format!(
        "[server]\npublic_url = \"https://shop.test\"\n[channels.http.mail]\nurl = \"{}\"\ncustomers = \"email\"\n\
         private_networks = [\"127.0.0.1\"]\nbody = '{{\"to\": {{{{ email | tojson }}}}, \"stop\": {{{{ unsubscribe_url | tojson }}}}}}'\n\
         [welcome]\nchannel = \"http.mail\"\n[[routes]]\nchannels = [\"http.mail\"]\n",
        sink.url("/send")
    ))
    .await;
    app.register("Ana", "ana@example.com").await;
    app.advance(MINUTE).await;
    let sent: serde_json::Value = serde_json::from_str(&sink.requests()[0].body).unwrap();
    assert_eq!(sent["to"], "ana@example.com");
    assert!(sent["stop"].as_str().unwrap().starts_with("https://shop.test/unsubscribe/"), "{sent}");
    assert!(!app.post("/umishop_api/user", &json!({ "phone": "612 345 678" })).await.json()["id"].is_null());
    app.advance(MINUTE).await;
    assert_eq!(sink.requests().len(), 1, "who has no mail address is not reached this way");
}
