//! What operators see and do: the same over HTTP as on the command line.
//!
//! Every list takes `limit` and `cursor` and answers `{"items": […], "next": null | "cursor"}`, newest first.

use std::num::IntErrorKind;
use std::str::FromStr;

use poem_openapi::Tags;

use super::errors::ApiError;
use super::schemas::LimitText;
use crate::store::Page;

mod channels;
mod inbox;
mod messages;
mod origins;
mod requests;
mod suppressions;
mod users;

pub(super) use channels::Channels;
pub(super) use inbox::Inbox;
pub(super) use messages::Messages;
pub use messages::{attempt_json, message_json};
pub(super) use origins::Origins;
pub use origins::{ledger_json, topic_counts};
pub(super) use requests::Requests;
pub use requests::{request_history_json, request_json};
pub(super) use suppressions::Suppressions;
pub(super) use users::Users;
pub use users::user_json;

/// How many entries a list has unless it is asked for more or less.
const DEFAULT_LIMIT: usize = 50;

/// How many entries a list has at most.
const LARGEST_LIMIT: usize = 500;

#[derive(Tags)]
enum Group {
    /// For operators and scripts, behind the admin token.
    Operator,
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
