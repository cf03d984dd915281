//! Opening the database: who may, with which settings, and why it is refused.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::store::BackupError;

/// The oldest SQLite that does not lose committed rows when a commit races two checkpoints in WAL mode; the fault was
/// in 3.7.0 to 3.51.2 (<https://sqlite.org/wal.html>, "the WAL-reset bug").
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a write waits for another process, such as the command line, to finish its own.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite itself refused.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The lock file or the directory cannot be used.
    #[error("cannot use {path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Another process holds the lock.
    #[error(
        "another umishop (process {pid}) is running on this database; stop it first, or give this one its own [store] url"
    )]
    Locked {
        /// Who.
        pid: String,
    },
    /// There is no such file.
    #[error("there is no database at {0}; `umishop serve` makes one")]
    Missing(PathBuf),
    /// It cannot be read without a file more beside it.
    #[error("nobody has the database open, but a log is left beside it; start `umishop serve`, which takes it in")]
    LogLeft,
    /// SQLite cannot keep its promises there.
    #[error(
        "{path} lies on {name}: on a network file system locks do not hold and commits can be lost; set [store] url to a file on a disk of this machine"
    )]
    Network {
        /// Which file.
        path: PathBuf,
        /// What the file system is called.
        name: &'static str,
    },
    /// It was written by a later version.
    #[error("the database has schema {found}, this program knows {known}: run a newer umishop on it")]
    Newer {
        /// Its schema.
        found: usize,
        /// Ours.
        known: usize,
    },
    /// It was written by an earlier version.
    #[error(
        "the database has schema {found}, this program needs {known}: start `umishop serve` once to bring it up to date"
    )]
    Older {
        /// Its schema.
        found: usize,
        /// Ours.
        known: usize,
    },
    /// It is a backup, not a database.
    #[error(
        "this is a backup, taken {taken_at}, and would send again what was sent since then: move it away, and bring it back with `umishop restore FILE`"
    )]
    Backup {
        /// When it was taken.
        taken_at: String,
    },
    /// There is too little room to bring it to the present schema.
    #[error(
        "bringing the database to the present schema takes up to {need} MiB of room beside it, and {free} MiB are free; nothing was changed"
    )]
    NoRoom {
        /// MiB that are needed.
        need: u64,
        /// MiB that are free.
        free: u64,
    },
    /// No copy of it could be kept before it was to be brought to the present schema.
    #[error("the database was not brought to the present schema, since no copy of it could be kept: {0}")]
    NoCopy(BackupError),
    /// An upgrade would leave rows that refer to nothing.
    #[error(
        "the database was not brought to schema {step}: rows of {table} would refer to what is not there; nothing was changed"
    )]
    Dangling {
        /// To which schema.
        step: usize,
        /// Whose rows.
        table: String,
    },
    /// A restore was cut off after it was decided.
    #[error(
        "a restore of {0} was cut off and has to be finished: start `umishop serve` once, or run the restore again"
    )]
    Restoring(PathBuf),
    /// It is not ours.
    #[error("this is a database of another program")]
    Foreign,
    /// The SQLite compiled in could lose rows.
    #[error("this program was built with SQLite {0}, which can lose committed rows; 3.51.3 or later is needed")]
    UnsafeSqlite(&'static str),
}

pub(super) fn check_version(number: i32, text: &'static str) -> Result<(), OpenError> {
    if number < OLDEST_SQLITE { Err(OpenError::UnsafeSqlite(text)) } else { Ok(()) }
}

/// The lock on a database, while it exists.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is just being started has a copy of every open file for an instant, and the lock would last as
        // long as that. If it cannot be given up, it goes with the last copy all the same.
        let _ = self.0.unlock();
    }
}

/// Takes the lock file beside the database. It names the process that holds it.
pub(super) fn lock(path: &Path) -> Result<Lock, OpenError> {
    let lock_path = suffixed(path, ".lock");
    let io = |error| OpenError::Io { path: lock_path.clone(), error };
    let file = create_private(&lock_path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let pid = std::fs::read_to_string(&lock_path).unwrap_or_default().trim().to_owned();
            return Err(OpenError::Locked { pid: if pid.is_empty() { "unknown".to_owned() } else { pid } });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).map_err(io)?;
    std::io::Write::write_all(&mut &file, format!("{}\n", std::process::id()).as_bytes()).map_err(io)?;
    Ok(Lock(file))
}

/// Opens the file, made if need be for its owner's eyes only: it holds customers' names and addresses. SQLite gives its
/// other files the same permissions.
pub(super) fn create_private(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The path of a file that goes with the database.
pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The directory that a file is in.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Otherwise a statement is planned anew whenever a value is bound that might decide between its indexes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // The writer writes the log back itself, after it has answered.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    // Erased customers leave no bytes behind: a page that is freed is overwritten, too, which FAST would not do.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}
