//! Everything as it was at one moment, on a connection of its own, for whoever reads all of it.

use std::path::Path;

use rusqlite::Connection;

use super::opening::{OpenError, check_version};
use super::{StoreError, backup, disk, messages, migrations, reads, requests, restore, rows, users};
use crate::domain::{Message, MessageId, RequestId, User, UserId};
use crate::store::{MessageFilter, Page, RequestEntry, RequestFilter, UserFilter, UserTouch};

/// The database as it was when this was opened, whatever is written meanwhile. Nobody waits for it; but while it is open
/// the log cannot be emptied, as with a backup.
pub struct Snapshot(Connection);

impl Snapshot {
    /// Beside a server that may be running.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        check_version(rusqlite::version_number(), rusqlite::version())?;
        if !path.exists() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        restore::refuse_unfinished(path)?;
        disk::check_kind(path)?;
        let connection = reads::open_beside_writer(path)?;
        migrations::check(&connection)?;
        backup::refuse(&connection)?;
        // The moment is that of the first look.
        connection.execute_batch("BEGIN")?;
        connection.query_row("SELECT EXISTS (SELECT 1 FROM settings)", [], |_| Ok(()))?;
        Ok(Self(connection))
    }

    /// As [`Store::users`](crate::store::Store::users).
    pub fn users(&self, page: Page<UserId>) -> Result<Vec<User>, StoreError> {
        users::users(&self.0, &UserFilter::default(), page)
    }

    /// As [`Store::requests`](crate::store::Store::requests).
    pub fn requests(&self, page: Page<RequestId>) -> Result<Vec<RequestEntry>, StoreError> {
        requests::requests(&self.0, &RequestFilter::default(), page)
    }

    /// As [`Store::messages`](crate::store::Store::messages).
    pub fn messages(&self, page: Page<MessageId>) -> Result<Vec<Message>, StoreError> {
        messages::messages(&self.0, &MessageFilter::default(), page)
    }

    /// Later visits, newest first.
    pub fn touches(&self, page: Page<i64>) -> Result<Vec<UserTouch>, StoreError> {
        let sql = "SELECT at, origin, rowid, user_id FROM touches WHERE rowid < ?1 ORDER BY rowid DESC LIMIT ?2";
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
        rows::collect(&self.0, sql, (page.before.unwrap_or(i64::MAX), limit), rows::user_touch)
    }
}
