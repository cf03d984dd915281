//! What is secret in a request, and hiding it wherever it comes back.
//!
//! The address of a webhook is its password, and receivers repeat what they were sent in their errors. This knows no
//! message: what a customer wrote is none of its business.

use std::cmp::Reverse;

use ureq::http::HeaderMap;
use url::{Position, Url};

use super::wire::CONTENT_TYPE;

/// A part of an address at least this long may be a secret.
const LONGER_THAN_NAMES: usize = 12;

/// What must not be shown although a receiver, or a proxy on the way, may repeat it.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// These, but for what is too short to be found without hiding words.
    pub(super) fn these<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self::sorted(secrets.into_iter().map(str::trim).filter(|text| text.len() > 7).map(str::to_owned).collect())
    }

    /// The values of headers, without their scheme too; path and query, and what in them is too long for a mere name.
    pub(super) fn of(url: &Url, headers: &HeaderMap) -> Self {
        let values = headers.iter().filter(|(name, _)| **name != CONTENT_TYPE);
        let values: Vec<&str> = values.filter_map(|(_, value)| value.to_str().ok()).collect();
        let credentials = values.iter().filter_map(|value| value.split_once(' ')).map(|(_, credentials)| credentials);
        let place = &url[Position::BeforePath..Position::AfterQuery];
        let parts = place.split(['/', '?', '&', '=']).filter(|part| part.len() >= LONGER_THAN_NAMES);
        let whole = values.iter().copied().chain(credentials).chain([place]).filter(|text| text.len() > 7);
        let mut secrets: Vec<String> = whole.chain(parts).map(str::to_owned).collect();
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()).filter(|v| v.len() >= LONGER_THAN_NAMES));
        Self::sorted(secrets)
    }

    /// These, and `more`, but for what is too short.
    pub(super) fn and<'a>(self, more: impl IntoIterator<Item = &'a str>) -> Self {
        Self::sorted(self.0.into_iter().chain(Self::these(more).0).collect())
    }

    /// A secret goes before its parts.
    fn sorted(mut secrets: Vec<String>) -> Self {
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    /// `text` without them.
    pub(super) fn hide(&self, mut text: String) -> String {
        for secret in &self.0 {
            if text.contains(secret) {
                text = text.replace(secret, "[redacted]");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderValue;

    use super::*;
    use crate::channel::wire::{header, parse_url};

    #[test]
    fn whatever_is_secret_in_a_request_is_hidden_in_what_comes_back() {
        let url = parse_url("https://hooks.example.com/services/T00/correct-horse?sig=battery%2Dstaple&v=1").unwrap();
        let headers = HeaderMap::from_iter([
            (header("authorization"), HeaderValue::from_static("Bearer xoxb-1234")),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ]);
        let secrets = Secrets::of(&url, &headers);
        for (repeated, shown) in [
            ("POST /services/T00/correct-horse?sig=battery%2Dstaple&v=1", "POST [redacted]"),
            ("no hook correct-horse", "no hook [redacted]"),
            ("battery%2Dstaple or battery-staple", "[redacted] or [redacted]"),
            ("Bearer xoxb-1234, xoxb-1234", "[redacted], [redacted]"),
            ("services need application/json v1", "services need application/json v1"),
        ] {
            assert_eq!(secrets.hide(repeated.to_owned()), shown);
        }
    }
}
