//! From columns to domain values.

use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use serde::de::DeserializeOwned;

#[cfg(test)]
use crate::domain::Purpose;
use crate::domain::{
    Attempt, EmailAddress, InboxId, Message, MessageId, Origin, Phone, Request, RequestChange, RequestEdit, RequestId,
    Timestamp, Topic, User, UserId,
};
use crate::store::{InboxEntry, RoutedRequest, StoreError, Touch, UserTouch};

/// The columns that [`user`] reads, in order.
pub(super) const USER: &str =
    "id, name, email, phone, phone_e164, landbot_customer_id, language, origin, created_at, registered_at";

/// The columns that [`message`] reads, in order.
pub(super) const MESSAGE: &str = "id, user_id, request_id, channel, purpose, state, created_at, due_at, finished_at, \
                                  attempts, reference, last_error, context, handed_over_from";

/// The columns that [`request`] reads, in order.
pub(super) const REQUEST: &str =
    "id, user_id, topic, topic_unknown, question, origin, created_at, state, note, assignee";

/// The columns that [`routed_request`] reads, in order, of requests and their users.
pub(super) const ROUTED_REQUEST: &str = "requests.id AS id, requests.created_at, topic, requests.origin, phone, phone_e164, \
    coalesce(language, ''), (SELECT json_group_array(coalesce(handed_over_from, channel)) FROM messages \
                              WHERE request_id = requests.id AND purpose = 'request')";

/// The columns that [`inbox_entry`] reads, in order.
pub(super) const INBOX: &str = "id, received_at, request_line, headers, body, why";

pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let phone: Option<String> = row.get(3)?;
    let e164 = row.get(4)?;
    Ok(User {
        id: UserId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        email: row.get::<_, Option<String>>(2)?.map(|text| parse(2, EmailAddress::parse(&text))).transpose()?,
        phone: phone.map(|raw| Phone { raw, e164 }),
        landbot_customer_id: row.get(5)?,
        language: row.get(6)?,
        origin: json(row, 7)?,
        created_at: time(row, 8)?,
        registered_at: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
    })
}

pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: MessageId::from_bytes(row.get(0)?),
        user_id: row.get::<_, Option<_>>(1)?.map(UserId::from_bytes),
        request_id: row.get::<_, Option<_>>(2)?.map(RequestId::from_bytes),
        channel: word(row, 3)?,
        handed_over_from: optional_word(row, 13)?,
        purpose: word(row, 4)?,
        state: word(row, 5)?,
        created_at: time(row, 6)?,
        due_at: time(row, 7)?,
        finished_at: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_millis),
        attempts: row.get(9)?,
        reference: row.get(10)?,
        last_error: row.get(11)?,
        // One damaged message must not hide all others from an operator. It says itself that it is damaged.
        context: json(row, 12).unwrap_or_default(),
    })
}

pub(super) fn request(row: &Row<'_>) -> rusqlite::Result<Request> {
    Ok(Request {
        id: RequestId::from_bytes(row.get(0)?),
        user_id: row.get::<_, Option<_>>(1)?.map(UserId::from_bytes),
        topic: Topic::new(&row.get::<_, String>(2)?),
        topic_unknown: row.get(3)?,
        question: row.get(4)?,
        origin: json(row, 5)?,
        created_at: time(row, 6)?,
        state: word(row, 7)?,
        note: row.get(8)?,
        assignee: row.get(9)?,
    })
}

/// Columns: at, state, by, note.
pub(super) fn request_change(row: &Row<'_>) -> rusqlite::Result<RequestChange> {
    Ok(RequestChange { at: time(row, 0)?, state: word(row, 1)?, by: row.get(2)?, note: row.get(3)? })
}

/// Columns: at, field, value, by.
pub(super) fn request_edit(row: &Row<'_>) -> rusqlite::Result<RequestEdit> {
    Ok(RequestEdit { at: time(row, 0)?, field: word(row, 1)?, value: row.get(2)?, by: row.get(3)? })
}

/// Columns: at, origin.
pub(super) fn touch(row: &Row<'_>) -> rusqlite::Result<Touch> {
    Ok(Touch { at: time(row, 0)?, origin: json(row, 1)? })
}

/// Columns: at, origin, rowid, `user_id`.
pub(super) fn user_touch(row: &Row<'_>) -> rusqlite::Result<UserTouch> {
    Ok(UserTouch { touch: touch(row)?, number: row.get(2)?, user_id: UserId::from_bytes(row.get(3)?) })
}

/// Columns: epoch, `started_at`, `duration_ms`, outcome, scope, error, channel.
pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        epoch: row.get(0)?,
        channel: word(row, 6)?,
        started_at: time(row, 1)?,
        duration_ms: row.get(2)?,
        outcome: row.get(3)?,
        scope: row.get(4)?,
        error: row.get(5)?,
    })
}

pub(super) fn routed_request(row: &Row<'_>) -> rusqlite::Result<RoutedRequest> {
    let phone: Option<String> = row.get(4)?;
    let e164 = row.get(5)?;
    Ok(RoutedRequest {
        id: RequestId::from_bytes(row.get(0)?),
        created_at: time(row, 1)?,
        topic: Topic::new(&row.get::<_, String>(2)?),
        origin: json(row, 3)?,
        phone: phone.map(|raw| Phone { raw, e164 }),
        language: row.get(6)?,
        channels: json(row, 7)?,
    })
}

pub(super) fn inbox_entry(row: &Row<'_>) -> rusqlite::Result<InboxEntry> {
    Ok(InboxEntry {
        id: InboxId::from_bytes(row.get(0)?),
        received_at: time(row, 1)?,
        request_line: row.get(2)?,
        headers: row.get(3)?,
        body: row.get(4)?,
        why: row.get(5)?,
    })
}

/// A mail address.
pub(super) fn email_address(row: &Row<'_>, index: usize) -> rusqlite::Result<EmailAddress> {
    parse(index, EmailAddress::parse(row.get_ref(index)?.as_str()?))
}

/// A moment.
pub(super) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp::from_millis)
}

/// Less than every id that was made at `moment` or later: a UUIDv7 begins with 48 bits of milliseconds.
pub(super) fn first_id(moment: Timestamp) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&moment.as_millis().max(0).to_be_bytes()[2..]);
    id
}

/// When an id was made.
pub(super) fn made_at(id: &[u8; 16]) -> Timestamp {
    Timestamp::from_millis(id[..6].iter().fold(0, |millis, byte| (millis << 8) | i64::from(*byte)))
}

/// A value that has a text form.
pub(super) fn word<T: std::str::FromStr>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    parse(index, row.get_ref(index)?.as_str()?.parse())
}

/// A value that has a text form, or none.
pub(super) fn optional_word<T: std::str::FromStr>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get_ref(index)?.as_str_or_null()?.map(|text| parse(index, text.parse())).transpose()
}

/// A value kept as JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    parse(index, serde_json::from_str(row.get_ref(index)?.as_str()?))
}

/// A value as JSON text.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// An origin's two columns.
pub(super) fn origin_columns(origin: &Origin) -> rusqlite::Result<(String, String)> {
    Ok((to_json(origin)?, origin.source()))
}

/// Every row of a query.
pub(super) fn collect<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(connection.prepare_cached(sql)?.query_map(parameters, read)?.collect::<rusqlite::Result<Vec<T>>>()?)
}

/// Whether a row was found and is not what it should be; else the database itself failed.
pub(super) const fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..))
}

fn parse<T, E: std::error::Error + Send + Sync + 'static>(index: usize, result: Result<T, E>) -> rusqlite::Result<T> {
    result.map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

/// The purposes that `which` holds for, as a list in SQL: what the statements write out is held against it.
#[cfg(test)]
pub(super) fn purposes(which: fn(Purpose) -> bool) -> String {
    let all = Purpose::ALL.iter().filter(|purpose| which(**purpose)).map(|purpose| format!("'{purpose}'"));
    format!("({})", all.collect::<Vec<_>>().join(", "))
}
