//! What the outbox promises, on a page: the same operations on a map in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use umishop::domain::{
    BootId, ChannelAddress, Fingerprint, MessageId, NewMessage, NewRequest, POISON_AFTER, Purpose, REPEAT_WINDOW,
    RequestId, SUSPECT_AFTER, Settlement, State, Timestamp, Transition, wait_after_crash,
};
use umishop::store::{Changed, Overdue, Rescued, Retention};

use crate::support::retention;

/// How long what is finished is kept.
pub(super) const RETENTION: Retention =
    retention(Duration::from_mins(30), Duration::from_hours(1), Duration::from_mins(1));

/// A message as the model knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) channel: ChannelAddress,
    pub(super) state: State,
    pub(super) due_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) attempts: u32,
    pub(super) handed_over_from: Option<ChannelAddress>,
    pub(super) reference: String,
    pub(super) last_error: String,
    /// The question that it tells of; empty when it tells of none.
    pub(super) question: String,
    /// Not shown in a list, like what follows: since when it waits for its channel.
    pub(super) first_due_at: Timestamp,
    /// How often the program died while it was on its way.
    pub(super) crashes: u32,
    /// Counted by the claims.
    pub(super) epoch: i64,
    pub(super) boot: Option<BootId>,
    /// Whose welcome it is, if it is one.
    pub(super) welcomes: Option<usize>,
    /// The epochs of the attempts that are kept.
    pub(super) kept: Vec<i64>,
}

impl Row {
    pub(super) fn is_due(&self, channel: &ChannelAddress, suspects: bool, now: Timestamp) -> bool {
        self.waits_on(channel, suspects) && self.due_at <= now
    }

    pub(super) fn waits_on(&self, channel: &ChannelAddress, suspects: bool) -> bool {
        self.state == State::Pending && self.channel == *channel && self.is_suspect() == suspects
    }

    fn is_suspect(&self) -> bool {
        self.crashes >= SUSPECT_AFTER
    }

    /// Another channel takes over, and the message starts afresh there.
    fn hand_over(&mut self, channel: &ChannelAddress, why: &str, now: Timestamp) {
        self.handed_over_from = Some(std::mem::replace(&mut self.channel, channel.clone()));
        (self.due_at, self.first_due_at, self.attempts) = (now, now, 0);
        why.clone_into(&mut self.last_error);
    }
}

/// What a list of messages shows of one.
pub(super) type Shown =
    (String, State, Timestamp, Option<Timestamp>, u32, String, String, Option<ChannelAddress>, String);

pub(super) fn shown(row: &Row) -> Shown {
    let Row {
        channel, state, due_at, finished_at, attempts, reference, last_error, handed_over_from, question, ..
    } = row.clone();
    let channel = channel.as_str().to_owned();
    (channel, state, due_at, finished_at, attempts, reference, last_error, handed_over_from, question)
}

pub(super) struct Asked {
    pub(super) id: RequestId,
    pub(super) key: Option<String>,
    pub(super) fingerprint: Fingerprint,
    pub(super) seen_at: Timestamp,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) rows: BTreeMap<MessageId, Row>,
    /// By their number: whether a welcome was ever put into the outbox.
    pub(super) welcomed: [bool; 4],
    /// Likewise: whether they are known, and whether they want no more mail.
    pub(super) known: [bool; 4],
    pub(super) unsubscribed: [bool; 4],
    pub(super) asked: Vec<Asked>,
}

impl Model {
    /// A message for this customer, with the question that it carries.
    pub(super) fn add(&mut self, message: &NewMessage, customer: usize, question: &str) {
        let row = Row {
            channel: message.channel.clone(),
            state: State::Pending,
            due_at: message.due_at,
            finished_at: None,
            attempts: 0,
            handed_over_from: None,
            first_due_at: message.due_at,
            crashes: 0,
            reference: String::new(),
            last_error: String::new(),
            question: question.to_owned(),
            welcomes: (message.purpose == Purpose::Welcome).then_some(customer),
            epoch: 0,
            boot: None,
            kept: Vec::new(),
        };
        assert!(self.rows.insert(message.id, row).is_none());
    }

    /// A welcome that was never claimed tells of the question, too.
    pub(super) fn tell_in_welcome(&mut self, customer: usize, question: &str) {
        let is_theirs =
            |row: &&mut Row| row.welcomes == Some(customer) && row.state == State::Pending && row.epoch == 0;
        self.rows.values_mut().filter(is_theirs).for_each(|row| question.clone_into(&mut row.question));
    }

    /// No message stands elsewhere for it; a claim tells. `None`: nobody knows them.
    pub(super) fn set_subscribed(&mut self, customer: usize, subscribed: bool) -> Option<bool> {
        self.known[customer].then(|| {
            self.unsubscribed[customer] = !subscribed;
            subscribed
        })
    }

    /// The earlier request that this one repeats, or that its key was used for another.
    pub(super) fn repeated(&mut self, request: &NewRequest, now: Timestamp) -> Result<Option<RequestId>, ()> {
        let earlier = self.asked.iter_mut().rev().find(|asked| match &request.idempotency_key {
            Some(key) => asked.key.as_ref() == Some(key),
            None => asked.fingerprint == request.fingerprint && asked.seen_at > now.before(REPEAT_WINDOW),
        });
        match earlier {
            Some(asked) if asked.fingerprint != request.fingerprint => Err(()),
            Some(asked) => {
                asked.seen_at = now;
                Ok(Some(asked.id))
            }
            None => Ok(None),
        }
    }

    pub(super) fn settle(&mut self, settlement: &Settlement, now: Timestamp) -> bool {
        let epoch = settlement.attempt.epoch;
        let Some(row) = self.rows.get_mut(&settlement.id) else { return false };
        if row.state != State::Sending || row.epoch != epoch {
            return false;
        }
        (row.boot, row.crashes) = (None, 0);
        row.kept.push(epoch);
        if let Transition::HandedOver { channel } = &settlement.transition {
            row.hand_over(channel, &settlement.attempt.error, now);
            row.state = State::Pending;
            return true;
        }
        let (state, counted) = match &settlement.transition {
            Transition::Delivered { reference, .. } => {
                row.reference.clone_from(reference);
                (State::Delivered, true)
            }
            Transition::Again { due_at, counted } => {
                row.due_at = *due_at;
                (State::Pending, *counted)
            }
            Transition::HandedOver { .. } | Transition::Dead => (State::Dead, true),
            Transition::Held => (State::Held, true),
            Transition::CalledOff => (State::Cancelled, false),
        };
        row.state = state;
        row.finished_at = matches!(state, State::Delivered | State::Dead | State::Cancelled).then_some(now);
        row.attempts += u32::from(counted);
        row.last_error.clone_from(&settlement.attempt.error);
        true
    }

    pub(super) fn rescue(&mut self, boot: BootId, now: Timestamp) -> Rescued {
        let mut rescued = Rescued::default();
        let left = |row: &&mut Row| row.state == State::Sending && row.boot != Some(boot);
        // A suspect is never on its way beside another, so the one that was is to blame, and nobody else.
        let explained = self.rows.values_mut().filter(left).any(|row| row.is_suspect());
        for row in self.rows.values_mut().filter(left) {
            let blamed = !explained || row.is_suspect();
            row.crashes += u32::from(blamed);
            row.boot = None;
            if row.crashes >= POISON_AFTER {
                (row.state, row.finished_at) = (State::Dead, Some(now));
                row.last_error = format!("umishop died {} times while sending it", row.crashes);
                rescued.dead += 1;
            } else {
                row.state = State::Pending;
                let wait = wait_after_crash(row.crashes);
                if blamed && !wait.is_zero() {
                    row.due_at = row.due_at.max(now.after(wait));
                }
                rescued.pending += 1;
            }
        }
        let suspects = self.rows.values().filter(|row| row.state == State::Pending && row.is_suspect());
        rescued.suspects = suspects.count().try_into().unwrap();
        rescued
    }

    pub(super) fn sweep(&mut self, overdue: &Overdue, now: Timestamp) -> (usize, u64) {
        let (mut handed_over, mut expired) = (0, 0);
        let is_due = |row: &&mut Row| [false, true].iter().any(|suspects| row.is_due(&overdue.channel, *suspects, now));
        for row in self.rows.values_mut().filter(is_due) {
            match overdue.fallback.as_ref().filter(|_| row.handed_over_from.is_none()) {
                Some(fallback) if row.first_due_at <= overdue.hand_over_before => {
                    row.hand_over(fallback, &overdue.why, now);
                    handed_over += 1;
                }
                None if row.first_due_at <= overdue.expire_before => {
                    (row.state, row.finished_at) = (State::Dead, Some(now));
                    row.last_error = format!("expired: {}", overdue.why);
                    expired += 1;
                }
                _ => {}
            }
        }
        (handed_over, expired)
    }

    pub(super) fn change(&mut self, id: MessageId, allowed: &[State], change: impl FnOnce(&mut Row)) -> Changed {
        match self.rows.get_mut(&id) {
            None => Changed::NotFound,
            Some(row) if !allowed.contains(&row.state) => Changed::NotFrom(row.state),
            Some(row) => {
                change(row);
                Changed::Yes
            }
        }
    }

    pub(super) fn prune(&mut self, now: Timestamp) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|_, row| {
            let kept = if row.state == State::Dead { RETENTION.dead } else { RETENTION.delivered };
            row.finished_at.is_none_or(|finished_at| finished_at >= now.before(kept))
        });
        (before - self.rows.len()) as u64
    }

    /// For each channel.
    pub(super) fn next_due(&self) -> Vec<(ChannelAddress, Timestamp)> {
        let mut next = BTreeMap::new();
        for row in self.rows.values().filter(|row| row.state == State::Pending) {
            let due = next.entry(row.channel.as_str()).or_insert(row.due_at);
            *due = row.due_at.min(*due);
        }
        next.into_iter().map(|(channel, due)| (channel.parse().unwrap(), due)).collect()
    }
}
