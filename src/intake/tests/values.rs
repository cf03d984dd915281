//! Names, missing values, limits: what becomes of a single field.

use super::*;

#[test]
fn every_alias_is_read_in_every_spelling() {
    type Read = fn(&Fields) -> &str;
    let table: [(&[&str], &str, Read); 6] = [
        (&["name", "full_name", "fullname", "first_name", "username", "user_name", "nombre"], "Ana", |read| &read.name),
        (&["email", "e_mail", "mail", "user_email", "correo"], "ana@example.com", email),
        (
            &["phone", "telephone", "telefono", "mobile", "movil", "whatsapp", "phone_number", "tel"],
            "+34612345678",
            e164,
        ),
        (&["description", "message", "question", "text", "comment", "pregunta", "mensaje"], "Why?", |read| {
            &read.question
        }),
        (&["topic", "subject", "department", "tema", "asunto"], "💶 Precios", |read| read.topic.as_str()),
        (&["language", "lang", "locale"], "pt-BR", |read| &read.language),
    ];
    let camel = |name: &str| name.replace("_n", "N").replace("_m", "M").replace("_e", "E");
    for (aliases, value, read) in table {
        for alias in aliases {
            for name in [
                (*alias).to_owned(),
                alias.to_uppercase(),
                alias.replace('_', "-"),
                alias.replace('_', " "),
                camel(alias),
            ] {
                assert_eq!(read(&fields(serde_json::json!({ &name: value }).to_string())), value, "{name}");
            }
        }
    }
}

#[test]
fn a_last_name_joins_the_first_unless_it_is_there() {
    for (body, name) in [
        (r#"{"firstName": "Ana", "lastName": "Ruiz"}"#, "Ana Ruiz"),
        (r#"{"last_name": "Ruiz", "name": "Ana"}"#, "Ana Ruiz"),
        (r#"{"full_name": "Ana Ruiz Gil", "last_name": "ruiz"}"#, "Ana Ruiz Gil"),
        (r#"{"first_name": "@first_name", "last_name": "Ruiz"}"#, "Ruiz"),
        (r#"{"first_name": "Ana", "last_name": null}"#, "Ana"),
    ] {
        assert_eq!(fields(body).name, name, "{body}");
    }
}

#[test]
fn a_missing_value_gives_way_to_the_next_name_and_the_last_of_its_own() {
    for missing in [
        "\"\"",
        "\" \"",
        "null",
        "\"null\"",
        "\"None\"",
        "\"undefined\"",
        "\"@name\"",
        "\"@{name}\"",
        "\"¿·@name·?\"",
        "\"${name}\"",
        "[]",
    ] {
        assert_eq!(fields(format!(r#"{{"name": {missing}, "username": "Ana"}}"#)).name, "Ana", "{missing}");
        assert_eq!(fields(format!(r#"{{"name": "Ana", "name": {missing}}}"#)).name, "Ana", "{missing}");
        assert_eq!(fields(format!(r#"{{"name": {missing}}}"#)), fields("{}"), "{missing}");
    }
    assert_eq!(fields(r#"{"name": "Old", "name": "Ana"}"#).name, "Ana");
    assert_eq!(e164(&fields(r#"{"phone": "none", "mobile": "612345678"}"#)), "+34612345678");
}

#[test]
fn what_another_name_says_is_kept_beside_the_better_one() {
    let both = fields(r#"{"name": "Ana", "username": "ana92", "email": "a@b.co", "mail": "a@b.co"}"#);
    assert_eq!(
        (both.name.as_str(), both.origin.extra["username"].as_str(), both.origin.extra.len()),
        ("Ana", "ana92", 1)
    );
}

#[test]
fn a_value_may_be_a_number_a_bool_or_a_list() {
    let mixed = fields(
        r#"{"name": 12, "phone": 34612345678, "question": true, "topic": ["Sales", "Pricing"], "tags": "['a', \"it's\"]", "more": {"a": [1]}}"#,
    );
    assert_eq!(
        (mixed.name.as_str(), e164(&mixed), mixed.question.as_str(), mixed.topic.as_str()),
        ("12", "+34612345678", "true", "Sales, Pricing")
    );
    assert_eq!((mixed.origin.extra["tags"].as_str(), mixed.origin.extra["more"].as_str()), ("a, it's", r#"{"a":[1]}"#));
    let object = fields(r#"{"name": {"first": "Ana"}}"#);
    assert_eq!((object.name.as_str(), object.origin.extra["name"].as_str()), ("", r#"{"first":"Ana"}"#));
}

#[test]
fn a_bad_address_is_told_and_a_bad_phone_is_kept() {
    let bad = fields(r#"{"email": "ana at example", "phone": "12 34"}"#);
    assert!(bad.email.clone().unwrap().is_err());
    assert_eq!((bad.contact().email, bad.contact().key().as_str()), (None, "12 34"));
    assert!(fields(r#"{"email": "a@b.co\r\nBcc: x@y.zz"}"#).email.unwrap().is_err());
}

#[test]
fn a_request_may_bring_its_own_name() {
    let header = [("idempotency-key", " key-1 ")];
    assert_eq!(fields_of(&header, "", "{}").request_id.as_deref(), Some("key-1"));
    assert_eq!(fields_of(&header, "", r#"{"requestId": 42}"#).request_id.as_deref(), Some("42"));
    assert_eq!(fields(r#"{"idempotency_key": "k"}"#).request_id.as_deref(), Some("k"));
    assert_eq!(fields(format!(r#"{{"request_id": "{}"}}"#, "x".repeat(500))).request_id.unwrap().len(), 200);
    assert_eq!(fields("{}").request_id, None);
}

#[test]
fn a_rehearsal_says_so() {
    assert!(fields(r#"{"test": true}"#).test);
    assert!(fields_of(&[("x-umishop-test", "1")], "", r#"{"test": false}"#).test);
    // A field that the shop itself calls so turns no customer away.
    for body in [
        r#"{"test": "1"}"#,
        r#"{"test": "true"}"#,
        "test=1",
        r#"{"test": false}"#,
        r#"{"test": "@test"}"#,
        r#"{"origin": {"test": true}}"#,
        "{}",
    ] {
        assert!(!fields(body).test, "{body}");
    }
    let split = fields(r#"{"test": "variant b"}"#);
    assert_eq!((split.test, split.origin.extra["test"].as_str()), (false, "variant b"));
}

#[test]
fn long_values_are_cut_and_say_so() {
    let question = fields(serde_json::json!({ "question": "ñ".repeat(100_000) }).to_string());
    let (kept, note) = question.question.split_once('\n').unwrap();
    assert_eq!((kept.chars().count(), note), (10_000, "[… cut: 100000 characters came]"));
    assert_eq!(question.notes, ["question cut to 10000 of 100000 characters"]);

    let whole = fields(serde_json::json!({ "question": "ñ".repeat(10_000) }).to_string());
    assert_eq!((whole.question.chars().count(), whole.notes.len()), (10_000, 0));

    let long = "x".repeat(1000);
    let cut = fields(serde_json::json!({ "name": long, "size": long, "utm_source": long, "url": long }).to_string());
    assert_eq!((cut.name.len(), cut.origin.extra["size"].len(), cut.origin.utm["utm_source"].len()), (128, 500, 500));
    assert_eq!(
        cut.notes,
        ["Name cut to 128 characters", "LandingPage cut to 500 characters", "2 further fields cut to 500 characters"]
    );
}

#[test]
fn only_so_many_further_fields_are_kept_and_ours_always() {
    let mut body: serde_json::Map<String, serde_json::Value> =
        (0..1000).map(|n| (format!("a{n:03}"), n.into())).collect();
    body.insert("name".into(), "Ana".into());
    body.insert("utm_source".into(), "google".into());
    let many = fields(serde_json::Value::Object(body).to_string());
    assert_eq!((many.name.as_str(), many.origin.extra.len()), ("Ana", 200));
    assert_eq!(many.origin.source(), "google");
    assert_eq!(many.notes, ["left out 800 further fields: 200 are kept"]);
}

#[test]
fn names_and_questions_are_clean_text() {
    let clean = fields(
        "{\"name\": \" Jose\u{301}\\r\\nBcc: x \\u202e\", \"topic\": \"a\\nb\", \"question\": \" a\\u0000b\\n\\u202ec \"}",
    );
    assert_eq!((clean.name.as_str(), clean.topic.as_str(), clean.question.as_str()), ("José Bcc: x", "a b", "a b\nc"));
}

#[test]
fn secrets_are_kept_nowhere() {
    let body = r#"{"secret": "s3cret", "Access-Token": "s3cret", "password": "s3cret", "apiKey": "s3cret", "usertoken": "s3cret", "SECRET_KEY": "s3cret", "a": {"b": {"user_token": "s3cret"}}}"#;
    for all in [fields(body), fields_of(&[], "token=s3cret&api_key=s3cret", ""), fields("password=s3cret")] {
        assert!(!format!("{all:?}").contains("s3cret"), "{all:?}");
    }
    assert_eq!(fields(r#"{"secretaria": "Eva"}"#).origin.extra["secretaria"], "Eva");
}
