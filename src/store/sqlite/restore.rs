//! Brings a backup back in place of the database, so that nothing is sent again that may have been sent already.
//!
//! A backup does not know what was delivered after it was taken. The journal beside the database knows, and so does the
//! database that is replaced, if it can still be read. What they know counts as delivered; every other unfinished
//! message is held for an operator. All that happens in a copy, which then takes the database's place in one step: a
//! file named `umishop.db.restored` is a restore that is decided, and whoever opens the database finishes it first.
//! Before that nothing has happened, after that there is no way back to a state that would send.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::copy::{self, Partial, Watch};
use super::journal::{self, Delivered};
use super::{OpenError, StoreError, backup, erase, ledger, migrations, suffixed};
use crate::domain::Timestamp;
use crate::store::{BackupError, Counts};

/// How much older than the backup a delivery may be that it does not know of: clocks are set back now and then.
const SLACK: std::time::Duration = std::time::Duration::from_hours(24);

/// The files that make up a database, by their endings.
const PARTS: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was taken; `None`: the file does not say.
    pub taken_at: Option<Timestamp>,
    /// What the database holds now.
    pub counts: Counts,
    /// Messages that were delivered after the backup was taken, and are known to be.
    pub delivered: u64,
    /// Messages that may have been delivered: they wait for an operator.
    pub held: u64,
    /// Customers who were erased after the backup was taken: they are erased again.
    pub erased: u64,
    /// The database that was there.
    pub replaced: Option<PathBuf>,
    /// What could not be learnt about deliveries and erased customers, why, and what follows from that.
    pub warnings: Vec<String>,
}

/// Why nothing was restored. The database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The database cannot be had for oneself.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is a database already.
    #[error("there is a database at {0}: with --replace the backup takes its place, and it is kept beside it")]
    Occupied(PathBuf),
    /// The backup is the database.
    #[error("{0} is the database itself: move it away, and restore it from there")]
    Itself(PathBuf),
    /// Another command has the database open.
    #[error("another umishop command is using {0}; let it end first")]
    InUse(PathBuf),
    /// The file is no backup that can be used.
    #[error("{file} cannot be restored: {why}")]
    Unusable {
        /// The backup.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The copy could not be written.
    #[error(transparent)]
    Copy(BackupError),
    /// The system refused.
    #[error("cannot use {path}: {error}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Puts the backup `file` in the place of `database`. With `replace` a database that is there is kept beside it.
pub fn restore(file: &Path, database: &Path, replace: bool, watch: &mut Watch<'_>) -> Result<Restored, RestoreError> {
    super::disk::check_kind(database)?;
    let _lock = super::lock(database)?;
    finish(database)?;
    let occupied = database.exists();
    if occupied && file.canonicalize().ok() == database.canonicalize().ok() {
        return Err(RestoreError::Itself(file.to_owned()));
    }
    if occupied && !replace {
        return Err(RestoreError::Occupied(database.to_owned()));
    }
    let unusable =
        |error: &dyn std::fmt::Display| RestoreError::Unusable { file: file.to_owned(), why: error.to_string() };
    let copy = copy_of(file, database, watch)?;
    let mut connection = copy.open().map_err(|error| unusable(&error))?;
    let taken_at = backup::taken_at(&connection).map_err(|error| unusable(&error))?;
    migrations::migrate_copy(&mut connection).map_err(|error| unusable(&error))?;
    let mut warnings = Vec::new();
    let known = known_deliveries(database, taken_at, &mut warnings);
    let (delivered, held) = settle(&mut connection, &known, taken_at).map_err(|error| unusable(&error))?;
    let gone = known_erased(database, &mut warnings);
    let erased = erase_again(&mut connection, &gone).map_err(|error| unusable(&error))?;
    let counts = copy::count(&connection).map_err(|error| unusable(&error))?;
    connection.close().map_err(|(_, error)| unusable(&error))?;
    make_single(database)?;
    copy.keep(&decided(database)).map_err(RestoreError::Copy)?;
    let replaced = finish(database)?;
    Ok(Restored { taken_at, counts, delivered, held, erased, replaced, warnings })
}

/// The backup, beside the database it is to become, and found to be whole.
fn copy_of(file: &Path, database: &Path, watch: &mut Watch<'_>) -> Result<Partial, RestoreError> {
    let unusable = |why: String| RestoreError::Unusable { file: file.to_owned(), why };
    if !file.is_file() {
        return Err(unusable("there is no such file".to_owned()));
    }
    // Not read as a live database is: that would make it one.
    let source = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let source = source.map_err(|error| unusable(error.to_string()))?;
    source.pragma_update(None, "trusted_schema", false).map_err(|error| unusable(error.to_string()))?;
    source.execute_batch("BEGIN").map_err(|error| unusable(error.to_string()))?;
    migrations::check_ours(&source).map_err(|error| unusable(error.to_string()))?;
    let copy = Partial::create(suffixed(database, ".restoring")).map_err(RestoreError::Copy)?;
    let copied = copy::copy(&source, &copy, watch).and_then(|()| copy::verify(&copy, watch.stop));
    match copied {
        Ok(_) => Ok(copy),
        Err(BackupError::Damaged(why)) => Err(unusable(format!("it is damaged: {why}"))),
        Err(error) => Err(RestoreError::Copy(error)),
    }
}

/// Everything that is known to have been delivered, whether the backup knows of it or not.
fn known_deliveries(database: &Path, taken_at: Option<Timestamp>, warnings: &mut Vec<String>) -> Vec<Delivered> {
    let mut known = match journal::read(database) {
        Ok((delivered, unreadable)) => {
            if unreadable > 0 {
                warnings
                    .push(format!("{unreadable} lines of the journal cannot be read; so more is held than need be"));
            }
            delivered
        }
        Err(error) => {
            warnings.push(format!("the journal cannot be read: {error}; so more is held than need be"));
            Vec::new()
        }
    };
    if database.exists() {
        match delivered_in(database, taken_at) {
            Ok(delivered) => known.extend(delivered),
            Err(error) => warnings
                .push(format!("the database that is replaced cannot be read: {error}; so more is held than need be")),
        }
    }
    known
}

fn delivered_in(database: &Path, taken_at: Option<Timestamp>) -> Result<Vec<Delivered>, OpenError> {
    let connection = super::reads::open(database)?;
    migrations::check_ours(&connection)?;
    let since = taken_at.map_or(i64::MIN, |taken_at| taken_at.before(SLACK).as_millis());
    let mut statement =
        connection.prepare("SELECT id, finished_at FROM messages WHERE state = 'delivered' AND finished_at >= ?1")?;
    let rows = statement.query_map([since], |row| {
        let id = crate::domain::MessageId::from_bytes(row.get(0)?);
        Ok(Delivered { id, at: super::rows::time(row, 1)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Everybody who is known to have been erased, whether the backup knows of it or not.
fn known_erased(database: &Path, warnings: &mut Vec<String>) -> erase::List {
    let mut known = match erase::read(database) {
        Ok((list, unreadable)) => {
            if unreadable > 0 {
                warnings.push(format!("{unreadable} lines of the list of erased customers cannot be read; whoever stands there may be back"));
            }
            list
        }
        Err(error) => {
            warnings.push(format!(
                "the list of erased customers cannot be read: {error}; whoever stands there may be back"
            ));
            erase::List::new()
        }
    };
    if database.exists() {
        // That it cannot be read is told already.
        let replaced = super::reads::open(database).ok();
        known.extend(replaced.and_then(|replaced| erase::in_database(&replaced).ok()).unwrap_or_default());
    }
    known
}

/// Erases them in the copy. Says how many came back with it.
fn erase_again(connection: &mut Connection, gone: &erase::List) -> Result<u64, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut erased = 0;
    for (id, at) in gone {
        let done = erase::erase(&transaction, *id, &erase::Found::default(), *at)?;
        erased += u64::from(done.is_some_and(|done| !done.was_erased));
    }
    transaction.commit()?;
    Ok(erased)
}

/// Marks what is known to be delivered, and holds whatever else is unfinished. Says how many of each.
fn settle(
    connection: &mut Connection,
    known: &[Delivered],
    taken_at: Option<Timestamp>,
) -> Result<(u64, u64), StoreError> {
    let taken = taken_at.map_or_else(|| "an unknown time".to_owned(), Timestamp::to_readable);
    let why = format!("restored from a backup of {taken}: it may have been sent already; look, then retry or cancel");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut delivered = 0;
    for entry in known {
        let changed = transaction
            .prepare_cached(
                "UPDATE messages SET state = 'delivered', boot = NULL, finished_at = ?2, last_error = '',
                        reference = CASE reference WHEN '' THEN 'journal' ELSE reference END
                  WHERE id = ?1 AND state <> 'delivered'",
            )?
            .execute((&entry.id.as_bytes()[..], entry.at.as_millis()))? as u64;
        if changed > 0 {
            ledger::delivered(&transaction, entry.id, entry.at)?;
        }
        delivered += changed;
    }
    let held = transaction.execute(
        "UPDATE messages SET state = 'held', boot = NULL, last_error = ?1 WHERE state IN ('pending', 'sending')",
        [why],
    )? as u64;
    // Who had signed out since then would be in again, and a link that was used would sign in once more.
    // Nor is known which reports were sent since: none is sent again.
    transaction.execute_batch("DELETE FROM sessions; DELETE FROM login_links; DELETE FROM reports;")?;
    backup::unmark(&transaction)?;
    transaction.commit()?;
    Ok((delivered, held))
}

/// Makes the database that is to be replaced one file, and makes sure that nobody has it open: whoever closes it last
/// removes its log by name, which by then is the new one's. A damaged one is left as it is.
fn make_single(database: &Path) -> Result<(), RestoreError> {
    if !database.exists() {
        return Ok(());
    }
    let single = || -> rusqlite::Result<String> {
        let connection = Connection::open(database)?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))
    };
    let is_busy = |error: &rusqlite::Error| {
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    };
    match single() {
        Ok(mode) if mode == "delete" => Ok(()),
        Ok(_) => Err(RestoreError::InUse(database.to_owned())),
        Err(error) if is_busy(&error) => Err(RestoreError::InUse(database.to_owned())),
        Err(error) => {
            tracing::warn!(%error, "The database that is replaced is damaged; it is kept as it is");
            Ok(())
        }
    }
}

fn decided(database: &Path) -> PathBuf {
    suffixed(database, ".restored")
}

/// Refuses a database that is about to be replaced by one that was restored: nothing that is done to it would last.
pub(super) fn refuse_unfinished(database: &Path) -> Result<(), OpenError> {
    if decided(database).exists() { Err(OpenError::Restoring(database.to_owned())) } else { Ok(()) }
}

/// Finishes a restore that was decided, and is done again if it is cut off. Says where the old database is kept now.
pub(super) fn finish(database: &Path) -> Result<Option<PathBuf>, OpenError> {
    let restored = decided(database);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Io { path, error }
    };
    let decided_at = match restored.metadata().and_then(|metadata| metadata.modified()) {
        Ok(modified) => modified,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(&restored)(error)),
    };
    // Named by a time that is the same however often this is begun.
    let millis = decided_at.duration_since(std::time::UNIX_EPOCH).map_or(0, |age| age.as_millis());
    let decided_at = Timestamp::from_millis(i64::try_from(millis).unwrap_or(0));
    let stamp = format!(".replaced-{}-{:03}", decided_at.to_file_stamp(), millis % 1000);
    let aside = suffixed(database, &stamp);
    for part in PARTS {
        let (from, to) = (suffixed(database, part), suffixed(&aside, part));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(&from)(error)),
            _ => {}
        }
    }
    // First all of the old is away, then the new comes: a log of the old must never meet it.
    copy::sync_directory(database).map_err(io(database))?;
    std::fs::rename(&restored, database).map_err(io(database))?;
    copy::sync_directory(database).map_err(io(database))?;
    Ok(aside.exists().then_some(aside))
}
