//! Sends messages that are suspected of ending the process: one at a time, whatever their channel.
//!
//! A message that was on its way at several crashes in a row may have caused them, or had bad luck. Alone, it is either
//! delivered, which clears it, or there is no doubt left: whatever else was on its way at that crash is not blamed (see
//! [`Store::rescue`](crate::store::Store::rescue)). Suspects are only ever made by a start, so this ends when they are
//! gone.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::attempt::STORE_PAUSE;
use super::breaker::Leave;
use super::lane::{LOOK_AGAIN, Lane};
use crate::domain::Timestamp;
use crate::store::StoreError;

/// Serves the suspects of all `lanes` until there are none, or `shutdown`.
pub(super) async fn run(lanes: Vec<Arc<Lane>>, shutdown: CancellationToken) {
    let Some(clock) = lanes.first().map(|lane| lane.common.clock.clone()) else { return };
    while !shutdown.is_cancelled() {
        let next = match deliver_due(&lanes, &shutdown).await {
            Ok(None) => return,
            Ok(Some(next_due)) => next_due,
            Err(error) => {
                tracing::error!(%error, "Could not claim a suspect; asking again");
                clock.now().after(STORE_PAUSE)
            }
        };
        tokio::select! {
            () = clock.sleep_until(Some(next), LOOK_AGAIN) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// Delivers every suspect that is due, one after the other. Says when the next one is; `None`: there are no others.
pub(super) async fn deliver_due(
    lanes: &[Arc<Lane>],
    shutdown: &CancellationToken,
) -> Result<Option<Timestamp>, StoreError> {
    let mut next = None;
    for lane in lanes {
        while !shutdown.is_cancelled() {
            let now = lane.common.clock.now();
            let slot = lane.free_slots().await.pop();
            let slot = match (lane.leave(1, now), slot) {
                (Leave::Start(_), Some(slot)) => slot,
                // There may be suspects for this channel. They are looked for when its lane looks, too.
                (Leave::WaitUntil(moment), _) => {
                    next = next.into_iter().chain([moment]).min();
                    break;
                }
                (Leave::WaitForProbe, _) | (_, None) => {
                    next = next.into_iter().chain([now.after(LOOK_AGAIN)]).min();
                    break;
                }
            };
            let claimed = lane.common.store.claim_suspect(&lane.served.address, lane.common.boot, now).await?;
            lane.started(claimed.claims.len());
            let Some(claim) = claimed.claims.into_iter().next() else {
                next = next.into_iter().chain(claimed.next_due).min();
                break;
            };
            Arc::clone(lane).carry(claim, slot).await;
        }
    }
    Ok(next)
}
