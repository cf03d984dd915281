//! Keeps a lane from hammering a channel that is down, and from burning messages on it.
//!
//! A failure of the whole channel opens the breaker for a while; then a single message probes it. The receiver's answer
//! closes it, another failure opens it for longer.

use std::time::Duration;

use crate::conditions::Trouble;
use crate::domain::{LONGEST_RETRY_AFTER, Outcome, Scope, Timestamp};

/// The first pause, doubled by every further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The first pause after a refusal that does not mend by itself: a wrong password that is tried often locks accounts.
const FIRST_LASTING_PAUSE: Duration = Duration::from_mins(1);

/// The longest pause of our own choice: how long a mended channel may stay unnoticed. The receiver may ask for more.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Whether messages may be sent over a channel just now.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    trouble: Option<Trouble>,
    /// When it opened the last time. A clock that shows an earlier moment was set back, and the pause is over.
    opened_at: Option<Timestamp>,
    /// Whether the receiver asked for the pause.
    asked: bool,
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
    /// Open until `not_before`, when the receiver asked for that in an earlier life.
    pub(super) fn new(not_before: Option<Timestamp>, now: Timestamp) -> Self {
        // A time far ahead was noted before the clock was set back.
        let range = now..=now.after(LONGEST_RETRY_AFTER);
        let trouble = not_before.filter(|moment| range.contains(moment)).map(|moment| Trouble {
            since: now,
            probe_at: moment,
            failures: 1,
            why: "the receiver asked for patience before the last start".to_owned(),
            hint: String::new(),
            lasting: false,
        });
        let asked = trouble.is_some();
        Self { trouble, opened_at: Some(now), asked, probing: false }
    }

    /// What is wrong with the channel, if anything is.
    pub(super) const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// How many of `free` slots may be used.
    pub(super) fn leave(&self, free: usize, now: Timestamp) -> Leave {
        match &self.trouble {
            None => Leave::Start(free),
            Some(trouble) if self.waits(now) => Leave::WaitUntil(trouble.probe_at),
            Some(_) if self.probing => Leave::WaitForProbe,
            Some(_) => Leave::Start(free.min(1)),
        }
    }

    fn waits(&self, now: Timestamp) -> bool {
        let set_back = self.opened_at.is_some_and(|opened_at| opened_at > now);
        !set_back && self.trouble.as_ref().is_some_and(|trouble| trouble.probe_at > now)
    }

    /// Lets the next message probe at once.
    pub(super) fn try_now(&mut self, now: Timestamp) {
        if let Some(trouble) = &mut self.trouble {
            trouble.probe_at = trouble.probe_at.min(now);
        }
    }

    /// Hears that messages were started.
    pub(super) fn started(&mut self) {
        self.probing = self.trouble.is_some();
    }

    /// Learns from an attempt; `None`: the channel was not asked after all.
    pub(super) fn learn(&mut self, outcome: Option<&Outcome>, now: Timestamp) -> News {
        // Also for what is ignored below: a message that was claimed while the breaker opened counts as started after
        // that, and would else be taken for a probe that never comes back.
        self.probing = false;
        // What was already on its way when the breaker opened says nothing new, unless it arrived; and even then the
        // receiver's own wish for patience stands.
        if self.waits(now) && (self.asked || !matches!(outcome, Some(Outcome::Delivered { .. }))) {
            return News::None;
        }
        match outcome {
            // Nothing was heard from the receiver.
            None | Some(Outcome::Unknown { .. }) => News::None,
            Some(Outcome::Retry { scope: Scope::Channel, after, why }) => {
                self.open(after.unwrap_or_default(), why, "", false, now)
            }
            Some(Outcome::Dead { scope: Scope::Channel, why, hint }) => self.open(Duration::ZERO, why, hint, true, now),
            Some(_) => match self.trouble.take() {
                Some(trouble) => News::Closed { after: now.since(trouble.since) },
                None => News::None,
            },
        }
    }

    fn open(&mut self, asked: Duration, why: &str, hint: &str, lasting: bool, now: Timestamp) -> News {
        let earlier = self.trouble.take();
        let failures = earlier.as_ref().map_or(0, |trouble| trouble.failures);
        let first = if lasting { FIRST_LASTING_PAUSE } else { FIRST_PAUSE };
        let ours = first.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
        let asked = asked.min(LONGEST_RETRY_AFTER);
        let pause = ours.max(asked);
        self.opened_at = Some(now);
        self.asked = !asked.is_zero();
        self.trouble = Some(Trouble {
            since: earlier.map_or(now, |trouble| trouble.since),
            probe_at: now.after(pause),
            failures: failures.saturating_add(1),
            why: why.to_owned(),
            hint: hint.to_owned(),
            lasting,
        });
        News::Opened { pause, asked: (!asked.is_zero()).then_some(asked) }
    }
}

/// What an attempt taught about the channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing new.
    None,
    /// It is in trouble; nothing is sent over it for so long.
    Opened {
        /// How long.
        pause: Duration,
        /// How long the receiver asked for, if it did; our own pause may be longer, but need not outlive a restart.
        asked: Option<Duration>,
    },
    /// It works again.
    Closed {
        /// How long it did not.
        after: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn down() -> Outcome {
        Outcome::retry(Scope::Channel, "connection refused")
    }

    fn opened(pause: Duration) -> News {
        News::Opened { pause, asked: None }
    }

    fn pause_after(breaker: &mut Breaker, outcome: &Outcome) -> Duration {
        breaker.try_now(NOW);
        match breaker.learn(Some(outcome), NOW) {
            News::Opened { pause, .. } => pause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_channel_that_is_down_is_probed_by_one_message_after_a_growing_pause() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.leave(8, NOW), Leave::Start(8));
        assert_eq!(breaker.learn(Some(&down()), NOW), opened(FIRST_PAUSE));
        assert_eq!(breaker.leave(8, NOW), Leave::WaitUntil(NOW.after(FIRST_PAUSE)));
        let later = NOW.after(FIRST_PAUSE);
        assert_eq!(breaker.leave(8, later), Leave::Start(1));
        breaker.started();
        assert_eq!(breaker.leave(8, later), Leave::WaitForProbe);
        assert_eq!(breaker.learn(Some(&down()), later), opened(FIRST_PAUSE * 2));
        let longest = (0..20).map(|_| pause_after(&mut breaker, &down())).last();
        assert_eq!(longest, Some(LONGEST_PAUSE));
    }

    #[test]
    fn a_refused_login_is_tried_less_often() {
        let mut breaker = Breaker::default();
        let refused = Outcome::dead(Scope::Channel, "535", "check the password");
        assert_eq!(pause_after(&mut breaker, &refused), FIRST_LASTING_PAUSE);
        let trouble = breaker.trouble().unwrap();
        assert_eq!((trouble.why.as_str(), trouble.hint.as_str(), trouble.lasting), ("535", "check the password", true));
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
        let answer = breaker.learn(Some(&Outcome::dead(Scope::Message, "too long", "")), later);
        assert_eq!(answer, News::Closed { after: FIRST_PAUSE });
        assert_eq!(breaker.leave(8, later), Leave::Start(8));
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_pause() {
        let mut breaker = Breaker::default();
        let later = NOW.after(Duration::from_hours(24));
        breaker.learn(Some(&down()), later);
        assert!(matches!(breaker.leave(8, later), Leave::WaitUntil(_)));
        assert_eq!(breaker.leave(8, NOW), Leave::Start(1));
    }

    #[test]
    fn what_was_on_its_way_together_counts_once() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.learn(Some(&down()), NOW), opened(FIRST_PAUSE));
        assert_eq!(breaker.learn(Some(&down()), NOW), News::None);
        assert_eq!(breaker.trouble().unwrap().failures, 1);
    }

    #[test]
    fn a_wish_shorter_than_our_own_pause_is_told_so_that_a_restart_can_keep_it() {
        let wish = Duration::from_secs(3);
        let busy = Outcome::Retry { after: Some(wish), scope: Scope::Channel, why: "429".into() };
        let news = Breaker::default().learn(Some(&busy), NOW);
        assert_eq!(news, News::Opened { pause: FIRST_PAUSE, asked: Some(wish) });
    }

    #[test]
    fn what_was_claimed_while_it_opened_is_no_probe_that_never_comes_back() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.leave(8, NOW), Leave::Start(8));
        breaker.learn(Some(&down()), NOW);
        breaker.started();
        breaker.learn(Some(&down()), NOW);
        assert_eq!(breaker.leave(8, NOW.after(FIRST_PAUSE)), Leave::Start(1));
    }

    #[test]
    fn a_late_success_ends_our_own_pause_but_not_the_one_that_the_receiver_asked_for() {
        let delivered = Outcome::delivered("");
        let mut breaker = Breaker::default();
        breaker.learn(Some(&down()), NOW);
        assert_eq!(breaker.learn(Some(&delivered), NOW), News::Closed { after: Duration::ZERO });
        let busy = Outcome::Retry { after: Some(Duration::from_secs(30)), scope: Scope::Channel, why: "429".into() };
        breaker.learn(Some(&busy), NOW);
        assert_eq!(breaker.learn(Some(&delivered), NOW), News::None);
        assert_eq!(breaker.leave(8, NOW), Leave::WaitUntil(NOW.after(Duration::from_secs(30))));
    }

    #[test]
    fn the_receivers_own_wish_is_kept_to_the_second_also_across_a_restart() {
        let half_an_hour = Duration::from_mins(30);
        let busy = Outcome::Retry { after: Some(half_an_hour), scope: Scope::Channel, why: "429".into() };
        let news = Breaker::default().learn(Some(&busy), NOW);
        assert_eq!(news, News::Opened { pause: half_an_hour, asked: Some(half_an_hour) });
        let restarted = Breaker::new(Some(NOW.after(half_an_hour)), NOW);
        assert_eq!(restarted.leave(8, NOW), Leave::WaitUntil(NOW.after(half_an_hour)));
        let stale = Breaker::new(Some(NOW.after(Duration::from_hours(1000))), NOW);
        assert_eq!(stale.leave(8, NOW), Leave::Start(8));
    }
}
