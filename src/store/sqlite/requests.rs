//! Requests: lists of them, one with its history, and a change of its state.

use rusqlite::{Connection, OptionalExtension};

use super::reads::Query;
use super::{follow_ups, rows};
use crate::domain::{Context, Follower, Purpose, Request, RequestChange, RequestId, User, UserId};
use crate::store::{Page, RequestChanged, RequestEntry, RequestFilter, RequestHistory, StoreError};

pub(super) fn requests(
    connection: &Connection,
    filter: &RequestFilter,
    page: Page<RequestId>,
) -> Result<Vec<RequestEntry>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM requests", rows::REQUEST));
    if let Some(state) = filter.state {
        query.and("state = ?", [state.as_str().to_owned()]);
    }
    if let Some(topic) = &filter.topic {
        query.and("topic_key = ?", [topic.key().as_str().to_owned()]);
    }
    if let Some(user) = filter.user {
        query.and("user_id = ?", [user.as_bytes().to_vec()]);
    }
    if let Some(before) = page.before {
        query.and("id < ?", [before.as_bytes().to_vec()]);
    }
    let found = query.newest_first(connection, page.limit, rows::request)?;
    found.into_iter().map(|request| entry(connection, request)).collect()
}

pub(super) fn request(connection: &Connection, id: RequestId) -> Result<Option<RequestHistory>, StoreError> {
    let Some(request) = find(connection, id)? else { return Ok(None) };
    let key = &id.as_bytes()[..];
    // The words of the states happen to be in the order of the states.
    let changes = "SELECT at, state, by, note FROM request_changes WHERE request_id = ?1 ORDER BY state";
    let messages = format!("SELECT {} FROM messages WHERE request_id = ?1 ORDER BY created_at, rowid", rows::MESSAGE);
    Ok(Some(RequestHistory {
        entry: entry(connection, request)?,
        changes: rows::collect(connection, changes, [key], rows::request_change)?,
        messages: rows::collect(connection, &messages, [key], rows::message)?,
    }))
}

/// Changes the request's state, keeps that it was, and puts the follow-ups into the outbox.
pub(super) fn change(
    connection: &Connection,
    id: RequestId,
    change: &RequestChange,
    followers: &[Follower],
) -> Result<RequestChanged, StoreError> {
    let Some(request) = find(connection, id)? else { return Ok(RequestChanged::NotFound) };
    let (Some(purpose), true) = (Purpose::of(change.state), request.state.may_become(change.state)) else {
        return Ok(RequestChanged::NotFrom(request.state));
    };
    let key = &id.as_bytes()[..];
    connection.prepare_cached("UPDATE requests SET state = ?2 WHERE id = ?1")?.execute((key, change.state.as_str()))?;
    connection
        .prepare_cached("INSERT INTO request_changes (request_id, state, at, by, note) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((key, change.state.as_str(), change.at.as_millis(), &change.by, &change.note))?;
    let RequestEntry { request, user } = entry(connection, request)?;
    let context = Context::of_change(user.as_ref(), &request, change);
    let follow_up =
        follow_ups::FollowUp { request: id, user: user.as_ref(), purpose, context: &context, at: change.at };
    Ok(RequestChanged::Yes(follow_up.enqueue(connection, followers)?))
}

fn find(connection: &Connection, id: RequestId) -> Result<Option<Request>, StoreError> {
    let sql = format!("SELECT {} FROM requests WHERE id = ?1", rows::REQUEST);
    Ok(connection.prepare_cached(&sql)?.query_row([&id.as_bytes()[..]], rows::request).optional()?)
}

fn entry(connection: &Connection, request: Request) -> Result<RequestEntry, StoreError> {
    let user = request.user_id.map(|id| user(connection, id)).transpose()?.flatten();
    Ok(RequestEntry { request, user })
}

fn user(connection: &Connection, id: UserId) -> Result<Option<User>, StoreError> {
    let sql = format!("SELECT {} FROM users WHERE id = ?1", rows::USER);
    Ok(connection.prepare_cached(&sql)?.query_row([&id.as_bytes()[..]], rows::user).optional()?)
}
