//! The last calls of the webhooks: what a bot sends, for whoever sets it up.
//!
//! In memory only, and gone with the process: what a call led to is in the store, and what could not be read is in the
//! inbox. No secret is kept, nor what came from somebody who did not show one. Nobody sees a call from before the last
//! customer was erased ([`Web::last_calls`](super::Web::last_calls)).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::answer::{Answer, Status};
use super::area::Area;
use super::delivery::Delivery;
use crate::domain::{CallId, Timestamp};
use crate::intake::{READ_HEADERS, Received};

/// How many calls are kept.
const MOST: usize = 200;

/// How many bytes all of them may have.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How many of them may be from callers who showed no valid secret: strangers must not drive the bot's calls out.
const MOST_REFUSED: usize = 20;

/// How much of a body is kept: many times what a bot sends.
const LONGEST_BODY: usize = 32 * 1024;

/// The longest header that is kept.
const LONGEST_HEADER: usize = 1024;

/// One call of a webhook.
#[derive(Debug)]
pub(super) struct RecentCall {
    pub(super) id: CallId,
    pub(super) at: Timestamp,
    pub(super) area: Area,
    /// Path and query, secrets redacted; without the query when it was refused.
    pub(super) path: String,
    /// Those that say something about the body, or name the call.
    pub(super) headers: Vec<(String, String)>,
    /// Without what is redacted.
    query: String,
    pub(super) body: Vec<u8>,
    /// Whether this is not all of the body.
    pub(super) truncated: bool,
    pub(super) http_status: u16,
    pub(super) status: Status,
    /// What the customer was told.
    pub(super) message: String,
    pub(super) took: Duration,
}

impl RecentCall {
    /// As it came and was answered.
    pub(super) fn new<Body>(
        delivery: &Delivery<Body>,
        is_secret_in_path: bool,
        (http_status, answer): (u16, &Answer),
        (at, took): (Timestamp, Duration),
    ) -> Self {
        let is_refused = is_refusal(http_status);
        let came = if is_refused { &[][..] } else { delivery.came() };
        let body = came[..came.len().min(LONGEST_BODY)].to_vec();
        let headers = if is_refused { &[][..] } else { &delivery.headers };
        let is_kept =
            |(name, value): &&(String, String)| READ_HEADERS.contains(&name.as_str()) && value.len() <= LONGEST_HEADER;
        let line = delivery.request_line(is_secret_in_path);
        let target = line.split_once(' ').map_or("", |(_, target)| target);
        let path = if is_refused { target.split('?').next().unwrap_or_default() } else { target };
        // A query is as long as a head may be.
        let (path, _) = path.split_at(path.floor_char_boundary(LONGEST_HEADER));
        let query = if is_refused { String::new() } else { without_redacted(&line) };
        Self {
            id: CallId::new(at),
            at,
            area: delivery.area(),
            path: path.to_owned(),
            headers: headers.iter().filter(is_kept).cloned().collect(),
            truncated: body.len() < came.len() || delivery.body.is_err() || query.len() > LONGEST_BODY,
            query: if query.len() > LONGEST_BODY { String::new() } else { query },
            body,
            http_status,
            status: answer.status,
            message: answer.message.clone(),
            took,
        }
    }

    /// As it came, without its secrets.
    pub(super) fn received(&self) -> Received<'_> {
        Received { headers: &self.headers, query: &self.query, body: &self.body }
    }

    /// Whether its sender showed no valid secret.
    pub(super) fn is_refused(&self) -> bool {
        is_refusal(self.http_status)
    }

    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        size_of::<Self>() + self.path.len() + headers + self.query.len() + self.body.len() + self.message.len()
    }
}

/// Whether this status is for somebody who showed no valid secret, once or too often.
const fn is_refusal(http_status: u16) -> bool {
    matches!(http_status, 401 | 429)
}

/// What stands for a secret where one was.
pub(super) const REDACTED: &str = "[redacted]";

/// The query of a request line, without the parameters whose values are redacted.
pub(super) fn without_redacted(request_line: &str) -> String {
    let query = request_line.split_once('?').map_or("", |(_, query)| query);
    let known =
        query.split('&').filter(|parameter| parameter.split_once('=').is_none_or(|(_, value)| value != REDACTED));
    known.collect::<Vec<_>>().join("&")
}

/// The last calls.
#[derive(Debug, Default)]
pub struct RecentCalls(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Oldest first.
    calls: VecDeque<Arc<RecentCall>>,
    bytes: usize,
    /// How many customers had been erased when the first of them came.
    erased: u64,
}

impl Kept {
    fn drop_at(&mut self, index: usize) {
        self.bytes -= self.calls.remove(index).map_or(0, |call| call.bytes());
    }
}

impl RecentCalls {
    /// None yet; so many customers have been erased.
    pub fn new(erased: u64) -> Self {
        Self(Mutex::new(Kept { erased, ..Kept::default() }))
    }

    /// Keeps one more, in the place of the oldest when there is no room.
    pub(super) fn keep(&self, call: RecentCall) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if call.is_refused() {
            let mut refused = (0..kept.calls.len()).filter(|index| kept.calls[*index].is_refused());
            let oldest = refused.next();
            if refused.count() + 1 >= MOST_REFUSED
                && let Some(oldest) = oldest
            {
                kept.drop_at(oldest);
            }
        }
        kept.bytes += call.bytes();
        kept.calls.push_back(Arc::new(call));
        while kept.calls.len() > MOST || kept.bytes > MOST_BYTES {
            kept.drop_at(0);
        }
    }

    /// Keeps none of them any more if somebody has been erased since, who may be in any of them: in this process or
    /// beside it. `erased` is how many have been by now.
    pub(super) fn heed(&self, erased: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.erased != erased {
            *kept = Kept { erased, ..Kept::default() };
        }
    }

    /// Newest first.
    pub(super) fn all(&self) -> Vec<Arc<RecentCall>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.calls.iter().rev().cloned().collect()
    }

    /// The one of this id, if it is still kept.
    pub(super) fn of(&self, id: CallId) -> Option<Arc<RecentCall>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.calls.iter().find(|call| call.id == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(status: Status, length: usize) -> RecentCall {
        let now = Timestamp::from_millis(1_800_000_000_000);
        RecentCall {
            id: CallId::new(now),
            at: now,
            area: Area::User,
            path: "/umishop_api/user".to_owned(),
            headers: Vec::new(),
            query: String::new(),
            body: vec![b'x'; length],
            truncated: false,
            http_status: if status == Status::Unauthorized { 401 } else { 200 },
            status,
            message: String::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn strangers_do_not_drive_the_bots_calls_out() {
        let recent = RecentCalls::default();
        recent.keep(call(Status::Created, 10));
        for _ in 0..1000 {
            recent.keep(call(Status::Unauthorized, 0));
        }
        let kept = recent.all();
        assert_eq!((kept.len(), kept.last().unwrap().status), (MOST_REFUSED + 1, Status::Created));
    }

    #[test]
    fn there_are_never_more_calls_nor_more_bytes_than_may_be() {
        let recent = RecentCalls::default();
        for _ in 0..=MOST {
            recent.keep(call(Status::Created, 10));
        }
        assert_eq!(recent.all().len(), MOST);
        for _ in 0..=MOST {
            recent.keep(call(Status::Created, LONGEST_BODY));
        }
        let kept = recent.0.lock().unwrap();
        assert!(kept.bytes <= MOST_BYTES && kept.calls.len() > 100, "{} calls", kept.calls.len());
        assert_eq!(kept.bytes, kept.calls.iter().map(|call| call.bytes()).sum::<usize>());
    }

    #[test]
    fn what_was_redacted_is_no_value() {
        let line = "POST /umishop_api/user?name=Ana&token=[redacted]&email=a%40b.example";
        assert_eq!(without_redacted(line), "name=Ana&email=a%40b.example");
        assert_eq!(without_redacted("POST /umishop_api/user"), "");
    }
}
