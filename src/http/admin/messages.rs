//! `/api/messages`: the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};

use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::schemas::{ChannelText, IdText, LimitText, OrNull, PurposeText, StateText};
use super::super::{SharedWeb, Web};
use super::{Group, next, page, parse, record};
use crate::channel::Channel;
use crate::domain::{Attempt, ChannelAddress, Message, MessageId, Purpose};
use crate::preview::{Preview, preview};
use crate::store::{Changed, MessageFilter, MessageHistory};

/// One message of the outbox.
#[derive(Debug, Object)]
pub(super) struct MessageItem {
    /// Its name; travels as Message-ID and as idempotency key.
    id: String,
    /// The customer it is about.
    user_id: OrNull<String>,
    /// The request it carries.
    request_id: OrNull<String>,
    /// Where it goes, as `kind.name`.
    channel: String,
    /// The channel that did not deliver it, when it was handed over to this one.
    handed_over_from: OrNull<String>,
    /// `welcome`, `request`, `test` or `alert`; `acknowledged`, `answered` or `closed` for a follow-up.
    purpose: String,
    /// `pending`, `sending`, `delivered`, `dead`, `held` or `cancelled`.
    state: String,
    /// When it was made.
    created_at: String,
    /// When it may be sent.
    due_at: String,
    /// When it came to rest.
    finished_at: OrNull<String>,
    /// How many attempts count against its retry schedule.
    attempts: u32,
    /// What the receiver calls it.
    reference: String,
    /// Why the last attempt failed.
    last_error: String,
    /// The customer's address, for what goes to the customer.
    recipient: String,
    /// The customer's name.
    name: String,
}

impl MessageItem {
    /// The message as one of these channels carries it.
    pub(super) fn new(message: &Message, channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>) -> Self {
        let field = channels.get(&message.channel).and_then(|channel| channel.writes_to());
        let customer = field.filter(|_| message.purpose == Purpose::Welcome);
        let recipient = customer.and_then(|field| message.context.address(field)).unwrap_or_default();
        Self {
            id: message.id.to_string(),
            user_id: message.user_id.map(|id| id.to_string()).into(),
            request_id: message.request_id.map(|id| id.to_string()).into(),
            channel: message.channel.to_string(),
            handed_over_from: message.handed_over_from.as_ref().map(ToString::to_string).into(),
            purpose: message.purpose.to_string(),
            state: message.state.to_string(),
            created_at: message.created_at.to_string(),
            due_at: message.due_at.to_string(),
            finished_at: message.finished_at.map(|moment| moment.to_string()).into(),
            attempts: message.attempts,
            reference: message.reference.clone(),
            last_error: message.last_error.clone(),
            recipient: recipient.to_owned(),
            name: message.context.name.clone(),
        }
    }
}

/// The message as the API shows it, carried by one of these channels.
pub fn message_json(message: &Message, channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>) -> serde_json::Value {
    MessageItem::new(message, channels).to_json().unwrap_or_default()
}

/// A page of the outbox.
#[derive(Debug, Object)]
struct MessageList {
    items: Vec<MessageItem>,
    /// Pass it as `cursor` to see older ones.
    next: OrNull<String>,
}

/// One attempt to deliver.
#[derive(Debug, Object)]
struct AttemptItem {
    /// Counts every claim of the message.
    epoch: i64,
    /// The channel it went over.
    channel: String,
    /// When it began.
    started_at: String,
    /// How long it took.
    duration_ms: i64,
    /// `delivered`, `retry`, `dead` or `unknown`.
    outcome: String,
    /// How far the outcome reaches: `message`, `recipient`, `destination`, `channel`; empty for a delivery.
    scope: String,
    /// What happened and what to do about it.
    error: String,
}

impl From<&Attempt> for AttemptItem {
    fn from(attempt: &Attempt) -> Self {
        Self {
            epoch: attempt.epoch,
            channel: attempt.channel.to_string(),
            started_at: attempt.started_at.to_string(),
            duration_ms: attempt.duration_ms,
            outcome: attempt.outcome.clone(),
            scope: attempt.scope.clone(),
            error: attempt.error.clone(),
        }
    }
}

/// The attempt as the API shows it.
pub fn attempt_json(attempt: &Attempt) -> serde_json::Value {
    AttemptItem::from(attempt).to_json().unwrap_or_default()
}

/// One message with everything that was tried.
#[derive(Debug, Object)]
struct MessageDetail {
    #[oai(flatten)]
    message: MessageItem,
    /// Every attempt, oldest first.
    history: Vec<AttemptItem>,
    /// The exact text on the wire: what the sandbox kept, else as it would be sent now.
    text: String,
    /// Whether `text` was kept by the sandbox.
    captured: bool,
}

/// The outbox.
pub(in crate::http) struct Messages;

#[OpenApi(prefix_path = "/api/messages", tag = "Group::Operator")]
impl Messages {
    /// List messages, newest first
    #[oai(path = "/", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn list_messages(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        state: Query<Option<StateText>>,
        channel: Query<Option<ChannelText>>,
        user: Query<Option<IdText>>,
        purpose: Query<Option<PurposeText>>,
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<MessageList>, ApiError> {
        let filter = MessageFilter {
            state: state.0.map(|text| parse("state", &text)).transpose()?,
            channel: channel.0.map(|text| parse("channel", &text)).transpose()?,
            user: user.0.map(|text| parse("user", &text)).transpose()?,
            purpose: purpose.0.map(|text| parse("purpose", &text)).transpose()?,
        };
        let page = page(limit.0.as_ref(), cursor.0.as_deref())?;
        let messages = web.store.messages(filter, page).await?;
        Ok(Json(MessageList {
            items: messages.iter().map(|message| MessageItem::new(message, &web.channels)).collect(),
            next: next(&messages, page.limit, |message| message.id.to_string()).into(),
        }))
    }

    /// Show a message with its attempts and its text
    #[oai(path = "/:id", method = "get")]
    async fn show_message(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        id: Path<IdText>,
    ) -> Result<Json<MessageDetail>, ApiError> {
        detail(&web, parse("id", &id)?).await
    }

    /// Make a message due now
    ///
    /// A dead, held or cancelled one becomes pending again, with a fresh retry schedule and the same id.
    #[oai(path = "/:id/retry", method = "post")]
    async fn retry_message(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
    ) -> Result<Json<MessageDetail>, ApiError> {
        let id = parse("id", &id)?;
        let now = web.clock.now();
        changed(web.store.retry_message(id, now).await?, "retried")?;
        record(&web, &operator, "message.retry", id, "").await;
        let detail = detail(&web, id).await?;
        if let Ok(channel) = detail.message.channel.parse() {
            web.wake.at(&channel, now);
        }
        Ok(detail)
    }

    /// Call a message off
    ///
    /// Only one that is pending or held.
    #[oai(path = "/:id/cancel", method = "post")]
    async fn cancel_message(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
    ) -> Result<Json<MessageDetail>, ApiError> {
        let id = parse("id", &id)?;
        changed(web.store.cancel_message(id, web.clock.now()).await?, "cancelled")?;
        record(&web, &operator, "message.cancel", id, "").await;
        detail(&web, id).await
    }
}

fn changed(changed: Changed, what: &str) -> Result<(), ApiError> {
    match changed {
        Changed::Yes => Ok(()),
        Changed::NotFrom(state) => Err(ApiError::conflict(format!("a message that is {state} cannot be {what}"))),
        Changed::NotFound => Err(no_such_message()),
    }
}

fn no_such_message() -> ApiError {
    ApiError::not_found("there is no message with this id; it may have been pruned")
}

async fn detail(web: &Web, id: MessageId) -> Result<Json<MessageDetail>, ApiError> {
    let history = web.store.message(id).await?.ok_or_else(no_such_message)?;
    let Preview { text, captured } = preview(&history, &web.renderer, &web.channels);
    let MessageHistory { message, attempts, .. } = history;
    let history = attempts.iter().map(AttemptItem::from);
    Ok(Json(MessageDetail {
        message: MessageItem::new(&message, &web.channels),
        history: history.collect(),
        text,
        captured,
    }))
}
