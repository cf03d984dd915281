//! Where the rows of an import go.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::super::record;
use crate::clock::Clock;
use crate::config::{Config, StoreUrl};
use crate::domain::Timestamp;
use crate::store::sqlite::{Imported, Importer, OpenError, SqliteStore, Trial};
use crate::store::{Arrival, Store as _};

/// How long a server beside us may write undisturbed after each transaction at least; else as long as that took.
const PAUSE: Duration = Duration::from_millis(10);

/// However long a transaction took, an import goes on.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How many rows a transaction takes beside a server, so that webhooks do not wait for it: some tens of milliseconds.
const FEW_ROWS: usize = 1_000;

/// How many it takes when nobody waits. Addresses and phones lie all over their indexes: the more rows come at once, the
/// more of them share the pages that are written.
const MANY_ROWS: usize = 64_000;

/// How much of the table that may be, in bytes, however wide its rows are.
const FEW_BYTES: u64 = 1024 * 1024;
const MANY_BYTES: u64 = 16 * 1024 * 1024;

/// How much of a table one transaction takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) rows: usize,
    pub(super) bytes: u64,
}

/// Into the database, or nowhere.
pub(super) enum Target {
    Store {
        store: Arc<SqliteStore>,
        importer: Importer,
        /// Whether a server runs beside us.
        beside: bool,
    },
    Trial(Box<Trial>),
}

impl Target {
    pub(super) fn store(config: &Config, now: Timestamp) -> anyhow::Result<Self> {
        let StoreUrl::Sqlite(path) = &config.store;
        let failed = || format!("cannot open the database {}", path.display());
        let (store, beside) = match SqliteStore::open(path) {
            Err(OpenError::Locked { .. }) => (SqliteStore::open_beside(path).with_context(failed)?, true),
            opened => (opened.with_context(failed)?, false),
        };
        let store = Arc::new(store.keeping_free(config.keep_free));
        let importer = Importer::new(Arc::clone(&store), config.welcome_reaches().into(), now);
        let importer = if beside { importer.beside_a_server() } else { importer };
        Ok(Self::Store { store, importer, beside })
    }

    pub(super) fn trial(config: &Config, now: Timestamp) -> anyhow::Result<Self> {
        let StoreUrl::Sqlite(path) = &config.store;
        let trial = Trial::new(path, config.welcome_reaches().into(), now)
            .with_context(|| format!("cannot open the database {}", path.display()))?;
        Ok(Self::Trial(Box::new(trial)))
    }

    /// How much one transaction may take.
    pub(super) const fn most(&self) -> Most {
        match self {
            Self::Store { beside: true, .. } => Most { rows: FEW_ROWS, bytes: FEW_BYTES },
            Self::Store { .. } | Self::Trial(_) => Most { rows: MANY_ROWS, bytes: MANY_BYTES },
        }
    }

    pub(super) async fn import(&self, customers: &Arc<Vec<Imported>>) -> anyhow::Result<Vec<Arrival>> {
        match self {
            Self::Trial(trial) => {
                // Nothing here waits, and Ctrl-C is to be heard all the same.
                tokio::task::yield_now().await;
                Ok(trial.import(customers)?)
            }
            Self::Store { importer, beside, .. } => {
                let (clock, begun) = (Clock::system(), Clock::system().now());
                let arrivals = importer.import(Arc::clone(customers)).await?;
                if *beside {
                    clock.sleep_until(None, clock.now().since(begun).clamp(PAUSE, LONGEST_PAUSE)).await;
                }
                Ok(arrivals)
            }
        }
    }

    /// Keeps that so many customers were taken in.
    pub(super) async fn record(&self, new: u64, merged: u64) -> anyhow::Result<()> {
        match self {
            Self::Store { store, .. } if new + merged > 0 => {
                record(store, "user.import", "many", &format!("{new} new, {merged} merged")).await
            }
            Self::Store { .. } | Self::Trial(_) => Ok(()),
        }
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Trial(_) => Ok(()),
            Self::Store { store, .. } => Ok(store.close().await?),
        }
    }
}
