//! Customers of another program: many in one transaction; and what would come of them, without writing anything.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::intake::{self, Known};
use super::opening::OpenError;
use super::{SqliteStore, StoreError, ledger, migrations, reads};
use crate::domain::{ContactField, Context, Timestamp};
use crate::store::{Arrival, Imported};

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
        self.take(move |connection| customers.iter().map(|new| import(connection, new, &reached_at, now)).collect())
            .await
    }
}

fn import(
    connection: &Connection,
    new: &Imported,
    reached_at: &[ContactField],
    now: Timestamp,
) -> Result<Arrival, StoreError> {
    let (user, at) = (&new.user, new.registered_at);
    let found = intake::find(connection, &user.contact)?;
    let is_new = found.is_none();
    let mut known = found.unwrap_or_else(|| Known::first_seen(user, at)).merged(user);
    known.credit(connection, user, is_new)?;
    let registers = known.user.registered_at.is_none();
    if registers {
        known.user.registered_at = Some(at);
        known.credit.registered = known.credit.last;
        ledger::registered(connection, at)?;
    }
    let is_reached = |context: &Context| reached_at.iter().any(|field| context.address(*field).is_some());
    let welcome = new
        .welcome
        .as_ref()
        .filter(|_| !known.welcomed)
        .map(|welcome| (welcome, Context::of_user(&known.user)))
        .filter(|(_, context)| is_reached(context));
    // Whoever has been a customer for years is not greeted like a new one when they next come by.
    known.welcomed |= welcome.is_some() || (registers && new.welcome.is_none());
    let arrival = match (is_new, known.changed || registers || welcome.is_some()) {
        (true, _) => Arrival::New,
        (false, true) => Arrival::Merged,
        (false, false) => Arrival::Unchanged,
    };
    match arrival {
        Arrival::New => intake::insert_user(connection, &known)?,
        Arrival::Merged => intake::update_user(connection, &known)?,
        Arrival::Unchanged => {}
    }
    if let Some((welcome, context)) = &welcome {
        intake::enqueue(connection, welcome, Some(&known.user), None, context, now)?;
    }
    Ok(arrival)
}

/// What an import would do. It does it to a database of its own that nobody sees, into which whoever is known comes when a
/// row is about them.
pub struct Trial {
    real: Option<Connection>,
    trial: Connection,
}

impl Trial {
    /// Beside the database at `path`, which need not exist.
    pub fn new(path: &Path) -> Result<Self, OpenError> {
        let real = if path.exists() { Some(reads::open(path)?) } else { None };
        real.as_ref().map(migrations::check).transpose()?;
        // SQLite's name for a file that is deleted when it is closed.
        let mut trial = Connection::open("")?;
        trial.set_prepared_statement_cache_capacity(64);
        trial.pragma_update(None, "synchronous", "OFF")?;
        migrations::migrate(&mut trial, path)?;
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
        let arrivals = customers.iter().map(|new| {
            self.bring_in(new)?;
            import(&self.trial, new, reached_at, now)
        });
        let arrivals = arrivals.collect::<Result<_, StoreError>>()?;
        self.trial.execute_batch("COMMIT")?;
        Ok(arrivals)
    }

    /// Copies whoever the row is about.
    fn bring_in(&self, new: &Imported) -> Result<(), StoreError> {
        let Some(real) = &self.real else { return Ok(()) };
        let Some(mut known) = intake::look_up(real, &new.user.contact)? else { return Ok(()) };
        let id = &known.user.id.as_bytes()[..];
        let is_in = "SELECT EXISTS (SELECT 1 FROM users WHERE id = ?1)";
        if self.trial.prepare_cached(is_in)?.query_row([id], |row| row.get(0))? {
            return Ok(());
        }
        // The touches before the ledger need not be counted for this.
        known.credit.first.get_or_insert(0);
        known.credit.last.get_or_insert(0);
        intake::insert_user(&self.trial, &known)
    }
}
