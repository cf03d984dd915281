//! The id of a call: its caller's own if that is a plain token, else one of ours. It stands in the log lines of the call
//! and in the header of its answer, so that the two can be brought together.

use poem::Request;
use poem::http::{HeaderName, HeaderValue};

use crate::domain::{CallId, Timestamp};

/// Where callers name a call, and are told its name.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are none.
const LONGEST: usize = 64;

/// The id of `request`, which came at `now`.
pub(super) fn of(request: &Request, now: Timestamp) -> HeaderValue {
    let given = request.headers().get(HEADER).filter(|id| is_plain(id.as_bytes())).cloned();
    given.unwrap_or_else(|| fresh(now))
}

fn is_plain(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

fn fresh(now: Timestamp) -> HeaderValue {
    // Digits, letters and dashes are always a header's value.
    HeaderValue::from_str(&CallId::new(now).to_string()).unwrap_or(HeaderValue::from_static("-"))
}
