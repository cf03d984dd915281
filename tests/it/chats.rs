//! Chat services beside Slack: what each asks of its receiver, over real sockets.

use std::sync::Arc;

use umishop::channel::{Channel, kind};
use umishop::domain::{Outcome, Purpose, Rendered};

use crate::channel_contract::{message, try_open};
use crate::sinks::HttpSink;

fn open(kind_name: &str, table: &str) -> Arc<dyn Channel> {
    try_open(kind(kind_name).unwrap(), table).unwrap()
}

fn request(channel: &Arc<dyn Channel>) -> Rendered {
    message(Purpose::Request, "ana@example.com", channel.markup())
}

fn body(sink: &HttpSink, index: usize) -> serde_json::Value {
    serde_json::from_str(&sink.requests()[index].body).unwrap()
}

#[tokio::test]
async fn rocket_chat_is_asked_about_a_webhook_without_a_post() {
    let sink = HttpSink::start().await;
    let channel = open("rocket_chat", &format!("webhook_url = \"{}\"", sink.url("/chat/hooks/64f0c1/correct-horse")));
    let checked = channel.check().await;
    assert_eq!((checked.len(), checked[0].what.as_str()), (1, "127.0.0.1"));
    assert_eq!(checked[0].outcome, Outcome::delivered(""));
    let asked = &sink.requests()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/chat/hooks/sample/64f0c1/correct-horse"));
}

#[tokio::test]
async fn rocket_chat_posts_into_the_channel_that_is_named() {
    let sink = HttpSink::answering(Some((200, String::new(), r#"{"success":true}"#.to_owned()))).await;
    let webhook = format!("webhook_url = \"{}\"", sink.url("/hooks/64f0c1/correct-horse"));
    for (table, named) in [(webhook.clone(), None), (format!("{webhook}\nchannel = \"#sales\""), Some("#sales"))] {
        let channel = open("rocket_chat", &table);
        assert_eq!(channel.deliver(&request(&channel)).await, Outcome::delivered(""));
        assert_eq!(body(&sink, sink.requests().len() - 1)["channel"].as_str(), named);
    }
}

#[tokio::test]
async fn discord_is_asked_to_wait_and_posts_into_the_thread_that_is_named() {
    let sink = HttpSink::answering(Some((200, String::new(), r#"{"id":"77","name":"Shop"}"#.to_owned()))).await;
    let webhook = sink.url("/api/webhooks/12/correct-horse-battery");
    for (table, path) in [
        (format!("webhook_url = \"{webhook}\""), "/api/v10/webhooks/12/correct-horse-battery?wait=true"),
        (
            format!("webhook_url = \"{webhook}\"\nthread_id = 99"),
            "/api/v10/webhooks/12/correct-horse-battery?wait=true&thread_id=99",
        ),
        (
            format!("webhook_url = \"{webhook}/slack?wait=false&thread_id=98\""),
            "/api/v10/webhooks/12/correct-horse-battery?wait=true&thread_id=98",
        ),
    ] {
        let channel = open("discord", &table);
        assert_eq!(channel.deliver(&request(&channel)).await, Outcome::delivered("77"));
        assert_eq!(sink.requests().last().unwrap().path, path);
    }
    assert_eq!(body(&sink, 0)["allowed_mentions"], serde_json::json!({"parse": []}));

    let checked = open("discord", &format!("webhook_url = \"{webhook}\"")).check().await;
    assert_eq!(checked[0].outcome, Outcome::delivered("the webhook Shop"));
    let asked = sink.requests().pop().unwrap();
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/api/v10/webhooks/12/correct-horse-battery"));
}

#[test]
fn a_setting_that_cannot_be_is_refused_at_its_key() {
    for (kind_name, table, key, complaint) in [
        ("discord", "webhook_url = \"https://discord.com/channels/1/2\"", "webhook_url", "NUMBER/TOKEN"),
        (
            "discord",
            "webhook_url = \"https://discord.com/api/webhooks/1/x\"\nthread_id = \"sales\"",
            "thread_id",
            "Copy Thread ID",
        ),
        ("rocket_chat", "webhook_url = \"hooks/1\"", "webhook_url", "no web address"),
    ] {
        let error = try_open(kind(kind_name).unwrap(), table).err().unwrap();
        assert_eq!(error.path.first().map(String::as_str), Some(key), "{kind_name}: {error}");
        assert!(error.to_string().contains(complaint), "{kind_name}: {error}");
    }
}
