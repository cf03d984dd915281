//! Whatever shape and repair a body needs, the same fields come out; or a refusal that names the place.

use super::*;

#[test]
fn every_shape_gives_the_same_fields() {
    let ana = fields(r#"{"name": "Ana", "email": "ana@example.com", "topic": "Sales", "utm_source": "google"}"#);
    assert_eq!((ana.name.as_str(), email(&ana), ana.topic.as_str()), ("Ana", "ana@example.com", "Sales"));
    assert_eq!(ana.origin.utm["utm_source"], "google");
    assert!(ana.notes.is_empty());
    for shape in [
        r#"[{"name": "Ana", "email": "ana@example.com", "topic": "Sales", "utm_source": "google"}]"#,
        r#"{"customer": {"name": "Ana", "email": "ana@example.com", "topic": "Sales", "utm_source": "google"}}"#,
        r#"{"customer": {"name": "Ana", "email": "ana@example.com"}, "topic": "Sales", "origin": {"utm_source": "google"}}"#,
        r#"{"customer": {"name": "Ana", "custom_fields": {"topic": "Sales", "email": "ana@example.com", "utm_source": "google"}}}"#,
        r#"{"CUSTOMER": {"Name": "Ana", "E-Mail": "ana@example.com", "Topic": "Sales", "utmSource": "google"}}"#,
        "\u{FEFF} {\"name\": \"Ana\", \"email\": \"ana@example.com\", \"topic\": \"Sales\", \"utm_source\": \"google\"}\n",
        "name=Ana&email=ana%40example.com&topic=Sales&utm_source=google",
    ] {
        assert_eq!(fields(shape), ana, "{shape}");
    }
    assert_eq!(fields_of(&[], "name=Ana&email=ana%40example.com&topic=Sales&utm_source=google", ""), ana);
}

#[test]
fn json_is_json_under_every_content_type() {
    let body = r#"{"name": "Ana", "question": "1 + 1 = 2 & more?", "phone": "+34 612 345 678"}"#;
    let plain = fields(body);
    assert_eq!(plain.question, "1 + 1 = 2 & more?");
    for media in
        [JSON, FORM, "text/plain", "text/html; charset=latin1", "multipart/form-data; boundary=x", "nonsense", ""]
    {
        assert_eq!(fields_of(&[("content-type", media)], "", body), plain, "{media}");
    }
}

#[test]
fn a_form_is_a_form_under_every_content_type() {
    let body = "name=Ana+Ruiz&phone=%2B34+612+345+678&question=%C2%BFqu%C3%A9%3F%0D%0Aya&origin=fair";
    let json =
        fields(r#"{"name": "Ana Ruiz", "phone": "+34 612 345 678", "question": "¿qué?\r\nya", "origin": "fair"}"#);
    for media in [JSON, FORM, "text/plain", ""] {
        assert_eq!(fields_of(&[("content-type", media)], "", body), json, "{media}");
    }
    assert_eq!(
        fields_of(&[("content-type", "application/X-WWW-Form-URLencoded; charset=utf-8")], "", "a b=1&name=Ana").name,
        "Ana"
    );
}

#[test]
fn the_query_fills_what_the_body_leaves_open() {
    let both = fields_of(
        &[],
        "name=Old&email=old%40example.com&utm_source=bing&topic=Pricing&gclid=g",
        r#"{"username": "Ana", "email": "ana@example.com", "utm_source": "google", "topic": "@topic"}"#,
    );
    assert_eq!((both.name.as_str(), email(&both), both.topic.as_str()), ("Ana", "ana@example.com", "Pricing"));
    assert_eq!((both.origin.utm["utm_source"].as_str(), both.origin.clicks["gclid"].as_str()), ("google", "g"));
}

#[test]
fn a_message_hook_is_its_customer_and_the_line_they_wrote() {
    let hook = fields(HOOK);
    assert_eq!(
        (hook.name.as_str(), email(&hook), e164(&hook), hook.question.as_str()),
        ("Ana", "ana@example.com", "+34612345678", "How much is a box?")
    );
    let origin = &hook.origin;
    assert_eq!(
        (origin.channel.as_deref(), origin.country.as_deref(), origin.landing_page.as_deref()),
        (Some("web"), Some("ES"), Some("https://shop.example/"))
    );
    assert_eq!((origin.landbot_customer_id.as_deref(), origin.utm["utm_source"].as_str()), (Some("345"), "google"));
    let extra: Vec<(&str, &str)> = origin.extra.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        extra,
        [
            ("channel_id", "12"),
            ("channel_name", "Shop"),
            ("is_external", "False"),
            ("size", "XL"),
            ("timestamp", "1795509000.123456")
        ]
    );
    assert_eq!(hook.contact().landbot_customer_id.as_deref(), Some("345"));

    let explicit = fields(HOOK.replace(r#""size": "XL""#, r#""question": "How big?""#));
    assert_eq!(explicit.question, "How big?");
}

#[test]
fn a_message_hook_is_known_again_by_its_trace() {
    assert_eq!(fields(HOOK).trace.as_deref(), Some("0193-aa"));
    assert_eq!(fields_of(&[("sentry-trace", "abc-1")], "", HOOK).trace.as_deref(), Some("abc-1"));
    assert_eq!(
        fields_of(&[("sentry-trace", "abc-1")], "", r#"{"name": "Ana"}"#).trace,
        None,
        "two blocks of one run may share it"
    );
}

#[test]
fn a_hook_of_anybody_but_the_customer_is_ignored() {
    for author in ["bot", "agent", "sys"] {
        for hook in [
            HOOK.replace(r#""type": "customer""#, &format!("\"type\": \"{author}\"")),
            HOOK.replace("sender", "from").replace("\"user\"", &format!("\"{author}\"")),
        ] {
            let reading = read(&Received { headers: &[], query: "", body: hook.as_bytes() }, spain()).unwrap();
            assert!(matches!(reading, Reading::Ignored { why: "not the customer's message" }), "{reading:?}");
        }
    }
    assert_eq!(fields(r#"{"name": "Ana", "messages": ["hi"]}"#).name, "Ana", "a field of that name makes no hook");
}

#[test]
fn an_apichat_body_has_its_customer_beside_the_channel() {
    let chat = fields(
        r#"{"customer": {"id": 9, "token": "secret", "name": "Ana", "phone": null}, "channel": {"id": 3, "name": "API"}, "agent": {"id": 1, "token": "t"}, "message": "hi"}"#,
    );
    assert_eq!(
        (chat.name.as_str(), chat.question.as_str(), &chat.phone, &chat.origin.channel),
        ("Ana", "hi", &None, &None)
    );
    assert_eq!(
        (chat.origin.landbot_customer_id.as_deref(), chat.origin.extra["agent"].as_str()),
        (Some("9"), r#"{"id":1}"#)
    );
    assert!(!chat.origin.extra.values().any(|value| value.contains("secret")));
}

#[test]
fn two_kinds_of_damage_are_mended_and_noted() {
    let mended = fields("{\"id\": , \"name\": \"Ana\nRuiz\", \"question\": \"one\r\ntwo\tthree\", \"phone\": }");
    assert_eq!((mended.name.as_str(), mended.question.as_str()), ("Ana Ruiz", "one\ntwo three"));
    assert_eq!(mended.notes, ["escaped 4 control characters inside strings", "read 2 unset variables as null"]);
    let latin1 = fields(b"{\"name\": \"Jos\xE9\"}");
    assert_eq!(
        (latin1.name.as_str(), latin1.notes),
        ("Jos\u{FFFD}", vec!["replaced bytes that are not UTF-8".to_owned()])
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_the_place_and_no_value() {
    for (body, why) in [
        (r#"{"name": "Ana "the best" Ruiz"}"#, "not JSON: expected `,` or `}` at line 1 column 16"),
        (r#"{"name": @name}"#, "not JSON: expected value at line 1 column 10"),
        ("{\"name\": \"Ana\",\n \"topic\"", "not JSON: EOF while parsing an object at line 2 column 8"),
        ("hello there", "not JSON: expected value at line 1 column 1"),
        (r#"<lead name="Ana"/>"#, "not JSON: expected value at line 1 column 1"),
        (r#""Ana""#, "JSON, but no object with the customer's fields"),
        ("[]", "JSON, but no object with the customer's fields"),
        ("[[{\"name\": \"Ana\"}]]", "JSON, but no object with the customer's fields"),
    ] {
        assert_eq!(refusal(body), why, "{body}");
    }
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refusal(deep), "JSON more than 32 levels deep at line 1 column 38");
}

#[test]
fn an_empty_body_says_nothing_and_is_no_error() {
    for body in ["", "  \r\n", "{}", "[{}]"] {
        let nothing = fields(body);
        assert!(nothing.contact().is_empty() && nothing.notes.is_empty(), "{body}");
        assert_eq!(nothing.origin, Origin::default());
    }
}
