//! What the two webhooks answer: the same flat object on every status, so that a chat's flow can branch on it and show
//! its text, whatever happened.

use poem::IntoResponse;
use poem::http::StatusCode;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object};

use super::Web;
use super::gate::TooOften;

/// What became of a webhook, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum Status {
    /// A new customer was registered.
    Created,
    /// The customer was known already; what was missing was added.
    AlreadyRegistered,
    /// The question is on its way.
    Queued,
    /// The same question came moments ago; nothing was sent twice.
    Duplicate,
    /// Understood, and nothing to do: a `MessageHook` that is not a customer's message.
    Ignored,
    /// Something is missing or wrong; see `field`.
    Invalid,
    /// The secret is missing or wrong.
    Unauthorized,
    /// It could not be read or stored.
    Error,
}

impl Status {
    /// The word, as it stands in the answer and in templates.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AlreadyRegistered => "already_registered",
            Self::Queued => "queued",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Error => "error",
        }
    }
}

/// The answer to a webhook. Every key is always there, every value a plain text or boolean.
#[derive(Clone, Debug, Object)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// What became of it, in one word.
    pub status: Status,
    /// A text to show to the customer.
    pub message: String,
    /// Names the customer (`…/user`) or the request (`…/topic`).
    pub id: String,
    /// The customer's name, as we know it.
    pub name: String,
    /// The topic, as the shop calls it.
    pub topic: String,
    /// The channels that the question goes to.
    pub channel: String,
    /// Which value the visitor can mend: `email`, `question`, `request_id`.
    pub field: String,
}

impl Answer {
    /// An answer with a text from the shop's template for this status.
    pub(super) fn new(web: &Web, status: Status, details: Details<'_>) -> Self {
        let Details { id, name, topic, channel, field, language } = details;
        let message = web.renderer.reply(status.as_str(), name, topic, field, language).unwrap_or_else(|error| {
            tracing::error!(%error, "The reply's template cannot be rendered");
            String::new()
        });
        let ok = !matches!(status, Status::Invalid | Status::Unauthorized | Status::Error);
        Self {
            ok,
            status,
            message,
            id,
            name: name.to_owned(),
            topic: topic.to_owned(),
            channel,
            field: field.to_owned(),
        }
    }

    /// As an error, with a text of our own that says what was wrong with the delivery.
    pub(super) fn error(web: &Web, status: Status, detail: &str) -> Self {
        let mut answer = Self::new(web, status, Details::default());
        if !detail.is_empty() {
            answer.message = format!("{} ({detail})", answer.message);
        }
        answer
    }
}

/// What an answer is about; all of it may be empty.
#[derive(Debug, Default)]
pub(super) struct Details<'a> {
    pub(super) id: String,
    pub(super) name: &'a str,
    pub(super) topic: &'a str,
    pub(super) channel: String,
    pub(super) field: &'a str,
    pub(super) language: &'a str,
}

/// The answer and its status.
#[derive(Debug, ApiResponse)]
pub enum WebhookAnswer {
    /// Done; also when it had been done before.
    #[oai(status = 200)]
    Done(Json<Answer>),
    /// Nobody could read the body. It is kept for the operator.
    #[oai(status = 400)]
    Unreadable(Json<Answer>),
    /// The secret is missing or wrong. Nothing was stored.
    #[oai(status = 401)]
    Unauthorized(Json<Answer>),
    /// The body is longer than 128 KiB. What came of it is kept for the operator.
    #[oai(status = 413)]
    TooLarge(Json<Answer>),
    /// The visitor can mend it: `field` says what. Ask again.
    #[oai(status = 422)]
    Invalid(Json<Answer>),
    /// This address calls too often, or has shown too many wrong secrets. Nothing was stored; send it again later.
    #[oai(status = 429)]
    TooOften(
        Json<Answer>,
        /// Seconds to wait before sending it again.
        #[oai(header = "Retry-After")]
        u64,
    ),
    /// It could not be stored just now. Nothing was stored; send it again.
    #[oai(status = 503)]
    Unavailable(
        Json<Answer>,
        /// Seconds to wait before sending it again.
        #[oai(header = "Retry-After")]
        u64,
    ),
}

impl WebhookAnswer {
    /// For a caller who calls too often.
    pub(super) fn too_often(web: &Web, too_often: TooOften) -> Self {
        Self::TooOften(Json(Answer::error(web, Status::Error, "")), too_often.seconds())
    }

    /// The status it is sent under.
    pub(super) const fn code(&self) -> u16 {
        match self {
            Self::Done(_) => 200,
            Self::Unreadable(_) => 400,
            Self::Unauthorized(_) => 401,
            Self::TooLarge(_) => 413,
            Self::Invalid(_) => 422,
            Self::TooOften(..) => 429,
            Self::Unavailable(..) => 503,
        }
    }

    /// What it says, and nothing else.
    pub(super) fn into_answer(self) -> Answer {
        match self {
            Self::Done(Json(answer))
            | Self::Unreadable(Json(answer))
            | Self::Unauthorized(Json(answer))
            | Self::TooLarge(Json(answer))
            | Self::Invalid(Json(answer))
            | Self::TooOften(Json(answer), _)
            | Self::Unavailable(Json(answer), _) => answer,
        }
    }

    /// What it says.
    pub(super) fn answer(&self) -> &Answer {
        match self {
            Self::Done(Json(answer))
            | Self::Unreadable(Json(answer))
            | Self::Unauthorized(Json(answer))
            | Self::TooLarge(Json(answer))
            | Self::Invalid(Json(answer))
            | Self::TooOften(Json(answer), _)
            | Self::Unavailable(Json(answer), _) => answer,
        }
    }
}

/// An answer for what went wrong before any handler was reached, such as a method nobody serves.
pub(super) fn early_error(web: &Web, code: StatusCode) -> poem::Response {
    let detail = code.canonical_reason().unwrap_or_default();
    (code, poem::web::Json(poem_openapi::types::ToJSON::to_json(&Answer::error(web, Status::Error, detail))))
        .into_response()
}

#[cfg(test)]
mod tests {
    use crate::render::REPLY_STATUSES;

    #[test]
    fn the_replys_template_is_tried_out_with_every_status() {
        let document: serde_json::Value = serde_json::from_str(&crate::http::openapi()).unwrap();
        assert_eq!(document["components"]["schemas"]["Status"]["enum"], serde_json::json!(REPLY_STATUSES));
    }
}
