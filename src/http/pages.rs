//! What a browser loads: the shop's page, the console, and the documentation of the API.
//!
//! Everything is compiled in, and every page has a content security policy as strict as it can bear. Only the shop's
//! page with Landbot's widget on it talks to anybody else.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::{Data, Json, Path};
use poem::{Endpoint, IntoResponse, Request, Response, handler};
use serde::Serialize;

use super::SharedWeb;

/// The shop's page, as its scripts read it from `/page.json`.
#[derive(Clone, Debug, Serialize)]
pub struct PageSettings {
    /// The shop's name.
    pub shop: &'static str,
    /// Whether nothing leaves this machine.
    pub sandbox: bool,
    /// Whether the built-in demo chat is shown.
    pub demo: bool,
    /// Landbot's widget, when there is one.
    pub landbot: Option<Landbot>,
    /// The chat's topic buttons.
    pub topics: Vec<String>,
}

/// Landbot's widget.
#[derive(Clone, Debug, Serialize)]
pub struct Landbot {
    /// The address of the bot's configuration.
    pub config_url: String,
    /// `livechat`, `popup`, `container` or `fullpage`.
    pub display: &'static str,
    /// How tall a container is, as CSS says it.
    pub height: String,
}

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal: $content_type:expr,)+) => {
        &[$(Asset { name: $name, content_type: $content_type, bytes: include_bytes!(concat!("../../static/", $name)) },)+]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Everything under `/static/`, and the two pages.
const ASSETS: &[Asset] = assets! {
    "index.html": HTML,
    "page.css": STYLE,
    "notice.css": STYLE,
    "theme.css": STYLE,
    "icon.svg": SVG,
    "waves.svg": SVG,
    "page.js": SCRIPT,
    "origin.js": SCRIPT,
    "welcome.js": SCRIPT,
    "demo.js": SCRIPT,
    "landbot.js": SCRIPT,
    "element.js": SCRIPT,
    "admin.html": HTML,
    "admin.css": STYLE,
    "admin-pages.css": STYLE,
    "admin.js": SCRIPT,
    "admin-api.js": SCRIPT,
    "admin-live.js": SCRIPT,
    "admin-icons.js": SCRIPT,
    "admin-login.js": SCRIPT,
    "admin-parts.js": SCRIPT,
    "admin-controls.js": SCRIPT,
    "admin-period.js": SCRIPT,
    "admin-charts.js": SCRIPT,
    "admin-origins.js": SCRIPT,
    "admin-reports.js": SCRIPT,
    "admin-blocks.js": SCRIPT,
    "admin-keys.js": SCRIPT,
    "admin-overview.js": SCRIPT,
    "admin-filters.js": SCRIPT,
    "admin-timeline.js": SCRIPT,
    "admin-users.js": SCRIPT,
    "admin-requests.js": SCRIPT,
    "admin-request.js": SCRIPT,
    "admin-messages.js": SCRIPT,
    "admin-message.js": SCRIPT,
    "admin-channels.js": SCRIPT,
    "admin-inbox.js": SCRIPT,
    "admin-landbot.js": SCRIPT,
    "admin-settings.js": SCRIPT,
    "admin-tokens.js": SCRIPT,
    "admin-audit.js": SCRIPT,
    "mail.js": SCRIPT,
};

/// The shop's page with our own chat: nothing from anywhere else, no inline script or style, in nobody's frame.
const OURS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The console. Mails are shown in a frame without scripts that takes over this policy; their styles are inline.
const CONSOLE: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                       connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The shop's page with Landbot's widget, which brings its own styles, fonts, pictures and sockets. Landbot publishes no
/// list of the hosts it needs: its own domains and Google's storage, where its bots lie, are known; the rest is what
/// public pages with the widget let in.
const WITH_LANDBOT: &str = "default-src 'none'; script-src 'self' https://cdn.landbot.io; \
                            style-src 'self' 'unsafe-inline' blob: https://fonts.googleapis.com; \
                            font-src data: https://fonts.gstatic.com https://cdn.landbot.io; \
                            img-src 'self' data: blob: https:; media-src blob: https:; \
                            connect-src 'self' https://*.landbot.io wss://*.landbot.io https://storage.googleapis.com \
                            https://*.firebaseio.com wss://*.firebaseio.com; frame-src https:; worker-src blob:; \
                            base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page of `/` and `/index.html`.
#[handler]
pub(super) fn index(Data(web): Data<&SharedWeb>) -> Response {
    let policy = if web.page.landbot.is_some() { WITH_LANDBOT } else { OURS };
    page("index.html", policy)
}

/// The operator's console.
#[handler]
pub(super) fn admin() -> Response {
    page("admin.html", CONSOLE)
}

/// What the shop's page shows.
#[handler]
pub(super) fn settings(Data(web): Data<&SharedWeb>) -> Response {
    Json(&web.page).with_header(header::CACHE_CONTROL, "no-cache").into_response()
}

/// A file of `static/`. A browser that has it already asks whether it is still the same, and is spared its bytes.
#[handler]
pub(super) fn static_file(Path(name): Path<String>, request: &Request) -> Response {
    let Some(asset) = find(&name) else { return StatusCode::NOT_FOUND.into() };
    let tag = tag(asset);
    let kept = request.headers().get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_kept = kept.flat_map(|tags| tags.split(',')).any(|kept| kept.trim().trim_start_matches("W/") == tag);
    let response = if is_kept { StatusCode::NOT_MODIFIED.into() } else { response(asset) };
    response.with_header(header::CACHE_CONTROL, "no-cache").with_header(header::ETAG, tag).into_response()
}

/// What tells these bytes from any others.
fn tag(asset: &Asset) -> String {
    format!("\"{}\"", STANDARD.encode(&ring::digest::digest(&ring::digest::SHA256, asset.bytes).as_ref()[..12]))
}

/// What a browser asks for on its own where a page names no icon.
#[handler]
pub(super) fn icon() -> Response {
    find("icon.svg").map_or_else(|| StatusCode::NOT_FOUND.into(), response)
}

fn page(name: &str, policy: &'static str) -> Response {
    match find(name) {
        Some(asset) => response(asset)
            .with_header(header::CONTENT_SECURITY_POLICY, policy)
            .with_header(header::CACHE_CONTROL, "no-cache")
            .into_response(),
        None => StatusCode::NOT_FOUND.into(),
    }
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

fn response(asset: &Asset) -> Response {
    Response::builder().content_type(asset.content_type).body(asset.bytes)
}

/// Swagger UI with the API's description in it, made when it is first asked for: it is 1.6 MB.
pub(super) struct Docs {
    html: Box<dyn Fn() -> String + Send + Sync>,
    made: OnceLock<(bytes::Bytes, HeaderValue)>,
}

impl Docs {
    pub(super) fn new(html: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { html: Box::new(html), made: OnceLock::new() }
    }
}

impl Endpoint for Docs {
    type Output = Response;

    async fn call(&self, _request: Request) -> poem::Result<Response> {
        let (html, policy) = self.made.get_or_init(|| {
            let html = (self.html)();
            let policy = swagger_policy(&html);
            (html.into(), policy)
        });
        Ok(Response::builder()
            .content_type(HTML)
            .header(header::CONTENT_SECURITY_POLICY, policy.clone())
            .header(header::CACHE_CONTROL, "no-cache")
            .body(html.clone()))
    }
}

/// Swagger UI comes with its scripts inline: each is let in by its hash, so that no other is.
fn swagger_policy(html: &str) -> HeaderValue {
    let hashes = scripts(html).map(|script| {
        format!(" 'sha256-{}'", STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, script.as_bytes())))
    });
    let policy = format!(
        "default-src 'none'; script-src{}; style-src 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        hashes.collect::<String>()
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static(OURS))
}

/// The scripts of a page, each from its start to the next end: a script may itself mention `<script`, and Swagger's does.
fn scripts(mut html: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (_, rest) = html.split_once("<script")?;
        let (_, rest) = rest.split_once('>')?;
        let (script, rest) = rest.split_once("</script>")?;
        html = rest;
        Some(script)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_mentions_scripts_is_one_script() {
        let html = "<script charset=\"UTF-8\">f('<script>')</script><p></p><script>g()</script>";
        assert_eq!(scripts(html).collect::<Vec<_>>(), ["f('<script>')", "g()"]);
    }
}
