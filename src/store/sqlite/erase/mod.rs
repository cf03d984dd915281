//! Erases one customer: whatever tells who they are goes, and what is counted stays true.
//!
//! Their row stays, and those of their requests: with what the ledger counts, and nothing else. All their messages go, with
//! everything that was tried; a message that is just being sent is settled by nobody, since it is not there any more. What
//! is deleted is overwritten (`secure_delete`), also in free pages; the log is emptied after the commit, by the caller.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::{SqliteStore, StoreError, ledger, reads, rows, suppressions};
use crate::domain::{InboxId, Timestamp, User, UserId};
use crate::store::{Erased, Page};

mod list;
mod marks;
#[cfg(test)]
mod tests;

pub(super) use list::{List, complete, in_database, read};
pub(super) use marks::{Marks, entries};

/// How much later than one that came after it a webhook may be written.
const OVERTAKEN: Duration = Duration::from_mins(1);

/// What was found of a customer before their turn came, so that nobody waits while all the inbox is looked through.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// By what they were known then.
    marks: Marks,
    /// Unreadable webhooks that name them.
    inbox: Vec<InboxId>,
    /// Those that came at this moment or later have not all been looked at; `None`: none has.
    until: Option<Timestamp>,
}

impl SqliteStore {
    /// As in the trait.
    pub(super) async fn erase(&self, id: UserId, now: Timestamp) -> Result<Option<Erased>, StoreError> {
        let Some(found) = self.find_in_inbox(id).await? else { return Ok(None) };
        let writer = self.writer()?;
        let erased = writer.write_patiently(move |connection| erase(connection, id, &found, now)).await?;
        let Some(mut erased) = erased else { return Ok(None) };
        self.finish_erasing().await;
        // The log is tended to after a write is answered: it has been tried after the first when the second is.
        for _ in 0..2 {
            writer.write_patiently(|_| Ok(())).await?;
        }
        erased.log_emptied = !self.empty_log.load(Ordering::Relaxed);
        Ok(Some(erased))
    }

    /// The unreadable webhooks that name the customer; `None`: there is no such customer.
    async fn find_in_inbox(&self, id: UserId) -> Result<Option<Found>, StoreError> {
        let Some((user, _)) = self.readers.read(move |connection| user(connection, id)).await? else { return Ok(None) };
        let newest = self.readers.read(|connection| reads::inbox(connection, Page { limit: 1, before: None })).await?;
        let until = newest.first().map(|entry| rows::made_at(entry.id.as_bytes()).before(OVERTAKEN));
        let (mut found, mut before) = (Found { marks: Marks::of(&user), inbox: Vec::new(), until }, None);
        loop {
            let marks = found.marks.clone();
            let (bite, next) = self.readers.read(move |connection| entries(connection, &marks, before)).await?;
            found.inbox.extend(bite.into_iter().map(|entry| entry.id));
            before = next;
            if before.is_none() {
                return Ok(Some(found));
            }
        }
    }

    /// Completes the list beside the database, and has the log emptied after the next write. If the list cannot be
    /// completed, the next start does it.
    pub(super) async fn finish_erasing(&self) {
        self.empty_log.store(true, Ordering::Relaxed);
        let path = self.path.clone();
        let written = self
            .readers
            .read(move |connection| complete(connection, &path).map_err(|error| StoreError::unavailable(&error)));
        if let Err(error) = written.await {
            tracing::error!(%error, "Cannot write down who was erased: until the next start a restored backup would bring them back");
        }
    }
}

/// Erases the customer, of whom `found` is known; `None`: there is none of this id. One who was erased stays so.
pub(super) fn erase(
    connection: &Connection,
    id: UserId,
    found: &Found,
    now: Timestamp,
) -> Result<Option<Erased>, StoreError> {
    let Some((user, erased_at)) = user(connection, id)? else { return Ok(None) };
    let (at, was_erased) = (erased_at.unwrap_or(now), erased_at.is_some());
    let mut erased = Erased { at, was_erased, messages: 0, inbox: 0, log_emptied: false };
    if was_erased {
        return Ok(Some(erased));
    }
    let marks = Marks::of(&user);
    // Whoever was told of meanwhile, with a phone say, is looked for once more.
    let until = found.until.filter(|_| found.marks == marks).unwrap_or(Timestamp::from_millis(0));
    for entry in marks::entries_since(connection, &marks, until)?.iter().chain(&found.inbox) {
        let deleted = connection.prepare_cached("DELETE FROM inbox WHERE id = ?1")?.execute([&entry.as_bytes()[..]])?;
        erased.inbox += deleted as u64;
    }
    erased.messages = forget(connection, &user, now)?;
    marks::take_out_of_origins(connection, &marks)?;
    marks::take_out_of_reports(connection, &marks)?;
    Ok(Some(erased))
}

/// The same for customers of whom nothing was heard for so long that no unreadable webhook is from them.
pub(super) fn erase_silent(connection: &Connection, ids: &[UserId], now: Timestamp) -> Result<(), StoreError> {
    let mut marks = Marks::default();
    for id in ids {
        if let Some((user, None)) = user(connection, *id)? {
            marks.add(Marks::of(&user));
            forget(connection, &user, now)?;
        }
    }
    marks::take_out_of_origins(connection, &marks)?;
    marks::take_out_of_reports(connection, &marks)
}

/// How many customers were erased.
pub(super) fn count(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM users WHERE erased_at IS NOT NULL";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// The customer, and when they were erased.
fn user(connection: &Connection, id: UserId) -> Result<Option<(User, Option<Timestamp>)>, StoreError> {
    let sql = format!("SELECT {}, erased_at FROM users WHERE id = ?1", rows::USER);
    let mut statement = connection.prepare_cached(&sql)?;
    let erased_at = statement.column_index("erased_at")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok((rows::user(row)?, row.get::<_, Option<i64>>(erased_at)?.map(Timestamp::from_millis)))
    };
    Ok(statement.query_row([&id.as_bytes()[..]], read).optional()?)
}

/// Leaves of the customer what the ledger counts. Says how many messages that deleted.
fn forget(connection: &Connection, user: &User, now: Timestamp) -> Result<u64, StoreError> {
    let id = &user.id.as_bytes()[..];
    // What is from before the ledger is counted by what goes now.
    ledger::count_all_of(connection, id)?;
    if let Some(address) = &user.email {
        suppressions::erase(connection, address)?;
    }
    let execute = |sql: &str| connection.prepare_cached(sql)?.execute([id]);
    let messages = execute("DELETE FROM messages WHERE user_id = ?1")?
        + execute("DELETE FROM messages WHERE request_id IN (SELECT id FROM requests WHERE user_id = ?1)")?;
    execute("DELETE FROM touches WHERE user_id = ?1")?;
    execute("DELETE FROM request_edits WHERE request_id IN (SELECT id FROM requests WHERE user_id = ?1)")?;
    execute("UPDATE request_changes SET note = '' WHERE request_id IN (SELECT id FROM requests WHERE user_id = ?1)")?;
    // A topic that a route names is the shop's; another one may say anything.
    execute(
        "UPDATE requests SET question = '', note = '', assignee = '', origin = '{}', source = '', idempotency_key = NULL, fingerprint = x'',
                             topic = CASE topic_unknown WHEN 0 THEN topic ELSE '' END,
                             topic_key = CASE topic_unknown WHEN 0 THEN topic_key ELSE '' END
          WHERE user_id = ?1",
    )?;
    connection
        .prepare_cached(
            "UPDATE users SET name = '', email = NULL, phone = NULL, phone_e164 = NULL, landbot_customer_id = NULL,
                              language = '', origin = '{}', source = '', erased_at = ?2
              WHERE id = ?1",
        )?
        .execute((id, now.as_millis()))?;
    Ok(messages as u64)
}
