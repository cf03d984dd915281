//! A channel that is written as one address: `pricing = "slack://TOKEN@CHANNEL"`, or the address of a webhook as it was
//! copied. It stands for the whole table; its kind says which part is which key.

use figment::value::{Dict, Value};
use percent_encoding::percent_decode_str;

use super::channels::form_of;
use super::tree::{self, Form};
use crate::channel::{Kind, as_written};

/// The table that `text` stands for. The error says what is wrong with it and what to write; it repeats none of it, for
/// an address is most often a secret.
pub(super) fn table(kind: &Kind, text: &str) -> Result<Dict, (String, String)> {
    let form = |key: &str| form_of(kind.name, &[key.to_owned()]);
    let found = kind.pasted.iter().find_map(|pattern| matched(pattern, text.trim(), form));
    found.ok_or_else(|| {
        let forms: Vec<String> = kind.pasted.iter().map(|pattern| format!("\"{}\"", as_written(pattern))).collect();
        let mend = match forms.as_slice() {
            [] => format!("write a table [channels.{}.…]", kind.name),
            forms => format!("write {}, with %2F for a / in a part, or a table", forms.join(" or ")),
        };
        ("not an address that stands for a channel of this kind".to_owned(), mend)
    })
}

fn matched(pattern: &str, text: &str, form: impl Fn(&str) -> Option<Form>) -> Option<Dict> {
    if let Some(key) = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        // As it was copied, with whatever query it has.
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        return is_web.then(|| Dict::from([(key.to_owned(), tree::text(text))]));
    }
    let (parts, query) = text.split_once('?').unwrap_or((text, ""));
    let mut keys = Dict::new();
    let mut rest = parts;
    let mut pieces = pattern.split('{');
    rest = rest.strip_prefix(pieces.next()?)?;
    for piece in pieces {
        let (key, literal) = piece.split_once('}')?;
        let end = match literal.chars().next() {
            None => rest.len(),
            // A name before a host may have an @ of its own.
            Some('@') => rest.rfind('@')?,
            Some(_) => rest.find(literal)?,
        };
        let value = decoded(&rest[..end])?;
        rest = rest[end..].strip_prefix(literal)?;
        match key.split_once(':') {
            Some((scheme, key)) => keys.insert(key.to_owned(), tree::text(format!("{scheme}://{value}"))),
            None => keys.insert(key.to_owned(), tree::text(value)),
        };
    }
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = plain(&value, form(&key));
        keys.insert(key.into_owned(), value);
    }
    rest.is_empty().then_some(keys)
}

/// A part of the address; `None` when there is nothing in it, or more than one part.
fn decoded(part: &str) -> Option<String> {
    let text = percent_decode_str(part).decode_utf8().ok()?;
    (!part.is_empty() && !part.contains('/')).then(|| text.into_owned())
}

/// A value of the query, in the form that its key has.
fn plain(text: &str, form: Option<Form>) -> Value {
    match (form, text.parse::<bool>(), text.parse::<u32>()) {
        (Some(Form::Truth), Ok(truth), _) => Value::from(truth),
        (Some(Form::Number), _, Ok(number)) => Value::from(number),
        (Some(Form::List), ..) => Value::from(text.split(',').map(tree::text).collect::<Vec<_>>()),
        _ => tree::text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pattern: &str, text: &str) -> Option<Vec<String>> {
        let written = |(key, value): (&String, &Value)| format!("{key} = {}", tree::written(value));
        matched(pattern, text, |key| (key == "connections").then_some(Form::Number))
            .map(|keys| keys.iter().map(written).collect())
    }

    #[test]
    fn each_part_of_an_address_is_the_key_that_its_pattern_names() {
        for (pattern, text, expected) in [
            ("slack://{token}@{channel}", "slack://xoxb-1@C0123", vec!["channel = \"C0123\"", "token = \"xoxb-1\""]),
            ("slack://{token}@{channel}", "slack://xoxb-1@%23a%2Fb", vec!["channel = \"#a/b\"", "token = \"xoxb-1\""]),
            (
                "smtps://{username}:{password}@{smtps:server}",
                "smtps://ana@example.com:p%40ss@mail.example:465?connections=2&to=a@b.example",
                vec![
                    "connections = 2",
                    "password = \"p@ss\"",
                    "server = \"smtps://mail.example:465\"",
                    "to = \"a@b.example\"",
                    "username = \"ana@example.com\"",
                ],
            ),
            ("{url}", "https://h.example/x?key=a&v=1", vec!["url = \"https://h.example/x?key=a&v=1\""]),
        ] {
            assert_eq!(keys(pattern, text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_address_with_a_part_too_many_or_too_few_is_none() {
        for (pattern, text) in [
            ("slack://{token}@{channel}", "slack://xoxb-1"),
            ("slack://{token}@{channel}", "slack://@C0123"),
            ("slack://{token}@{channel}", "slack://xoxb-1@C0123/more"),
            ("slack://{token}@{channel}", "https://hooks.slack.com/x"),
            ("{url}", "slack://xoxb-1@C0123"),
        ] {
            assert_eq!(keys(pattern, text), None, "{text}");
        }
    }
}
