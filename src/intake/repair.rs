//! Mends JSON that a chatbot broke by pasting an answer into its template.
//!
//! Landbot replaces variables as text. Two kinds of damage have one possible meaning and are mended: a line break (or
//! another control character) inside a string, and an unset variable without quotes (`"id": ,`). An unescaped quote is
//! left alone: where the string was meant to end is a guess, and a wrong guess writes one person's words into another
//! field.

use std::fmt::Write;

/// The text as it was meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repaired {
    pub(super) text: String,
    /// What was done to it; empty when there was nothing to do.
    pub(super) notes: Vec<String>,
}

/// Mends what can be mended; whether the result is JSON is for the parser to say.
pub(super) fn repair(broken: &str) -> Repaired {
    let mut text = String::with_capacity(broken.len() + 64);
    let (mut in_string, mut escaped, mut after_colon) = (false, false, false);
    let (mut controls, mut unset) = (0, 0);
    for character in broken.chars() {
        if in_string {
            if character.is_ascii_control() && character != '\u{7F}' {
                controls += 1;
                // A backslash before the line break escapes nothing that JSON knows; it was the customer's own.
                text.push_str(if escaped { "\\" } else { "" });
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
                escaped = false;
                continue;
            }
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character == '"' {
            (in_string, after_colon) = (true, false);
        } else if after_colon && matches!(character, ',' | '}') {
            unset += 1;
            text.push_str("null");
            after_colon = false;
        } else if !character.is_whitespace() {
            after_colon = character == ':';
        }
        text.push(character);
    }
    let mut notes = Vec::new();
    if controls > 0 {
        notes.push(format!("escaped {controls} control characters inside strings"));
    }
    if unset > 0 {
        notes.push(format!("read {unset} unset variables as null"));
    }
    Repaired { text, notes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(broken: &str) -> (String, usize) {
        let Repaired { text, notes } = repair(broken);
        (text, notes.len())
    }

    #[test]
    fn control_characters_inside_strings_are_escaped() {
        assert_eq!(
            repaired("{\"q\": \"one\r\ntwo\t\u{1}\"\n}"),
            ("{\"q\": \"one\\u000d\\u000atwo\\u0009\\u0001\"\n}".into(), 1)
        );
        assert_eq!(
            repaired("{\"q\": \"path \\\\\n \\\"x\\\"\n\"}"),
            ("{\"q\": \"path \\\\\\u000a \\\"x\\\"\\u000a\"}".into(), 1)
        );
        assert_eq!(repaired("{\"q\": \"a\\\nb\"}"), ("{\"q\": \"a\\\\\\u000ab\"}".into(), 1));
    }

    #[test]
    fn unset_variables_become_null() {
        assert_eq!(repaired(r#"{"id": , "n":, "last": }"#), (r#"{"id": null, "n":null, "last": null}"#.into(), 1));
    }

    #[test]
    fn what_needs_no_repair_stays_as_it_is() {
        for whole in
            [r#"{"a": "x: , }", "b": {"c": []}, "d": ":,"}"#, r#"{"a": "he said "hi": , ok"}"#, "[1, 2]", "", "\"\\"]
        {
            assert_eq!(repaired(whole), (whole.to_owned(), 0), "{whole}");
        }
    }
}
