//! What `/api` answers when it cannot do what was asked.

use poem::IntoResponse;
use poem::http::StatusCode;
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Object};

use super::gate::TooOften;
use crate::store::StoreError;

/// An error of `/api`.
#[derive(Debug, Object)]
pub(super) struct ErrorBody {
    /// What went wrong.
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Object)]
struct ErrorDetail {
    /// One word for programs.
    code: String,
    /// A sentence for people.
    message: String,
    /// What stands there now, when a change expected something else.
    #[oai(skip_serializing_if_is_none)]
    present: Option<String>,
}

impl ErrorBody {
    fn json(code: &str, message: impl Into<String>) -> Json<Self> {
        Json(Self { error: ErrorDetail { code: code.to_owned(), message: message.into(), present: None } })
    }
}

/// What `/api` answers when it cannot do what was asked.
#[derive(Debug, ApiResponse)]
pub(super) enum ApiError {
    /// A parameter is wrong.
    #[oai(status = 400)]
    BadRequest(Json<ErrorBody>),
    /// There is no token and no session, or what was shown does not work.
    #[oai(status = 401)]
    Unauthorized(Json<ErrorBody>),
    /// It takes another role, or the call did not come from the console.
    #[oai(status = 403)]
    Forbidden(Json<ErrorBody>),
    /// There is no such thing.
    #[oai(status = 404)]
    NotFound(Json<ErrorBody>),
    /// Its state does not allow that.
    #[oai(status = 409)]
    Conflict(Json<ErrorBody>),
    /// This address has shown too many wrong tokens.
    #[oai(status = 429)]
    TooOften(
        Json<ErrorBody>,
        /// Seconds to wait before the next try.
        #[oai(header = "Retry-After")]
        u64,
    ),
    /// The store does not answer, or no more can be served just now.
    #[oai(status = 503)]
    Unavailable(Json<ErrorBody>),
}

impl ApiError {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::BadRequest(ErrorBody::json("bad_request", message))
    }

    pub(super) fn too_often(too_often: TooOften) -> Self {
        let message = "too many wrong tokens or login links came from your address; wait, then send the right one";
        Self::TooOften(ErrorBody::json("too_often", message), too_often.seconds())
    }

    /// Nobody that is known here.
    pub(super) fn nobody() -> Self {
        Self::unauthorized("send a token as `Authorization: Bearer …`, or sign in at /admin")
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::Unauthorized(ErrorBody::json("unauthorized", message))
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden(ErrorBody::json("forbidden", message))
    }

    pub(super) fn no_randomness() -> Self {
        Self::Unavailable(ErrorBody::json("unavailable", "the system has no randomness for a secret"))
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound(ErrorBody::json("not_found", message))
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable(ErrorBody::json("unavailable", message))
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(ErrorBody::json("conflict", message))
    }

    /// The change expected something else than what is there.
    pub(super) fn conflict_with(message: impl Into<String>, present: String) -> Self {
        let mut body = ErrorBody::json("conflict", message);
        body.0.error.present = Some(present);
        Self::Conflict(body)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // The operator may know what is wrong with their disk; no customer reads this.
        tracing::error!(%error, "The store did not answer an operator");
        Self::unavailable(error.to_string())
    }
}

/// An error that no handler made: a path nobody serves, a method nobody takes, a parameter that cannot be parsed.
pub(super) fn early_error(code: StatusCode, error: &poem::Error) -> poem::Response {
    let (word, message) = match code {
        StatusCode::NOT_FOUND => ("not_found", "nothing is served here; see /docs".to_owned()),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method_not_allowed", "this address takes another method; see /docs".to_owned())
        }
        code if code.is_client_error() => ("bad_request", error.to_string()),
        _ => ("internal", "something went wrong here; the log says more".to_owned()),
    };
    if code.is_server_error() {
        tracing::error!(%error, "A request failed");
    }
    let ErrorBody { error } = ErrorBody::json(word, message).0;
    let body = serde_json::json!({ "error": { "code": error.code, "message": error.message } });
    (code, poem::web::Json(body)).into_response()
}
