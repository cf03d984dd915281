//! Chat services beside Slack: what each asks of its receiver, over real sockets.

use std::sync::Arc;

use proptest::prelude::*;
use umishop::channel::{Channel, kind};
use umishop::domain::{About, Context, MessageId, Outcome, Purpose, Rendered, Scope, Timestamp};
use umishop::render::{Draft, Renderer, Texts};

use crate::channel_contract::{message, refused_at, try_open};
use crate::sinks::{HttpSink, MOVED};

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
        ("telegram", "token = \"correct-horse\"\nchat_id = 7", "token", "@BotFather"),
        ("telegram", "token = \"1:a\"\nchat_id = \"our group\"", "chat_id", "public name"),
        ("telegram", "token = \"1:a\"\nchat_id = 7\nmessage_thread_id = \"sales\"", "message_thread_id", "such as 7"),
    ] {
        refused_at(kind_name, table, key, complaint);
    }
}

#[tokio::test]
async fn mattermost_posts_as_its_settings_say() {
    let sink = HttpSink::start().await;
    let table = format!(
        "webhook_url = \"{}\"\nchannel = \"@ana\"\nusername = \"Shop\"\npriority = \"urgent\"",
        sink.url("/hooks/correct-horse")
    );
    let channel = open("mattermost", &table);
    assert_eq!(channel.deliver(&request(&channel)).await, Outcome::delivered(""));
    let body = body(&sink, 0);
    assert_eq!(
        (&body["channel"], &body["username"], &body["priority"]),
        (&"@ana".into(), &"Shop".into(), &serde_json::json!({"priority": "urgent"}))
    );
    let text = body["text"].as_str().unwrap();
    assert!(text.ends_with("[Open chat](https://app.landbot.io/gui/chats_v4/0123-abcd-4567)"), "{text}");
    assert!(text.contains("And &lt;!channel&gt; when?"), "{text}");
}

const TOKEN: &str = "123:correct-horse";

fn telegram(sink: &HttpSink, path: &str, chat: &str) -> Arc<dyn Channel> {
    open("telegram", &format!("token = \"{TOKEN}\"\nchat_id = {chat}\napi_url = \"{}\"", sink.url(path)))
}

#[tokio::test]
async fn a_telegram_message_goes_to_a_chat_by_its_id_or_its_name() {
    let sink =
        HttpSink::answering(Some((200, String::new(), r#"{"ok":true,"result":{"message_id":9}}"#.to_owned()))).await;
    for (chat, chat_id) in [
        ("-100123", "-100123"),
        ("\"-100123\"", "-100123"),
        ("\"@umishop\"", "@umishop"),
        ("\"umishop\"\nmessage_thread_id = \"7\"", "@umishop"),
    ] {
        let channel = telegram(&sink, "/", chat);
        assert_eq!(channel.deliver(&request(&channel)).await, Outcome::delivered("9"));
        let index = sink.requests().len() - 1;
        assert_eq!(sink.requests()[index].path, format!("/bot{TOKEN}/sendMessage"));
        assert_eq!(body(&sink, index)["chat_id"].as_str(), Some(chat_id));
    }
    let body = body(&sink, 3);
    assert_eq!((&body["message_thread_id"], &body["parse_mode"]), (&7.into(), &"HTML".into()));
    assert_eq!(body["link_preview_options"]["is_disabled"], true);
    let button = serde_json::json!({"text": "Open chat", "url": "https://app.landbot.io/gui/chats_v4/0123-abcd-4567"});
    assert_eq!(body["reply_markup"]["inline_keyboard"][0][0], button);
    assert!(body["text"].as_str().unwrap().contains("And &lt;!channel&gt; when?"), "{body}");
}

#[tokio::test]
async fn a_telegram_bot_says_who_it_is_and_sends_nothing() {
    let sink =
        HttpSink::answering(Some((200, String::new(), r#"{"ok":true,"result":{"username":"umibot"}}"#.to_owned())))
            .await;
    let checked = telegram(&sink, "/", "7").check().await;
    assert_eq!(checked[0].outcome, Outcome::delivered("@umibot"));
    assert_eq!(sink.requests()[0].path, format!("/bot{TOKEN}/getMe"));
}

#[tokio::test]
async fn a_message_follows_a_telegram_group_to_its_new_id_and_so_does_the_next() {
    let sink = HttpSink::start().await;
    let channel = telegram(&sink, "/moved", "-55");
    let told = Outcome::delivered("4711; the group has a new id: write chat_id = \"-100987\"");
    assert_eq!(channel.deliver(&request(&channel)).await, told);
    sink.mend();
    assert_eq!(channel.deliver(&request(&channel)).await, told);
    let chats: Vec<_> = (0..sink.requests().len()).map(|index| body(&sink, index)["chat_id"].clone()).collect();
    assert_eq!(chats, ["-100987", "-100987"]);
}

#[tokio::test]
async fn a_telegram_group_that_is_never_found_is_asked_for_once_more_and_given_up() {
    let sink = HttpSink::answering(Some((400, String::new(), MOVED.to_owned()))).await;
    let channel = telegram(&sink, "/", "-55");
    let outcome = channel.deliver(&request(&channel)).await;
    assert!(matches!(outcome, Outcome::Dead { scope: Scope::Destination, .. }), "{outcome:?}");
    assert_eq!(sink.requests().len(), 2);
}

/// What a stranger may write to harm those who read it.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        r"[@<>|&!#*_`~:./ \n\\\[\]()-]".prop_map(|character: String| character),
        "[a-zñ🛒]{1,3}".prop_map(|word: String| word),
        proptest::sample::select(&["@all", "@ana", "<!channel>", "<@U1>", "&commat;all", "&#64;here", "&lt;b>"][..])
            .prop_map(str::to_owned),
        proptest::sample::select(
            &["[bank](https://evil.example)", "<https://evil.example|bank>", "</b>", "<a href=x>"][..]
        )
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A question of these words, as it is sent over `channel`.
fn sent(channel: &Arc<dyn Channel>, name: &str, question: &str) -> serde_json::Value {
    let context = Context {
        name: name.into(),
        topic: name.into(),
        question: question.into(),
        chat_uuid: "0123-abcd-4567".into(),
        ..Context::default()
    };
    let created_at = Timestamp::from_millis(1_795_509_000_000);
    let (id, purpose, about) = (MessageId::new(created_at), Purpose::Request, About::default());
    let draft = Draft { id, created_at, purpose, about, context: &context };
    let renderer = Renderer::new(Texts { public_url: "https://shop.example".into(), ..Texts::default() }).unwrap();
    let message = renderer.render(draft, &"slack.sales".parse().unwrap(), channel.markup()).unwrap();
    let bytes = channel.compose(&message).unwrap();
    serde_json::from_str(std::str::from_utf8(&bytes).unwrap().split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// What Mattermost takes for a mention in `text`, after it has done what it does before (see the head of the kind).
fn called_in_mattermost(text: &str) -> Vec<String> {
    let mut text = text.to_owned();
    for word in ["channel", "here", "all"] {
        text = text.replace(&format!("<!{word}>"), &format!("@{word}"));
    }
    // What `&amp;` stands for is read once and no more.
    for (reference, character) in [("&commat;", "@"), ("&#64;", "@"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")] {
        text = text.replace(reference, character);
    }
    let in_word = |c: char| c.is_alphanumeric() || ":.-_@".contains(c);
    text.split(|c: char| !in_word(c))
        .flat_map(|word| word.split([':', '.', '-', '_']))
        .filter(|word| word.len() > 1 && word.starts_with('@') && !word.starts_with("@@"))
        .map(str::to_owned)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stranger_calls_nobody_in_mattermost(name in hostile(), question in hostile()) {
        let channel = open("mattermost", "webhook_url = \"https://chat.example.com/hooks/correct-horse\"");
        let body = sent(&channel, &name, &question);
        let text = body["text"].as_str().unwrap();
        prop_assert_eq!(called_in_mattermost(text), Vec::<String>::new());
        prop_assert!(!text.contains('<'), "{}", text);
    }
}

/// Markdown without every character that is escaped.
fn unescaped(markdown: &str) -> String {
    let mut bare = String::new();
    let mut characters = markdown.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
        } else {
            bare.push(character);
        }
    }
    bare
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stranger_writes_no_link_and_calls_nobody_in_discord(name in hostile(), question in hostile()) {
        let channel = open("discord", "webhook_url = \"https://discord.com/api/webhooks/1/correct-horse\"");
        let body = sent(&channel, &name, &question);
        prop_assert_eq!(&body["allowed_mentions"], &serde_json::json!({"parse": []}));
        let text = body["embeds"][0]["description"].as_str().unwrap().split_once("\n\n[Open chat](https://app.").unwrap().0;
        for shown in [text, body["embeds"][0]["title"].as_str().unwrap()] {
            prop_assert!(!unescaped(shown).contains(['[', ']', '<', '`', '|']), "{}", shown);
        }
    }
}

/// `html` without the tags that the shop's own templates have.
fn without_own_tags(html: &str) -> String {
    let own = ["<b>", "</b>", "<i>", "</i>", "<blockquote>", "</blockquote>"];
    own.iter().fold(html.to_owned(), |html, tag| html.replace(tag, ""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stranger_writes_no_tag_and_calls_nobody_in_telegram(name in hostile(), question in hostile()) {
        let channel = open("telegram", "token = \"1:correct-horse\"\nchat_id = 7");
        let body = sent(&channel, &name, &question);
        let text = without_own_tags(body["text"].as_str().unwrap());
        prop_assert!(!text.contains(['<', '>']), "{}", text);
        let mut before = ' ';
        for (at, character) in text.char_indices() {
            let is_called = character == '@' && !before.is_ascii_alphanumeric() && !text[at + 1..].starts_with('\u{200B}');
            prop_assert!(!is_called, "{}", text);
            before = character;
        }
    }
}
