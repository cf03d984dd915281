//! The outbox's transactions: claim, settle, and what operators do to a message.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{follow_ups, ledger, rows, suppressions};
use crate::domain::{
    About, BootId, ChannelAddress, Claim, MessageId, RequestId, SUSPECT_AFTER, Scope, Settlement, State, Timestamp,
    Transition, UserId,
};
use crate::store::{Changed, Claimed, StoreError};

/// The claim, with what decides which messages it may take.
macro_rules! claim_sql {
    ($which:literal) => {
        concat!(
            "UPDATE messages SET state = 'sending', lease_epoch = lease_epoch + 1, boot = :boot
              WHERE rowid IN (SELECT rowid FROM messages
                               WHERE state = 'pending' AND ",
            $which,
            " AND channel = :channel AND due_at <= :now
                               ORDER BY due_at LIMIT :limit)
             RETURNING id, lease_epoch, attempts, purpose, created_at, due_at, first_due_at, context, fallback,
                       handed_over_from IS NOT NULL, user_id, request_id"
        )
    };
}

/// The first channel after another, and its earliest due time.
macro_rules! next_due_sql {
    ($suspicion:literal) => {
        concat!(
            "SELECT channel, due_at FROM messages WHERE state = 'pending' AND ",
            $suspicion,
            " AND channel > ?1 ORDER BY channel, due_at LIMIT 1"
        )
    };
}

/// Which pending messages a claim takes. The numbers are those of the indexes, and of [`SUSPECT_AFTER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Ordinary,
    Suspect,
}

const _: () = assert!(SUSPECT_AFTER == 3, "the statements and the indexes say 3");

const CLAIM_ORDINARY: &str = claim_sql!("crashes < 3");
const CLAIM_SUSPECT: &str = claim_sql!("crashes >= 3");

pub(super) fn claim_due(
    connection: &Connection,
    channel: &ChannelAddress,
    which: Which,
    boot: BootId,
    limit: usize,
    now: Timestamp,
) -> Result<Claimed, StoreError> {
    let mut claims = Vec::with_capacity(limit);
    let mut damaged = Vec::new();
    {
        let claim_sql = if which == Which::Ordinary { CLAIM_ORDINARY } else { CLAIM_SUSPECT };
        let mut statement = connection.prepare_cached(claim_sql)?;
        let mut found = statement.query(named_params! {
            ":boot": &boot.as_bytes()[..],
            ":channel": channel.as_str(),
            ":now": now.as_millis(),
            ":limit": i64::try_from(limit).unwrap_or(i64::MAX),
        })?;
        while let Some(row) = found.next()? {
            match claim(row) {
                Ok(claim) => claims.push(claim),
                Err(error) => damaged.push((row.get(0)?, error.to_string())),
            }
        }
    }
    for (id, why) in damaged {
        give_up_damaged(connection, &id, "the stored message", &why, now)?;
    }
    follow_ups::keep_turns(connection, channel, &mut claims, now)?;
    suppressions::look_up(connection, &mut claims, now)?;
    // RETURNING promises no order.
    claims.sort_by_key(|claim| (claim.due_at, claim.id));
    let next_sql = if which == Which::Ordinary {
        "SELECT min(due_at) FROM messages WHERE state = 'pending' AND crashes < 3 AND channel = ?1"
    } else {
        "SELECT min(due_at) FROM messages WHERE state = 'pending' AND crashes >= 3 AND channel = ?1"
    };
    let next_due: Option<i64> = connection.prepare_cached(next_sql)?.query_row([channel.as_str()], |row| row.get(0))?;
    Ok(Claimed { claims, next_due: next_due.map(Timestamp::from_millis) })
}

fn claim(row: &Row<'_>) -> rusqlite::Result<Claim> {
    Ok(Claim {
        id: MessageId::from_bytes(row.get(0)?),
        epoch: row.get(1)?,
        attempt: row.get::<_, u32>(2)?.saturating_add(1),
        purpose: rows::word(row, 3)?,
        about: About {
            user: row.get::<_, Option<_>>(10)?.map(UserId::from_bytes),
            request: row.get::<_, Option<_>>(11)?.map(RequestId::from_bytes),
        },
        created_at: rows::time(row, 4)?,
        due_at: rows::time(row, 5)?,
        first_due_at: rows::time(row, 6)?,
        context: rows::json(row, 7)?,
        fallback: rows::optional_word(row, 8)?,
        handed_over: row.get(9)?,
        suppressed: None,
    })
}

/// What was `read` about `what`, to decide upon `claim`. `None`: it is there and cannot be read, and so the message was
/// given up.
pub(super) fn read_or_give_up<T>(
    connection: &Connection,
    claim: &Claim,
    read: rusqlite::Result<T>,
    what: &str,
    now: Timestamp,
) -> Result<Option<T>, StoreError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if rows::is_damage(&error) => {
            give_up_damaged(connection, claim.id.as_bytes(), what, &error.to_string(), now)?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// One message that cannot be read must not keep the others from being claimed.
fn give_up_damaged(
    connection: &Connection,
    id: &[u8; 16],
    what: &str,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE messages SET state = 'dead', boot = NULL, finished_at = ?2, last_error = ?3 WHERE id = ?1",
        )?
        .execute((&id[..], now.as_millis(), format!("{what} is damaged: {why}")))?;
    Ok(())
}

pub(super) fn settle(connection: &Connection, settlement: &Settlement, now: Timestamp) -> Result<bool, StoreError> {
    let attempt = &settlement.attempt;
    let settled = match &settlement.transition {
        Transition::HandedOver { channel } => hand_over(connection, settlement, channel, now)?,
        _ => leave(connection, settlement, now)?,
    };
    if settled == 0 {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO attempts (message_id, epoch, started_at, duration_ms, outcome, scope, error, channel)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            &settlement.id.as_bytes()[..],
            attempt.epoch,
            attempt.started_at.as_millis(),
            attempt.duration_ms,
            &attempt.outcome,
            &attempt.scope,
            &attempt.error,
            attempt.channel.as_str(),
        ))?;
    match &settlement.transition {
        Transition::Delivered { .. } => ledger::delivered(connection, settlement.id, now)?,
        Transition::Dead if attempt.scope == Scope::Recipient.as_str() => {
            ledger::bounced(connection, settlement.id, true)?;
        }
        _ => {}
    }
    if let Some(address) = &settlement.suppress {
        suppressions::note_bounce(connection, address, &attempt.error, now)?;
    }
    if let Transition::Delivered { capture: Some(bytes), .. } = &settlement.transition {
        connection
            .prepare_cached("INSERT OR REPLACE INTO captures (message_id, bytes) VALUES (?1, ?2)")?
            .execute((&settlement.id.as_bytes()[..], bytes))?;
    }
    Ok(true)
}

/// Ends a claim on the channel it was made on. Returns how many rows that changed: one or none.
fn leave(connection: &Connection, settlement: &Settlement, now: Timestamp) -> Result<usize, StoreError> {
    let (state, due_at, counted, reference) = match &settlement.transition {
        Transition::Delivered { reference, .. } => (State::Delivered, None, true, Some(reference)),
        Transition::Again { due_at, counted } => (State::Pending, Some(due_at.as_millis()), *counted, None),
        Transition::HandedOver { .. } | Transition::Dead => (State::Dead, None, true, None),
        Transition::Held => (State::Held, None, true, None),
        Transition::CalledOff => (State::Cancelled, None, false, None),
    };
    let finished_at = matches!(state, State::Delivered | State::Dead | State::Cancelled).then_some(now.as_millis());
    let changed = connection
        .prepare_cached(
            "UPDATE messages
                SET state = :state, boot = NULL, attempts = attempts + :counted, due_at = coalesce(:due_at, due_at),
                    crashes = 0, finished_at = :finished_at, reference = coalesce(:reference, reference),
                    last_error = :error
              WHERE id = :id AND state = 'sending' AND lease_epoch = :epoch",
        )?
        .execute(named_params! {
            ":state": state.as_str(),
            ":counted": i64::from(counted),
            ":due_at": due_at,
            ":finished_at": finished_at,
            ":reference": reference,
            ":error": settlement.attempt.error,
            ":id": &settlement.id.as_bytes()[..],
            ":epoch": settlement.attempt.epoch,
        })?;
    Ok(changed)
}

/// Ends a claim by letting another channel take over.
fn hand_over(
    connection: &Connection,
    settlement: &Settlement,
    channel: &ChannelAddress,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE messages
                SET state = 'pending', boot = NULL, handed_over_from = channel, channel = :channel, due_at = :now,
                    first_due_at = :now, attempts = 0, crashes = 0, last_error = :error
              WHERE id = :id AND state = 'sending' AND lease_epoch = :epoch",
        )?
        .execute(named_params! {
            ":channel": channel.as_str(),
            ":now": now.as_millis(),
            ":error": settlement.attempt.error,
            ":id": &settlement.id.as_bytes()[..],
            ":epoch": settlement.attempt.epoch,
        })?;
    Ok(changed)
}

pub(super) fn retry_message(connection: &Connection, id: MessageId, now: Timestamp) -> Result<Changed, StoreError> {
    let changed = change(connection, id, &[State::Pending, State::Dead, State::Held, State::Cancelled], |id| {
        // Whoever retries a dead letter knows better than the mail server that said nobody is there, if that is what it
        // died of; but not better than the customer who asked for no more mail.
        connection
            .prepare_cached(
                "DELETE FROM suppressions
                  WHERE address = (SELECT json_extract(context, '$.email') FROM messages
                                    WHERE id = ?1 AND purpose = 'welcome' AND state = 'dead')
                    AND cause = 'bounced'
                    AND instr((SELECT last_error FROM messages WHERE id = ?1), substr(why, 1, 200)) > 0",
            )?
            .execute([id])?;
        follow_ups::revive(connection, id, now)?;
        let retried = connection
            .prepare_cached(
                "UPDATE messages SET state = 'pending', due_at = ?2, first_due_at = ?2, finished_at = NULL, attempts = 0,
                                     crashes = 0
                  WHERE id = ?1",
            )?
            .execute((id, now.as_millis()))?;
        Ok(retried)
    })?;
    if changed == Changed::Yes {
        ledger::bounced(connection, id, false)?;
    }
    Ok(changed)
}

pub(super) fn cancel_message(connection: &Connection, id: MessageId, now: Timestamp) -> Result<Changed, StoreError> {
    change(connection, id, &[State::Pending, State::Held], |id| {
        connection
            .prepare_cached("UPDATE messages SET state = 'cancelled', finished_at = ?2 WHERE id = ?1")?
            .execute((id, now.as_millis()))
            .map_err(StoreError::from)
    })
}

fn change(
    connection: &Connection,
    id: MessageId,
    allowed: &[State],
    update: impl FnOnce(&[u8]) -> Result<usize, StoreError>,
) -> Result<Changed, StoreError> {
    let id = &id.as_bytes()[..];
    let state: Option<State> = connection
        .prepare_cached("SELECT state FROM messages WHERE id = ?1")?
        .query_row([id], |row| rows::word(row, 0))
        .optional()?;
    match state {
        None => Ok(Changed::NotFound),
        Some(state) if !allowed.contains(&state) => Ok(Changed::NotFrom(state)),
        Some(_) => {
            update(id)?;
            Ok(Changed::Yes)
        }
    }
}

/// Steps from channel to channel along the index, so that a long backlog costs no more than a short one.
pub(super) fn next_due(connection: &Connection) -> Result<Vec<(ChannelAddress, Timestamp)>, StoreError> {
    let mut channels = BTreeMap::new();
    for sql in [next_due_sql!("crashes < 3"), next_due_sql!("crashes >= 3")] {
        let mut last = String::new();
        let mut statement = connection.prepare_cached(sql)?;
        while let Some((channel, due)) =
            statement.query_row([&last], |row| Ok((row.get::<_, String>(0)?, rows::time(row, 1)?))).optional()?
        {
            if let Ok(address) = channel.parse::<ChannelAddress>() {
                channels
                    .entry(address)
                    .and_modify(|earliest: &mut Timestamp| *earliest = due.min(*earliest))
                    .or_insert(due);
            }
            last = channel;
        }
    }
    Ok(channels.into_iter().collect())
}
