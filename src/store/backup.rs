//! What a backup is, whichever engine makes it.

use std::path::{Path, PathBuf};

use crate::domain::Timestamp;

/// How much a database or its copy holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Customers.
    pub users: u64,
    /// Their requests for help.
    pub requests: u64,
    /// Messages, in whatever state.
    pub messages: u64,
}

/// A backup that was made and read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The file.
    pub file: PathBuf,
    /// When it was begun: everything that was answered before is in it.
    pub taken_at: Timestamp,
    /// What it holds.
    pub counts: Counts,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no backup. Nothing of it was left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{0} is there already, and a backup never takes another file's place: name another one")]
    Exists(PathBuf),
    /// Another process is writing the same file.
    #[error("another backup is just being written to {0}")]
    InUse(PathBuf),
    /// The file or its directory cannot be used.
    #[error("cannot write {path}: {error}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The database cannot be read, or the copy not written.
    #[error("cannot copy {from} to {to}: {why}")]
    Copy {
        /// The database.
        from: PathBuf,
        /// Its copy.
        to: PathBuf,
        /// What the engine said.
        why: String,
    },
    /// The copy was made and is damaged.
    #[error("the copy is damaged ({0}), and so perhaps is the database: look at the disk and its cables")]
    Damaged(String),
    /// It was asked to stop.
    #[error("stopped before the backup was done")]
    Stopped,
}

impl BackupError {
    /// The system refused to write `path`.
    pub(crate) fn write(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::Write { path: path.to_owned(), error }
    }
}
