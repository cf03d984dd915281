//! The intake as others see it: bytes in, fields out. What holds for any input is here, the rest beside it.

mod origin;
mod shapes;
mod values;

use proptest::prelude::*;

use super::*;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn spain() -> Country {
    Country::parse("ES").unwrap()
}

fn headers(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn fields_of(with: &[(&str, &str)], query: &str, body: impl AsRef<[u8]>) -> Fields {
    match read(&Received { headers: &headers(with), query, body: body.as_ref() }, spain()).unwrap() {
        Reading::Fields(fields) => *fields,
        Reading::Ignored { why } => panic!("ignored: {why}"),
    }
}

fn fields(body: impl AsRef<[u8]>) -> Fields {
    fields_of(&[], "", body)
}

fn refusal(body: impl AsRef<[u8]>) -> String {
    read(&Received { headers: &[], query: "", body: body.as_ref() }, spain()).unwrap_err().to_string()
}

fn email(fields: &Fields) -> &str {
    fields.email.as_ref().unwrap().as_ref().unwrap().as_str()
}

fn e164(fields: &Fields) -> &str {
    fields.phone.as_ref().unwrap().e164.as_deref().unwrap()
}

const HOOK: &str = r#"{"messages": [{
    "type": "text", "timestamp": 1795509000.123456, "data": {"body": "How much is a box?"},
    "sender": {"id": 7, "name": "Ana", "type": "customer"},
    "customer": {"id": 345, "name": "Ana", "email": "ana@example.com", "phone": "+34612345678", "country": "ES",
                 "url": "https://shop.example/", "is_external": "False", "utm_source": "google", "size": "XL", "token": "t"},
    "channel": {"id": 12, "name": "Shop", "type": "landbot"},
    "_raw": {"uuid": "0193-aa", "author_type": "user", "seq": 3}
}]}"#;

fn read_any(body: &[u8], query: &str) -> Option<Fields> {
    let reading = read(&Received { headers: &headers(&[("content-type", FORM)]), query, body }, spain());
    let plain = read(&Received { headers: &[], query, body }, spain());
    match (reading, plain) {
        (Ok(Reading::Fields(fields)), _) | (_, Ok(Reading::Fields(fields))) => Some(*fields),
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>, query in "\\PC*") {
        read_any(&body, &query);
    }

    #[test]
    fn mutated_json_is_read_or_refused_within_limits(changes in prop::collection::vec((0..HOOK.len(), prop::sample::select(&b"\"\\{}[],:@'\n\x00\xFF0nt "[..])), 0..8), cut in 0..=HOOK.len()) {
        let mut body = HOOK.as_bytes().to_vec();
        for (place, byte) in changes {
            body[place] = byte;
        }
        body.truncate(cut);
        if let Some(fields) = read_any(&body, "") {
            prop_assert!(fields.name.chars().count() <= 128 && !fields.name.contains('\n'));
            prop_assert!(fields.origin.extra.values().all(|value| value.chars().count() <= 500));
        }
    }

    #[test]
    fn any_value_reads_the_same_from_json_form_and_query(name in "\\PC{0,40}", question in any::<String>()) {
        let json = fields(serde_json::json!({ "name": name, "question": question }).to_string());
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("name", &name).append_pair("question", &question).finish();
        prop_assert_eq!(&fields(&form), &json);
        prop_assert_eq!(&fields_of(&[], &form, ""), &json);
    }
}
