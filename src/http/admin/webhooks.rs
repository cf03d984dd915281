//! `/api/webhooks`: the last calls of the two webhooks, whatever became of them.

use std::collections::BTreeMap;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::recent::RecentCall;
use super::super::replay::{ReplayItem, replay_call};
use super::super::schemas::{IdText, OrNull};
use super::super::{SharedWeb, Web};
use super::{Group, parse, record};
use crate::domain::CallId;
use crate::intake::{self, Reading};

/// One call of a webhook.
#[derive(Debug, Object)]
struct WebhookItem {
    id: String,
    at: String,
    /// The address that was called; secrets are redacted. Without its query when the secret was missing or wrong.
    path: String,
    /// Empty when the sender told none, or no right secret.
    content_type: String,
    /// The body; bytes that are no UTF-8 are shown as U+FFFD. Empty when the secret was missing or wrong.
    body: String,
    /// Whether the body was longer: then what was understood is not told, and it cannot be replayed.
    truncated: bool,
    /// Each field that was found, under our name for it, and what it was read as.
    understood: BTreeMap<String, String>,
    answer: WebhookAnswerItem,
    /// How long it took to answer, in milliseconds.
    took_ms: u64,
}

/// What a webhook was answered.
#[derive(Debug, Object)]
struct WebhookAnswerItem {
    http_status: u16,
    /// What became of it, in one word.
    status: String,
    /// What the customer was told.
    message: String,
}

impl WebhookItem {
    fn new(web: &Web, call: &RecentCall) -> Self {
        let content_type = call.headers.iter().find(|(name, _)| name == "content-type");
        Self {
            id: call.id.to_string(),
            at: call.at.to_string(),
            path: call.path.clone(),
            content_type: content_type.map(|(_, value)| value.clone()).unwrap_or_default(),
            body: String::from_utf8_lossy(&call.body).into_owned(),
            truncated: call.truncated,
            understood: if call.truncated { BTreeMap::new() } else { understood(web, call) },
            answer: WebhookAnswerItem {
                http_status: call.http_status,
                status: call.status.as_str().to_owned(),
                message: call.message.clone(),
            },
            took_ms: u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Reading is pure, so it says now what it said then, and costs nothing while customers wait.
fn understood(web: &Web, call: &RecentCall) -> BTreeMap<String, String> {
    match intake::read(&call.received(), web.intake.default_country) {
        Ok(Reading::Fields(fields)) => fields.told_fields(),
        Ok(Reading::Ignored { .. }) | Err(_) => BTreeMap::new(),
    }
}

/// The last calls of the webhooks.
#[derive(Debug, Object)]
struct WebhookList {
    items: Vec<WebhookItem>,
    /// Always null: there are never so many that they need pages.
    next: OrNull<String>,
}

/// The last calls of the webhooks.
pub(in crate::http) struct RecentWebhooks;

#[OpenApi(prefix_path = "/api/webhooks", tag = "Group::Operator")]
impl RecentWebhooks {
    /// List the last calls of the webhooks, newest first
    ///
    /// They are kept in memory: at most 200 of them with 4 MiB, and none from before the last start. What nobody could
    /// read stays in the inbox.
    #[oai(path = "/", method = "get")]
    async fn list_webhooks(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<Json<WebhookList>, ApiError> {
        let items = web.last_calls().await?.all().iter().map(|call| WebhookItem::new(&web, call)).collect();
        Ok(Json(WebhookList { items, next: None.into() }))
    }

    /// Do a webhook once more
    ///
    /// It is a duplicate where a repeated call of the bot would be one.
    #[oai(path = "/:id/replay", method = "post")]
    async fn replay_webhook(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
    ) -> Result<Json<ReplayItem>, ApiError> {
        let id: CallId = parse("id", &id)?;
        let Some(call) = web.last_calls().await?.of(id) else {
            return Err(ApiError::not_found(
                "there is no call of this id any more; GET /api/webhooks lists those there are",
            ));
        };
        if call.is_refused() {
            return Err(ApiError::conflict("its sender showed no valid secret, so nothing of it was kept"));
        }
        if call.truncated {
            return Err(ApiError::conflict(
                "not all of its body was kept; if nobody could read it, it is in the inbox",
            ));
        }
        tracing::info!(call.id = %id, "A webhook is done once more, for an operator");
        let done = replay_call(&web, &call).await;
        record(&web, &operator, "webhook.replay", id, done.status()).await;
        Ok(Json(done))
    }
}
