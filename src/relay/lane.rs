//! One channel's way through the relay: claim, render, deliver, settle.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::breaker::{Breaker, Leave};
use super::{Common, Served};
use crate::domain::{
    Attempt, Claim, MessageId, Outcome, Scope, Settlement, Timestamp, Transition, mask_addresses, truncate,
};
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
            let on_their_way = TaskTracker::new();
            let look = self.start_due(self.free_slots().await, &on_their_way).await?;
            on_their_way.close();
            on_their_way.wait().await;
            attempts += look.started;
            if look.started == 0 {
                return Ok(attempts);
            }
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
            let next = match self.start_due(slots, &on_their_way).await {
                Ok(look) => look.next,
                Err(error) => {
                    tracing::error!(channel = %self.served.address, %error, "Could not claim messages; asking again");
                    Next::At(self.common.clock.now().after(STORE_PAUSE))
                }
            };
            let sleep_until = match next {
                Next::Now => continue,
                Next::At(moment) => Some(moment),
                Next::WhenDue(due) => {
                    due.inspect(|due| self.alarm.note(*due));
                    self.alarm.rings_at()
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

    /// Claims what is due, no more than there are `slots`, and sends it on its way.
    async fn start_due(
        self: &Arc<Self>,
        mut slots: Vec<OwnedSemaphorePermit>,
        on_their_way: &TaskTracker,
    ) -> Result<Look, StoreError> {
        let common = &self.common;
        let limit = match self.breaker().leave(slots.len(), common.clock.now()) {
            Leave::Start(limit) => limit,
            Leave::WaitUntil(moment) => return Ok(Look { started: 0, next: Next::At(moment) }),
            Leave::WaitForProbe => return Ok(Look { started: 0, next: Next::WhenDue(None) }),
        };
        slots.truncate(limit);
        let Claimed { claims, next_due } =
            common.store.claim_due(&self.served.address, common.boot, limit, common.clock.now()).await?;
        let started = claims.len();
        if started > 0 {
            self.breaker().started();
        }
        for (claim, slot) in claims.into_iter().zip(slots) {
            let lane = Arc::clone(self);
            on_their_way.spawn(lane.carry(claim, slot));
        }
        Ok(Look { started, next: if started == limit { Next::Now } else { Next::WhenDue(next_due) } })
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

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One attempt, from the claim to its settlement. The slot is free again when the settlement is in the store's hands.
    async fn carry(self: Arc<Self>, claim: Claim, slot: OwnedSemaphorePermit) {
        let common = Arc::clone(&self.common);
        let started_at = common.clock.now();
        let begun = Instant::now();
        let (id, epoch, number) = (claim.id, claim.epoch, claim.attempt);
        // In a task of its own, so that code that panics fails this attempt and nothing else.
        let (outcome, asked) = match tokio::spawn(Arc::clone(&self).deliver(claim)).await {
            Ok(Ok(outcome)) => (outcome, true),
            Ok(Err(outcome)) => (outcome, false),
            Err(error) => (Outcome::retry(Scope::Message, format!("the channel's code failed: {error}")), false),
        };
        let now = common.clock.now();
        self.learn(asked.then_some(&outcome), now);
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
        self.settle(Settlement { id, attempt, transition }, slot).await;
    }

    /// What came of it; the error is an outcome, too, but the channel was not asked.
    async fn deliver(self: Arc<Self>, claim: Claim) -> Result<Outcome, Outcome> {
        let channel = &self.served.channel;
        match self.common.renderer.render(&claim, channel.markup()) {
            Ok(rendered) => Ok(channel.deliver(&rendered).await),
            Err(error) => {
                Err(Outcome::dead(Scope::Message, error.to_string(), "mend the template, then retry the message"))
            }
        }
    }

    fn learn(&self, outcome: Option<&Outcome>, now: Timestamp) {
        let (opened, probe_is_back) = {
            let mut breaker = self.breaker();
            let probing = breaker.leave(1, now) == Leave::WaitForProbe;
            (breaker.learn(outcome, now), probing)
        };
        if let (Some(pause), Some(outcome)) = (opened, outcome) {
            let (channel, why) = (&self.served.address, mask_addresses(&outcome.explanation()));
            tracing::warn!(%channel, why, "Channel {channel} is in trouble; nothing is sent over it for {pause:?}");
        }
        if probe_is_back {
            self.alarm.set(now);
        }
    }

    fn tell(&self, id: MessageId, number: u32, outcome: &Outcome, transition: &Transition) {
        let (channel, why) = (&self.served.address, mask_addresses(&outcome.explanation()));
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
    ///
    /// The store takes things in order, so a claim that is made from now on comes after this settlement, most often in
    /// the same commit: the next message need not wait for it, and yet no more are ever unsettled than there are slots.
    async fn settle(&self, settlement: Settlement, slot: OwnedSemaphorePermit) {
        let id = settlement.id;
        let common = &self.common;
        let mut slot = Some(slot);
        loop {
            let mut settling = common.store.settle(settlement.clone(), common.clock.now());
            let at_once = poll_fn(|context| Poll::Ready(settling.as_mut().poll(context))).await;
            slot.take();
            let settled = match at_once {
                Poll::Ready(settled) => settled,
                Poll::Pending => settling.await,
            };
            match settled {
                Ok(true) => break,
                Ok(false) => {
                    tracing::warn!(message.id = %id, "Message {id} was claimed again meanwhile; this outcome is not recorded");
                    break;
                }
                Err(error) => {
                    tracing::error!(message.id = %id, %error, "Could not record the outcome of message {id}; trying again");
                }
            }
            common.clock.sleep_until(Some(common.clock.now().after(STORE_PAUSE)), STORE_PAUSE).await;
        }
        if let Transition::Again { due_at, .. } = settlement.transition {
            self.alarm.set(due_at);
        }
    }
}

/// What a look at the outbox came to.
struct Look {
    /// How many messages are on their way because of it.
    started: usize,
    /// When to look again.
    next: Next,
}

/// When to look at the outbox again.
enum Next {
    /// At once: as many were due as could be started.
    Now,
    /// Not before this moment: the channel is in trouble.
    At(Timestamp),
    /// When the next message is due, if any is pending.
    WhenDue(Option<Timestamp>),
}

/// A number in `0.0..1.0` for the jitter of this attempt: drawn from the random bits of the id, so that the same
/// attempt always gets the same, and different messages different ones.
fn chance(id: MessageId, epoch: i64) -> f64 {
    let random = id.as_bytes()[8..]
        .iter()
        .fold(epoch.unsigned_abs(), |mixed, byte| (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    f64::from((random >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
