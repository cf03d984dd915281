//! What the templates that are compiled in say, and that no text breaks out of its notation.

use std::fs;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_509_000_123);

fn draft(purpose: Purpose, context: &Context) -> Draft<'_> {
    Draft { id: MessageId::new(NOW), created_at: NOW, purpose, about: About::default(), context }
}

fn renderer() -> Renderer {
    Renderer::new(Texts { public_url: "https://shop.example".into(), ..Texts::default() }).unwrap()
}

/// With these files of the shop's own, read by the people of `slack.pricing` in Spanish.
fn own(files: &[(&str, &str)]) -> Result<Renderer, RenderError> {
    let directory = tempfile::tempdir().unwrap();
    for (name, source) in files {
        fs::write(directory.path().join(name), source).unwrap();
    }
    let channels = [("slack.pricing", "es"), ("email.welcome", "")];
    Renderer::new(Texts {
        directory: Some(directory.path().to_owned()),
        channels: channels.iter().map(|(channel, language)| (channel.parse().unwrap(), (*language).into())).collect(),
        ..Texts::default()
    })
}

fn mail() -> ChannelAddress {
    "email.welcome".parse().unwrap()
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
    let named = renderer().render(draft(Purpose::Welcome, &ana()), &mail(), Markup::Html).unwrap();
    assert_eq!(named.subject, "Welcome to UmiShop, Ana");
    assert!(named.text.starts_with("Hello Ana,\n\nthank you") && named.rich.contains("Hello Ana,"), "{}", named.text);
    let nameless = renderer().render(draft(Purpose::Welcome, &Context::default()), &mail(), Markup::Html).unwrap();
    assert_eq!(nameless.subject, "Welcome to UmiShop");
    assert!(nameless.text.starts_with("Hello,\n"), "{}", nameless.text);
}

#[test]
fn a_request_shows_everything_that_is_known() {
    let rendered = renderer().render(draft(Purpose::Request, &ana()), &mail(), Markup::Mrkdwn).unwrap();
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
        let rendered = renderer().render(draft(Purpose::Request, &context), &mail(), markup).unwrap();
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
    let renderer = own(&[("test.txt", "Subject: Hi\n\n1 < 2 {{ name }}\n")]).unwrap();
    let rich = |markup| renderer.render(draft(Purpose::Test, &ana()), &mail(), markup).unwrap().rich;
    assert_eq!(rich(Markup::Mrkdwn), "1 &lt; 2 Ana\n");
    assert!(rich(Markup::Html).contains("1 &lt; 2 Ana"));
}

#[test]
fn a_broken_template_is_named_with_its_line() {
    let complaint = |name: &str, source: &str| own(&[(name, source)]).unwrap_err().to_string();
    let syntax = complaint("welcome.txt", "Subject: Hi\n\nHello {{ name\n");
    assert!(syntax.contains("welcome.txt:3"), "{syntax}");
    let typo = complaint("request.html", "<p>\n{{ nmae }}</p>");
    assert!(typo.contains("request.html:2: `nmae`") && typo.contains("name, email"), "{typo}");
    let headless = complaint("welcome.txt", "Hello\n");
    assert!(headless.contains("welcome.txt:1: a message's text begins with a line `Subject: …`"), "{headless}");
    let unknown = complaint("goodbye.txt", "");
    assert!(unknown.contains("goodbye.txt") && unknown.contains("welcome, request"), "{unknown}");
    let branch = complaint("welcome.txt", "Subject: Hi\n\n{% if not name %}\n{{ name.first.letter }}\n{% endif %}\n");
    assert!(branch.contains("welcome.txt:4"), "{branch}");
    for (name, complains) in [
        ("welcome.pdf", "ends in one of .txt, .html"),
        ("welcome.spanish.txt", "`spanish` is no language"),
        ("welcome.slack.x.txt", "there is no channel slack.x; the configured ones are email.welcome, slack.pricing"),
        ("welcome.ca.html", "needs welcome.ca.txt beside it"),
        ("reply.es.html", "the bot's answer is plain text"),
    ] {
        let complaint = complaint(name, "");
        assert!(complaint.contains(name) && complaint.contains(complains), "{complaint}");
    }
}

#[test]
fn every_status_has_a_reply_on_one_line() {
    let reply = |status, field| renderer().reply(status, "Ana", "Sales", field, "en").unwrap();
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
        let rendered = renderer().render(draft(Purpose::Request, &context), &mail(), markup).unwrap();
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
        ("to@everyone, ana@here.com", "to@\u{200B}everyone, ana@here.com"),
        ("@all, @channel and <@U1>", "@\u{200B}all, @\u{200B}channel and \\<@\u{200B}U1\\>"),
    ] {
        assert_eq!(escape::markdown(text), escaped);
    }
}

proptest! {
    #[test]
    fn no_text_breaks_a_template_or_out_of_its_notation(
        name in hostile(), phone in hostile(), topic in hostile(), question in hostile(), source in hostile(), chat_uuid in hostile(),
        topic_unknown: bool, purpose in proptest::sample::select(vec![Purpose::Welcome, Purpose::Request, Purpose::Test]),
    ) {
        let context =
            Context { name, email: None, phone, topic, topic_unknown, question, source, chat_uuid, ..Context::default() };
        let renderer = renderer();
        let html = renderer.render(draft(purpose, &context), &mail(), Markup::Html).unwrap();
        prop_assert!(!html.rich.contains("<script") && !html.rich.contains("<img"));
        let slack = renderer.render(draft(purpose, &context), &mail(), Markup::Mrkdwn).unwrap();
        prop_assert!(!slack.rich.contains('<') && !slack.rich.contains("```"));
        prop_assert!(!slack.subject.chars().any(char::is_control));
        let chat = renderer.render(draft(purpose, &context), &mail(), Markup::Markdown).unwrap().rich;
        let bare = unescaped(&chat);
        prop_assert!(!bare.contains(['`', '[', '<', '~', '#', '|']), "{chat}");
        prop_assert!(!calls_somebody(&chat), "{chat}");
        let inline = renderer.render(draft(purpose, &context), &mail(), Markup::Inline).unwrap().rich;
        let mut rest = inline.clone();
        for tag in ["<b>", "</b>", "<i>", "</i>", "<blockquote>", "</blockquote>"] {
            rest = rest.replace(tag, "");
        }
        prop_assert!(!rest.contains(['<', '>', '"']), "{inline}");
        renderer.reply("queued", &context.name, &context.topic, &context.question, &context.phone).unwrap();
    }
}

fn greeted(renderer: &Renderer, language: &str) -> (String, String) {
    let context = Context { language: language.into(), ..ana() };
    let greeting = renderer.render(draft(Purpose::Welcome, &context), &mail(), Markup::Html).unwrap();
    (greeting.subject, greeting.rich)
}

#[test]
fn a_customer_is_greeted_in_their_language_else_in_the_shops() {
    let built_in = renderer();
    for (language, subject) in [
        ("es", "Te damos la bienvenida a UmiShop, Ana"),
        ("es-MX", "Te damos la bienvenida a UmiShop, Ana"),
        ("ES_mx", "Te damos la bienvenida a UmiShop, Ana"),
        ("fr", "Welcome to UmiShop, Ana"),
        ("", "Welcome to UmiShop, Ana"),
    ] {
        assert_eq!(greeted(&built_in, language).0, subject, "{language}");
    }
    let spanish = Renderer::new(Texts { language: "es".into(), ..Texts::default() }).unwrap();
    assert_eq!(greeted(&spanish, "fr").0, "Te damos la bienvenida a UmiShop, Ana");
    assert_eq!(
        spanish.reply("error", "", "", "", "").unwrap(),
        renderer().reply("error", "", "", "", "es-ES").unwrap()
    );
}

#[test]
fn subject_text_and_html_never_come_from_different_languages() {
    // Nobody is greeted in somebody else's words because the shop wrote fewer files than are built in.
    let own_text = own(&[("welcome.txt", "Subject: Hi\n\nOurs\n")]).unwrap();
    for language in ["", "es"] {
        let (subject, rich) = greeted(&own_text, language);
        assert_eq!(subject, "Hi");
        assert!(rich.contains("Ours") && !rich.contains("UmiShop"), "{rich}");
    }
    let own_spanish = own(&[("welcome.es.txt", "Subject: Hola\n\nNuestro\n")]).unwrap();
    assert_eq!(greeted(&own_spanish, "es").0, "Hola");
    assert!(greeted(&own_spanish, "es").1.contains("Nuestro"));
    assert_eq!(greeted(&own_spanish, "").0, "Welcome to UmiShop, Ana");
    let own_html = own(&[("welcome.es.html", "<p>Nuestro</p>")]).unwrap();
    assert_eq!(greeted(&own_html, "es"), ("Te damos la bienvenida a UmiShop, Ana".into(), "<p>Nuestro</p>\n".into()));
    assert_eq!(greeted(&own_html, "").0, "Welcome to UmiShop, Ana");
}

#[test]
fn the_shops_people_read_their_channels_language_and_its_own_texts() {
    let renderer = own(&[("request.email.welcome.txt", "Subject: For mail\n\n{{ question }}\n")]).unwrap();
    let subject = |channel: &str| {
        let channel = channel.parse().unwrap();
        // What the customer reads is of no account.
        let context = Context { language: "en".into(), ..ana() };
        renderer.render(draft(Purpose::Request, &context), &channel, Markup::Plain).unwrap().subject
    };
    assert_eq!(subject("slack.pricing"), "Sales: Ana pide ayuda");
    assert_eq!(subject("email.welcome"), "For mail");
    assert_eq!(subject("http.crm"), "Sales: Ana asks for help");
}

#[test]
fn the_same_is_said_in_every_built_in_language() {
    for (name, _) in BUILT_IN.iter().filter(|(name, _)| name.contains(".es.")) {
        let fields = |name: &str| renderer().environment.get_template(name).unwrap().undeclared_variables(false);
        assert_eq!(fields(name), fields(&name.replace(".es.", ".")), "{name}");
    }
    for status in ["created", "already_registered", "queued", "duplicate", "unauthorized", "error"] {
        let reply = |language| renderer().reply(status, "Ana", "Sales", "", language).unwrap();
        assert_ne!(reply("es"), reply("en"), "{status}");
    }
    for field in ["email", "phone", "question", "topic", "name", ""] {
        let reply = |language| renderer().reply("invalid", "Ana", "Sales", field, language).unwrap();
        assert_ne!(reply("es"), reply("en"), "{field}");
    }
}

#[test]
fn a_template_is_tried_out_as_the_message_that_it_is_for() {
    for purpose in Purpose::ALL {
        let text = format!("Subject: Hi\n\n{{% if purpose == '{purpose}' %}}{{{{ name | shout }}}}{{% endif %}}\n");
        let refused = own(&[(&format!("{purpose}.txt"), &text)]);
        assert!(matches!(refused, Err(RenderError::Template { .. })), "{purpose}");
    }
}
