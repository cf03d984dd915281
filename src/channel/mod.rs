//! Puts rendered messages on the wire.
//!
//! A channel knows how to reach one place and what its answers mean, nothing else: not when to try again, not what
//! the message is about, not where it is kept. Adding a kind means writing one file beside this one and listing it in
//! [`KINDS`]; configuration, routing, relay, API, documentation and the contract suite follow from that entry.

use std::sync::Arc;

use async_trait::async_trait;
use figment::Figment;

use crate::domain::{Markup, Outcome, Rendered};

mod capture;
mod email;
mod http;
mod secrets;
mod slack;
mod threads;
mod tls;
mod wire;

pub use capture::Capture;
pub use wire::agent as web_agent;

/// A way to reach people, opened from its table `[channels.<kind>.<name>]`.
#[async_trait]
pub trait Channel: Send + Sync {
    /// The notation this channel shows rich text in.
    fn markup(&self) -> Markup;

    /// Whether it reaches somebody without a customer's address: only then can it carry a question.
    fn has_own_address(&self) -> bool {
        true
    }

    /// The exact bytes that [`deliver`](Self::deliver) would send, credentials left out. Pure.
    ///
    /// The error says why the message cannot be put into this channel's form at all.
    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String>;

    /// Sends `message` once, within the channel's own deadlines. May be asked again for the same message: delivery is
    /// at least once, and the message's id lets the receiver notice.
    async fn deliver(&self, message: &Rendered) -> Outcome;
}

/// The code behind a channel, and what the rest of the program needs to know about it.
#[derive(Debug)]
pub struct Kind {
    /// Its name in `[channels.<kind>.<name>]`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// A complete table with believable values, and every address that it leads to. Shown in the documentation, opened by the contract suite, and, in the
    /// sandbox, lent to a channel whose own credentials are not there yet.
    pub example: &'static str,
    /// Keys that a channel takes from the channel called `welcome` of the same kind unless it writes its own. The first
    /// of a group says where the rest of it belongs: whoever writes that one takes none of the group, because a login
    /// is for the server beside which it is written and no other.
    pub shared: &'static [&'static [&'static str]],
    /// The waits between attempts, unless the channel's `retry` says otherwise.
    pub retry: &'static [&'static str],
    /// How many messages may be on their way at once, unless the channel's `concurrency` says otherwise.
    pub concurrency: usize,
    /// How fast messages may follow each other, unless the channel's `rate` says otherwise: `1/s`; empty: no limit.
    pub rate: &'static str,
    /// How many may follow each other without a pause after a quiet while, unless the channel's `burst` says otherwise.
    pub burst: u32,
    /// How long after it was first due a message is still worth sending, unless the channel's `expire` says otherwise.
    pub expire: &'static str,
    /// Opens a channel from its table. The error names the key that is wrong, one at a time.
    pub open: Open,
}

/// Opens a channel from its settings.
pub type Open = fn(&Figment) -> Result<Arc<dyn Channel>, figment::Error>;

/// Every kind of channel, by its name.
pub const KINDS: &[Kind] = &[email::KIND, http::KIND, slack::KIND];

/// The kind called `name`.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
