//! Messages: lists of them, how many they are, and what operators do to many at once, a bite at a time.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::query::{Query, are_few};
use super::rows;
use crate::domain::{Message, MessageId, Purpose, State, Timestamp};
use crate::store::{Changed, Changes, Counted, MessageFilter, Page, Period, StoreError};

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

/// What finds the messages that came to rest in a period, by the index of these; it takes the states and the two ends.
macro_rules! finished {
    () => {
        "SELECT rowid FROM messages INDEXED BY messages_finished
          WHERE state IN (SELECT value FROM json_each(?)) AND finished_at >= ? AND finished_at < ?"
    };
}

/// The states that have a moment at which they were come to.
const FINISHED: [State; 3] = [State::Delivered, State::Dead, State::Cancelled];

/// Whether the rows are wanted in the order of their ids.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    ById,
    Any,
}

pub(super) fn messages(
    connection: &Connection,
    filter: &MessageFilter,
    page: Page<MessageId>,
) -> Result<Vec<Message>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM messages", rows::MESSAGE));
    narrow(&mut query, connection, filter, Order::ById)?;
    if let Some(before) = page.before {
        query.and("id < ?", [before.as_bytes().to_vec()]);
    }
    query.newest_first(connection, page.limit, rows::message)
}

/// How many there are.
pub(super) fn count(connection: &Connection, filter: &MessageFilter) -> Result<Counted, StoreError> {
    let mut query = Query::new("SELECT 1 FROM messages".to_owned());
    narrow(&mut query, connection, filter, Order::Any)?;
    if filter.state == Some(State::Delivered) && filter.made.is_always() && filter.finished.is_always() {
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
    narrow(&mut query, connection, filter, Order::ById)?;
    query.and("id > ?", [after.map_or(Vec::new(), |after| after.as_bytes().to_vec())]);
    let ids = query.ordered(connection, " ORDER BY id LIMIT ?", BITE, |row| row.get(0).map(MessageId::from_bytes))?;
    let mut changed = 0;
    for id in &ids {
        changed += u64::from(change(connection, *id, now)? == Changed::Yes);
    }
    Ok(Changes { changed, next: ids.last().copied().filter(|_| ids.len() == BITE) })
}

fn narrow(query: &mut Query, connection: &Connection, filter: &MessageFilter, order: Order) -> Result<(), StoreError> {
    let MessageFilter { state, channel, user, request, purpose, made, finished } = filter;
    let is_narrow = user.is_some() || request.is_some();
    // Whether the rows are found already, so that no other index is to be used.
    let mut found = false;
    if let Some(user) = user {
        query.and("user_id = ?", [user.as_bytes().to_vec()]);
    }
    if let Some(request) = request {
        query.and("request_id = ?", [request.as_bytes().to_vec()]);
    }
    if !finished.is_always() {
        found = of_finish(query, connection, *state, *finished, (order, is_narrow))?;
    }
    if let Some(state) = state.filter(|_| !found) {
        of_state(query, connection, state, is_narrow)?;
    }
    if let Some(channel) = channel {
        query.and(if found { "+channel = ?" } else { "channel = ?" }, [channel.as_str().to_owned()]);
    }
    if let Some(purpose) = purpose {
        let condition = match purpose {
            _ if found => "+purpose = ?",
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

/// Only those that came to rest in this period. Says whether they are so few that they are found by their index.
fn of_finish(
    query: &mut Query,
    connection: &Connection,
    state: Option<State>,
    period: Period,
    (order, is_narrow): (Order, bool),
) -> Result<bool, StoreError> {
    let from = period.from.map_or(i64::MIN, Timestamp::as_millis);
    let to = period.to.map_or(i64::MAX, Timestamp::as_millis);
    let states: Vec<_> =
        state.as_ref().map_or(&FINISHED[..], std::slice::from_ref).iter().map(|state| state.as_str()).collect();
    let states = rows::to_json(&states)?;
    let values = || [Value::from(states.clone()), Value::from(from), Value::from(to)];
    if is_narrow {
        query.and("+finished_at >= ? AND +finished_at < ?", [from, to]);
        return Ok(false);
    }
    if order == Order::Any {
        query.and("state IN (SELECT value FROM json_each(?)) AND finished_at >= ? AND finished_at < ?", values());
        return Ok(true);
    }
    let count = concat!("SELECT count(*) FROM (", finished!(), " LIMIT ?)");
    if are_few(connection, count, &[&states, &from, &to])? {
        query.and(concat!("rowid IN (", finished!(), ")"), values());
        return Ok(true);
    }
    query.and("+finished_at >= ? AND +finished_at < ?", [from, to]);
    if let Some(to) = period.to {
        // None comes to rest before it was made: so much of the walk is spared.
        query.and("id < ?", [rows::first_id(to).to_vec()]);
    }
    Ok(false)
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
