//! `/api/session`: signing in to the console, and out.

use poem::Request;
use poem::web::Data;
use poem_openapi::payload::{Json, Response};
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;

use super::super::access::{COOKIE, Caller, Reader, is_ours, wrong_secret};
use super::super::auth::{fresh_secret, hash};
use super::super::errors::ApiError;
use super::super::optional::Optional;
use super::super::schemas::OrNull;
use super::super::{SharedWeb, Web};
use super::{Group, record};
use crate::store::Proof;

/// What somebody shows to sign in: one of both.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default)]
struct SignIn {
    /// A token.
    token: Option<String>,
    /// The code of a login link: what stands behind `/admin#login=`.
    code: Option<String>,
}

/// Who is signed in.
#[derive(Debug, Object)]
struct SessionItem {
    /// The name of the token or of the login link.
    name: String,
    /// `owner`, `operator` or `read-only`.
    role: String,
    /// When this ends; null for a token that works until it is revoked.
    expires_at: OrNull<String>,
}

impl From<Caller> for SessionItem {
    fn from(caller: Caller) -> Self {
        Self {
            name: caller.actor.name,
            role: caller.actor.role.to_string(),
            expires_at: caller.expires_at.map(|moment| moment.to_string()).into(),
        }
    }
}

/// Whether a session was ended.
#[derive(Debug, Object)]
struct SignedOut {
    /// `false` for a call with a token, which has no session: revoke it instead.
    ended: bool,
}

/// Sessions.
pub(in crate::http) struct Sessions;

#[OpenApi(prefix_path = "/api/session", tag = "Group::Operator")]
impl Sessions {
    /// Sign in to the console
    ///
    /// Sets the cookie of the session. A login link is used up by it.
    #[oai(path = "/", method = "post")]
    async fn sign_in(
        &self,
        web: Data<&SharedWeb>,
        request: &Request,
        shown: Optional<SignIn>,
    ) -> Result<Response<Json<SessionItem>>, ApiError> {
        if !is_ours(&web, request) {
            return Err(ApiError::forbidden("another site's page may not sign you in here"));
        }
        let (proof, how) = proof(&web, shown.read()?)?;
        let secret = fresh_secret().ok_or_else(ApiError::no_randomness)?;
        let now = web.clock.now();
        let expires_at = now.after(web.access.session_lifetime);
        let Some(session) = web.store.begin_session(hash(&secret), proof, expires_at, now).await? else {
            let why = "this token or login link does not work: a link works once and for a day, and \
                       `umishop login-link` prints a new one";
            return Err(wrong_secret(&web, request, ApiError::unauthorized(why)));
        };
        record(&web, &session.actor, "session.begin", "console", how).await;
        let caller = Caller { actor: session.actor, expires_at: Some(expires_at), session: None };
        let lifetime = web.access.session_lifetime.as_secs();
        Ok(Response::new(Json(caller.into())).header("Set-Cookie", cookie(&web, &secret, lifetime)))
    }

    /// Show who is signed in
    #[oai(path = "/", method = "get")]
    async fn show_session(&self, Reader(caller): Reader) -> Result<Json<SessionItem>, ApiError> {
        Ok(Json(caller.into()))
    }

    /// Sign out of the console
    #[oai(path = "/", method = "delete")]
    async fn sign_out(
        &self,
        web: Data<&SharedWeb>,
        Reader(caller): Reader,
    ) -> Result<Response<Json<SignedOut>>, ApiError> {
        if let Some(session) = caller.session {
            web.store.end_session(session).await?;
            record(&web, &caller.actor, "session.end", "console", "").await;
        }
        let answer = Json(SignedOut { ended: caller.session.is_some() });
        Ok(Response::new(answer).header("Set-Cookie", cookie(&web, "", 0)))
    }
}

/// What was shown, and how it is called in the list of changes.
fn proof(web: &Web, shown: SignIn) -> Result<(Proof, &'static str), ApiError> {
    match (shown.token, shown.code) {
        (Some(token), None) => {
            let token = hash(token.trim());
            let proof = match web.access.configured(&token) {
                Some(actor) => Proof::Configured(token, actor),
                None => Proof::Token(token),
            };
            Ok((proof, "by token"))
        }
        (None, Some(code)) => Ok((Proof::LoginLink(hash(code.trim())), "by login link")),
        _ => Err(ApiError::unauthorized("show a token or the code of a login link, and not both")),
    }
}

/// The cookie: for this site alone, out of reach of scripts, and only over TLS where that is how browsers come.
fn cookie(web: &Web, secret: &str, seconds: u64) -> String {
    let is_secure = web.access.public_url.as_ref().is_some_and(|url| url.starts_with("https:"));
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}
