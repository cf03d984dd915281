//! The copy of the database that is made before it is brought to a newer schema: the way back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::disk::{Disk, in_mib};
use super::{OpenError, create_private, directory, suffixed};

/// Copies the database to `<database>.before-<step>`, whole and on the disk when this returns.
///
/// It is written under another name first, so that a file of that name is always complete, whenever the process dies.
/// One that a killed attempt left is replaced: no step was applied since, so the database is what it was or newer.
pub(super) fn make(connection: &Connection, database: &Path, step: usize) -> Result<PathBuf, OpenError> {
    require_room(connection, database)?;
    let copy = suffixed(database, &format!(".before-{step}"));
    let part = suffixed(&copy, ".part");
    let io = |error| OpenError::Io { path: part.clone(), error };
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    // SQLite writes into a file that is empty, and so this one keeps its permissions.
    let file = create_private(&part).map_err(io)?;
    let name = part.to_str().ok_or_else(|| io(io::Error::other("its name is not UTF-8")))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    verify(connection, &part)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&part, &copy).map_err(io)?;
    File::open(directory(&copy)).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok(copy)
}

/// The copy takes the database's size, and a step that rebuilds its largest table about as much again.
fn require_room(connection: &Connection, database: &Path) -> Result<(), OpenError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let size = number("page_count")?.saturating_mul(number("page_size")?);
    let need = u64::try_from(size).unwrap_or(0).saturating_mul(2);
    match Disk::of(database).free() {
        Some(free) if free < need => {
            Err(OpenError::NoRoom { need: in_mib(need).saturating_add(1), free: in_mib(free) })
        }
        _ => Ok(()),
    }
}

fn verify(original: &Connection, copy: &Path) -> Result<(), OpenError> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version =
        |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    let found: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    let same = version(original)? == version(&connection)?;
    if found == "ok" && same {
        return Ok(());
    }
    let why = if same { found } else { "it has another schema".to_owned() };
    Err(OpenError::DamagedCopy { path: copy.to_owned(), why })
}
