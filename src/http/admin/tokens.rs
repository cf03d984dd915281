//! `/api/tokens`: what opens the API, each with a role.

use std::time::Duration;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;

use super::super::SharedWeb;
use super::super::access::{Owner, Reader};
use super::super::auth::{fresh_token, hash};
use super::super::errors::ApiError;
use super::super::optional::Required;
use super::super::schemas::{IdText, OrNull};
use super::{Group, parse, record};
use crate::domain::{Actor, TokenId};
use crate::store::{NewToken, Token};

/// A token that opens the API and the console.
#[derive(Debug, Object)]
struct TokenItem {
    id: String,
    /// What it is called in the list of changes.
    name: String,
    /// `owner`, `operator` or `read-only`.
    role: String,
    /// When it was made.
    created_at: String,
    /// Who made it.
    created_by: String,
    /// When it was used last, to the hour.
    last_used_at: OrNull<String>,
    /// Until when it works; null: until it is revoked.
    expires_at: OrNull<String>,
}

impl From<Token> for TokenItem {
    fn from(token: Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.actor.name,
            role: token.actor.role.to_string(),
            created_at: token.created_at.to_string(),
            created_by: token.created_by,
            last_used_at: token.last_used_at.map(|moment| moment.to_string()).into(),
            expires_at: token.expires_at.map(|moment| moment.to_string()).into(),
        }
    }
}

/// The token as the API shows it.
pub fn token_json(token: Token) -> serde_json::Value {
    poem_openapi::types::ToJSON::to_json(&TokenItem::from(token)).unwrap_or_default()
}

/// The tokens that are not revoked.
#[derive(Debug, Object)]
struct TokenList {
    items: Vec<TokenItem>,
    /// Always null: there are never so many that they need pages.
    next: OrNull<String>,
}

/// A token to be made.
#[derive(Debug, Deserialize, Object)]
struct TokenBody {
    /// What it shall be called, in at most 100 characters.
    #[oai(validator(max_length = 100, pattern = r"^\w"))]
    name: String,
    /// `owner`, `operator` or `read-only`.
    #[oai(validator(pattern = "^(owner|operator|read-only)$"))]
    role: String,
    /// How long it works, in hours or days, as in `12h` or `90d`; left out or empty: until it is revoked.
    #[serde(default)]
    #[oai(default, validator(pattern = "^([1-9][0-9]{0,2}[hd])?$"))]
    expires_in: String,
}

/// A token that was just made.
#[derive(Debug, Object)]
struct TokenMade {
    #[oai(flatten)]
    item: TokenItem,
    /// The token itself. It is shown this once.
    token: String,
}

/// Tokens.
pub(in crate::http) struct Tokens;

#[OpenApi(prefix_path = "/api/tokens", tag = "Group::Operator")]
impl Tokens {
    /// List tokens, oldest first
    ///
    /// Revoked ones are left out, and so is the one of the configuration.
    #[oai(path = "/", method = "get")]
    async fn list_tokens(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<Json<TokenList>, ApiError> {
        let items = web.store.tokens().await?.into_iter().map(TokenItem::from).collect();
        Ok(Json(TokenList { items, next: None.into() }))
    }

    /// Make a token
    #[oai(path = "/", method = "post")]
    async fn create_token(
        &self,
        web: Data<&SharedWeb>,
        owner: Owner,
        wanted: Required<TokenBody>,
    ) -> Result<Json<TokenMade>, ApiError> {
        let TokenBody { name, role, expires_in } = wanted.read()?;
        let actor = Actor::new(&name, parse("role", &role)?);
        let actor = actor.map_err(|error| ApiError::bad_request(format!("name: {error}")))?;
        let now = web.clock.now();
        let lifetime = lifetime(&expires_in)?;
        let secret = fresh_token().ok_or_else(ApiError::no_randomness)?;
        let token = Token {
            id: TokenId::new(now),
            actor,
            created_at: now,
            created_by: owner.name.clone(),
            last_used_at: None,
            expires_at: lifetime.map(|lifetime| now.after(lifetime)),
        };
        if !web.store.create_token(NewToken { token: token.clone(), hash: hash(&secret) }).await? {
            return Err(ApiError::conflict("another token has this name; revoke it, or choose another name"));
        }
        record(&web, &owner, "token.create", token.id, &format!("{}, {}", token.actor.name, token.actor.role)).await;
        Ok(Json(TokenMade { item: token.into(), token: secret }))
    }

    /// Revoke a token
    ///
    /// It opens nothing any more, and the sessions that were begun with it end.
    #[oai(path = "/:id", method = "delete")]
    async fn revoke_token(
        &self,
        web: Data<&SharedWeb>,
        owner: Owner,
        id: Path<IdText>,
    ) -> Result<Json<TokenItem>, ApiError> {
        let revoked = web.store.revoke_token(parse("id", &id)?, web.clock.now()).await?;
        let token = revoked.ok_or_else(|| ApiError::not_found("there is no token with this id"))?;
        record(&web, &owner, "token.revoke", token.id, &token.actor.name).await;
        Ok(Json(token.into()))
    }
}

/// Reads how long a token shall work; `None`: until it is revoked.
fn lifetime(text: &str) -> Result<Option<Duration>, ApiError> {
    let of = |unit: char, hours: u64| {
        let digits = text.strip_suffix(unit).filter(|digits| digits.starts_with(|c: char| matches!(c, '1'..='9')))?;
        digits.parse().ok().filter(|number| *number < 1000).map(|number: u64| Duration::from_hours(number * hours))
    };
    if text.is_empty() {
        return Ok(None);
    }
    let why = "expires_in: expected up to 999 hours or days, as in \"12h\" or \"90d\"";
    of('h', 1).or_else(|| of('d', 24)).map(Some).ok_or_else(|| ApiError::bad_request(why))
}
