//! What an operator wants to know: backlogs, what went wrong, notes about channels, alerts.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{intake, outbox, rows};
use crate::domain::{ChannelAddress, Timestamp};
use crate::store::{Alert, Backlog, ChannelNote, Incidents, StoreError, Troubles, Waiting};

/// One row for each channel that has anything unfinished or in trouble.
pub(super) fn backlogs(connection: &Connection) -> Result<Vec<Backlog>, StoreError> {
    let mut backlogs: BTreeMap<ChannelAddress, Backlog> = BTreeMap::new();
    for (channel, due) in outbox::next_due(connection)? {
        let pending = connection
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM messages
                                        WHERE state = 'pending' AND crashes < 3 AND channel = ?1 LIMIT ?2)",
            )?
            .query_row((channel.as_str(), most()), |row| row.get(0))?;
        let backlog = of(&mut backlogs, channel);
        (backlog.pending, backlog.oldest_due) = (pending, Some(due));
    }
    // Else it would be grouped along the index of all channels, with every message there is.
    let sending =
        "SELECT channel, count(*) FROM messages INDEXED BY messages_sending WHERE state = 'sending' GROUP BY channel";
    for (channel, count) in rows::collect(connection, sending, [], count)? {
        of(&mut backlogs, channel).sending = count;
    }
    let suspects = "SELECT channel, count(*) FROM messages WHERE state = 'pending' AND crashes >= 3 GROUP BY channel";
    for (channel, count) in rows::collect(connection, suspects, [], count)? {
        of(&mut backlogs, channel).pending += count;
    }
    let in_trouble = "SELECT channel, count(*)
                        FROM (SELECT channel FROM messages WHERE state = ?1 AND state IN ('dead', 'held')
                               ORDER BY id DESC LIMIT ?2)
                       GROUP BY channel";
    for (channel, count) in rows::collect(connection, in_trouble, ("held", most()), count)? {
        of(&mut backlogs, channel).held = count;
    }
    for (channel, count) in rows::collect(connection, in_trouble, ("dead", most()), count)? {
        of(&mut backlogs, channel).dead = count;
    }
    Ok(backlogs.into_values().collect())
}

fn of(backlogs: &mut BTreeMap<ChannelAddress, Backlog>, channel: ChannelAddress) -> &mut Backlog {
    backlogs.entry(channel.clone()).or_insert_with(|| Backlog::empty(channel))
}

fn most() -> u32 {
    Backlog::COUNTED
}

fn count(row: &Row<'_>) -> rusqlite::Result<(ChannelAddress, u32)> {
    Ok((rows::word(row, 0)?, row.get(1)?))
}

/// As in the trait.
pub(super) fn troubles(connection: &Connection, since: Timestamp, now: Timestamp) -> Result<Troubles, StoreError> {
    // With a bare column beside max(), SQLite gives the value of the row that has the maximum.
    let dead = "SELECT channel, count(*), max(finished_at), last_error
                  FROM (SELECT channel, last_error, finished_at FROM messages
                         WHERE state = 'dead' AND finished_at IS NOT NULL AND finished_at > ?1 AND purpose <> 'alert'
                         ORDER BY finished_at DESC LIMIT ?2)
                 GROUP BY channel";
    // A held message does not know since when it is; its last attempt does.
    let held = "SELECT channel, count(*), max(held_at), last_error
                  FROM (SELECT channel, last_error,
                               coalesce((SELECT max(started_at + duration_ms) FROM attempts WHERE message_id = messages.id),
                                        created_at) AS held_at
                          FROM messages WHERE state = 'held' AND state IN ('dead', 'held') AND purpose <> 'alert'
                         ORDER BY id DESC LIMIT ?1)
                 GROUP BY channel";
    let told = "SELECT subject, told_at FROM alerts";
    Ok(Troubles {
        dead: rows::collect(connection, dead, (since.as_millis(), most()), incidents)?.into_iter().collect(),
        held: rows::collect(connection, held, [most()], incidents)?.into_iter().collect(),
        waiting: waiting(connection, now)?,
        unreadable: unreadable(connection, since)?,
        told: rows::collect(connection, told, [], |row| Ok((row.get(0)?, rows::time(row, 1)?)))?.into_iter().collect(),
    })
}

fn incidents(row: &Row<'_>) -> rusqlite::Result<(ChannelAddress, Incidents)> {
    Ok((rows::word(row, 0)?, Incidents { count: row.get(1)?, latest_at: rows::time(row, 2)?, why: row.get(3)? }))
}

/// Goes along the index of what is pending, and passes over the alerts in it, which are few.
fn waiting(connection: &Connection, now: Timestamp) -> Result<BTreeMap<ChannelAddress, Waiting>, StoreError> {
    let mut waiting = BTreeMap::new();
    let mut statement = connection.prepare_cached(
        "SELECT count(*), min(due_at)
           FROM (SELECT * FROM (SELECT due_at FROM messages
                                 WHERE state = 'pending' AND crashes < 3 AND channel = ?1 AND due_at <= ?2
                                       AND purpose <> 'alert'
                                 ORDER BY due_at LIMIT ?3)
                 UNION ALL
                 SELECT * FROM (SELECT due_at FROM messages
                                 WHERE state = 'pending' AND crashes >= 3 AND channel = ?1 AND due_at <= ?2
                                       AND purpose <> 'alert'
                                 ORDER BY due_at LIMIT ?3))",
    )?;
    for (channel, _) in outbox::next_due(connection)?.into_iter().filter(|(_, due)| *due <= now) {
        let (count, since): (u32, Option<i64>) =
            statement.query_row((channel.as_str(), now.as_millis(), most()), |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let Some(since) = since {
            waiting.insert(channel, Waiting { count, since: Timestamp::from_millis(since) });
        }
    }
    Ok(waiting)
}

fn unreadable(connection: &Connection, since: Timestamp) -> Result<Option<Incidents>, StoreError> {
    // Ids begin with the time, so the primary key finds the newest.
    let latest = connection
        .prepare_cached("SELECT received_at, why FROM inbox ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((rows::time(row, 0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let Some((latest_at, why)) = latest.filter(|(received_at, _)| *received_at > since) else { return Ok(None) };
    let count = connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT received_at FROM inbox ORDER BY id DESC LIMIT ?2) WHERE received_at > ?1",
        )?
        .query_row((since.as_millis(), most()), |row| row.get(0))?;
    Ok(Some(Incidents { count, latest_at, why }))
}

pub(super) fn channel_notes(connection: &Connection) -> Result<Vec<ChannelNote>, StoreError> {
    rows::collect(connection, "SELECT address, paused_at, not_before FROM channels", [], |row| {
        Ok(ChannelNote {
            channel: rows::word(row, 0)?,
            paused_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_millis),
            not_before: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
        })
    })
}

pub(super) fn note_pause(
    connection: &Connection,
    channel: &ChannelAddress,
    paused_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO channels (address, paused_at) VALUES (?1, ?2)
             ON CONFLICT (address) DO UPDATE SET paused_at = excluded.paused_at",
        )?
        .execute((channel.as_str(), paused_at.map(Timestamp::as_millis)))?;
    Ok(())
}

pub(super) fn note_patience(
    connection: &Connection,
    channel: &ChannelAddress,
    not_before: Option<Timestamp>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO channels (address, not_before) VALUES (?1, ?2)
             ON CONFLICT (address) DO UPDATE SET not_before = excluded.not_before",
        )?
        .execute((channel.as_str(), not_before.map(Timestamp::as_millis)))?;
    Ok(())
}

/// As in the trait.
pub(super) fn raise_alert(connection: &Connection, alert: &Alert, now: Timestamp) -> Result<bool, StoreError> {
    let told_at: Option<i64> = connection
        .prepare_cached("SELECT told_at FROM alerts WHERE subject = ?1")?
        .query_row([&alert.subject], |row| row.get(0))
        .optional()?;
    // A time in the future was noted before the clock was set back, and must not keep the operator in the dark.
    if told_at.is_some_and(|told| told <= now.as_millis() && told > now.before(alert.every).as_millis()) {
        return Ok(false);
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO alerts (subject, told_at) VALUES (?1, ?2)")?
        .execute((&alert.subject, now.as_millis()))?;
    for message in &alert.messages {
        intake::enqueue(connection, message, None, None, &alert.context, now)?;
    }
    Ok(true)
}
