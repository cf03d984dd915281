//! Pruning: what is past its retention goes, some at a time.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::{StoreError, erase, ledger, rows};
use crate::domain::{Timestamp, UserId};
use crate::store::{Pruned, Retention};

/// How many customers one transaction erases: each is many rows.
const ERASED_AT_ONCE: usize = 20;

/// Deletes at most `limit` of each.
pub(super) fn prune(
    connection: &Connection,
    retention: Retention,
    now: Timestamp,
    limit: usize,
) -> Result<Pruned, StoreError> {
    let bite = Bite { connection, now, limit };
    // After an upgrade the ledger still counts what is older than itself, by messages, attempts and links: until it has,
    // these stay.
    let counted = ledger::is_complete(connection)?;
    let once_counted = |kept: Option<Duration>| kept.filter(|_| counted);
    let mut pruned = if counted { bite.messages(retention)? } else { Pruned::default() };
    let before = |kept| now.before(kept);
    let (inbox, more_inbox) = bite.inbox(before(retention.inbox))?;
    let (_, more_traces) = bite.traces()?;
    pruned.inbox = inbox;
    pruned.more |= more_inbox || more_traces;
    let optional: [(_, &dyn Fn(Timestamp) -> Done, _); 6] = [
        (retention.captures, &|at| bite.captures(at), &mut pruned.captures),
        (once_counted(retention.attempts), &|at| bite.attempts(at), &mut pruned.attempts),
        (once_counted(retention.questions), &|at| bite.questions(at), &mut pruned.questions),
        (once_counted(retention.touches), &|at| bite.touches(at), &mut pruned.touches),
        (retention.customers, &|at| bite.customers(at), &mut pruned.customers),
        (retention.audit, &|at| bite.audit(at), &mut pruned.audit),
    ];
    for (kept, step, count) in optional {
        if let Some(kept) = kept {
            let (done, more) = step(before(kept))?;
            *count = done;
            pruned.more |= more;
        }
    }
    Ok(pruned)
}

/// How much was pruned, and whether there may be more.
type Done = Result<(u64, bool), StoreError>;

/// What one transaction prunes of each.
struct Bite<'a> {
    connection: &'a Connection,
    now: Timestamp,
    limit: usize,
}

impl Bite<'_> {
    fn limit(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }

    fn execute(&self, sql: &str, parameters: impl Params) -> Done {
        let changed = self.connection.prepare_cached(sql)?.execute(parameters)?;
        Ok((changed as u64, changed == self.limit))
    }

    fn messages(&self, retention: Retention) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        let finished =
            [("delivered", retention.delivered), ("cancelled", retention.delivered), ("dead", retention.dead)];
        for (state, kept) in finished {
            let sql = "DELETE FROM messages WHERE rowid IN (SELECT rowid FROM messages
                           WHERE state = ?3 AND finished_at IS NOT NULL AND finished_at < ?1 LIMIT ?2)";
            let (deleted, more) = self.execute(sql, params![self.now.before(kept).as_millis(), self.limit(), state])?;
            pruned.messages += deleted;
            pruned.more |= more;
        }
        Ok(pruned)
    }

    /// An entry's id begins with the moment it came, so that the oldest are found without looking at all of them.
    fn inbox(&self, before: Timestamp) -> Done {
        let sql = "DELETE FROM inbox WHERE rowid IN (SELECT rowid FROM inbox WHERE id < ?1 LIMIT ?2)";
        self.execute(sql, params![&rows::first_id(before)[..], self.limit()])
    }

    fn traces(&self) -> Done {
        let sql = "DELETE FROM traces WHERE trace IN (SELECT trace FROM traces WHERE seen_at < ?1 LIMIT ?2)";
        self.execute(sql, params![self.now.before(super::TRACE_MEMORY).as_millis(), self.limit()])
    }

    /// A message's id begins with the moment it was made.
    fn captures(&self, before: Timestamp) -> Done {
        let sql = "DELETE FROM captures WHERE rowid IN (SELECT rowid FROM captures WHERE message_id < ?1 LIMIT ?2)";
        self.execute(sql, params![&rows::first_id(before)[..], self.limit()])
    }

    /// Likewise.
    fn attempts(&self, before: Timestamp) -> Done {
        let sql = "DELETE FROM attempts WHERE (message_id, epoch) IN
                       (SELECT message_id, epoch FROM attempts WHERE message_id < ?1 LIMIT ?2)";
        self.execute(sql, params![&rows::first_id(before)[..], self.limit()])
    }

    /// As the inbox.
    fn audit(&self, before: Timestamp) -> Done {
        let sql = "DELETE FROM audit WHERE rowid IN (SELECT rowid FROM audit WHERE id < ?1 LIMIT ?2)";
        self.execute(sql, params![&rows::first_id(before)[..], self.limit()])
    }

    /// What was asked, noted and told with requests that were closed before then. That they were, and their topics, stays.
    /// Without its words a request cannot be told from another one that its caller names alike: so the name goes, too.
    fn questions(&self, before: Timestamp) -> Done {
        let sql = "SELECT id FROM requests INDEXED BY requests_worded
                    WHERE state = 'closed' AND (question <> '' OR note <> '') AND id < ?1
                          AND (SELECT at FROM request_changes WHERE request_id = requests.id AND state = 'closed') < ?2
                    LIMIT ?3";
        let parameters = params![&rows::first_id(before)[..], before.as_millis(), self.limit()];
        let ids = rows::collect(self.connection, sql, parameters, |row| row.get::<_, Vec<u8>>(0))?;
        let blanks = [
            "UPDATE requests SET question = '', note = '', origin = '{}', source = '', idempotency_key = NULL,
                                 fingerprint = x'' WHERE id = ?1",
            "DELETE FROM request_edits WHERE request_id = ?1 AND field = 'note'",
            "UPDATE request_changes SET note = '' WHERE request_id = ?1",
        ];
        for id in &ids {
            for blank in blanks {
                self.connection.prepare_cached(blank)?.execute([id])?;
            }
        }
        Ok((ids.len() as u64, ids.len() == self.limit))
    }

    /// What was told of visits goes, that there were any stays.
    fn touches(&self, before: Timestamp) -> Done {
        let sql = "UPDATE touches SET origin = '{}', source = ''
                    WHERE rowid IN (SELECT rowid FROM touches WHERE origin <> '{}' AND at < ?1 LIMIT ?2)";
        self.execute(sql, params![before.as_millis(), self.limit()])
    }

    /// Erases customers of whom nothing was heard since, and for whom nothing is still to be sent. Looks at some at a time,
    /// in the order in which they came, and notes how far it is: most of the old ones may be well alive.
    fn customers(&self, before: Timestamp) -> Done {
        let name = "pruned_customers_up_to";
        let from: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let sql = "SELECT id, erased_at IS NULL AND coalesce(opened_at, 0) < ?3
                          AND NOT EXISTS (SELECT 1 FROM touches WHERE user_id = users.id AND at >= ?3)
                          AND NOT EXISTS (SELECT 1 FROM requests WHERE user_id = users.id AND seen_at >= ?3)
                          AND NOT EXISTS (SELECT 1 FROM messages WHERE user_id = users.id
                                                 AND state IN ('pending', 'sending', 'held'))
                     FROM users WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?4";
        let parameters =
            params![from.unwrap_or_default(), &rows::first_id(before)[..], before.as_millis(), self.limit()];
        let seen: Vec<([u8; 16], bool)> =
            rows::collect(self.connection, sql, parameters, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let is_silent = |(_, silent): &&([u8; 16], bool)| *silent;
        let silent: Vec<_> = seen.iter().filter(is_silent).take(ERASED_AT_ONCE).map(|(id, _)| *id).collect();
        let ids: Vec<UserId> = silent.iter().map(|id| UserId::from_bytes(*id)).collect();
        erase::erase_silent(self.connection, &ids, self.now)?;
        // Where so many were erased, perhaps not all of the bite was.
        let last = silent.get(ERASED_AT_ONCE - 1).or(seen.last().map(|(id, _)| id));
        let more = silent.len() == ERASED_AT_ONCE || seen.len() == self.limit;
        match last.filter(|_| more) {
            Some(last) => {
                let sql = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
                self.connection.prepare_cached(sql)?.execute((name, &last[..]))?;
            }
            None => {
                self.connection.prepare_cached("DELETE FROM settings WHERE name = ?1")?.execute([name])?;
            }
        }
        Ok((silent.len() as u64, more))
    }
}
