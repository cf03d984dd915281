//! Welcomes over channels that do not know customers by a mail address.

use std::time::Duration;

use serde_json::{Value, json};
use umishop::domain::{Attempt, BootId, ChannelAddress, EmailAddress, Settlement, Transition};

use crate::sinks::{Entrance, HttpSink, SmtpSink};
use crate::support::TestApp;

const MINUTE: Duration = Duration::from_mins(1);

/// Welcomes by text message over `twilio`, else by mail over `mail`.
fn by_phone(twilio: &HttpSink, mail: &SmtpSink) -> String {
    format!(
        "[welcome]\nchannel = \"twilio.welcome\"\n\
         [channels.twilio.welcome]\naccount_sid = \"AC1\"\nauth_token = \"secret\"\nfrom = \"+15005550006\"\n\
         api_url = \"{}\"\nfallback = \"email.shop\"\n\
         [channels.email.shop]\nserver = \"smtp://{}\"\nfrom = \"UmiShop <hello@shop.test>\"\nto = \"care@shop.test\"\n\
         [[routes]]\nchannels = [\"email.shop\"]\n",
        twilio.url(""),
        mail.address()
    )
}

/// A receiver that answers so.
async fn twilio(status: u16, body: &Value) -> HttpSink {
    HttpSink::answering(Some((status, String::new(), body.to_string()))).await
}

async fn register(app: &TestApp, email: &str, phone: &str) {
    let answer = app.post("/umishop_api/user", &json!({ "name": "Ana", "email": email, "phone": phone })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Each message's recipient, state, and the channels it was tried over.
async fn messages(app: &TestApp) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut messages = Vec::new();
    for item in app.items("/api/messages").await {
        let message = app.message(&item).await;
        let tries = message["history"].as_array().unwrap().iter().map(|attempt| text(&attempt["channel"])).collect();
        messages.push((text(&message["recipient"]), text(&message["state"]), tries));
    }
    messages.sort();
    messages
}

#[tokio::test]
async fn a_customer_is_welcomed_wherever_they_can_be_reached() {
    let (twilio, mail) = (twilio(201, &json!({ "sid": "SM1" })).await, SmtpSink::start(Entrance::Plain).await);
    let app = TestApp::start_live(&by_phone(&twilio, &mail)).await;
    register(&app, "", "+34 612 345 678").await;
    register(&app, "eva@example.com", "").await;
    register(&app, "", "extension 12").await;
    app.advance(MINUTE).await;
    app.deliver_due().await;
    let done = |recipient: &str, tries: &[&str]| {
        (recipient.to_owned(), "delivered".to_owned(), tries.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let wanted =
        [done("+34612345678", &["twilio.welcome"]), done("eva@example.com", &["twilio.welcome", "email.shop"])];
    assert_eq!(messages(&app).await, wanted, "and nobody can write to the third");
    assert!(twilio.requests()[0].body.contains("To=%2B34612345678"), "{:?}", twilio.requests());
    assert_eq!(mail.mails().len(), 1);
}

#[tokio::test]
async fn a_number_that_takes_no_messages_says_nothing_about_the_mailbox() {
    let refusal = json!({ "code": 21614, "message": "'To' number is not a valid mobile number", "status": 400 });
    let (twilio, mail) = (twilio(400, &refusal).await, SmtpSink::start(Entrance::Plain).await);
    let app = TestApp::start_live(&by_phone(&twilio, &mail)).await;
    register(&app, "ana@example.com", "+34 912 345 678").await;
    app.advance(MINUTE).await;
    app.deliver_due().await;
    let found = messages(&app).await;
    assert_eq!(found[0].2, ["twilio.welcome", "email.shop"], "the mailbox is another address");
    assert_eq!((found[0].1.as_str(), mail.mails().len()), ("delivered", 1));
    assert!(app.items("/api/suppressions").await.is_empty());
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_says_nothing_about_the_phone() {
    let (twilio, mail) = (twilio(201, &json!({ "sid": "SM1" })).await, SmtpSink::start(Entrance::Plain).await);
    let app = TestApp::start_live(&by_phone(&twilio, &mail)).await;
    register(&app, "ana@example.com", "+34 612 345 678").await;
    app.pass(MINUTE);
    // As if a mail to the same address had come back meanwhile.
    let channel: ChannelAddress = "twilio.welcome".parse().unwrap();
    let claimed = app.store().claim_due(&channel, BootId::new(app.now()), 1, app.now()).await.unwrap();
    let claim = &claimed.claims[0];
    let attempt = Attempt {
        epoch: claim.epoch,
        channel: channel.clone(),
        started_at: app.now(),
        duration_ms: 1,
        outcome: "dead".into(),
        scope: "recipient".into(),
        error: "550 5.1.1".into(),
    };
    let transition = Transition::Again { due_at: app.now(), counted: true };
    let suppress = EmailAddress::parse("ana@example.com").ok();
    let settlement = Settlement { id: claim.id, attempt, transition, suppress };
    assert!(app.store().settle(settlement, app.now()).await.unwrap());
    app.deliver_due().await;
    let wanted = ("+34612345678".to_owned(), "delivered".to_owned(), vec!["twilio.welcome".to_owned(); 2]);
    assert_eq!(messages(&app).await, [wanted]);
    assert_eq!(app.items("/api/suppressions").await.len(), 1);
}

#[tokio::test]
async fn the_retry_of_a_text_message_lets_no_mail_through() {
    let refusal = json!({ "code": 63016, "message": "outside the allowed window", "status": 400 });
    let (twilio, mail) = (twilio(400, &refusal).await, SmtpSink::start(Entrance::Plain).await);
    let config = by_phone(&twilio, &mail).replace("fallback = \"email.shop\"\n", "");
    let app = TestApp::start_live(&config).await;
    register(&app, "perm550@example.com", "+34 612 345 678").await;
    app.advance(MINUTE).await;
    let dead = app.items("/api/messages").await.remove(0);
    assert_eq!(dead["state"], "dead", "{dead}");
    let suppressed = |claim: &umishop::domain::Claim| {
        let attempt = Attempt {
            epoch: claim.epoch,
            channel: "email.welcome".parse().unwrap(),
            started_at: app.now(),
            duration_ms: 1,
            outcome: "dead".into(),
            scope: "recipient".into(),
            error: "550 5.1.1 no such user".into(),
        };
        let suppress = EmailAddress::parse("perm550@example.com").ok();
        Settlement { id: claim.id, attempt, transition: Transition::Dead, suppress }
    };
    // Somebody else's message to the same mailbox.
    register(&app, "luz@example.com", "+34 698 765 432").await;
    app.pass(MINUTE);
    let channel: ChannelAddress = "twilio.welcome".parse().unwrap();
    let claimed = app.store().claim_due(&channel, BootId::new(app.now()), 1, app.now()).await.unwrap();
    assert!(app.store().settle(suppressed(&claimed.claims[0]), app.now()).await.unwrap());
    let id = dead["id"].as_str().unwrap();
    assert_eq!(app.api("POST", &format!("/api/messages/{id}/retry")).await.status, 200);
    assert_eq!(app.items("/api/suppressions").await.len(), 1, "it died of something else");
}
