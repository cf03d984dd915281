//! A given value -> text, or nothing when it only looks like one.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::value::Value;
use crate::domain::one_line;

/// The text of a value, trimmed and composed (NFC); `None` when the value is missing. Lists read as `a, b`, objects as
/// compact JSON.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(plain_number(number)),
        Value::Text(text) => match python_list(text.trim()) {
            Some(items) => join(items.iter().filter_map(|item| scalar(item))),
            None => scalar(text),
        },
        Value::List(items) if !value.is_composite() => join(items.iter().filter_map(text)),
        Value::List(_) | Value::Object(_) => serde_json::to_string(value).ok(),
    }
}

/// Text of several lines: each cleaned as [`one_line`] does, the breaks between them kept.
pub(super) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.replace("\r\n", "\n").split(['\n', '\r']).map(one_line).collect();
    lines.join("\n").trim().to_owned()
}

fn join(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| items.join(", "))
}

/// A whole number without exponent or fraction, for phones and ids that came as `3.4612345678e10`.
fn plain_number(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

fn scalar(text: &str) -> Option<String> {
    let text = text.trim();
    if is_missing(text) {
        return None;
    }
    Some(match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text.to_owned(),
        _ => text.nfc().collect(),
    })
}

/// Whether the text stands for no value: nothing, a null of some language, or a variable that Landbot did not replace.
fn is_missing(text: &str) -> bool {
    matches!(text, "" | "null" | "None" | "undefined") || is_token(text)
}

/// Whether the text is one variable and nothing else: `@name`, `@{name}`, `¿·@name·?`, `${name}`.
fn is_token(text: &str) -> bool {
    let text = text.strip_prefix("¿·").and_then(|inner| inner.strip_suffix("·?")).unwrap_or(text);
    let braced = |text: &str| {
        let name = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}']))
    };
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    text.strip_prefix('@').is_some_and(|name| plain(name) || braced(name)) || text.strip_prefix('$').is_some_and(braced)
}

/// The items of a list as Python writes it, `['a', "it's"]`: how Landbot puts a list into a text. `None` when the text
/// is not such a list, whole and well-formed; one that does not begin with a quoted item may well be the customer's own.
fn python_list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut items = Vec::new();
    if rest.is_empty() {
        return Some(items);
    }
    if !rest.starts_with(['\'', '"']) {
        return None;
    }
    loop {
        let (item, after) = if rest.starts_with(['\'', '"']) { python_text(rest)? } else { python_word(rest)? };
        items.push(item);
        match after.trim_start() {
            "" => return Some(items),
            more => rest = more.strip_prefix(',')?.trim_start(),
        }
    }
}

/// A bare item: a number, `None`, `True`.
fn python_word(text: &str) -> Option<(String, &str)> {
    let (word, _) = text.split_once(',').unwrap_or((text, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let word = word.trim_end();
    (!word.is_empty() && word.chars().all(plain)).then(|| (word.to_owned(), &text[word.len()..]))
}

/// A quoted item and what follows it, its escapes resolved.
fn python_text(text: &str) -> Option<(String, &str)> {
    let mut characters = text.chars();
    let quote = characters.next()?;
    let mut item = String::new();
    loop {
        match characters.next()? {
            end if end == quote => return Some((item, characters.as_str())),
            '\\' => match characters.next()? {
                'n' => item.push('\n'),
                'r' => item.push('\r'),
                't' => item.push('\t'),
                'x' => item.push(code_point(&mut characters, 2)?),
                'u' => item.push(code_point(&mut characters, 4)?),
                'U' => item.push(code_point(&mut characters, 8)?),
                same @ ('\\' | '\'' | '"') => item.push(same),
                other => item.extend(['\\', other]),
            },
            character => item.push(character),
        }
    }
}

fn code_point(characters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut value = 0;
    for _ in 0..digits {
        value = value * 16 + characters.next()?.to_digit(16)?;
    }
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Option<String> {
        text(&Value::from_json(json).unwrap())
    }

    fn plain(value: &str) -> Option<String> {
        text(&Value::Text(value.to_owned()))
    }

    #[test]
    fn missing_values_are_known_as_such() {
        for missing in [
            "",
            "  ",
            "\r\n",
            "null",
            "None",
            "undefined",
            " None ",
            "@name",
            "@{name}",
            "@{First Name}",
            "¿·@name·?",
            "¿·@{name}·?",
            "${chat_uuid}",
            "@first_name",
            "[]",
            "['']",
            "['@name', None]",
        ] {
            assert_eq!(plain(missing), None, "{missing:?}");
        }
        assert_eq!((of("null"), of("[]"), of("[null, \"\"]")), (None, None, None));
    }

    #[test]
    fn text_that_merely_holds_a_token_or_a_null_is_fine() {
        for whole in [
            "ana@example.com",
            "@ana and @eva",
            "Is null allowed?",
            "none",
            "Null",
            "@",
            "$",
            "${",
            "@{",
            "@{}",
            "¿·?",
            "write to @ana!",
            "$5",
            "¿Qué tal?",
            "{name}",
        ] {
            assert_eq!(plain(whole).as_deref(), Some(whole));
        }
    }

    #[test]
    fn scalars_and_lists_read_as_text() {
        for (json, read) in [
            ("true", "true"),
            ("12", "12"),
            ("-1.5", "-1.5"),
            ("34612345678", "34612345678"),
            ("3.4612345678e10", "34612345678"),
            (r#"" Ana ""#, "Ana"),
            (r#""Jose\u0301""#, "José"),
            (r#"["a", 1, null, true]"#, "a, 1, true"),
            (r#"{"a": {"b": [1]}}"#, r#"{"a":{"b":[1]}}"#),
            (r#"[{"a": 1}, 2]"#, r#"[{"a":1},2]"#),
        ] {
            assert_eq!(of(json).as_deref(), Some(read), "{json}");
        }
    }

    #[test]
    fn lists_written_by_python_are_read() {
        for (python, read) in [
            (r"['a', 'b']", "a, b"),
            (r#"['a',"it's"]"#, "a, it's"),
            (r"['it\'s', 'x\\y']", r"it's, x\y"),
            (r"['\xf1and\u00fa \U0001f4b6']", "ñandú 💶"),
            (r"[ 'a' , None, 3, True ]", "a, 3, True"),
            ("['a, b', 'c]']", "a, b, c]"),
            (r"['a\qb']", r"a\qb"),
            (r#"["a", "b"]"#, "a, b"),
        ] {
            assert_eq!(plain(python).as_deref(), Some(read), "{python}");
        }
        for other in [
            "['a'",
            "['a' 'b']",
            "[urgent] help",
            "[1]",
            "['a', ['b']]",
            "['a',]x",
            "['\\ud83d']",
            "['a', b c]",
            "['a\\",
        ] {
            assert_eq!(plain(other).as_deref(), Some(other));
        }
    }

    #[test]
    fn a_question_keeps_its_line_breaks_and_loses_other_controls() {
        assert_eq!(lines(" one\r\ntwo\rthree\n\n\u{202E}fo\u{0}ur\t5 \n"), "one\ntwo\nthree\n\nfo ur 5");
    }
}
