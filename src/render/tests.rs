//! What the templates that are compiled in say, and that no text breaks out of its notation.

use proptest::prelude::*;

use super::*;
use crate::domain::EmailAddress;

const NOW: Timestamp = Timestamp::from_millis(1_795_509_000_123);

fn draft(purpose: Purpose, context: &Context) -> Draft<'_> {
    Draft { id: MessageId::new(NOW), created_at: NOW, purpose, about: About::default(), context }
}

fn renderer() -> Renderer {
    Renderer::new(None, "https://shop.example").unwrap()
}

fn ana() -> Context {
    Context {
        name: "Ana".into(),
        email: Some(EmailAddress::parse("ana@example.com").unwrap()),
        phone: "+34600123456".into(),
        topic: "Sales".into(),
        question: "How much?\nAnd when?".into(),
        source: "google / cpc".into(),
        chat_uuid: "abc-123-DEF".into(),
        ..Context::default()
    }
}

#[test]
fn the_welcome_greets_by_name_if_there_is_one() {
    let named = renderer().render(draft(Purpose::Welcome, &ana()), Markup::Html).unwrap();
    assert_eq!(named.subject, "Welcome to UmiShop, Ana");
    assert!(named.text.starts_with("Hello Ana,\n\nthank you") && named.rich.contains("Hello Ana,"), "{}", named.text);
    let nameless = renderer().render(draft(Purpose::Welcome, &Context::default()), Markup::Html).unwrap();
    assert_eq!(nameless.subject, "Welcome to UmiShop");
    assert!(nameless.text.starts_with("Hello,\n"), "{}", nameless.text);
}

#[test]
fn a_request_shows_everything_that_is_known() {
    let rendered = renderer().render(draft(Purpose::Request, &ana()), Markup::Mrkdwn).unwrap();
    let text = "Ana asks for help.\n\nTopic:  Sales\n\nMail:   ana@example.com\nPhone:  +34600123456\nOrigin: google / cpc\n\
                Time:   2026-11-24 08:30 UTC\nChat:   https://app.landbot.io/gui/chats_v4/abc-123-DEF\n\n> How much?\n> And when?\n";
    assert_eq!((rendered.subject.as_str(), rendered.text.as_str()), ("Sales: Ana asks for help", text));
    assert!(rendered.rich.contains("\n> How much?\n> And when?\n"), "{}", rendered.rich);
    assert_eq!(rendered.chat_url.as_deref(), Some("https://app.landbot.io/gui/chats_v4/abc-123-DEF"));
}

#[test]
fn what_is_missing_leaves_no_gap_and_an_unknown_topic_is_marked() {
    let context =
        Context { topic: "Astrology".into(), topic_unknown: true, chat_uuid: "<script>".into(), ..Context::default() };
    for markup in [Markup::Plain, Markup::Html, Markup::Mrkdwn] {
        let rendered = renderer().render(draft(Purpose::Request, &context), markup).unwrap();
        assert!(rendered.rich.contains("no route names this topic"), "{}", rendered.rich);
        assert!(
            !["Mail", "Phone", "Chat:", "none"].iter().any(|word| rendered.rich.contains(word)),
            "{}",
            rendered.rich
        );
        assert_eq!(rendered.chat_url, None);
    }
}

#[test]
fn a_purpose_without_a_template_in_the_notation_shows_its_text_escaped() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("test.txt"), "Subject: Hi\n\n1 < 2 {{ name }}\n").unwrap();
    let renderer = Renderer::new(Some(directory.path()), "").unwrap();
    let rich = |markup| renderer.render(draft(Purpose::Test, &ana()), markup).unwrap().rich;
    assert_eq!(rich(Markup::Mrkdwn), "1 &lt; 2 Ana\n");
    assert!(rich(Markup::Html).contains("1 &lt; 2 Ana"));
}

#[test]
fn a_broken_template_is_named_with_its_line() {
    let complaint = |name: &str, source: &str| {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(name), source).unwrap();
        Renderer::new(Some(directory.path()), "").unwrap_err().to_string()
    };
    let syntax = complaint("welcome.txt", "Subject: Hi\n\nHello {{ name\n");
    assert!(syntax.contains("welcome.txt:3"), "{syntax}");
    let typo = complaint("request.html", "<p>\n{{ nmae }}</p>");
    assert!(typo.contains("request.html:2: `nmae`") && typo.contains("name, email"), "{typo}");
    let headless = complaint("welcome.txt", "Hello\n");
    assert!(headless.contains("welcome.txt:1: a message's text begins with a line `Subject: …`"), "{headless}");
    let unknown = complaint("goodbye.txt", "");
    assert!(unknown.contains("goodbye.txt") && unknown.contains("welcome.txt"), "{unknown}");
}

#[test]
fn every_status_has_a_reply_on_one_line() {
    let reply = |status, field| renderer().reply(status, "Ana", "Sales", field, "es").unwrap();
    assert_eq!(reply("created", ""), "Thank you, Ana! You are registered.");
    assert_eq!(reply("queued", ""), "Thank you, Ana! We have passed your question about Sales on to the right people.");
    assert!(reply("invalid", "email").contains("name@example.com"));
    for status in ["already_registered", "duplicate", "invalid", "unauthorized", "error"] {
        let reply = reply(status, "");
        assert!(!reply.is_empty() && !reply.contains('\n'), "{status}: {reply:?}");
    }
}

#[test]
fn a_customers_template_syntax_is_only_text() {
    let context = Context { question: "{{ 7*7 }} {% raw %} ${7*7}".into(), ..Context::default() };
    for markup in [Markup::Plain, Markup::Html, Markup::Mrkdwn] {
        let rendered = renderer().render(draft(Purpose::Request, &context), markup).unwrap();
        assert!(rendered.rich.contains("{{ 7*7 }} {% raw %} ${7*7}"), "{}", rendered.rich);
    }
}

/// Any text, often one that means something to somebody.
fn hostile() -> impl Strategy<Value = String> {
    let words = [
        "<script>alert(1)</script>",
        "<!channel>",
        "<@U1>",
        "```",
        "{{ 7*7 }}",
        "\r\nBcc: x@y.z",
        "\"><img src=x>",
        "&amp;",
        "\u{202E}",
        "\0",
    ];
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..4).prop_map(|words| words.concat())
    ]
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

/// Whether there is an `@` with a word right behind it that is not a part of a mail address.
fn calls_somebody(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let mut at = characters.iter().enumerate().filter(|(_, character)| **character == '@').map(|(index, _)| index);
    at.any(|index| {
        let inside = index > 0 && characters[index - 1].is_alphanumeric();
        !inside && characters.get(index + 1).is_some_and(|next| next.is_alphanumeric())
    })
}

#[test]
fn markdown_is_escaped_where_it_would_be_read_and_a_mail_address_stays_whole() {
    for (text, escaped) in [
        ("ana@example.com, 3.5 - and (more)!", "ana@example.com, 3.5 - and (more)!"),
        ("1. one\n - two\n# three", "1\\. one\n \\- two\n\\# three"),
        ("[free](https://x.example) **now** `code`", "\\[free\\](https://x.example) \\*\\*now\\*\\* \\`code\\`"),
        ("@all, @channel and <@U1>", "@\u{200B}all, @\u{200B}channel and \\<@\u{200B}U1\\>"),
    ] {
        assert_eq!(escape_markdown(text), escaped);
    }
}

proptest! {
    #[test]
    fn no_text_breaks_a_template_or_out_of_its_notation(
        name in hostile(), phone in hostile(), topic in hostile(), question in hostile(), source in hostile(), chat_uuid in hostile(),
        topic_unknown: bool, purpose in proptest::sample::select(vec![Purpose::Welcome, Purpose::Request, Purpose::Test]),
    ) {
        let context = Context { name, email: None, phone, topic, topic_unknown, question, source, chat_uuid };
        let renderer = renderer();
        let html = renderer.render(draft(purpose, &context), Markup::Html).unwrap();
        prop_assert!(!html.rich.contains("<script") && !html.rich.contains("<img"));
        let slack = renderer.render(draft(purpose, &context), Markup::Mrkdwn).unwrap();
        prop_assert!(!slack.rich.contains('<') && !slack.rich.contains("```"));
        prop_assert!(!slack.subject.chars().any(char::is_control));
        let chat = renderer.render(draft(purpose, &context), Markup::Markdown).unwrap().rich;
        let bare = unescaped(&chat);
        prop_assert!(!bare.contains(['`', '[', '<', '~', '#', '|']), "{chat}");
        prop_assert!(!calls_somebody(&chat), "{chat}");
        let inline = renderer.render(draft(purpose, &context), Markup::Inline).unwrap().rich;
        let mut rest = inline.clone();
        for tag in ["<b>", "</b>", "<i>", "</i>", "<blockquote>", "</blockquote>"] {
            rest = rest.replace(tag, "");
        }
        prop_assert!(!rest.contains(['<', '>', '"']), "{inline}");
        renderer.reply("queued", &context.name, &context.topic, &context.question, &context.phone).unwrap();
    }
}
