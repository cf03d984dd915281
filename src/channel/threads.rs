//! A channel's own threads for calls that block.
//!
//! They are not taken from a shared pool: a receiver that hangs ties up its own channel's threads and no other's, and
//! none of them holds up the program's exit. A thread is started when there is none to spare and ends after a while
//! without work, so that an idle channel costs nothing.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// More than any channel's sensible `concurrency`; past it, calls wait for a thread.
const MOST: usize = 256;

/// How long a thread waits for work before it ends.
const LONGEST_IDLE: Duration = Duration::from_secs(20);

type Call = Box<dyn FnOnce() + Send>;

/// Threads that run one channel's blocking calls.
pub(super) struct Threads {
    name: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    calls: VecDeque<Call>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Threads {
    /// None yet; each will be called `name`.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), shared: Arc::default() }
    }

    /// Runs `call` on a thread of this channel. `None`: it panicked, or the system gave us no thread.
    pub(super) async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.push(Box::new(move || drop(answer.send(call()))));
        answered.await.ok()
    }

    fn push(&self, call: Call) {
        let mut state = self.shared.lock();
        state.calls.push_back(call);
        if state.calls.len() <= state.idle {
            self.shared.work.notify_one();
        } else if state.threads < MOST {
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().name(self.name.clone()).spawn(move || shared.serve()) {
                Ok(_) => state.threads += 1,
                // Without any thread nobody would ever run the call; dropping it answers it.
                Err(_) if state.threads == 0 => state.calls.clear(),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life.
    fn serve(&self) {
        while let Some(call) = self.next() {
            // A panic is the call's failure, not the thread's; its answer is dropped, which the caller sees.
            drop(catch_unwind(AssertUnwindSafe(call)));
        }
    }

    fn next(&self) -> Option<Call> {
        let mut state = self.lock();
        loop {
            if let Some(call) = state.calls.pop_front() {
                return Some(call);
            }
            state.idle += 1;
            let (woken, timeout) = self.work.wait_timeout(state, LONGEST_IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if state.calls.is_empty() && (state.closed || timeout.timed_out()) {
                state.threads -= 1;
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_call_that_hangs_keeps_no_other_waiting() {
        let threads = Threads::new("test");
        let (release, released) = mpsc::channel::<()>();
        let hanging = threads.run(move || released.recv());
        let quick = threads.run(|| 7);
        let (hung, quick) = tokio::join!(hanging, async {
            let answer = quick.await;
            release.send(()).unwrap();
            answer
        });
        assert_eq!((hung, quick), (Some(Ok(())), Some(7)));
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_too() {
        let threads = Threads::new("test");
        assert_eq!(threads.run(|| panic!("on purpose")).await, None::<()>);
        assert_eq!(threads.run(|| 7).await, Some(7));
    }
}
