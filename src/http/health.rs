//! For machines that watch over this one.

use std::fmt::Display;
use std::time::Duration;

use poem::http::{StatusCode, header};
use poem::web::{Data, Json};
use poem::{IntoResponse, Request, Response, handler};
use serde_json::json;

use super::{SharedWeb, Web, auth};
use crate::store::Files;

/// A due message that has waited this long means that nothing is being delivered.
const TOO_LATE: Duration = Duration::from_mins(5);

/// A write-ahead log of more bytes than this cannot be written back: 64 MiB, what the store itself lets it grow to.
const LONG_LOG: u64 = 64 * 1024 * 1024;

/// A jump of the clock by less than this makes no difference to what expires.
const DOUBT: Duration = Duration::from_hours(1);

/// Whether the process lives.
#[handler]
pub(super) fn healthz() -> &'static str {
    "ok\n"
}

/// How the program is doing.
#[derive(Debug)]
pub(super) struct Health {
    /// Why customers are not served; empty: they are.
    pub(super) reasons: Vec<String>,
    /// What else is wrong.
    pub(super) warnings: Vec<String>,
}

/// Whether customers are served, and why not. Everybody may ask; what receivers and the system said about a warning is
/// for whoever may read the metrics.
#[handler]
pub(super) async fn readyz(web: Data<&SharedWeb>, request: &Request) -> Response {
    let told =
        request.headers().contains_key(header::AUTHORIZATION) && auth::check_watcher(&web, request).await.is_ok();
    let Health { reasons, warnings } = look(&web, told).await;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings }))).into_response()
}

/// Looks at everything that can be wrong; `told`: whoever hears of it may know what receivers and the system said.
pub(super) async fn look(web: &Web, told: bool) -> Health {
    let detail = |headline: &str, why: &str| if told { format!("{headline}: {why}") } else { headline.to_owned() };
    let now = web.clock.now();
    let mut reasons = Vec::new();
    let mut warnings = Vec::new();
    if web.draining.is_cancelled() {
        reasons.push("shutting down".to_owned());
    }
    // What is wrong with a channel is told, too: its messages wait, and webhooks are stored all the same.
    warnings.extend(web.conditions.all().filter_map(|(channel, condition)| {
        if told { condition.summary(channel) } else { condition.headline(channel) }
    }));
    // To read is not enough: customers are served when what they say is kept.
    if let Err(error) = web.store.prove_writable(now).await {
        reasons.push(error.to_string());
    }
    let Files { log, journal, .. } = web.store.files();
    warnings.extend(journal.map(|why| detail("a restore would not know what is delivered now", &why)));
    if log > LONG_LOG {
        warnings.push(format!(
            "the write-ahead log holds {} MiB: a backup, or another program, keeps an old state of the database open",
            log / (1024 * 1024)
        ));
    }
    let doubted = now.since(web.clock.certain_now());
    if doubted > DOUBT {
        warnings.push(format!(
            "the clock jumped ahead by {}: until it has stood for a day nothing expires or is pruned by it",
            to_the_minute(doubted)
        ));
    }
    match web.store.next_due().await {
        Err(error) => reasons.push(error.to_string()),
        // Late messages are told, but do not turn webhooks away: they are stored all the same.
        Ok(channels) => warnings.extend(channels.into_iter().filter_map(|(channel, due)| {
            let late = now.since(due);
            (late > TOO_LATE).then(|| format!("{channel}: a message is {} late", to_the_minute(late)))
        })),
    }
    warnings.extend(web.backup.last().error.map(|(_, error)| detail("there is no new backup", &error)));
    Health { reasons, warnings }
}

/// A time for people to read, as in `18h 51m`.
fn to_the_minute(time: Duration) -> impl Display {
    humantime::format_duration(Duration::from_mins(time.as_secs() / 60))
}
