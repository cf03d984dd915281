//! What callers are known by: bots by the intake secret, watchers by their token, everybody else as [`access`] says.
//!
//! Secrets are compared by their hashes and in constant time, so that neither their content nor their length shows in
//! how long an answer takes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::Request;
use poem::web::headers::{Authorization, HeaderMapExt as _, authorization};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{Web, access};
use crate::domain::SecretHash;

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

/// What is kept of a secret: its SHA-256.
pub fn hash(token: &str) -> SecretHash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

/// A fresh secret: 256 random bits as text. `None` when the system has no randomness to give.
pub fn fresh_secret() -> Option<String> {
    let mut bytes = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// A fresh token: a secret that can be told from others by how it begins.
pub fn fresh_token() -> Option<String> {
    fresh_secret().map(|secret| format!("umi_{secret}"))
}

pub(super) fn same(one: &SecretHash, other: &SecretHash) -> bool {
    one.ct_eq(other).into()
}

/// Lets those pass who may read the metrics: whoever may look at anything, and by the token for that.
pub(super) async fn check_watcher(web: &Web, request: &Request) -> poem::Result<()> {
    let bearer = request.headers().typed_get::<Authorization<authorization::Bearer>>();
    let shown = bearer.map(|bearer| hash(bearer.token()));
    let is_theirs = shown.zip(web.metrics_token_hash).is_some_and(|(shown, theirs)| same(&theirs, &shown));
    if is_theirs { Ok(()) } else { access::caller(web, request).await.map(drop) }
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
