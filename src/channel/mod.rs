//! Puts rendered messages on the wire.
//!
//! A channel knows how to reach one place and what its answers mean, nothing else: not when to try again, not what
//! the message is about, not where it is kept. Adding a kind means writing one file beside this one and listing it in
//! [`KINDS`]; configuration, routing, relay, API, documentation and the contract suite follow from that entry.

use std::sync::Arc;

use async_trait::async_trait;
use figment::Figment;

use crate::domain::{ContactField, EmailAddress, Markup, Outcome, Rendered, Scope, Timestamp};

mod agent;
mod api;
mod capture;
mod discord;
mod docs;
mod email;
mod fields;
mod google_chat;
mod http;
mod landbot;
mod matrix;
mod mattermost;
mod meaning;
mod ntfy;
mod pagerduty;
mod reach;
mod rocket_chat;
mod secrets;
mod sendgrid;
mod slack;
mod teams;
mod telegram;
mod text;
mod threads;
mod tls;
mod twilio;
mod whatsapp;
mod wire;

pub use agent::agent as web_agent;
pub use capture::Capture;
pub use docs::{as_written, section};
pub use meaning::{Meaning, Verdict};

/// A way to reach people, opened from its table `[channels.<kind>.<name>]`.
#[async_trait]
pub trait Channel: Send + Sync {
    /// The notation this channel shows rich text in.
    fn markup(&self) -> Markup;

    /// Whether it reaches somebody without a customer's address: only then can it carry a question.
    fn has_own_address(&self) -> bool {
        true
    }

    /// What it knows customers by, if it writes to them: whoever has no such address is not reached. `None`: it writes
    /// to no customer.
    fn writes_to(&self) -> Option<ContactField> {
        None
    }

    /// Whether it puts what is about one customer into one thread. Then a message is given the reference of the first
    /// one that was delivered.
    fn keeps_threads(&self) -> bool {
        false
    }

    /// Whether it wants to hear what becomes of a request whose question it carried: that somebody looks after it, that it
    /// is answered, that it is closed.
    fn follows(&self) -> bool {
        false
    }

    /// The exact bytes that [`deliver`](Self::deliver) would send, credentials left out. Pure.
    ///
    /// The error says why the message cannot be put into this channel's form at all.
    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String>;

    /// Sends `message` once, within the channel's own deadlines. May be asked again for the same message: delivery is
    /// at least once, and the message's id lets the receiver notice.
    async fn deliver(&self, message: &Rendered) -> Outcome;

    /// Asks each server whether it would take a message from us, without sending any. Nothing is told when there is no
    /// way to ask.
    async fn check(&self) -> Vec<Checked> {
        Vec::new()
    }

    /// In whose name it sends mail, if mail is what it sends.
    fn sender(&self) -> Option<Sender> {
        None
    }
}

/// In whose name mail is sent: what its domain says in the DNS decides whether the mail is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The address that mail is from.
    pub address: EmailAddress,
    /// The hosts that mail is handed to.
    pub hosts: Vec<String>,
}

/// What asking a server has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which one: its host.
    pub what: String,
    /// What a message would have met with, as far as that depends on the channel. The reference of a delivery says who
    /// we are there.
    pub outcome: Outcome,
    /// What its clock said when it answered, in whole seconds; `None`: it did not tell.
    pub date: Option<Timestamp>,
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
    /// Addresses that stand for a whole table, as in `channels.slack.pricing = "slack://TOKEN@CHANNEL"`. Each `{key}`
    /// names the key that takes what stands there; `{https:key}` takes it as a host, `{key}` alone as a whole address.
    pub pasted: &'static [&'static str],
    /// How to set it up and what to know about it, as a list in Markdown.
    pub notes: &'static str,
    /// What its receiver's answers mean.
    pub meanings: &'static [Meaning],
    /// Keys that a channel takes from the channel called `welcome` of the same kind unless it writes its own. The first
    /// of a group says where the rest of it belongs: whoever writes that one takes none of the group, because a login
    /// is for the server beside which it is written and no other.
    pub shared: &'static [&'static [&'static str]],
    /// How its messages go out, unless the channel says otherwise.
    pub pace: Pace,
    /// Opens a channel from its table. The error names the key that is wrong, one at a time.
    pub open: Open,
}

/// How a kind's messages go out, unless the channel's own keys of the same names say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The waits between attempts.
    pub retry: &'static [&'static str],
    /// How many messages may be on their way at once.
    pub concurrency: usize,
    /// How fast messages may follow each other: `1/s`; empty: no limit.
    pub rate: &'static str,
    /// How many may follow each other without a pause after a quiet while.
    pub burst: u32,
    /// How long after it was first due a message is still worth sending.
    pub expire: &'static str,
}

impl Pace {
    /// For what people wait for before a chat.
    pub(crate) const CHAT: Self = Self {
        retry: &["5s", "30s", "2m", "10m", "30m", "1h", "3h", "6h", "12h"],
        concurrency: 3,
        rate: "1/s",
        burst: 3,
        expire: "2days",
    };
}

/// Opens a channel from its settings.
pub type Open = fn(&Figment) -> Result<Arc<dyn Channel>, figment::Error>;

/// Every kind of channel, by its name.
pub const KINDS: &[Kind] = &[
    discord::KIND,
    email::KIND,
    google_chat::KIND,
    http::KIND,
    landbot::KIND,
    matrix::KIND,
    mattermost::KIND,
    ntfy::KIND,
    pagerduty::KIND,
    rocket_chat::KIND,
    sendgrid::KIND,
    slack::KIND,
    teams::KIND,
    telegram::KIND,
    twilio::KIND,
    whatsapp::KIND,
];

/// The kind called `name`.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The channel's own address is its destination: a mistake in it is no customer's, and must be mended.
fn of_own_address(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Dead { scope: Scope::Recipient, why, .. } => {
            Outcome::dead(Scope::Destination, why, "nobody is reached at the channel's own address: mend its `to`")
        }
        other => other,
    }
}
