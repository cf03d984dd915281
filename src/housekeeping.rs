//! What is done beside serving: pruning what is past its retention, tending the origin ledger and backups, by the
//! calendar, and mending times when the clock was set back.
//!
//! The scheduler only rings; it knows no guard against a ring that comes while the one before is still being answered,
//! and it forgets what runs when it is shut down. Both are seen to here. Its repeating timers stop for good after one
//! stall, so only cron expressions are used. Deliveries are the relay's and never wait for this.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backups::Backups;
use crate::clock::Clock;
use crate::domain::OriginRules;
use crate::reports::Reports;
use crate::store::{Pruned, Retention, Store};

/// When the ledger is tended: soon after each hour, so that a day that is over is packed before anybody asks for it.
const TEND_LEDGER: &str = "20 2 * * * *";

/// When it is looked whether a report is due: each minute, so that it comes at its time in whatever time zone, and one
/// that was missed soon after a start.
const LOOK_FOR_REPORTS: &str = "1 * * * * *";

/// Rings at its times until it is stopped.
pub struct Housekeeping {
    scheduler: JobScheduler,
    running: TaskTracker,
    stopping: CancellationToken,
}

impl Housekeeping {
    /// Rings for nothing yet.
    pub async fn start() -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Self { scheduler, running: TaskTracker::new(), stopping: CancellationToken::new() })
    }

    /// Prunes `store` at the times of `cron`: seconds, minutes, hours, day, month, weekday, in UTC.
    pub async fn prune(
        &self,
        cron: &str,
        store: Arc<dyn Store>,
        clock: Clock,
        retention: Retention,
    ) -> Result<(), JobSchedulerError> {
        let pruning = Arc::new(Pruning { store, clock, retention, stopping: self.stopping.clone() });
        self.ring(cron, move || {
            let pruning = Arc::clone(&pruning);
            async move { pruning.run().await }
        })
        .await
    }

    /// Tends the ledger in `store` now, and whenever an hour has begun.
    pub async fn tend_ledger(
        &self,
        store: Arc<dyn Store>,
        clock: Clock,
        rules: Arc<OriginRules>,
    ) -> Result<(), JobSchedulerError> {
        let tending = Arc::new(Tending { store, clock, rules, stopping: self.stopping.clone(), alone: Mutex::new(()) });
        let first = Arc::clone(&tending);
        self.running.spawn(async move { first.run().await });
        self.ring(TEND_LEDGER, move || {
            let tending = Arc::clone(&tending);
            async move { tending.run().await }
        })
        .await
    }

    /// Makes a backup at the times of `cron`.
    pub async fn back_up(&self, cron: &str, backups: Arc<Backups>) -> Result<(), JobSchedulerError> {
        let stopping = self.stopping.clone();
        self.ring(cron, move || {
            let (backups, stopping) = (Arc::clone(&backups), stopping.clone());
            // How it went is told by whoever makes it.
            async move { drop(backups.make(stopping).await) }
        })
        .await
    }

    /// Tells where customers came from whenever a report is due.
    pub async fn report(&self, reports: Arc<Reports>) -> Result<(), JobSchedulerError> {
        self.ring(LOOK_FOR_REPORTS, move || {
            let reports = Arc::clone(&reports);
            async move {
                if let Err(error) = reports.look().await {
                    tracing::error!(%error, "Could not make a report; trying again within a minute");
                }
            }
        })
        .await
    }

    /// Mends the times in `store` whenever the clock is set back.
    pub fn mend_times(&self, store: Arc<dyn Store>, clock: Clock) {
        self.running.spawn(correct_times(store, clock, self.stopping.clone()));
    }

    /// Does `work` at the times of `cron`, unless it is still being done.
    async fn ring<F: Future<Output = ()> + Send + 'static>(
        &self,
        cron: &str,
        work: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<(), JobSchedulerError> {
        let (tracker, alone) = (self.running.clone(), Arc::new(Mutex::new(())));
        let job = Job::new_async(cron, move |_, _| {
            let (work, alone) = (work(), Arc::clone(&alone));
            let run = tracker.spawn(async move {
                if let Ok(_alone) = alone.try_lock() {
                    work.await;
                }
            });
            Box::pin(async move {
                if let Err(error) = run.await {
                    tracing::error!(%error, "Housekeeping ended badly");
                }
            })
        })?;
        self.scheduler.add(job).await?;
        Ok(())
    }

    /// Rings no more, and lets what is being done end at its next step.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "The scheduler did not stop as it should");
        }
        self.running.close();
        self.running.wait().await;
    }
}

impl Drop for Housekeeping {
    /// Also when nobody waits for it: the process may be about to end, and must not wait for a long backup.
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// Whenever the clock is set back, what was written while it was ahead must not wait for it to get there again.
async fn correct_times(store: Arc<dyn Store>, clock: Clock, stopping: CancellationToken) {
    let mut jumps = clock.jumps();
    loop {
        let jumped = tokio::select! {
            jumped = jumps.changed() => jumped,
            () = stopping.cancelled() => return,
        };
        let Ok(()) = jumped else { return };
        if jumps.borrow_and_update().last > 0 {
            continue;
        }
        match store.correct_times(clock.now()).await {
            Ok(corrected) => {
                let messages = corrected.messages;
                tracing::info!(messages, "{messages} messages no longer wait for moments that the clock named before");
            }
            Err(error) => tracing::error!(%error, "Could not mend times; the next start tries again"),
        }
    }
}

struct Pruning {
    store: Arc<dyn Store>,
    clock: Clock,
    retention: Retention,
    stopping: CancellationToken,
}

impl Pruning {
    async fn run(&self) {
        let mut all = Pruned::default();
        while !self.stopping.is_cancelled() {
            match self.store.prune(self.retention, self.clock.certain_now()).await {
                Ok(pruned) => {
                    all.add(pruned);
                    if !pruned.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "Could not prune; trying again at the next time");
                    break;
                }
            }
        }
        let Pruned { messages, inbox, captures, attempts, questions, touches, customers, audit, .. } = all;
        tracing::info!(
            messages,
            inbox,
            captures,
            attempts,
            questions,
            touches,
            customers,
            audit,
            "Pruned {messages} messages and {inbox} unreadable webhooks"
        );
    }
}

struct Tending {
    store: Arc<dyn Store>,
    clock: Clock,
    rules: Arc<OriginRules>,
    stopping: CancellationToken,
    /// What is begun at the start may still be done when the hour rings.
    alone: Mutex<()>,
}

impl Tending {
    async fn run(&self) {
        let Ok(_alone) = self.alone.try_lock() else { return };
        while !self.stopping.is_cancelled() {
            match self.store.tend_ledger(Arc::clone(&self.rules), self.clock.now()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "Could not tend the origin ledger; trying again within the hour");
                    break;
                }
            }
        }
    }
}
