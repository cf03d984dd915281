//! Where time comes from: the system's clock, or one that a test moves by hand.
//!
//! Nobody else reads the time, and nobody else waits for it. That makes a minute's delay testable in no time, and is
//! the one place to look when clocks jump: every look compares the time of day with a clock that only ever runs, and a
//! jump is told once and wakes whoever waits for a moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::domain::Timestamp;

/// Clocks that are no further apart than this are taken to agree: what they say takes a moment to travel, and none is exact.
pub const TOLERATED: Duration = Duration::from_secs(5);

/// The two clocks may drift apart by this much between two looks, in milliseconds; more is a jump.
const JUMP: i64 = 2_000;

/// How long a new time of day must stand before it is believed in what cannot be undone.
const STANDS: Duration = Duration::from_hours(24);

/// How many jumps are remembered; of more the oldest are believed sooner.
const REMEMBERED: usize = 64;

/// Two looks that lie this far apart, since the thread was stopped between them, cannot be compared.
const ONE_LOOK: Duration = Duration::from_millis(100);

/// A clock; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    agreement: Mutex<Agreement>,
    jumps: watch::Sender<Jumps>,
}

#[derive(Debug)]
enum Source {
    /// The system's, and when we began.
    System(Instant),
    Manual(Manual),
}

#[derive(Debug)]
struct Manual {
    hands: Mutex<Hands>,
    moved: Notify,
}

/// Where a clock stands.
#[derive(Clone, Copy, Debug)]
struct Hands {
    /// The time of day, which can be set.
    wall: Timestamp,
    /// How long the clock has run, which nobody can change.
    elapsed: Duration,
}

impl Hands {
    /// Stays the same while nobody sets the time of day.
    fn offset(self) -> i64 {
        self.wall.as_millis().saturating_sub(i64::try_from(self.elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What both hands said when they were last compared, and the jumps that have not stood for long.
#[derive(Debug, Default)]
struct Agreement {
    offset: i64,
    recent: VecDeque<(Duration, i64)>,
}

/// How often the time of day has jumped since the start, because somebody set it or the machine slept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jumps {
    /// How often.
    pub count: u64,
    /// By how many milliseconds the last time; negative: it was set back.
    pub last: i64,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(Source::System(Instant::now()))
    }

    /// A clock that stands at `start` until it is moved by [`advance`](Self::advance).
    pub fn manual(start: Timestamp) -> Self {
        let hands = Mutex::new(Hands { wall: start, elapsed: Duration::ZERO });
        Self::new(Source::Manual(Manual { hands, moved: Notify::new() }))
    }

    fn new(source: Source) -> Self {
        let clock = Self(Arc::new(Inner { source, agreement: Mutex::default(), jumps: watch::Sender::default() }));
        let offset = clock.hands().offset();
        clock.agreement().offset = offset;
        clock
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.look().wall
    }

    /// The present moment, for what cannot be undone: a jump ahead is believed when it has stood for a day. A clock that
    /// goes wrong by ten years must not make everything expire, or be pruned.
    pub fn certain_now(&self) -> Timestamp {
        let Hands { wall, elapsed } = self.look();
        let ahead =
            self.agreement().recent.iter().filter(|(at, _)| *at + STANDS > elapsed).map(|(_, by)| by).sum::<i64>();
        wall.before(Duration::from_millis(u64::try_from(ahead).unwrap_or(0)))
    }

    /// Says that the present time of day is ahead by this much, unless it stands.
    pub fn doubt(&self, ahead: Duration) {
        let elapsed = self.look().elapsed;
        self.agreement().remember(elapsed, i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX));
    }

    /// How often it has jumped so far. To wait for the next jump, wait for a change.
    pub fn jumps(&self) -> watch::Receiver<Jumps> {
        self.0.jumps.subscribe()
    }

    /// Moves a manual clock by `by`, and lets everybody who waits look again. The system's clock is not ours to move.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0.source {
            let mut hands = manual.hands();
            *hands = Hands { wall: hands.wall.after(by), elapsed: hands.elapsed + by };
            drop(hands);
            manual.moved.notify_waiters();
        }
    }

    /// Sets a manual clock's time of day, as an administrator sets a machine's, while no time passes.
    pub fn set(&self, wall: Timestamp) {
        if let Source::Manual(manual) = &self.0.source {
            manual.hands().wall = wall;
            self.look();
        }
    }

    /// Waits until `moment`, but at most `at_most`, and no longer than until the time of day jumps. Without a moment only
    /// the length of the wait counts.
    pub async fn sleep_until(&self, moment: Option<Timestamp>, at_most: Duration) {
        let mut jumps = self.jumps();
        let jumped = async {
            // The sender is ours, so it is still there.
            if moment.is_none() || jumps.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let waited = async {
            match &self.0.source {
                Source::System(_) => {
                    let wait = moment.map_or(at_most, |moment| moment.since(self.now()).min(at_most));
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "this is the clock that everybody else is told to ask"
                    )]
                    tokio::time::sleep(wait).await;
                }
                Source::Manual(manual) => manual.wait(moment, at_most).await,
            }
        };
        tokio::select! {
            () = waited => {}
            () = jumped => {}
        }
    }

    /// Reads both hands, and tells of a jump since the last time.
    fn look(&self) -> Hands {
        let mut agreement = self.agreement();
        let hands = self.hands();
        if let Source::System(began) = self.0.source
            && began.elapsed().saturating_sub(hands.elapsed) > ONE_LOOK
        {
            return hands;
        }
        let by = hands.offset().saturating_sub(std::mem::replace(&mut agreement.offset, hands.offset()));
        if by.abs() > JUMP {
            agreement.remember(hands.elapsed, by);
            drop(agreement);
            self.tell(hands.wall, by);
        }
        hands
    }

    fn tell(&self, now: Timestamp, by: i64) {
        let size = Duration::from_millis(by.unsigned_abs());
        let (way, size) = (if by > 0 { "ahead" } else { "back" }, humantime::format_duration(size));
        tracing::warn!(by, "The clock jumped {way} by {size}, to {now}: somebody set it, or this machine slept");
        self.0.jumps.send_modify(|jumps| *jumps = Jumps { count: jumps.count.saturating_add(1), last: by });
    }

    fn hands(&self) -> Hands {
        match &self.0.source {
            Source::System(began) => Hands { elapsed: began.elapsed(), wall: system_now() },
            Source::Manual(manual) => *manual.hands(),
        }
    }

    fn agreement(&self) -> MutexGuard<'_, Agreement> {
        self.0.agreement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agreement {
    fn remember(&mut self, at: Duration, by: i64) {
        self.recent.push_back((at, by));
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }
}

impl Manual {
    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self, moment: Option<Timestamp>, at_most: Duration) {
        let until = self.hands().elapsed.saturating_add(at_most);
        loop {
            let moved = self.moved.notified();
            let hands = *self.hands();
            if hands.elapsed >= until || moment.is_some_and(|moment| moment <= hands.wall) {
                return;
            }
            moved.await;
        }
    }
}

fn system_now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to ask")]
    let now = jiff::Timestamp::now();
    Timestamp::from_millis(now.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_795_512_600_000);
    const DAY: Duration = Duration::from_hours(24);

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_past_its_moment() {
        let clock = Clock::manual(Timestamp::from_millis(0));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(Some(Timestamp::from_millis(100)), Duration::from_secs(1)).await;
                clock.now()
            }
        });
        while !sleeper.is_finished() {
            clock.advance(Duration::from_millis(60));
            tokio::task::yield_now().await;
        }
        assert!(sleeper.await.unwrap() >= Timestamp::from_millis(100));
    }

    #[tokio::test]
    async fn a_jump_is_counted_once_and_wakes_who_waits_for_a_moment() {
        let clock = Clock::manual(START);
        let jumps = clock.jumps();
        let sleeper = clock.sleep_until(Some(START.after(DAY)), DAY);
        let set_back = async { clock.set(START.before(DAY)) };
        futures_util::future::join(sleeper, set_back).await;
        assert_eq!(*jumps.borrow(), Jumps { count: 1, last: -86_400_000 });
        clock.advance(DAY);
        clock.set(clock.now().after(Duration::from_secs(1)));
        assert_eq!((clock.now(), jumps.borrow().count), (START.after(Duration::from_secs(1)), 1));
    }

    #[test]
    fn a_jump_ahead_is_believed_when_it_has_stood_for_a_day() {
        let clock = Clock::manual(START);
        clock.set(START.after(DAY * 3650));
        assert_eq!((clock.now(), clock.certain_now()), (START.after(DAY * 3650), START));
        clock.advance(DAY / 2);
        assert_eq!(clock.certain_now(), START.after(DAY / 2));
        clock.advance(DAY / 2);
        assert_eq!(clock.certain_now(), clock.now());
    }

    #[test]
    fn a_jump_that_is_taken_back_leaves_no_doubt() {
        let clock = Clock::manual(START);
        clock.set(START.after(DAY));
        clock.set(START);
        assert_eq!(clock.certain_now(), START);
        clock.set(START.before(DAY));
        assert_eq!(clock.certain_now(), START.before(DAY));
        clock.doubt(DAY * 2);
        assert_eq!(clock.certain_now(), START.before(DAY * 2));
    }

    #[test]
    fn the_systems_clock_does_not_jump_by_itself() {
        let clock = Clock::system();
        let jumps = clock.jumps();
        for _ in 0..1_000 {
            assert_eq!(clock.certain_now().since(clock.now()), Duration::ZERO);
        }
        assert_eq!(jumps.borrow().count, 0);
    }
}
