//! One request as the API shows it: who asked, what became of it, how to answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem_openapi::Object;
use poem_openapi::types::ToJSON;

use super::super::schemas::OrNull;
use super::messages::MessageItem;
use super::reply::{self, ReplyItem};
use crate::channel::Channel;
use crate::domain::{ChannelAddress, Request, RequestChange, RequestEdit};
use crate::store::{RequestEntry, RequestHistory};

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
    /// What is noted about it; may be empty.
    note: String,
    /// Who looks after it; empty: nobody was named.
    assignee: String,
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
            note: request.note.clone(),
            assignee: request.assignee.clone(),
        }
    }
}

/// A request for help and who asked.
#[derive(Debug, Object)]
pub(super) struct RequestEntryItem {
    #[oai(flatten)]
    request: RequestItem,
    /// The customer; null when there is nothing to know them by.
    user_id: OrNull<String>,
    /// Their name; may be empty.
    name: String,
    email: OrNull<String>,
    /// In international form, when it could be told.
    phone: OrNull<String>,
    /// The ways to answer, the usual ones first.
    reply_to: Vec<ReplyItem>,
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
            reply_to: reply::ways(entry),
        }
    }
}

/// The request as the API's lists show it.
pub fn request_json(entry: &RequestEntry) -> serde_json::Value {
    RequestEntryItem::from(entry).to_json().unwrap_or_default()
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

/// A change of what is noted beside a request.
#[derive(Debug, Object)]
struct EditItem {
    at: String,
    /// `note` or `assignee`.
    field: String,
    /// What it is from then on; may be empty.
    value: String,
    /// Who said so; may be empty.
    by: String,
}

impl From<&RequestEdit> for EditItem {
    fn from(edit: &RequestEdit) -> Self {
        Self { at: edit.at.to_string(), field: edit.field.to_string(), value: edit.value.clone(), by: edit.by.clone() }
    }
}

/// A request with everything that happened to it.
#[derive(Debug, Object)]
pub(super) struct RequestDetail {
    #[oai(flatten)]
    entry: RequestEntryItem,
    /// Every change of its state, oldest first.
    changes: Vec<ChangeItem>,
    /// Every change of its note and of who looks after it, oldest first.
    edits: Vec<EditItem>,
    /// Messages that carried it, and what became of it, oldest first.
    messages: Vec<MessageItem>,
}

impl RequestDetail {
    pub(super) fn new(history: &RequestHistory, channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>) -> Self {
        Self {
            entry: RequestEntryItem::from(&history.entry),
            changes: history.changes.iter().map(ChangeItem::from).collect(),
            edits: history.edits.iter().map(EditItem::from).collect(),
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
