//! For machines that watch over this one.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Response, handler};
use serde_json::json;

use super::SharedWeb;

/// A due message that has waited this long means that nothing is being delivered.
const TOO_LATE: Duration = Duration::from_mins(5);

/// Whether the process lives.
#[handler]
pub(super) fn healthz() -> &'static str {
    "ok\n"
}

/// Whether customers are served, and why not.
#[handler]
pub(super) async fn readyz(web: Data<&SharedWeb>) -> Response {
    let now = web.clock.now();
    let backlog = web.store.backlog(now).await;
    let mut reasons = Vec::new();
    if web.draining.is_cancelled() {
        reasons.push("shutting down".to_owned());
    }
    let late = match &backlog {
        Err(error) => {
            reasons.push(error.to_string());
            None
        }
        Ok(backlog) => backlog.oldest_due.map(|due| now.since(due)),
    };
    // Late messages are told, but do not turn webhooks away: they are stored all the same.
    let warnings: Vec<String> = late
        .filter(|late| *late > TOO_LATE)
        .map(|late| format!("a message is {} s late", late.as_secs()))
        .into_iter()
        .collect();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let due = backlog.map(|backlog| backlog.due).unwrap_or_default();
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings, "due": due })))
        .into_response()
}
