//! The write-ahead log: when it is written back into the database file.

use rusqlite::Connection;

use super::StoreError;

/// The log is written back into the database file when it holds this many pages (16 MiB).
const CHECKPOINT_PAGES: i64 = 4096;

/// After this many writes the log's length is looked at.
const LOOK_AT_LOG: usize = 512;

/// Keeps the log short.
#[derive(Default)]
pub(super) struct Log {
    since_look: usize,
}

impl Log {
    /// Writes back whatever an earlier process left in the log. Call it before anything new is written: if that process
    /// ended because a sync failed, the log's pages may stand in memory and not on the disk, and only writing all of
    /// them anew makes sure.
    pub(super) fn recover(connection: &Connection) -> Result<(), rusqlite::Error> {
        if checkpoint(connection, "TRUNCATE")?.is_busy {
            tracing::warn!("Another program reads the database; the log of the last run is written back later");
        }
        Ok(())
    }

    /// Hears of `writes` that were committed, and writes the log back when it has become long.
    pub(super) fn tend(&mut self, connection: &Connection, writes: usize) -> Result<(), StoreError> {
        self.since_look += writes;
        if self.since_look < LOOK_AT_LOG {
            return Ok(());
        }
        self.since_look = 0;
        let result = checkpoint(connection, "NOOP").and_then(|found| {
            if found.pages > CHECKPOINT_PAGES { checkpoint(connection, "PASSIVE") } else { Ok(found) }
        });
        match result.map_err(StoreError::from) {
            Err(error @ StoreError::Broken(_)) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "Could not write the log back into the database; trying again later");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Writes all of it back and empties it.
    pub(super) fn write_back(&self, connection: &Connection) -> Result<(), StoreError> {
        checkpoint(connection, "TRUNCATE")?;
        Ok(())
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
