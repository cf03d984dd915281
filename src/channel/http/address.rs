//! Where a request goes. Scheme, host and port are written out: no message chooses them.

use std::borrow::Cow;

use serde_json::Value;
use url::Url;

use super::template::{self, Notation, Template};
use crate::channel::wire;

/// An address, which may have fields of the message in its path and query.
pub(super) struct Address {
    /// What is written of it, without the fields.
    base: Url,
    /// What is written between them.
    literals: Vec<String>,
    template: Option<Template>,
}

impl Address {
    /// Reads the address that is written in `source`. The error does not repeat it: it may hold a secret.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        if !template::has_tags(source) {
            return Ok(Self { base: wire::parse_url(source)?, literals: Vec::new(), template: None });
        }
        let start = template::before_tags(source);
        let has_host = start.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#']));
        if !has_host {
            return Err("no field of a message may say where it goes: write out everything up to the first / \
                        behind the host, as in https://example.com/{{ topic }}"
                .to_owned());
        }
        let start = wire::parse_url(start)?;
        let literals = template::literals(source);
        let base = wire::parse_url(&literals.concat()).ok().filter(|base| base.origin() == start.origin());
        let template = Template::new(source.to_owned(), Notation::Address)?;
        let address = Self { base: base.unwrap_or(start), literals, template: Some(template) };
        template::try_out(|fields| address.fill(fields))?;
        Ok(address)
    }

    /// The host and port it always leads to, and what is written behind them.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// What is written between the fields, which may be secret.
    pub(super) fn literals(&self) -> &[String] {
        &self.literals
    }

    /// Where the message with these `fields` goes.
    pub(super) fn fill(&self, fields: &Value) -> Result<Cow<'_, Url>, String> {
        let Some(template) = &self.template else { return Ok(Cow::Borrowed(&self.base)) };
        let url = wire::parse_url(&without_steps_back(&template.fill(fields)?))?;
        if url.origin() != self.base.origin() {
            return Err("once it is filled in, it leads to another host".to_owned());
        }
        Ok(Cow::Owned(url))
    }
}

/// The address with underscores in place of a step that is only dots. However they are encoded, whoever reads them walks
/// through the path instead of seeing a value.
fn without_steps_back(address: &str) -> String {
    let path = address.find(['?', '#']).unwrap_or(address.len());
    let steps = address[..path].split('/').map(|step| match step.to_ascii_lowercase().replace("%2e", ".").as_str() {
        "." => "_",
        ".." => "__",
        _ => step,
    });
    steps.collect::<Vec<_>>().join("/") + &address[path..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::rendered;
    use super::*;

    fn filled(source: &str, question: &str) -> Result<String, String> {
        Address::new(source)?.fill(&rendered(question).to_json()).map(|url| url.to_string())
    }

    #[test]
    fn a_value_is_one_step_of_the_path_or_one_value_of_the_query() {
        let source = "https://crm.example.com:8443/topics/{{ topic }}/{{ question }}?q={{ question }}&v=1";
        assert_eq!(
            filled(source, "a/../b?c=d&e ñ").unwrap(),
            "https://crm.example.com:8443/topics//a%2F..%2Fb%3Fc%3Dd%26e%20%C3%B1?q=a%2F..%2Fb%3Fc%3Dd%26e%20%C3%B1&v=1"
        );
        assert_eq!(filled("https://x.example/hook?a=1", "..").unwrap(), "https://x.example/hook?a=1");
    }

    #[test]
    fn a_value_of_dots_does_not_walk_through_the_path() {
        for (question, expected) in
            [("..", "/a/__/b"), (".", "/a/_/b"), ("...", "/a/.../b"), ("%2e%2e", "/a/%252e%252e/b")]
        {
            let url = filled("https://x.example/a/{{ question }}/b", question).unwrap();
            assert_eq!(url, format!("https://x.example{expected}"));
        }
        assert_eq!(filled("https://x.example/a/.{{ question }}/b", ".").unwrap(), "https://x.example/a/__/b");
        assert_eq!(filled("https://x.example/a/%2E{{ question }}/b", "").unwrap(), "https://x.example/a/_/b");
    }

    #[test]
    fn a_host_that_a_message_chooses_is_refused_when_the_channel_is_opened() {
        for source in [
            "{{ question }}",
            "{{ question }}://x.example/",
            "https://{{ topic }}.example.com/x",
            "https://example.com{{ topic }}",
            "https://example.com:{{ topic }}/",
            "https://example.com{% if topic %}.example{% endif %}/",
            "https:///{{ topic }}/x",
            "https://\t/{{ topic }}/x",
            "https:\\\\{{ topic }}/x",
            "https://{# secret #}example.com/",
            "ftp://example.com/{{ topic }}",
            "https://me:secret@example.com/{{ topic }}",
        ] {
            let error = Address::new(source).err().unwrap_or_else(|| panic!("{source} is taken"));
            assert!(error.contains("write") && !error.contains("secret"), "{source}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_of_a_customer_changes_where_a_request_goes(question in any::<String>(), dots in r"[./\\%2eE]{0,6}") {
            let source = "https://crm.example.com/a/{{ question }}/{{ subject }}-{{ text }}/z?q={{ question }}&r={{ text }}&v=1";
            let address = Address::new(source).unwrap();
            let plain = address.fill(&rendered("x").to_json()).unwrap().into_owned();
            for question in [&question, &dots] {
                let url = address.fill(&rendered(question).to_json()).unwrap().into_owned();
                prop_assert_eq!(url.origin(), plain.origin());
                let steps: Vec<&str> = url.path_segments().unwrap().collect();
                prop_assert_eq!((steps.len(), steps[0], steps[3]), (4, "a", "z"), "{}", url);
                let pairs: Vec<_> = url.query_pairs().collect();
                prop_assert_eq!(pairs.len(), 3);
                prop_assert_eq!((&pairs[0].1, &pairs[2].1), (&Cow::from(question.as_str()), &Cow::from("1")));
                prop_assert_eq!(url.fragment(), None);
                // What is sent is what was looked at.
                let sent: ureq::http::Uri = url.as_str().parse().unwrap();
                prop_assert_eq!((sent.host(), sent.path(), sent.query()), (url.host_str(), url.path(), url.query()));
            }
        }
    }
}
