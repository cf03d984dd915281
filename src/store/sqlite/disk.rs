//! The disk that the database lies on: how much room it has, and whether it is one that SQLite can work on.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{OpenError, StoreError};

/// For how long an answer about the room holds. At 70 MB a second, more than the writer manages, it is off by a quarter
/// of what is kept free by default.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Watches over the room that is left.
pub(super) struct Disk {
    database: PathBuf,
    /// With fewer bytes than this nothing new is taken.
    keep_free: u64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    full: Option<StoreError>,
}

impl Disk {
    /// The disk of `database`, to be filled to the last.
    pub(super) fn of(database: &Path) -> Self {
        Self { database: database.to_owned(), keep_free: 0, seen: Mutex::default() }
    }

    pub(super) fn keep_free(&mut self, bytes: u64) {
        self.keep_free = bytes;
    }

    /// Whether there is room for something new. Looks at most once in [`LOOK_AFTER`], and tells of a change once.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.keep_free == 0 {
            return Ok(());
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.is_none_or(|at| at.elapsed() >= LOOK_AFTER) {
            seen.at = Some(Instant::now());
            // When the system does not say, the write itself will find out.
            let full = self.free().filter(|free| *free < self.keep_free).map(|free| self.full(free));
            match (&seen.full, &full) {
                (None, Some(error)) => tracing::error!(%error, "Nothing new is accepted until there is room again"),
                (Some(_), None) => tracing::warn!("There is room on the disk again; new customers are accepted"),
                _ => {}
            }
            seen.full = full;
        }
        seen.full.clone().map_or(Ok(()), Err)
    }

    /// How many bytes are free for us.
    pub(super) fn free(&self) -> Option<u64> {
        free(&self.database)
    }

    fn full(&self, free: u64) -> StoreError {
        let (free, keep) = (in_mib(free), in_mib(self.keep_free));
        StoreError::Full(format!("{free} MiB are free, [store] keep_free asks for {keep} MiB").into())
    }
}

/// How many bytes are free for us on the disk of `place`, which exists.
pub fn free(place: &Path) -> Option<u64> {
    rustix::fs::statvfs(place).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// For people.
pub(super) fn in_mib(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}

/// Refuses a disk on which SQLite cannot keep its promises.
pub(super) fn check_kind(database: &Path) -> Result<(), OpenError> {
    let place = if database.exists() { database } else { super::directory(database) };
    match kind(place) {
        Kind::Network(name) => Err(OpenError::Network { path: database.to_owned(), name }),
        Kind::Perhaps(name) => {
            tracing::warn!(
                "The database lies on {name}, which may be another machine's disk: on such a one commits can be lost"
            );
            Ok(())
        }
        Kind::Local => Ok(()),
    }
}

/// What a file system is for a database.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// On this machine, as far as is known.
    Local,
    /// Of another machine, or shared with others.
    Network(&'static str),
    /// What is behind it cannot be told.
    Perhaps(&'static str),
}

#[cfg(target_os = "linux")]
fn kind(place: &Path) -> Kind {
    // A place that cannot be looked at cannot be opened either, and that says why.
    rustix::fs::statfs(place).map_or(Kind::Local, |found| {
        // The system calls it a signed word; the numbers are of 32 bits.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are of 32 bits")]
        kind_of(found.f_type as u32)
    })
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &Path) -> Kind {
    Kind::Local
}

/// By the number that statfs(2) tells; the numbers are those of Linux's `magic.h`, Lustre's and GPFS's their own.
///
/// SQLite's log needs memory that all who use the database share, so all must be on one machine
/// (<https://sqlite.org/wal.html>), and locks that work, which is "buggy or unimplemented" where the disk is another
/// machine's (<https://sqlite.org/howtocorrupt.html>). 9P and FUSE also carry a virtual machine's or container's own
/// disk, where all is well, so they are only warned of.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "the numbers are Linux's"))]
fn kind_of(magic: u32) -> Kind {
    match magic {
        0x0000_6969 => Kind::Network("NFS"),
        0x0000_517B | 0xFF53_4D42 | 0xFE53_4D42 => Kind::Network("SMB (Windows shares)"),
        0x00C3_6400 => Kind::Network("Ceph"),
        0x5346_414F | 0x6B41_4653 => Kind::Network("AFS"),
        0x7375_7245 => Kind::Network("Coda"),
        0x0000_564C => Kind::Network("NCP"),
        0x0BD0_0BD0 => Kind::Network("Lustre"),
        0x4750_4653 => Kind::Network("GPFS"),
        0x0116_1970 => Kind::Network("GFS2"),
        0x7461_636F => Kind::Network("OCFS2"),
        0x0102_1997 => Kind::Perhaps("9P"),
        0x6573_5546 => Kind::Perhaps("FUSE"),
        _ => Kind::Local,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machines_disk_is_refused_one_that_may_be_is_told_and_ours_is_taken() {
        for (magic, name) in [(0x6969, "NFS"), (0xFF53_4D42, "SMB (Windows shares)"), (0x00C3_6400, "Ceph")] {
            assert_eq!(kind_of(magic), Kind::Network(name));
        }
        assert_eq!(kind_of(0x6573_5546), Kind::Perhaps("FUSE"));
        // ext4, XFS, btrfs, ZFS, tmpfs, overlayfs, F2FS, bcachefs.
        for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0x0102_1994, 0x794C_7630, 0xF2F5_2010, 0xCA45_1A4E]
        {
            assert_eq!(kind_of(magic), Kind::Local, "{magic:x}");
        }
        assert_ne!(kind(Path::new("/")), Kind::Network("NFS"));
    }

    #[test]
    fn more_to_keep_free_than_there_is_takes_nothing_new() {
        let mut disk = Disk::of(Path::new("/"));
        assert!(disk.check().is_ok());
        disk.keep_free(u64::MAX);
        let refused = disk.check().unwrap_err().to_string();
        assert!(refused.contains("MiB are free") && refused.contains("keep_free"), "{refused}");
    }
}
