//! The copy of the database that is made before it is brought to a newer schema: the way back.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::copy::{self, Partial};
use super::disk::{Disk, in_mib};
use super::{OpenError, suffixed};
use crate::store::BackupError;

/// Copies the database to `<database>.before-<step>`, whole and on the disk when this returns.
///
/// It is written under another name first, so that a file of that name is always complete, whenever the process dies.
/// One that a killed attempt left is replaced: no step was applied since, so the database is what it was or newer.
pub(super) fn make(connection: &Connection, database: &Path, step: usize) -> Result<PathBuf, OpenError> {
    require_room(connection, database)?;
    let name = suffixed(database, &format!(".before-{step}"));
    let kept = write(connection, &name);
    kept.map_err(OpenError::NoCopy).map(|()| name)
}

fn write(connection: &Connection, name: &Path) -> Result<(), BackupError> {
    let partial = Partial::create(suffixed(name, ".partial"))?;
    let failed = |why: String| BackupError::Copy {
        from: PathBuf::from(connection.path().unwrap_or_default()),
        to: name.to_owned(),
        why,
    };
    let path = partial.path().to_str().ok_or_else(|| failed("its name is not UTF-8".to_owned()))?;
    // SQLite writes into a file that is empty, and so this one keeps its permissions.
    connection.execute("VACUUM INTO ?1", [path]).map_err(|error| copy::failed(connection, &partial, &error))?;
    copy::verify(&partial, &CancellationToken::new())?;
    partial.keep(name).map(|_| ())
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
