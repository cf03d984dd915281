//! Backups: one file, as of one moment, read back before it gets its name, and marked as what it is.
//!
//! A backup knows nothing of what was delivered after it was taken. Used as the database, it would send all of that
//! again; so it carries a mark by which it is refused until a [restore](mod@super::restore) has dealt with it.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use super::copy::{self, Partial, Watch};
use super::{OpenError, migrations, reads, restore};
use crate::domain::Timestamp;
use crate::store::{BackedUp, BackupError};

/// The setting that marks a backup; its value is when it was taken, as [`Timestamp`] writes it.
const MARK: &str = "backup_taken_at";

/// Copies `database` to the new `file` as of this moment, which is `now`. Whoever writes meanwhile does not wait.
pub fn back_up(database: &Path, file: &Path, now: Timestamp, watch: &mut Watch<'_>) -> Result<BackedUp, BackupError> {
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let unreadable = |why: &dyn std::fmt::Display| BackupError::Copy {
        from: database.to_owned(),
        to: file.to_owned(),
        why: why.to_string(),
    };
    let source = open(database).map_err(|error| unreadable(&error))?;
    let partial = Partial::create(super::suffixed(file, ".partial"))?;
    // A read transaction begins with the first read.
    source.execute_batch("BEGIN").map_err(|error| unreadable(&error))?;
    let expected = copy::count(&source).map_err(|error| unreadable(&error))?;
    copy::copy(&source, &partial, watch)?;
    source.execute_batch("COMMIT").map_err(|error| unreadable(&error))?;
    mark(&partial, now).map_err(|error| copy::failed(&source, &partial, &error))?;
    let counts = copy::verify(&partial, watch.stop)?;
    if counts != expected {
        return Err(BackupError::Damaged(format!("it holds {counts:?} instead of {expected:?}")));
    }
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let bytes = partial.keep(file)?;
    Ok(BackedUp { file: file.to_owned(), taken_at: now, counts, bytes })
}

/// The database, to be read; of any schema that this program knows, since a backup is what one makes before an upgrade.
fn open(database: &Path) -> Result<Connection, OpenError> {
    if !database.exists() {
        return Err(OpenError::Missing(database.to_owned()));
    }
    restore::refuse_unfinished(database)?;
    let connection = reads::open(database)?;
    migrations::check_ours(&connection)?;
    refuse(&connection)?;
    Ok(connection)
}

fn mark(partial: &Partial, taken_at: Timestamp) -> rusqlite::Result<()> {
    let connection = partial.open()?;
    connection.execute(
        "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (MARK, taken_at.to_string().as_bytes()),
    )?;
    connection.close().map_err(|(_, error)| error)
}

/// When the backup was taken; `None`: it is no backup.
pub(super) fn taken_at(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let is_ours: bool =
        connection.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'settings'", [], |row| row.get(0))?;
    if !is_ours {
        return Ok(None);
    }
    let value: Option<Vec<u8>> =
        connection.query_row("SELECT value FROM settings WHERE name = ?1", [MARK], |row| row.get(0)).optional()?;
    // A mark that cannot be read is a mark all the same.
    let read = |value: Vec<u8>| std::str::from_utf8(&value).ok().and_then(Timestamp::parse);
    Ok(value.map(|value| read(value).unwrap_or(Timestamp::from_millis(0))))
}

/// Takes the mark away.
pub(super) fn unmark(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM settings WHERE name = ?1", [MARK]).map(|_| ())
}

/// Refuses a backup in the place of a database.
pub(super) fn refuse(connection: &Connection) -> Result<(), OpenError> {
    match taken_at(connection)? {
        Some(taken_at) => Err(OpenError::Backup { taken_at: taken_at.to_readable() }),
        None => Ok(()),
    }
}
