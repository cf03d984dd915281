//! What operators do to many messages at once, in steps that keep nobody waiting.

use poem_openapi::Object;
use poem_openapi::payload::Json;

use super::super::Web;
use super::super::errors::ApiError;
use super::super::schemas::OrNull;
use super::{parse, record};
use crate::domain::{Actor, MessageId, State};
use crate::store::{Counted, MessageFilter};

/// How many steps one call does, so that it is answered in some seconds: 50,000 messages.
const STEPS: usize = 100;

/// How many messages were changed.
#[derive(Debug, Object)]
pub(super) struct MessageChanges {
    changed: u64,
    /// If there is more to do: pass it as `cursor` to go on.
    next: OrNull<String>,
}

/// What is done to many messages.
#[derive(Clone, Copy)]
pub(super) enum Together {
    Retry,
    Cancel,
}

/// Changes these messages, step by step, unless they are not what was counted.
pub(super) async fn together(
    web: &Web,
    operator: &Actor,
    change: Together,
    filter: &MessageFilter,
    expected: Option<u64>,
    cursor: Option<&str>,
) -> Result<Json<MessageChanges>, ApiError> {
    let mut next: Option<MessageId> = cursor.map(|cursor| parse("cursor", cursor)).transpose()?;
    if let Some(expected) = expected.filter(|_| next.is_none()) {
        let Counted { count, .. } = web.store.count_messages(filter.clone()).await?;
        if count.abs_diff(expected) > expected / 10 {
            return Err(ApiError::conflict(format!(
                "these are {count} messages by now, not {expected}; nothing was changed"
            )));
        }
    }
    let (now, mut changed) = (web.clock.now(), 0);
    for _ in 0..STEPS {
        let (filter, after) = (filter.clone(), next);
        let step = match change {
            Together::Retry => web.store.retry_messages(filter, after, now).await?,
            Together::Cancel => web.store.cancel_messages(filter, after, now).await?,
        };
        changed += step.changed;
        next = step.next;
        if next.is_none() {
            break;
        }
    }
    let action = match change {
        Together::Retry => "message.retry",
        Together::Cancel => "message.cancel",
    };
    let state = filter.state.map_or("", State::as_str);
    record(web, operator, action, "many", &format!("{changed} that were {state}")).await;
    Ok(Json(MessageChanges { changed, next: next.map(|id| id.to_string()).into() }))
}
