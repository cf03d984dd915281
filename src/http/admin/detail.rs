//! One message: every attempt, what it says, why it is where it is.

use poem_openapi::types::ToJSON;
use poem_openapi::{Object, payload::Json};

use super::super::Web;
use super::super::errors::ApiError;
use super::super::schemas::OrNull;
use super::messages::{MessageItem, no_such_message};
use super::why::{WhyItem, why};
use crate::domain::{Attempt, MessageId};
use crate::preview::{Preview, preview};
use crate::store::MessageHistory;

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

/// What a message says, part by part.
#[derive(Debug, Object)]
struct PreviewItem {
    /// One line of plain text.
    subject: String,
    /// The text without any notation.
    text: String,
    /// The same as HTML, for a channel that shows it; null: the channel does not.
    html: OrNull<String>,
    /// The bytes on the wire, as text, credentials left out.
    source: String,
    /// Whether `source` still says the same as the parts above. If not, the texts have changed since the sandbox kept it:
    /// the parts are as they would be now.
    current: bool,
}

/// One message with everything that was tried.
#[derive(Debug, Object)]
pub(super) struct MessageDetail {
    #[oai(flatten)]
    message: MessageItem,
    /// Every attempt, oldest first.
    history: Vec<AttemptItem>,
    /// The exact text on the wire: what the sandbox kept, else as it would be sent now.
    text: String,
    /// Whether `text` was kept by the sandbox.
    captured: bool,
    /// What it says, part by part; null when it cannot be put into words, and `text` says why.
    preview: OrNull<PreviewItem>,
    /// Why it is where it is.
    why: WhyItem,
}

impl MessageDetail {
    /// Where it goes, as `kind.name`.
    pub(super) fn channel(&self) -> &str {
        &self.message.channel
    }
}

/// The message with everything that was tried.
pub(super) async fn detail(web: &Web, id: MessageId) -> Result<Json<MessageDetail>, ApiError> {
    let history = web.store.message(id).await?.ok_or_else(no_such_message)?;
    let Preview { text, captured, words } = preview(&history, &web.renderer, &web.channels);
    let words = words.map(|words| PreviewItem {
        subject: words.subject,
        text: words.text,
        html: words.html.into(),
        source: text.clone(),
        current: words.current,
    });
    let why = why(web, &history).await?;
    let MessageHistory { message, attempts, .. } = history;
    Ok(Json(MessageDetail {
        message: MessageItem::new(&message, &web.channels),
        history: attempts.iter().map(AttemptItem::from).collect(),
        text,
        captured,
        preview: words.into(),
        why,
    }))
}
