//! What becomes of messages that nobody finishes: those on their way when the process died, and those that wait for a
//! channel that sends nothing.

use std::time::Duration;

use rusqlite::{Connection, named_params};

use super::rows;
use crate::domain::{BootId, ChannelAddress, POISON_AFTER, SUSPECT_AFTER, Timestamp, wait_after_crash};
use crate::store::{Overdue, Rescued, StoreError, Swept};

/// The channel that takes over, if it is one of `:known`: the route's, whose name may be gone by now, else the channel's.
macro_rules! successor {
    () => {
        "coalesce(CASE WHEN fallback IN (SELECT value FROM json_each(:known)) THEN fallback END, :fallback)"
    };
}

/// The purposes that another channel may take over.
macro_rules! handed_over {
    () => {
        "('welcome', 'request', 'test', 'report')"
    };
}

/// Those of the 10,000 messages of `:channel` that have been due longest for which `which` holds, at most `:limit`.
macro_rules! due_longest {
    ($suspicion:literal, $($which:expr),+) => {
        concat!(
            " WHERE rowid IN (SELECT id FROM (SELECT rowid AS id, purpose, fallback, handed_over_from, first_due_at
                                                FROM messages
                                               WHERE state = 'pending' AND ",
            $suspicion,
            " AND channel = :channel AND due_at <= :now
                                               ORDER BY due_at LIMIT 10000)
                               WHERE ",
            $($which,)+
            " LIMIT :limit)"
        )
    };
}

macro_rules! hand_over_sql {
    ($suspicion:literal) => {
        concat!(
            "UPDATE messages SET handed_over_from = channel, channel = ",
            successor!(),
            ", due_at = :now, first_due_at = :now, attempts = 0, last_error = :why",
            due_longest!(
                $suspicion,
                "handed_over_from IS NULL AND first_due_at <= :before AND purpose IN ",
                handed_over!(),
                " AND ",
                successor!(),
                " IS NOT NULL"
            ),
            " RETURNING channel"
        )
    };
}

macro_rules! expire_sql {
    ($suspicion:literal) => {
        concat!(
            "UPDATE messages SET state = 'dead', finished_at = :now, last_error = 'expired: ' || :why",
            due_longest!(
                $suspicion,
                "first_due_at <= iif(purpose = 'alert', :alerts_before, :before)
                                     AND (handed_over_from IS NOT NULL OR purpose NOT IN ",
                handed_over!(),
                " OR ",
                successor!(),
                " IS NULL)"
            )
        )
    };
}

/// As in the trait. Few messages can have been on their way, so each is looked at by itself.
pub(super) fn rescue(connection: &Connection, boot: BootId, now: Timestamp) -> Result<Rescued, StoreError> {
    let unfinished: Vec<(Vec<u8>, u32)> = rows::collect(
        connection,
        "SELECT id, crashes FROM messages WHERE state = 'sending' AND boot <> ?1",
        [&boot.as_bytes()[..]],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    // Suspects are sent one at a time, so the one that was on its way explains the crash, and all others are innocent.
    let explained = unfinished.iter().any(|(_, crashes)| *crashes >= SUSPECT_AFTER);
    let mut rescued = Rescued::default();
    for (id, before) in unfinished {
        let blamed = !explained || before >= SUSPECT_AFTER;
        let crashes = before.saturating_add(u32::from(blamed));
        if crashes >= POISON_AFTER {
            rescued.dead += 1;
            connection
                .prepare_cached(
                    "UPDATE messages SET state = 'dead', boot = NULL, crashes = ?2, finished_at = ?3, last_error = ?4
                      WHERE id = ?1",
                )?
                .execute((id, crashes, now.as_millis(), format!("umishop died {crashes} times while sending it")))?;
        } else {
            rescued.pending += 1;
            let wait = if blamed { wait_after_crash(crashes) } else { Duration::ZERO };
            connection
                .prepare_cached(
                    "UPDATE messages SET state = 'pending', boot = NULL, crashes = ?2, due_at = max(due_at, ?3)
                      WHERE id = ?1",
                )?
                .execute((id, crashes, if wait.is_zero() { 0 } else { now.after(wait).as_millis() }))?;
        }
    }
    rescued.suspects = connection
        .prepare_cached("SELECT count(*) FROM messages WHERE state = 'pending' AND crashes >= 3")?
        .query_row([], |row| row.get(0))?;
    Ok(rescued)
}

/// Hands over, else gives up, at most `limit` of each, of the 10,000 that have been due longest: a backlog of millions
/// must not make the writer's other callers wait. Suspects are no exception.
pub(super) fn sweep(
    connection: &Connection,
    overdue: &Overdue,
    now: Timestamp,
    limit: usize,
) -> Result<Swept, StoreError> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let known = overdue.known.iter().map(ChannelAddress::as_str).collect::<serde_json::Value>().to_string();
    let fallback = overdue.fallback.as_ref().map(ChannelAddress::as_str);
    let mut swept = Swept::default();
    for sql in [hand_over_sql!("crashes < 3"), hand_over_sql!("crashes >= 3")] {
        let handed_over = connection
            .prepare_cached(sql)?
            .query_map(
                named_params! {
                    ":known": known,
                    ":fallback": fallback,
                    ":now": now.as_millis(),
                    ":why": overdue.why,
                    ":channel": overdue.channel.as_str(),
                    ":before": overdue.hand_over_before.as_millis(),
                    ":limit": most,
                },
                |row| rows::word(row, 0),
            )?
            .collect::<rusqlite::Result<Vec<ChannelAddress>>>()?;
        swept.more |= handed_over.len() == limit;
        swept.handed_over.extend(handed_over);
    }
    for sql in [expire_sql!("crashes < 3"), expire_sql!("crashes >= 3")] {
        let expired = connection.prepare_cached(sql)?.execute(named_params! {
            ":known": known,
            ":fallback": fallback,
            ":now": now.as_millis(),
            ":why": overdue.why,
            ":channel": overdue.channel.as_str(),
            ":before": overdue.expire_before.as_millis(),
            ":alerts_before": overdue.expire_alerts_before.as_millis(),
            ":limit": most,
        })?;
        swept.more |= expired == limit;
        swept.expired += expired as u64;
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use crate::domain::Purpose;
    use crate::store::sqlite::rows;

    #[test]
    fn the_statements_hand_over_what_may_be() {
        assert_eq!(handed_over!(), rows::purposes(Purpose::may_be_handed_over));
    }
}
