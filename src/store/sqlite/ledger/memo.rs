//! What one transaction of many customers has looked up and noted already.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::{Credit, Kind, StoreError, days, origin_of};
use crate::domain::Timestamp;

/// What one transaction has looked up and noted already. It holds as long as nobody else writes.
#[derive(Default)]
pub(in crate::store::sqlite) struct Memo {
    origins: HashMap<String, i64>,
    /// Those that are not packed any more.
    days: HashSet<i64>,
}

impl Memo {
    /// The credit of a customer whose first visit had these clues, which are JSON.
    pub(in crate::store::sqlite) fn first_visit(
        &mut self,
        connection: &Connection,
        clues: &str,
    ) -> Result<Credit, StoreError> {
        let id = match self.origins.get(clues) {
            Some(id) => *id,
            None => *self.origins.entry(clues.to_owned()).or_insert(origin_of(connection, clues)?),
        };
        Ok(Credit { first: Some(id), last: Some(id), registered: None })
    }

    /// A customer registered at that moment.
    pub(in crate::store::sqlite) fn registered(
        &mut self,
        connection: &Connection,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if self.days.insert(days::day(at)) { days::changed(connection, Kind::Registrations, at) } else { Ok(()) }
    }
}
