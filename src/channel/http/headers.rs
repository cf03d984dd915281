//! The headers of a request. Each may have fields of the message in its value; how many there are, and their names, is
//! written.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::template::{self, Notation, Template};
use crate::channel::wire::CONTENT_TYPE;

/// The headers of a request.
pub(super) struct Headers {
    /// Those that are always the same.
    fixed: HeaderMap,
    filled: Vec<(HeaderName, Template)>,
    /// Those whose values may be shown.
    shown: Vec<HeaderName>,
    /// What is written between the fields.
    literals: Vec<String>,
}

impl Headers {
    /// Reads the headers that are `written`; those in `ours` are made by umishop. The error names the one that is wrong.
    pub(super) fn new(written: &BTreeMap<String, SecretString>, ours: &[HeaderName]) -> Result<Self, String> {
        let fixed = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let mut headers = Self { fixed, filled: Vec::new(), shown: vec![CONTENT_TYPE], literals: Vec::new() };
        for (name, value) in written {
            headers.add(name, value.expose_secret(), ours).map_err(|why| format!("`{name}`: {why}"))?;
        }
        template::try_out(|fields| headers.fill(fields))?;
        Ok(headers)
    }

    fn add(&mut self, name: &str, source: &str, ours: &[HeaderName]) -> Result<(), String> {
        let name: HeaderName = name.parse().map_err(|_| "that is no name of a header")?;
        let always_ours = ["content-length", "transfer-encoding", "connection", "host"];
        if always_ours.contains(&name.as_str()) || ours.contains(&name) {
            return Err("this header is set by umishop itself".to_owned());
        }
        if !template::has_tags(source) {
            self.fixed.insert(name, value(source)?);
            return Ok(());
        }
        if name == CONTENT_TYPE {
            return Err("how the body is written depends on it: write it without a field".to_owned());
        }
        let template = Template::new(source.to_owned(), Notation::Header)?;
        template::try_out(|fields| value(&template.fill(fields)?))?;
        let literals = template::literals(source);
        if literals.is_empty() {
            self.shown.push(name.clone());
        }
        // A credential is secret without its scheme, too.
        self.literals.extend(literals.iter().filter_map(|text| text.split_once(' ')).map(|(_, rest)| rest.to_owned()));
        self.literals.extend(literals);
        self.filled.push((name, template));
        Ok(())
    }

    /// Those that are the same for every message.
    pub(super) fn fixed(&self) -> &HeaderMap {
        &self.fixed
    }

    /// Those whose values are no secret: what the body is, and what is nothing but fields of the message.
    pub(super) fn shown(&self) -> &[HeaderName] {
        &self.shown
    }

    /// What is written between the fields, which may be secret.
    pub(super) fn literals(&self) -> &[String] {
        &self.literals
    }

    /// Whether one is called `name`.
    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.fixed.contains_key(name) || self.filled.iter().any(|(filled, _)| filled == name)
    }

    /// All of them, for the message with these `fields`.
    pub(super) fn fill(&self, fields: &Value) -> Result<HeaderMap, String> {
        let mut headers = self.fixed.clone();
        for (name, template) in &self.filled {
            let filled = template.fill(fields).and_then(|text| value(&text));
            headers.insert(name, filled.map_err(|why| format!("`{name}`: {why}"))?);
        }
        Ok(headers)
    }
}

fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text.trim()).map_err(|_| "its value has a line break or a control character".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::rendered;
    use super::*;

    fn headers(written: &[(&str, &str)]) -> Result<Headers, String> {
        let written = written.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
        Headers::new(&written, &[HeaderName::from_static("webhook-id")])
    }

    #[test]
    fn a_header_holds_a_field_on_one_line_of_ascii() {
        let headers =
            headers(&[("X-Question", "{{ question }}"), ("authorization", "Bearer k-{{ question }}")]).unwrap();
        let filled = headers.fill(&rendered("Ana Ruíz\r\nX-Admin: 100%").to_json()).unwrap();
        assert_eq!(filled["x-question"], "Ana Ru%C3%ADz X-Admin: 100%25");
        assert_eq!(filled["authorization"], "Bearer k-Ana Ru%C3%ADz X-Admin: 100%25");
        assert_eq!((filled.len(), headers.shown()), (3, &[CONTENT_TYPE, HeaderName::from_static("x-question")][..]));
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_refused_when_the_channel_is_opened() {
        for (name, value, complaint) in [
            ("a b", "c", "no name of a header"),
            ("Host", "{{ topic }}", "set by umishop itself"),
            ("webhook-id", "1", "set by umishop itself"),
            ("content-type", "text/{{ topic }}", "without a field"),
            ("x-a", "secret\n{{ topic }}", "line break"),
            ("x-a", "{{ tpoic }}", "line 1"),
            ("x-a", "{{ topic", "line 1"),
        ] {
            let error = headers(&[(name, value)]).err().unwrap_or_else(|| panic!("{name}: {value} is taken"));
            assert!(error.starts_with(&format!("`{name}`: ")) && error.contains(complaint), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_of_a_customer_adds_a_header(question in any::<String>()) {
            let headers = headers(&[("x-a", "{{ question }}"), ("x-b", "<{{ text }}>")]).unwrap();
            let filled = headers.fill(&rendered(&question).to_json()).unwrap();
            prop_assert_eq!(filled.len(), 3);
            for value in filled.values() {
                prop_assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)), "{:?}", value);
            }
        }
    }
}
