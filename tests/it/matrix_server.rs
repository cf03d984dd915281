//! Messages to a real Matrix server, read back from the room that they went to.
//!
//! `tests/peers/matrix/server` starts that server, which takes Python and a package index. So these tests run where the
//! environment names one, as in `.ci/run`; elsewhere they say that they were left out.

use std::sync::Arc;

use serde_json::{Value, json};
use umishop::channel::{Channel, kind};
use umishop::domain::{MessageId, Outcome, Purpose, Rendered, Scope};

use crate::channel_contract::{message, try_open};
use crate::client::{Response, send};
use crate::messengers::{asked, endless};
use crate::support::{TestApp, left_out};

/// A server that `tests/peers/matrix/server start` has started.
struct Server {
    address: String,
    token: String,
    slow: String,
    room: String,
    strange: String,
}

impl Server {
    /// The one that the environment names. `None`, and said aloud: it names none.
    fn find() -> Option<Self> {
        let server = Self::of_environment();
        if server.is_none() {
            left_out(
                "it needs a real Matrix server: run .ci/run, or `just matrix cargo test --test it -- matrix_server`",
            );
        }
        server
    }

    fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("UMISHOP_TEST_MATRIX_{name}")).ok();
        Some(Self {
            address: variable("SERVER")?,
            token: variable("TOKEN")?,
            slow: variable("SLOW")?,
            room: variable("ROOM")?,
            strange: variable("STRANGE")?,
        })
    }

    fn table(&self, token: &str, room: &str) -> String {
        format!("homeserver = \"{}\"\ntoken = \"{token}\"\nroom = \"{room}\"", self.address)
    }

    /// A channel as this user, into this room.
    fn channel(&self, token: &str, room: &str) -> Arc<dyn Channel> {
        try_open(kind("matrix").unwrap(), &self.table(token, room)).unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        let address = self.address.strip_prefix("http://").unwrap().parse().unwrap();
        let login = format!("Bearer {}", self.token);
        send(address, "GET", &format!("/_matrix/client/v3/{path}"), &[("Authorization", &login)], b"").await
    }

    /// The event of this name, as the server hands it to those in the room.
    async fn event(&self, name: &str) -> Value {
        let response = self.get(&format!("rooms/{}/event/{name}", self.room)).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    }

    /// The last messages in the room, the newest first.
    async fn last(&self, count: usize) -> Vec<Value> {
        let response = self.get(&format!("rooms/{}/messages?dir=b&limit={count}", self.room)).await;
        response.json()["chunk"].as_array().unwrap().clone()
    }
}

fn request(channel: &Arc<dyn Channel>) -> Rendered {
    message(Purpose::Request, "ana@example.com", channel.markup())
}

fn reference(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Delivered { reference, .. } => reference,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_question_stands_in_the_room_as_text_and_as_html_and_calls_nobody() {
    let Some(server) = Server::find() else { return };
    let app = TestApp::start_live(&format!(
        "[welcome]\nchannel = \"\"\n[channels.matrix.desk]\n{}\n[[routes]]\nchannels = [\"matrix.desk\"]\n",
        server.table(&server.token, &server.room)
    ))
    .await;
    let body = json!({
        "name": "Zoë <b>Ñandú</b>", "email": "zoe@shop.test", "topic": "Envíos", "question": "¿@room?\n<a href=\"https://e.test\">& so on</a>",
        "chat_uuid": "0123-abcd-4567",
    });
    assert_eq!(app.post("/umishop_api/topic", &body).await.json()["status"], "queued");
    assert_eq!(app.deliver_due().await, 1);
    let messages = app.items("/api/messages").await;
    assert_eq!((&messages[0]["state"], &messages[0]["attempts"]), (&json!("delivered"), &json!(1)), "{messages:?}");

    let event = server.event(messages[0]["reference"].as_str().unwrap()).await;
    assert_eq!((&event["type"], &event["sender"]), (&json!("m.room.message"), &json!("@umishop:shop.test")));
    let content = &event["content"];
    assert_eq!((&content["msgtype"], &content["m.mentions"]), (&json!("m.text"), &json!({})));
    let text = content["body"].as_str().unwrap();
    assert!(text.starts_with("Envíos: Zoë <b>Ñandú</b> asks for help\n\n"), "{text}");
    assert!(text.contains("> ¿@room?\n> <a href=\"https://e.test\">& so on</a>"), "{text}");
    assert_eq!(content["format"], "org.matrix.custom.html");
    let html = content["formatted_body"].as_str().unwrap();
    let quoted = "<blockquote>¿@room?<br>&lt;a href=&quot;https://e.test&quot;&gt;&amp; so on&lt;/a&gt;</blockquote>";
    assert!(html.contains(quoted), "{html}");
    assert!(html.contains("<b>Zoë &lt;b&gt;Ñandú&lt;/b&gt;</b> asks for help with <b>Envíos</b>"), "{html}");
    assert!(html.ends_with("<a href=\"https://app.landbot.io/gui/chats_v4/0123-abcd-4567\">Open chat</a>"), "{html}");
}

#[tokio::test]
async fn the_same_message_twice_is_one_event() {
    let Some(server) = Server::find() else { return };
    let channel = server.channel(&server.token, &server.room);
    let message = request(&channel);
    let first = channel.deliver(&message).await;
    assert!(reference(&first).starts_with('$'), "{first:?}");
    assert_eq!(channel.deliver(&message).await, first);
    // Opened anew, as after a restart.
    assert_eq!(server.channel(&server.token, &server.room).deliver(&message).await, first);
    let another = Rendered { id: MessageId::from_bytes([9; 16]), ..message };
    assert_ne!(channel.deliver(&another).await, first);
    let names = server.last(100).await;
    assert_eq!(names.iter().filter(|event| event["event_id"] == reference(&first)).count(), 1);
}

#[tokio::test]
async fn the_longest_questions_fit_into_an_event() {
    let Some(server) = Server::find() else { return };
    let channel = server.channel(&server.token, &server.room);
    for (index, question) in endless().into_iter().enumerate() {
        let id = MessageId::from_bytes([u8::try_from(index).unwrap() + 100; 16]);
        let question = Rendered { id, ..asked(&channel, &"Ñ\"".repeat(60), &question) };
        let outcome = channel.deliver(&question).await;
        let event = server.event(reference(&outcome)).await;
        let text = event["content"]["body"].as_str().unwrap();
        assert!(text.ends_with("The end") || text.ends_with("in umishop's console."), "question {index}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_the_channels_fault_and_a_wrong_room_the_destinations() {
    let Some(server) = Server::find() else { return };
    let (token, room) = (server.token.as_str(), server.room.as_str());
    for (token, room, scope, told) in [
        ("syt_correct-horse", room, Scope::Channel, "M_UNKNOWN_TOKEN"),
        (token, server.strange.as_str(), Scope::Destination, "M_FORBIDDEN"),
        (token, "!nobody:shop.test", Scope::Destination, "`room`"),
        (token, "!a/../b", Scope::Destination, "`room`"),
    ] {
        let channel = server.channel(token, room);
        let outcome = channel.deliver(&request(&channel)).await;
        assert_eq!((outcome.word(), outcome.scope()), ("dead", Some(scope)), "{room}: {outcome:?}");
        assert!(
            outcome.explanation().contains(told) && !outcome.explanation().contains("correct-horse"),
            "{outcome:?}"
        );
    }
    let elsewhere = format!("homeserver = \"{}/chat\"\ntoken = \"{token}\"\nroom = \"{room}\"", server.address);
    let channel = try_open(kind("matrix").unwrap(), &elsewhere).unwrap();
    let outcome = channel.deliver(&request(&channel)).await;
    assert_eq!((outcome.word(), outcome.scope()), ("dead", Some(Scope::Channel)), "{outcome:?}");
    assert!(outcome.explanation().contains("well-known"), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_has_enough_says_how_long_to_wait() {
    let Some(server) = Server::find() else { return };
    let channel = server.channel(&server.slow, &server.room);
    for attempt in 1_u8..10 {
        let message = Rendered { id: MessageId::from_bytes([attempt; 16]), ..request(&channel) };
        match channel.deliver(&message).await {
            Outcome::Delivered { .. } => {}
            Outcome::Retry { scope: Scope::Channel, after: Some(after), why } => {
                // Its bucket holds three, and drops one every ten seconds; what it counts beside messages is its own.
                assert!(attempt > 1 && after.as_secs() < 11 && !after.is_zero(), "attempt {attempt}: {after:?}");
                return assert!(why.contains("M_LIMIT_EXCEEDED"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("nine messages at once are not too many");
}

#[tokio::test]
async fn the_server_is_asked_who_we_are_without_a_message() {
    let Some(server) = Server::find() else { return };
    let checked = server.channel(&server.token, &server.room).check().await;
    assert_eq!(checked[0].outcome, Outcome::delivered("@umishop:shop.test"));
    let checked = server.channel("syt_correct-horse", &server.room).check().await;
    assert_eq!((checked[0].outcome.word(), checked[0].outcome.scope()), ("dead", Some(Scope::Channel)));
}
