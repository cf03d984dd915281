//! `/api/requests`: what customers asked, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;

use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::optional::Optional;
use super::super::schemas::{IdText, LimitText, OrNull, RequestStateText};
use super::super::{SharedWeb, Web};
use super::messages::MessageItem;
use super::{Group, next, page, parse, record};
use crate::channel::Channel;
use crate::domain::{Actor, ChannelAddress, Request, RequestChange, RequestId, RequestState, Topic};
use crate::store::{RequestChanged, RequestEntry, RequestFilter, RequestHistory};

/// A request for help.
#[derive(Debug, Object)]
pub(super) struct RequestItem {
    id: String,
    /// `new`, `acknowledged`, `answered` or `closed`.
    state: String,
    topic: String,
    /// Whether no route named the topic, so that the catch-all took it.
    topic_unknown: bool,
    question: String,
    /// Where the customer came from that time.
    source: String,
    created_at: String,
}

impl From<&Request> for RequestItem {
    fn from(request: &Request) -> Self {
        Self {
            id: request.id.to_string(),
            state: request.state.to_string(),
            topic: request.topic.as_str().to_owned(),
            topic_unknown: request.topic_unknown,
            question: request.question.clone(),
            source: request.origin.source(),
            created_at: request.created_at.to_string(),
        }
    }
}

/// A request for help and who asked.
#[derive(Debug, Object)]
struct RequestEntryItem {
    #[oai(flatten)]
    request: RequestItem,
    /// The customer; null when there is nothing to know them by.
    user_id: OrNull<String>,
    /// Their name; may be empty.
    name: String,
    email: OrNull<String>,
    /// In international form, when it could be told.
    phone: OrNull<String>,
}

impl From<&RequestEntry> for RequestEntryItem {
    fn from(entry: &RequestEntry) -> Self {
        let user = entry.user.as_ref();
        let phone = user.and_then(|user| user.phone.as_ref());
        Self {
            request: RequestItem::from(&entry.request),
            user_id: entry.request.user_id.map(|id| id.to_string()).into(),
            name: user.map_or_else(String::new, |user| user.name.clone()),
            email: user.and_then(|user| user.email.as_ref()).map(ToString::to_string).into(),
            phone: phone.map(|phone| phone.best().to_owned()).into(),
        }
    }
}

/// The request as the API's lists show it.
pub fn request_json(entry: &RequestEntry) -> serde_json::Value {
    RequestEntryItem::from(entry).to_json().unwrap_or_default()
}

/// A page of requests.
#[derive(Debug, Object)]
struct RequestList {
    items: Vec<RequestEntryItem>,
    /// Pass it as `cursor` to see older ones.
    next: OrNull<String>,
}

/// A change of a request's state.
#[derive(Debug, Object)]
struct ChangeItem {
    at: String,
    /// The state it came to.
    state: String,
    /// Who said so; may be empty.
    by: String,
    /// What they said about it; may be empty.
    note: String,
}

impl From<&RequestChange> for ChangeItem {
    fn from(change: &RequestChange) -> Self {
        Self {
            at: change.at.to_string(),
            state: change.state.to_string(),
            by: change.by.clone(),
            note: change.note.clone(),
        }
    }
}

/// A request with everything that happened to it.
#[derive(Debug, Object)]
struct RequestDetail {
    #[oai(flatten)]
    entry: RequestEntryItem,
    /// Every change of its state, oldest first.
    changes: Vec<ChangeItem>,
    /// Messages that carried it, and what became of it, oldest first.
    messages: Vec<MessageItem>,
}

impl RequestDetail {
    fn new(history: &RequestHistory, channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>) -> Self {
        Self {
            entry: RequestEntryItem::from(&history.entry),
            changes: history.changes.iter().map(ChangeItem::from).collect(),
            messages: history.messages.iter().map(|message| MessageItem::new(message, channels)).collect(),
        }
    }
}

/// The request with everything that happened to it, as the API shows it.
pub fn request_history_json(
    history: &RequestHistory,
    channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>,
) -> serde_json::Value {
    RequestDetail::new(history, channels).to_json().unwrap_or_default()
}

/// What is said about a change.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default)]
struct ChangeBody {
    /// Who says so, in at most 100 characters.
    #[oai(default, validator(max_length = 100))]
    by: String,
    /// What they say about it, in at most 2,000 characters.
    #[oai(default, validator(max_length = 2000))]
    note: String,
}

/// Requests.
pub(in crate::http) struct Requests;

#[OpenApi(prefix_path = "/api/requests", tag = "Group::Operator")]
impl Requests {
    /// List requests, newest first
    ///
    /// `topic` is compared without case, accents, emoji and punctuation.
    #[oai(path = "/", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn list_requests(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        state: Query<Option<RequestStateText>>,
        topic: Query<Option<String>>,
        user: Query<Option<IdText>>,
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<RequestList>, ApiError> {
        let filter = RequestFilter {
            state: state.0.map(|text| parse("state", &text)).transpose()?,
            topic: topic.0.map(|text| Topic::new(&text)),
            user: user.0.map(|text| parse("user", &text)).transpose()?,
        };
        let page = page(limit.0.as_ref(), cursor.0.as_deref())?;
        let entries = web.store.requests(filter, page).await?;
        Ok(Json(RequestList {
            items: entries.iter().map(RequestEntryItem::from).collect(),
            next: next(&entries, page.limit, |entry| entry.request.id.to_string()).into(),
        }))
    }

    /// Show a request with its history and its messages
    #[oai(path = "/:id", method = "get")]
    async fn show_request(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        id: Path<IdText>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        detail(&web, parse("id", &id)?).await
    }

    /// Say that somebody looks after a request
    ///
    /// Channels that follow requests are told.
    #[oai(path = "/:id/acknowledge", method = "post")]
    async fn acknowledge_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<ChangeBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        change(&web, &operator, parse("id", &id)?, RequestState::Acknowledged, said).await
    }

    /// Say that a request is answered
    ///
    /// Channels that follow requests are told. It need not have been acknowledged before.
    #[oai(path = "/:id/answer", method = "post")]
    async fn answer_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<ChangeBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        change(&web, &operator, parse("id", &id)?, RequestState::Answered, said).await
    }

    /// Say that nothing more is to be done about a request
    ///
    /// Channels that follow requests are told. It need not have been answered before.
    #[oai(path = "/:id/close", method = "post")]
    async fn close_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<ChangeBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        change(&web, &operator, parse("id", &id)?, RequestState::Closed, said).await
    }
}

async fn change(
    web: &Web,
    operator: &Actor,
    id: RequestId,
    state: RequestState,
    said: Optional<ChangeBody>,
) -> Result<Json<RequestDetail>, ApiError> {
    let ChangeBody { by, note } = said.read()?;
    let now = web.clock.now();
    let change =
        RequestChange::new(state, now, &by, &note).map_err(|error| ApiError::bad_request(error.to_string()))?;
    match web.store.change_request(id, change, web.followers.clone()).await? {
        RequestChanged::Yes(channels) => channels.iter().for_each(|channel| web.wake.at(channel, now)),
        RequestChanged::NotFrom(from) => {
            return Err(ApiError::conflict(format!("a request that is {from} cannot become {state}")));
        }
        RequestChanged::NotFound => return Err(no_such_request()),
    }
    record(web, operator, action(state), id, "").await;
    detail(web, id).await
}

/// What it is called in the list of changes.
const fn action(state: RequestState) -> &'static str {
    match state {
        RequestState::New => "request.reopen",
        RequestState::Acknowledged => "request.acknowledge",
        RequestState::Answered => "request.answer",
        RequestState::Closed => "request.close",
    }
}

fn no_such_request() -> ApiError {
    ApiError::not_found("there is no request with this id")
}

async fn detail(web: &Web, id: RequestId) -> Result<Json<RequestDetail>, ApiError> {
    let history = web.store.request(id).await?.ok_or_else(no_such_request)?;
    Ok(Json(RequestDetail::new(&history, &web.channels)))
}
