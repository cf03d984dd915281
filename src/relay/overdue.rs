//! Looks after what waits for a channel that sends nothing just now: hands it over, or gives it up, when its time comes.
//!
//! What is claimed is looked at by its attempt. A channel in trouble, or paused, claims nothing, and so that an outage
//! ends neither in silence nor in a flood of stale messages, its messages are looked at here.

use super::lane::{LOOK_AGAIN, Lane};
use crate::domain::{ALERT_EXPIRES, Timestamp};
use crate::store::{Overdue, StoreError};

impl Lane {
    /// Sweeps, unless it has been done a moment ago: a channel in trouble may get many new messages meanwhile.
    pub(super) async fn sweep_now_and_then(&self, swept_at: &mut Timestamp) {
        let now = self.common.clock.now();
        // Also when the clock has been set back.
        if (*swept_at..swept_at.after(LOOK_AGAIN)).contains(&now) {
            return;
        }
        *swept_at = now;
        if let Err(error) = self.sweep(now).await {
            tracing::error!(channel = %self.served.address, %error, "Could not look after waiting messages; trying again");
        }
    }

    /// Sweeps, if nothing is sent over the channel. Says how many messages changed.
    pub(super) async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let (common, rules, address) = (&self.common, &self.served.rules, &self.served.address);
        let Some(why) = self.silence() else { return Ok(0) };
        // What expires is gone, so a jump of the clock is not believed at once; what is handed over is not.
        let certain = common.clock.certain_now();
        let overdue = Overdue {
            channel: address.clone(),
            fallback: rules.fallback.channel.clone(),
            known: common.conditions.all().map(|(channel, _)| channel.clone()).collect(),
            hand_over_before: now.before(rules.fallback.after),
            expire_before: certain.before(rules.expire),
            expire_alerts_before: certain.before(rules.expire.min(ALERT_EXPIRES)),
            why,
        };
        let mut changed = 0;
        loop {
            let swept = common.store.sweep(overdue.clone(), now).await?;
            let handed_over = swept.handed_over.len();
            if handed_over > 0 {
                tracing::warn!(channel = %address, handed_over, "{handed_over} messages of {address} are handed over: they have waited long enough");
            }
            if swept.expired > 0 {
                let expired = swept.expired;
                tracing::warn!(channel = %address, expired, "{expired} messages of {address} are dead letters: they have expired");
            }
            self.metrics.handed_over.add(handed_over as u64);
            self.metrics.expired.add(swept.expired);
            self.metrics.dead_letters.add(swept.expired);
            changed += swept.expired + handed_over as u64;
            for channel in &swept.handed_over {
                common.wake.at(channel, now);
            }
            if !swept.more {
                return Ok(changed);
            }
        }
    }

    /// Why nothing is sent over the channel just now; `None`: messages are.
    fn silence(&self) -> Option<String> {
        self.common.conditions.of(&self.served.address)?.summary(&self.served.address)
    }
}
