//! One webhook as it comes over the wire: any content type or none, any shape, at most so many bytes.
//!
//! The OpenAPI document shows the body that a bot should send; what is accepted is wider (see [`crate::intake`]), so
//! this extractor reads raw bytes where the framework's own would refuse with 415 or 400.

use std::error::Error;
use std::marker::PhantomData;

use poem::http::StatusCode;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, MetaSecurityScheme, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use tokio::io::AsyncReadExt;

use super::SharedWeb;
use super::area::Area;
use super::client::Client;
use super::recent::REDACTED;

/// Longest body that is read: a question of 100,000 characters fits, and is cut with a note.
pub(super) const LONGEST_BODY: usize = 128 * 1024;

/// A webhook's delivery. `Body` is what the documentation says it holds.
pub(super) struct Delivery<Body> {
    /// Lower-case names and values.
    pub(super) headers: Vec<(String, String)>,
    /// Without the question mark.
    pub(super) query: String,
    /// Who sent it.
    pub(super) client: Client,
    method: String,
    path: String,
    pub(super) body: Result<Vec<u8>, Incomplete>,
    documented_as: PhantomData<fn() -> Body>,
}

/// A body that did not come whole, with what came of it.
#[derive(Debug)]
pub(super) enum Incomplete {
    TooLarge(Vec<u8>),
    Broken(Vec<u8>, String),
}

impl<Body> Delivery<Body> {
    /// The secret that the sender shows in a header.
    pub(super) fn secret(&self) -> Option<&str> {
        let header = |name: &str| self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        header("x-umishop-secret").or_else(|| header("x-api-key")).or_else(|| {
            let (scheme, secret) = header("authorization")?.split_once(' ')?;
            (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")).then(|| secret.trim())
        })
    }

    /// The body, or what came of it.
    pub(super) fn came(&self) -> &[u8] {
        match &self.body {
            Ok(body) | Err(Incomplete::TooLarge(body) | Incomplete::Broken(body, _)) => body,
        }
    }

    /// Which webhook was called.
    pub(super) fn area(&self) -> Area {
        Area::of(&self.path)
    }

    /// Method, path and query for the inbox, secrets redacted.
    pub(super) fn request_line(&self, secret_in_path: bool) -> String {
        let path = match self.path.trim_end_matches('/').rsplit_once('/') {
            Some((_, webhook)) if secret_in_path => format!("/umishop_api/{REDACTED}/{webhook}"),
            _ => self.path.clone(),
        };
        let query: Vec<String> = self.query.split('&').map(redact_parameter).collect();
        format!("{} {path}{}{}", self.method, if self.query.is_empty() { "" } else { "?" }, query.join("&"))
    }

    /// `Name: value` lines for the inbox, secrets redacted.
    pub(super) fn header_lines(&self) -> String {
        let lines = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", if is_secret(name) { REDACTED } else { value }));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Whether what goes by this name is likely to be a secret. Senders choose their headers' names freely.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "token", "password", "key", "auth", "cookie"].iter().any(|word| name.contains(word))
}

fn redact_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
        _ => parameter.to_owned(),
    }
}

async fn read_body(body: &mut RequestBody) -> Result<Vec<u8>, Incomplete> {
    let Ok(body) = body.take() else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    let mut reader = body.into_async_read().take(LONGEST_BODY as u64 + 1);
    // The connection itself ends what takes too long.
    match reader.read_to_end(&mut bytes).await {
        Ok(_) if bytes.len() > LONGEST_BODY => {
            bytes.truncate(LONGEST_BODY);
            Err(Incomplete::TooLarge(bytes))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(Incomplete::Broken(bytes, format!("the body broke off: {}", first_cause(&error)))),
    }
}

/// What the layers between the connection and us keep to themselves.
fn first_cause<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error
}

impl<'a, Body: Type> ApiExtractor<'a> for Delivery<Body> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject, ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Body::register(registry);
        for (name, scheme) in schemes() {
            registry.create_security_scheme(name, scheme);
        }
    }

    fn security_schemes() -> Vec<&'static str> {
        schemes().map(|(name, _)| name).to_vec()
    }

    fn request_meta() -> Option<MetaRequest> {
        let media_type =
            |content_type| MetaMediaType { content_type, schema: MetaSchemaRef::Reference(Body::name().into_owned()) };
        Some(MetaRequest {
            description: Some(
                "JSON is best, under any Content-Type or none; a form or query parameters are read too, as are an array of one object and \
                 `{\"customer\": {…}}`. Keys in any case. Further fields are kept as part of the origin.",
            ),
            content: vec![media_type("application/json"), media_type("application/x-www-form-urlencoded")],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let web = request.data::<SharedWeb>().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(Self {
            headers: headers.collect(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            client: web.gate.client(request),
            method: request.method().to_string(),
            path: request.original_uri().path().to_owned(),
            body: read_body(body).await,
            documented_as: PhantomData,
        })
    }
}

/// The ways to show the intake secret, for the documentation.
fn schemes() -> [(&'static str, MetaSecurityScheme); 3] {
    [
        ("IntakeSecret", api_key("X-Umishop-Secret")),
        ("IntakeApiKey", api_key("X-Api-Key")),
        (
            "IntakeToken",
            MetaSecurityScheme { ty: "http", scheme: Some("bearer"), name: None, key_in: None, ..api_key("") },
        ),
    ]
}

const fn api_key(header: &'static str) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty: "apiKey",
        description: Some("The intake secret. Not asked for while the sandbox is on."),
        name: Some(header),
        key_in: Some("header"),
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}
