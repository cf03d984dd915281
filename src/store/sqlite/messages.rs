//! Messages: lists of them, how many they are, and what operators do to many at once, a bite at a time.

use rusqlite::Connection;

use super::query::{Query, are_few};
use super::rows;
use crate::domain::{Message, MessageId, Purpose, State, Timestamp};
use crate::store::{Changed, Changes, Counted, MessageFilter, Page, StoreError};

/// How many messages one transaction changes, so that webhooks do not wait for it.
const BITE: usize = 500;

/// The conditions that find the messages in a state that most soon leave, by the indexes for these states.
macro_rules! found {
    (pending) => {
        "SELECT rowid FROM messages INDEXED BY messages_due WHERE state = 'pending' AND crashes < 3 UNION ALL
         SELECT rowid FROM messages INDEXED BY messages_suspect WHERE state = 'pending' AND crashes >= 3"
    };
    (sending) => {
        "SELECT rowid FROM messages INDEXED BY messages_sending WHERE state = 'sending'"
    };
    (cancelled) => {
        "SELECT rowid FROM messages INDEXED BY messages_finished WHERE state = 'cancelled' AND finished_at IS NOT NULL"
    };
}

/// Those, and the statement that counts them up to a limit.
macro_rules! by_index {
    ($state:tt) => {
        (
            concat!("rowid IN (", found!($state), ")"),
            concat!("SELECT count(*) FROM (SELECT 1 FROM (", found!($state), ") LIMIT ?)"),
        )
    };
}

pub(super) fn messages(
    connection: &Connection,
    filter: &MessageFilter,
    page: Page<MessageId>,
) -> Result<Vec<Message>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM messages", rows::MESSAGE));
    narrow(&mut query, connection, filter)?;
    if let Some(before) = page.before {
        query.and("id < ?", [before.as_bytes().to_vec()]);
    }
    query.newest_first(connection, page.limit, rows::message)
}

/// How many there are.
pub(super) fn count(connection: &Connection, filter: &MessageFilter) -> Result<Counted, StoreError> {
    let mut query = Query::new("SELECT 1 FROM messages".to_owned());
    narrow(&mut query, connection, filter)?;
    if filter.state == Some(State::Delivered) && filter.made.is_always() {
        // So the index of what is finished is enough, if nothing else is asked.
        query.and_so("finished_at IS NOT NULL");
    }
    query.counted(connection)
}

/// Changes the next bite of these messages by `change`. They are taken in the order of their ids, so that one that is
/// asked for again meanwhile, because its retry failed at once, is not changed again.
pub(super) fn change(
    connection: &Connection,
    filter: &MessageFilter,
    after: Option<MessageId>,
    now: Timestamp,
    change: fn(&Connection, MessageId, Timestamp) -> Result<Changed, StoreError>,
) -> Result<Changes, StoreError> {
    let mut query = Query::new("SELECT id FROM messages".to_owned());
    narrow(&mut query, connection, filter)?;
    query.and("id > ?", [after.map_or(Vec::new(), |after| after.as_bytes().to_vec())]);
    let ids = query.ordered(connection, " ORDER BY id LIMIT ?", BITE, |row| row.get(0).map(MessageId::from_bytes))?;
    let mut changed = 0;
    for id in &ids {
        changed += u64::from(change(connection, *id, now)? == Changed::Yes);
    }
    Ok(Changes { changed, next: ids.last().copied().filter(|_| ids.len() == BITE) })
}

fn narrow(query: &mut Query, connection: &Connection, filter: &MessageFilter) -> Result<(), StoreError> {
    let MessageFilter { state, channel, user, request, purpose, made } = filter;
    if let Some(user) = user {
        query.and("user_id = ?", [user.as_bytes().to_vec()]);
    }
    if let Some(request) = request {
        query.and("request_id = ?", [request.as_bytes().to_vec()]);
    }
    if let Some(state) = state {
        of_state(query, connection, *state, user.is_some() || request.is_some())?;
    }
    if let Some(channel) = channel {
        query.and("channel = ?", [channel.as_str().to_owned()]);
    }
    if let Some(purpose) = purpose {
        let condition = match purpose {
            Purpose::Welcome | Purpose::Request => "purpose = ?",
            _ => "purpose = ? AND purpose IN ('test', 'alert', 'acknowledged', 'answered', 'closed', 'report')",
        };
        query.and(condition, [purpose.as_str().to_owned()]);
    }
    // A message's id begins with the moment at which it was made.
    if let Some(from) = made.from {
        query.and("id >= ?", [rows::first_id(from).to_vec()]);
    }
    if let Some(to) = made.to {
        query.and("id < ?", [rows::first_id(to).to_vec()]);
    }
    Ok(())
}

/// The state stands in the text, so that the indexes for some states only are found.
fn of_state(query: &mut Query, connection: &Connection, state: State, is_narrow: bool) -> Result<(), StoreError> {
    let (condition, by_index) = match state {
        State::Dead => ("state = 'dead' AND state IN ('dead', 'held')", None),
        State::Held => ("state = 'held' AND state IN ('dead', 'held')", None),
        State::Delivered => ("state = 'delivered'", None),
        State::Pending => ("state = 'pending'", Some(by_index!(pending))),
        State::Sending => ("state = 'sending'", Some(by_index!(sending))),
        State::Cancelled => ("state = 'cancelled'", Some(by_index!(cancelled))),
    };
    let condition = match by_index.filter(|_| !is_narrow) {
        Some((found, count)) if are_few(connection, count, &[])? => found,
        _ => condition,
    };
    query.and_so(condition);
    Ok(())
}
