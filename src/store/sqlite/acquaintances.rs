//! Who is certainly nobody we know, told without looking in the database.

use fastbloom::BloomFilter;
use rusqlite::Connection;

use super::StoreError;
use crate::domain::{Contact, EmailAddress, Phone};

/// How large the filter is, in bits (16 MiB): of 13 million addresses, as four million customers have, it takes one in a
/// hundred for one that it knows, and for fewer far less. With more than that it only helps less.
const BITS: usize = 1 << 27;

/// How many bits each address sets: at 13 million as good as any other number, and fewer are faster.
const HASHES: u32 = 4;

/// To look somebody up costs about as much as to read so many customers' addresses one after the other.
const READ_PER_LOOK: u64 = 20;

/// A Bloom filter of all addresses that customers have. Whoever is not in it is new; whoever is has to be looked up.
///
/// It is made as soon as enough customers were looked up to pay for it, and holds until another connection writes.
#[derive(Default)]
pub(super) struct Acquaintances {
    filter: Option<BloomFilter>,
    /// SQLite's mark of what other connections have written.
    version: i64,
    /// How many were looked up since then.
    looked_up: u64,
}

impl Acquaintances {
    /// To be called at the beginning of each transaction: nobody else writes until its end.
    pub(super) fn refresh(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if version != self.version {
            *self = Self { version, ..Self::default() };
        }
        if self.filter.is_none() {
            // Rows are numbered one after the other, so that this is how many there are, or more.
            let customers: u64 = connection
                .prepare_cached("SELECT coalesce(max(rowid), 0) FROM users")?
                .query_row([], |row| row.get(0))?;
            if self.looked_up * READ_PER_LOOK >= customers {
                self.filter = Some(all(connection)?);
            }
        }
        Ok(())
    }

    /// Whether somebody whom we know may be meant.
    pub(super) fn may_include(&mut self, contact: &Contact) -> bool {
        let Some(filter) = &self.filter else {
            self.looked_up += 1;
            return true;
        };
        let (email, marks) = marks(contact);
        let among = if email.is_some() { Among::WithoutEmail } else { Among::All };
        email.is_some_and(|email| filter.contains(email))
            || marks.into_iter().flatten().any(|mark| filter.contains(&(among, mark)))
    }

    /// Whether somebody can be told to be new without a look.
    #[cfg(test)]
    pub(super) const fn are_told(&self) -> bool {
        self.filter.is_some()
    }

    /// Somebody with this contact was written.
    pub(super) fn add(&mut self, contact: &Contact) {
        if let Some(filter) = &mut self.filter {
            let (email, marks) = marks(contact);
            add(filter, email, marks);
        }
    }
}

/// Among whom a phone or Landbot's number is looked for: whoever has another mail address is somebody else, even on one
/// phone (see [`may_be`](crate::domain::User::may_be)).
#[derive(Clone, Copy, Hash)]
enum Among {
    All,
    WithoutEmail,
}

/// The mail address, and the weaker marks.
fn marks(contact: &Contact) -> (Option<&str>, [Option<&str>; 2]) {
    let weaker = [contact.phone.as_ref().map(Phone::best), contact.landbot_customer_id.as_deref()];
    (contact.email.as_ref().map(EmailAddress::as_str), weaker)
}

fn add(filter: &mut BloomFilter, email: Option<&str>, marks: [Option<&str>; 2]) {
    for mark in marks.into_iter().flatten() {
        filter.insert(&(Among::All, mark));
        if email.is_none() {
            filter.insert(&(Among::WithoutEmail, mark));
        }
    }
    if let Some(email) = email {
        filter.insert(email);
    }
}

fn all(connection: &Connection) -> Result<BloomFilter, StoreError> {
    let mut filter = BloomFilter::with_num_bits(BITS).hashes(HASHES);
    let mut statement =
        connection.prepare("SELECT email, coalesce(phone_e164, phone), landbot_customer_id FROM users")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from);
        add(&mut filter, text(0)?, [text(1)?, text(2)?]);
    }
    Ok(filter)
}
