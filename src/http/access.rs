//! Who calls `/api`, and what they may: by a token, or by the cookie of a session of the console.
//!
//! Each operation takes a [`Reader`], an [`Operator`] or an [`Owner`], whoever may do the least of what it takes.

use std::time::Duration;

use poem::http::{Method, header};
use poem::web::headers::{Authorization, HeaderMapExt as _, authorization};
use poem::{IntoResponse, Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::auth::{hash, same};
use super::errors::ApiError;
use super::{SharedWeb, Web};
use crate::domain::{Actor, Role, SecretHash, Timestamp};

/// The cookie that a session is known by.
pub(super) const COOKIE: &str = "umishop_session";

/// What the console sends along, and a page of somebody else's cannot.
const CONSOLE: &str = "X-Umishop-Console";

/// How long the use of a session is not noted again.
const SEEN_NOTED: Duration = Duration::from_mins(1);

/// What the token of the configuration is called.
const CONFIGURED: &str = "admin token";

/// How somebody comes in.
#[derive(Clone, Debug)]
pub struct AccessRules {
    /// What the owner's token of the configuration hashes to; `None`: it names none.
    pub admin_token: Option<SecretHash>,
    /// How long a session lasts that nobody uses.
    pub idle_timeout: Duration,
    /// How long a session lasts, however much it is used.
    pub session_lifetime: Duration,
    /// Where browsers find the site; `None`: where they call it.
    pub public_url: Option<String>,
}

impl AccessRules {
    /// The owner, if `shown` is the hash of the configuration's token.
    pub(super) fn configured(&self, shown: &SecretHash) -> Option<Actor> {
        let is_theirs = self.admin_token.as_ref().is_some_and(|token| same(token, shown));
        is_theirs.then(|| Actor { name: CONFIGURED.to_owned(), role: Role::Owner })
    }
}

/// Who calls.
#[derive(Debug)]
pub(super) struct Caller {
    /// Their name and their role.
    pub(super) actor: Actor,
    /// Until when they may; `None`: as far as can be told, for ever.
    pub(super) expires_at: Option<Timestamp>,
    /// The session that they call in; `None`: they showed a token.
    pub(super) session: Option<SecretHash>,
}

/// Who makes this call, whatever it is. An error says why it is nobody.
///
/// Where there is a token, no session is looked at. What else stands in `Authorization` is not for us: a proxy's password,
/// which browsers send along.
pub(super) async fn caller(web: &Web, request: &Request) -> poem::Result<Caller> {
    let bearer = request.headers().typed_get::<Authorization<authorization::Bearer>>();
    match (bearer, cookie(request)) {
        (Some(bearer), _) => by_token(web, request, hash(bearer.token())).await,
        (None, Some(secret)) => by_session(web, request, hash(secret)).await,
        (None, None) => Err(ApiError::nobody().into_error()),
    }
}

async fn by_token(web: &Web, request: &Request, shown: SecretHash) -> poem::Result<Caller> {
    if let Some(actor) = web.access.configured(&shown) {
        return Ok(Caller { actor, expires_at: None, session: None });
    }
    match web.store.use_token(shown, web.clock.now()).await.map_err(|error| ApiError::from(error).into_error())? {
        Some(token) => Ok(Caller { actor: token.actor, expires_at: token.expires_at, session: None }),
        None => Err(wrong_secret(web, request, ApiError::nobody()).into_error()),
    }
}

async fn by_session(web: &Web, request: &Request, secret: SecretHash) -> poem::Result<Caller> {
    let now = web.clock.now();
    let found = web.store.session(secret, web.access.admin_token, now).await;
    let found = found.map_err(|error| ApiError::from(error).into_error())?;
    let Some(session) = found.filter(|session| now.since(session.seen_at) < web.access.idle_timeout) else {
        return Err(ApiError::nobody().into_error());
    };
    if changes(request) && !(request.headers().contains_key(CONSOLE) && is_ours(web, request)) {
        let why = "this call did not come from the console; a script shows a token as `Authorization: Bearer …`";
        return Err(ApiError::forbidden(why).into_error());
    }
    if now.since(session.seen_at) >= SEEN_NOTED {
        let noted = web.store.see_session(secret, now).await;
        noted.map_err(|error| ApiError::from(error).into_error())?;
    }
    Ok(Caller { actor: session.actor, expires_at: Some(session.expires_at), session: Some(secret) })
}

/// What becomes of somebody with a wrong secret: `refused`, until they have shown too many.
pub(super) fn wrong_secret(web: &Web, request: &Request, refused: ApiError) -> ApiError {
    match web.gate.wrong_token(web.gate.client(request)) {
        Ok(()) => refused,
        Err(too_often) => ApiError::too_often(too_often),
    }
}

fn changes(request: &Request) -> bool {
    !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the page that makes this call is ours, as far as its browser tells: every one does of calls that change
/// something, in one way or the other.
pub(super) fn is_ours(web: &Web, request: &Request) -> bool {
    let told = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = told("Sec-Fetch-Site") {
        // `none`: no page, the person at the browser.
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = told("Origin") else { return true };
    let host = |url: &str| url.split_once("://").map(|(_, host)| host.trim_end_matches('/').to_ascii_lowercase());
    let public = web.access.public_url.as_deref().and_then(host);
    let called = told("Host").map(str::to_ascii_lowercase);
    host(origin).is_some_and(|origin| Some(&origin) == public.as_ref() || Some(&origin) == called.as_ref())
}

/// The session's cookie.
fn cookie(request: &Request) -> Option<&str> {
    let headers = request.headers().get_all(header::COOKIE).iter();
    let mut pairs = headers.filter_map(|header| header.to_str().ok()).flat_map(|header| header.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

const BY_TOKEN: &str = "Token";
const BY_SESSION: &str = "Session";

macro_rules! role {
    ($(#[$doc:meta])* $name:ident, $role:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name(pub(super) Caller);

        impl<'a> ApiExtractor<'a> for $name {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                register(registry);
            }

            fn security_schemes() -> Vec<&'static str> {
                vec![BY_TOKEN, BY_SESSION]
            }

            async fn from_request(
                request: &'a Request,
                _body: &mut RequestBody,
                _options: ExtractParamOptions<()>,
            ) -> poem::Result<Self> {
                admit(request, $role).await.map(Self)
            }
        }

        impl std::ops::Deref for $name {
            type Target = Actor;

            fn deref(&self) -> &Actor {
                &self.0.actor
            }
        }
    };
}

role!(
    /// Somebody who may look.
    Reader,
    Role::ReadOnly
);
role!(
    /// Somebody who may do what the day brings.
    Operator,
    Role::Operator
);
role!(
    /// Somebody who may do everything.
    Owner,
    Role::Owner
);

async fn admit(request: &Request, needed: Role) -> poem::Result<Caller> {
    let web = request.data::<SharedWeb>().ok_or(poem::http::StatusCode::INTERNAL_SERVER_ERROR)?;
    let caller = caller(web, request).await?;
    let role = caller.actor.role;
    if role.may(needed) {
        return Ok(caller);
    }
    let why = format!("this takes the role {needed}, and yours is {role}; an owner makes tokens and login links");
    Err(ApiError::forbidden(why).into_error())
}

fn register(registry: &mut Registry) {
    let empty = MetaSecurityScheme {
        ty: "http",
        description: None,
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    let token = MetaSecurityScheme {
        description: Some("A token, or the `[admin] token` of the configuration."),
        scheme: Some("bearer"),
        ..empty
    };
    let session = MetaSecurityScheme {
        ty: "apiKey",
        description: Some(
            "The console's session; what changes something must also carry the header `X-Umishop-Console: 1`.",
        ),
        name: Some(COOKIE),
        key_in: Some("cookie"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    registry.create_security_scheme(BY_TOKEN, token);
    registry.create_security_scheme(BY_SESSION, session);
}

impl ApiError {
    /// As the framework passes errors on.
    fn into_error(self) -> poem::Error {
        poem::Error::from_response(self.into_response())
    }
}
