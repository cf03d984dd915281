//! A nudge for the relay: something is due sooner than it knows.
//!
//! A wake carries no message and may be lost without harm: the store is the truth, and the relay looks again by itself.
//! It only shortens the wait. A wake for a later time than the one already known disturbs nobody, so a crowd of
//! registrations, all due in a minute, costs one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::domain::{ChannelAddress, Timestamp};

/// Wakes the relay; clones wake the same one.
#[derive(Clone, Debug)]
pub struct Wake(Arc<BTreeMap<ChannelAddress, Arc<Alarm>>>);

impl Wake {
    /// For these channels.
    pub fn new<'a>(channels: impl IntoIterator<Item = &'a ChannelAddress>) -> Self {
        Self(Arc::new(channels.into_iter().map(|channel| (channel.clone(), Arc::default())).collect()))
    }

    /// Says that a message over `channel` is due at `due`.
    pub fn at(&self, channel: &ChannelAddress, due: Timestamp) {
        if let Some(alarm) = self.0.get(channel) {
            alarm.set(due);
        }
    }

    /// The alarm of one channel.
    pub(crate) fn alarm(&self, channel: &ChannelAddress) -> Arc<Alarm> {
        self.0.get(channel).cloned().unwrap_or_default()
    }
}

/// When one channel's next message is due, as far as anybody said.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: AtomicI64,
    earlier: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at: AtomicI64::new(i64::MAX), earlier: Notify::new() }
    }
}

impl Alarm {
    /// Rings at `due`, unless it rings earlier anyway.
    pub(crate) fn set(&self, due: Timestamp) {
        if due.as_millis() < self.at.fetch_min(due.as_millis(), Ordering::AcqRel) {
            self.earlier.notify_one();
        }
    }

    /// Keeps in mind that it rings at `due`, and disturbs nobody: for whoever is about to wait for it.
    pub(crate) fn note(&self, due: Timestamp) {
        self.at.fetch_min(due.as_millis(), Ordering::AcqRel);
    }

    /// Forgets the time. Call it *before* asking the store what is due: what is said from then on counts.
    pub(crate) fn forget(&self) {
        self.at.store(i64::MAX, Ordering::Release);
    }

    /// When it rings; `None`: it is not set.
    pub(crate) fn rings_at(&self) -> Option<Timestamp> {
        match self.at.load(Ordering::Acquire) {
            i64::MAX => None,
            at => Some(Timestamp::from_millis(at)),
        }
    }

    /// Waits until it is set to an earlier time.
    pub(crate) async fn moved_earlier(&self) {
        self.earlier.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_earlier_time_disturbs() {
        let channel: ChannelAddress = "email.welcome".parse().unwrap();
        let wake = Wake::new([&channel]);
        let alarm = wake.alarm(&channel);
        let disturbed = |alarm: &Arc<Alarm>| {
            let alarm = Arc::clone(alarm);
            async move { tokio::time::timeout(std::time::Duration::ZERO, alarm.moved_earlier()).await.is_ok() }
        };
        wake.at(&channel, Timestamp::from_millis(50));
        assert!(disturbed(&alarm).await);
        wake.at(&channel, Timestamp::from_millis(60));
        assert!(!disturbed(&alarm).await);
        wake.at(&channel, Timestamp::from_millis(40));
        assert!(disturbed(&alarm).await);
        alarm.note(Timestamp::from_millis(30));
        assert!(!disturbed(&alarm).await);
        assert_eq!(alarm.rings_at(), Some(Timestamp::from_millis(30)));
    }
}
