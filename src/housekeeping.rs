//! What is done by the calendar: pruning what is past its retention.
//!
//! The scheduler only rings; it knows no guard against a ring that comes while the one before is still being answered,
//! and it forgets what runs when it is shut down. Both are seen to here. Its repeating timers stop for good after one
//! stall, so only cron expressions are used. Deliveries are the relay's and never wait for this.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::store::{Retention, Store};

/// Rings at its times until it is stopped.
pub struct Housekeeping {
    scheduler: JobScheduler,
    running: TaskTracker,
    stopping: CancellationToken,
}

impl Housekeeping {
    /// Prunes `store` at the times of `cron`: seconds, minutes, hours, day, month, weekday, in UTC.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Clock,
        retention: Retention,
        cron: &str,
    ) -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let running = TaskTracker::new();
        let stopping = CancellationToken::new();
        let pruning = Pruning { store, clock, retention, alone: Mutex::new(()), stopping: stopping.clone() };
        let pruning = Arc::new(pruning);
        let tracker = running.clone();
        let job = Job::new_async(cron, move |_, _| {
            let pruning = Arc::clone(&pruning);
            let run = tracker.spawn(async move { pruning.run().await });
            Box::pin(async move {
                if let Err(error) = run.await {
                    tracing::error!(%error, "Pruning ended badly");
                }
            })
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, running, stopping })
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

struct Pruning {
    store: Arc<dyn Store>,
    clock: Clock,
    retention: Retention,
    alone: Mutex<()>,
    stopping: CancellationToken,
}

impl Pruning {
    async fn run(&self) {
        let Ok(_alone) = self.alone.try_lock() else { return };
        let (mut messages, mut inbox) = (0, 0);
        while !self.stopping.is_cancelled() {
            match self.store.prune(self.retention, self.clock.now()).await {
                Ok(pruned) => {
                    messages += pruned.messages;
                    inbox += pruned.inbox;
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
        tracing::info!(messages, inbox, "Pruned {messages} messages and {inbox} unreadable webhooks");
    }
}
