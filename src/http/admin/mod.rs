//! What operators see and do: the same over HTTP as on the command line.
//!
//! Every list takes `limit` and `cursor` and answers `{"items": […], "next": null | "cursor"}`, newest first.

use std::num::IntErrorKind;
use std::str::FromStr;

use poem_openapi::Tags;

use super::Web;
use super::errors::ApiError;
use super::schemas::LimitText;
use crate::domain::{Actor, AuditEntry};
use crate::store::Page;

mod asked;
mod audit;
mod bulk;
mod channels;
mod detail;
mod events;
mod export;
mod inbox;
mod landbot;
mod messages;
mod origins;
mod overview;
mod reply;
mod reports;
mod request;
mod requests;
mod rights;
mod session;
mod settings;
mod suppressions;
mod tokens;
mod trial;
mod users;
mod webhooks;
mod why;

pub(super) use audit::Audit;
pub use audit::audit_json;
pub(super) use channels::Channels;
pub use detail::attempt_json;
pub use events::EventStreams;
pub(super) use events::Events;
pub(super) use export::Export;
pub use export::ledger_sheet;
pub(super) use inbox::Inbox;
pub(super) use landbot::LandbotSetup;
pub(super) use messages::Messages;
pub use messages::{message_json, message_row};
pub(super) use origins::Origins;
pub use origins::{ledger_json, topic_counts};
pub(super) use overview::Overview;
pub(super) use reports::OriginReports;
pub use reports::scheduled_json;
pub use request::{request_history_json, request_json};
pub(super) use requests::Requests;
pub(super) use rights::Rights;
pub use rights::{export_json, is_meant};
pub(super) use session::Sessions;
pub(super) use settings::SettingsPage;
pub use settings::{Setting, Settings};
pub(super) use suppressions::Suppressions;
pub(super) use tokens::Tokens;
pub use tokens::token_json;
pub(super) use trial::Trials;
pub(super) use users::Users;
pub use users::user_json;
pub(super) use webhooks::RecentWebhooks;

/// How many entries a list has unless it is asked for more or less.
const DEFAULT_LIMIT: usize = 50;

/// How many entries a list has at most.
const LARGEST_LIMIT: usize = 500;

#[derive(Tags)]
enum Group {
    /// For the console, operators and scripts, behind a token or a session.
    Operator,
}

/// Keeps that `actor` has just changed something, or taken customers' data along: the action as `thing.verb`, and to what. Neither `target` nor `detail`
/// may tell a customer's name or address. What is done is done, so nobody is told if it cannot be kept but the log.
async fn record(web: &Web, actor: &Actor, action: &str, target: impl std::fmt::Display, detail: &str) {
    let entry = AuditEntry::new(web.clock.now(), actor, action, &target.to_string(), detail);
    if let Err(error) = web.store.record(entry).await {
        let who = &actor.name;
        tracing::error!(%error, who, action, %target, detail, "A change could not be put into the list of changes");
    }
}

/// Reads `limit` and `cursor`.
fn page<Id: FromStr>(limit: Option<&LimitText>, cursor: Option<&str>) -> Result<Page<Id>, ApiError>
where
    Id::Err: std::fmt::Display,
{
    let limit = match limit.map(|text| text.parse::<usize>()) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit)) => limit.clamp(1, LARGEST_LIMIT),
        Some(Err(error)) if *error.kind() == IntErrorKind::PosOverflow => LARGEST_LIMIT,
        Some(Err(error)) => return Err(ApiError::bad_request(format!("limit: {error}"))),
    };
    Ok(Page { limit, before: cursor.map(|cursor| parse("cursor", cursor)).transpose()? })
}

/// The cursor of the next page, if this one was full.
fn next<T>(items: &[T], limit: usize, id: impl FnOnce(&T) -> String) -> Option<String> {
    items.last().filter(|_| items.len() == limit).map(id)
}

/// Reads a parameter; the error says which one is wrong.
fn parse<T: FromStr>(name: &str, text: &str) -> Result<T, ApiError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| ApiError::bad_request(format!("{name}: {error}")))
}
