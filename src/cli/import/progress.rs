//! One line on a terminal that says how far an import is.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

pub(super) fn per_second(rows: u64, took: Duration) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    rows.saturating_mul(1000) / millis
}

/// The line; it is not there while nobody looks.
pub(super) struct Progress {
    shown: bool,
    /// Of the table, in bytes.
    length: Option<u64>,
    begun: Instant,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(length: Option<u64>, wanted: bool) -> Self {
        Self { shown: wanted && io::stderr().is_terminal(), length, begun: Instant::now(), last: None }
    }

    /// How long it takes so far.
    pub(super) fn took(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn show(&mut self, rows: u64, position: u64) {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= Duration::from_millis(200));
        if !self.shown || !is_due {
            return;
        }
        self.last = Some(Instant::now());
        let part = self.length.filter(|length| *length > 0).map(|length| format!("{:>3} %  ", position * 100 / length));
        let rate = per_second(rows, self.begun.elapsed());
        // A terminal that is gone needs no progress.
        drop(write!(io::stderr(), "\r{}{rows} rows  {rate} rows/s   ", part.unwrap_or_default()));
    }

    pub(super) fn clear(&mut self) {
        if self.shown && self.last.take().is_some() {
            drop(write!(io::stderr(), "\r{:60}\r", ""));
        }
    }
}
