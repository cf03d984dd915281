//! Who may call how often.
//!
//! A caller who knows the secret is never refused for the guesses of others, not even from the same address: whoever
//! shares a proxy or a bot platform with the shop could silence it otherwise. Guesses are compared first and counted
//! then; what makes guessing hopeless is a long secret.

use std::time::Duration;

use poem::Request;

use super::client::{Client, Proxies};
use super::rate_limit::RateLimit;
use super::tally::Tally;
use crate::clock::Clock;
use crate::domain::Rate;

/// How many wrong secrets an address may show: ten at once, then ten a minute. Enough for somebody who sets up a bot;
/// more is not read as a mistake any longer.
const WRONG_SECRETS: Rate = Rate { count: 10, per: Duration::from_mins(1), burst: 10 };

/// Who may call how often.
pub struct Gate {
    proxies: Proxies,
    clock: Clock,
    /// `None`: as often as they like.
    calls: Option<RateLimit>,
    calls_refused: Tally,
    wrong_secrets: Guesses,
    wrong_tokens: Guesses,
}

/// Wrong secrets of one kind.
struct Guesses {
    limit: RateLimit,
    told: Tally,
}

/// Somebody calls too often: how long to wait before the next call.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooOften(Duration);

impl TooOften {
    /// Whole seconds, for `Retry-After`.
    pub(super) fn seconds(self) -> u64 {
        self.0.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
    }
}

impl Gate {
    /// With these proxies, and at most so many calls from an address; `None`: as many as they like.
    pub fn new(proxies: Proxies, calls: Option<Rate>, clock: Clock) -> Self {
        Self {
            proxies,
            clock,
            calls: calls.map(RateLimit::new),
            calls_refused: Tally::default(),
            wrong_secrets: Guesses { limit: RateLimit::new(WRONG_SECRETS), told: Tally::default() },
            wrong_tokens: Guesses { limit: RateLimit::new(WRONG_SECRETS), told: Tally::default() },
        }
    }

    /// Who calls.
    pub(super) fn client(&self, request: &Request) -> Client {
        self.proxies.client(request)
    }

    /// Somebody calls a webhook, or says that they opened a welcome's link. A trusted proxy that speaks for nobody is a program of the shop's own, and calls as
    /// often as it likes.
    pub(super) fn call(&self, client: Client) -> Result<(), TooOften> {
        let Some(calls) = self.calls.as_ref().filter(|_| !client.is_trusted) else { return Ok(()) };
        let now = self.clock.now();
        calls.take(client.address, now).map_err(|wait| {
            if let Some(count) = self.calls_refused.count(now) {
                let client = client.address;
                tracing::warn!(
                    count,
                    %client,
                    "Refused {count} calls of the webhooks and the shop's page: more than [intake] rate allows from one address, the last from {client}"
                );
            }
            TooOften(wait)
        })
    }

    /// Somebody showed a webhook a wrong secret.
    pub(super) fn wrong_secret(&self, client: Client) -> Result<(), TooOften> {
        self.wrong_secrets.note(client, &self.clock, "calls of the webhooks with a wrong secret")
    }

    /// Somebody showed the API a wrong token or login link.
    pub(super) fn wrong_token(&self, client: Client) -> Result<(), TooOften> {
        self.wrong_tokens.note(client, &self.clock, "calls of the API with a wrong token or login link")
    }
}

impl Guesses {
    fn note(&self, client: Client, clock: &Clock, what: &str) -> Result<(), TooOften> {
        let (now, client) = (clock.now(), client.address);
        if let Some(count) = self.told.count(now) {
            tracing::warn!(count, %client, "Refused {count} {what}, the last from {client}");
        }
        self.limit.take(client, now).map_err(TooOften)
    }
}
