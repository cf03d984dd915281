//! A database of invented customers, as `umishop demo` makes it: marked, so that nobody writes to them.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::opening::{OpenError, connect, create_private, lock, suffixed};
use super::{SqliteStore, StoreError, disk, migrations};

/// The setting that marks it.
const MARK: &str = "invented";

/// What belongs to a database: itself, its log, the journal of deliveries with the part before it, and the list of the
/// erased.
const FILES: [&str; 6] = ["", "-wal", "-shm", ".delivered", ".delivered.old", ".erased"];

/// Why there is no new database for invented customers.
#[derive(Debug, thiserror::Error)]
pub enum InventedError {
    /// There is one of real customers.
    #[error("there is a database already, and it is not one that `umishop demo` made: name another directory")]
    NotInvented,
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The one before it cannot be deleted.
    #[error("cannot delete the old demo: {0}")]
    Delete(std::io::Error),
}

impl SqliteStore {
    /// Makes a new database for invented customers, in the place of an older one of the same kind. It is fast and keeps
    /// no promise while it is open: what a loss of power leaves of it is to be made anew.
    pub fn create_invented(path: &Path) -> Result<Self, InventedError> {
        disk::check_kind(path)?;
        let lock = lock(path)?;
        clear(path)?;
        create_private(path).map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
        let mut connection = connect(path)?;
        migrations::migrate(&mut connection, path)?;
        mark(&connection).map_err(OpenError::from)?;
        connection.pragma_update(None, "synchronous", "OFF").map_err(OpenError::from)?;
        Ok(Self::start(path, connection, Some(lock))?)
    }

    /// Whether its customers are invented.
    pub async fn is_invented(&self) -> Result<bool, StoreError> {
        self.readers.read(|connection| Ok(is_marked(connection)?)).await
    }
}

fn mark(connection: &Connection) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO settings (name, value) VALUES (?1, x'01')", [MARK])
}

fn is_marked(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM settings WHERE name = ?1)";
    connection.query_row(sql, [MARK], |row| row.get(0))
}

/// Deletes the database at `path`, if it is one of invented customers. There may be none.
fn clear(path: &Path) -> Result<(), InventedError> {
    if !path.exists() {
        return Ok(());
    }
    if !is_invented(path)? {
        return Err(InventedError::NotInvented);
    }
    for suffix in FILES {
        match std::fs::remove_file(suffixed(path, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(InventedError::Delete(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Changes nothing: the file may be anybody's.
fn is_invented(path: &Path) -> Result<bool, OpenError> {
    // Not only for reading, as a log that was left can be read in no other way; nothing is written.
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    let tables = "SELECT 1 FROM sqlite_schema WHERE name = 'settings'";
    match connection.query_row(tables, [], |_| Ok(())).optional() {
        Ok(Some(())) => Ok(is_marked(&connection)?),
        // Without that table, or no database at all.
        Ok(None) | Err(_) => Ok(false),
    }
}
