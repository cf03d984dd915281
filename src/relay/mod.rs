//! Carries messages from the outbox to the people they are for.
//!
//! Every channel has a lane of its own, so one that hangs never slows another. A lane claims what is due, no more than
//! it can start now, hands each message to its channel, and settles the outcome. It sleeps until the next message is
//! due or a [`Wake`] says that one is due sooner; there is one code path, whether it was woken by a request, a timer or
//! a restart. Memory holds no message that is not being sent.
//!
//! A claim takes a lease: its epoch. If the process dies, the next start makes what it was sending pending again, so
//! every message is delivered *at least* once; the message's id lets a receiver notice the second time.
//!
//! The relay does not decide when to try again or who takes over (see [`Rules`]), how to reach anyone (see [`Channel`]), or what
//! to say (see [`Renderer`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::channel::Channel;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::crash;
use crate::domain::{BootId, ChannelAddress, Rules};
use crate::metrics::Metrics;
use crate::render::Renderer;
use crate::store::{Rescued, Store, StoreError};
use crate::wake::Wake;
use lane::Lane;

mod attempt;
mod breaker;
mod lane;
mod overdue;
mod quarantine;

/// One channel and the rules it is served by.
#[derive(Clone)]
pub struct Served {
    /// What the channel is called.
    pub address: ChannelAddress,
    /// The channel.
    pub channel: Arc<dyn Channel>,
    /// How its messages are treated.
    pub rules: Rules,
}

/// What every lane shares.
struct Common {
    store: Arc<dyn Store>,
    renderer: Arc<Renderer>,
    clock: Clock,
    wake: Wake,
    conditions: Conditions,
    boot: BootId,
}

/// Delivers what is due.
pub struct Relay {
    common: Arc<Common>,
    lanes: Vec<Arc<Lane>>,
    has_suspects: AtomicBool,
}

impl Relay {
    /// A relay over `channels`, listening to `wake`, writing their `conditions` down and counting in `metrics`.
    pub fn new(
        store: Arc<dyn Store>,
        renderer: Arc<Renderer>,
        clock: Clock,
        wake: &Wake,
        conditions: Conditions,
        metrics: &Metrics,
        channels: Vec<Served>,
    ) -> Self {
        let boot = BootId::new(clock.now());
        let common = Arc::new(Common { store, renderer, clock, wake: wake.clone(), conditions, boot });
        let lanes = channels
            .into_iter()
            .map(|served| {
                let (alarm, metrics) = (wake.alarm(&served.address), metrics.channel(&served.address));
                Arc::new(Lane::new(Arc::clone(&common), served, alarm, metrics))
            })
            .collect();
        Self { common, lanes, has_suspects: AtomicBool::new(false) }
    }

    /// Makes pending again what an earlier start was sending when it died. Call it before anything is claimed.
    pub async fn rescue(&self) -> Result<Rescued, StoreError> {
        crash::point("start.rescuing");
        let rescued = self.common.store.rescue(self.common.boot, self.common.clock.now()).await?;
        crash::point("start.rescued");
        self.has_suspects.store(rescued.suspects > 0, Ordering::Relaxed);
        Ok(rescued)
    }

    /// One step: delivers everything that is due now, and returns how many attempts that took.
    pub async fn deliver_due(&self) -> Result<usize, StoreError> {
        let mut attempts = 0;
        for lane in &self.lanes {
            attempts += lane.deliver_due().await?;
        }
        if self.has_suspects.load(Ordering::Relaxed) {
            quarantine::deliver_due(&self.lanes, &CancellationToken::new()).await?;
        }
        Ok(attempts)
    }

    /// Delivers what is due when it is due, until `shutdown`; then finishes what is on its way and returns.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut lanes = JoinSet::new();
        for lane in &self.lanes {
            lanes.spawn(Arc::clone(lane).run(shutdown.clone()));
        }
        if self.has_suspects.load(Ordering::Relaxed) {
            lanes.spawn(quarantine::run(self.lanes.clone(), shutdown.clone()));
        }
        while let Some(ended) = lanes.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "A lane of the relay ended badly; its channel is not served until a restart");
            }
        }
    }
}
