//! What the writing thread counts.

use crate::metrics::{Counter, Histogram};
use crate::store::StoreFigures;

/// How many writes share a commit.
const BATCHES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Microseconds: from a disk that promises more than it keeps to one that is about to fail.
const COMMITS: &[u64] =
    &[250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// What the writing thread counts.
pub(super) struct WriterFigures {
    pub(super) batches: Histogram,
    /// In microseconds.
    pub(super) commits: Histogram,
    pub(super) failed_commits: Counter,
}

impl Default for WriterFigures {
    fn default() -> Self {
        Self { batches: Histogram::new(BATCHES), commits: Histogram::new(COMMITS), failed_commits: Counter::default() }
    }
}

impl WriterFigures {
    /// What was counted so far, while `queued` writes wait.
    pub(super) fn read(&self, queued: usize) -> StoreFigures {
        StoreFigures {
            engine: format!("SQLite {}", rusqlite::version()),
            queued,
            batches: self.batches.distribution(),
            commits: self.commits.distribution(),
            failed_commits: self.failed_commits.get(),
        }
    }
}
