//! What Teams, Google Chat, ntfy and Matrix are sent: nothing that a stranger wrote works there, and all of it fits.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use umishop::channel::{Channel, kind};
use umishop::domain::{About, Context, MessageId, Outcome, Purpose, Rendered, Timestamp, UserId};
use umishop::render::{Draft, Renderer, Texts};

use crate::channel_contract::{refused_at, try_open};
use crate::sinks::HttpSink;

fn open(kind_name: &str, table: &str) -> Arc<dyn Channel> {
    try_open(kind(kind_name).unwrap(), table).unwrap_or_else(|error| panic!("{kind_name}: {error}"))
}

fn example(kind_name: &str) -> Arc<dyn Channel> {
    open(kind_name, kind(kind_name).unwrap().example)
}

/// What a stranger asks, as `channel` gets it; always under the same names.
pub(crate) fn asked(channel: &Arc<dyn Channel>, name: &str, question: &str) -> Rendered {
    let context = Context {
        name: name.into(),
        topic: name.into(),
        question: question.into(),
        chat_uuid: "0123-abcd-4567".into(),
        ..Context::default()
    };
    let created_at = Timestamp::from_millis(1_795_509_000_000);
    let about = About { user: Some(UserId::from_bytes([3; 16])), ..About::default() };
    let draft =
        Draft { id: MessageId::from_bytes([7; 16]), created_at, purpose: Purpose::Request, about, context: &context };
    let texts = Texts { public_url: "https://shop.example".into(), ..Texts::default() };
    Renderer::new(texts).unwrap().render(draft, &"email.sales".parse().unwrap(), channel.markup()).unwrap()
}

/// The first line of the request that `message` becomes, and its body, as they are shown.
fn composed(channel: &Arc<dyn Channel>, message: &Rendered) -> (String, String) {
    let bytes = String::from_utf8(channel.compose(message).unwrap()).unwrap();
    let (head, body) = bytes.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn sent(channel: &Arc<dyn Channel>, name: &str, question: &str) -> Value {
    serde_json::from_str(&composed(channel, &asked(channel, name, question)).1).unwrap()
}

/// What may do something in one of them, in pieces that come together in every way.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = vec![
        "@",
        "@room",
        "all",
        "<users/all>",
        "<at>",
        "</at>",
        "<",
        "/",
        ">",
        "&",
        "&lt;",
        "&#64;",
        "[x](https://e.test)",
        "<a href=\"https://e.test\">",
        "</blockquote>",
        "<br>",
        "<b>",
        "**",
        "_",
        "`",
        "\\",
        "\"",
        "# ",
        "- ",
        "\n",
        "\n\n",
        "{{DATE(2026-11-24)}}",
        "@ana:e.test",
        "https://matrix.to/#/@ana:e.test",
        "ñ",
        "🛒",
        "a",
        " ",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 0..30).prop_map(|pieces| pieces.concat())
}

/// The longest questions that are taken, of what costs a receiver most; each ends in a word of its own.
pub(crate) fn endless() -> Vec<String> {
    let pieces = ["word ", "🛒", "\"\\", "<&>\"\"", "ñ\n", "> \n\n\n"];
    pieces.iter().map(|piece| piece.repeat(9_990 / piece.chars().count()) + "The end").collect()
}

/// The bodies of [`endless`] questions over `channel`, each shorter than `limit` bytes: what is left out, is said.
fn fitted(channel: &Arc<dyn Channel>, limit: usize) -> Vec<Value> {
    let fitted = endless().into_iter().map(|question| {
        let (_, body) = composed(channel, &asked(channel, &"Ñ\"".repeat(60), &question));
        let start: String = question.chars().take(10).collect();
        assert!(body.len() <= limit, "{start:?}: {} bytes", body.len());
        assert_ne!(body.contains("The end"), body.contains("The text goes on"), "{start:?}");
        serde_json::from_str(&body).unwrap()
    });
    fitted.collect()
}

/// Every text run of a card, and every key that is a text which Teams would read as Markdown.
fn runs(card: &Value) -> Vec<&str> {
    let blocks = card["body"].as_array().unwrap();
    blocks
        .iter()
        .map(|block| {
            assert_eq!((block["type"].as_str(), block.get("text")), (Some("RichTextBlock"), None), "{block}");
            let [run] = block["inlines"].as_array().unwrap().as_slice() else { panic!("{block}") };
            assert_eq!(run["type"], "TextRun", "{run}");
            run["text"].as_str().unwrap()
        })
        .collect()
}

#[test]
fn a_question_for_teams_is_within_its_limit_whatever_it_is_made_of() {
    for body in fitted(&example("teams"), 24 * 1024) {
        let card = &body["attachments"][0]["content"];
        assert!(runs(card).len() > 4);
        assert_eq!(card["actions"][0]["url"], "https://app.landbot.io/gui/chats_v4/0123-abcd-4567");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn teams_shows_what_a_stranger_wrote_line_by_line_and_reads_none_of_it(question in hostile()) {
        let body = sent(&example("teams"), "Ana", &question);
        let card = &body["attachments"][0]["content"];
        prop_assert!(card["msteams"].get("entities").is_none(), "nobody can be mentioned");
        let shown = runs(card);
        for line in question.trim().lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            prop_assert!(shown.iter().any(|run| run.contains(line)), "{:?} is missing in {:?}", line, shown);
        }
    }
}

/// The HTML of each paragraph of a card's sections, after its title.
fn paragraphs(body: &Value) -> Vec<&str> {
    let sections = body["cardsV2"][0]["card"]["sections"].as_array().unwrap();
    sections.iter().filter_map(|section| section["widgets"][0]["textParagraph"]["text"].as_str()).collect()
}

/// Every tag in `html`.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0).collect()
}

#[test]
fn a_question_for_google_chat_is_within_its_limit_whatever_it_is_made_of() {
    for body in fitted(&example("google_chat"), 32_000) {
        assert!(paragraphs(&body).iter().all(|paragraph| tags(paragraph).iter().all(|tag| !tag.contains('&'))));
    }
}

#[test]
fn one_customer_has_one_thread_in_google_chat_and_a_message_has_one_name() {
    let address = "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t";
    let channel = open("google_chat", &format!("webhook_url = \"{address}\""));
    let message = asked(&channel, "Ana", "How much?");
    let (line, body) = composed(&channel, &message);
    assert!(line.contains("&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"), "{line}");
    assert!(line.contains("&requestId=07070707-0707-0707-0707-070707070707"), "{line}");
    let thread = &serde_json::from_str::<Value>(&body).unwrap()["thread"];
    assert_eq!(thread["threadKey"], "03030303-0303-0303-0303-030303030303");

    let without = open("google_chat", &format!("webhook_url = \"{address}\"\nthreads = false"));
    let alert = Rendered { about: About::default(), ..message.clone() };
    for (channel, message) in [(&without, &message), (&channel, &alert)] {
        let (line, body) = composed(channel, message);
        assert!(!line.contains("messageReplyOption") && !body.contains("threadKey"), "{line} {body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stranger_mentions_nobody_in_google_chat_and_forges_no_link(name in hostile(), question in hostile()) {
        let body = sent(&example("google_chat"), &name, &question);
        prop_assert!(body.get("text").is_none(), "it would be read as notation");
        for line in [&body["fallbackDescription"], &body["cardsV2"][0]["card"]["header"]["title"]] {
            prop_assert!(!line.as_str().unwrap().contains("<users/"), "{}", line);
        }
        for paragraph in paragraphs(&body) {
            prop_assert!(tags(paragraph).iter().all(|tag| ["b", "/b", "i", "/i", "br"].contains(tag)), "{}", paragraph);
        }
    }
}

#[test]
fn a_question_for_ntfy_is_within_its_limits_whatever_it_is_made_of() {
    for body in fitted(&example("ntfy"), 2 * 4096) {
        assert!(body["message"].as_str().unwrap().len() <= 4096);
        assert_eq!(body["click"], body["actions"][0]["url"]);
    }
}

#[test]
fn an_alert_is_more_urgent_than_a_question_and_without_a_login_the_topic_is_hidden() {
    let channel = open("ntfy", "topic = \"umishop-4x8Qk2\"\npriority = 4");
    let question = asked(&channel, "Ana", "How much?");
    for (purpose, priority) in [(Purpose::Request, 4), (Purpose::Alert, 5)] {
        let (_, body) = composed(&channel, &Rendered { purpose, ..question.clone() });
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["priority"], &body["topic"]), (&priority.into(), &"[redacted]".into()));
        assert_eq!(body["sequence_id"], "07070707-0707-0707-0707-070707070707");
    }
}

#[tokio::test]
async fn ntfy_and_matrix_are_asked_who_we_are_there() {
    for (kind_name, table, answer, path, login, who) in [
        (
            "ntfy",
            "server = \"{sink}/push/\"\ntopic = \"sales\"\nusername = \"shop\"\npassword = \"pass:word\"",
            r#"{"username":"shop","role":"user"}"#,
            "/push/v1/account",
            Some("Basic c2hvcDpwYXNzOndvcmQ="),
            "shop",
        ),
        (
            "ntfy",
            "server = \"{sink}\"\ntopic = \"sales\"",
            r#"{"username":"*","role":"anonymous"}"#,
            "/v1/account",
            None,
            "nobody, without a login",
        ),
        (
            "matrix",
            "homeserver = \"{sink}\"\ntoken = \"syt_1\"\nroom = \"!a:b\"",
            r#"{"user_id":"@shop:b"}"#,
            "/_matrix/client/v3/account/whoami",
            Some("Bearer syt_1"),
            "@shop:b",
        ),
    ] {
        let sink = HttpSink::answering(Some((200, String::new(), answer.to_owned()))).await;
        let checked = open(kind_name, &table.replace("{sink}", &sink.url(""))).check().await;
        assert_eq!(checked[0].outcome, Outcome::delivered(who));
        let asked = &sink.requests()[0];
        assert_eq!((asked.method.as_str(), asked.path.as_str(), asked.header("authorization")), ("GET", path, login));
    }
}

#[test]
fn a_setting_that_cannot_be_is_refused_where_it_stands() {
    for (kind_name, table, key, complaint) in [
        (
            "google_chat",
            "webhook_url = \"https://chat.googleapis.com/v1/spaces/A/messages?key=k\"",
            "webhook_url",
            "token",
        ),
        ("teams", "webhook_url = \"https://shop.webhook.office.com/webhookb2/1\"", "webhook_url", "retired"),
        ("ntfy", "topic = \"https://ntfy.sh/sales\"", "topic", "without the server"),
        ("ntfy", "topic = \"sales\"\npriority = 6", "priority", "1 (silent) to 5"),
        ("ntfy", "topic = \"sales\"\ntoken = \"t\"\npassword = \"p\"", "token", "not both"),
        ("ntfy", "topic = \"sales\"\nusername = \"u\"", "password", "needs its `password`"),
        ("ntfy", "topic = \"sales\"\npassword = \"p\"", "username", "needs its `username`"),
        ("matrix", "homeserver = \"https://b\"\ntoken = \"t\"\nroom = \"#sales:b\"", "room", "begins with !"),
        ("matrix", "homeserver = \"b\"\ntoken = \"t\"\nroom = \"!a:b\"", "homeserver", "no web address"),
    ] {
        refused_at(kind_name, table, key, complaint);
    }
}

#[test]
fn a_question_for_matrix_is_within_an_event_whatever_it_is_made_of() {
    for body in fitted(&example("matrix"), 61_000) {
        assert!(body["body"].as_str().unwrap().len() > 9_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stranger_mentions_nobody_in_matrix_and_forges_no_link(name in hostile(), question in hostile()) {
        let content = sent(&example("matrix"), &name, &question);
        prop_assert_eq!(&content["m.mentions"], &serde_json::json!({}));
        let html = content["formatted_body"].as_str().unwrap();
        let ours = ["b", "/b", "i", "/i", "br", "blockquote", "/blockquote", "/a"];
        let link = "a href=\"https://app.landbot.io/gui/chats_v4/0123-abcd-4567\"";
        prop_assert!(tags(html).iter().all(|tag| ours.contains(tag) || *tag == link), "{}", html);
        prop_assert_eq!(html.matches(link).count(), 1);
        prop_assert_eq!(html.matches("</blockquote>").count(), html.matches("<blockquote>").count());
    }
}

#[test]
fn what_is_too_long_for_a_chat_or_a_phone_is_cut_and_says_so() {
    for (kind_name, table, field, limit) in [
        ("discord", "webhook_url = \"https://discord.com/api/webhooks/1/x\"", "/embeds/0/description", 4_096),
        ("mattermost", "webhook_url = \"https://chat.example.com/hooks/x\"", "/text", 16_383),
        ("rocket_chat", "webhook_url = \"https://chat.example.com/hooks/1/x\"", "/attachments/0/text", 5_000),
    ] {
        let channel = try_open(kind(kind_name).unwrap(), table).unwrap();
        for question in endless() {
            let (_, body) = composed(&channel, &asked(&channel, &"Ñ\"".repeat(60), &question));
            let body: Value = serde_json::from_str(&body).unwrap();
            let text = body.pointer(field).and_then(Value::as_str).unwrap_or_else(|| panic!("{kind_name}: {body}"));
            assert!(text.encode_utf16().count() <= limit, "{kind_name}: {}", text.len());
            assert_ne!(text.contains("The end"), text.contains("The text goes on"), "{kind_name}: {text}");
        }
    }
}
