//! Keeps a lane from hammering a channel that is down, and from burning messages on it.
//!
//! A failure of the whole channel opens the breaker for a while; then a single message probes it. Success closes it,
//! another failure opens it for longer.

use std::time::Duration;

use crate::domain::{Outcome, Scope, Timestamp};

/// The first pause, doubled by every further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause: how long a mended channel may stay unnoticed.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Whether messages may be sent over a channel just now.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open_until: Option<Timestamp>,
}

/// What the breaker says to a lane that could start some messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Start at most this many.
    Start(usize),
    /// Start nothing before this moment.
    WaitUntil(Timestamp),
}

impl Breaker {
    /// How many of `free` slots may be used.
    pub(super) fn leave(&self, free: usize, now: Timestamp) -> Leave {
        match self.open_until {
            None => Leave::Start(free),
            Some(until) if until <= now => Leave::Start(free.min(1)),
            Some(until) => Leave::WaitUntil(until),
        }
    }

    /// Learns from an attempt. Returns the pause that it opened, if it did.
    pub(super) fn learn(&mut self, outcome: &Outcome, now: Timestamp) -> Option<Duration> {
        if outcome.scope() != Some(Scope::Channel) {
            *self = Self::default();
            return None;
        }
        // What was already on its way when the breaker opened says nothing new.
        if self.open_until.is_some_and(|until| until > now) {
            return None;
        }
        let asked = if let Outcome::Retry { after, .. } = outcome { after.unwrap_or_default() } else { Duration::ZERO };
        let pause =
            FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE).max(asked.min(LONGEST_PAUSE));
        self.failures = self.failures.saturating_add(1);
        self.open_until = Some(now.after(pause));
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn down() -> Outcome {
        Outcome::retry(Scope::Channel, "connection refused")
    }

    #[test]
    fn a_channel_that_is_down_is_probed_by_one_message_after_a_growing_pause() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.leave(8, NOW), Leave::Start(8));
        assert_eq!(breaker.learn(&down(), NOW), Some(FIRST_PAUSE));
        assert_eq!(breaker.leave(8, NOW), Leave::WaitUntil(NOW.after(FIRST_PAUSE)));
        let later = NOW.after(FIRST_PAUSE);
        assert_eq!(breaker.leave(8, later), Leave::Start(1));
        assert_eq!(breaker.learn(&down(), later), Some(FIRST_PAUSE * 2));
        for _ in 0..20 {
            breaker.open_until = Some(NOW);
            breaker.learn(&down(), NOW);
        }
        assert_eq!(breaker.leave(8, NOW), Leave::WaitUntil(NOW.after(LONGEST_PAUSE)));
    }

    #[test]
    fn a_delivery_or_a_fault_of_the_message_alone_closes_it() {
        let mut breaker = Breaker::default();
        breaker.learn(&down(), NOW);
        breaker.learn(&Outcome::dead(Scope::Message, "too long", ""), NOW);
        assert_eq!(breaker.leave(8, NOW), Leave::Start(8));
    }

    #[test]
    fn what_was_on_its_way_together_counts_once() {
        let mut breaker = Breaker::default();
        assert!(breaker.learn(&down(), NOW).is_some());
        assert!(breaker.learn(&down(), NOW).is_none());
        assert_eq!(breaker.failures, 1);
    }
}
