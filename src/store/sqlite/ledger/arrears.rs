//! Counts what is from before the ledger, and tells anew what origins mean when the rules have changed: some at a time.

use rusqlite::{Connection, OptionalExtension};

use super::{Credit, Kind, StoreError, days, origin_id, rows};
use crate::domain::{Clues, Dimension, Origin, OriginRules, Phone, Timestamp};

/// How many rows of each one transaction catches up with, so that webhooks do not wait for it.
const BITE: u32 = 200;

/// Whether nothing is left that is from before the ledger.
pub(in crate::store::sqlite) fn is_complete(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM users WHERE first_origin IS NULL)
                  AND NOT EXISTS (SELECT 1 FROM requests WHERE first_origin IS NULL)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Counts some of what is uncounted, and tells some origins anew. Says whether there may be more.
pub(in crate::store::sqlite) fn catch_up(connection: &Connection, rules: &OriginRules) -> Result<bool, StoreError> {
    let ids = |sql: &str| rows::collect(connection, sql, [BITE], |row| row.get::<_, Vec<u8>>(0));
    let users = ids("SELECT id FROM users WHERE first_origin IS NULL LIMIT ?1")?;
    for id in &users {
        count_user(connection, id)?;
    }
    let requests = ids("SELECT id FROM requests WHERE first_origin IS NULL LIMIT ?1")?;
    for id in &requests {
        count_request(connection, id)?;
    }
    let told = tell(connection, rules)?;
    Ok([users.len(), requests.len(), told].contains(&(BITE as usize)))
}

/// Tells what some origins mean by these rules. Returns how many.
fn tell(connection: &Connection, rules: &OriginRules) -> Result<usize, StoreError> {
    let stale: Vec<(i64, Clues)> = connection
        .prepare_cached("SELECT id, clues FROM origins WHERE rules <> ?1 LIMIT ?2")?
        .query_map((rules.version(), BITE), |row| Ok((row.get(0)?, rows::json(row, 1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, clues) in &stale {
        let meaning = rules.attribute(clues);
        let [source, medium, campaign, referrer, channel, country, page] = Dimension::ALL.map(|of| meaning.value(of));
        connection
            .prepare_cached(
                "UPDATE origins SET rules = ?2, source = ?3, medium = ?4, campaign = ?5, referrer = ?6, channel = ?7,
                                    country = ?8, landing_page = ?9 WHERE id = ?1",
            )?
            .execute((id, rules.version(), source, medium, campaign, referrer, channel, country, page))?;
    }
    Ok(stale.len())
}

/// Counts whatever of this user is uncounted.
pub(in crate::store::sqlite) fn count_all_of(connection: &Connection, id: &[u8]) -> Result<(), StoreError> {
    let uncounted = |sql: &str| rows::collect(connection, sql, [id], |row| row.get::<_, Vec<u8>>(0));
    for id in uncounted("SELECT id FROM users WHERE id = ?1 AND first_origin IS NULL")? {
        count_user(connection, &id)?;
    }
    for id in uncounted("SELECT id FROM requests WHERE user_id = ?1 AND first_origin IS NULL")? {
        count_request(connection, &id)?;
    }
    Ok(())
}

/// A user from before the ledger.
struct Earlier {
    origin: Origin,
    phone: Option<Phone>,
    registered_at: Option<i64>,
}

/// Counts a user from before the ledger: whom each visit is credited to, and what became of the welcome, as far as it is
/// kept.
pub(in crate::store::sqlite) fn count_user(connection: &Connection, id: &[u8]) -> Result<Credit, StoreError> {
    let Some(earlier) = earlier(connection, id)? else { return Ok(Credit::default()) };
    let credit = credit_until(connection, id, &earlier, i64::MAX)?;
    let registered = match earlier.registered_at {
        Some(at) => credit_until(connection, id, &earlier, at)?.last,
        None => None,
    };
    let credit = Credit { registered, ..credit };
    connection
        .prepare_cached(
            "UPDATE users SET first_origin = ?2, last_origin = ?3, registered_origin = ?4,
                    welcomed_at = (SELECT min(finished_at) FROM messages
                                    WHERE user_id = ?1 AND purpose = 'welcome' AND state = 'delivered'),
                    bounced = EXISTS (SELECT 1 FROM messages JOIN attempts ON message_id = messages.id
                                       WHERE user_id = ?1 AND NOT EXISTS (SELECT 1 FROM suppressions
                                                                           WHERE address = users.email
                                                                                 AND cause = 'unsubscribed')
                                             AND purpose = 'welcome' AND state = 'dead'
                                             AND outcome = 'dead' AND scope = 'recipient'
                                             AND epoch = (SELECT max(epoch) FROM attempts WHERE message_id = messages.id))
              WHERE id = ?1",
        )?
        .execute((id, credit.first, credit.last, credit.registered))?;
    if let Some(at) = earlier.registered_at {
        days::changed(connection, Kind::Registrations, Timestamp::from_millis(at))?;
    }
    Ok(credit)
}

fn count_request(connection: &Connection, id: &[u8]) -> Result<(), StoreError> {
    let (origin, at, user): (Origin, i64, Option<Vec<u8>>) = connection
        .prepare_cached("SELECT origin, created_at, user_id FROM requests WHERE id = ?1")?
        .query_row([id], |row| Ok((rows::json(row, 0)?, row.get(1)?, row.get(2)?)))?;
    let earlier = user.as_deref().map(|user| earlier(connection, user)).transpose()?.flatten();
    let credit = match (&user, &earlier) {
        (Some(user), Some(earlier)) => credit_until(connection, user, earlier, at)?,
        _ => Credit::default(),
    };
    let phone = earlier.as_ref().and_then(|earlier| earlier.phone.as_ref());
    let (first, last) = credit.of_request(connection, &origin, phone)?;
    connection
        .prepare_cached(
            "UPDATE requests SET first_origin = ?2, last_origin = ?3,
                    delivered_at = (SELECT min(finished_at) FROM messages
                                     WHERE request_id = ?1 AND purpose = 'request' AND state = 'delivered')
              WHERE id = ?1",
        )?
        .execute((id, first, last))?;
    days::changed(connection, Kind::Requests, Timestamp::from_millis(at))
}

fn earlier(connection: &Connection, id: &[u8]) -> Result<Option<Earlier>, StoreError> {
    let found = connection
        .prepare_cached("SELECT origin, phone, phone_e164, registered_at FROM users WHERE id = ?1")?
        .query_row([id], |row| {
            let (raw, e164) = (row.get::<_, Option<String>>(1)?, row.get(2)?);
            let phone = raw.map(|raw| Phone { raw, e164 });
            Ok(Earlier { origin: rows::json(row, 0)?, phone, registered_at: row.get(3)? })
        });
    Ok(found.optional()?)
}

/// The first touch, and the last one up to a moment that told a source.
fn credit_until(connection: &Connection, id: &[u8], user: &Earlier, at: i64) -> Result<Credit, StoreError> {
    let phone = user.phone.as_ref();
    let first = origin_id(connection, &Clues::of(&user.origin, phone))?;
    let mut credit = Credit { first: Some(first), last: Some(first), registered: None };
    let touches = "SELECT origin FROM touches WHERE user_id = ?1 AND at <= ?2 ORDER BY at, rowid";
    let origins: Vec<Origin> = connection
        .prepare_cached(touches)?
        .query_map((id, at), |row| rows::json(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    for origin in &origins {
        credit.visit(connection, origin, phone)?;
    }
    Ok(credit)
}
