//! What condition each channel is in: whether it works, what is wrong with it, whether an operator paused it.
//!
//! The relay writes down what it finds; whoever shows channels to people reads it here. An operator's wish to pause or
//! resume goes the other way. Only what must outlast a restart is kept in the store as well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::changes::{Feed, Section};
use crate::domain::{ChannelAddress, Timestamp, mask_addresses};

/// The channels and their conditions; clones show the same.
#[derive(Clone, Debug)]
pub struct Conditions {
    channels: Arc<BTreeMap<ChannelAddress, Mutex<Condition>>>,
    feed: Feed,
}

/// How a channel is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// When an operator paused it; `None`: it is not paused.
    pub paused_at: Option<Timestamp>,
    /// Until when its receiver asked for patience, as far as that was known before the last start.
    pub not_before: Option<Timestamp>,
    /// What is wrong with it; `None`: it works, as far as anybody knows.
    pub trouble: Option<Trouble>,
    /// When its receiver last answered; `None`: not since the start.
    pub answered_at: Option<Timestamp>,
    /// Set by an operator who wants it tried at once, taken away by whoever does.
    pub try_now: bool,
}

impl Condition {
    /// What is to be said of the channel to everybody, in one line; `None`: it works.
    pub fn headline(&self, channel: &ChannelAddress) -> Option<String> {
        match (self.paused_at, &self.trouble) {
            (Some(paused_at), _) => {
                Some(format!("{channel} is paused by an operator since {}", paused_at.to_readable()))
            }
            (None, Some(trouble)) => Some(format!("{channel} is in trouble since {}", trouble.since.to_readable())),
            (None, None) => None,
        }
    }

    /// The same with the reason and what to do, for an operator: a receiver may repeat what it was sent.
    pub fn summary(&self, channel: &ChannelAddress) -> Option<String> {
        let headline = self.headline(channel)?;
        let Some(Trouble { why, hint, .. }) = self.trouble.as_ref().filter(|_| self.paused_at.is_none()) else {
            return Some(headline);
        };
        let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
        Some(format!("{headline}: {}{hint}", mask_addresses(why)))
    }
}

/// What is wrong with a channel. Nothing is sent over it meanwhile but a probe now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// When a message will probe it.
    pub probe_at: Timestamp,
    /// How many times in a row it has failed.
    pub failures: u32,
    /// What happened, for a person.
    pub why: String,
    /// What that person can do about it; empty when nothing is known.
    pub hint: String,
    /// Whether it will not mend by itself: a wrong password, a revoked token.
    pub lasting: bool,
}

impl Conditions {
    /// For these channels, in these conditions. What becomes of them is told to `feed`.
    pub fn new(channels: impl IntoIterator<Item = (ChannelAddress, Condition)>, feed: Feed) -> Self {
        let channels = channels.into_iter().map(|(channel, condition)| (channel, Mutex::new(condition)));
        Self { channels: Arc::new(channels.collect()), feed }
    }

    /// How this channel is doing; `None`: there is no such channel.
    pub fn of(&self, channel: &ChannelAddress) -> Option<Condition> {
        self.channels.get(channel).map(|condition| condition.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Every channel and how it is doing, in alphabetical order.
    pub fn all(&self) -> impl Iterator<Item = (&ChannelAddress, Condition)> {
        self.channels
            .iter()
            .map(|(channel, condition)| (channel, condition.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// Changes what is known of a channel, and returns what `change` does.
    pub(crate) fn change<T>(&self, channel: &ChannelAddress, change: impl FnOnce(&mut Condition) -> T) -> Option<T> {
        let mut condition = self.channels.get(channel)?.lock().unwrap_or_else(PoisonError::into_inner);
        let (paused_at, trouble) = (condition.paused_at, condition.trouble.clone());
        let done = change(&mut condition);
        let has_changed = (paused_at, &trouble) != (condition.paused_at, &condition.trouble);
        drop(condition);
        if has_changed {
            self.feed.tell(Section::Channels);
        }
        Some(done)
    }
}
