//! `/api/messages`: the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};

use super::super::SharedWeb;
use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::schemas::{ChannelText, IdText, LimitText, OrNull, PurposeText, StateText};
use super::asked::{Days, Finished, Told};
use super::bulk::{MessageChanges, Together, together};
use super::detail::{MessageDetail, detail};
use super::{Group, next, page, parse, record};
use crate::channel::Channel;
use crate::domain::{ChannelAddress, Message, Purpose};
use crate::sheet::AddressedMessage;
use crate::store::{Changed, Counted, MessageFilter};

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
    pub(super) channel: String,
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
            recipient: recipient(message, channels).to_owned(),
            name: message.context.name.clone(),
        }
    }
}

/// The customer's address that one of these channels writes to; empty: the message goes to the shop's own people.
fn recipient<'a>(message: &'a Message, channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>) -> &'a str {
    let field = channels.get(&message.channel).and_then(|channel| channel.writes_to());
    let customer = field.filter(|_| message.purpose == Purpose::Welcome);
    customer.and_then(|field| message.context.address(field)).unwrap_or_default()
}

/// The message as a row of a table, carried by one of these channels.
pub fn message_row(message: Message, channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>) -> AddressedMessage {
    let recipient = recipient(&message, channels).to_owned();
    AddressedMessage { message, recipient }
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

/// How many messages there are.
#[derive(Debug, Object)]
struct MessageCount {
    /// How many, not counted beyond 100,000.
    count: u64,
    /// Whether there are more.
    more: bool,
}

/// The outbox.
pub(in crate::http) struct Messages;

#[OpenApi(prefix_path = "/api/messages", tag = "Group::Operator")]
impl Messages {
    /// List messages, newest first
    ///
    /// `from` and `to` are days like 2026-11-24, of the time zone `tz`, or times: what was made from `from` up to, and
    /// without, `to`. `finished_from` and `finished_to` likewise: what was delivered, given up or cancelled then.
    #[oai(path = "/", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn list_messages(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        state: Query<Option<StateText>>,
        channel: Query<Option<ChannelText>>,
        purpose: Query<Option<PurposeText>>,
        user: Query<Option<IdText>>,
        request: Query<Option<IdText>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        finished_from: Query<Option<String>>,
        finished_to: Query<Option<String>>,
        tz: Query<Option<String>>,
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<MessageList>, ApiError> {
        let finished = Finished { from: finished_from, to: finished_to };
        let asked = Asked { state, channel, purpose, user, request, days: Days { from, to, tz }, finished };
        let page = page(limit.0.as_ref(), cursor.0.as_deref())?;
        let messages = web.store.messages(asked.filter()?, page).await?;
        Ok(Json(MessageList {
            items: messages.iter().map(|message| MessageItem::new(message, &web.channels)).collect(),
            next: next(&messages, page.limit, |message| message.id.to_string()).into(),
        }))
    }

    /// Count the messages that a list would show
    #[oai(path = "/count", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn count_messages(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        state: Query<Option<StateText>>,
        channel: Query<Option<ChannelText>>,
        purpose: Query<Option<PurposeText>>,
        user: Query<Option<IdText>>,
        request: Query<Option<IdText>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        finished_from: Query<Option<String>>,
        finished_to: Query<Option<String>>,
        tz: Query<Option<String>>,
    ) -> Result<Json<MessageCount>, ApiError> {
        let finished = Finished { from: finished_from, to: finished_to };
        let asked = Asked { state, channel, purpose, user, request, days: Days { from, to, tz }, finished };
        let Counted { count, more } = web.store.count_messages(asked.filter()?).await?;
        Ok(Json(MessageCount { count, more }))
    }

    /// Make all messages that a list would show due now
    ///
    /// Only of a `state` that is dead, held or cancelled. `expected` is how many they were when they were counted: if that
    /// has changed by more than a tenth, nothing is done. 50,000 at most are changed by one call; `cursor` goes on.
    #[oai(path = "/retry", method = "post")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn retry_messages(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        state: Query<Option<StateText>>,
        channel: Query<Option<ChannelText>>,
        purpose: Query<Option<PurposeText>>,
        user: Query<Option<IdText>>,
        request: Query<Option<IdText>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        finished_from: Query<Option<String>>,
        finished_to: Query<Option<String>>,
        tz: Query<Option<String>>,
        expected: Query<Option<u64>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<MessageChanges>, ApiError> {
        let finished = Finished { from: finished_from, to: finished_to };
        let asked = Asked { state, channel, purpose, user, request, days: Days { from, to, tz }, finished };
        together(&web, &operator, Together::Retry, &asked, expected.0, cursor.0.as_deref()).await
    }

    /// Call all messages off that a list would show
    ///
    /// Only of a `state` that is pending or held; `expected` and `cursor` are as with `retry`.
    #[oai(path = "/cancel", method = "post")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn cancel_messages(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        state: Query<Option<StateText>>,
        channel: Query<Option<ChannelText>>,
        purpose: Query<Option<PurposeText>>,
        user: Query<Option<IdText>>,
        request: Query<Option<IdText>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        finished_from: Query<Option<String>>,
        finished_to: Query<Option<String>>,
        tz: Query<Option<String>>,
        expected: Query<Option<u64>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<MessageChanges>, ApiError> {
        let finished = Finished { from: finished_from, to: finished_to };
        let asked = Asked { state, channel, purpose, user, request, days: Days { from, to, tz }, finished };
        together(&web, &operator, Together::Cancel, &asked, expected.0, cursor.0.as_deref()).await
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
        if let Ok(channel) = detail.channel().parse() {
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

pub(super) fn no_such_message() -> ApiError {
    ApiError::not_found("there is no message with this id; it may have been pruned")
}

/// Which messages a list was asked for.
pub(super) struct Asked {
    pub(super) state: Told<StateText>,
    pub(super) channel: Told<ChannelText>,
    pub(super) purpose: Told<PurposeText>,
    pub(super) user: Told<IdText>,
    pub(super) request: Told<IdText>,
    pub(super) days: Days,
    pub(super) finished: Finished,
}

impl Asked {
    pub(super) fn filter(&self) -> Result<MessageFilter, ApiError> {
        Ok(MessageFilter {
            state: self.state.0.as_deref().map(|text| parse("state", text)).transpose()?,
            channel: self.channel.0.as_deref().map(|text| parse("channel", text)).transpose()?,
            user: self.user.0.as_deref().map(|text| parse("user", text)).transpose()?,
            request: self.request.0.as_deref().map(|text| parse("request", text)).transpose()?,
            purpose: self.purpose.0.as_deref().map(|text| parse("purpose", text)).transpose()?,
            made: self.days.period()?,
            finished: self.finished.period(self.days.zone())?,
        })
    }
}
