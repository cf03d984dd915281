//! Templates of the shop's own, for an address, a header and a body.
//!
//! A value is written for the place it stands in, so that whatever a customer wrote stays that one value. What cannot
//! be held so is refused when the channel is opened, by filling the template with the worst of values.

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::IgnoredAny;
use serde_json::json;

use crate::domain::{Purpose, one_line};

/// All but what means nothing anywhere in an address (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a header's value does not hold as it is; with `%`, so that it can be decoded.
const NOT_IN_A_HEADER: &AsciiSet = &CONTROLS.add(b'%');

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// As the inside of a JSON string.
    Json,
    /// As a value of a form.
    Form,
    /// As they are.
    Text,
    /// As a part of a web address, everything encoded that separates its parts.
    Address,
    /// On one line, encoded like an address where it is not ASCII.
    Header,
}

impl Notation {
    fn write(self, value: &Value) -> String {
        let text = match value.kind() {
            ValueKind::None => String::new(),
            ValueKind::Bool => value.is_true().to_string(),
            _ => value.to_string(),
        };
        match self {
            Self::Address => utf8_percent_encode(&text, RESERVED).to_string(),
            Self::Header => utf8_percent_encode(&one_line(&text), NOT_IN_A_HEADER).to_string(),
            // In a body a template may write markup of its own, as `tojson` does.
            _ if value.is_safe() => text,
            Self::Json => {
                let quoted = serde_json::Value::from(text).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Form => url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
            Self::Text => text,
        }
    }
}

/// A template.
pub(super) struct Template {
    environment: Environment<'static>,
    notation: Notation,
}

impl Template {
    /// Reads `source`. The error says in which line it goes wrong.
    pub(super) fn new(source: String, notation: Notation) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(move |out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value| {
            out.write_str(&notation.write(value)).map_err(Into::into)
        });
        environment.add_template_owned("template", source).map_err(|error| explained(&error))?;
        Ok(Self { environment, notation })
    }

    /// The text with a message's `fields` in it.
    pub(super) fn fill(&self, fields: &serde_json::Value) -> Result<String, String> {
        let filled = self.environment.get_template("template").and_then(|template| template.render(Serde(fields)));
        let filled = filled.map_err(|error| explained(&error))?;
        if self.notation == Notation::Json
            && let Err(error) = serde_json::from_str::<IgnoredAny>(&filled)
        {
            return Err(format!(
                "the body is not JSON once it is filled in ({error}): write \"{{{{ field }}}}\" with quotes around it, or {{{{ field | tojson }}}} without"
            ));
        }
        Ok(filled)
    }
}

fn explained(error: &minijinja::Error) -> String {
    let why = match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, None) => "it shows something that is no field of a message".to_owned(),
        (kind, None) => kind.to_string(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
    };
    format!("line {}: {why}", error.line().unwrap_or(1))
}

/// Fills a template with the worst that a message can hold: a text that is valid neither inside quotes unless escaped,
/// nor outside of them at all, and nothing.
pub(super) fn try_out<T>(fill: impl Fn(&serde_json::Value) -> Result<T, String>) -> Result<(), String> {
    for purpose in Purpose::ALL {
        for (text, optional) in [("a\"b\\c\nñ", json!("a\"b\\c\nñ")), ("", json!(null))] {
            fill(&json!({
                "id": "0", "purpose": purpose, "created_at": "2026-01-01T00:00:00.000Z", "subject": text, "text": text, "chat_url": optional, "unsubscribe_url": optional, "name": text,
                "email": optional, "phone": text, "topic": text, "topic_unknown": false, "question": text, "source": text,
            }))?;
        }
    }
    Ok(())
}

/// Whether there is anything to fill in.
pub(super) fn has_tags(source: &str) -> bool {
    before_tags(source).len() < source.len()
}

/// What stands before everything that is filled in.
pub(super) fn before_tags(source: &str) -> &str {
    let tags = source.match_indices('{').find(|(at, _)| source[at + 1..].starts_with(['{', '%', '#']));
    &source[..tags.map_or(source.len(), |(at, _)| at)]
}

/// What a template writes of its own accord: its text between the tags, and what stands in quotes inside of them.
pub(super) fn literals(source: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let mut rest = source;
    loop {
        let text = before_tags(rest);
        literals.push(text);
        let Some(tag) = rest.get(text.len() + 2..) else { break };
        let end = ["}}", "%}", "#}"].iter().filter_map(|end| tag.find(end)).min().unwrap_or(tag.len());
        literals.extend(tag[..end].split(['"', '\'']).skip(1).step_by(2));
        rest = tag.get(end + 2..).unwrap_or_default();
    }
    literals.into_iter().filter(|text| !text.trim().is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(source: &str, notation: Notation, question: &str) -> Result<String, String> {
        let template = Template::new(source.into(), notation)?;
        try_out(|fields| template.fill(fields))?;
        template.fill(&json!({"question": question, "topic_unknown": false}))
    }

    #[test]
    fn a_value_outside_of_quotes_is_refused_when_the_channel_is_opened() {
        let error = filled(r#"{"text": {{ question }}}"#, Notation::Json, "1, \"admin\": true").unwrap_err();
        assert!(error.contains("{{ field | tojson }}"), "{error}");
        assert!(
            filled(r#"{"text": {{ question | tojson }}, "flag": {{ topic_unknown }}}"#, Notation::Json, "x").is_ok()
        );
    }

    #[test]
    fn a_field_that_does_not_exist_is_refused_when_the_channel_is_opened() {
        assert!(filled(r#"{"text": "{{ qestion }}"}"#, Notation::Json, "x").unwrap_err().contains("line 1"));
        assert!(filled("https://x.example/{{ qestion }}", Notation::Address, "x").unwrap_err().contains("line 1"));
    }

    #[test]
    fn each_notation_writes_a_value_for_its_place() {
        let source = "q={{ question }}&to=1";
        for (notation, question, expected) in [
            (Notation::Form, "a&to=2 ñ", "q=a%26to%3D2+%C3%B1&to=1"),
            (Notation::Text, "a & \"b\"", "q=a & \"b\"&to=1"),
            (Notation::Address, "a/b?c=d&e#f ñ%.~", "q=a%2Fb%3Fc%3Dd%26e%23f%20%C3%B1%25.~&to=1"),
            (Notation::Header, "a\r\nb: c \u{202E}ñ 50%", "q=a b: c %C3%B1 50%25&to=1"),
        ] {
            assert_eq!(filled(source, notation, question).unwrap(), expected, "{notation:?}");
        }
        assert_eq!(
            filled("/{{ question | tojson | safe }}", Notation::Address, "a/\"b").unwrap(),
            "/%22a%2F%5C%22b%22"
        );
    }

    #[test]
    fn the_trial_knows_every_field_that_a_message_has() {
        let keys = |fields: &serde_json::Value| fields.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let message = super::super::tests::rendered("x").to_json();
        let same =
            |fields: &serde_json::Value| if keys(fields) == keys(&message) { Ok(()) } else { Err(fields.to_string()) };
        assert_eq!(try_out(same), Ok(()));
    }

    #[test]
    fn what_a_template_writes_of_its_own_is_found() {
        let found = literals("a {{ x ~ \"b c\" }}d{% if y == 'e' %} f{# no #}{ g }{{ z }}");
        assert_eq!(found, ["a ", "b c", "d", "e", " f", "{ g }"]);
        assert_eq!((literals("plain"), literals("")), (vec!["plain".to_owned()], vec![]));
        assert_eq!(literals("a{{ open"), ["a"]);
        assert!(has_tags("a{{b") && has_tags("{%") && !has_tags("{ { a }"));
    }

    proptest! {
        #[test]
        fn no_question_adds_to_a_json_document(question in any::<String>()) {
            let body = filled(r#"{"text": "{{ question }}", "whole": {{ question | tojson }}}"#, Notation::Json, &question).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), json!({"text": question, "whole": question}));
        }
    }
}
