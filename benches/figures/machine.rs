//! What the machine itself can do, and what it is: no figure means anything without.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use umishop::domain::Timestamp;

use crate::load::Latencies;

/// Waits for the disk per second, from the median of writing 4 KiB in place and `fdatasync`.
pub(crate) fn fdatasync_rate(dir: &Path, measuring: Duration) -> Result<f64> {
    const BLOCK: usize = 4096;
    const BLOCKS: u64 = 4096;
    let file = tempfile::tempfile_in(dir)?;
    // Written once before, so that the loop changes no size and the file system has nothing to add.
    file.write_all_at(&vec![1; BLOCK * usize::try_from(BLOCKS)?], 0)?;
    file.sync_all()?;
    let block = [7; BLOCK];
    let begin = Instant::now();
    let mut all = Vec::new();
    while begin.elapsed() < measuring {
        let start = Instant::now();
        file.write_all_at(&block, (all.len() as u64 % BLOCKS) * BLOCK as u64)?;
        file.sync_data()?;
        all.push(start.elapsed());
    }
    Ok(1000.0 / Latencies::new(all).percentile(0.5))
}

/// Commits per second of one row each, by one connection, in WAL with `synchronous=FULL`: what the disk leaves of its
/// rate to a database that waits for every commit.
pub(crate) fn commit_rate(dir: &Path, measuring: Duration) -> Result<f64> {
    let dir = tempfile::tempdir_in(dir)?;
    let connection = rusqlite::Connection::open(dir.path().join("commits.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")?;
    let mut insert = connection.prepare("INSERT INTO rows (text) VALUES (?1)")?;
    let text = "x".repeat(200);
    let begin = Instant::now();
    let mut commits = 0_u32;
    while begin.elapsed() < measuring {
        insert.execute([&text])?;
        commits += 1;
    }
    Ok(f64::from(commits) / begin.elapsed().as_secs_f64())
}

/// One paragraph on where the figures are from.
pub(crate) fn describe(dir: &Path) -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    let memory = read("/proc/meminfo").split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0)
        / (1024 * 1024);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!(
        "umishop {} · {} · {cores} × {model}, {memory} GiB · Linux {} · {} · SQLite {}",
        env!("CARGO_PKG_VERSION"),
        Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(0)).to_readable(),
        read("/proc/sys/kernel/osrelease").trim(),
        file_system(dir, &read("/proc/self/mountinfo")),
        rusqlite::version(),
    )
}

/// The kind of the file system that holds `dir`: the one mounted nearest above it.
fn file_system(dir: &Path, mounts: &str) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mount = mounts.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?;
        dir.starts_with(point).then(|| (point.len(), right.split(' ').next().unwrap_or_default()))
    });
    mount.max_by_key(|(length, _)| *length).map_or("unknown file system", |(_, kind)| kind).to_owned()
}

/// How many bytes of a 64-bit little-endian ELF file `strip` would remove: the sections that are not loaded.
pub(crate) fn symbol_bytes(file: &[u8]) -> Option<u64> {
    let field = |at: usize, width: usize| {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(file.get(at..at + width)?);
        Some(u64::from_le_bytes(bytes))
    };
    let (table, entry, count) = (field(0x28, 8)?, field(0x3A, 2)?, field(0x3C, 2)?);
    let sections = (0..count).filter_map(|index| {
        let at = usize::try_from(table + index * entry).ok()?;
        let (flags, size) = (field(at + 8, 8)?, field(at + 0x20, 8)?);
        (flags & 2 == 0).then_some(size)
    });
    Some(sections.sum())
}
