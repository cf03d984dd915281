//! Tells the operator about trouble: looks now and then at what is wrong, and puts what is news into the outbox.
//!
//! It sends nothing itself. An alert is a message like any other, and survives a restart as any other does; what was told
//! lately is noted in the same transaction, so that a restart repeats nothing and no loop can flood anybody. Three rules
//! keep alerts from feeding on themselves: news about a channel never goes over that channel; there are no alerts about
//! alerts; and what waits on broken channels to be told is not put there a second time.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backups::BackupStatus;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::domain::{ALERT_EXPIRES, ChannelAddress, Context, MessageId, NewMessage, Purpose, Timestamp};
use crate::store::{Alert, Store, StoreError};
use crate::wake::Wake;
use news::{News, Sight};

mod news;

/// How often it looks. Trouble that ends sooner is no news to anybody.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// What happened longer ago is no news, even if it was never told.
const STALE: Duration = Duration::from_hours(7 * 24);

/// Whom to tell, and when.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The channels that reach the operator; none: what is wrong is logged.
    pub channels: Vec<ChannelAddress>,
    /// The operator is not told again of the same subject within this time.
    pub every: Duration,
    /// A message that has been due for longer is late.
    pub late: Duration,
}

/// Tells the operator about trouble.
pub struct Alerts {
    store: Arc<dyn Store>,
    clock: Clock,
    wake: Wake,
    conditions: Conditions,
    backup: BackupStatus,
    settings: Settings,
}

impl Alerts {
    /// Looks at `store`, `conditions` and `backup`; `wake` hears of what is put into the outbox.
    pub const fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        wake: Wake,
        conditions: Conditions,
        backup: BackupStatus,
        settings: Settings,
    ) -> Self {
        Self { store, clock, wake, conditions, backup, settings }
    }

    /// Looks again and again, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.look().await {
                tracing::error!(%error, "Could not look for trouble; looking again");
            }
            let next = self.clock.now().after(LOOK_EVERY);
            tokio::select! {
                () = self.clock.sleep_until(Some(next), LOOK_EVERY) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Looks once, and tells what is news. Says how much that was.
    pub async fn look(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let troubles = self.store.troubles(now.before(STALE), now).await?;
        let conditions = self.conditions.all().map(|(channel, condition)| (channel.clone(), condition)).collect();
        let sight = Sight {
            now,
            late: self.settings.late,
            conditions,
            troubles,
            backup: self.backup.last(),
            full: self.store.files().full,
        };
        let mut told = 0;
        for news in sight.news() {
            told += usize::from(self.tell(news, now).await?);
        }
        Ok(told)
    }

    /// Tells it, unless that was done lately.
    async fn tell(&self, news: News, now: Timestamp) -> Result<bool, StoreError> {
        let News { subject, about, headline, why, body } = news;
        let (channels, every) = self.way_around(about.as_ref());
        let message = |channel: &ChannelAddress| NewMessage {
            id: MessageId::new(now),
            channel: channel.clone(),
            purpose: Purpose::Alert,
            due_at: now,
            fallback: None,
        };
        let alert = Alert {
            subject: subject.clone(),
            every,
            context: Context { topic: headline.clone(), question: body, ..Context::default() },
            messages: channels.iter().map(message).collect(),
        };
        if !self.store.raise_alert(alert, now).await? {
            return Ok(false);
        }
        if channels.is_empty() {
            tracing::warn!(subject, why, "{headline}. No other channel tells the operator; see [alerts] channels");
        } else {
            let over = channels.iter().map(ChannelAddress::as_str).collect::<Vec<_>>().join(", ");
            tracing::info!(subject, why, over, "The operator is told over {over}: {headline}");
        }
        for channel in &channels {
            self.wake.at(channel, now);
        }
        Ok(true)
    }

    /// Over which channels to tell news about `about`, and how often at most. If none of them works, the news waits there
    /// until one does, and for as long as it waits it need not be told again.
    fn way_around(&self, about: Option<&ChannelAddress>) -> (Vec<ChannelAddress>, Duration) {
        let Settings { channels, every, .. } = &self.settings;
        let others: Vec<ChannelAddress> = channels.iter().filter(|channel| Some(*channel) != about).cloned().collect();
        let works = |channel: &&ChannelAddress| {
            let condition = self.conditions.of(channel).unwrap_or_default();
            condition.trouble.is_none() && condition.paused_at.is_none()
        };
        let working: Vec<ChannelAddress> = others.iter().filter(works).cloned().collect();
        match (working.is_empty(), others.is_empty()) {
            (false, _) => (working, *every),
            (true, false) => (others, (*every).max(ALERT_EXPIRES)),
            (true, true) => (others, *every),
        }
    }
}
