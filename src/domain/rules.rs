//! How a channel's messages are treated: how fast they go, how often they are tried, how long they are worth sending,
//! and who takes over.

use std::time::Duration;

use super::{ChannelAddress, OnUnknown, Rate, RetrySchedule};

/// How many times a message's attempt may have ended with the end of the process before the message is suspected of
/// having caused it, and from then on is sent alone. Two may be chance.
pub const SUSPECT_AFTER: u32 = 3;

/// How many times that may happen before the message is given up: five of them alone, so no other can be to blame.
pub const POISON_AFTER: u32 = 8;

/// How long the first suspect waits, doubled by every further crash: long enough that whatever else was on its way is
/// not.
const SUSPECT_WAIT: Duration = Duration::from_secs(10);

/// Alerts older than this tell an operator nothing.
pub const ALERT_EXPIRES: Duration = Duration::from_hours(6);

/// How long a message waits after the process died over it for the `crashes`th time.
pub fn wait_after_crash(crashes: u32) -> Duration {
    match crashes.checked_sub(SUSPECT_AFTER) {
        None => Duration::ZERO,
        Some(doublings) => SUSPECT_WAIT.saturating_mul(1 << doublings.min(POISON_AFTER)),
    }
}

/// How a channel's messages are treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When to try again.
    pub retry: RetrySchedule,
    /// What to do when no answer came.
    pub on_unknown: OnUnknown,
    /// How many messages may be on their way at once.
    pub concurrency: usize,
    /// How fast they may follow each other; `None`: as fast as they can.
    pub rate: Option<Rate>,
    /// How long after it was first due a message is still worth sending.
    pub expire: Duration,
    /// Who takes over what this channel does not deliver in time.
    pub fallback: Fallback,
}

/// When a message leaves a channel that does not deliver it, and for which other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The channel that takes over, unless the message's route names another; `None`: nobody.
    pub channel: Option<ChannelAddress>,
    /// After so many attempts that failed.
    pub failures: u32,
    /// Or this long after the message was first due.
    pub after: Duration,
    /// Whether it writes to customers at another of their addresses than this channel does, so that it may reach whom
    /// this one does not: who has no mailbox may have a phone.
    pub is_elsewhere: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspect_waits_longer_after_every_crash() {
        let waits: Vec<_> = (0..POISON_AFTER).map(|crashes| wait_after_crash(crashes).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 10, 20, 40, 80, 160]);
    }
}
