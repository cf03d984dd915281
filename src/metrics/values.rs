//! The kinds of values that are counted in: each a few atomics, so that counting waits for nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each pair of words: a row and a column.
#[derive(Debug)]
pub struct Table {
    rows: &'static [&'static str],
    columns: &'static [&'static str],
    counts: Box<[Counter]>,
}

impl Table {
    /// Of these words. What is in no row or column counts in the last one.
    pub fn new(rows: &'static [&'static str], columns: &'static [&'static str]) -> Self {
        Self { rows, columns, counts: (0..rows.len() * columns.len()).map(|_| Counter::default()).collect() }
    }

    /// One more of this pair.
    pub fn count(&self, row: &str, column: &str) {
        let place = |words: &[&str], word| words.iter().position(|known| *known == word).unwrap_or(words.len() - 1);
        if let Some(cell) = self.counts.get(place(self.rows, row) * self.columns.len() + place(self.columns, column)) {
            cell.count();
        }
    }

    /// The pairs that were counted, and how often.
    pub fn cells(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let pairs = self.rows.iter().flat_map(|row| self.columns.iter().map(move |column| (*row, *column)));
        pairs
            .zip(&self.counts)
            .map(|((row, column), count)| (row, column, count.get()))
            .filter(|(.., count)| *count > 0)
    }
}

/// How values are distributed, in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above the last.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// With these upper bounds, which grow. Durations are in microseconds.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Another value. It belongs to the first bucket whose bound is not below it.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Another duration.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was observed so far.
    pub fn distribution(&self) -> Distribution {
        Distribution {
            bounds: self.bounds,
            counts: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The upper bound of each bucket but the last, which has none.
    pub bounds: &'static [u64],
    /// How many values are in each bucket alone.
    pub counts: Vec<u64>,
    /// All values, added up.
    pub sum: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1000] {
            histogram.observe(value);
        }
        assert_eq!(histogram.distribution(), Distribution { bounds: &[10, 20], counts: vec![2, 2, 2], sum: 1062 });
    }

    #[test]
    fn what_is_in_no_row_or_column_is_counted_all_the_same() {
        let table = Table::new(&["user", "topic"], &["200", "other"]);
        table.count("topic", "200");
        table.count("topic", "418");
        table.count("topic", "418");
        assert_eq!(table.cells().collect::<Vec<_>>(), [("topic", "200", 1), ("topic", "other", 2)]);
    }
}
