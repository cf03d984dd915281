//! What would come of an import, without writing anything.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::acquaintances::Acquaintances;
use super::import::{Bite, CACHE, Imported, Merged};
use super::known::{self, Known};
use super::opening::OpenError;
use super::{StoreError, migrations, reads};
use crate::domain::{ContactField, Timestamp, UserId};
use crate::store::Arrival;

/// A number of a row that no user of a real database has.
const MORE_THAN_ALL: i64 = 1 << 40;

/// What an import would do. It does it to a database of its own that nobody sees, into which whoever is known comes when a
/// row changes them.
pub struct Trial {
    real: Option<Connection>,
    scratch: Connection,
    reached_at: Arc<[ContactField]>,
    now: Timestamp,
}

impl Trial {
    /// Beside the database at `path`, which need not exist; the rest as for an [`Importer`](super::Importer).
    pub fn new(path: &Path, reached_at: Arc<[ContactField]>, now: Timestamp) -> Result<Self, OpenError> {
        let real = if path.exists() { Some(reads::open(path)?) } else { None };
        if let Some(real) = &real {
            migrations::check(real)?;
            real.pragma_update(None, "cache_size", -CACHE)?;
        }
        // SQLite's name for a file that is deleted when it is closed.
        let mut scratch = Connection::open("")?;
        scratch.set_prepared_statement_cache_capacity(64);
        scratch.pragma_update(None, "cache_size", -CACHE)?;
        scratch.pragma_update(None, "synchronous", "OFF")?;
        // Nothing is ever undone: after an error the trial is over.
        scratch.pragma_update(None, "journal_mode", "OFF")?;
        migrations::migrate(&mut scratch, path)?;
        // Nobody looks for anybody here but by their addresses.
        scratch.execute_batch("DROP INDEX users_registered; DROP INDEX users_first; DROP INDEX users_last")?;
        // Who is new here may come to a server, too, while this goes on.
        scratch.execute_batch(
            "DROP INDEX users_email; CREATE INDEX users_email ON users (email) WHERE email IS NOT NULL",
        )?;
        // Whoever is new here gets a number after it. Of several who have the same mark the first one is meant.
        let sql = "INSERT INTO users (rowid, id, name, language, origin, source, created_at) VALUES (?1, x'', '', '', '', '', 0)";
        scratch.execute(sql, [MORE_THAN_ALL])?;
        Ok(Self { real, scratch, reached_at, now })
    }

    /// What would come of these customers, after those before.
    pub fn import(&self, customers: &[Imported]) -> Result<Vec<Arrival>, StoreError> {
        self.scratch.execute_batch("BEGIN")?;
        // One state of the database for all of them: beginning to read costs more than a row does.
        self.real.as_ref().map(|real| real.execute_batch("BEGIN")).transpose()?;
        // They are never told of anybody, so that everybody is looked up.
        let mut acquaintances = Acquaintances::default();
        let mut bite = Bite::new(&self.scratch, &mut acquaintances, &self.reached_at, self.now)?;
        let arrivals = customers.iter().map(|new| self.take(new, &mut bite)).collect::<Result<_, StoreError>>()?;
        self.real.as_ref().map(|real| real.execute_batch("COMMIT")).transpose()?;
        self.scratch.execute_batch("COMMIT")?;
        Ok(arrivals)
    }

    fn take(&self, new: &Imported, bite: &mut Bite<'_>) -> Result<Arrival, StoreError> {
        let Some(real) = &self.real else { return bite.take(new) };
        let Some(known) = known::look_up(real, &new.contact)? else { return bite.take(new) };
        let is_by_email = new.contact.email.is_some() && known.user.email == new.contact.email;
        if !is_by_email {
            // They may be meant, or another of these, or somebody whom the trial has made or changed meanwhile.
            for known in known::candidates(real, &new.contact)? {
                if !self.has(known.user.id)? {
                    self.copy(known)?;
                }
            }
            return bite.take(new);
        }
        if self.has(known.user.id)? {
            return bite.take(new);
        }
        // Nobody else has this address, and most rows change nothing.
        let merged = Merged::new(known, new, bite.reached_at);
        if !merged.changes {
            return Ok(Arrival::Unchanged);
        }
        self.copy(merged.known)?;
        Ok(Arrival::Merged)
    }

    fn has(&self, user: UserId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1)";
        Ok(self.scratch.prepare_cached(sql)?.query_row([&user.as_bytes()[..]], |row| row.get(0))?)
    }

    /// Takes somebody whom the real database knows into the trial.
    fn copy(&self, mut known: Known) -> Result<(), StoreError> {
        // The touches before the ledger need not be counted for this.
        known.credit.first.get_or_insert(0);
        known.credit.last.get_or_insert(0);
        known::insert_unerased(&self.scratch, &known)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SqliteStore;
    use super::super::import::tests::{NOW, anybody, import};
    use super::*;

    #[tokio::test]
    async fn a_trial_says_of_each_row_what_the_import_makes_of_it() {
        for table in 0..40 {
            let mut random = fastrand::Rng::with_seed(table);
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("umishop.db");
            let store = Arc::new(SqliteStore::open(&path).unwrap());
            let known: Vec<_> = std::iter::repeat_with(|| anybody(&mut random)).take(8).collect();
            import(&store, &known).await;
            let trial = Trial::new(&path, Arc::from([ContactField::Email]), NOW).unwrap();
            let bites: Vec<Vec<_>> =
                (0..2).map(|_| std::iter::repeat_with(|| anybody(&mut random)).take(12).collect()).collect();
            let said: Vec<_> = bites.iter().map(|rows| trial.import(rows).unwrap()).collect();
            for (rows, said) in bites.iter().zip(said) {
                assert_eq!(import(&store, rows).await, said, "table {table}: {known:?} {rows:?}");
            }
            crate::store::Store::close(&*store).await.unwrap();
        }
    }
}
