//! What the ledger notes in the same transactions in which things happen.
//!
//! Users and requests are kept for good, messages are not: so each user knows the origins that are credited with them,
//! what became of their welcome, and when they opened the chat by its link; each request the same and when it first
//! arrived. Whoever changes one of these tells [`days`], which keeps whole days packed.

use rusqlite::{Connection, OptionalExtension, Row};

use super::{StoreError, rows};
use crate::domain::{
    Clues, MessageId, Origin, Phone, Purpose, RequestChange, RequestId, RequestState, Timestamp, UserId,
};

mod answer;
mod arrears;
mod days;
mod memo;
mod origins;
mod packed;
mod reasons;
mod tally;

pub(super) use answer::answer;
pub(super) use arrears::{catch_up, count_all_of, count_user, is_complete};
pub(super) use days::{Kind, fill, first_unpacked, pack, reserve};
pub(super) use memo::Memo;
pub(super) use origins::matching;
pub(super) use reasons::reasons;

/// The columns that [`credit`] reads, in order.
pub(super) const CREDIT: &str = "first_origin, last_origin, registered_origin";

/// The origins that are credited with a user, as ids of `origins`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Credit {
    /// `None`: not counted yet.
    pub(super) first: Option<i64>,
    /// The last touch that told a source, else the first.
    pub(super) last: Option<i64>,
    /// The same as of the registration; `None`: has not registered.
    pub(super) registered: Option<i64>,
}

/// Columns: [`CREDIT`], from `index` on.
pub(super) fn credit(row: &Row<'_>, index: usize) -> rusqlite::Result<Credit> {
    Ok(Credit { first: row.get(index)?, last: row.get(index + 1)?, registered: row.get(index + 2)? })
}

impl Credit {
    /// With one more visit. Says whether that changed anything.
    pub(super) fn visit(
        &mut self,
        connection: &Connection,
        origin: &Origin,
        phone: Option<&Phone>,
    ) -> Result<bool, StoreError> {
        let clues = Clues::of(origin, phone);
        if self.first.is_some() && !clues.tell_a_source() {
            return Ok(false);
        }
        let (before, id) = (*self, origin_id(connection, &clues)?);
        self.first.get_or_insert(id);
        self.last = Some(id);
        Ok(*self != before)
    }

    /// The first and the last touch of a request with this origin.
    pub(super) fn of_request(
        self,
        connection: &Connection,
        origin: &Origin,
        phone: Option<&Phone>,
    ) -> Result<(i64, i64), StoreError> {
        let clues = Clues::of(origin, phone);
        if let Some(last) = self.last.filter(|_| !clues.tell_a_source()) {
            return Ok((self.first.unwrap_or(last), last));
        }
        let own = origin_id(connection, &clues)?;
        Ok((self.first.unwrap_or(own), own))
    }
}

/// The row of `origins` with these clues.
fn origin_id(connection: &Connection, clues: &Clues) -> Result<i64, StoreError> {
    origin_of(connection, &rows::to_json(clues)?)
}

/// The same of clues that are JSON.
fn origin_of(connection: &Connection, clues: &str) -> Result<i64, StoreError> {
    let known = connection
        .prepare_cached("SELECT id FROM origins WHERE clues = ?1")?
        .query_row([clues], |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => Ok(connection
            .prepare_cached("INSERT INTO origins (clues) VALUES (?1) RETURNING id")?
            .query_row([clues], |row| row.get(0))?),
    }
}

/// A customer registered at that moment.
pub(super) fn registered(connection: &Connection, at: Timestamp) -> Result<(), StoreError> {
    days::changed(connection, Kind::Registrations, at)
}

/// A request came at that moment.
pub(super) fn requested(connection: &Connection, at: Timestamp) -> Result<(), StoreError> {
    days::changed(connection, Kind::Requests, at)
}

/// The request came to another state: who answers at once has acknowledged it, too; who closes it has not.
pub(super) fn reacted(connection: &Connection, id: RequestId, change: &RequestChange) -> Result<(), StoreError> {
    let is_answer = match change.state {
        RequestState::Acknowledged => false,
        RequestState::Answered => true,
        RequestState::New | RequestState::Closed => return Ok(()),
    };
    let created = connection
        .prepare_cached(
            "UPDATE requests SET acknowledged_at = coalesce(acknowledged_at, ?2),
                                 answered_at = CASE WHEN ?3 THEN ?2 ELSE answered_at END
              WHERE id = ?1 RETURNING created_at",
        )?
        .query_row((&id.as_bytes()[..], change.at.as_millis(), is_answer), |row| rows::time(row, 0))
        .optional()?;
    created.map_or(Ok(()), |created| requested(connection, created))
}

/// A message was delivered.
pub(super) fn delivered(connection: &Connection, id: MessageId, at: Timestamp) -> Result<(), StoreError> {
    let Some((purpose, user, request)) = about(connection, id)? else { return Ok(()) };
    match (purpose, user, request) {
        (Purpose::Welcome, Some(user), _) => welcome(connection, user, Some(at), false),
        (Purpose::Request, _, Some(request)) => {
            let created = connection
                .prepare_cached(
                    "UPDATE requests SET delivered_at = ?2
                      WHERE id = ?1 AND (delivered_at IS NULL OR delivered_at > ?2) RETURNING created_at",
                )?
                .query_row((&request.as_bytes()[..], at.as_millis()), |row| rows::time(row, 0))
                .optional()?;
            created.map_or(Ok(()), |created| requested(connection, created))
        }
        _ => Ok(()),
    }
}

/// A message was given up because of its recipient, or, with `false`, is tried again after all. Of one that was not sent
/// because its customer wants no mail, nothing bounced.
pub(super) fn bounced(connection: &Connection, id: MessageId, bounced: bool) -> Result<(), StoreError> {
    let unwanted =
        "SELECT EXISTS (SELECT 1 FROM messages JOIN suppressions ON address = json_extract(context, '$.email')
                                    WHERE id = ?1 AND cause = 'unsubscribed')";
    if bounced && connection.prepare_cached(unwanted)?.query_row([&id.as_bytes()[..]], |row| row.get(0))? {
        return Ok(());
    }
    match about(connection, id)? {
        Some((Purpose::Welcome, Some(user), _)) => welcome(connection, user, None, bounced),
        _ => Ok(()),
    }
}

fn welcome(
    connection: &Connection,
    user: UserId,
    delivered: Option<Timestamp>,
    bounced: bool,
) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE users SET welcomed_at = coalesce(?2, welcomed_at), bounced = ?3
              WHERE id = ?1 AND (?2 IS NOT NULL OR bounced <> ?3) RETURNING registered_at",
        )?
        .query_row((&user.as_bytes()[..], delivered.map(Timestamp::as_millis), bounced), |row| {
            row.get::<_, Option<_>>(0)
        })
        .optional()?;
    changed.flatten().map_or(Ok(()), |at| registered(connection, Timestamp::from_millis(at)))
}

/// The customer opened the chat by the link in their welcome. Says whether that was the first time.
pub(super) fn opened(connection: &Connection, user: UserId, at: Timestamp) -> Result<bool, StoreError> {
    let first = connection
        .prepare_cached(
            "UPDATE users SET opened_at = ?2
              WHERE id = ?1 AND opened_at IS NULL AND registered_at IS NOT NULL AND erased_at IS NULL
             RETURNING registered_at",
        )?
        .query_row((&user.as_bytes()[..], at.as_millis()), |row| rows::time(row, 0))
        .optional()?;
    first.map_or(Ok(()), |at| registered(connection, at))?;
    Ok(first.is_some())
}

type AboutMessage = (Purpose, Option<UserId>, Option<RequestId>);

fn about(connection: &Connection, id: MessageId) -> Result<Option<AboutMessage>, StoreError> {
    let found = connection
        .prepare_cached("SELECT purpose, user_id, request_id FROM messages WHERE id = ?1")?
        .query_row([&id.as_bytes()[..]], |row| {
            let (user, request) = (row.get::<_, Option<_>>(1)?, row.get::<_, Option<_>>(2)?);
            Ok((rows::word(row, 0)?, user.map(UserId::from_bytes), request.map(RequestId::from_bytes)))
        });
    Ok(found.optional()?)
}
