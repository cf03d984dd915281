//! The list of the erased, beside the database: `umishop.db.erased`.
//!
//! One line for each erased customer, the time and their id, which tells nobody who they were. The database itself knows
//! them too; the list is there for the day on which an older backup takes its place: a [restore](mod@super::super::restore)
//! erases them again. A start writes down whoever is missing, because a crash came between, so it is never pruned.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::{rows, suffixed};
use crate::domain::{Timestamp, UserId};

/// Everybody who was erased, and when.
pub(in crate::store::sqlite) type List = Vec<(UserId, Timestamp)>;

/// Why the list could not be completed.
#[derive(Debug, thiserror::Error)]
pub(in crate::store::sqlite) enum ListError {
    #[error("cannot use {path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("cannot read who was erased: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Whoever stands in the list of `database`, and how many of its lines nobody can read.
pub(in crate::store::sqlite) fn read(database: &Path) -> io::Result<(List, u64)> {
    let (mut list, mut unreadable) = (Vec::new(), 0);
    let file = match File::open(path(database)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((list, 0)),
        Err(error) => return Err(error),
    };
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        match std::str::from_utf8(&line).ok().and_then(parse) {
            Some(entry) => list.push(entry),
            None => unreadable += u64::from(!line.is_empty()),
        }
    }
    Ok((list, unreadable))
}

/// Writes down whoever the database knows to be erased and the list does not. What is written survives the loss of power.
pub(in crate::store::sqlite) fn complete(connection: &Connection, database: &Path) -> Result<(), ListError> {
    let io = |error| ListError::Io { path: path(database), error };
    let (known, unreadable) = read(database).map_err(io)?;
    let known: BTreeSet<UserId> = known.into_iter().map(|(id, _)| id).collect();
    let mut lines = String::new();
    for (id, at) in in_database(connection)? {
        if !known.contains(&id) {
            // Writing to a text cannot fail.
            let _ = writeln!(lines, "{at} {id}");
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    if unreadable > 0 {
        // The last line may be one that was cut off.
        lines.insert(0, '\n');
    }
    let append = || {
        let mut file = File::options().append(true).create(true).mode(0o600).open(path(database))?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        super::super::copy::sync_directory(database)
    };
    append().map_err(io)
}

/// Whoever a database knows to be erased; nobody, if it is from before there was such a thing.
pub(in crate::store::sqlite) fn in_database(connection: &Connection) -> rusqlite::Result<List> {
    let knows = "SELECT count(*) > 0 FROM pragma_table_info('users') WHERE name = 'erased_at'";
    if !connection.query_row(knows, [], |row| row.get::<_, bool>(0))? {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare("SELECT id, erased_at FROM users WHERE erased_at IS NOT NULL ORDER BY erased_at")?;
    let found = statement.query_map([], |row| Ok((UserId::from_bytes(row.get(0)?), rows::time(row, 1)?)))?;
    found.collect()
}

fn parse(line: &str) -> Option<(UserId, Timestamp)> {
    let (at, id) = line.split_once(' ')?;
    Some((id.parse().ok()?, Timestamp::parse(at)?))
}

fn path(database: &Path) -> PathBuf {
    suffixed(database, ".erased")
}
