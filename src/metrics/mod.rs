//! What is counted while the program runs, for whoever watches it.
//!
//! Whoever does something counts it here, and `/metrics` writes it down in Prometheus's text format. All of it begins at
//! zero with the process: what must be remembered is in the store. The labels are few and come from the configuration
//! and from this code, never from what a customer sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{ChannelAddress, Outcome, Scope, Timestamp};

mod process;
mod text;
mod values;

pub use text::{CONTENT_TYPE, Family, Label, Page, SECONDS};
pub use values::{Counter, Distribution, Histogram, Table};

/// Which part of the site was asked: rows of [`Metrics::responses`], and the first two of [`Metrics::answers`].
pub const AREAS: &[&str] = &["user", "topic", "api", "monitor", "site"];

const CODES: &[&str] =
    &["200", "204", "304", "400", "401", "403", "404", "405", "408", "409", "413", "422", "429", "500", "503", "other"];

const STATUSES: &[&str] =
    &["created", "already_registered", "queued", "duplicate", "ignored", "invalid", "unauthorized", "error"];

const OUTCOMES: &[&str] = &["delivered", "retry", "dead", "unknown"];

const SCOPES: &[&str] = &["", "message", "recipient", "destination", "channel"];

/// Microseconds: from what nobody notices to what nobody forgives.
const LATENESS: &[u64] = &[
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    15_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    21_600_000_000,
];

/// Microseconds: from a server beside this one to one that hangs.
const DELIVERY: &[u64] = &[
    1_000, 5_000, 10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
    60_000_000,
];

/// Everything that is counted but what the store counts itself.
#[derive(Debug)]
pub struct Metrics {
    /// Registrations that were stored.
    pub registrations: Accepted,
    /// Requests that were stored.
    pub requests: Accepted,
    /// What the webhooks' handlers answered: by webhook and the answer's status.
    pub answers: Table,
    /// Everything that was answered over HTTP: by area and status code.
    pub responses: Table,
    /// Connections of callers.
    pub connections: Arc<ConnectionMetrics>,
    /// Webhooks that were put into the inbox.
    pub unreadable: Counter,
    started_at: Timestamp,
    channels: BTreeMap<ChannelAddress, Arc<ChannelMetrics>>,
}

/// Connections of callers.
#[derive(Debug, Default)]
pub struct ConnectionMetrics {
    /// Those that were let in.
    pub opened: Counter,
    /// Those of them that have ended.
    pub closed: Counter,
    /// Those that were not let in, because there were as many as there may be.
    pub refused: Counter,
}

impl ConnectionMetrics {
    fn write(&self, page: &mut Page) {
        let (closed, opened) = (self.closed.get(), self.opened.get());
        page.counter("umishop_http_connections_total", "Connections that were let in.").value(&[], opened);
        page.gauge("umishop_http_connections_open", "Connections that are open.")
            .value(&[], opened.saturating_sub(closed));
        let help = "Connections that were refused: there were as many as there may be.";
        page.counter("umishop_http_connections_refused_total", help).value(&[], self.refused.get());
    }
}

/// What was stored for the first time, and what repeated something.
#[derive(Debug, Default)]
pub struct Accepted {
    new: Counter,
    repeat: Counter,
}

impl Accepted {
    /// One more.
    pub fn count(&self, is_new: bool) {
        if is_new { self.new.count() } else { self.repeat.count() }
    }

    fn write(&self, family: &mut Family<'_>) {
        family.value(&[("result", "new")], self.new.get());
        family.value(&[("result", "repeat")], self.repeat.get());
    }
}

/// Picks a counter of a channel.
type Counted = fn(&ChannelMetrics) -> &Counter;

/// Picks a distribution of a channel.
type Distributed = fn(&ChannelMetrics) -> &Histogram;

/// What is counted of one channel.
#[derive(Debug)]
pub struct ChannelMetrics {
    /// Messages that were claimed.
    pub claims: Counter,
    /// Messages that were handed over to the fallback.
    pub handed_over: Counter,
    /// Messages that were given up because they were not worth sending any more.
    pub expired: Counter,
    /// Messages that were not sent because their address is suppressed.
    pub suppressed: Counter,
    /// Messages that were given up, for whatever reason.
    pub dead_letters: Counter,
    attempts: Table,
    lateness: Histogram,
    delivery: Histogram,
}

impl Default for ChannelMetrics {
    fn default() -> Self {
        Self {
            claims: Counter::default(),
            handed_over: Counter::default(),
            expired: Counter::default(),
            suppressed: Counter::default(),
            dead_letters: Counter::default(),
            attempts: Table::new(OUTCOMES, SCOPES),
            lateness: Histogram::new(LATENESS),
            delivery: Histogram::new(DELIVERY),
        }
    }
}

impl ChannelMetrics {
    /// An attempt ended. It began so long after the message was due, and the channel, if it was `asked`, took so long.
    pub fn attempted(&self, outcome: &Outcome, late: Duration, asked: Option<Duration>) {
        self.attempts.count(outcome.word(), outcome.scope().map_or("", Scope::as_str));
        self.lateness.observe_duration(late);
        if let Some(took) = asked {
            self.delivery.observe_duration(took);
        }
    }
}

impl Metrics {
    /// For these channels, from `started_at` on.
    pub fn new<'a>(channels: impl Iterator<Item = &'a ChannelAddress>, started_at: Timestamp) -> Self {
        Self {
            registrations: Accepted::default(),
            requests: Accepted::default(),
            answers: Table::new(&AREAS[..2], STATUSES),
            responses: Table::new(AREAS, CODES),
            connections: Arc::default(),
            unreadable: Counter::default(),
            started_at,
            channels: channels.map(|channel| (channel.clone(), Arc::default())).collect(),
        }
    }

    /// Where to count what this channel does. For one that was not named at the start nobody will read it.
    pub fn channel(&self, channel: &ChannelAddress) -> Arc<ChannelMetrics> {
        self.channels.get(channel).cloned().unwrap_or_default()
    }

    /// Writes all of it down, and what the system says of the process.
    pub fn write(&self, page: &mut Page) {
        let mut family = page.counter("umishop_registrations_total", "Registrations that were stored.");
        self.registrations.write(&mut family);
        let mut family = page.counter("umishop_requests_total", "Requests that were stored.");
        self.requests.write(&mut family);
        let mut family = page.counter("umishop_webhook_answers_total", "What the webhooks answered.");
        for (webhook, status, count) in self.answers.cells() {
            family.value(&[("webhook", webhook), ("status", status)], count);
        }
        let mut family = page.counter("umishop_http_responses_total", "Everything that was answered over HTTP.");
        for (area, code, count) in self.responses.cells() {
            family.value(&[("area", area), ("code", code)], count);
        }
        self.connections.write(page);
        let help = "Webhooks that nobody could read; they are in the inbox.";
        page.counter("umishop_unreadable_webhooks_total", help).value(&[], self.unreadable.get());
        self.write_channels(page);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
        let seconds = self.started_at.as_millis() as f64 / 1000.0;
        page.gauge("process_start_time_seconds", "When the process started, since 1970.").value(&[], seconds);
        process::write(page);
    }

    fn write_channels(&self, page: &mut Page) {
        let counters: [(&str, &str, Counted); 5] = [
            ("umishop_claims_total", "Messages that were claimed.", |channel| &channel.claims),
            ("umishop_handed_over_total", "Messages that the fallback took over.", |channel| &channel.handed_over),
            ("umishop_expired_total", "Messages that were too old to be sent.", |channel| &channel.expired),
            ("umishop_suppressed_total", "Messages to suppressed addresses.", |channel| &channel.suppressed),
            ("umishop_dead_letters_total", "Messages that were given up.", |channel| &channel.dead_letters),
        ];
        for (name, help, count) in counters {
            let mut family = page.counter(name, help);
            for (address, channel) in &self.channels {
                family.value(&[("channel", address.as_str())], count(channel).get());
            }
        }
        let mut family = page.counter("umishop_attempts_total", "Attempts to deliver.");
        for (address, channel) in &self.channels {
            for (outcome, scope, count) in channel.attempts.cells() {
                family.value(&[("channel", address.as_str()), ("outcome", outcome), ("scope", scope)], count);
            }
        }
        let histograms: [(&str, &str, Distributed); 2] = [
            ("umishop_lateness_seconds", "From a message's due time to its attempt.", |channel| &channel.lateness),
            ("umishop_delivery_seconds", "How long the channel took to answer.", |channel| &channel.delivery),
        ];
        for (name, help, histogram) in histograms {
            let mut family = page.histogram(name, help);
            for (address, channel) in &self.channels {
                let found = histogram(channel).distribution();
                family.distribution(&[("channel", address.as_str())], &found, SECONDS);
            }
        }
    }
}
