//! Which sections the writes of a transaction have touched.
//!
//! `SQLite` itself says which rows change, so that no write can forget to tell, and one that found nothing to do tells
//! nothing. It says so of tables with a rowid only; those without never change alone, but for the channels' notes, which
//! are told by whoever makes them. A transaction that is rolled back may be told: then somebody looks in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rusqlite::Connection;

use crate::changes::{Feed, Section};

/// What was touched and has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Touched {
    bits: Arc<AtomicU8>,
    feed: Feed,
}

impl Touched {
    /// Watches what `connection` writes.
    pub(super) fn watch(connection: &mut Connection, feed: Feed) -> rusqlite::Result<Self> {
        let bits = Arc::<AtomicU8>::default();
        let noted = Arc::clone(&bits);
        connection.update_hook(Some(move |_, _: &str, table: &str, _| {
            noted.fetch_or(section(table).map_or(0, Section::bit), Ordering::Relaxed);
        }))?;
        Ok(Self { bits, feed })
    }

    /// Tells of it, after the commit.
    pub(super) fn tell(&self) {
        self.feed.tell_all(self.bits.swap(0, Ordering::Relaxed));
    }

    /// Where it is told.
    pub(super) fn feed(&self) -> Feed {
        self.feed.clone()
    }
}

fn section(table: &str) -> Option<Section> {
    match table {
        "users" | "touches" => Some(Section::Users),
        "requests" => Some(Section::Requests),
        "messages" => Some(Section::Messages),
        "inbox" => Some(Section::Inbox),
        "tokens" | "audit" => Some(Section::Settings),
        _ => None,
    }
}
