//! How much there is, each number by an index that holds what is counted.

use rusqlite::{Connection, ToSql};

use super::query::counted;
use super::{requests, rows};
use crate::domain::{State, Timestamp};
use crate::store::{Happened, Overview, StoreError};

pub(super) fn overview(connection: &Connection, periods: &[(Timestamp, Timestamp)]) -> Result<Overview, StoreError> {
    // One state of everything, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let happened = periods.iter().map(|period| happened(&snapshot, *period)).collect::<Result<_, _>>()?;
    let messages = MESSAGES.iter().map(|(state, sql)| Ok((*state, counted(&snapshot, sql, &[])?)));
    Ok(Overview {
        happened,
        messages: messages.collect::<Result<_, StoreError>>()?,
        requests: requests::count(&snapshot)?,
        last_webhook_at: last_webhook_at(&snapshot)?,
    })
}

const MESSAGES: [(State, &str); 4] = [
    (
        State::Pending,
        "SELECT count(*) FROM (SELECT 1 FROM messages WHERE state = 'pending' AND crashes < 3 UNION ALL
                               SELECT 1 FROM messages WHERE state = 'pending' AND crashes >= 3 LIMIT ?)",
    ),
    (State::Sending, "SELECT count(*) FROM (SELECT 1 FROM messages WHERE state = 'sending' LIMIT ?)"),
    (
        State::Dead,
        "SELECT count(*) FROM (SELECT 1 FROM messages WHERE state = 'dead' AND state IN ('dead', 'held') LIMIT ?)",
    ),
    (
        State::Held,
        "SELECT count(*) FROM (SELECT 1 FROM messages WHERE state = 'held' AND state IN ('dead', 'held') LIMIT ?)",
    ),
];

fn happened(connection: &Connection, (from, to): (Timestamp, Timestamp)) -> Result<Happened, StoreError> {
    let period: [&dyn ToSql; 2] = [&from.as_millis(), &to.as_millis()];
    let registrations =
        "SELECT count(*) FROM (SELECT 1 FROM users WHERE registered_at >= ? AND registered_at < ? LIMIT ?)";
    let requests = "SELECT count(*) FROM (SELECT 1 FROM requests WHERE created_at >= ? AND created_at < ? LIMIT ?)";
    let delivered = "SELECT count(*) FROM (SELECT 1 FROM messages
                      WHERE state = 'delivered' AND finished_at >= ? AND finished_at < ? LIMIT ?)";
    let dead = "SELECT count(*) FROM (SELECT 1 FROM messages
                 WHERE state = 'dead' AND finished_at >= ? AND finished_at < ? LIMIT ?)";
    Ok(Happened {
        registrations: counted(connection, registrations, &period)?,
        requests: counted(connection, requests, &period)?,
        delivered: counted(connection, delivered, &period)?,
        dead: counted(connection, dead, &period)?,
    })
}

/// When the last user, request or unreadable webhook was written, whose ids begin with that moment, or the last touch.
fn last_webhook_at(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let newest: Option<[u8; 16]> = connection
        .prepare_cached(
            "SELECT max(id) FROM (SELECT max(id) AS id FROM users UNION ALL SELECT max(id) FROM requests
                                   UNION ALL SELECT max(id) FROM inbox)",
        )?
        .query_row([], |row| row.get(0))?;
    let touch: Option<i64> = connection
        .prepare_cached("SELECT (SELECT at FROM touches WHERE rowid = (SELECT max(rowid) FROM touches))")?
        .query_row([], |row| row.get(0))?;
    Ok(newest.as_ref().map(rows::made_at).max(touch.map(Timestamp::from_millis)))
}
