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
