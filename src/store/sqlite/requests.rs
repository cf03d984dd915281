//! Requests: lists of them, one with its history, and changes of its state and of what is noted beside it.

use rusqlite::{Connection, OptionalExtension};

use super::query::{Query, are_few, counted};
use super::{follow_ups, ledger, rows, users};
use crate::domain::{
    Context, CreditedTouch, Follower, Purpose, Request, RequestChange, RequestEdit, RequestField, RequestId,
    RequestState, TopicKey,
};
use crate::store::{
    Counted, OriginFilter, Page, RequestChanged, RequestEdited, RequestEntry, RequestFilter, RequestHistory, StoreError,
};

pub(super) fn requests(
    connection: &Connection,
    filter: &RequestFilter,
    page: Page<RequestId>,
) -> Result<Vec<RequestEntry>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM requests", rows::REQUEST));
    let by_origin = match &filter.origin {
        Some(origin) => credited_to(&mut query, connection, origin)?,
        None => false,
    };
    if let Some(state) = filter.state {
        query.and(if by_origin { "+state = ?" } else { "state = ?" }, [state.as_str().to_owned()]);
    }
    about(&mut query, connection, &filter.topics, by_origin)?;
    if let Some(user) = filter.user {
        query.and("user_id = ?", [user.as_bytes().to_vec()]);
    }
    match filter.assignee.as_deref() {
        None => {}
        // Most have none.
        Some("") => query.and_so("+assignee = ''"),
        Some(assignee) => query.and("assignee = ? AND assignee <> ''", [assignee.to_owned()]),
    }
    // A request's id begins with the moment it came.
    if let Some(from) = filter.came.from {
        query.and("id >= ?", [rows::first_id(from).to_vec()]);
    }
    if let Some(to) = filter.came.to {
        query.and("id < ?", [rows::first_id(to).to_vec()]);
    }
    if let Some(before) = page.before {
        query.and("id < ?", [before.as_bytes().to_vec()]);
    }
    let found = query.newest_first(connection, page.limit, rows::request)?;
    found.into_iter().map(|request| entry(connection, request)).collect()
}

/// Only those about one of these topics; `found` says that an index has them already.
fn about(query: &mut Query, connection: &Connection, topics: &[TopicKey], found: bool) -> Result<(), StoreError> {
    match topics {
        [] => {}
        [topic] => {
            query.and(if found { "+topic_key = ?" } else { "topic_key = ?" }, [topic.as_str().to_owned()]);
        }
        several => {
            let keys = rows::to_json(&several.iter().map(TopicKey::as_str).collect::<Vec<_>>())?;
            let count = "SELECT count(*) FROM (SELECT 1 FROM requests WHERE topic_key IN (SELECT value FROM json_each(?)) LIMIT ?)";
            let by_index = !found && are_few(connection, count, &[&keys])?;
            let (few, many) =
                ("topic_key IN (SELECT value FROM json_each(?))", "+topic_key IN (SELECT value FROM json_each(?))");
            query.and(if by_index { few } else { many }, [keys]);
        }
    }
    Ok(())
}

/// Only those that these origins are credited with. Says whether they are so few that their index finds them.
fn credited_to(query: &mut Query, connection: &Connection, origin: &OriginFilter) -> Result<bool, StoreError> {
    let ids = ledger::matching(connection, origin)?;
    let (count, by_index, by_walk) = match origin.touch {
        CreditedTouch::First => (
            "SELECT count(*) FROM (SELECT 1 FROM requests WHERE first_origin IN (SELECT value FROM json_each(?)) LIMIT ?)",
            "first_origin IN (SELECT value FROM json_each(?))",
            "+first_origin IN (SELECT value FROM json_each(?))",
        ),
        CreditedTouch::Last => (
            "SELECT count(*) FROM (SELECT 1 FROM requests WHERE last_origin IN (SELECT value FROM json_each(?)) LIMIT ?)",
            "last_origin IN (SELECT value FROM json_each(?))",
            "+last_origin IN (SELECT value FROM json_each(?))",
        ),
    };
    let few = are_few(connection, count, &[&ids])?;
    query.and(if few { by_index } else { by_walk }, [ids]);
    Ok(few)
}

/// How many requests are in each state.
pub(super) fn count(connection: &Connection) -> Result<Vec<(RequestState, Counted)>, StoreError> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM requests WHERE state = ? LIMIT ?)";
    let states = RequestState::ALL.iter();
    states.map(|state| Ok((*state, counted(connection, sql, &[&state.as_str()])?))).collect()
}

pub(super) fn request(connection: &Connection, id: RequestId) -> Result<Option<RequestHistory>, StoreError> {
    let Some(request) = find(connection, id)? else { return Ok(None) };
    let key = &id.as_bytes()[..];
    let messages = format!("SELECT {} FROM messages WHERE request_id = ?1 ORDER BY created_at, rowid", rows::MESSAGE);
    Ok(Some(RequestHistory {
        entry: entry(connection, request)?,
        changes: changes(connection, key)?,
        edits: edits(connection, key)?,
        messages: rows::collect(connection, &messages, [key], rows::message)?,
    }))
}

/// Every change of the request's state, oldest first.
pub(super) fn changes(connection: &Connection, id: &[u8]) -> Result<Vec<RequestChange>, StoreError> {
    // The words of the states happen to be in the order of the states.
    let sql = "SELECT at, state, by, note FROM request_changes WHERE request_id = ?1 ORDER BY state";
    rows::collect(connection, sql, [id], rows::request_change)
}

/// Every change of what is noted beside the request, oldest first.
pub(super) fn edits(connection: &Connection, id: &[u8]) -> Result<Vec<RequestEdit>, StoreError> {
    let sql = "SELECT at, field, value, by FROM request_edits WHERE request_id = ?1 ORDER BY rowid";
    rows::collect(connection, sql, [id], rows::request_edit)
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
    ledger::reacted(connection, id, change)?;
    let RequestEntry { request, user } = entry(connection, request)?;
    let context = Context::of_change(user.as_ref(), &request, change);
    let follow_up =
        follow_ups::FollowUp { request: id, user: user.as_ref(), purpose, context: &context, at: change.at };
    Ok(RequestChanged::Yes(follow_up.enqueue(connection, followers)?))
}

/// Changes what is noted beside the request, if it is what was `expected`, and keeps that it was. What is so already is
/// not said again.
pub(super) fn edit(
    connection: &Connection,
    id: RequestId,
    edit: &RequestEdit,
    expected: Option<&str>,
) -> Result<RequestEdited, StoreError> {
    let Some(request) = find(connection, id)? else { return Ok(RequestEdited::NotFound) };
    let (sql, value) = match edit.field {
        RequestField::Note => ("UPDATE requests SET note = ?2 WHERE id = ?1", &request.note),
        RequestField::Assignee => ("UPDATE requests SET assignee = ?2 WHERE id = ?1", &request.assignee),
    };
    if *value == edit.value {
        return Ok(RequestEdited::Yes);
    }
    if expected.is_some_and(|expected| expected != value) {
        return Ok(RequestEdited::Otherwise(value.clone()));
    }
    let key = &id.as_bytes()[..];
    connection.prepare_cached(sql)?.execute((key, &edit.value))?;
    connection
        .prepare_cached("INSERT INTO request_edits (request_id, at, field, value, by) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((key, edit.at.as_millis(), edit.field.as_str(), &edit.value, &edit.by))?;
    Ok(RequestEdited::Yes)
}

fn find(connection: &Connection, id: RequestId) -> Result<Option<Request>, StoreError> {
    let sql = format!("SELECT {} FROM requests WHERE id = ?1", rows::REQUEST);
    Ok(connection.prepare_cached(&sql)?.query_row([&id.as_bytes()[..]], rows::request).optional()?)
}

fn entry(connection: &Connection, request: Request) -> Result<RequestEntry, StoreError> {
    let user = request.user_id.map(|id| users::find(connection, id)).transpose()?.flatten();
    Ok(RequestEntry { request, user })
}
