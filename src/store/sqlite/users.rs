//! Users: lists of them, and one with everything that happened to them.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::query::{Query, are_few};
use super::{ledger, rows};
use crate::domain::{CreditedTouch, Timestamp, User, UserId};
use crate::store::{OriginFilter, Page, StoreError, UserFilter, UserTimeline};

pub(super) fn users(connection: &Connection, filter: &UserFilter, page: Page<UserId>) -> Result<Vec<User>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM users", rows::USER));
    let by_index = match &filter.origin {
        Some(origin) => credited_to(&mut query, connection, origin)?,
        None => false,
    };
    if let Some(search) = &filter.search {
        let anywhere = format!("%{}%", like(search));
        query.and("(name LIKE ? ESCAPE '\\' OR email LIKE ? ESCAPE '\\' OR phone LIKE ? ESCAPE '\\' OR phone_e164 LIKE ? ESCAPE '\\')", [
            anywhere.clone(),
            format!("{}%", like(search)),
            anywhere.clone(),
            anywhere,
        ]);
    }
    if filter.registered.is_always() {
        if let Some(before) = page.before {
            query.and("id < ?", [before.as_bytes().to_vec()]);
        }
        return query.newest_first(connection, page.limit, rows::user);
    }
    // Who asked first and registered later is older than their registration.
    if let Some(from) = filter.registered.from {
        let condition = if by_index { "+registered_at >= ?" } else { "registered_at >= ?" };
        query.and(condition, [from.as_millis()]);
    }
    if let Some(to) = filter.registered.to {
        query.and(if by_index { "+registered_at < ?" } else { "registered_at < ?" }, [to.as_millis()]);
    }
    if let Some(before) = page.before {
        let at = registered_at(connection, before)?;
        query.and(if by_index { "+registered_at <= ?" } else { "registered_at <= ?" }, [at]);
        query.and("(registered_at < ? OR id < ?)", [Value::from(at), Value::from(before.as_bytes().to_vec())]);
    }
    query.ordered(connection, " ORDER BY registered_at DESC, id DESC LIMIT ?", page.limit, rows::user)
}

/// Only those whom these origins are credited with. Says whether they are so few that their index finds them.
fn credited_to(query: &mut Query, connection: &Connection, origin: &OriginFilter) -> Result<bool, StoreError> {
    let ids = ledger::matching(connection, origin)?;
    let (count, by_index, by_walk) = match origin.touch {
        CreditedTouch::First => (
            "SELECT count(*) FROM (SELECT 1 FROM users WHERE first_origin IN (SELECT value FROM json_each(?)) LIMIT ?)",
            "first_origin IN (SELECT value FROM json_each(?))",
            "+first_origin IN (SELECT value FROM json_each(?))",
        ),
        // The ledger credits a registration with what was the last touch then.
        CreditedTouch::Last => (
            "SELECT count(*) FROM (SELECT 1 FROM users
              WHERE coalesce(registered_origin, last_origin) IN (SELECT value FROM json_each(?)) LIMIT ?)",
            "coalesce(registered_origin, last_origin) IN (SELECT value FROM json_each(?))",
            "+coalesce(registered_origin, last_origin) IN (SELECT value FROM json_each(?))",
        ),
    };
    let few = are_few(connection, count, &[&ids])?;
    query.and(if few { by_index } else { by_walk }, [ids]);
    Ok(few)
}

/// When the user registered; of one who is gone, when they were first heard of.
fn registered_at(connection: &Connection, id: UserId) -> Result<i64, StoreError> {
    let found: Option<Option<i64>> = connection
        .prepare_cached("SELECT registered_at FROM users WHERE id = ?1")?
        .query_row([&id.as_bytes()[..]], |row| row.get(0))
        .optional()?;
    Ok(found.flatten().unwrap_or_else(|| rows::made_at(id.as_bytes()).as_millis()))
}

pub(super) fn user(connection: &Connection, id: UserId) -> Result<Option<UserTimeline>, StoreError> {
    let key = &id.as_bytes()[..];
    let Some(user) = find(connection, id)? else { return Ok(None) };
    let requests = format!("SELECT {} FROM requests WHERE user_id = ?1 ORDER BY id", rows::REQUEST);
    let messages = format!("SELECT {} FROM messages WHERE user_id = ?1 ORDER BY id", rows::MESSAGE);
    let touches = "SELECT at, origin FROM touches WHERE user_id = ?1 ORDER BY at";
    let opened_at = "SELECT opened_at FROM users WHERE id = ?1";
    let opened_at: Option<i64> = connection.prepare_cached(opened_at)?.query_row([key], |row| row.get(0))?;
    Ok(Some(UserTimeline {
        user,
        opened_at: opened_at.map(Timestamp::from_millis),
        touches: rows::collect(connection, touches, [key], rows::touch)?,
        requests: rows::collect(connection, &requests, [key], rows::request)?,
        messages: rows::collect(connection, &messages, [key], rows::message)?,
    }))
}

/// The user with this id.
pub(super) fn find(connection: &Connection, id: UserId) -> Result<Option<User>, StoreError> {
    let sql = format!("SELECT {} FROM users WHERE id = ?1", rows::USER);
    Ok(connection.prepare_cached(&sql)?.query_row([&id.as_bytes()[..]], rows::user).optional()?)
}

/// The text with LIKE's own signs taken literally.
fn like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
