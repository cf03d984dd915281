//! What strangers write, and what must hold whatever they write (`laws`): in a webhook, in a mail, in Slack, over HTTP.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use umishop::domain::{Context, Country, EmailAddress, Markup, Purpose};
use umishop::intake::Fields;

use crate::laws;
use crate::sinks::{Entrance, SmtpSink};

/// Text that means something to somebody on the way: to a mail program, a server, a browser, Slack, a template, a parser.
const MEANINGFUL: &[&str] = &[
    "\r\nBcc: x@y.example",
    "\r\n\r\n<b>body</b>",
    "\r\n.\r\nMAIL FROM:<x@y.example>\r\n",
    "\n.",
    ".",
    "From x@y.example\n",
    "=?utf-8?Q?=0D=0ABcc:_x=40y.example?=",
    "=?utf-8?B?QWRtaW4=?=",
    "=?",
    "?=",
    "=0D=0A",
    "--=_07070707-0707-0707-0707-070707070707\r\nContent-Type: text/html\r\n\r\n<script>",
    "\"",
    "\\",
    "\\\"",
    "<x@y.example>",
    ", x@y.example",
    "(comment)",
    ";",
    ":",
    "@",
    "\u{0}",
    "\u{8}\u{1B}[2J\u{7F}\u{85}\u{2028}",
    "\u{202E}moc.live",
    "\u{2066}\u{200F}\u{FEFF}",
    "\u{E9}\u{1F6D2}\u{301}\u{10FFFF}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover=\"x",
    "' x='",
    "&lt;b&gt; &amp; &#60; &",
    "-->",
    "</title></style></div>",
    "javascript:alert(1)",
    "<!channel>",
    "<@U012345>",
    "<https://evil.example|click>",
    "`````",
    "*bold* _it_ ~no~",
    "> quoted",
    "https://evil.example/",
    "{{ 7*7 }}",
    "{% include 'x' %}",
    "{#",
    "${jndi:ldap://x}",
    "'; DROP TABLE users; --",
    "\", \"admin\": true, \"x\": \"",
    "&to=x&",
    "%0D%0A",
    "+",
    "['a', 'b']",
    "@name",
    "null",
    "None",
    " ",
    "\t",
    "\n",
];

/// Any text, often of what means something, sometimes very long.
fn hostile() -> impl Strategy<Value = String> {
    let piece =
        prop_oneof![4 => select(MEANINGFUL).prop_map(str::to_owned), 1 => any::<String>(), 2 => "[a-zA-Z ]{1,12}"];
    prop_oneof![
        12 => prop::collection::vec(piece.clone(), 0..6).prop_map(|pieces| pieces.concat()),
        1 => (piece, 1..2000_usize).prop_map(|(piece, times)| piece.repeat(times)),
        1 => any::<String>(),
    ]
}

fn address() -> impl Strategy<Value = Option<EmailAddress>> {
    let odd = "[a-z!#$%&'*+/=?^_`{|}~.-]{1,70}@[a-z0-9-]{1,20}\\.[a-z.]{2,9}";
    prop_oneof![Just("ana@example.com".to_owned()), odd.prop_map(String::from), Just(String::new())]
        .prop_map(|text| EmailAddress::parse(&text).ok())
}

fn context() -> impl Strategy<Value = Context> {
    let said = (hostile(), hostile(), hostile());
    (hostile(), address(), hostile(), hostile(), any::<bool>(), hostile(), hostile(), hostile(), said).prop_map(
        |(name, email, phone, topic, topic_unknown, question, source, chat_uuid, (landbot_customer_id, by, note))| {
            Context {
                name,
                email,
                phone,
                topic,
                topic_unknown,
                question,
                source,
                chat_uuid,
                landbot_customer_id,
                by,
                note,
                ..Context::default()
            }
        },
    )
}

fn purpose() -> impl Strategy<Value = Purpose> {
    select(vec![Purpose::Welcome, Purpose::Request, Purpose::Test, Purpose::Acknowledged])
}

/// A name that a bot gives to a field, or to what holds fields.
fn key() -> impl Strategy<Value = String> {
    let known = [
        "name",
        "Last-Name",
        "email",
        "phone",
        "topic",
        "question",
        "message",
        "language",
        "request_id",
        "test",
        "ref",
        "url",
        "referrer",
        "origin",
        "channel",
        "country",
        "customer",
        "custom_fields",
        "messages",
        "sender",
        "_raw",
        "data",
        "body",
        "referral",
        "uuid",
        "type",
        "utm_source",
        "gclid",
        "token",
        "id",
    ];
    prop_oneof![8 => select(known.to_vec()).prop_map(str::to_owned), 1 => hostile()]
}

/// A tree in which anything lies in anything, under names that mean something.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => hostile().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => select(vec!["customer", "user", "bot", "whatsapp", "612345678", "+1 (212) 555-0100", "ana@example.com"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            2 => prop::collection::vec((key(), inner.clone()), 0..6).prop_map(|entries| Value::Object(entries.into_iter().collect())),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = select(vec!["content-type", "sentry-trace", "idempotency-key", "x-umishop-test", "user-agent"]);
    let value = prop_oneof![
        select(vec!["application/json", "application/x-www-form-urlencoded", "text/plain", "1"])
            .prop_map(str::to_owned),
        hostile(),
    ];
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..4)
}

/// What a customer told, as far as it is the same in every form.
#[derive(Debug, PartialEq)]
struct Customer {
    name: String,
    email: Option<String>,
    phone: Option<String>,
    topic: String,
    question: String,
    language: String,
}

impl Customer {
    fn of(fields: &Fields) -> Self {
        Self {
            name: fields.name.clone(),
            email: fields.contact().email.map(|address| address.to_string()),
            phone: fields.phone.as_ref().map(|phone| phone.best().to_owned()),
            topic: fields.topic.as_str().to_owned(),
            question: fields.question.clone(),
            language: fields.language.clone(),
        }
    }
}

fn customer_in(query: &str, body: &str) -> Customer {
    Customer::of(&laws::of_the_intake(&[], query, body.as_bytes()).unwrap())
}

#[tokio::test]
async fn no_text_speaks_smtp() {
    let sink = SmtpSink::start(Entrance::Pipelining).await;
    let table = format!(
        "server = \"smtp://{}\"\nfrom = \"UmiShop <hello@umishop.example>\"\nto = \"sales@umishop.example\"",
        sink.address()
    );
    let channel = laws::open("email", &table);
    let mut sent = Vec::new();
    for text in MEANINGFUL {
        let context = Context {
            name: (*text).to_owned(),
            email: EmailAddress::parse("ana@example.com").ok(),
            topic: (*text).to_owned(),
            question: (*text).to_owned(),
            ..Context::default()
        };
        for (purpose, to) in [(Purpose::Welcome, "ana@example.com"), (Purpose::Request, "sales@umishop.example")] {
            let message = laws::rendered(purpose, &context, Markup::Html);
            assert_eq!(channel.deliver(&message).await.word(), "delivered", "{text:?}");
            sent.push((to, String::from_utf8(channel.compose(&message).unwrap()).unwrap()));
        }
    }
    let mails = sink.mails();
    assert_eq!((mails.len(), sink.connections()), (sent.len(), 1));
    for (mail, (to, text)) in mails.iter().zip(&sent) {
        assert_eq!((mail.from.as_str(), &mail.to[..]), ("hello@umishop.example", &[(*to).to_owned()][..]));
        assert_eq!(mail.text.trim_end(), text.trim_end());
    }
}

/// Regressions stand here as tests of their own, not in files of seeds.
fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_webhook_is_read_within_limits_or_refused(headers in headers(), query in hostile(), body: Vec<u8>) {
        laws::of_the_intake(&headers, &query, &body);
    }

    #[test]
    fn any_tree_is_read_within_limits_or_refused(headers in headers(), query in hostile(), tree in tree(), cut in any::<prop::sample::Index>(), whole in prop::bool::weighted(0.8)) {
        let body = tree.to_string().into_bytes();
        let end = if whole { body.len() } else { cut.index(body.len()) };
        laws::of_the_intake(&headers, &query, &body[..end]);
        // As a shop's template pastes them: text that nobody escaped.
        let pasted = String::from_utf8_lossy(&body).replace("\\\"", "\"").replace("\\n", "\n").replace("\\r", "\r");
        laws::of_the_intake(&headers, &query, pasted.as_bytes());
    }

    #[test]
    fn a_customer_is_the_same_in_every_form(name in hostile(), email in prop_oneof![hostile(), Just("Ana@Example.com".to_owned())], phone in prop_oneof![hostile(), "[+0-9 ()-]{0,16}"], topic in hostile(), question in hostile(), language in "[a-zA-Z_-]{0,8}") {
        let pairs = [("name", &name), ("email", &email), ("phone", &phone), ("topic", &topic), ("question", &question), ("language", &language)];
        let flat = Value::Object(pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str()))).collect());
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let hook = json!({"messages": [{"sender": {"type": "customer"}, "customer": flat, "_raw": {"uuid": "u"}}]});
        let expected = customer_in("", &flat.to_string());
        prop_assert_eq!(customer_in("", &form), Customer::of(&laws::of_the_intake(&[], &form, b"").unwrap()));
        prop_assert_eq!(&customer_in(&form, ""), &expected);
        for body in [json!([flat]), json!({"customer": flat}), json!({"Custom-Fields": flat}), hook] {
            prop_assert_eq!(&customer_in("", &body.to_string()), &expected);
        }
        prop_assert_eq!(&customer_in("", &serde_json::to_string_pretty(&flat).unwrap()), &expected);
    }

    #[test]
    fn any_text_is_an_address_that_smtp_takes_or_none(text in prop_oneof![hostile(), "[ <]{0,2}(mailto:)?[!-~]{0,70}@[!-~]{0,260}[> ]{0,2}"]) {
        laws::of_addresses(&text);
    }

    #[test]
    fn any_text_is_a_phone_that_reads_as_itself_or_none(text in prop_oneof![hostile(), "[+0-9() ./-]{0,60}", "(tel: )?[٠-٩0-9+()\u{2011}-]{0,24}"], country in select(vec!["ES", "GB", "BR", "RU", "US", "CN", "IT"]), international: bool) {
        laws::of_phones(&text, Country::parse(country).unwrap(), international);
    }

    #[test]
    fn any_text_is_a_topic_that_reads_as_itself(text in hostile(), letters in "[a-z ]{95,105}") {
        laws::of_topics(&text);
        laws::of_topics(&letters);
    }

    #[test]
    fn no_text_changes_a_mails_headers_recipients_or_tags(purpose in purpose(), context in context()) {
        laws::of_mail(purpose, &context);
    }

    #[test]
    fn no_text_is_a_mention_or_a_link_in_slack(purpose in purpose(), context in context()) {
        laws::of_slack(purpose, &context);
    }

    #[test]
    fn no_text_adds_to_a_request_over_http(purpose in purpose(), context in context()) {
        laws::of_http(purpose, &context);
    }

    #[test]
    fn no_text_is_more_than_a_detail_of_an_alert(purpose in purpose(), context in context()) {
        laws::of_pagerduty(purpose, &context);
    }
}
