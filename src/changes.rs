//! Tells whoever shows the shop's data that some of it is not what it was.
//!
//! Whoever changes something says which section it belongs to, after it is done: the store for what it commits, the
//! [`Conditions`](crate::conditions::Conditions) for the channels, [`Backups`](crate::backups::Backups) for theirs. There is no queue: a section has a count, and a reader
//! finds out which counts have moved since it last looked. So telling costs the same whoever listens, a reader that is
//! slow misses nothing and keeps nobody waiting, and many changes are told as one.

use tokio::sync::watch;

/// A section of what an operator sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Customers and their visits.
    Users,
    /// What they ask for.
    Requests,
    /// The outbox.
    Messages,
    /// How the channels are doing.
    Channels,
    /// Webhooks that nobody could read.
    Inbox,
    /// The last calls of the webhooks.
    Webhooks,
    /// Tokens, backups, and the list of who changed what.
    Settings,
}

impl Section {
    /// Each of them.
    pub const ALL: [Self; 7] =
        [Self::Users, Self::Requests, Self::Messages, Self::Channels, Self::Inbox, Self::Webhooks, Self::Settings];

    /// The word for it, which is also the end of its address below `/api/`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Requests => "requests",
            Self::Messages => "messages",
            Self::Channels => "channels",
            Self::Inbox => "inbox",
            Self::Webhooks => "webhooks",
            Self::Settings => "settings",
        }
    }

    /// A bit of its own, to gather some of them in a number.
    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// How often each section has changed, in the order of [`Section::ALL`].
type Counts = [u64; Section::ALL.len()];

/// Where changes are told; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Feed(watch::Sender<Counts>);

impl Feed {
    /// Says that this section is not what it was.
    pub fn tell(&self, section: Section) {
        self.tell_all(section.bit());
    }

    /// Says it of each section whose bit is set.
    pub(crate) fn tell_all(&self, bits: u8) {
        if bits == 0 {
            return;
        }
        self.0.send_modify(|counts| {
            for (section, count) in Section::ALL.iter().zip(counts) {
                *count = count.wrapping_add(u64::from(bits & section.bit() != 0));
            }
        });
    }

    /// Somebody who hears what changes from now on.
    pub fn reader(&self) -> FeedReader {
        let mut counts = self.0.subscribe();
        let seen = *counts.borrow_and_update();
        FeedReader { counts, seen }
    }
}

/// Hears what changes.
#[derive(Debug)]
pub struct FeedReader {
    counts: watch::Receiver<Counts>,
    seen: Counts,
}

impl FeedReader {
    /// Waits until something has changed since the last time, and says which sections; `None`: nobody is left to tell.
    pub async fn next(&mut self) -> Option<Vec<Section>> {
        self.counts.changed().await.ok()?;
        let now = *self.counts.borrow_and_update();
        let seen = std::mem::replace(&mut self.seen, now);
        let moved = Section::ALL.into_iter().zip(seen.into_iter().zip(now));
        Some(moved.filter(|(_, (seen, now))| seen != now).map(|(section, _)| section).collect())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn who_looks_late_is_told_everything_at_once_and_nothing_twice() {
        let feed = Feed::default();
        feed.tell(Section::Channels);
        let mut reader = feed.reader();
        assert_eq!(reader.next().now_or_never(), None, "what was before is no news");
        for _ in 0..1000 {
            feed.tell(Section::Messages);
        }
        feed.tell_all(Section::Users.bit() | Section::Webhooks.bit());
        feed.tell_all(0);
        let told = vec![Section::Users, Section::Messages, Section::Webhooks];
        assert_eq!(reader.next().now_or_never(), Some(Some(told)));
        assert_eq!(reader.next().now_or_never(), None);
        drop(feed);
        assert_eq!(reader.next().now_or_never(), Some(None));
    }
}
