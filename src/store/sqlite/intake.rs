//! The webhooks' transactions: a registration, a request, and what nobody could read.

use rusqlite::{Connection, OptionalExtension, named_params};

use super::known::{Known, find, insert_user, update_user};
use super::{ledger, rows};
use crate::domain::{
    ChannelAddress, Context, NewMessage, NewRequest, NewUser, REPEAT_WINDOW, Request, RequestId, RequestState,
    Timestamp, User, UserId,
};
use crate::store::{InboxEntry, Registered, Registration, StoreError, Submission, Submitted};

pub(super) fn register_user(
    connection: &Connection,
    registration: &Registration,
    now: Timestamp,
) -> Result<Registered, StoreError> {
    let repeated = match &registration.trace {
        Some(trace) => seen_before(connection, trace, now)?,
        None => false,
    };
    let new = &registration.user;
    let found = find(connection, &new.contact)?;
    let is_new = found.is_none();
    let mut known = found.unwrap_or_else(|| Known::first_seen(new, now)).merged(new);
    known.credit(connection, new, is_new || !repeated)?;
    let created = known.user.registered_at.is_none();
    if created {
        known.user.registered_at = Some(now);
        known.credit.registered = known.credit.last;
        ledger::registered(connection, now)?;
    }
    let is_reached = |context: &Context| registration.reached_at.iter().any(|field| context.address(*field).is_some());
    let welcome = registration
        .welcome
        .as_ref()
        .filter(|_| !known.welcomed)
        .map(|welcome| (welcome, Context::of_user(&known.user).in_chat_of(&new.origin)))
        .filter(|(_, context)| is_reached(context));
    known.welcomed |= welcome.is_some();
    // Everything is decided before the row is written, so that a new customer costs one write and not three.
    if is_new {
        insert_user(connection, &known)?;
    } else {
        if known.changed || created || welcome.is_some() {
            update_user(connection, &known)?;
        }
        if !repeated {
            keep_touch(connection, &known.user, new, now)?;
        }
    }
    let user = known.user;
    if let Some((welcome, context)) = &welcome {
        enqueue(connection, welcome, Some(user.id), None, context, now)?;
    }
    Ok(Registered { user, created, welcome_due: welcome.map(|(welcome, _)| welcome.due_at) })
}

pub(super) fn submit_request(
    connection: &Connection,
    submission: &Submission,
    now: Timestamp,
) -> Result<Submitted, StoreError> {
    let request = &submission.request;
    let repeated = find_repeated(connection, request, now)?;
    let known = match &submission.user {
        Some(new) => Some(remember(connection, new, repeated.is_none(), now)?),
        None => None,
    };
    let credit = known.as_ref().map(|known| known.credit).unwrap_or_default();
    let user = known.map(|known| known.user);
    if let Some(request_id) = repeated {
        connection
            .prepare_cached("UPDATE requests SET seen_at = ?2 WHERE id = ?1")?
            .execute((&request_id.as_bytes()[..], now.as_millis()))?;
        return Ok(Submitted { request_id, user, duplicate: true });
    }
    let request = Request {
        id: request.id,
        user_id: user.as_ref().map(|user| user.id),
        topic: request.topic.clone(),
        topic_unknown: request.topic_unknown,
        question: request.question.clone(),
        origin: request.origin.clone(),
        created_at: now,
        state: RequestState::New,
        note: String::new(),
        assignee: String::new(),
    };
    let phone = user.as_ref().and_then(|user| user.phone.as_ref());
    let credited = credit.of_request(connection, &request.origin, phone)?;
    insert_request(connection, &request, &submission.request, credited)?;
    ledger::requested(connection, now)?;
    if let Some(user_id) = request.user_id {
        tell_in_welcome(connection, user_id, &request)?;
    }
    let context = Context::of_request(user.as_ref(), &request);
    for message in &submission.messages {
        enqueue(connection, message, request.user_id, Some(request.id), &context, now)?;
    }
    Ok(Submitted { request_id: request.id, user, duplicate: false })
}

/// Lets the welcome that is still to be sent say that the request has arrived: one mail for both. What was claimed once
/// may have been sent, and stays as it is: every attempt sends the same.
fn tell_in_welcome(connection: &Connection, user_id: UserId, request: &Request) -> Result<(), StoreError> {
    // One that is damaged says so itself when its time comes; the question must not suffer for it.
    let waiting: Option<([u8; 16], Option<Context>)> = connection
        .prepare_cached(
            "SELECT id, context FROM messages
              WHERE user_id = ?1 AND purpose = 'welcome' AND state = 'pending' AND lease_epoch = 0",
        )?
        .query_row([&user_id.as_bytes()[..]], |row| Ok((row.get(0)?, rows::json(row, 1).ok())))
        .optional()?;
    let Some((id, Some(context))) = waiting else { return Ok(()) };
    connection
        .prepare_cached("UPDATE messages SET context = ?2 WHERE id = ?1")?
        .execute((&id[..], rows::to_json(&context.with_request(request))?))?;
    Ok(())
}

pub(super) fn keep_unreadable(connection: &Connection, entry: &InboxEntry) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO inbox (id, received_at, request_line, headers, body, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            &entry.id.as_bytes()[..],
            entry.received_at.as_millis(),
            &entry.request_line,
            &entry.headers,
            &entry.body,
            &entry.why,
        ))?;
    Ok(())
}

/// Puts a message into the outbox.
pub(super) fn enqueue(
    connection: &Connection,
    message: &NewMessage,
    user_id: Option<UserId>,
    request_id: Option<RequestId>,
    context: &Context,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO messages (id, user_id, request_id, channel, fallback, purpose, state, created_at, due_at, first_due_at,
                                   context)
             VALUES (:id, :user_id, :request_id, :channel, :fallback, :purpose, 'pending', :created_at, :due_at, :due_at,
                     :context)",
        )?
        .execute(named_params! {
            ":id": &message.id.as_bytes()[..],
            ":user_id": user_id.as_ref().map(|id| &id.as_bytes()[..]),
            ":request_id": request_id.as_ref().map(|id| &id.as_bytes()[..]),
            ":channel": message.channel.as_str(),
            ":fallback": message.fallback.as_ref().map(ChannelAddress::as_str),
            ":purpose": message.purpose.as_str(),
            ":created_at": now.as_millis(),
            ":due_at": message.due_at.as_millis(),
            ":context": rows::to_json(context)?,
        })?;
    Ok(())
}

/// The user who asks for help: found again or made, with this visit kept as a touch.
fn remember(connection: &Connection, new: &NewUser, touch: bool, now: Timestamp) -> Result<Known, StoreError> {
    let Some(known) = find(connection, &new.contact)? else {
        let mut known = Known::first_seen(new, now);
        known.credit(connection, new, true)?;
        insert_user(connection, &known)?;
        return Ok(known);
    };
    let mut known = known.merged(new);
    known.credit(connection, new, touch)?;
    if known.changed {
        update_user(connection, &known)?;
    }
    if touch {
        keep_touch(connection, &known.user, new, now)?;
    }
    Ok(known)
}

fn keep_touch(connection: &Connection, user: &User, new: &NewUser, now: Timestamp) -> Result<(), StoreError> {
    let (origin, source) = rows::origin_columns(&new.origin)?;
    connection
        .prepare_cached("INSERT INTO touches (user_id, at, origin, source) VALUES (?1, ?2, ?3, ?4)")?
        .execute((&user.id.as_bytes()[..], now.as_millis(), origin, source))?;
    Ok(())
}

/// The earlier request that this one repeats.
fn find_repeated(
    connection: &Connection,
    request: &NewRequest,
    now: Timestamp,
) -> Result<Option<RequestId>, StoreError> {
    let fingerprint = &request.fingerprint.as_bytes()[..];
    if let Some(key) = &request.idempotency_key {
        let earlier: Option<([u8; 16], Vec<u8>)> = connection
            .prepare_cached("SELECT id, fingerprint FROM requests WHERE idempotency_key = ?1")?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        return match earlier {
            Some((_, earlier)) if earlier != fingerprint => Err(StoreError::KeyReused),
            Some((id, _)) => Ok(Some(RequestId::from_bytes(id))),
            None => Ok(None),
        };
    }
    let earlier: Option<[u8; 16]> = connection
        .prepare_cached(
            "SELECT id FROM requests WHERE fingerprint = ?1 AND seen_at > ?2 ORDER BY seen_at DESC LIMIT 1",
        )?
        .query_row((fingerprint, now.before(REPEAT_WINDOW).as_millis()), |row| row.get(0))
        .optional()?;
    Ok(earlier.map(RequestId::from_bytes))
}

fn insert_request(
    connection: &Connection,
    request: &Request,
    new: &NewRequest,
    (first_origin, last_origin): (i64, i64),
) -> Result<(), StoreError> {
    let (origin, source) = rows::origin_columns(&request.origin)?;
    connection
        .prepare_cached(
            "INSERT INTO requests (id, user_id, topic, topic_key, topic_unknown, question, origin, source, idempotency_key,
                                   fingerprint, created_at, seen_at, first_origin, last_origin)
             VALUES (:id, :user_id, :topic, :topic_key, :topic_unknown, :question, :origin, :source, :idempotency_key,
                     :fingerprint, :now, :now, :first_origin, :last_origin)",
        )?
        .execute(named_params! {
            ":id": &request.id.as_bytes()[..],
            ":user_id": request.user_id.as_ref().map(|id| &id.as_bytes()[..]),
            ":topic": request.topic.as_str(),
            ":topic_key": request.topic.key().as_str(),
            ":topic_unknown": request.topic_unknown,
            ":question": request.question,
            ":origin": origin,
            ":source": source,
            ":idempotency_key": new.idempotency_key,
            ":fingerprint": &new.fingerprint.as_bytes()[..],
            ":now": request.created_at.as_millis(),
            ":first_origin": first_origin,
            ":last_origin": last_origin,
        })?;
    Ok(())
}

/// Remembers Landbot's mark of a delivery; says whether it had come before.
fn seen_before(connection: &Connection, trace: &str, now: Timestamp) -> Result<bool, StoreError> {
    let inserted = connection
        .prepare_cached("INSERT INTO traces (trace, seen_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((trace, now.as_millis()))?;
    Ok(inserted == 0)
}
