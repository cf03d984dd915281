//! `/api/events`: what has changed, as it changes.
//!
//! A page that shows something asks for it again when it hears that it is not what it was. What changed stays with the
//! other operations, so a stream holds nothing: one that is read slowly is told everything at once, a little later.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{Stream, stream};
use poem::web::Data;
use poem::web::sse::Event;
use poem_openapi::payload::EventStream;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{Object, OpenApi};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::super::SharedWeb;
use super::super::access::Reader;
use super::super::errors::ApiError;
use super::Group;
use crate::changes::{Feed, FeedReader, Section};

/// How many streams there may be: half as many as one address may have connections, so that consoles that nobody looks
/// at any more do not keep an operator out.
const MOST: usize = 32;

/// How long after it was told of something a stream is told of nothing: four times a second is as often as anybody looks.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a stream lasts. Browsers open another by themselves, and whether they still may is looked at then.
const LONGEST: Duration = Duration::from_mins(15);

/// How often something is sent when nothing changes: proxies close what is silent for a minute.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// Where consoles hear what changes.
pub struct EventStreams {
    feed: Feed,
    open: Arc<AtomicUsize>,
    comment_every: Duration,
}

impl EventStreams {
    /// Tells what `feed` does, over connections that may rest for `idle_timeout`.
    pub fn new(feed: Feed, idle_timeout: Duration) -> Self {
        Self { feed, open: Arc::default(), comment_every: COMMENT_EVERY.min(idle_timeout / 2) }
    }

    /// How many are open.
    pub(in crate::http) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Where changes are told.
    pub(in crate::http) const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// A place for one more; `None`: there are as many as there may be.
    fn place(&self) -> Option<Place> {
        let more = |open| (open < MOST).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place(Arc::clone(&self.open)))
    }
}

/// A stream's place. Dropping it gives it back.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Something has changed.
#[derive(Debug, Object)]
struct ChangedItem {
    /// What it belongs to: `users`, `requests`, `messages`, `channels`, `inbox`, `webhooks`, `settings`.
    about: Vec<String>,
}

impl ChangedItem {
    fn new(sections: &[Section]) -> Self {
        Self { about: sections.iter().map(|section| section.as_str().to_owned()).collect() }
    }
}

/// One stream. How long it lasts is measured as for any connection: by the clock that nobody sets.
struct Following {
    reader: FeedReader,
    /// Cancelled when the server stops.
    draining: CancellationToken,
    not_before: Instant,
    ends_at: Instant,
    _place: Place,
}

impl Following {
    /// What has changed since the last time; `None`: the stream ends.
    async fn next(mut self) -> Option<(ChangedItem, Self)> {
        let (reader, not_before) = (&mut self.reader, self.not_before);
        let told = async {
            sleep_until(not_before).await;
            reader.next().await
        };
        let told = tokio::select! {
            told = timeout_at(self.ends_at, told) => told.ok()??,
            () = self.draining.cancelled() => return None,
        };
        self.not_before = Instant::now() + PAUSE;
        Some((ChangedItem::new(&told), self))
    }
}

type Changes = Pin<Box<dyn Stream<Item = ChangedItem> + Send>>;

/// What has changed.
pub(in crate::http) struct Events;

#[OpenApi(prefix_path = "/api/events", tag = "Group::Operator")]
impl Events {
    /// Hear what changes, as server-sent events
    ///
    /// `event: changed` names what has changed since the last one, at most four times a second; a comment comes when
    /// nothing does. It ends after a quarter of an hour, and when the server stops: open another then, and look at
    /// everything once, since nobody kept what happened in between.
    #[oai(path = "/", method = "get")]
    async fn follow_changes(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<EventStream<Changes>, ApiError> {
        let Some(place) = web.events.place() else {
            return Err(ApiError::unavailable("as many consoles follow what happens as may; this one has to ask"));
        };
        let (reader, draining, now) = (web.events.feed.reader(), web.draining.clone(), Instant::now());
        let following = Following { reader, draining, not_before: now, ends_at: now + LONGEST, _place: place };
        Ok(EventStream::<Changes>::new(Box::pin(stream::unfold(following, Following::next)))
            .to_event(|item: ChangedItem| Event::message(item.to_json_string()).event_type("changed"))
            .keep_alive(web.events.comment_every))
    }
}
