//! Users as the webhooks and an import know them: found by a contact, made, and changed.

use rusqlite::{CachedStatement, Connection, Row, named_params, params};

use super::ledger::{self, Credit};
use super::{StoreError, rows, suppressions};
use crate::domain::{Contact, EmailAddress, NewUser, Phone, Timestamp, User, UserId};

/// A user, and whether a welcome was ever put into the outbox for them.
pub(super) struct Known {
    pub(super) user: User,
    pub(super) welcomed: bool,
    /// The origins that are credited with them.
    pub(super) credit: Credit,
    /// Whether it differs from what is stored.
    pub(super) changed: bool,
    /// The number of their row; `None`: they have none yet.
    pub(super) row: Option<i64>,
}

impl Known {
    pub(super) fn first_seen(new: &NewUser, now: Timestamp) -> Self {
        Self { user: User::first_seen(new, now), welcomed: false, credit: Credit::default(), changed: false, row: None }
    }

    /// With what was missing.
    pub(super) fn merged(mut self, new: &NewUser) -> Self {
        self.changed |= self.user.merge(&new.name, &new.contact, &new.language);
        self
    }

    /// With one more visit, if it is a touch.
    pub(super) fn credit(&mut self, connection: &Connection, new: &NewUser, touch: bool) -> Result<(), StoreError> {
        if touch {
            self.changed |= self.credit.visit(connection, &new.origin, self.user.phone.as_ref())?;
        }
        Ok(())
    }
}

/// The user this contact belongs to: by mail address, else by phone, else by Landbot's number.
pub(super) fn find(connection: &Connection, contact: &Contact) -> Result<Option<Known>, StoreError> {
    let mut found = look_up(connection, contact)?;
    if let Some(known) = &mut found
        && known.credit.first.is_none()
    {
        known.credit = ledger::count_user(connection, &known.user.id.as_bytes()[..])?;
    }
    Ok(found)
}

/// As [`find`], when the touches before the ledger need not be counted.
pub(super) fn look_up(connection: &Connection, contact: &Contact) -> Result<Option<Known>, StoreError> {
    let mut found = None;
    each(connection, contact, |known| {
        let is_meant = known.user.may_be(contact);
        if is_meant {
            found = Some(known);
        }
        is_meant
    })?;
    Ok(found)
}

/// Everybody who has one of these marks, apart from those who are certainly somebody else.
pub(super) fn candidates(connection: &Connection, contact: &Contact) -> Result<Vec<Known>, StoreError> {
    let mut found = Vec::new();
    each(connection, contact, |known| {
        found.push(known);
        false
    })?;
    Ok(found)
}

/// Shows them, the strongest mark first, until that is enough.
fn each(
    connection: &Connection,
    contact: &Contact,
    mut is_enough: impl FnMut(Known) -> bool,
) -> Result<(), StoreError> {
    let email = contact.email.as_ref().map(EmailAddress::as_str);
    let phone = contact.phone.as_ref().map(Phone::best);
    // Whoever has another address is somebody else (see `User::may_be`); let the index leave them out.
    let without = if email.is_some() { " AND email IS NULL" } else { "" };
    for (mark, condition, alone) in [
        (email, "email = ?1", ""),
        (phone, "phone IS NOT NULL AND coalesce(phone_e164, phone) = ?1", without),
        (contact.landbot_customer_id.as_deref(), "landbot_customer_id = ?1", without),
    ] {
        let Some(mark) = mark else { continue };
        let sql =
            format!("SELECT {}, welcomed, {}, rowid FROM users WHERE {condition}{alone}", rows::USER, ledger::CREDIT);
        let mut statement = connection.prepare_cached(&sql)?;
        for found in statement.query_map([mark], known)? {
            if is_enough(found?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known {
        user: rows::user(row)?,
        welcomed: row.get(10)?,
        credit: ledger::credit(row, 11)?,
        changed: false,
        row: row.get(14)?,
    })
}

/// Makes a user.
pub(super) fn insert_user(connection: &Connection, known: &Known) -> Result<(), StoreError> {
    if let Some(address) = &known.user.email {
        suppressions::recall(connection, address)?;
    }
    insert_unerased(connection, known)
}

/// As [`insert_user`], when it is known that no erased customer had unsubscribed that address.
pub(super) fn insert_unerased(connection: &Connection, known: &Known) -> Result<(), StoreError> {
    let (origin, source) = rows::origin_columns(&known.user.origin)?;
    let User { id, name, email, phone, landbot_customer_id, language, created_at, registered_at, .. } = &known.user;
    UserRow {
        row: known.row,
        id: *id,
        name,
        email: email.as_ref(),
        phone: phone.as_ref(),
        landbot_customer_id: landbot_customer_id.as_deref(),
        language,
        origin: &origin,
        source: &source,
        created_at: *created_at,
        registered_at: *registered_at,
        welcomed: known.welcomed,
        credit: known.credit,
    }
    .insert(&mut connection.prepare_cached(INSERT_USER)?)
}

/// A row of users that is to be made.
pub(super) struct UserRow<'a> {
    /// Its number; `None`: the next one.
    pub(super) row: Option<i64>,
    pub(super) id: UserId,
    pub(super) name: &'a str,
    pub(super) email: Option<&'a EmailAddress>,
    pub(super) phone: Option<&'a Phone>,
    pub(super) landbot_customer_id: Option<&'a str>,
    pub(super) language: &'a str,
    /// As [`rows::origin_columns`] makes it.
    pub(super) origin: &'a str,
    /// The same.
    pub(super) source: &'a str,
    pub(super) created_at: Timestamp,
    pub(super) registered_at: Option<Timestamp>,
    pub(super) welcomed: bool,
    pub(super) credit: Credit,
}

/// What [`UserRow::insert`] wants to have prepared.
pub(super) const INSERT_USER: &str =
    "INSERT INTO users (rowid, id, name, email, phone, phone_e164, landbot_customer_id, language, origin, source,
                        created_at, registered_at, welcomed, first_origin, last_origin, registered_origin)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

impl UserRow<'_> {
    /// Runs [`INSERT_USER`].
    pub(super) fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<(), StoreError> {
        // By number: to look sixteen names up takes longer than to bind sixteen values.
        statement.execute(params![
            self.row,
            &self.id.as_bytes()[..],
            self.name,
            self.email.map(EmailAddress::as_str),
            self.phone.map(|phone| &phone.raw),
            self.phone.and_then(|phone| phone.e164.as_ref()),
            self.landbot_customer_id,
            self.language,
            self.origin,
            self.source,
            self.created_at.as_millis(),
            self.registered_at.map(Timestamp::as_millis),
            self.welcomed,
            self.credit.first,
            self.credit.last,
            self.credit.registered,
        ])?;
        Ok(())
    }
}

/// Writes what changed of a user.
pub(super) fn update_user(connection: &Connection, known: &Known) -> Result<(), StoreError> {
    let user = &known.user;
    if let Some(address) = &user.email {
        suppressions::recall(connection, address)?;
    }
    connection
        .prepare_cached(
            "UPDATE users SET name = :name, email = :email, phone = :phone, phone_e164 = :phone_e164,
                              landbot_customer_id = :landbot_customer_id, language = :language,
                              registered_at = :registered_at, welcomed = :welcomed, last_origin = :last_origin,
                              registered_origin = :registered_origin
              WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": &user.id.as_bytes()[..],
            ":name": user.name,
            ":email": user.email.as_ref().map(EmailAddress::as_str),
            ":phone": user.phone.as_ref().map(|phone| &phone.raw),
            ":phone_e164": user.phone.as_ref().and_then(|phone| phone.e164.as_ref()),
            ":landbot_customer_id": user.landbot_customer_id,
            ":language": user.language,
            ":registered_at": user.registered_at.map(Timestamp::as_millis),
            ":welcomed": known.welcomed,
            ":last_origin": known.credit.last,
            ":registered_origin": known.credit.registered,
        })?;
    Ok(())
}
