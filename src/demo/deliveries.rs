//! What becomes of the messages: most arrive, some after a while, a few never.

use fastrand::Rng;

use super::calendar::{Calendar, DAY, HOUR, MINUTE};
use super::chance::{self, wait};
use super::ways::WAYS;
use super::{Plan, ids};
use crate::domain::{
    Attempt, ChannelAddress, Claim, Outcome, Purpose, Scope, Settlement, Timestamp, Transition, UserId,
};

/// The day on which the mail server did not answer for some hours.
const OUTAGE: usize = 251;

/// The channels that something goes wrong with. Others never know trouble.
pub(super) const PAUSED: &str = "slack.pricing";
pub(super) const ARCHIVED: &str = "slack.wholesale";
pub(super) const HOLDS: &str = "email.support";

/// Where the chance is that customers open the chat from their welcome.
const OPENINGS: u64 = 600;

/// How long before now [`PAUSED`] was paused and [`ARCHIVED`] archived, in milliseconds.
pub(super) const PAUSED_FOR: i64 = 20 * HOUR;
const ARCHIVED_FOR: i64 = 6 * DAY;

/// A fate, and when it is known.
pub(super) struct Fate {
    pub(super) settlement: Settlement,
    pub(super) at: Timestamp,
    /// Who opens the chat by the link in this message, and when; `None`: nobody does.
    pub(super) opened: Option<(UserId, Timestamp)>,
}

/// What becomes of this claim.
pub(super) fn fate(plan: &Plan<'_>, calendar: &Calendar, channel: &ChannelAddress, claim: &Claim) -> Fate {
    let mut chance = chance::of(plan.seed, ids::seed(claim.id.as_bytes()), 300 + claim.epoch.unsigned_abs());
    let is_mail = channel.kind() == "email";
    let started_at = claim.due_at.as_millis() + chance.i64(20..400);
    let took = 90 + wait(&mut chance, if is_mail { 700 } else { 240 });
    let at = Timestamp::from_millis(started_at + took);
    let (outcome, transition) = judge(plan, calendar, channel, claim, &mut chance, at);
    let transition = if claim.is_unsubscribed() { Transition::CalledOff } else { transition };
    let bounced = outcome.scope() == Some(Scope::Recipient) && transition == Transition::Dead;
    let attempt = Attempt {
        epoch: claim.epoch,
        channel: channel.clone(),
        started_at: Timestamp::from_millis(started_at),
        duration_ms: took,
        outcome: outcome.word().to_owned(),
        scope: outcome.scope().map_or_else(String::new, |scope| scope.to_string()),
        error: outcome.explanation(),
    };
    let suppress = claim.context.email.clone().filter(|_| bounced);
    let opened =
        if matches!(transition, Transition::Delivered { .. }) { opened(plan, calendar, claim, at) } else { None };
    Fate { settlement: Settlement { id: claim.id, attempt, transition, suppress }, at, opened }
}

/// Whether and when a customer opens the chat by the link in the welcome that arrived at `at`. Where more ask, more come
/// back.
fn opened(plan: &Plan<'_>, calendar: &Calendar, claim: &Claim, at: Timestamp) -> Option<(UserId, Timestamp)> {
    let user = claim.about.user.filter(|_| claim.purpose == Purpose::Welcome)?;
    let number = ids::number(claim.id.as_bytes());
    let (.., by) = *calendar.customer(number).visits.first()?;
    let mut chance = chance::of(plan.seed, u64::from(number), OPENINGS);
    let opens = chance.f64() < 0.1 + WAYS[by].asks / 2.0;
    let opened_at = Timestamp::from_millis(at.as_millis() + wait(&mut chance, 3 * 3_600_000));
    (opens && opened_at <= plan.until).then_some((user, opened_at))
}

fn judge(
    plan: &Plan<'_>,
    calendar: &Calendar,
    channel: &ChannelAddress,
    claim: &Claim,
    chance: &mut Rng,
    at: Timestamp,
) -> (Outcome, Transition) {
    let (until, now) = (plan.until.as_millis(), at.as_millis());
    let is_mail = channel.kind() == "email";
    let again = |outcome: Outcome, due_at: i64, counted| {
        (outcome, Transition::Again { due_at: Timestamp::from_millis(due_at), counted })
    };
    let outage = calendar.end_of(OUTAGE).as_millis() - 16 * HOUR;
    if is_mail && (outage..outage + 4 * HOUR).contains(&now) {
        let why = "no connection to smtp.example.net:587: connection timed out";
        return again(Outcome::retry(Scope::Channel, why), outage + 4 * HOUR + wait(chance, 300_000), false);
    }
    if claim.purpose == Purpose::Welcome && calendar.customer(ids::number(claim.id.as_bytes())).bounces {
        let why = "RCPT TO: 550 5.1.1 The email account that you tried to reach does not exist";
        return (Outcome::dead(Scope::Recipient, why, "nobody reads mail at this address"), Transition::Dead);
    }
    if channel.as_str() == ARCHIVED && now > until - ARCHIVED_FOR {
        return (
            Outcome::dead(Scope::Destination, "is_archived", "unarchive the channel, or write another one"),
            Transition::Dead,
        );
    }
    let silent = until - 7 * DAY..until - DAY;
    let is_held = chance.f64() < if silent.contains(&now) { 0.5 } else { 0.012 };
    if channel.as_str() == HOLDS && claim.attempt == 1 && claim.epoch == 1 && is_held {
        let why = "the mail was sent, but no answer came: the connection was closed";
        return (Outcome::Unknown { why: why.to_owned() }, Transition::Held);
    }
    let just_now = is_mail && now > until - 2 * HOUR && chance.f64() < 0.5;
    if just_now || (claim.attempt < 3 && chance.f64() < 0.025) {
        let (scope, why) = if is_mail {
            (Scope::Message, "RCPT TO: 451 4.7.1 Greylisting in action, please come back later")
        } else {
            (Scope::Message, "service_unavailable")
        };
        let wait = if just_now { until - now + 5 * MINUTE + wait(chance, 900_000) } else { wait(chance, 60_000) };
        return again(Outcome::retry(scope, why), now + wait, true);
    }
    let reference = if is_mail {
        format!("demo-{:012x}", chance.u64(..1 << 48))
    } else {
        format!("{}.{:06}", now / 1000, chance.u32(..1_000_000))
    };
    (Outcome::delivered(reference.clone()), Transition::Delivered { reference, capture: None })
}
