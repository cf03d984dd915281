//! One channel's way through the relay: claim, render, deliver, settle.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::breaker::{Breaker, Leave};
use super::{Common, Served};
use crate::domain::{Attempt, Claim, MessageId, Outcome, Scope, Settlement, Timestamp, Transition, truncate};
use crate::store::{Claimed, StoreError};
use crate::wake::Alarm;

/// How long a lane sleeps at most. The command line changes messages behind our back, and clocks are set back.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long to wait before asking a store again that did not answer.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How much of an error is kept, in characters.
const LONGEST_ERROR: usize = 1_000;

pub(super) struct Lane {
    common: Arc<Common>,
    served: Served,
    alarm: Arc<Alarm>,
    slots: Arc<Semaphore>,
    breaker: Mutex<Breaker>,
}

impl Lane {
    pub(super) fn new(common: Arc<Common>, served: Served, alarm: Arc<Alarm>) -> Self {
        let slots = Arc::new(Semaphore::new(served.concurrency));
        Self { common, served, alarm, slots, breaker: Mutex::default() }
    }

    /// Delivers everything that is due now, and returns how many attempts that took.
    pub(super) async fn deliver_due(self: &Arc<Self>) -> Result<usize, StoreError> {
        let mut attempts = 0;
        loop {
            let Leave::Start(limit) = self.leave(self.served.concurrency) else { return Ok(attempts) };
            let claimed = self.claim(limit).await?;
            if claimed.claims.is_empty() {
                return Ok(attempts);
            }
            attempts += claimed.claims.len();
            let on_their_way = TaskTracker::new();
            for claim in claimed.claims {
                on_their_way.spawn(Arc::clone(self).carry(claim, CancellationToken::new()));
            }
            on_their_way.close();
            on_their_way.wait().await;
        }
    }

    /// Serves the channel until `shutdown`, then waits for what is on its way.
    pub(super) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let on_their_way = TaskTracker::new();
        while !shutdown.is_cancelled() {
            // What is said from here on counts, even if the claim below does not see it yet.
            self.alarm.forget();
            let slots = tokio::select! {
                slots = self.free_slots() => slots,
                () = shutdown.cancelled() => break,
            };
            // Not to be interrupted: a claim that nobody waits for would leave its messages `sending`.
            let sleep_until = match self.start_due(slots, &on_their_way, &shutdown).await {
                Ok(Step::MoreMayBeDue) => continue,
                Ok(Step::WaitUntil(moment)) => Some(moment),
                Ok(Step::NothingDue { next }) => {
                    next.inspect(|next| self.alarm.note(*next));
                    self.alarm.rings_at()
                }
                Err(error) => {
                    tracing::error!(channel = %self.served.address, %error, "Could not claim messages; asking again");
                    Some(self.common.clock.now().after(STORE_PAUSE))
                }
            };
            tokio::select! {
                () = self.common.clock.sleep_until(sleep_until, LOOK_AGAIN) => {}
                () = self.alarm.moved_earlier() => {}
                () = shutdown.cancelled() => {}
            }
        }
        on_their_way.close();
        on_their_way.wait().await;
    }

    /// Claims what is due and sends it on its way.
    async fn start_due(
        self: &Arc<Self>,
        mut slots: Vec<OwnedSemaphorePermit>,
        on_their_way: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<Step, StoreError> {
        let limit = match self.leave(slots.len()) {
            Leave::Start(limit) => limit,
            Leave::WaitUntil(moment) => return Ok(Step::WaitUntil(moment)),
        };
        slots.truncate(limit);
        let claimed = self.claim(limit).await?;
        let full = claimed.claims.len() == limit;
        for (claim, slot) in claimed.claims.into_iter().zip(slots) {
            let (lane, shutdown) = (Arc::clone(self), shutdown.clone());
            on_their_way.spawn(async move {
                lane.carry(claim, shutdown).await;
                drop(slot);
            });
        }
        Ok(if full { Step::MoreMayBeDue } else { Step::NothingDue { next: claimed.next_due } })
    }

    /// Every slot that is free, at least one.
    async fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let mut slots = Vec::new();
        // The semaphore is never closed, so the first acquisition cannot fail.
        slots.extend(Arc::clone(&self.slots).acquire_owned().await);
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slots.push(slot);
        }
        slots
    }

    fn leave(&self, free: usize) -> Leave {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).leave(free, self.common.clock.now())
    }

    async fn claim(&self, limit: usize) -> Result<Claimed, StoreError> {
        let common = &self.common;
        common.store.claim_due(&self.served.address, common.boot, limit, common.clock.now()).await
    }

    /// One attempt, from the claim to its settlement.
    async fn carry(self: Arc<Self>, claim: Claim, shutdown: CancellationToken) {
        let common = Arc::clone(&self.common);
        let started_at = common.clock.now();
        let begun = Instant::now();
        let (id, epoch, number) = (claim.id, claim.epoch, claim.attempt);
        let delivery = tokio::spawn(Arc::clone(&self).deliver(claim));
        let outcome = delivery
            .await
            .unwrap_or_else(|error| Outcome::retry(Scope::Message, format!("the channel's code failed: {error}")));
        let now = common.clock.now();
        self.learn(&outcome, now);
        let transition =
            Transition::after(&outcome, number, &self.served.retry, self.served.on_unknown, now, chance(id, epoch));
        self.tell(id, number, &outcome, &transition);
        let attempt = Attempt {
            epoch,
            started_at,
            duration_ms: i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX),
            outcome: outcome.word().to_owned(),
            scope: outcome.scope().map_or_else(String::new, |scope| scope.to_string()),
            error: truncate(&outcome.explanation(), LONGEST_ERROR).text.to_owned(),
        };
        self.settle(Settlement { id, attempt, transition }, &shutdown).await;
    }

    async fn deliver(self: Arc<Self>, claim: Claim) -> Outcome {
        let channel = &self.served.channel;
        match self.common.renderer.render(&claim, channel.markup()) {
            Ok(rendered) => channel.deliver(&rendered).await,
            Err(error) => Outcome::dead(Scope::Message, error.to_string(), "mend the template, then retry the message"),
        }
    }

    fn learn(&self, outcome: &Outcome, now: Timestamp) {
        let opened = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).learn(outcome, now);
        if let Some(pause) = opened {
            let (channel, why) = (&self.served.address, outcome.explanation());
            tracing::warn!(%channel, why, "Channel {channel} is in trouble; nothing is sent over it for {pause:?}");
        }
    }

    fn tell(&self, id: MessageId, number: u32, outcome: &Outcome, transition: &Transition) {
        let (channel, why) = (&self.served.address, outcome.explanation());
        match transition {
            Transition::Delivered { .. } => {
                tracing::debug!(message.id = %id, %channel, number, "Delivered message {id}");
            }
            Transition::Again { due_at, .. } => {
                tracing::info!(message.id = %id, %channel, number, why, "Message {id} is tried again at {due_at}");
            }
            Transition::Dead => {
                tracing::warn!(message.id = %id, %channel, number, why, "Message {id} is a dead letter");
            }
            Transition::Held => tracing::warn!(message.id = %id, %channel, number, why, "Message {id} is held"),
        }
    }

    /// Records the outcome. A store that does not answer is asked again until it does: a delivery that is forgotten
    /// would be repeated.
    async fn settle(&self, settlement: Settlement, shutdown: &CancellationToken) {
        let id = settlement.id;
        let common = &self.common;
        loop {
            match common.store.settle(settlement.clone(), common.clock.now()).await {
                Ok(true) => break,
                Ok(false) => {
                    tracing::warn!(message.id = %id, "Message {id} was claimed again meanwhile; this outcome is not recorded");
                    break;
                }
                Err(error) => tracing::error!(message.id = %id, %error, "Could not record the outcome of message {id}"),
            }
            if shutdown.is_cancelled() {
                break;
            }
            common.clock.sleep_until(Some(common.clock.now().after(STORE_PAUSE)), STORE_PAUSE).await;
        }
        if let Transition::Again { due_at, .. } = settlement.transition {
            self.alarm.set(due_at);
        }
    }
}

/// What a look at the outbox says to do next.
enum Step {
    /// As many were due as could be started.
    MoreMayBeDue,
    /// All that was due is on its way.
    NothingDue { next: Option<Timestamp> },
    /// The channel is in trouble until then.
    WaitUntil(Timestamp),
}

/// A number in `0.0..1.0` for the jitter of this attempt: drawn from the random bits of the id, so that the same
/// attempt always gets the same, and different messages different ones.
fn chance(id: MessageId, epoch: i64) -> f64 {
    let random = id.as_bytes()[8..]
        .iter()
        .fold(epoch.unsigned_abs(), |mixed, byte| (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    f64::from((random >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
