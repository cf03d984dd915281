//! What holds whatever a stranger writes.
//!
//! Each law takes an input, does with it what the program does, and panics where a promise is broken. `hostile` feeds
//! them inputs that mean something to somebody; the targets in `fuzz/` feed them whatever a fuzzer comes upon. The
//! judges are other code than the writers: mail is read back by mail-parser, JSON by `serde_json`.

use std::sync::{Arc, LazyLock};

use figment::Figment;
use figment::providers::{Format as _, Toml};
use mail_parser::{Address, Message, MessageParser, MimeHeaders as _};
use serde_json::Value;
use umishop::channel::{Channel, kind};
use umishop::domain::{
    About, Context, Country, EmailAddress, Markup, MessageId, Origin, Phone, Purpose, Rendered, Timestamp, Topic,
    one_line,
};
use umishop::intake::{Fields, Reading, Received, read};
use umishop::render::{Draft, Renderer, Texts};

/// When every message of a law is made.
const NOW: Timestamp = Timestamp::from_millis(1_795_509_000_123);

const EMAIL: &str = r#"
server = "smtp://127.0.0.1:25"
from   = "UmiShop <hello@umishop.example>"
to     = ["sales@umishop.example", "boss@umishop.example"]
"#;

const SLACK: &str = "token = \"xoxb-1\"\nchannel = \"#pricing\"";

/// Every field in quotes and once without, and as a form.
const HTTP: [&str; 3] = [
    "url = \"https://crm.example.com/hook\"",
    r#"
url  = "https://crm.example.com/hook"
body = '{"a": "{{ name }}", "b": "{{ topic }} / {{ question }}", "c": {{ question | tojson }}, "d": "{{ subject }}", "e": "{{ text }}"}'
"#,
    r#"
url     = "https://crm.example.com/hook"
headers = { content-type = "application/x-www-form-urlencoded" }
body    = "a={{ name }}&b={{ topic }}&c={{ question }}"
"#,
];

/// The channel of that table.
pub(crate) fn open(kind_name: &str, table: &str) -> Arc<dyn Channel> {
    (kind(kind_name).unwrap().open)(&Figment::from(Toml::string(table))).unwrap()
}

/// The message as the relay would hand it over.
pub(crate) fn rendered(purpose: Purpose, context: &Context, markup: Markup) -> Rendered {
    static RENDERER: LazyLock<Renderer> = LazyLock::new(|| {
        Renderer::new(Texts { public_url: "https://shop.example".into(), ..Texts::default() }).unwrap()
    });
    let (id, channel) = (MessageId::from_bytes([7; 16]), "email.sales".parse().unwrap());
    RENDERER.render(Draft { id, created_at: NOW, purpose, about: About::default(), context }, &channel, markup).unwrap()
}

/// Spain, where numbers without a calling code are in the laws.
pub(crate) fn spain() -> Country {
    Country::parse("ES").unwrap()
}

/// A webhook is read or refused; what is read is valid and no longer than we keep; the same bytes read the same.
pub(crate) fn of_the_intake(headers: &[(String, String)], query: &str, body: &[u8]) -> Option<Fields> {
    let received = Received { headers, query, body };
    let reading = read(&received, spain());
    let again = read(&received, spain());
    match (reading, again) {
        (Ok(Reading::Fields(fields)), Ok(Reading::Fields(again))) => {
            assert_eq!(fields, again, "the same bytes");
            fields_are_valid(&fields);
            Some(*fields)
        }
        (Ok(Reading::Ignored { why }), Ok(Reading::Ignored { .. })) => {
            assert!(!why.is_empty());
            None
        }
        (Err(unreadable), Err(again)) => {
            assert_eq!(unreadable, again, "the same bytes");
            None
        }
        other => panic!("the same bytes are read differently: {other:?}"),
    }
}

fn fields_are_valid(fields: &Fields) {
    is_line(&fields.name, 128);
    if let Some(Ok(address)) = &fields.email {
        is_address(address);
    }
    if let Some(phone) = &fields.phone {
        is_phone(phone);
    }
    is_topic(&fields.topic);
    let shown = fields.question.split("\n[… cut: ").next().unwrap();
    assert!(shown.chars().count() <= 10_000, "{} characters", shown.chars().count());
    fields.question.split('\n').for_each(|line| is_line(line, usize::MAX));
    is_line(&fields.language, 35);
    for id in [&fields.request_id, &fields.trace].into_iter().flatten() {
        assert!(!id.is_empty());
        is_line(id, 200);
    }
    is_origin(&fields.origin);
}

fn is_origin(origin: &Origin) {
    for map in [&origin.utm, &origin.clicks, &origin.extra] {
        assert!(map.len() <= 200, "{} further fields", map.len());
        for (key, value) in map {
            is_line(key, 64);
            is_line(value, 500);
        }
    }
    for line in [&origin.referral, &origin.referrer, &origin.landing_page, &origin.text].into_iter().flatten() {
        is_line(line, 500);
    }
    is_line(&origin.source(), 3 * 500 + 6);
}

/// One line of at most `limit` characters: no control character, no turned direction, no space at its ends.
fn is_line(text: &str, limit: usize) {
    assert_eq!(text, one_line(text));
    assert!(text.chars().count() <= limit, "{} characters", text.chars().count());
}

/// An address that SMTP takes as it is, and that reads as itself. Nothing else is one.
pub(crate) fn of_addresses(text: &str) -> Option<EmailAddress> {
    let address = EmailAddress::parse(text).ok()?;
    is_address(&address);
    Some(address)
}

fn is_address(address: &EmailAddress) {
    let text = address.as_str();
    assert_eq!(EmailAddress::parse(text).as_ref(), Ok(address), "it reads as itself");
    assert!(text.len() <= 254 && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(!text.contains(['<', '>', '(', ')', '[', ']', '"', ',', ';', ':', '\\']), "{text:?}");
    let (local, domain) = text.split_once('@').unwrap();
    assert!(!local.is_empty() && domain.contains('.') && !domain.contains('@'), "{text:?}");
    assert_eq!(address.domain(), domain);
}

/// A phone reads as itself, and its international form is E.164.
pub(crate) fn of_phones(raw: &str, country: Country, international: bool) {
    let Some(phone) = Phone::parse(raw, country, international) else { return };
    is_phone(&phone);
    if let Some(e164) = &phone.e164 {
        for (country, international) in [(country, !international), (Country::parse("US").unwrap(), international)] {
            let again = Phone::parse(phone.best(), country, international).unwrap();
            assert_eq!((again.best(), again.e164.as_ref()), (e164.as_str(), Some(e164)));
        }
    }
}

fn is_phone(phone: &Phone) {
    is_line(&phone.raw, 50);
    if let Some(e164) = &phone.e164 {
        let digits = e164.strip_prefix('+').unwrap();
        assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()), "{e164}");
    }
}

/// A topic is one line and reads as itself; so does what counts when topics are compared.
pub(crate) fn of_topics(text: &str) {
    let topic = Topic::new(text);
    is_topic(&topic);
    assert_eq!(Topic::new(topic.as_str()), topic, "it reads as itself");
}

fn is_topic(topic: &Topic) {
    is_line(topic.as_str(), 100);
    assert_eq!(topic.key().as_str().is_empty(), topic.as_str().is_empty());
}

/// A mail has the headers of its template and no more, goes to whom it shall and says what was rendered; its HTML has
/// the tags of its template and no more. `None`: there is nobody to write to.
pub(crate) fn of_mail(purpose: Purpose, context: &Context) -> Option<Vec<u8>> {
    static CHANNEL: LazyLock<Arc<dyn Channel>> = LazyLock::new(|| open("email", EMAIL));
    let message = rendered(purpose, context, Markup::Html);
    let Ok(bytes) = CHANNEL.compose(&message) else {
        assert!(purpose == Purpose::Welcome && context.email.is_none());
        return None;
    };
    assert_eq!(CHANNEL.compose(&message).as_ref(), Ok(&bytes), "the same message is the same mail");
    let raw = std::str::from_utf8(&bytes).unwrap();
    assert!(raw.is_ascii() && !raw.contains('\0') && raw.split("\r\n").all(|line| line.len() <= 998));
    assert!(!raw.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF");
    let mail = MessageParser::default().parse(&bytes).unwrap();
    heads_as_its_template(&mail, &message);
    says_what_was_rendered(&mail, &message);
    has_the_tags_of_its_template(&message);
    Some(bytes)
}

fn heads_as_its_template(mail: &Message<'_>, message: &Rendered) {
    let answer = message.purpose == Purpose::Request && message.context.email.is_some();
    let names: Vec<&str> = mail.headers().iter().map(mail_parser::Header::name).collect();
    let between = if answer { "From To Reply-To Subject" } else { "From To Subject" };
    assert_eq!(names.join(" "), format!("Message-ID Date {between} Auto-Submitted MIME-Version Content-Type"));
    let shop = ("UmiShop".to_owned(), "hello@umishop.example".to_owned());
    assert_eq!(addresses(mail.from()), [shop]);
    let name = literal(&message.context.name);
    let own = |address: &str| (String::new(), address.to_owned());
    match message.customer() {
        Some(customer) => assert_eq!(addresses(mail.to()), [(name.clone(), customer.to_string())]),
        None => assert_eq!(addresses(mail.to()), [own("sales@umishop.example"), own("boss@umishop.example")]),
    }
    if answer {
        let customer = message.context.email.as_ref().unwrap().to_string();
        assert_eq!(addresses(mail.reply_to()), [(name, customer)]);
    }
    assert_eq!(mail.subject().unwrap_or_default(), literal(&message.subject));
    assert_eq!(mail.message_id(), Some(&*format!("{}@umishop.example", message.id)));
}

/// As a header shows it: an encoded word that somebody wrote themselves is broken up.
fn literal(text: &str) -> String {
    one_line(text).replace("=?", "=\u{200B}?")
}

fn addresses(field: Option<&Address<'_>>) -> Vec<(String, String)> {
    let both = |one: &mail_parser::Addr<'_>| {
        (one.name().unwrap_or_default().to_owned(), one.address().unwrap_or_default().to_owned())
    };
    field.into_iter().flat_map(Address::iter).map(both).collect()
}

fn says_what_was_rendered(mail: &Message<'_>, message: &Rendered) {
    assert_eq!((mail.text_body_count(), mail.html_body_count(), mail.attachment_count()), (1, 1, 0));
    assert_eq!(mail.parts.len(), 3, "the mail, its text and its HTML");
    assert!(mail.parts.iter().all(|part| part.attachment_name().is_none()));
    // What no mail may have is replaced.
    let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{FFFD}");
    assert_eq!(lines(&mail.body_text(0).unwrap()), lines(&message.text));
    assert_eq!(lines(&mail.body_html(0).unwrap()), lines(&message.rich));
}

/// Outside of tags and quoted attributes only `<` and `&` mean something, inside of them only `"` and `&`. So when text
/// brings in none of them that its template does not have, it is text to every reader.
fn has_the_tags_of_its_template(message: &Rendered) {
    let harmless = |text: &str| if one_line(text).is_empty() { String::new() } else { "x".to_owned() };
    let context = &message.context;
    let context = Context {
        name: harmless(&context.name),
        phone: harmless(&context.phone),
        topic: harmless(&context.topic),
        question: if context.question.trim().is_empty() { String::new() } else { "x".to_owned() },
        source: harmless(&context.source),
        ..context.clone()
    };
    let template = rendered(message.purpose, &context, Markup::Html);
    assert_eq!(tags(&message.rich), tags(&template.rich));
    let quotes = |html: &str| html.matches(['"', '\'', '>']).count();
    assert_eq!(quotes(&message.rich), quotes(&template.rich));
    let named = ["amp;", "lt;", "gt;", "quot;", "middot;", "#x27;", "#x2f;"];
    assert!(message.rich.split('&').skip(1).all(|rest| named.iter().any(|name| rest.starts_with(name))));
}

/// Every tag, whole, in order.
fn tags(html: &str) -> Vec<&str> {
    html.match_indices('<').map(|(at, _)| &html[at..=at + html[at..].find('>').unwrap()]).collect()
}

/// A post to Slack has the blocks of its template; in them no text of a customer is a mention, a link or a code block.
pub(crate) fn of_slack(purpose: Purpose, context: &Context) {
    static CHANNEL: LazyLock<Arc<dyn Channel>> = LazyLock::new(|| open("slack", SLACK));
    let message = rendered(purpose, context, Markup::Mrkdwn);
    let post: Value = serde_json::from_slice(body_of(&CHANNEL.compose(&message).unwrap())).unwrap();
    let mut keys: Vec<&str> = post.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["blocks", "channel", "text", "unfurl_links", "unfurl_media"]);
    assert_eq!((&post["unfurl_links"], &post["unfurl_media"]), (&Value::Bool(false), &Value::Bool(false)));
    is_harmless_mrkdwn(post["text"].as_str().unwrap());
    let blocks = post["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 13, "{} blocks", blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(
                    (index, &block["text"]["type"], &block["text"]["emoji"]),
                    (0, &"plain_text".into(), &false.into())
                );
                is_line(block["text"]["text"].as_str().unwrap().trim_end(), 150);
            }
            "section" => {
                assert_eq!((&block["text"]["type"], &block["text"]["verbatim"]), (&"mrkdwn".into(), &true.into()));
                let text = block["text"]["text"].as_str().unwrap();
                assert!(!text.trim().is_empty() && text.chars().count() <= 3000);
                is_harmless_mrkdwn(text);
            }
            "actions" => {
                assert_eq!(index, blocks.len() - 1);
                let url = block["elements"][0]["url"].as_str().unwrap();
                assert!(url.starts_with("https://app.landbot.io/gui/chats_v4/"), "{url}");
            }
            other => panic!("no template has a {other}"),
        }
    }
}

/// Nothing in angle brackets, no bare ampersand, no code block. A `>` begins a quotation of the template's.
fn is_harmless_mrkdwn(text: &str) {
    for line in text.split('\n') {
        let line = line.strip_prefix("> ").or_else(|| line.strip_prefix('>')).unwrap_or(line);
        assert!(!line.contains(['<', '>']) && !line.contains("```"), "{line:?}");
        let mut after_ampersands = line.split('&').skip(1);
        assert!(
            after_ampersands.all(|rest| ["amp;", "lt;", "gt;"].iter().any(|name| rest.starts_with(name))),
            "{line:?}"
        );
    }
}

/// The body of a request over HTTP is a document with the fields of its template and no more, and each says what it was
/// given.
pub(crate) fn of_http(purpose: Purpose, context: &Context) {
    static CHANNELS: LazyLock<[Arc<dyn Channel>; 3]> = LazyLock::new(|| HTTP.map(|table| open("http", table)));
    let message = rendered(purpose, context, Markup::Plain);
    let bodies = CHANNELS.each_ref().map(|channel| channel.compose(&message).unwrap());
    let whole: Value = serde_json::from_slice(body_of(&bodies[0])).unwrap();
    assert_eq!(whole, message.to_json());
    let filled: Value = serde_json::from_slice(body_of(&bodies[1])).unwrap();
    let expected = serde_json::json!({
        "a": context.name, "b": format!("{} / {}", context.topic, context.question), "c": context.question,
        "d": message.subject, "e": message.text,
    });
    assert_eq!(filled, expected);
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(body_of(&bodies[2])).into_owned().collect();
    let expected = [("a", &context.name), ("b", &context.topic), ("c", &context.question)];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.clone())));
}

/// An event for PagerDuty is what its purpose says, and in it a customer's text is a detail of the alert or part of its
/// title, cut at the most.
pub(crate) fn of_pagerduty(purpose: Purpose, context: &Context) {
    static CHANNEL: LazyLock<Arc<dyn Channel>> =
        LazyLock::new(|| open("pagerduty", "routing_key = \"0123456789abcdef0123456789abcdef\""));
    let message = rendered(purpose, context, Markup::Plain);
    let event: Value = serde_json::from_slice(body_of(&CHANNEL.compose(&message).unwrap())).unwrap();
    assert_eq!((&event["routing_key"], &event["dedup_key"]), (&"[redacted]".into(), &message.id.to_string().into()));
    let mut keys: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    if purpose.is_follow_up() {
        assert_eq!(
            (keys.join(" "), &event["event_action"]),
            ("dedup_key event_action routing_key".into(), &"acknowledge".into())
        );
        return;
    }
    keys.retain(|key| *key != "links");
    assert_eq!(keys, ["client", "dedup_key", "event_action", "payload", "routing_key"]);
    for link in event["links"].as_array().into_iter().flatten() {
        assert!(link["href"].as_str().unwrap().starts_with("https://app.landbot.io/gui/chats_v4/"), "{link}");
    }
    let payload = &event["payload"];
    assert_eq!(payload["summary"].as_str(), Some(message.subject.as_str()));
    let said = [("question", &context.question), ("name", &context.name), ("topic", &context.topic)];
    for (name, text) in said.into_iter().filter(|_| purpose == Purpose::Request) {
        let shown = payload["custom_details"][name].as_str().unwrap_or_default();
        let whole = shown.split("\n\n… The text goes on").next().unwrap();
        assert!(text.starts_with(whole) && shown.chars().count() <= 10_000, "{name}: {shown}");
    }
}

/// What follows the head of a composed request.
fn body_of(request: &[u8]) -> &[u8] {
    let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    &request[head + 4..]
}
