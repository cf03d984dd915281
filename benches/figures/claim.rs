//! What a claim costs when the outbox is large, against a small one.
//!
//! Measured over the store itself, since the program would empty the outbox while it is looked at. The rows are put in
//! with SQL: this is the one measurement that knows the schema.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use rusqlite::Connection;
use umishop::domain::{BootId, ChannelAddress, Timestamp};
use umishop::store::Store;
use umishop::store::sqlite::SqliteStore;

use crate::load::Latencies;

/// How many messages a claim takes, and how many claims are timed: together less than the small outbox holds.
const LIMIT: usize = 32;
const CLAIMS: usize = 200;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// How long claims take, each with its commit, in an outbox of `rows` messages that are all due.
pub(crate) fn claims(dir: &Path, rows: u32) -> Result<Latencies> {
    let dir = tempfile::tempdir_in(dir)?;
    let path = dir.path().join("umishop.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(SqliteStore::open(&path)?.close())?;
    fill(&path, rows).context("cannot fill the outbox")?;
    let store = SqliteStore::open(&path)?;
    let channel: ChannelAddress = "http.sink".parse()?;
    let boot = BootId::new(NOW);
    let all = runtime.block_on(async {
        let mut all = Vec::with_capacity(CLAIMS);
        for _ in 0..CLAIMS {
            let start = Instant::now();
            let claimed = store.claim_due(&channel, boot, LIMIT, NOW).await?;
            all.push(start.elapsed());
            anyhow::ensure!(claimed.claims.len() == LIMIT, "a claim found only {} messages", claimed.claims.len());
        }
        store.close().await?;
        Ok(all)
    })?;
    Ok(Latencies::new(all))
}

fn fill(path: &Path, rows: u32) -> Result<()> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute(
        "INSERT INTO messages (id, channel, purpose, state, created_at, due_at, context)
         WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ?1)
         SELECT unhex(printf('%032x', n)), 'http.sink', 'request', 'pending', ?2 - ?1 + n, ?2 - ?1 + n,
                json_object('name', 'Ana ' || n, 'email', 'ana.' || n || '@example.com', 'phone', '+34612345678',
                            'topic', 'Sales', 'question', 'Does number ' || n || ' come in blue as well?')
           FROM counter",
        (rows, NOW.as_millis()),
    )?;
    // The log would be read along with the first claims.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
