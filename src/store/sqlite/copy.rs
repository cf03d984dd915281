//! Copies a whole database, as of one moment, while others write to it.
//!
//! SQLite's online backup starts anew whenever somebody else commits, unless the connection it reads from holds a read
//! transaction: then it copies what that transaction sees, to the end. Nobody waits for a reader. What a long copy costs
//! is the write-ahead log, which grows until the copy is done and is written back then.

use std::ffi::c_int;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio_util::sync::CancellationToken;

use crate::store::{BackupError, Counts};

/// Pages between two looks at the clock of the disk (1 MiB): what was copied is synced, so that the writers' own syncs
/// never wait for a mountain of it.
const STEP: c_int = 256;

/// How many instructions SQLite runs between two looks at whether to stop: some milliseconds.
const LOOK: c_int = 1_000_000;

/// How far a copy has come, in percent, and whether it should go on.
pub struct Watch<'a> {
    /// Called after each step.
    pub percent: &'a mut dyn FnMut(u8),
    /// Cancelled when the copy is not wanted any more.
    pub stop: &'a CancellationToken,
}

/// A file in the making. It is removed again unless it is [kept](Partial::keep).
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Partial {
    /// Makes the file, for its owner's eyes only; takes over one that a crash left behind.
    pub(super) fn create(path: PathBuf) -> Result<Self, BackupError> {
        let file = super::create_private(&path).map_err(BackupError::write(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BackupError::InUse(path)),
            // Some network file systems know no locks.
            Err(std::fs::TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
            Err(std::fs::TryLockError::Error(error)) => return Err(BackupError::Write { path, error }),
        }
        let partial = Self { path, file, kept: false };
        partial.remove_companions();
        partial.file.set_len(0).map_err(BackupError::write(&partial.path))?;
        Ok(partial)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it as a database of which this is the only connection, and which is one file once it is closed.
    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "journal_mode", "DELETE")?;
        connection.pragma_update(None, "secure_delete", true)?;
        Ok(connection)
    }

    pub(super) fn sync(&self) -> Result<u64, BackupError> {
        let synced = self.file.sync_all().and_then(|()| self.file.metadata());
        synced.map(|metadata| metadata.len()).map_err(BackupError::write(&self.path))
    }

    /// Makes it durable under its final name.
    pub(super) fn keep(mut self, name: &Path) -> Result<u64, BackupError> {
        let bytes = self.sync()?;
        std::fs::rename(&self.path, name).map_err(BackupError::write(name))?;
        self.kept = true;
        sync_directory(name).map_err(BackupError::write(name))?;
        Ok(bytes)
    }

    fn remove_companions(&self) {
        for suffix in ["-journal", "-wal", "-shm"] {
            remove(&super::suffixed(&self.path, suffix));
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            remove(&self.path);
            self.remove_companions();
        }
    }
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "Could not remove {}", path.display());
        }
        _ => {}
    }
}

/// Makes it durable that `path` has its name.
pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(super::directory(path))?.sync_all()
}

/// Copies all that `source` sees in its open transaction into the empty `target`.
pub(super) fn copy(source: &Connection, target: &Partial, watch: &mut Watch<'_>) -> Result<(), BackupError> {
    let failed = |error| failed(source, target, &error);
    let mut connection = Connection::open(target.path()).map_err(failed)?;
    // Whatever happens to a half-written copy, nobody will look at it; and it is synced here.
    connection.pragma_update(None, "journal_mode", "OFF").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "OFF").map_err(failed)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
    let backup = Backup::new(source, &mut connection).map_err(failed)?;
    loop {
        if watch.stop.is_cancelled() {
            return Err(BackupError::Stopped);
        }
        let step = backup.step(STEP).map_err(failed)?;
        let progress = backup.progress();
        let done = i64::from(progress.pagecount) - i64::from(progress.remaining);
        let percent = 100 * done / i64::from(progress.pagecount).max(1);
        (watch.percent)(u8::try_from(percent).unwrap_or(100));
        target.file.sync_data().map_err(BackupError::write(target.path()))?;
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Nobody else may use the copy, and a reader of a write-ahead log waits for nobody.
            _ => {
                return Err(failed(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                )));
            }
        }
    }
}

/// What went wrong between the two, in words.
pub(super) fn failed(source: &Connection, target: &Partial, error: &rusqlite::Error) -> BackupError {
    let from = PathBuf::from(source.path().unwrap_or_default());
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => BackupError::Stopped,
        Some(ErrorCode::DiskFull) => BackupError::write(target.path())(std::io::ErrorKind::StorageFull.into()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => BackupError::Damaged(error.to_string()),
        _ => BackupError::Copy { from, to: target.path().to_owned(), why: error.to_string() },
    }
}

/// Reads the whole copy back from the file: every page, index and constraint.
pub(super) fn verify(target: &Partial, stop: &CancellationToken) -> Result<Counts, BackupError> {
    let damaged = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => BackupError::Stopped,
        _ => BackupError::Damaged(error.to_string()),
    };
    let mut connection =
        Connection::open_with_flags(target.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(damaged)?;
    let stop = stop.clone();
    connection.progress_handler(LOOK, Some(move || stop.is_cancelled())).map_err(damaged)?;
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if found != "ok" {
        return Err(BackupError::Damaged(found));
    }
    count(&connection).map_err(damaged)
}

pub(super) fn count(connection: &Connection) -> rusqlite::Result<Counts> {
    connection.query_row(
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM requests), (SELECT count(*) FROM messages)",
        [],
        |row| Ok(Counts { users: row.get(0)?, requests: row.get(1)?, messages: row.get(2)? }),
    )
}
