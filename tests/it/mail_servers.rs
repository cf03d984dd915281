//! Mail over several servers: which one takes it, and when the others are asked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use umishop::channel::{Channel, kind};
use umishop::domain::{Markup, Outcome, Purpose, Rendered, Scope};

use crate::channel_contract::{message, try_open};
use crate::sinks::{CA_FILE, Entrance, SmtpSink, nobody, silent};
use crate::support::TestApp;

/// A mail channel over `first`, and over the `spare` servers, each a table.
fn channel(first: &str, spare: &[String]) -> Arc<dyn Channel> {
    let table = format!(
        "server = \"smtp://{first}\"\nfrom = \"UmiShop <hello@umishop.example>\"\nto = \"desk@umishop.example\"\nspare_servers = [{}]\n",
        spare.join(", ")
    );
    try_open(kind("email").unwrap(), &table).unwrap()
}

fn plain(address: &str) -> String {
    format!("{{ server = \"smtp://{address}\" }}")
}

fn welcome(to: &str) -> Rendered {
    message(Purpose::Welcome, to, Markup::Html)
}

fn reference(outcome: Outcome) -> String {
    match outcome {
        Outcome::Delivered { reference, .. } => reference,
        other => panic!("{other:?}"),
    }
}

/// Lets time pass on the clock that servers are left aside by.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// Always fails before anybody is named, and notes each try as a connection.
async fn down() -> SmtpSink {
    SmtpSink::answering(Entrance::Plain, Some(("greeting", "421 4.3.2 down for maintenance"))).await
}

#[tokio::test]
async fn what_the_first_server_cannot_take_goes_to_the_next_in_the_same_attempt() {
    for (stage, reply) in [
        ("greeting", "554 5.3.2 closed"),
        ("AUTH", "535 5.7.8 bad credentials"),
        ("MAIL", "550 5.7.1 sender not verified"),
        ("RCPT", "421 4.7.0 too many"),
        ("DATA", "452 4.3.1 disk full"),
        ("text", "454 Throttling failure: Daily message quota exceeded."),
    ] {
        let first = SmtpSink::answering(Entrance::Plain, Some((stage, reply))).await;
        let second = SmtpSink::start(Entrance::StartTls).await;
        let address = second.address().replace("127.0.0.1", "localhost");
        let table = format!(
            "server = \"smtp://{}\"\nusername = \"me\"\npassword = \"mine\"\nfrom = \"hello@umishop.example\"\n\
             [[spare_servers]]\nserver = \"smtp+starttls://{address}\"\nusername = \"apikey\"\npassword = \"secret\"\nca_file = \"{CA_FILE}\"\n",
            first.address()
        );
        let table = if stage == "AUTH" { table } else { table.replace("username = \"me\"\npassword = \"mine\"\n", "") };
        let channel = try_open(kind("email").unwrap(), &table).unwrap();
        let message = welcome("ana@example.com");
        let expected = format!("250 2.0.0 queued as 4711; taken by {address}");
        assert_eq!(reference(channel.deliver(&message).await), expected, "{stage}");
        assert!(first.mails().is_empty(), "{stage}");
        let composed = String::from_utf8(channel.compose(&message).unwrap()).unwrap();
        assert_eq!(second.mails()[0].text.trim_end(), composed.trim_end(), "{stage}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_silent_costs_its_own_deadline_and_no_more() {
    let (_listener, silent) = silent().await;
    for first in [nobody().await, silent] {
        let second = SmtpSink::start(Entrance::Plain).await;
        let spare = format!("spare_servers = [{}]\n", plain(&second.address()));
        let table = format!("server = \"smtp://{first}\"\nfrom = \"hello@umishop.example\"\ntimeout = \"1s\"\n{spare}");
        let channel = try_open(kind("email").unwrap(), &table).unwrap();
        let taken = reference(channel.deliver(&welcome("ana@example.com")).await);
        assert!(taken.ends_with(&format!("taken by {}", second.address())), "{taken}");
    }
}

#[tokio::test]
async fn a_server_that_failed_is_left_aside_and_preferred_again_once_it_works() {
    let (first, second) = (down().await, SmtpSink::start(Entrance::Plain).await);
    let channel = channel(&first.address(), &[plain(&second.address())]);
    let message = welcome("ana@example.com");
    for _ in 0..5 {
        assert!(reference(channel.deliver(&message).await).contains("taken by"));
    }
    assert_eq!(first.connections(), 1, "it was asked once");
    pass(30).await;
    assert!(reference(channel.deliver(&message).await).contains("taken by"));
    assert_eq!(first.connections(), 2, "it was asked again");
    first.mend();
    pass(59).await;
    assert!(reference(channel.deliver(&message).await).contains("taken by"));
    assert_eq!(first.connections(), 2, "the pause has grown");
    pass(1).await;
    for mails in 1..=3 {
        assert_eq!(reference(channel.deliver(&message).await), "250 2.0.0 queued as 4711");
        assert_eq!((first.mails().len(), second.mails().len()), (mails, 7));
    }
}

#[tokio::test]
async fn what_a_server_says_of_the_mail_or_its_recipient_is_final() {
    for (to, word, scope) in [
        ("perm550@example.com", "dead", Scope::Recipient),
        ("full552@example.com", "retry", Scope::Recipient),
        ("grey451@example.com", "retry", Scope::Message),
        ("data554@example.com", "dead", Scope::Message),
    ] {
        let (first, second) = (SmtpSink::start(Entrance::Plain).await, SmtpSink::start(Entrance::Plain).await);
        let channel = channel(&first.address(), &[plain(&second.address())]);
        let outcome = channel.deliver(&welcome(to)).await;
        assert_eq!((outcome.word(), outcome.scope()), (word, Some(scope)), "{to}: {outcome:?}");
        assert_eq!(reference(channel.deliver(&welcome("ana@example.com")).await), "250 2.0.0 queued as 4711", "{to}");
        assert_eq!(second.connections(), 0, "{to}");
    }
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_goes_to_no_other_server_but_the_next_mail_does() {
    let (first, second) = (SmtpSink::start(Entrance::Plain).await, SmtpSink::start(Entrance::Plain).await);
    let channel = channel(&first.address(), &[plain(&second.address())]);
    let outcome = channel.deliver(&welcome("dropafter@example.com")).await;
    assert_eq!(outcome.word(), "unknown", "{outcome:?}");
    assert_eq!((first.mails().len(), second.connections()), (1, 0));
    assert!(reference(channel.deliver(&welcome("ana@example.com")).await).contains("taken by"));
}

#[tokio::test]
async fn when_all_fail_each_is_named_and_what_to_do_comes_first() {
    let (first, second) = (down().await, SmtpSink::start(Entrance::Plain).await);
    let login = "username = \"apikey\", password = \"wrong-horse\"";
    let refusing = format!("{{ server = \"smtp://{}\", {login} }}", second.address());
    let outcome = channel(&first.address(), &[refusing]).deliver(&welcome("ana@example.com")).await;
    let Outcome::Dead { scope: Scope::Channel, why, hint } = &outcome else { panic!("{outcome:?}") };
    let expected = format!(
        "{}: opening the connection: 421 4.3.2 down for maintenance; {}: AUTH: 535 5.7.8 bad credentials",
        first.address(),
        second.address()
    );
    assert_eq!(*why, expected);
    assert!(hint.starts_with(&format!("{}: check `username`", second.address())), "{hint}");

    let third = down().await;
    let channel = channel(&first.address(), &[plain(&third.address())]);
    let outcome = channel.deliver(&welcome("ana@example.com")).await;
    assert!(matches!(&outcome, Outcome::Retry { scope: Scope::Channel, after: None, .. }), "{outcome:?}");
    assert!(outcome.explanation().contains(&third.address()), "{outcome:?}");
    // Both are left aside; the next attempt asks them all the same.
    third.mend();
    assert!(reference(channel.deliver(&welcome("ana@example.com")).await).contains("taken by"));
    assert_eq!((first.connections(), third.connections()), (3, 2));
}

#[tokio::test]
async fn an_answer_that_another_server_gave_says_which_one() {
    let (first, second) = (down().await, SmtpSink::start(Entrance::Plain).await);
    let channel = channel(&first.address(), &[plain(&second.address())]);
    let outcome = channel.deliver(&welcome("perm550@example.com")).await;
    assert_eq!((outcome.word(), outcome.scope()), ("dead", Some(Scope::Recipient)));
    let expected = format!("{}: RCPT TO: 550 5.1.1 no such user", second.address());
    assert!(outcome.explanation().starts_with(&expected), "{outcome:?}");
}

#[tokio::test]
async fn a_check_asks_every_server_and_sends_nothing() {
    let good = SmtpSink::start(Entrance::Pipelining).await;
    let refusing = SmtpSink::answering(Entrance::Plain, Some(("MAIL", "550 5.7.1 sender not verified"))).await;
    let (gone, down) = (nobody().await, down().await);
    let spare = [plain(&refusing.address()), plain(&gone), plain(&down.address())];
    let checked = channel(&good.address(), &spare).check().await;
    let addresses = [good.address(), refusing.address(), gone, down.address()];
    let asked: Vec<_> = checked.iter().map(|checked| checked.what.clone()).collect();
    assert_eq!(asked, addresses);
    assert_eq!(checked[0].outcome, Outcome::delivered("hello@umishop.example"));
    for (checked, (word, told)) in checked[1..].iter().zip([
        ("dead", "MAIL FROM: 550 5.7.1 sender not verified (the server does not let you send as `from`"),
        ("retry", "refused"),
        ("retry", "421 4.3.2"),
    ]) {
        assert_eq!((checked.outcome.word(), checked.outcome.scope()), (word, Some(Scope::Channel)), "{checked:?}");
        assert!(checked.outcome.explanation().contains(told), "{checked:?}");
    }
    assert!(good.mails().is_empty() && good.connections() == 1);
}

#[tokio::test]
async fn a_shop_whose_mail_server_is_down_greets_its_customers_over_the_next() {
    let (first, second) = (down().await, SmtpSink::start(Entrance::Plain).await);
    let app = TestApp::start_live(&format!(
        "[channels.email.welcome]\nserver = \"smtp://{}\"\nfrom = \"hello@shop.test\"\nspare_servers = [{}]\n\
         [channels.email.sales]\nto = \"sales@shop.test\"\n[[routes]]\nchannels = [\"email.sales\"]\n",
        first.address(),
        plain(&second.address())
    ))
    .await;
    app.register("Ana", "ana@example.com").await;
    app.ask("Sales", "How much?").await;
    assert_eq!(app.advance(Duration::from_mins(1)).await, 2);
    for message in app.items("/api/messages").await {
        assert_eq!((&message["state"], &message["attempts"]), (&json!("delivered"), &json!(1)), "{message}");
        let reference = message["reference"].as_str().unwrap();
        assert!(reference.ends_with(&format!("taken by {}", second.address())), "{reference}");
    }
    let to: Vec<_> = second.mails().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to.len(), 2, "the channel that shares the server shares the spare one: {to:?}");
    assert_eq!(app.items("/api/channels").await.iter().filter(|channel| channel["trouble"].is_object()).count(), 0);
}
