//! Addresses that nothing is sent to any more: because nobody is there, or because the customer asked for it.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{outbox, rows};
use crate::domain::{
    Claim, EmailAddress, ErasureKey, Phone, Purpose, Suppression, SuppressionCause, Timestamp, UserId, language_of,
};
use crate::store::{Page, StoreError, Subscription};

/// Why an address is suppressed that its customer asked for.
const UNSUBSCRIBED: &str = "the customer unsubscribed";

pub(super) fn list(connection: &Connection, page: &Page<EmailAddress>) -> Result<Vec<Suppression>, StoreError> {
    let after = page.before.as_ref().map_or("", |address| address.as_str());
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let sql = "SELECT address, cause, why, since FROM suppressions WHERE address > ?1 ORDER BY address LIMIT ?2";
    rows::collect(connection, sql, (after, limit), suppression)
}

/// Notes with each of `claims` to a customer that nothing is sent to their address any more, if that is so.
pub(super) fn look_up(connection: &Connection, claims: &mut Vec<Claim>, now: Timestamp) -> Result<(), StoreError> {
    let mut kept = Vec::with_capacity(claims.len());
    for mut claim in claims.drain(..) {
        if let (Purpose::Welcome, Some(address)) = (claim.purpose, &claim.context.email) {
            let found = of(connection, address);
            let what = "what is known of its customer's address";
            let Some(found) = outbox::read_or_give_up(connection, &claim, found, what, now)? else { continue };
            claim.suppressed = found;
        }
        kept.push(claim);
    }
    *claims = kept;
    Ok(())
}

/// The suppression of this address, if there is one.
pub(super) fn of(connection: &Connection, address: &EmailAddress) -> rusqlite::Result<Option<Suppression>> {
    let sql = "SELECT address, cause, why, since FROM suppressions WHERE address = ?1";
    connection.prepare_cached(sql)?.query_row([address.as_str()], suppression).optional()
}

fn suppression(row: &Row<'_>) -> rusqlite::Result<Suppression> {
    Ok(Suppression {
        address: rows::email_address(row, 0)?,
        cause: rows::word(row, 1)?,
        why: row.get(2)?,
        since: rows::time(row, 3)?,
    })
}

/// A mail server said `why` it does not take mail to the address. What its customer asked for stays as it is.
pub(super) fn note_bounce(
    connection: &Connection,
    address: &EmailAddress,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO suppressions (address, cause, why, since) VALUES (?1, 'bounced', ?2, ?3)
             ON CONFLICT (address) DO UPDATE SET why = excluded.why, since = excluded.since WHERE cause = 'bounced'",
        )?
        .execute((address.as_str(), why, now.as_millis()))?;
    Ok(())
}

pub(super) fn lift(connection: &Connection, address: &EmailAddress) -> Result<bool, StoreError> {
    let lifted =
        connection.prepare_cached("DELETE FROM suppressions WHERE address = ?1")?.execute([address.as_str()])?;
    Ok(lifted > 0)
}

pub(super) fn subscription(connection: &Connection, user: UserId) -> Result<Option<Subscription>, StoreError> {
    Ok(found(connection, user)?.map(|(_, subscription)| subscription))
}

/// As in the trait.
pub(super) fn set_subscribed(
    connection: &Connection,
    user: UserId,
    subscribed: bool,
    now: Timestamp,
) -> Result<Option<Subscription>, StoreError> {
    let Some((address, subscription)) = found(connection, user)? else { return Ok(None) };
    if subscribed {
        connection
            .prepare_cached("DELETE FROM suppressions WHERE address = ?1 AND cause = 'unsubscribed'")?
            .execute([address.as_str()])?;
    } else if subscription.subscribed {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO suppressions (address, cause, why, since) VALUES (?1, 'unsubscribed', ?2, ?3)",
            )?
            .execute((address.as_str(), UNSUBSCRIBED, now.as_millis()))?;
    }
    Ok(Some(Subscription { subscribed, ..subscription }))
}

/// Forgets the address of a customer who is erased. That they unsubscribed is kept under its mark.
pub(super) fn erase(connection: &Connection, address: &EmailAddress) -> Result<(), StoreError> {
    let deleted = connection
        .prepare_cached("DELETE FROM suppressions WHERE address = ?1 RETURNING cause, since")?
        .query_row([address.as_str()], |row| Ok((rows::word(row, 0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((SuppressionCause::Unsubscribed, since)) = deleted else { return Ok(()) };
    connection
        .prepare_cached("INSERT OR IGNORE INTO settings (name, value) VALUES ('erasure_key', randomblob(32))")?
        .execute([])?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO erased_suppressions (mark, since) VALUES (?1, ?2)")?
        .execute((erasure_key(connection)?.mark(address), since))?;
    Ok(())
}

/// Hears of an address that somebody registers with. If an erased customer had unsubscribed it, it is suppressed again.
pub(super) fn recall(connection: &Connection, address: &EmailAddress) -> Result<(), StoreError> {
    if !recalls_any(connection)? {
        return Ok(());
    }
    let found: Option<i64> = connection
        .prepare_cached("DELETE FROM erased_suppressions WHERE mark = ?1 RETURNING since")?
        .query_row([erasure_key(connection)?.mark(address)], |row| row.get(0))
        .optional()?;
    if let Some(since) = found {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO suppressions (address, cause, why, since) VALUES (?1, 'unsubscribed', ?2, ?3)",
            )?
            .execute((address.as_str(), UNSUBSCRIBED, since))?;
    }
    Ok(())
}

/// Whether [`recall`] would do anything for any address.
pub(super) fn recalls_any(connection: &Connection) -> Result<bool, StoreError> {
    let any = "SELECT EXISTS (SELECT 1 FROM erased_suppressions WHERE mark > x'')";
    Ok(connection.prepare_cached(any)?.query_row([], |row| row.get(0))?)
}

fn erasure_key(connection: &Connection) -> Result<ErasureKey, StoreError> {
    let sql = "SELECT value FROM settings WHERE name = 'erasure_key'";
    Ok(ErasureKey::new(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}

/// The customer's address and whether mail goes to it; `None` when they have none.
fn found(connection: &Connection, user: UserId) -> Result<Option<(EmailAddress, Subscription)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT email, language, phone, phone_e164,
                    (SELECT cause FROM suppressions WHERE address = users.email)
               FROM users WHERE id = ?1 AND email IS NOT NULL",
        )?
        .query_row([&user.as_bytes()[..]], |row| {
            let phone = row.get::<_, Option<String>>(2)?;
            let phone = phone.map(|raw| row.get(3).map(|e164| Phone { raw, e164 })).transpose()?;
            let told: String = row.get(1)?;
            let cause = rows::optional_word::<SuppressionCause>(row, 4)?;
            let subscription = Subscription {
                language: language_of(&told, phone.as_ref()).to_owned(),
                subscribed: cause != Some(SuppressionCause::Unsubscribed),
            };
            Ok((rows::email_address(row, 0)?, subscription))
        })
        .optional()?;
    Ok(found)
}
