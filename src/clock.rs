//! Where time comes from: the system's clock, or one that a test moves by hand.
//!
//! Nobody else reads the time, and nobody else waits for it. That makes a minute's delay testable in no time, and is
//! the one place to look when clocks jump.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::domain::Timestamp;

/// A clock; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Inner);

#[derive(Clone, Debug)]
enum Inner {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    now: Mutex<Timestamp>,
    moved: Notify,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Inner::System)
    }

    /// A clock that stands at `start` until it is moved by [`advance`](Self::advance).
    pub fn manual(start: Timestamp) -> Self {
        Self(Inner::Manual(Arc::new(Manual { now: Mutex::new(start), moved: Notify::new() })))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Inner::System => system_now(),
            Inner::Manual(manual) => *manual.now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock by `by`, and lets everybody who waits look again. The system's clock is not ours to move.
    pub fn advance(&self, by: Duration) {
        if let Inner::Manual(manual) = &self.0 {
            let mut now = manual.now.lock().unwrap_or_else(PoisonError::into_inner);
            *now = now.after(by);
            drop(now);
            manual.moved.notify_waiters();
        }
    }

    /// Waits until `moment`, but at most `at_most`: a wall clock can be set back while we wait.
    pub async fn sleep_until(&self, moment: Option<Timestamp>, at_most: Duration) {
        match &self.0 {
            Inner::System => {
                let wait = moment.map_or(at_most, |moment| moment.since(system_now()).min(at_most));
                #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is told to ask")]
                tokio::time::sleep(wait).await;
            }
            Inner::Manual(manual) => loop {
                let moved = manual.moved.notified();
                if moment.is_some_and(|moment| moment <= self.now()) {
                    return;
                }
                moved.await;
            },
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
}
