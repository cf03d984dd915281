//! Reading, on connections of its own that cannot write.
//!
//! Readers see the last commit and never wait for the writer. Each read borrows a connection from a small set; a list
//! that is slow holds up no webhook.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::Semaphore;

use super::query::Query;
use super::{OpenError, StoreError, rows};
use crate::domain::{About, ChannelAddress, InboxId, MessageId, RequestId, Timestamp};
use crate::store::{InboxEntry, MessageHistory, Page, RoutedRequest};

/// How many reads run at once; the others wait.
const AT_ONCE: usize = 4;

/// How long a read may take; the longest list is a matter of milliseconds.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// How long it may take while it keeps the log from being emptied.
const LIMIT_WHILE_LOG_IS_LONG: Duration = Duration::from_secs(1);

/// After this many of SQLite's instructions the time is looked at: some microseconds.
const LOOK_AT_TIME: i32 = 1_000;

/// The connections that read.
pub(super) struct Readers {
    path: PathBuf,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    limit: Duration,
    log_is_long: Arc<AtomicBool>,
}

impl Readers {
    /// Reads the database at `path`, each time no longer than `limit`.
    pub(super) fn new(path: &Path, limit: Duration, log_is_long: Arc<AtomicBool>) -> Self {
        Self {
            path: path.to_owned(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            idle: Arc::default(),
            limit,
            log_is_long,
        }
    }

    /// Runs `work` off the async threads. It is cut off when it takes too long: an old state that is being read keeps the
    /// log from being emptied.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The turn is the read's, not the caller's, who may go away while it goes on.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| super::closed())?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let (limit, log_is_long) = (self.limit, Arc::clone(&self.log_is_long));
        let read = move || {
            let _turn = turn;
            let free = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = match free {
                Some(connection) => connection,
                None => open_beside_writer(&path).map_err(|error| StoreError::unavailable(&error))?,
            };
            let begun = Instant::now();
            let is_too_long = move || {
                let limit =
                    if log_is_long.load(Ordering::Relaxed) { LIMIT_WHILE_LOG_IS_LONG.min(limit) } else { limit };
                begun.elapsed() >= limit
            };
            connection.progress_handler(LOOK_AT_TIME, Some(is_too_long.clone()))?;
            let result = work(&connection).map_err(|error| {
                if is_too_long() {
                    StoreError::unavailable(&"it took too long to read that; ask for less")
                } else {
                    error
                }
            });
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| StoreError::unavailable(&error))?
    }

    /// Refuses further reads, and closes the connections that are not in use.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A connection that cannot write.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let connection = super::connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The same beside a writer. The last connection to close would write the log back; that must be the writer's, which
/// knows whether the disk is well.
pub(super) fn open_beside_writer(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

pub(super) fn routed_requests(
    connection: &Connection,
    since: Timestamp,
    page: Page<RequestId>,
) -> Result<Vec<RoutedRequest>, StoreError> {
    let mut query = Query::new(format!(
        "SELECT {} FROM requests LEFT JOIN users ON users.id = requests.user_id",
        rows::ROUTED_REQUEST
    ));
    // A request's id begins with the moment it came, so that only those of the period are looked at.
    query.and("requests.id >= ?", [rows::first_id(since).to_vec()]);
    if let Some(before) = page.before {
        query.and("requests.id < ?", [before.as_bytes().to_vec()]);
    }
    query.newest_first(connection, page.limit, rows::routed_request)
}

pub(super) fn message(connection: &Connection, id: MessageId) -> Result<Option<MessageHistory>, StoreError> {
    let key = &id.as_bytes()[..];
    let message = connection
        .prepare_cached(&format!("SELECT {} FROM messages WHERE id = ?1", rows::MESSAGE))?
        .query_row([key], rows::message)
        .optional()?;
    let Some(message) = message else { return Ok(None) };
    let attempts = "SELECT epoch, started_at, duration_ms, outcome, scope, error, channel FROM attempts WHERE message_id = ?1 ORDER BY epoch";
    let capture = connection
        .prepare_cached("SELECT bytes FROM captures WHERE message_id = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(Some(MessageHistory { message, attempts: rows::collect(connection, attempts, [key], rows::attempt)?, capture }))
}

/// The reference of the first question that was delivered of those that have this in common.
macro_rules! thread_sql {
    ($common:literal) => {
        concat!(
            "SELECT reference FROM messages
              WHERE ",
            $common,
            " = ?1 AND channel = ?2 AND purpose = 'request' AND state = 'delivered' AND reference <> ''
              ORDER BY id LIMIT 1"
        )
    };
}

pub(super) fn thread(
    connection: &Connection,
    channel: &ChannelAddress,
    about: About,
) -> Result<Option<String>, StoreError> {
    let (sql, key) = match about {
        About { user: Some(user), .. } => (thread_sql!("user_id"), *user.as_bytes()),
        About { request: Some(request), .. } => (thread_sql!("request_id"), *request.as_bytes()),
        About { user: None, request: None } => return Ok(None),
    };
    let found = connection.prepare_cached(sql)?.query_row((&key[..], channel.as_str()), |row| row.get(0));
    Ok(found.optional()?)
}

pub(super) fn inbox(connection: &Connection, page: Page<InboxId>) -> Result<Vec<InboxEntry>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM inbox", rows::INBOX));
    if let Some(before) = page.before {
        query.and("id < ?", [before.as_bytes().to_vec()]);
    }
    query.newest_first(connection, page.limit, rows::inbox_entry)
}

pub(super) fn inbox_entry(connection: &Connection, id: InboxId) -> Result<Option<InboxEntry>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM inbox", rows::INBOX));
    query.and("id = ?", [id.as_bytes().to_vec()]);
    Ok(query.newest_first(connection, 1, rows::inbox_entry)?.pop())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_takes_too_long_is_cut_off_and_the_next_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        drop(crate::store::sqlite::connect(&path).unwrap());
        let readers = Readers::new(&path, Duration::from_millis(20), Arc::default());
        let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
        let read = |sql| readers.read(move |connection| Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?));
        let cut = read(endless).await.unwrap_err();
        assert!(cut.to_string().contains("too long"), "{cut}");
        assert_eq!(read("SELECT 1").await.unwrap(), 1);
    }
}
