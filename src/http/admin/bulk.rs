//! What operators do to many messages at once, in steps that keep nobody waiting.

use poem_openapi::Object;
use poem_openapi::payload::Json;

use super::super::Web;
use super::super::errors::ApiError;
use super::super::schemas::OrNull;
use super::messages::Asked;
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

impl Together {
    /// How it is called in the list of changes.
    const fn action(self) -> &'static str {
        match self {
            Self::Retry => "message.retry",
            Self::Cancel => "message.cancel",
        }
    }

    /// What becomes of the messages.
    const fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Cancel => "cancelled",
        }
    }

    /// The states that they may be in.
    const fn from(self) -> &'static [State] {
        match self {
            Self::Retry => State::RETRIED_TOGETHER,
            Self::Cancel => State::CANCELLED_TOGETHER,
        }
    }

    /// Which messages are to be changed: all of them are in one of the states that this is done from.
    fn filter(self, asked: &Asked) -> Result<MessageFilter, ApiError> {
        // A script whose variable is not set must not change more than it means to.
        if asked.days.is_blank() {
            return Err(ApiError::bad_request("from, to: say when the messages were made, or leave it out"));
        }
        if asked.finished.is_blank() {
            let why = "finished_from, finished_to: say when the messages came to rest, or leave it out";
            return Err(ApiError::bad_request(why));
        }
        let filter = asked.filter()?;
        if filter.state.is_some_and(|state| self.from().contains(&state)) {
            return Ok(filter);
        }
        let (done, states) = (self.done(), self.from().iter().map(ToString::to_string).collect::<Vec<_>>());
        Err(ApiError::bad_request(format!("state: messages are {done} together that are {}", states.join(" or "))))
    }
}

/// Changes the messages that were asked for, step by step, unless they are not what was counted.
pub(super) async fn together(
    web: &Web,
    operator: &Actor,
    change: Together,
    asked: &Asked,
    expected: Option<u64>,
    cursor: Option<&str>,
) -> Result<Json<MessageChanges>, ApiError> {
    let filter = change.filter(asked)?;
    let mut next: Option<MessageId> = cursor.map(|cursor| parse("cursor", cursor)).transpose()?;
    if let Some(expected) = expected.filter(|_| next.is_none()) {
        let Counted { count, .. } = web.store.count_messages(filter.clone()).await?;
        if count.abs_diff(expected) > expected / 10 {
            return Err(ApiError::conflict(format!(
                "these are {count} messages by now, not {expected}; nothing was changed"
            )));
        }
    }
    let mut changed = 0;
    let done = step_by_step(web, change, &filter, &mut next, &mut changed).await;
    // Also what was changed before it failed.
    if changed > 0 {
        if matches!(change, Together::Retry) {
            wake(web, &filter);
        }
        let state = filter.state.map_or("", State::as_str);
        record(web, operator, change.action(), "many", &format!("{changed} that were {state}")).await;
    }
    done?;
    Ok(Json(MessageChanges { changed, next: next.map(|id| id.to_string()).into() }))
}

/// Says that messages like these are due.
fn wake(web: &Web, filter: &MessageFilter) {
    let now = web.clock.now();
    match &filter.channel {
        Some(channel) => web.wake.at(channel, now),
        None => web.channels.keys().for_each(|channel| web.wake.at(channel, now)),
    }
}

/// Changes these messages from the one after `next` on, and counts them.
async fn step_by_step(
    web: &Web,
    change: Together,
    filter: &MessageFilter,
    next: &mut Option<MessageId>,
    changed: &mut u64,
) -> Result<(), ApiError> {
    let now = web.clock.now();
    for _ in 0..STEPS {
        let filter = filter.clone();
        let step = match change {
            Together::Retry => web.store.retry_messages(filter, *next, now).await?,
            Together::Cancel => web.store.cancel_messages(filter, *next, now).await?,
        };
        *changed += step.changed;
        *next = step.next;
        if next.is_none() {
            break;
        }
    }
    Ok(())
}
