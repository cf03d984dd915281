//! Scheduled backups: a directory, the newest so many kept, and how the last one went.
//!
//! The store makes a backup; here is what it is called, how long it stays, and what becomes known of it. An old one is
//! deleted only when a new one stands beside it, and only if its name is one that we gave.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::changes::Section;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::store::{BackedUp, BackupError, Store};

/// What the names of backups end with.
const ENDING: &str = ".db";

/// What the names of half-written ones go on with.
const PARTIAL: &str = ".partial";

/// No backup takes longer: what is half-written for that long was left behind by a crash.
const LONGEST: Duration = Duration::from_hours(24);

/// A directory of backups of one database.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Where they are.
    pub path: PathBuf,
    /// What their names begin with: the database's own, so that two shops can share a directory.
    pub stem: String,
}

impl Directory {
    /// The directory `path` for backups of the database in the file `database`.
    pub fn new(path: PathBuf, database: &Path) -> Self {
        let stem = database.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self { path, stem }
    }

    /// The file of a backup that is taken at `moment`.
    pub fn file(&self, moment: Timestamp) -> PathBuf {
        self.path.join(format!("{}-{}{ENDING}", self.stem, moment.to_file_stamp()))
    }

    /// Every backup in it whose name goes on with `ending`, oldest first. Files with other names are not ours.
    fn all(&self, ending: &str) -> std::io::Result<Vec<(Timestamp, PathBuf)>> {
        let mut found = Vec::new();
        for entry in self.path.read_dir()? {
            let entry = entry?;
            let taken_at = entry.file_name().to_str().and_then(|name| self.taken_at(name.strip_suffix(ending)?));
            found.extend(taken_at.map(|taken_at| (taken_at, entry.path())));
        }
        found.sort();
        Ok(found)
    }

    /// When the newest backup in it was taken.
    pub fn newest(&self) -> std::io::Result<Option<Timestamp>> {
        Ok(self.newest_file()?.map(|(taken_at, _)| taken_at))
    }

    fn newest_file(&self) -> std::io::Result<Option<(Timestamp, PathBuf)>> {
        Ok(self.all("")?.pop())
    }

    fn taken_at(&self, name: &str) -> Option<Timestamp> {
        let stamp = name.strip_prefix(&self.stem)?.strip_prefix('-')?.strip_suffix(ENDING)?;
        Timestamp::parse_file_stamp(stamp)
    }

    /// Deletes all but the newest `keep`, and what a crash left half-written a day ago or longer; says how many. Those
    /// that a clock which was ahead has dated count as the oldest.
    fn prune(&self, keep: usize, now: Timestamp) -> std::io::Result<usize> {
        let (mut whole, partial) = (self.all("")?, self.all(PARTIAL)?);
        whole.sort_by_key(|(taken_at, _)| (*taken_at <= now, *taken_at));
        let old = &whole[..whole.len().saturating_sub(keep)];
        let left_behind = partial.iter().filter(|(taken_at, _)| now.since(*taken_at) > LONGEST);
        let mut deleted = 0;
        for (_, file) in old.iter().chain(left_behind) {
            std::fs::remove_file(file)?;
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// How the last backup went; clones tell of the same one.
#[derive(Clone, Debug, Default)]
pub struct BackupStatus(Arc<Mutex<LastBackup>>);

/// How the last backup went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastBackup {
    /// When the newest backup was taken.
    pub success: Option<Timestamp>,
    /// Its file, and how many bytes that has.
    pub file: Option<(PathBuf, u64)>,
    /// When the last one failed, and why; `None`: it succeeded, or none was due yet.
    pub error: Option<(Timestamp, String)>,
}

impl BackupStatus {
    /// How the last one went.
    pub fn last(&self) -> LastBackup {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut LastBackup)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Makes backups: the scheduled ones, and those that an operator asks for.
pub struct Backups {
    store: Arc<dyn Store>,
    clock: Clock,
    directory: Directory,
    keep: usize,
    status: BackupStatus,
}

impl Backups {
    /// Backs `store` up to `directory`, where the newest `keep` stay.
    pub fn new(store: Arc<dyn Store>, clock: Clock, directory: Directory, keep: usize, status: BackupStatus) -> Self {
        // A directory that cannot be read has none; the next backup says why.
        if let Ok(Some((taken_at, file))) = directory.newest_file() {
            let bytes = file.metadata().map_or(0, |metadata| metadata.len());
            status.set(|last| (last.success, last.file) = (Some(taken_at), Some((file, bytes))));
        }
        Self { store, clock, directory, keep, status }
    }

    /// Makes one, and then deletes those that are too old. `stop` ends it early. What is wrong is logged here, and known
    /// to the status.
    pub async fn make(&self, stop: CancellationToken) -> Result<BackedUp, BackupError> {
        let now = self.clock.now();
        let made = self.store.back_up(self.directory.file(now), now, stop.clone()).await;
        match &made {
            Ok(made) => {
                let (file, messages, bytes) = (made.file.display(), made.counts.messages, made.bytes);
                tracing::info!(%file, messages, bytes, "Backed up to {file}");
                let file = Some((made.file.clone(), bytes));
                self.status.set(|last| *last = LastBackup { success: Some(now), file, error: None });
                self.store.feed().tell(Section::Settings);
                self.prune(now).await;
            }
            Err(_) if stop.is_cancelled() => tracing::info!("Stopped before the backup was done"),
            // Two at once are one too many, but there is one.
            Err(error @ (BackupError::Exists(_) | BackupError::InUse(_))) => {
                tracing::warn!(%error, "There is no second backup of this moment: {error}");
            }
            Err(error) => {
                tracing::error!(%error, "There is no backup: {error}; trying again at the next time");
                self.status.set(|last| last.error = Some((now, error.to_string())));
                self.store.feed().tell(Section::Settings);
            }
        }
        made
    }

    async fn prune(&self, now: Timestamp) {
        let (directory, keep) = (self.directory.clone(), self.keep);
        match tokio::task::spawn_blocking(move || directory.prune(keep, now)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(deleted)) => tracing::info!(deleted, "Deleted {deleted} old backups"),
            Ok(Err(error)) => tracing::warn!(%error, "Could not delete old backups; trying again after the next one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_old_backups_are_deleted() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(place.path().to_owned(), Path::new("data/umishop.db"));
        let other = [
            "umishop.db",
            "umishop-2020.db",
            "shop-2020-01-01T000000Z.db",
            "umishop-2026-01-09T120000Z.db.partial",
            "umishop-copy-2020-01-01T000000Z.db",
        ];
        let ours: Vec<_> = (1..=9).map(|day| format!("umishop-2026-01-0{day}T024000Z.db")).collect();
        let left_behind = place.path().join("umishop-2026-01-01T024000Z.db.partial");
        std::fs::write(&left_behind, "").unwrap();
        let now = Timestamp::parse("2026-01-09T13:00:00Z").unwrap();
        for name in other.into_iter().chain(ours.iter().map(String::as_str)) {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        assert_eq!(directory.prune(7, now).unwrap(), 3);
        assert!(!left_behind.exists());
        assert!(other.iter().all(|name| place.path().join(name).exists()));
        let left: Vec<_> = directory.all("").unwrap().into_iter().map(|(_, file)| file).collect();
        assert_eq!(left, ours[2..].iter().map(|name| place.path().join(name)).collect::<Vec<_>>());
        assert_eq!(directory.prune(7, now).unwrap(), 0);
    }

    #[test]
    fn backups_from_a_clock_that_was_ahead_do_not_drive_out_the_present_ones() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::new(place.path().to_owned(), Path::new("data/umishop.db"));
        let name = |year| place.path().join(format!("umishop-{year}-01-01T024000Z.db"));
        for year in [2036, 2037, 2026] {
            std::fs::write(name(year), "").unwrap();
        }
        assert_eq!(directory.prune(2, Timestamp::parse("2026-01-01T02:40:00Z").unwrap()).unwrap(), 1);
        assert!(name(2026).exists() && name(2037).exists() && !name(2036).exists());
    }
}
