//! JSON bodies that may be left out, and those that may not.
//!
//! The framework's own refuses a call without a Content-Type, as `curl -X POST` sends it, and reads a body of any length.

use std::marker::PhantomData;

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;

use super::errors::ApiError;

/// Longest body that is read, in bytes: many times what any of ours holds.
const LONGEST: u64 = 64 * 1024;

/// What came; read it by [`read`](Self::read).
pub(super) struct Optional<Body> {
    bytes: Result<Vec<u8>, String>,
    documented_as: PhantomData<fn() -> Body>,
}

impl<Body: DeserializeOwned + Default> Optional<Body> {
    /// The body, whatever its Content-Type; the default when there is none.
    pub(super) fn read(self) -> Result<Body, ApiError> {
        let bytes = self.bytes.map_err(ApiError::bad_request)?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Body::default());
        }
        parse(&bytes)
    }
}

/// A JSON body that may not be left out, whatever its Content-Type.
pub(super) struct Required<Body>(Optional<Body>);

impl<Body: DeserializeOwned> Required<Body> {
    /// The body.
    pub(super) fn read(self) -> Result<Body, ApiError> {
        parse(&self.0.bytes.map_err(ApiError::bad_request)?)
    }
}

fn parse<Body: DeserializeOwned>(bytes: &[u8]) -> Result<Body, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))
}

impl<'a, Body: Type> ApiExtractor<'a> for Required<Body> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Body::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: Body::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Optional::from_request(request, body, options).await.map(Self)
    }
}

impl<'a, Body: Type> ApiExtractor<'a> for Optional<Body> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Body::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: Body::schema_ref() }];
        Some(MetaRequest { description: Some("May be left out."), content, required: false })
    }

    async fn from_request(
        _request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self { bytes: bytes(body).await, documented_as: PhantomData })
    }
}

async fn bytes(body: &mut RequestBody) -> Result<Vec<u8>, String> {
    let Ok(body) = body.take() else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    let read = body.into_async_read().take(LONGEST + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("the body broke off: {error}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("the body is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}
