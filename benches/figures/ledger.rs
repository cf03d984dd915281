//! How long the origin ledger takes to answer over a year of customers, before and after its days are packed.
//!
//! Measured over the store itself: the program does nothing but pass the answer on. The rows are put in with SQL, so
//! this knows the schema.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;
use tokio::runtime::Runtime;
use umishop::domain::{Bucketing, CreditedTouch, Dimension, OriginRules, Timeline, Timestamp};
use umishop::store::sqlite::SqliteStore;
use umishop::store::{LedgerQuery, Store};

use crate::load::Latencies;

/// How often each question is asked.
const ASKED: usize = 15;

/// How many combinations of source, campaign, country and landing page there are.
const ORIGINS: u32 = 5_000;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const YEAR: Duration = Duration::from_hours(365 * 24);
const MONTH: Duration = Duration::from_hours(30 * 24);

/// What was measured.
pub(crate) struct Answers {
    /// The last 30 days by source, before anything is packed.
    pub(crate) unpacked: Latencies,
    /// How long packing the year took, and its longest step.
    pub(crate) packing: Duration,
    pub(crate) longest: Duration,
    /// Questions, and how long their answers took.
    pub(crate) packed: Vec<(&'static str, Latencies)>,
}

/// A year of `users` customers, twice as many requests and five times as many messages.
pub(crate) fn answers(dir: &Path, users: u32) -> Result<Answers> {
    let dir = tempfile::tempdir_in(dir)?;
    let path = dir.path().join("umishop.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(SqliteStore::open(&path)?.close())?;
    fill(&path, users).context("cannot fill the database")?;
    let store = SqliteStore::open(&path)?;
    let rules = Arc::new(OriginRules::default());
    let month = query(Dimension::Source, CreditedTouch::First, MONTH, Bucketing::Whole)?;
    let unpacked = ask(&runtime, &store, &rules, &month)?;
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    loop {
        let step = Instant::now();
        if !runtime.block_on(store.tend_ledger(Arc::clone(&rules), NOW))? {
            break;
        }
        longest = longest.max(step.elapsed());
    }
    let packing = begun.elapsed();
    let mut packed = Vec::new();
    for (what, by, touch, period, bucketing) in [
        ("30 days by source", Dimension::Source, CreditedTouch::First, MONTH, Bucketing::Whole),
        ("30 days by landing page, each day", Dimension::LandingPage, CreditedTouch::Last, MONTH, Bucketing::Day),
        ("the year by source", Dimension::Source, CreditedTouch::First, YEAR, Bucketing::Whole),
        ("the year by campaign, each week", Dimension::Campaign, CreditedTouch::Last, YEAR, Bucketing::Week),
        ("the year by landing page, each day", Dimension::LandingPage, CreditedTouch::First, YEAR, Bucketing::Day),
    ] {
        packed.push((what, ask(&runtime, &store, &rules, &query(by, touch, period, bucketing)?)?));
    }
    runtime.block_on(store.close())?;
    Ok(Answers { unpacked, packing, longest, packed })
}

fn query(by: Dimension, touch: CreditedTouch, period: Duration, bucketing: Bucketing) -> Result<LedgerQuery> {
    let timeline = Timeline::new(NOW.before(period), NOW, bucketing, "Europe/Madrid")?;
    Ok(LedgerQuery { by, touch, timeline, only: Vec::new(), limit: 50 })
}

fn ask(runtime: &Runtime, store: &SqliteStore, rules: &Arc<OriginRules>, query: &LedgerQuery) -> Result<Latencies> {
    let mut all = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let begun = Instant::now();
        let ledger = runtime.block_on(store.ledger(query.clone(), Arc::clone(rules)))?;
        all.push(begun.elapsed());
        anyhow::ensure!(ledger.complete && ledger.total.whole.registrations > 0, "nothing was counted");
    }
    Ok(Latencies::new(all))
}

/// Everything in one transaction. Small origins are many and large ones few, as it is in life.
fn fill(path: &Path, users: u32) -> Result<()> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -262_144)?;
    let transaction = connection.transaction()?;
    let numbers = "WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ?1)";
    let picked = format!("1 + (abs(random()) % {ORIGINS}) * (abs(random()) % {ORIGINS}) / {ORIGINS}");
    let (start, length) = (NOW.before(YEAR).as_millis(), YEAR.as_millis());
    transaction.execute(
        &format!(
            "INSERT INTO origins (id, clues) {numbers}
             SELECT n, json_object('source', 'source ' || (n % 31), 'medium', 'cpc', 'campaign', 'campaign ' || (n % 97),
                                   'landing_page', 'shop.example/page/' || (n % 211), 'channel', 'web',
                                   'phone_country', char(65 + n % 7, 65 + n % 5), 'text', 'n ' || n)
               FROM counter"
        ),
        [ORIGINS],
    )?;
    transaction.execute(
        &format!(
            "INSERT INTO users (id, name, email, language, origin, source, created_at, registered_at, welcomed,
                                first_origin, last_origin, registered_origin, welcomed_at, bounced)
             SELECT unhex(printf('%012x%020x', at, n)), 'Ana ' || n, 'ana.' || n || '@example.com', 'es', '{{}}', 'google',
                    at, at, 1, origin, origin, {picked}, iif(n % 50, at + 60000 + n % 3000, NULL), n % 50 = 0
               FROM ({numbers} SELECT n, {start} + n * {length} / ?1 AS at, {picked} AS origin FROM counter)"
        ),
        [users],
    )?;
    let asked = "SELECT created_at + (abs(random()) % 3600000) AS at, rowid AS n, first_origin, id FROM users";
    transaction.execute(
        &format!(
            "INSERT INTO requests (id, user_id, topic, topic_unknown, question, origin, source, fingerprint, created_at,
                                   seen_at, first_origin, last_origin, delivered_at, acknowledged_at, answered_at)
             SELECT unhex(printf('%012x%020x', at, n)), id, iif(n % 3, 'Sales', 'Pricing'), n % 40 = 0,
                    'Does number ' || n || ' come in blue as well?', '{{}}', 'google', randomblob(32), at, at,
                    first_origin, {picked}, iif(n % 100, at + 20 + abs(random()) % 5000, NULL),
                    iif(n % 10, at + 60000 + n % 600000, NULL), iif(n % 10 > 1, at + 660000 + n % 7200000, NULL)
               FROM (SELECT at, n * 2 AS n, first_origin, id FROM ({asked})
                     UNION ALL SELECT at, n * 2 + 1, first_origin, id FROM ({asked}))
              ORDER BY at"
        ),
        [],
    )?;
    let context = "json_object('name', 'Ana', 'email', 'ana@example.com', 'topic', 'Sales', 'question', 'In blue?')";
    let messages = |purpose: &str, of: &str, nth: u32| {
        format!(
            "INSERT INTO messages (id, user_id, request_id, channel, purpose, state, created_at, due_at, first_due_at,
                                   finished_at, attempts, context)
             SELECT unhex(printf('%012x%s%01x', created_at, substr(hex(id), 14), {nth})), {of}, 'http.sink', '{purpose}',
                    'delivered', created_at, created_at, created_at, created_at + 100, 1, {context}"
        )
    };
    transaction.execute(&format!("{} FROM users", messages("welcome", "id, NULL", 0)), [])?;
    for nth in [1, 2] {
        transaction.execute(&format!("{} FROM requests", messages("request", "user_id, id", nth)), [])?;
    }
    transaction.commit()?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
