//! `/api/users/{id}/export` and `/erase`: what a customer may ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::SharedWeb;
use super::super::access::{Owner, Reader};
use super::super::errors::ApiError;
use super::super::optional::Optional;
use super::super::schemas::IdText;
use super::detail::attempt_json;
use super::messages::message_json;
use super::request::request_json;
use super::users::{no_such_customer, user_json};
use super::{Group, parse, record};
use crate::channel::Channel;
use crate::domain::{ChannelAddress, Clues, EmailAddress, Timestamp, User, UserId};
use crate::preview::preview;
use crate::render::Renderer;
use crate::store::{Erased, ExportedRequest, InboxEntry, MessageHistory, RequestEntry, UserExport};

/// Everything that is kept about one customer.
#[derive(Debug, ApiResponse)]
enum Export {
    /// The document.
    #[oai(status = 200)]
    Document(
        Json<Value>,
        /// Has a browser save it as a file.
        #[oai(header = "Content-Disposition")]
        String,
    ),
}

/// Which customer is meant.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default)]
struct EraseBody {
    /// Their mail address, phone or id, once more.
    confirm: String,
}

/// What an erasure did.
#[derive(Debug, Object)]
struct ErasedItem {
    /// Always true: else it is an error.
    erased: bool,
    /// When; earlier, if it was asked for again.
    erased_at: String,
    /// How many messages were deleted with everything that was tried.
    messages: u64,
    /// How many unreadable webhooks were deleted, since they named the customer.
    inbox: u64,
    /// Whether nothing is left in the database's log either. If not, a backup or another program reads an old state, and the
    /// log is emptied when it lets go.
    log_emptied: bool,
}

impl From<Erased> for ErasedItem {
    fn from(erased: Erased) -> Self {
        Self {
            erased: true,
            erased_at: erased.at.to_string(),
            messages: erased.messages,
            inbox: erased.inbox,
            log_emptied: erased.log_emptied,
        }
    }
}

/// What customers may ask for.
pub(in crate::http) struct Rights;

#[OpenApi(prefix_path = "/api/users", tag = "Group::Operator")]
impl Rights {
    /// Everything that is kept about a customer, as one document
    #[oai(path = "/:id/export", method = "get")]
    async fn export_user(&self, web: Data<&SharedWeb>, reader: Reader, id: Path<IdText>) -> Result<Export, ApiError> {
        let export = web.store.export_user(parse("id", &id)?).await?.ok_or_else(no_such_customer)?;
        record(&web, &reader, "user.export", export.user.id, "").await;
        let file = format!("attachment; filename=\"umishop-customer-{}.json\"", export.user.id);
        Ok(Export::Document(Json(export_json(&export, &web.renderer, &web.channels, web.clock.now())), file))
    }

    /// Erase a customer for good
    ///
    /// What tells who they are goes, and their messages, also one that is just being sent. What is counted stays. An address
    /// that they had unsubscribed stays so. It cannot be undone; what was sent stays where it went, and backups keep what
    /// they hold. See docs/privacy.md.
    #[oai(path = "/:id/erase", method = "post")]
    async fn erase_user(
        &self,
        web: Data<&SharedWeb>,
        owner: Owner,
        id: Path<IdText>,
        body: Optional<EraseBody>,
    ) -> Result<Json<ErasedItem>, ApiError> {
        let id: UserId = parse("id", &id)?;
        let EraseBody { confirm } = body.read()?;
        let user = web.store.user(id).await?.ok_or_else(no_such_customer)?.user;
        if !is_meant(&user, &confirm) {
            return Err(ApiError::bad_request(
                "confirm: say this customer's mail address, phone or id, so that nobody else is erased by mistake",
            ));
        }
        let erased = web.store.erase_user(id, web.clock.now()).await?.ok_or_else(no_such_customer)?;
        // What cannot be counted now is when somebody looks at the calls.
        if let Err(error) = web.last_calls().await {
            tracing::warn!(%error, "The last calls of the webhooks are forgotten when somebody looks at them");
        }
        tracing::info!(user.id = %id, "Customer {id} was erased");
        record(&web, &owner, "user.erase", id, "").await;
        Ok(Json(erased.into()))
    }
}

/// Whether `text` is the customer's mail address, phone or id.
pub fn is_meant(user: &User, text: &str) -> bool {
    let text = text.trim();
    let phone = user.phone.as_ref();
    let email = EmailAddress::parse(text).ok();
    text.parse() == Ok(user.id)
        || (email.is_some() && email == user.email)
        || phone.is_some_and(|phone| phone.raw == text || phone.e164.as_deref() == Some(text))
}

/// Everything that is kept about a customer, as one document, which says how it is made up.
pub fn export_json(
    export: &UserExport,
    renderer: &Renderer,
    channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>,
    now: Timestamp,
) -> Value {
    let UserExport { user, touches, requests, messages, suppression, inbox, .. } = export;
    let touches = touches
        .iter()
        .map(|touch| json!({ "at": touch.at, "source": touch.origin.source(), "origin": touch.origin.fields() }));
    json!({
        "exported_at": now,
        "user": user_json(user.clone()),
        "erased_at": export.erased_at,
        "welcome": { "delivered_at": export.welcomed_at, "bounced": export.bounced, "opened_at": export.opened_at },
        "ledger": credited_json(export.credited.as_ref()),
        "touches": touches.collect::<Value>(),
        "requests": requests.iter().map(|request| exported_request(request, user)).collect::<Value>(),
        "messages": messages.iter().map(|message| exported_message(message, renderer, channels)).collect::<Value>(),
        "suppression": suppression.as_ref().map(|suppression| json!({
            "address": suppression.address.as_str(), "cause": suppression.cause.as_str(), "why": suppression.why,
            "since": suppression.since,
        })),
        "unreadable_webhooks": inbox.iter().map(exported_entry).collect::<Value>(),
    })
}

/// What the ledger counts a customer or a request by.
fn credited_json(credited: Option<&(Clues, Clues)>) -> Value {
    credited.map_or(Value::Null, |(first, last)| json!({ "first_touch": first, "last_touch": last }))
}

fn exported_request(exported: &ExportedRequest, user: &User) -> Value {
    let ExportedRequest { request, changes, edits, .. } = exported;
    let mut item = request_json(&RequestEntry { request: request.clone(), user: Some(user.clone()) });
    item["origin"] = json!(request.origin.fields());
    item["idempotency_key"] = json!(exported.idempotency_key);
    item["last_came_at"] = json!(exported.seen_at);
    item["delivered_at"] = json!(exported.delivered_at);
    item["ledger"] = credited_json(exported.credited.as_ref());
    let change = |change: &crate::domain::RequestChange| json!({ "at": change.at, "state": change.state.as_str(), "by": change.by, "note": change.note });
    item["changes"] = changes.iter().map(change).collect();
    let edit = |edit: &crate::domain::RequestEdit| json!({ "at": edit.at, "field": edit.field.as_str(), "value": edit.value, "by": edit.by });
    item["edits"] = edits.iter().map(edit).collect();
    item
}

fn exported_message(
    history: &MessageHistory,
    renderer: &Renderer,
    channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>,
) -> Value {
    let preview = preview(history, renderer, channels);
    let mut item = message_json(&history.message, channels);
    item["says"] = json!(history.message.context);
    item["history"] = history.attempts.iter().map(attempt_json).collect();
    item["text"] = json!(preview.text);
    item["captured"] = json!(preview.captured);
    item
}

fn exported_entry(entry: &InboxEntry) -> Value {
    json!({
        "id": entry.id.to_string(), "received_at": entry.received_at, "request_line": entry.request_line,
        "headers": entry.headers, "body": String::from_utf8_lossy(&entry.body), "why": entry.why,
    })
}
