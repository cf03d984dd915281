//! `/api/inbox`: webhooks that nobody could read.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::SharedWeb;
use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::replay::{ReplayItem, replay_entry};
use super::super::schemas::{IdText, LimitText, OrNull};
use super::{Group, next, page, parse, record};
use crate::domain::InboxId;
use crate::store::InboxEntry;

/// One webhook that nobody could read.
#[derive(Debug, Object)]
struct InboxItem {
    id: String,
    received_at: String,
    /// Method and address; secrets are redacted.
    request_line: String,
    /// `name: value` lines; secrets are redacted.
    headers: String,
    /// The body; bytes that are no UTF-8 are shown as U+FFFD.
    body: String,
    /// Why it could not be read.
    why: String,
}

impl From<InboxEntry> for InboxItem {
    fn from(entry: InboxEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            received_at: entry.received_at.to_string(),
            request_line: entry.request_line,
            headers: entry.headers,
            body: String::from_utf8_lossy(&entry.body).into_owned(),
            why: entry.why,
        }
    }
}

/// A page of the inbox.
#[derive(Debug, Object)]
struct InboxList {
    items: Vec<InboxItem>,
    /// Pass it as `cursor` to see older ones.
    next: OrNull<String>,
}

/// Webhooks that nobody could read.
pub(in crate::http) struct Inbox;

#[OpenApi(prefix_path = "/api/inbox", tag = "Group::Operator")]
impl Inbox {
    /// List unreadable webhooks, newest first
    #[oai(path = "/", method = "get")]
    async fn list_inbox(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<InboxList>, ApiError> {
        let page = page(limit.0.as_ref(), cursor.0.as_deref())?;
        let entries = web.store.inbox(page).await?;
        let next = next(&entries, page.limit, |entry| entry.id.to_string()).into();
        Ok(Json(InboxList { items: entries.into_iter().map(InboxItem::from).collect(), next }))
    }

    /// Do an unreadable webhook once more
    ///
    /// After whatever kept it from being done was mended. It stays in the inbox; done twice, it is a duplicate where a
    /// repeated call of the bot would be one.
    #[oai(path = "/:id/replay", method = "post")]
    async fn replay_inbox_entry(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
    ) -> Result<Json<ReplayItem>, ApiError> {
        let id: InboxId = parse("id", &id)?;
        let Some(entry) = web.store.inbox_entry(id).await? else {
            return Err(ApiError::not_found("there is no webhook of this id in the inbox; GET /api/inbox lists them"));
        };
        tracing::info!(inbox.id = %id, "A webhook of the inbox is done once more, for an operator");
        let done = replay_entry(&web, &entry).await;
        record(&web, &operator, "inbox.replay", id, done.status()).await;
        Ok(Json(done))
    }
}
