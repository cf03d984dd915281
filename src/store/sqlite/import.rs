//! Customers of another program: many in one transaction.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{CachedStatement, Connection};

use super::acquaintances::Acquaintances;
use super::known::{self, Known, UserRow};
use super::{SqliteStore, StoreError, intake, ledger, rows, suppressions};
use crate::domain::{Clues, Contact, ContactField, Context, NewMessage, NewUser, Timestamp, User, UserId};
use crate::store::Arrival;

/// How much of the database is held in memory for an import, in KiB: as much as the indexes of addresses and phones of
/// some millions of customers have, so that each row does not read them anew.
pub(super) const CACHE: i64 = 96 * 1024;

/// A customer of another program, as one row of its table tells: ready to be written, since whoever reads the table has
/// time for what the one thread that writes has not.
#[derive(Clone, Debug)]
pub struct Imported {
    id: UserId,
    name: String,
    pub(super) contact: Contact,
    language: String,
    /// As [`rows::origin_columns`] makes them.
    origin: String,
    source: String,
    /// What the origin counts as in the ledger, as JSON.
    clues: String,
    registered_at: Timestamp,
    welcome: Option<Box<Welcome>>,
}

/// A welcome, and what it says to a customer of whom only this row tells.
#[derive(Clone, Debug)]
struct Welcome {
    message: NewMessage,
    context: Context,
}

impl Imported {
    /// `welcome` is sent only once to each user, and only to one whom it can reach. `None`: they are welcomed already, and
    /// never will be again.
    pub fn new(user: NewUser, registered_at: Timestamp, welcome: Option<NewMessage>) -> Result<Self, StoreError> {
        let welcome = welcome.map(|message| {
            let context = Context::of_user(&User::first_seen(&user, registered_at));
            Box::new(Welcome { message, context })
        });
        let clues = rows::to_json(&Clues::of(&user.origin, user.contact.phone.as_ref()))?;
        let (origin, source) = rows::origin_columns(&user.origin)?;
        let NewUser { id, name, contact, language, .. } = user;
        Ok(Self { id, name, contact, language, origin, source, clues, registered_at, welcome })
    }

    /// Whoever has been a customer for years is not greeted like a new one when they next come by.
    const fn counts_as_welcomed(&self) -> bool {
        self.welcome.is_none()
    }
}

/// Takes customers of another program, many in one transaction.
pub struct Importer {
    store: Arc<SqliteStore>,
    reached_at: Arc<[ContactField]>,
    now: Timestamp,
    is_alone: bool,
    acquaintances: Arc<Mutex<Acquaintances>>,
}

impl Importer {
    /// Into `store`. A welcome goes to whom it can reach at one of `reached_at`, and is of `now`.
    pub fn new(store: Arc<SqliteStore>, reached_at: Arc<[ContactField]>, now: Timestamp) -> Self {
        Self { store, reached_at, now, is_alone: true, acquaintances: Arc::default() }
    }

    /// The same beside a server: everybody is looked up, since its webhooks would wait while all marks are read.
    #[must_use]
    pub fn beside_a_server(mut self) -> Self {
        self.is_alone = false;
        self
    }

    /// Takes them, all in one transaction. Who is known already is merged by the rules of the webhooks; but a row is no
    /// visit, and so adds no touch: importing it again changes nothing.
    pub async fn import(&self, customers: Arc<Vec<Imported>>) -> Result<Vec<Arrival>, StoreError> {
        let (reached_at, now, is_alone) = (Arc::clone(&self.reached_at), self.now, self.is_alone);
        let acquaintances = Arc::clone(&self.acquaintances);
        self.store
            .take(move |connection| {
                // It stays so: after these there are more.
                connection.pragma_update(None, "cache_size", -CACHE)?;
                let mut acquaintances = acquaintances.lock().unwrap_or_else(PoisonError::into_inner);
                if is_alone {
                    acquaintances.refresh(connection)?;
                }
                let bite = Bite::new(connection, &mut acquaintances, &reached_at, now)?;
                let arrivals = bite.take_all(&customers)?;
                acquaintances.settle(connection)?;
                Ok(arrivals)
            })
            .await
    }
}

/// Customers who come in one transaction, and what need not be looked up again for the next of them.
pub(super) struct Bite<'a> {
    connection: &'a Connection,
    insert: CachedStatement<'a>,
    acquaintances: &'a mut Acquaintances,
    pub(super) reached_at: &'a [ContactField],
    now: Timestamp,
    ledger: ledger::Memo,
    /// Whether an address may be one that an erased customer had unsubscribed.
    recalls: bool,
}

impl<'a> Bite<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        acquaintances: &'a mut Acquaintances,
        reached_at: &'a [ContactField],
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let insert = connection.prepare_cached(known::INSERT_USER)?;
        let recalls = suppressions::recalls_any(connection)?;
        Ok(Self { connection, insert, acquaintances, reached_at, now, ledger: ledger::Memo::default(), recalls })
    }

    fn take_all(mut self, customers: &[Imported]) -> Result<Vec<Arrival>, StoreError> {
        customers.iter().map(|new| self.take(new)).collect()
    }

    pub(super) fn take(&mut self, new: &Imported) -> Result<Arrival, StoreError> {
        let found = if self.acquaintances.may_include(&new.contact) {
            known::find(self.connection, &new.contact)?
        } else {
            None
        };
        match found {
            Some(found) => self.merge(found, new),
            None => self.insert(new),
        }
    }

    /// Of whom nothing was known.
    fn insert(&mut self, new: &Imported) -> Result<Arrival, StoreError> {
        let Contact { email, phone, landbot_customer_id } = &new.contact;
        if self.recalls
            && let Some(address) = email
        {
            suppressions::recall(self.connection, address)?;
        }
        let welcome = new.welcome.as_deref().filter(|welcome| reaches(self.reached_at, &welcome.context));
        let mut credit = self.ledger.first_visit(self.connection, &new.clues)?;
        credit.registered = credit.last;
        self.ledger.registered(self.connection, new.registered_at)?;
        UserRow {
            row: None,
            id: new.id,
            name: &new.name,
            email: email.as_ref(),
            phone: phone.as_ref(),
            landbot_customer_id: landbot_customer_id.as_deref(),
            language: &new.language,
            origin: &new.origin,
            source: &new.source,
            created_at: new.registered_at,
            registered_at: Some(new.registered_at),
            welcomed: welcome.is_some() || new.counts_as_welcomed(),
            credit,
        }
        .insert(&mut self.insert)?;
        self.acquaintances.add(&new.contact);
        if let Some(Welcome { message, context }) = welcome {
            intake::enqueue(self.connection, message, Some(new.id), None, context, self.now)?;
        }
        Ok(Arrival::New)
    }

    /// Somebody who is known.
    fn merge(&mut self, known: Known, new: &Imported) -> Result<Arrival, StoreError> {
        let Merged { mut known, changes, registers, welcome } = Merged::new(known, new, self.reached_at);
        if !changes {
            return Ok(Arrival::Unchanged);
        }
        if let Some(at) = registers {
            known.credit.registered = known.credit.last;
            self.ledger.registered(self.connection, at)?;
        }
        known::update_user(self.connection, &known)?;
        self.acquaintances.add(&new.contact);
        if let Some((message, context)) = &welcome {
            intake::enqueue(self.connection, message, Some(known.user.id), None, context, self.now)?;
        }
        Ok(Arrival::Merged)
    }
}

fn reaches(reached_at: &[ContactField], context: &Context) -> bool {
    reached_at.iter().any(|field| context.address(*field).is_some())
}

/// What comes of a row about somebody who is known.
pub(super) struct Merged<'a> {
    /// The customer as they are now.
    pub(super) known: Known,
    pub(super) changes: bool,
    /// When they registered, if that was not known.
    registers: Option<Timestamp>,
    welcome: Option<(&'a NewMessage, Context)>,
}

impl<'a> Merged<'a> {
    pub(super) fn new(mut known: Known, new: &'a Imported, reached_at: &[ContactField]) -> Self {
        known.changed |= known.user.merge(&new.name, &new.contact, &new.language);
        let registers = known.user.registered_at.is_none().then_some(new.registered_at);
        known.user.registered_at = known.user.registered_at.or(registers);
        let welcome = new
            .welcome
            .as_deref()
            .filter(|_| !known.welcomed)
            .map(|welcome| (&welcome.message, Context::of_user(&known.user)))
            .filter(|(_, context)| reaches(reached_at, context));
        let is_new = registers.is_some();
        known.welcomed |= welcome.is_some() || (is_new && new.counts_as_welcomed());
        let changes = known.changed || is_new || welcome.is_some();
        Self { known, changes, registers, welcome }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{EmailAddress, Origin, Phone};

    pub(in crate::store::sqlite) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    pub(in crate::store::sqlite) fn customer(name: &str, email: Option<String>, phone: Option<String>) -> Imported {
        let contact = Contact {
            email: email.map(|email| EmailAddress::parse(&email).unwrap()),
            phone: phone.map(|number| Phone { raw: number.clone(), e164: Some(number) }),
            landbot_customer_id: None,
        };
        let (name, language, origin) = (name.to_owned(), String::new(), Origin::default());
        let user = NewUser { id: UserId::new(NOW), name, contact, language, origin };
        Imported::new(user, NOW, None).unwrap()
    }

    pub(in crate::store::sqlite) fn importer(store: &Arc<SqliteStore>) -> Importer {
        Importer::new(Arc::clone(store), Arc::from([ContactField::Email]), NOW)
    }

    pub(in crate::store::sqlite) async fn import(store: &Arc<SqliteStore>, customers: &[Imported]) -> Vec<Arrival> {
        importer(store).import(Arc::new(customers.to_vec())).await.unwrap()
    }

    #[tokio::test]
    async fn the_log_stays_short_however_many_rows_one_write_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        let store = Arc::new(SqliteStore::open(&path).unwrap());
        // About a page each: 20 bites are 40 MiB.
        let name = "x".repeat(3_000);
        for bite in 0..20 {
            let customers: Vec<_> =
                (0..500).map(|row| customer(&name, Some(format!("{bite}.{row}@example.com")), None)).collect();
            assert!(import(&store, &customers).await.iter().all(|arrival| *arrival == Arrival::New));
            let log = std::fs::metadata(super::super::suffixed(&path, "-wal")).unwrap().len();
            assert!(log < 24 * 1024 * 1024, "{log} bytes after bite {bite}");
        }
        crate::store::Store::close(&*store).await.unwrap();
    }

    /// Somebody of a dozen people, told by this or that.
    pub(in crate::store::sqlite) fn anybody(random: &mut fastrand::Rng) -> Imported {
        let email = random.bool().then(|| format!("{}@example.com", random.u8(..12)));
        let phone = (email.is_none() || random.bool()).then(|| format!("+3461200000{}", random.u8(..10)));
        let mut anybody = customer(random.choice(["", "Ana", "Eva"]).unwrap_or_default(), email, phone);
        anybody.contact.landbot_customer_id = random.bool().then(|| random.u8(..8).to_string());
        if let Some(phone) = anybody.contact.phone.as_mut().filter(|_| random.u8(..4) == 0) {
            phone.e164 = None;
        }
        anybody
    }

    #[tokio::test]
    async fn who_need_not_be_looked_up_is_found_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let open = |name: &str| Arc::new(SqliteStore::open(&directory.path().join(name)).unwrap());
        for table in 0..40 {
            let mut random = fastrand::Rng::with_seed(table);
            let (store, other) = (open(&format!("{table}.db")), open(&format!("{table}-other.db")));
            let one = importer(&store);
            for bite in 0..6 {
                let rows: Vec<_> = std::iter::repeat_with(|| anybody(&mut random)).take(6).collect();
                let arrivals = one.import(Arc::new(rows.clone())).await.unwrap();
                assert!(one.acquaintances.lock().unwrap().are_told(), "bite {bite}");
                // A new one has to look everybody up that it did not write.
                assert_eq!(arrivals, import(&other, &rows).await, "table {table}, bite {bite}: {rows:?}");
            }
            for store in [store, other] {
                crate::store::Store::close(&*store).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn whatever_else_is_written_the_same_way_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&directory.path().join("umishop.db")).unwrap());
        let row = |number: u8| customer("Ana", None, Some(format!("+3461200000{number}")));
        let (one, other) = (importer(&store), importer(&store));
        for number in 0..3 {
            for (importer, arrival) in [(&one, Arrival::New), (&other, Arrival::Unchanged)] {
                assert_eq!(importer.import(Arc::new(vec![row(number)])).await.unwrap(), [arrival]);
            }
        }
        // Of what was undone nothing is taken for known, nor for new.
        let mut twice = [row(4), row(5)];
        twice[1].id = twice[0].id;
        one.import(Arc::new(twice.to_vec())).await.unwrap_err();
        assert_eq!(one.import(Arc::new(vec![row(4), row(0)])).await.unwrap(), [Arrival::New, Arrival::Unchanged]);
        crate::store::Store::close(&*store).await.unwrap();
    }

    #[tokio::test]
    async fn who_came_to_a_server_beside_the_import_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        let store = Arc::new(SqliteStore::open(&path).unwrap());
        let beside = Arc::new(SqliteStore::open_beside(&path).unwrap());
        let row = |number: u8| [customer("Ana", Some(format!("{number}@example.com")), None)];
        let one = importer(&store);
        for number in 0..3 {
            let told = one.import(Arc::new(row(2 * number).to_vec())).await.unwrap();
            assert_eq!(told, [Arrival::New]);
            import(&beside, &row(2 * number + 1)).await;
            let told = one.import(Arc::new(row(2 * number + 1).to_vec())).await.unwrap();
            assert_eq!(told, [Arrival::Unchanged]);
        }
        for store in [beside, store] {
            crate::store::Store::close(&*store).await.unwrap();
        }
    }
}
