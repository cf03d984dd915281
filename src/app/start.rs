//! What the start finds in the store, and what is to be said of it.

use std::time::Duration;

use crate::clock::{Clock, TOLERATED};
use crate::conditions::{Condition, Conditions};
use crate::config::Config;
use crate::relay::Served;
use crate::store::{Corrected, Rescued, Store};

/// After so long without an entry, the clock at the start may as well be wrong.
const QUIET: Duration = Duration::from_hours(30 * 24);

/// Holds the time of day against what was written last: the machine may have started with a wrong one.
pub(super) async fn check_clock(store: &dyn Store, clock: &Clock) -> anyhow::Result<()> {
    let now = clock.now();
    let Corrected { newest, messages } = store.correct_times(now).await?;
    match newest {
        Some(newest) if newest > now.after(TOLERATED) => tracing::warn!(
            messages,
            "The newest entry is of {newest}, and this machine's clock says {now}: one of them is wrong. {messages} messages wait from now on"
        ),
        Some(newest) if now.since(newest) > QUIET => {
            // It costs a day's delay of what could wait for months.
            clock.doubt(now.since(newest));
            tracing::info!(
                "The newest entry is of {newest}; for a day nothing expires and nothing is pruned since then"
            );
        }
        _ => {}
    }
    Ok(())
}

/// Messages whose channel is gone from the configuration wait for ever, unless somebody hears of it.
pub(super) async fn tell_unconfigured(store: &dyn Store, config: &Config) -> anyhow::Result<()> {
    for (channel, _) in store.next_due().await?.iter().filter(|(channel, _)| !config.channels.contains_key(channel)) {
        tracing::warn!(%channel, "Messages wait for {channel}, which is no longer configured: configure it, or cancel them");
    }
    Ok(())
}

/// The channels' conditions at the start: what an earlier life noted of those that are served.
pub(super) async fn conditions(store: &dyn Store, served: &[Served]) -> anyhow::Result<Conditions> {
    let notes = store.channel_notes().await?;
    let conditions = served.iter().map(|served| {
        let note = notes.iter().find(|note| note.channel == served.address);
        let condition = note.map_or_else(Condition::default, |note| Condition {
            paused_at: note.paused_at,
            not_before: note.not_before,
            ..Condition::default()
        });
        (served.address.clone(), condition)
    });
    Ok(Conditions::new(conditions, store.feed()))
}

/// Says what became of messages that were on their way when an earlier life ended.
pub(super) fn tell_rescued(rescued: Rescued) {
    let Rescued { pending, dead, suspects } = rescued;
    if pending > 0 {
        tracing::info!(pending, "Rescued {pending} messages that an earlier start left unfinished");
    }
    if suspects > 0 {
        tracing::warn!(
            suspects,
            "{suspects} messages were on their way at several crashes; they are sent one at a time"
        );
    }
    if dead > 0 {
        tracing::error!(dead, "{dead} messages are dead letters: umishop died too often while sending them");
    }
}
