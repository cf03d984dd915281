//! Customers of another program: many in one transaction; and what would come of them, without writing anything.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::intake::{self, Known};
use super::opening::OpenError;
use super::{SqliteStore, StoreError, ledger, migrations, reads, suppressions};
use crate::domain::{Clues, ContactField, Context, NewMessage, Timestamp};
use crate::store::{Arrival, Imported};

/// How much of the database is held in memory for an import, in KiB: as much as the indexes of addresses and phones of
/// some millions of customers have, so that each row does not read them anew.
const CACHE: i64 = 96 * 1024;

impl SqliteStore {
    /// Takes customers of another program, all of them in one transaction. Who is known already is merged by the rules
    /// of the webhooks; but a row is no visit, and so adds no touch: importing it again changes nothing. A welcome goes to
    /// whom it can reach at one of `reached_at`, and is of `now`.
    pub async fn import(
        &self,
        customers: Arc<Vec<Imported>>,
        reached_at: Arc<[ContactField]>,
        now: Timestamp,
    ) -> Result<Vec<Arrival>, StoreError> {
        self.take(move |connection| {
            // It stays so: after these there are more.
            connection.pragma_update(None, "cache_size", -CACHE)?;
            let mut bite = Bite::new(connection, &reached_at, now)?;
            customers.iter().map(|new| bite.take(new)).collect()
        })
        .await
    }
}

/// Customers who come in one transaction, and what need not be looked up again for the next of them.
struct Bite<'a> {
    connection: &'a Connection,
    reached_at: &'a [ContactField],
    now: Timestamp,
    ledger: ledger::Memo,
    /// Whether an address may be one that an erased customer had unsubscribed.
    recalls: bool,
}

impl<'a> Bite<'a> {
    fn new(connection: &'a Connection, reached_at: &'a [ContactField], now: Timestamp) -> Result<Self, StoreError> {
        let recalls = suppressions::recalls_any(connection)?;
        Ok(Self { connection, reached_at, now, ledger: ledger::Memo::default(), recalls })
    }

    fn take(&mut self, new: &Imported) -> Result<Arrival, StoreError> {
        let found = intake::find(self.connection, &new.user.contact)?;
        self.write(Decided::new(found, new, self.reached_at))
    }

    fn write(&mut self, decided: Decided<'_>) -> Result<Arrival, StoreError> {
        let Decided { mut known, clues, arrival, registers, welcome } = decided;
        if arrival == Arrival::New {
            known.credit = self.ledger.first_visit(self.connection, clues)?;
        }
        if let Some(at) = registers {
            known.credit.registered = known.credit.last;
            self.ledger.registered(self.connection, at)?;
        }
        match arrival {
            Arrival::New if self.recalls => intake::insert_user(self.connection, &known)?,
            Arrival::New => intake::insert_unerased(self.connection, &known)?,
            Arrival::Merged => intake::update_user(self.connection, &known)?,
            Arrival::Unchanged => {}
        }
        if let Some((welcome, context)) = &welcome {
            intake::enqueue(self.connection, welcome, Some(&known.user), None, context, self.now)?;
        }
        Ok(arrival)
    }
}

/// What comes of a row.
struct Decided<'a> {
    /// The customer as they are now.
    known: Known,
    clues: &'a Clues,
    arrival: Arrival,
    /// When they registered, if that was not known.
    registers: Option<Timestamp>,
    welcome: Option<(&'a NewMessage, Context)>,
}

impl<'a> Decided<'a> {
    /// `found` is whom the row is about, if they are known.
    fn new(found: Option<Known>, new: &'a Imported, reached_at: &[ContactField]) -> Self {
        let is_new = found.is_none();
        let mut known = match found {
            Some(known) => known.merged(&new.user),
            None => Known::first_seen(&new.user, new.registered_at),
        };
        let registers = known.user.registered_at.is_none().then_some(new.registered_at);
        known.user.registered_at = known.user.registered_at.or(registers);
        let is_reached = |context: &Context| reached_at.iter().any(|field| context.address(*field).is_some());
        let welcome = new
            .welcome
            .as_ref()
            .filter(|_| !known.welcomed)
            .map(|welcome| (welcome, Context::of_user(&known.user)))
            .filter(|(_, context)| is_reached(context));
        // Whoever has been a customer for years is not greeted like a new one when they next come by.
        known.welcomed |= welcome.is_some() || (registers.is_some() && new.welcome.is_none());
        let arrival = match (is_new, known.changed || registers.is_some() || welcome.is_some()) {
            (true, _) => Arrival::New,
            (false, true) => Arrival::Merged,
            (false, false) => Arrival::Unchanged,
        };
        Self { known, clues: &new.clues, arrival, registers, welcome }
    }
}

/// What an import would do. It does it to a database of its own that nobody sees, into which whoever is known comes when a
/// row changes them.
pub struct Trial {
    real: Option<Connection>,
    trial: Connection,
}

impl Trial {
    /// Beside the database at `path`, which need not exist.
    pub fn new(path: &Path) -> Result<Self, OpenError> {
        let real = if path.exists() { Some(reads::open(path)?) } else { None };
        if let Some(real) = &real {
            migrations::check(real)?;
            real.pragma_update(None, "cache_size", -CACHE)?;
        }
        // SQLite's name for a file that is deleted when it is closed.
        let mut trial = Connection::open("")?;
        trial.set_prepared_statement_cache_capacity(64);
        trial.pragma_update(None, "cache_size", -CACHE)?;
        trial.pragma_update(None, "synchronous", "OFF")?;
        // Nothing is ever undone: after an error the trial is over.
        trial.pragma_update(None, "journal_mode", "OFF")?;
        migrations::migrate(&mut trial, path)?;
        // Nobody looks for anybody here but by their addresses.
        trial.execute_batch("DROP INDEX users_registered; DROP INDEX users_first; DROP INDEX users_last")?;
        Ok(Self { real, trial })
    }

    /// What would come of these customers at `now`, after those before.
    pub fn import(
        &self,
        customers: &[Imported],
        reached_at: &[ContactField],
        now: Timestamp,
    ) -> Result<Vec<Arrival>, StoreError> {
        self.trial.execute_batch("BEGIN")?;
        // One state of the database for all of them: beginning to read costs more than a row does.
        self.real.as_ref().map(|real| real.execute_batch("BEGIN")).transpose()?;
        let mut bite = Bite::new(&self.trial, reached_at, now)?;
        let arrivals = customers.iter().map(|new| self.take(new, &mut bite)).collect::<Result<_, StoreError>>()?;
        self.real.as_ref().map(|real| real.execute_batch("COMMIT")).transpose()?;
        self.trial.execute_batch("COMMIT")?;
        Ok(arrivals)
    }

    fn take(&self, new: &Imported, bite: &mut Bite<'_>) -> Result<Arrival, StoreError> {
        let contact = &new.user.contact;
        let Some(mut known) = self.real.as_ref().map_or(Ok(None), |real| intake::look_up(real, contact))? else {
            return bite.take(new);
        };
        let id = &known.user.id.as_bytes()[..];
        let is_in = "SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1)";
        if self.trial.prepare_cached(is_in)?.query_row([id], |row| row.get(0))? {
            return bite.take(new);
        }
        // The touches before the ledger need not be counted for this.
        known.credit.first.get_or_insert(0);
        known.credit.last.get_or_insert(0);
        if contact.email.is_none() || known.user.email != contact.email {
            // Somebody whom the trial has made meanwhile may be meant.
            intake::insert_unerased(&self.trial, &known)?;
            return bite.take(new);
        }
        let decided = Decided::new(Some(known), new, bite.reached_at);
        if decided.arrival != Arrival::Unchanged {
            intake::insert_unerased(&self.trial, &decided.known)?;
        }
        Ok(decided.arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Contact, EmailAddress, NewUser, Origin, Phone, UserId};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn customer(name: &str, email: Option<String>, phone: Option<String>) -> Imported {
        let contact = Contact {
            email: email.map(|email| EmailAddress::parse(&email).unwrap()),
            phone: phone.map(|number| Phone { raw: number.clone(), e164: Some(number) }),
            landbot_customer_id: None,
        };
        let (name, language, origin) = (name.to_owned(), String::new(), Origin::default());
        let user = NewUser { id: UserId::new(NOW), name, contact, language, origin };
        Imported::new(user, NOW, None)
    }

    async fn import(store: &SqliteStore, customers: &[Imported]) -> Vec<Arrival> {
        store.import(Arc::new(customers.to_vec()), Arc::from([ContactField::Email]), NOW).await.unwrap()
    }

    #[tokio::test]
    async fn the_log_stays_short_however_many_rows_one_write_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        let store = SqliteStore::open(&path).unwrap();
        // About a page each: 20 bites are 40 MiB.
        let name = "x".repeat(3_000);
        for bite in 0..20 {
            let customers: Vec<_> =
                (0..500).map(|row| customer(&name, Some(format!("{bite}.{row}@example.com")), None)).collect();
            assert!(import(&store, &customers).await.iter().all(|arrival| *arrival == Arrival::New));
            let log = std::fs::metadata(super::super::suffixed(&path, "-wal")).unwrap().len();
            assert!(log < 24 * 1024 * 1024, "{log} bytes after bite {bite}");
        }
        crate::store::Store::close(&store).await.unwrap();
    }

    #[tokio::test]
    async fn a_trial_says_of_each_row_what_the_import_makes_of_it() {
        let row = |random: &mut fastrand::Rng| {
            let email = random.bool().then(|| format!("{}@example.com", random.u8(..12)));
            let phone = (email.is_none() || random.bool()).then(|| format!("+3461200000{}", random.u8(..10)));
            customer(random.choice(["", "Ana", "Eva"]).unwrap_or_default(), email, phone)
        };
        for table in 0..40 {
            let mut random = fastrand::Rng::with_seed(table);
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("umishop.db");
            let store = SqliteStore::open(&path).unwrap();
            let known: Vec<_> = std::iter::repeat_with(|| row(&mut random)).take(8).collect();
            import(&store, &known).await;
            let trial = Trial::new(&path).unwrap();
            let bites: Vec<Vec<_>> =
                (0..2).map(|_| std::iter::repeat_with(|| row(&mut random)).take(12).collect()).collect();
            let said: Vec<_> =
                bites.iter().map(|rows| trial.import(rows, &[ContactField::Email], NOW).unwrap()).collect();
            for (rows, said) in bites.iter().zip(said) {
                assert_eq!(import(&store, rows).await, said, "table {table}: {known:?} {rows:?}");
            }
            crate::store::Store::close(&store).await.unwrap();
        }
    }
}
