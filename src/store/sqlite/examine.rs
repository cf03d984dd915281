//! A look at the database that changes nothing, not even the files beside it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::opening::{check_version, suffixed};
use super::{OpenError, backup, disk, migrations, restore, times};
use crate::domain::Timestamp;

/// What a look at the database has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// When the newest customer, request, message or unreadable webhook was written.
    pub newest: Option<Timestamp>,
    /// What is wrong with its pages or indexes; `None`: nothing, as far as was looked.
    pub damage: Option<String>,
}

/// Looks at the database in the file `path`, beside a server that may be running on it; `deep` reads all of it. Blocks.
pub fn examine(path: &Path, deep: bool) -> Result<Examined, OpenError> {
    check_version(rusqlite::version_number(), rusqlite::version())?;
    if !path.exists() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    restore::refuse_unfinished(path)?;
    disk::check_kind(path)?;
    // Without a log nobody has it open. Reading it the usual way would make one, which the server's user, if that is
    // another one, could not write then.
    let log = suffixed(path, "-wal");
    if log.exists() {
        return look(&beside_others(path)?, deep);
    }
    let seen = read_only(path, "?immutable=1").and_then(|connection| look(&connection, deep));
    // A server that has started meanwhile may have changed what was being read.
    if log.exists() { look(&beside_others(path)?, deep) } else { seen }
}

/// Reads the log, too. Its index is there as long as anybody has the database open; without one, reading makes it, and
/// it would be ours as above.
fn beside_others(path: &Path) -> Result<Connection, OpenError> {
    if !suffixed(path, "-shm").exists() {
        return Err(OpenError::LogLeft);
    }
    read_only(path, "")
}

fn read_only(path: &Path, parameters: &str) -> Result<Connection, OpenError> {
    let path = std::path::absolute(path).map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
    let encoded = percent_encoding::percent_encode(path.as_os_str().as_encoded_bytes(), URI_PATH);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{encoded}{parameters}"), flags)?;
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// What must not stand in the path of SQLite's addresses as it is (<https://sqlite.org/uri.html>).
const URI_PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'%').add(b'?').add(b'#');

fn look(connection: &Connection, deep: bool) -> Result<Examined, OpenError> {
    migrations::check(connection)?;
    backup::refuse(connection)?;
    let newest = times::newest(connection)?;
    let damage = if deep {
        let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        Some(said).filter(|said| said != "ok")
    } else {
        None
    };
    Ok(Examined { newest, damage })
}
