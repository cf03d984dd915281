//! A channel's mail servers, in the order in which they are tried.
//!
//! A mail goes to the first one that is well. A server that fails as a whole, and certainly did not take the mail,
//! leaves it to the next one within the same attempt. What is about the mail or its recipients is final: another server
//! would say the same. A mail whose answer was lost goes to no other server, because it may arrive twice then.
//!
//! Whoever failed is left aside for a while, so that not every mail waits for a server that is down. When all are left
//! aside they are tried nevertheless: it is for the relay to decide that nothing is sent.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::smtp::{Accepted, Smtp};
use super::verdict::Failure;
use crate::channel::Checked;
use crate::domain::{EmailAddress, Outcome, Scope, mask_addresses};

/// How long a server is left aside at first; each further failure doubles it. Restarts of a mail server are over by then.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// How long a server that works again may stay unnoticed: the others carry the mail meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// The servers of a channel, the preferred one first.
pub(super) struct Servers(Vec<Ranked>);

struct Ranked {
    smtp: Smtp,
    health: Mutex<Health>,
}

/// A mail that a server took.
pub(super) struct Taken {
    pub(super) accepted: Accepted,
    /// Which server, when it is not the first.
    pub(super) by: Option<String>,
}

impl Servers {
    pub(super) fn new(in_order: impl IntoIterator<Item = Smtp>) -> Self {
        Self(in_order.into_iter().map(|smtp| Ranked { smtp, health: Mutex::default() }).collect())
    }

    /// Sends one mail over the first server that takes it.
    pub(super) async fn send(&self, from: &EmailAddress, to: &[EmailAddress], mail: &[u8]) -> Result<Taken, Outcome> {
        let mut failed: Vec<(usize, Outcome)> = Vec::new();
        for even_unwell in [false, true] {
            for (index, server) in self.0.iter().enumerate() {
                let was_tried = failed.iter().any(|(tried, _)| *tried == index);
                if was_tried || !(even_unwell || server.health().is_well(Instant::now())) {
                    continue;
                }
                let by = || (index > 0).then(|| server.smtp.name());
                let knew = server.health().failures;
                let sent = server.smtp.send(from, to, mail).await.map_err(Failure::outcome);
                self.learn(server, knew, sent.as_ref().err());
                match sent {
                    Ok(accepted) => return Ok(Taken { accepted, by: by() }),
                    Err(outcome) if outcome.scope() == Some(Scope::Channel) => failed.push((index, outcome)),
                    Err(outcome) => return Err(said_by(by(), outcome)),
                }
            }
        }
        Err(self.all_failed(failed))
    }

    /// The host of each, in their order.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.0.iter().map(|server| server.smtp.host().to_owned()).collect()
    }

    /// Asks each server whether it would take mail from this sender.
    pub(super) async fn check(&self, from: &EmailAddress) -> Vec<Checked> {
        let mut checked = Vec::new();
        for server in &self.0 {
            let outcome = match server.smtp.check(from).await {
                Ok(()) => Outcome::delivered(from.to_string()),
                Err(failure) => failure.outcome(),
            };
            checked.push(Checked { what: server.smtp.name(), outcome, date: None });
        }
        checked
    }

    /// Lets a server's health follow from what came of a mail. A single server is never left aside, and what is wrong with
    /// it is the channel's trouble, told elsewhere.
    fn learn(&self, server: &Ranked, knew: u32, failure: Option<&Outcome>) {
        let name = || server.smtp.name();
        let failure = failure
            .filter(|outcome| matches!(outcome, Outcome::Unknown { .. }) || outcome.scope() == Some(Scope::Channel));
        match failure {
            _ if self.0.len() == 1 => {}
            Some(outcome) => {
                if let Some(pause) = server.health().failed(knew, Instant::now()) {
                    let (server, why) = (name(), mask_addresses(&outcome.explanation()));
                    tracing::warn!(%server, why, "Mail server {server} is left aside for {pause:?}, while others work");
                }
            }
            None => {
                if server.health().worked() {
                    let server = name();
                    tracing::info!(%server, "Mail server {server} works again");
                }
            }
        }
    }

    /// What no server would take. A refusal that an operator must mend comes before trouble that may pass: it comes with
    /// what to do, and a wrong password must not be tried too often.
    fn all_failed(&self, mut failed: Vec<(usize, Outcome)>) -> Outcome {
        if self.0.len() == 1
            && let Some((_, outcome)) = failed.pop()
        {
            return outcome;
        }
        failed.sort_by_key(|(index, _)| *index);
        let (mut reasons, mut hints) = (Vec::new(), Vec::new());
        let mut is_refused = false;
        for (index, outcome) in failed {
            let name = self.0[index].smtp.name();
            if let Outcome::Dead { hint, .. } = &outcome {
                is_refused = true;
                hints.push(format!("{name}: {hint}"));
            }
            reasons.push(format!("{name}: {}", why(outcome)));
        }
        let reasons = reasons.join("; ");
        if is_refused {
            Outcome::dead(Scope::Channel, reasons, hints.join("; "))
        } else {
            Outcome::retry(Scope::Channel, reasons)
        }
    }
}

impl Ranked {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happened, without what to do about it.
fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry { why, .. } | Outcome::Dead { why, .. } | Outcome::Unknown { why } => why,
        Outcome::Delivered { reference, .. } => reference,
    }
}

/// `outcome`, with the server that said so when it is not the first.
fn said_by(server: Option<String>, outcome: Outcome) -> Outcome {
    let Some(server) = server else { return outcome };
    let named = |why: String| format!("{server}: {why}");
    match outcome {
        Outcome::Retry { after, scope, why } => Outcome::Retry { after, scope, why: named(why) },
        Outcome::Dead { scope, why, hint } => Outcome::Dead { scope, why: named(why), hint },
        Outcome::Unknown { why } => Outcome::Unknown { why: named(why) },
        delivered @ Outcome::Delivered { .. } => delivered,
    }
}

/// Whether a server is well, as far as we know.
#[derive(Debug, Default)]
struct Health {
    /// How often it has failed since it last worked.
    failures: u32,
    /// It is left aside until then.
    aside_until: Option<Instant>,
}

impl Health {
    /// Whether a mail may go there before others. When a pause is over one mail tries; the rest wait for what comes of it.
    fn is_well(&mut self, now: Instant) -> bool {
        match self.aside_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.aside_until = Some(now + pause(self.failures));
                true
            }
            None => true,
        }
    }

    /// A mail failed that was begun when we `knew` of so many failures. Returns how long the server is left aside, if that
    /// is news: mails that are on their way together fail together, and that is one failure.
    fn failed(&mut self, knew: u32, now: Instant) -> Option<Duration> {
        if knew != self.failures {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let pause = pause(self.failures);
        self.aside_until = Some(now + pause);
        Some(pause)
    }

    /// The server answered as it should. Returns whether that is news.
    fn worked(&mut self) -> bool {
        std::mem::take(self).aside_until.is_some()
    }
}

/// How long a server is left aside that has failed so often.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_ends_with_the_first_success() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        for seconds in [30, 60, 120, 240, 480, 600, 600] {
            assert!(health.is_well(now));
            let pause = Duration::from_secs(seconds);
            assert_eq!(health.failed(health.failures, now), Some(pause));
            assert!(!health.is_well(now + pause - Duration::from_millis(1)));
            now += pause;
        }
        assert!(health.is_well(now) && health.worked() && health.is_well(now) && !health.worked());
        assert_eq!(health.failed(0, now), Some(FIRST_PAUSE));
    }

    #[test]
    fn mails_that_fail_together_are_one_failure() {
        let (mut health, now) = (Health::default(), Instant::now());
        let pauses = [0; 8].map(|knew| health.failed(knew, now));
        assert_eq!((pauses[0], &pauses[1..]), (Some(FIRST_PAUSE), &[None; 7][..]));
    }

    #[test]
    fn one_mail_tries_a_server_whose_pause_is_over() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(0, now);
        let over = now + FIRST_PAUSE;
        assert_eq!([health.is_well(over), health.is_well(over)], [true, false]);
        // It has not come back for as long again: another may try.
        assert!(health.is_well(over + FIRST_PAUSE));
    }
}
