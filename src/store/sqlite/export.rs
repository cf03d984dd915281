//! Reads everything that is kept about one customer.

use rusqlite::{Connection, Row};

use super::erase::{Marks, entries};
use super::reads::{self, Readers};
use super::{StoreError, requests, rows, suppressions, users};
use crate::domain::{Clues, Request, Timestamp, UserId};
use crate::store::{ExportedRequest, MessageHistory, UserExport, UserTimeline};

/// As in the trait. The inbox is looked through after the rest, some at a time.
pub(super) async fn export(readers: &Readers, id: UserId) -> Result<Option<UserExport>, StoreError> {
    let Some(mut export) = readers.read(move |connection| user(connection, id)).await? else { return Ok(None) };
    let (marks, mut before) = (Marks::of(&export.user), None);
    loop {
        let marks = marks.clone();
        let (bite, next) = readers.read(move |connection| entries(connection, &marks, before)).await?;
        export.inbox.extend(bite);
        before = next;
        if before.is_none() {
            return Ok(Some(export));
        }
    }
}

/// What is kept about the customer, as of one moment, but for the inbox.
fn user(connection: &Connection, id: UserId) -> Result<Option<UserExport>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(timeline) = users::user(&snapshot, id)? else { return Ok(None) };
    let UserTimeline { user, opened_at, touches, requests, messages } = timeline;
    let kept = "SELECT erased_at, welcomed_at, bounced,
                       (SELECT clues FROM origins WHERE id = first_origin),
                       (SELECT clues FROM origins WHERE id = last_origin)
                  FROM users WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((moment(row, 0)?, moment(row, 1)?, row.get(2)?, credited(row, 3)?));
    let (erased_at, welcomed_at, bounced, credited) =
        snapshot.prepare_cached(kept)?.query_row([&id.as_bytes()[..]], read)?;
    let suppression = user.email.as_ref().map(|address| suppressions::of(&snapshot, address)).transpose()?.flatten();
    let requests = requests.into_iter().map(|found| request(&snapshot, found)).collect::<Result<_, _>>()?;
    let mut histories: Vec<MessageHistory> = Vec::with_capacity(messages.len());
    for message in messages {
        histories.extend(reads::message(&snapshot, message.id)?);
    }
    Ok(Some(UserExport {
        user,
        erased_at,
        welcomed_at,
        bounced,
        opened_at,
        credited,
        touches,
        requests,
        messages: histories,
        suppression,
        inbox: Vec::new(),
    }))
}

fn request(connection: &Connection, request: Request) -> Result<ExportedRequest, StoreError> {
    let key = &request.id.as_bytes()[..];
    let kept = "SELECT idempotency_key, seen_at, delivered_at,
                       (SELECT clues FROM origins WHERE id = first_origin),
                       (SELECT clues FROM origins WHERE id = last_origin)
                  FROM requests WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, rows::time(row, 1)?, moment(row, 2)?, credited(row, 3)?));
    let (idempotency_key, seen_at, delivered_at, credited) = connection.prepare_cached(kept)?.query_row([key], read)?;
    let (changes, edits) = (requests::changes(connection, key)?, requests::edits(connection, key)?);
    Ok(ExportedRequest { request, idempotency_key, seen_at, delivered_at, credited, changes, edits })
}

fn moment(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
}

/// Two columns: the clues by first and by last touch.
fn credited(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<(Clues, Clues)>> {
    if row.get_ref(index)?.as_str_or_null()?.is_none() {
        return Ok(None);
    }
    Ok(Some((rows::json(row, index)?, rows::json(row, index + 1)?)))
}
