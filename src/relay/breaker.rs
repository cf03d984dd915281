//! Keeps a lane from hammering a channel that is down, and from burning messages on it.
//!
//! A failure of the whole channel opens the breaker for a while; then a single message probes it. The receiver's answer
//! closes it, another failure opens it for longer.

use std::time::Duration;

use crate::domain::{LONGEST_RETRY_AFTER, Outcome, Scope, Timestamp};

/// The first pause, doubled by every further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause of our own choice: how long a mended channel may stay unnoticed. The receiver may ask for more.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Whether messages may be sent over a channel just now.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open_until: Option<Timestamp>,
    probing: bool,
}

/// What the breaker says to a lane that could start some messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Start at most this many.
    Start(usize),
    /// Start nothing before this moment.
    WaitUntil(Timestamp),
    /// Start nothing before the probe is back.
    WaitForProbe,
}

impl Breaker {
    /// How many of `free` slots may be used.
    pub(super) fn leave(&self, free: usize, now: Timestamp) -> Leave {
        match self.open_until {
            None => Leave::Start(free),
            Some(until) if until > now => Leave::WaitUntil(until),
            Some(_) if self.probing => Leave::WaitForProbe,
            Some(_) => Leave::Start(free.min(1)),
        }
    }

    /// Hears that messages were started.
    pub(super) fn started(&mut self) {
        self.probing = self.open_until.is_some();
    }

    /// Learns from an attempt; `None`: the channel was not asked after all. Returns the pause that it opened, if it did.
    pub(super) fn learn(&mut self, outcome: Option<&Outcome>, now: Timestamp) -> Option<Duration> {
        // What was already on its way when the breaker opened says nothing new.
        if self.open_until.is_some_and(|until| until > now) && !matches!(outcome, Some(Outcome::Delivered { .. })) {
            return None;
        }
        self.probing = false;
        match outcome {
            // Nothing was heard from the receiver.
            None | Some(Outcome::Unknown { .. }) => None,
            Some(Outcome::Retry { scope: Scope::Channel, after, .. }) => {
                Some(self.open(after.unwrap_or_default(), now))
            }
            Some(Outcome::Dead { scope: Scope::Channel, .. }) => Some(self.open(Duration::ZERO, now)),
            Some(_) => {
                *self = Self::default();
                None
            }
        }
    }

    fn open(&mut self, asked: Duration, now: Timestamp) -> Duration {
        let ours = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        let pause = ours.max(asked.min(LONGEST_RETRY_AFTER));
        self.failures = self.failures.saturating_add(1);
        self.open_until = Some(now.after(pause));
        pause
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
        assert_eq!(breaker.learn(Some(&down()), NOW), Some(FIRST_PAUSE));
        assert_eq!(breaker.leave(8, NOW), Leave::WaitUntil(NOW.after(FIRST_PAUSE)));
        let later = NOW.after(FIRST_PAUSE);
        assert_eq!(breaker.leave(8, later), Leave::Start(1));
        breaker.started();
        assert_eq!(breaker.leave(8, later), Leave::WaitForProbe);
        assert_eq!(breaker.learn(Some(&down()), later), Some(FIRST_PAUSE * 2));
        for _ in 0..20 {
            breaker.open_until = Some(NOW);
            breaker.learn(Some(&down()), NOW);
        }
        assert_eq!(breaker.leave(8, NOW), Leave::WaitUntil(NOW.after(LONGEST_PAUSE)));
    }

    #[test]
    fn an_answer_closes_it_and_silence_asks_for_another_probe() {
        let mut breaker = Breaker::default();
        breaker.learn(Some(&down()), NOW);
        let later = NOW.after(FIRST_PAUSE);
        breaker.started();
        breaker.learn(Some(&Outcome::Unknown { why: "no answer".into() }), later);
        assert_eq!(breaker.leave(8, later), Leave::Start(1));
        breaker.started();
        breaker.learn(None, later);
        assert_eq!(breaker.leave(8, later), Leave::Start(1));
        breaker.started();
        breaker.learn(Some(&Outcome::dead(Scope::Message, "too long", "")), later);
        assert_eq!(breaker.leave(8, later), Leave::Start(8));
    }

    #[test]
    fn what_was_on_its_way_together_counts_once() {
        let mut breaker = Breaker::default();
        assert!(breaker.learn(Some(&down()), NOW).is_some());
        assert!(breaker.learn(Some(&down()), NOW).is_none());
        assert_eq!(breaker.failures, 1);
    }

    #[test]
    fn the_receivers_own_wish_is_kept_to_the_second() {
        let mut breaker = Breaker::default();
        let busy = Outcome::Retry { after: Some(Duration::from_mins(30)), scope: Scope::Channel, why: "429".into() };
        assert_eq!(breaker.learn(Some(&busy), NOW), Some(Duration::from_mins(30)));
    }
}
