//! The bytes of a webhook -> a [`Value`].
//!
//! Landbot sends no header unless the shop adds one, so the bytes themselves say what they are; Content-Type is asked
//! only about what could be a form and does not look like one.

use url::form_urlencoded;

use super::repair::{Repaired, repair};
use super::value::{Entries, Value, add};
use super::{Received, Unreadable};

/// Reads the body, and notes what had to be mended. An empty body is an object without entries.
pub(super) fn decode(received: &Received<'_>, notes: &mut Vec<String>) -> Result<Value, Unreadable> {
    let text = String::from_utf8_lossy(received.body);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        notes.push("replaced bytes that are not UTF-8".to_owned());
    }
    let text = text.trim_start_matches('\u{FEFF}').trim();
    if text.is_empty() {
        return Ok(Value::Object(Entries::new()));
    }
    let is_form = !text.starts_with(['{', '[']) && (looks_like_form(text) || says_form(received));
    if is_form { Ok(Value::Object(decode_pairs(text))) } else { decode_json(text, notes) }
}

/// Reads `name=value&…`, as in a query or a form.
pub(super) fn decode_pairs(text: &str) -> Entries {
    let mut entries = Entries::new();
    for (key, value) in form_urlencoded::parse(text.as_bytes()) {
        add(&mut entries, key.into_owned(), Value::Text(value.into_owned()));
    }
    entries
}

fn decode_json(text: &str, notes: &mut Vec<String>) -> Result<Value, Unreadable> {
    let error = match Value::from_json(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let Repaired { text, notes: repairs } = repair(text);
    match Value::from_json(&text) {
        Ok(value) if !repairs.is_empty() => {
            notes.extend(repairs);
            Ok(value)
        }
        // The first error is about the text as it came, so its line and column are where the sender finds them.
        _ if error.is_data() => Err(Unreadable::new(format!("JSON {error}"))),
        _ => Err(Unreadable::new(format!("not JSON: {error}"))),
    }
}

/// Whether the text begins as a form does: a name in the characters that URL encoding leaves, then `=`.
fn looks_like_form(text: &str) -> bool {
    let name = text.split(['=', '&']).next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+*%~[]".contains(&byte);
    text.contains('=') && !name.is_empty() && name.bytes().all(plain)
}

fn says_form(received: &Received<'_>) -> bool {
    received.header("content-type").is_some_and(|media| media.to_ascii_lowercase().contains("x-www-form-urlencoded"))
}
