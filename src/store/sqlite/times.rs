//! Mends what was written while the clock was ahead, once it has been set back.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::rows;
use crate::domain::Timestamp;
use crate::store::{Corrected, StoreError};

/// No wait that was meant is longer: a schedule's longest wait is 30 days, and its jitter a fifth of that.
const LONGEST_WAIT: Duration = Duration::from_hours(40 * 24);

/// Makes due what would wait for a moment that a wrong clock named: each message waits as long from `now` on as it was
/// to wait when it was put into the outbox or last tried. What is due, and what waits for a moment named under the right
/// clock, is left alone.
pub(super) fn correct(connection: &Connection, now: Timestamp) -> Result<Corrected, StoreError> {
    correct_access(connection, now)?;
    let newest = newest(connection)?;
    let is_ahead = newest.is_some_and(|newest| newest > now);
    if !is_ahead && latest_due(connection)?.is_none_or(|due| due <= now.after(LONGEST_WAIT)) {
        return Ok(Corrected { newest, messages: 0 });
    }
    let messages = connection
        .prepare_cached(
            "UPDATE messages
                SET due_at = :now + late.wait, first_due_at = min(first_due_at, :now + late.wait)
               FROM (SELECT id, named_at, CASE WHEN due_at - named_at BETWEEN 0 AND :longest THEN due_at - named_at
                                               ELSE 0 END AS wait, due_at - named_at > :longest AS senseless
                       FROM (SELECT rowid AS id, due_at,
                                    max(created_at, coalesce((SELECT max(started_at) FROM attempts
                                                               WHERE message_id = messages.id), 0)) AS named_at
                               FROM messages WHERE state = 'pending' AND crashes < 3 AND due_at > :now)) AS late
              WHERE messages.rowid = late.id AND (late.named_at > :now OR late.senseless)",
        )?
        .execute(rusqlite::named_params! {
            ":now": now.as_millis(),
            ":longest": i64::try_from(LONGEST_WAIT.as_millis()).unwrap_or(i64::MAX),
        })?;
    // Else the same question would be a duplicate until that moment comes.
    connection.execute("UPDATE requests SET seen_at = ?1 WHERE seen_at > ?1", [now.as_millis()])?;
    Ok(Corrected { newest, messages: messages as u64 })
}

/// Lets no session last longer, with or without being used, than it was to; nor a token seem to be used already.
fn correct_access(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let sessions =
        "UPDATE sessions SET expires_at = expires_at - max(created_at - ?1, 0), created_at = min(created_at, ?1),
                                        seen_at = ?1 WHERE seen_at > ?1";
    connection.execute(sessions, [now.as_millis()])?;
    connection.execute("UPDATE tokens SET last_used_at = ?1 WHERE last_used_at > ?1", [now.as_millis()])?;
    Ok(())
}

/// When the newest customer, request, message or unreadable webhook was written. Their ids begin with that moment.
pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let newest: Option<[u8; 16]> = connection.query_row(
        "SELECT max(id) FROM (SELECT max(id) AS id FROM users UNION ALL SELECT max(id) FROM requests
                               UNION ALL SELECT max(id) FROM messages UNION ALL SELECT max(id) FROM inbox)",
        [],
        |row| row.get(0),
    )?;
    Ok(newest.as_ref().map(rows::made_at))
}

/// When the last pending message is due, found by stepping from channel to channel along the index.
fn latest_due(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let mut latest = None;
    let mut channel = String::new();
    let mut statement = connection.prepare_cached(
        "SELECT channel, (SELECT max(due_at) FROM messages
                           WHERE state = 'pending' AND crashes < 3 AND channel = found.channel)
           FROM (SELECT channel FROM messages WHERE state = 'pending' AND crashes < 3 AND channel > ?1
                  ORDER BY channel LIMIT 1) AS found",
    )?;
    while let Some((next, due)) =
        statement.query_row([&channel], |row| Ok((row.get::<_, String>(0)?, rows::time(row, 1)?))).optional()?
    {
        latest = latest.max(Some(due));
        channel = next;
    }
    Ok(latest)
}
