//! Who is certainly nobody we know, told without looking in the database.

use fastbloom::BloomFilter;
use rusqlite::Connection;

use super::StoreError;
use crate::domain::{Contact, EmailAddress, Phone};

/// How large the filter is, in bits (16 MiB): of 13 million marks, as four million customers have, it takes one in a hundred
/// for one that it knows, and of fewer far less. With more than that it only helps less.
const BITS: usize = 1 << 27;

/// How many bits each mark sets. Seven would take fewer marks for known ones, where there are 13 million; four are faster.
const HASHES: u32 = 4;

/// To look somebody up costs about as much as to read so many customers' marks one after the other.
const READ_PER_LOOK: u64 = 20;

/// A Bloom filter of all marks that customers are known by: mail addresses, phones, Landbot's numbers. Whoever is not in it
/// is new; whoever is has to be looked up.
///
/// It is made as soon as enough customers were looked up to pay for it, and holds until anybody else writes. Without it
/// everybody has to be looked up.
#[derive(Default)]
pub(super) struct Acquaintances {
    filter: Option<BloomFilter>,
    /// What was written when it was last right.
    written: Written,
    /// How many were looked up since then.
    looked_up: u64,
}

/// How much was written, by this connection and by others.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Written {
    /// In rows.
    here: u64,
    /// SQLite's mark, which changes.
    elsewhere: i64,
}

impl Written {
    fn now(connection: &Connection) -> Result<Self, StoreError> {
        let elsewhere = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(Self { here: connection.total_changes(), elsewhere })
    }
}

impl Acquaintances {
    /// To be called at the beginning of each transaction.
    pub(super) fn refresh(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let written = Written::now(connection)?;
        if written != self.written {
            *self = Self { written, ..Self::default() };
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

    /// To be called at the end: all that was written since [`refresh`](Self::refresh) was told by [`add`](Self::add).
    pub(super) fn settle(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.written = Written::now(connection)?;
        Ok(())
    }

    /// Whether somebody whom we know may be meant, and is to be looked up.
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
        // No contact is like a text that is damaged.
        let text = |index| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str_or_null().unwrap_or(None));
        add(&mut filter, text(0)?, [text(1)?, text(2)?]);
    }
    Ok(filter)
}
