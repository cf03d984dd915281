//! `/welcome/opened`: the shop's page says that somebody came to the chat by the link in their welcome.
//!
//! The link itself leads to the page, and looking at that counts nothing, because scanners of mail open links: the page's
//! script calls here once the chat is open. Nobody logs in: the token is in a message that only its customer got. Whoever
//! calls learns nothing about it, not even whether it is anybody's.

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, IntoResponse as _, Request, Response, handler};
use serde::Deserialize;

use super::SharedWeb;
use crate::domain::Link;

/// How much of a body is read, in bytes: a token has 64.
const LONGEST_BODY: usize = 1024;

/// When to say it again if the store could not take it, in seconds.
const RETRY_AFTER: u64 = 2;

/// Who came.
#[derive(Deserialize)]
struct Opened {
    /// The token of the link.
    token: String,
}

/// Notes that somebody opened the chat, the first time.
#[handler]
pub(super) async fn opened(Data(web): Data<&SharedWeb>, request: &Request, body: Body) -> Response {
    if let Err(too_often) = web.gate.call(web.gate.client(request)) {
        return later(StatusCode::TOO_MANY_REQUESTS, too_often.seconds());
    }
    let Ok(body) = body.into_bytes_limit(LONGEST_BODY).await else { return StatusCode::BAD_REQUEST.into() };
    let Ok(Opened { token }) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST.into() };
    let Some(user) = web.link_key.user(Link::Welcome, &token) else { return StatusCode::NO_CONTENT.into() };
    match web.store.note_opened(user, web.clock.now()).await {
        Ok(is_first) => {
            if is_first {
                tracing::info!(user.id = %user, "A customer opened the chat from their welcome");
            }
            StatusCode::NO_CONTENT.into()
        }
        Err(error) => {
            tracing::error!(%error, "Could not note that a customer opened the chat from their welcome");
            later(StatusCode::SERVICE_UNAVAILABLE, RETRY_AFTER)
        }
    }
}

fn later(status: StatusCode, seconds: u64) -> Response {
    status.with_header(header::RETRY_AFTER, seconds).into_response()
}
