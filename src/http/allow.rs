//! Which methods an address takes: what a 405 must say (RFC 9110 §15.5.6).

use std::collections::BTreeMap;

use poem::http::HeaderValue;
use serde_json::Value;

/// The methods of every path of the API, from its own description.
#[derive(Debug)]
pub(super) struct Allow(Vec<(String, HeaderValue)>);

impl Allow {
    /// Reads them out of the description.
    pub(super) fn of(specification: &str) -> Self {
        let document: Value = serde_json::from_str(specification).unwrap_or_default();
        let Some(paths) = document["paths"].as_object() else { return Self(Vec::new()) };
        let methods = |operations: &Value| {
            let operations: BTreeMap<String, Value> = serde_json::from_value(operations.clone()).unwrap_or_default();
            let methods: Vec<String> = operations.keys().map(|method| method.to_ascii_uppercase()).collect();
            HeaderValue::from_str(&methods.join(", ")).ok()
        };
        Self(paths.iter().filter_map(|(path, operations)| Some((path.clone(), methods(operations)?))).collect())
    }

    /// The methods that `path` takes. Pages outside of the API are only looked at, but for those that customers change
    /// something by.
    pub(super) fn methods(&self, path: &str) -> HeaderValue {
        if matches("/unsubscribe/{token}", path) {
            return HeaderValue::from_static("GET, HEAD, POST");
        }
        if matches("/welcome/opened", path) {
            return HeaderValue::from_static("POST");
        }
        let found = self.0.iter().find(|(template, _)| matches(template, path));
        found.map_or(HeaderValue::from_static("GET, HEAD"), |(_, methods)| methods.clone())
    }
}

/// Whether the path is one of the template's, part by part; `{…}` stands for any.
fn matches(template: &str, path: &str) -> bool {
    let parts = |text: &str| text.trim_end_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>();
    let (template, path) = (parts(template), parts(path));
    template.len() == path.len()
        && template.iter().zip(&path).all(|(expected, part)| expected.starts_with('{') || expected == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_names_its_methods() {
        let allow = Allow::of(&super::super::openapi());
        for (path, methods) in [
            ("/api/messages", "GET"),
            ("/api/messages/", "GET"),
            ("/api/messages/42/retry", "POST"),
            ("/umishop_api/user", "GET, POST"),
            ("/umishop_api/secret/user", "GET, POST"),
            ("/healthz", "GET, HEAD"),
            ("/unsubscribe/token", "GET, HEAD, POST"),
            ("/welcome/opened", "POST"),
        ] {
            assert_eq!(allow.methods(path), methods, "{path}");
        }
    }
}
