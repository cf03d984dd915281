//! Whether what the database says can still be believed.
//!
//! A sync that fails must not be tried again. Linux reports the error once and marks the pages that it could not write
//! as clean: the next sync succeeds without writing them, and every later commit would stand in a log with a hole in it
//! that the next loss of power uncovers (<https://wiki.postgresql.org/wiki/Fsync_Errors>). So after an error of the disk
//! nothing is written any more, nobody is told that their write happened, and the process ends. The next start writes
//! the whole log back anew before it takes anything; see [`Log::recover`](super::log::Log::recover).

use std::future::pending;
use std::sync::Arc;

use rusqlite::ffi;
use tokio::sync::watch;

use super::StoreError;

/// Whether the store can be trusted; clones know the same. Once lost, trust does not come back.
#[derive(Clone)]
pub(super) struct Trust(Arc<watch::Sender<Option<Arc<str>>>>);

impl Default for Trust {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Trust {
    /// Ends it, for this reason unless there was one before.
    pub(super) fn lose(&self, error: &StoreError) {
        let why = match error {
            StoreError::Broken(why) => Arc::clone(why),
            error => error.to_string().into(),
        };
        self.0.send_if_modified(|lost| {
            let is_first = lost.is_none();
            if is_first {
                tracing::error!(why = %why, "The store can no longer be trusted; nothing is written any more, and this process ends");
                *lost = Some(why);
            }
            is_first
        });
    }

    /// Why it was lost, if it was.
    pub(super) fn lost(&self) -> Option<Arc<str>> {
        self.0.borrow().clone()
    }

    /// Waits until it is lost.
    pub(super) async fn until_lost(&self) -> StoreError {
        let mut receiver = self.0.subscribe();
        let why = receiver.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match why {
            Some(why) => StoreError::Broken(why),
            // The sender is ours, so it is still there.
            None => pending().await,
        }
    }

    /// Ends it for this reason if the thread that holds the answer panics.
    pub(super) fn lost_by_panic(&self, why: &'static str) -> LostByPanic {
        LostByPanic { trust: self.clone(), why }
    }
}

/// See [`Trust::lost_by_panic`].
pub(super) struct LostByPanic {
    trust: Trust,
    why: &'static str,
}

impl Drop for LostByPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.trust.lose(&StoreError::Broken(self.why.into()));
        }
    }
}

/// What an error of SQLite says about the disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It failed, or the file is damaged.
    Broken,
    /// It is full, and says no untruth.
    Full,
    /// Nothing.
    Other,
}

/// What `error` says about the disk.
pub(super) fn verdict(error: &rusqlite::Error) -> Verdict {
    let Some(code) = error.sqlite_error() else { return Verdict::Other };
    match code.extended_code {
        // The first is how SQLite tells that it found no room for its index of the log.
        ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_FULL => Verdict::Full,
        // No memory, which is no word about the disk.
        ffi::SQLITE_IOERR_NOMEM | ffi::SQLITE_IOERR_SHMMAP => Verdict::Other,
        code => match code & 0xFF {
            ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Verdict::Broken,
            _ => Verdict::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_disk_ends_trust_and_a_full_one_does_not() {
        let verdict = |code| super::verdict(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        for code in [
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_DIR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CORRUPT_INDEX,
            ffi::SQLITE_NOTADB,
        ] {
            assert_eq!(verdict(code), Verdict::Broken, "{code}");
        }
        assert_eq!((verdict(ffi::SQLITE_FULL), verdict(ffi::SQLITE_IOERR_SHMSIZE)), (Verdict::Full, Verdict::Full));
        assert_eq!((verdict(ffi::SQLITE_BUSY), verdict(ffi::SQLITE_IOERR_NOMEM)), (Verdict::Other, Verdict::Other));
        assert_eq!(super::verdict(&rusqlite::Error::QueryReturnedNoRows), Verdict::Other);
    }
}
