//! Who may do what: bots by the intake secret, operators by the admin token, watchers by theirs.
//!
//! Secrets are compared by their hashes and in constant time, so that neither their content nor their length shows in
//! how long an answer takes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::http::StatusCode;
use poem::web::headers::{Authorization, HeaderMapExt as _, authorization};
use poem::{IntoResponse, Request};
use poem_openapi::SecurityScheme;
use poem_openapi::auth::Bearer;
use poem_openapi::error::AuthorizationError;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::errors::ApiError;
use super::{SharedWeb, Web};

/// Whether and how bots show that they may.
#[derive(Clone, Debug)]
pub enum IntakeAuth {
    /// They need not.
    Open,
    /// They need not, but a wrong secret is refused, so that the owner can try theirs out in the sandbox.
    Optional(SecretString),
    /// By this secret.
    Required(SecretString),
}

/// Whether a bot that shows `shown` may come in.
pub(super) fn intake_allows(auth: &IntakeAuth, shown: Option<&str>) -> bool {
    match (auth, shown) {
        (IntakeAuth::Open, _) | (IntakeAuth::Optional(_), None) => true,
        (IntakeAuth::Required(_), None) => false,
        (IntakeAuth::Optional(secret) | IntakeAuth::Required(secret), Some(shown)) => {
            same(&hash(secret.expose_secret()), &hash(shown))
        }
    }
}

/// What is kept of a token: its SHA-256. Tokens are random, so no salt is needed.
pub fn hash(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

/// A fresh admin token: 256 random bits. `None` when the system has no randomness to give.
pub fn fresh_token() -> Option<String> {
    let mut bytes = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).ok()?;
    Some(format!("umi_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.ct_eq(other).into()
}

/// The admin token, as `Authorization: Bearer`.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", key_name = "Authorization", checker = "check_operator")]
pub(super) struct Operator(());

async fn check_operator(request: &Request, bearer: Bearer) -> poem::Result<()> {
    let web = request.data::<SharedWeb>().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    if same(&web.admin_token_hash, &hash(&bearer.token)) { Ok(()) } else { Err(wrong_token(web, request)) }
}

/// Lets those pass who may read the metrics: by the admin token, or by the one for that.
pub(super) fn check_watcher(web: &Web, request: &Request) -> poem::Result<()> {
    let bearer = request.headers().typed_get::<Authorization<authorization::Bearer>>();
    let Some(shown) = bearer.map(|bearer| hash(bearer.token())) else { return Err(AuthorizationError.into()) };
    let is_theirs = web.metrics_token_hash.as_ref().is_some_and(|theirs| same(theirs, &shown));
    if same(&web.admin_token_hash, &shown) || is_theirs { Ok(()) } else { Err(wrong_token(web, request)) }
}

fn wrong_token(web: &Web, request: &Request) -> poem::Error {
    match web.gate.wrong_token(web.gate.client(request)) {
        Ok(()) => AuthorizationError.into(),
        Err(too_often) => poem::Error::from_response(ApiError::too_often(too_often).into_response()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_lets_everybody_in_but_tells_of_a_wrong_secret() {
        let secret = SecretString::from("s3cret");
        let (optional, required) = (IntakeAuth::Optional(secret.clone()), IntakeAuth::Required(secret));
        for (auth, shown, allowed) in [
            (&IntakeAuth::Open, None, true),
            (&IntakeAuth::Open, Some("anything"), true),
            (&optional, None, true),
            (&optional, Some("wrong"), false),
            (&optional, Some("s3cret"), true),
            (&required, None, false),
            (&required, Some(""), false),
            (&required, Some("s3cret "), false),
            (&required, Some("s3cret"), true),
        ] {
            assert_eq!(intake_allows(auth, shown), allowed, "{auth:?} {shown:?}");
        }
    }

    #[test]
    fn fresh_tokens_differ() {
        assert_ne!(fresh_token().unwrap(), fresh_token().unwrap());
    }
}
