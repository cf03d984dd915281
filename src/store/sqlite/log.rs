//! The write-ahead log: when it is written back into the database file, and what keeps it from growing for ever.
//!
//! Whoever reads an old state of the database keeps the log from being emptied. Our own reads are cut when they take too
//! long (see [`Readers`](super::reads::Readers)), sooner while the log is long. A backup's and another program's are
//! not: they are told of, and the log is emptied when they let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::StoreError;

/// The log is written back into the database file when it holds this many pages (16 MiB).
const CHECKPOINT_PAGES: i64 = 4096;

/// A log of this many pages (64 MiB) is too long: somebody keeps it from being emptied.
pub(super) const TOO_LONG: i64 = 16_384;

/// After this many rows that were written the log's length is looked at.
const LOOK_AT_LOG: u64 = 512;

/// How long writes wait for readers to let go, so that a log that is too long can be emptied.
pub(super) const WAIT_FOR_READERS: Duration = Duration::from_millis(100);

/// How long after that it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How often it is told that another program keeps the log from being emptied.
const TELL_AGAIN: Duration = Duration::from_mins(1);

/// Keeps the log short.
#[derive(Default)]
pub(super) struct Log {
    /// How many rows the connection had written when the log's length was last looked at.
    looked_at: u64,
    /// Shared with those who read.
    is_long: Arc<AtomicBool>,
    tried: Option<Instant>,
    /// When it became too long, or when that was last told.
    told: Option<Instant>,
    /// Shared with those who erase: it is to be emptied, however short it is.
    to_empty: Arc<AtomicBool>,
}

impl Log {
    /// Whether it is too long, now and at any later time.
    pub(super) fn is_long(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_long)
    }

    /// Set it to have the log emptied after the next write; it is taken back when that is done.
    pub(super) fn to_empty(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.to_empty)
    }

    /// When to tend to it again even if nothing is written; `None`: that can wait for the next write.
    pub(super) fn look_again(&self) -> Option<Duration> {
        self.is_long.load(Ordering::Relaxed).then_some(TRY_AGAIN)
    }

    /// Writes back whatever an earlier process left in the log. Call it before anything new is written: if that process
    /// ended because a sync failed, the log's pages may stand in memory and not on the disk, and only writing all of
    /// them anew makes sure.
    pub(super) fn recover(connection: &Connection) -> Result<(), rusqlite::Error> {
        if checkpoint(connection, "TRUNCATE")?.is_busy {
            tracing::warn!("Another program reads the database; the log of the last run is written back later");
        }
        Ok(())
    }

    /// To be called after each commit: writes the log back when it has become long. Says whether it did.
    pub(super) fn tend(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        // Rows, not writes: one write may be a thousand rows.
        let written = connection.total_changes();
        let again = self.tried.is_some_and(|tried| tried.elapsed() >= TRY_AGAIN);
        let asked = self.tried.is_none() && self.to_empty.load(Ordering::Relaxed);
        if written - self.looked_at < LOOK_AT_LOG && !again && !asked {
            return Ok(false);
        }
        self.looked_at = written;
        match self.write_back_when_long(connection).map_err(StoreError::from) {
            Err(error @ StoreError::Broken(_)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "Could not write the log back into the database; trying again later");
                Ok(false)
            }
            Ok(written_back) => Ok(written_back),
        }
    }

    /// Writes all of it back and empties it.
    pub(super) fn write_back(connection: &Connection) -> Result<(), StoreError> {
        checkpoint(connection, "TRUNCATE")?;
        Ok(())
    }

    fn write_back_when_long(&mut self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        let mut pages = checkpoint(connection, "NOOP")?.pages;
        let is_long = pages > CHECKPOINT_PAGES;
        if is_long {
            pages = checkpoint(connection, "PASSIVE")?.pages;
        }
        if pages <= TOO_LONG && !self.to_empty.load(Ordering::Relaxed) {
            self.end_alarm();
        } else if self.tried.is_none_or(|tried| tried.elapsed() >= TRY_AGAIN) {
            self.empty(connection, pages)?;
        }
        Ok(is_long)
    }

    /// Writes wait a little for those who read, since at every moment somebody might.
    fn empty(&mut self, connection: &Connection, pages: i64) -> Result<(), rusqlite::Error> {
        self.is_long.store(true, Ordering::Relaxed);
        connection.busy_timeout(WAIT_FOR_READERS)?;
        let emptied = checkpoint(connection, "TRUNCATE");
        connection.busy_timeout(super::BUSY_TIMEOUT)?;
        if !emptied?.is_busy {
            // Whoever asked for it had committed before.
            self.to_empty.store(false, Ordering::Relaxed);
            self.end_alarm();
            return Ok(());
        }
        self.tried = Some(Instant::now());
        let told = *self.told.get_or_insert_with(Instant::now);
        // Our own reads are cut long before.
        if told.elapsed() >= TELL_AGAIN {
            self.told = Some(Instant::now());
            let log = pages / 256;
            tracing::warn!(
                log,
                "The write-ahead log holds {log} MiB and cannot be emptied: a backup, or another program, keeps an old state of the database open"
            );
        }
        Ok(())
    }

    fn end_alarm(&mut self) {
        self.is_long.store(false, Ordering::Relaxed);
        self.tried = None;
        self.told = None;
    }
}

/// What a checkpoint found.
struct Found {
    /// Whether somebody kept it from being done whole.
    is_busy: bool,
    /// How long the log is.
    pages: i64,
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Found, rusqlite::Error> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(Found { is_busy: row.get(0)?, pages: row.get(1)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_a_reader_keeps_from_being_emptied_is_emptied_when_it_lets_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        let connection = super::super::connect(&path).unwrap();
        connection.execute_batch("CREATE TABLE blobs (bytes BLOB NOT NULL)").unwrap();
        let mut log = Log::default();
        let mut write = |megabytes: usize| {
            for _ in 0..megabytes {
                connection.execute("INSERT INTO blobs VALUES (zeroblob(1048576))", []).unwrap();
            }
            for _ in 0..LOOK_AT_LOG {
                connection.execute("INSERT INTO blobs VALUES (x'')", []).unwrap();
            }
            log.tend(&connection).unwrap();
            log.look_again().is_some()
        };
        let length = || std::fs::metadata(super::super::suffixed(&path, "-wal")).unwrap().len();
        let reader = super::super::connect(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM blobs").unwrap();
        assert!(!write(20), "20 MiB are no reason to wait for anybody");
        assert!(write(60) && length() > 64 * 1024 * 1024);
        reader.execute_batch("ROLLBACK").unwrap();
        log.tried = None;
        connection.execute("UPDATE blobs SET bytes = x'' WHERE length(bytes) = 0", []).unwrap();
        log.tend(&connection).unwrap();
        assert!(log.look_again().is_none() && length() < 16 * 1024 * 1024, "{}", length());
    }
}
