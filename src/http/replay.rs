//! A webhook that came before, done once more: after what kept it from being done was mended.
//!
//! It goes the very way of a fresh call, from its bytes to its answer, so that it is a duplicate where a fresh one would
//! be. Only its secret is not asked for again, and nothing of it is kept: it is kept already.

use poem_openapi::Object;

use super::Web;
use super::answer::{Answer, WebhookAnswer};
use super::area::Area;
use super::recent::{REDACTED, RecentCall, without_redacted};
use crate::intake::Received;
use crate::store::InboxEntry;

/// What a webhook was answered when it was done once more.
#[derive(Debug, Object)]
pub(super) struct ReplayItem {
    /// The status that its sender would read.
    http_status: u16,
    /// What its sender would read.
    answer: Answer,
}

impl ReplayItem {
    /// What became of it, in one word.
    pub(super) const fn status(&self) -> &'static str {
        self.answer.status.as_str()
    }
}

impl From<WebhookAnswer> for ReplayItem {
    fn from(answered: WebhookAnswer) -> Self {
        Self { http_status: answered.code(), answer: answered.into_answer() }
    }
}

/// Does a call once more that was kept in memory.
pub(super) async fn replay_call(web: &Web, call: &RecentCall) -> ReplayItem {
    Box::pin(super::intake::repeat(web, call.area, &call.received())).await.into()
}

/// Does a webhook of the inbox once more. What its sender meant as a secret is left out, as nobody knows it any more.
pub(super) async fn replay_entry(web: &Web, entry: &InboxEntry) -> ReplayItem {
    let target = entry.request_line.split_once(' ').map_or("", |(_, target)| target);
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = entry.headers.lines().filter_map(header).filter(|(_, value)| value != REDACTED);
    let (headers, query) = (headers.collect::<Vec<_>>(), without_redacted(&entry.request_line));
    let received = Received { headers: &headers, query: &query, body: &entry.body };
    Box::pin(super::intake::repeat(web, Area::of(path), &received)).await.into()
}
