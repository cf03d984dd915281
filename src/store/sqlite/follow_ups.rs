//! Follow-ups: messages that carry what became of a request, after its question and over the same channel.
//!
//! They go into the outbox when the request changes, wherever its question is by then, and keep to their turn when they
//! are claimed: whatever happened to the question meanwhile, it is looked at there, and only there.
//!
//! ```text
//! its question over this channel   the follow-up
//! delivered                        goes, after those of earlier states
//! pending, sending, held           waits; likewise while the question is elsewhere and may be handed over to here
//! dead, cancelled, handed over     is called off, until an operator retries the question
//! pruned                           goes: what is pruned had come to rest long before
//! ```

use std::time::Duration;

use rusqlite::{Connection, Row, named_params};

use super::{intake, outbox, rows};
use crate::domain::{
    ChannelAddress, Claim, Context, Follower, MessageId, NewMessage, Purpose, RequestId, State, Timestamp, User,
};
use crate::store::StoreError;

/// The purposes of follow-ups.
macro_rules! follow_ups {
    () => {
        "('acknowledged', 'answered', 'closed')"
    };
}

/// Why a follow-up was called off. Known again by this text, so an operator's own cancellation stays one.
const CALLED_OFF: &str = "called off: its question was not delivered over this channel";

/// How long a follow-up waits at least before it looks again, and at most if its question is not known to be due later.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A follow-up before it is known which channels it goes over.
pub(super) struct FollowUp<'a> {
    pub(super) request: RequestId,
    pub(super) user: Option<&'a User>,
    pub(super) purpose: Purpose,
    pub(super) context: &'a Context,
    pub(super) at: Timestamp,
}

impl FollowUp<'_> {
    /// Puts it into the outbox for those followers that the request's question went to, or may still go to. Returns
    /// their channels.
    pub(super) fn enqueue(
        &self,
        connection: &Connection,
        followers: &[Follower],
    ) -> Result<Vec<ChannelAddress>, StoreError> {
        let related = related(connection, self.request)?;
        let concerned = followers.iter().filter(|follower| related.iter().any(|message| message.concerns(follower)));
        let channels: Vec<ChannelAddress> = concerned.map(|follower| follower.channel.clone()).collect();
        for channel in &channels {
            let message = NewMessage {
                id: MessageId::new(self.at),
                channel: channel.clone(),
                purpose: self.purpose,
                due_at: self.at,
                fallback: None,
            };
            intake::enqueue(
                connection,
                &message,
                self.user.map(|user| user.id),
                Some(self.request),
                self.context,
                self.at,
            )?;
        }
        Ok(channels)
    }
}

/// Whether it is a follow-up's turn.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Now,
    NotBefore(Timestamp),
    Never,
}

/// Takes those out of `claims` on `channel` whose turn it is not: they wait, or are called off.
pub(super) fn keep_turns(
    connection: &Connection,
    channel: &ChannelAddress,
    claims: &mut Vec<Claim>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut kept = Vec::with_capacity(claims.len());
    for claim in claims.drain(..) {
        let Some(request) = claim.about.request.filter(|_| claim.purpose.is_follow_up()) else {
            kept.push(claim);
            continue;
        };
        let related = related(connection, request);
        let what = "another message about its request";
        let Some(related) = outbox::read_or_give_up(connection, &claim, related, what, now)? else { continue };
        match turn(&related, claim.purpose, channel, now) {
            Turn::Now => kept.push(claim),
            Turn::NotBefore(due_at) => {
                connection
                    .prepare_cached("UPDATE messages SET state = 'pending', boot = NULL, due_at = ?2 WHERE id = ?1")?
                    .execute((&claim.id.as_bytes()[..], due_at.as_millis()))?;
            }
            Turn::Never => {
                connection
                    .prepare_cached(
                        "UPDATE messages SET state = 'cancelled', boot = NULL, finished_at = ?2, last_error = ?3
                          WHERE id = ?1",
                    )?
                    .execute((&claim.id.as_bytes()[..], now.as_millis(), CALLED_OFF))?;
            }
        }
    }
    *claims = kept;
    Ok(())
}

/// The statement that makes the follow-ups of a question due again.
const REVIVE: &str = concat!(
    "UPDATE messages SET state = 'pending', due_at = :now, first_due_at = :now, finished_at = NULL, attempts = 0,
                         crashes = 0, last_error = ''
      WHERE request_id = (SELECT request_id FROM messages WHERE id = :id AND purpose = 'request')
        AND purpose IN ",
    follow_ups!(),
    " AND (state = 'pending' OR state = 'cancelled' AND last_error = :called_off)"
);

/// Makes due again what waits for the question `id`, or was called off for it, because that is tried again. A follow-up
/// that is tried again itself is not called off any more: if an operator cancels it later, that is their word.
pub(super) fn revive(connection: &Connection, id: &[u8], now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE messages SET last_error = '' WHERE id = ?1 AND last_error = ?2")?
        .execute((id, CALLED_OFF))?;
    connection
        .prepare_cached(REVIVE)?
        .execute(named_params! { ":id": id, ":now": now.as_millis(), ":called_off": CALLED_OFF })?;
    Ok(())
}

/// A message about the same request.
struct Related {
    channel: ChannelAddress,
    handed_over: bool,
    fallback: Option<ChannelAddress>,
    purpose: Purpose,
    state: State,
    due_at: Timestamp,
}

fn related(connection: &Connection, request: RequestId) -> rusqlite::Result<Vec<Related>> {
    let sql = "SELECT channel, handed_over_from IS NOT NULL, fallback, purpose, state, due_at
                 FROM messages WHERE request_id = ?1";
    let read = |row: &Row<'_>| {
        Ok(Related {
            channel: rows::word(row, 0)?,
            handed_over: row.get(1)?,
            fallback: rows::optional_word(row, 2)?,
            purpose: rows::word(row, 3)?,
            state: rows::word(row, 4)?,
            due_at: rows::time(row, 5)?,
        })
    };
    connection.prepare_cached(sql)?.query_map([&request.as_bytes()[..]], read)?.collect()
}

impl Related {
    fn is_question(&self) -> bool {
        self.purpose == Purpose::Request
    }

    const fn is_unfinished(&self) -> bool {
        matches!(self.state, State::Pending | State::Sending | State::Held)
    }

    /// Whether it is the question, and is or may come to be the follower's. A dead letter counts, and so does one that was
    /// cancelled: either may be retried.
    fn concerns(&self, follower: &Follower) -> bool {
        let takes_over = match self.fallback.as_ref().filter(|fallback| follower.known.contains(fallback)) {
            Some(fallback) => *fallback == follower.channel,
            None => follower.stands_in_for.contains(&self.channel),
        };
        let may_come = self.is_unfinished() && !self.handed_over && takes_over;
        self.is_question() && (self.channel == follower.channel || may_come)
    }

    /// When to look again whether it is finished: when it is tried next, else the later the longer it has been due.
    fn look_again(&self, now: Timestamp) -> Timestamp {
        if self.state == State::Held {
            return now.after(LONGEST_WAIT);
        }
        let wait = now.since(self.due_at).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        now.max(self.due_at).after(wait)
    }
}

/// Whether it is the turn of the follow-up for `purpose` over `channel`, among all that is `related` to its request.
fn turn(related: &[Related], purpose: Purpose, channel: &ChannelAddress, now: Timestamp) -> Turn {
    let here = |message: &&Related| message.channel == *channel;
    let (questions, follow_ups): (Vec<&Related>, Vec<&Related>) = related.iter().partition(|other| other.is_question());
    let is_delivered = questions.iter().copied().filter(here).any(|question| question.state == State::Delivered);
    let waits_for = if is_delivered || questions.is_empty() {
        let earlier = follow_ups.into_iter().filter(here).filter(|other| comes_before(other.purpose, purpose));
        earlier.filter(|other| other.is_unfinished()).map(|other| other.look_again(now)).min()
    } else {
        let may_come = questions.into_iter().filter(|question| question.is_unfinished());
        match may_come.filter(|question| here(question) || !question.handed_over).map(|q| q.look_again(now)).min() {
            None => return Turn::Never,
            waits_for => waits_for,
        }
    };
    waits_for.map_or(Turn::Now, Turn::NotBefore)
}

/// Whether a request comes to the one follow-up's state before the other's.
fn comes_before(one: Purpose, other: Purpose) -> bool {
    let place = |purpose| Purpose::ALL.iter().position(|known| *known == purpose);
    place(one) < place(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_revives_what_is_a_follow_up() {
        assert_eq!(follow_ups!(), rows::purposes(Purpose::is_follow_up));
    }
}
