//! One channel's way through the relay: when to look at the outbox, and how much to take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::STORE_PAUSE;
use super::breaker::{Breaker, Leave};
use super::{Common, Served};
use crate::crash;
use crate::domain::{Bucket, Rate, Timestamp};
use crate::metrics::ChannelMetrics;
use crate::store::{Claimed, StoreError};
use crate::wake::Alarm;

/// How long a lane sleeps at most. The command line changes messages behind our back, and clocks are set back.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(super) struct Lane {
    pub(super) common: Arc<Common>,
    pub(super) served: Served,
    pub(super) alarm: Arc<Alarm>,
    pub(super) metrics: Arc<ChannelMetrics>,
    slots: Arc<Semaphore>,
    breaker: Mutex<Breaker>,
    /// `None`: no rate.
    pace: Option<Mutex<Pace>>,
}

impl Lane {
    pub(super) fn new(common: Arc<Common>, served: Served, alarm: Arc<Alarm>, metrics: Arc<ChannelMetrics>) -> Self {
        let slots = Arc::new(Semaphore::new(served.rules.concurrency));
        let now = common.clock.now();
        let not_before = common.conditions.of(&served.address).and_then(|condition| condition.not_before);
        let breaker = Breaker::new(not_before, now);
        common.conditions.change(&served.address, |condition| condition.trouble = breaker.trouble().cloned());
        let pace = served.rules.rate.map(|rate| Mutex::new(Pace { rate, bucket: Bucket::with_one(rate, now) }));
        Self { common, served, alarm, metrics, slots, breaker: Mutex::new(breaker), pace }
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
                self.sweep(self.common.clock.now()).await?;
                return Ok(attempts);
            }
        }
    }

    /// Serves the channel until `shutdown`, then waits for what is on its way.
    pub(super) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let on_their_way = TaskTracker::new();
        let mut swept_at = Timestamp::from_millis(0);
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
            if let Next::Now = next {
                continue;
            }
            self.sweep_now_and_then(&mut swept_at).await;
            let sleep_until = match next {
                Next::WhenDue(due) => {
                    due.inspect(|due| self.alarm.note(*due));
                    self.alarm.rings_at()
                }
                Next::At(moment) => Some(moment),
                Next::Now => None,
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
        let limit = match self.leave(slots.len(), common.clock.now()) {
            Leave::Start(limit) => limit,
            Leave::WaitUntil(moment) => return Ok(Look { started: 0, next: Next::At(moment) }),
            Leave::WaitForProbe => return Ok(Look { started: 0, next: Next::WhenDue(None) }),
        };
        slots.truncate(limit);
        crash::point("relay.claiming");
        let Claimed { claims, next_due } =
            common.store.claim_due(&self.served.address, common.boot, limit, common.clock.now()).await?;
        let started = claims.len();
        if started > 0 {
            crash::point("relay.claimed");
        }
        self.started(started);
        for (claim, slot) in claims.into_iter().zip(slots) {
            let lane = Arc::clone(self);
            on_their_way.spawn(lane.carry(claim, slot));
        }
        Ok(Look { started, next: if started == limit { Next::Now } else { Next::WhenDue(next_due) } })
    }

    /// Every slot that is free, at least one.
    pub(super) async fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let mut slots = Vec::new();
        // The semaphore is never closed, so the first acquisition cannot fail.
        slots.extend(Arc::clone(&self.slots).acquire_owned().await);
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slots.push(slot);
        }
        slots
    }

    /// How many messages may be started now, if there are `free` slots: as the operator, the breaker and the rate allow.
    pub(super) fn leave(&self, free: usize, now: Timestamp) -> Leave {
        let (paused, try_now) = self
            .common
            .conditions
            .change(&self.served.address, |condition| {
                (condition.paused_at.is_some(), std::mem::take(&mut condition.try_now))
            })
            .unwrap_or_default();
        if paused {
            return Leave::WaitUntil(now.after(LOOK_AGAIN));
        }
        let mut breaker = self.breaker();
        if try_now {
            breaker.try_now(now);
        }
        let Some(pace) = &self.pace else { return breaker.leave(free, now) };
        let Pace { rate, bucket } = *held(pace);
        match (breaker.leave(free, now), bucket.available(rate, now)) {
            (Leave::Start(limit), Ok(tokens)) => Leave::Start(limit.min(tokens as usize)),
            // To the whole millisecond, so that the token is there when the lane looks again.
            (Leave::Start(_), Err(wait)) => Leave::WaitUntil(now.after(wait + Duration::from_micros(999))),
            (wait, _) => wait,
        }
    }

    /// Notes that messages are on their way.
    pub(super) fn started(&self, messages: usize) {
        if messages > 0 {
            self.breaker().started();
            if let Some(pace) = &self.pace {
                let Pace { rate, bucket } = &mut *held(pace);
                bucket.take(*rate, u32::try_from(messages).unwrap_or(u32::MAX), self.common.clock.now());
            }
            self.metrics.claims.add(messages as u64);
        }
    }

    pub(super) fn breaker(&self) -> MutexGuard<'_, Breaker> {
        held(&self.breaker)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How fast messages may follow each other.
struct Pace {
    rate: Rate,
    bucket: Bucket,
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
    /// Not before this moment: the channel is in trouble, is paused, or keeps to its rate.
    At(Timestamp),
    /// When the next message is due, if any is pending.
    WhenDue(Option<Timestamp>),
}
