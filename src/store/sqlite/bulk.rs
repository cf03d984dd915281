//! What operators do to many messages at once, a bite at a time.

use rusqlite::{Connection, ToSql};

use crate::domain::{MessageId, Timestamp};
use crate::store::{Changed, Changes, Selection, StoreError};

/// How many messages one transaction changes, so that webhooks do not wait for it.
const BITE: usize = 500;

/// Changes the next bite of the selected messages by `change`. They are taken in the order of their ids, so that one
/// that comes back into the selection meanwhile, because its retry failed at once, is not changed again.
pub(super) fn change(
    connection: &Connection,
    selection: &Selection,
    after: Option<MessageId>,
    now: Timestamp,
    change: fn(&Connection, MessageId, Timestamp) -> Result<Changed, StoreError>,
) -> Result<Changes, StoreError> {
    let (condition, mut values) = condition(selection);
    let after = after.map_or(Vec::new(), |after| after.as_bytes().to_vec());
    values.push(Box::new(after));
    let sql = format!("SELECT id FROM messages WHERE {condition} AND id > ? ORDER BY id LIMIT {BITE}");
    let ids: Vec<MessageId> = connection
        .prepare_cached(&sql)?
        .query_map(rusqlite::params_from_iter(&values), |row| row.get(0).map(MessageId::from_bytes))?
        .collect::<rusqlite::Result<_>>()?;
    let mut changed = 0;
    for id in &ids {
        changed += u64::from(change(connection, *id, now)? == Changed::Yes);
    }
    Ok(Changes { changed, next: ids.last().copied().filter(|_| ids.len() == BITE) })
}

/// How many messages are selected.
pub(super) fn count(connection: &Connection, selection: &Selection) -> Result<u64, StoreError> {
    let (condition, values) = condition(selection);
    let sql = format!("SELECT count(*) FROM messages WHERE {condition}");
    Ok(connection.prepare_cached(&sql)?.query_row(rusqlite::params_from_iter(&values), |row| row.get(0))?)
}

fn condition(selection: &Selection) -> (String, Vec<Box<dyn ToSql>>) {
    // The state stands in the text, so that the indexes for some states only are found.
    let mut condition = format!("state = '{}'", selection.state);
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    if let Some(channel) = &selection.channel {
        condition.push_str(" AND channel = ?");
        values.push(Box::new(channel.as_str().to_owned()));
    }
    if let Some(purpose) = selection.purpose {
        condition.push_str(" AND purpose = ?");
        values.push(Box::new(purpose.as_str()));
    }
    if let Some(before) = selection.created_before {
        condition.push_str(" AND created_at < ?");
        values.push(Box::new(before.as_millis()));
    }
    (condition, values)
}
