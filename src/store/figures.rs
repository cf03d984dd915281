//! How much the store has to do, and how long that takes it.

use crate::metrics::Distribution;

/// How much the store has to do, and how long that takes it, since it was opened.
#[derive(Clone, Debug)]
pub struct StoreFigures {
    /// What keeps the data, with its version: `SQLite 3.51.3`.
    pub engine: String,
    /// How many writes wait for their turn.
    pub queued: usize,
    /// How many writes shared each commit.
    pub batches: Distribution,
    /// How long each commit took, in microseconds: most of it is the disk's sync.
    pub commits: Distribution,
    /// How many commits failed; nothing of them was written.
    pub failed_commits: u64,
}
