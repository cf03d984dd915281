//! Everything that speaks HTTP, and the only place that knows poem.
//!
//! A handler reads what came, makes one call to the store, wakes the relay, and answers. It decides nothing about
//! customers (see [`crate::domain`]) and sends nothing (see [`crate::relay`]).

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Route, get, post};
use poem_openapi::OpenApiService;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::allow::Allow;
use self::answer::WebhookAnswer;
use self::area::Area;
use crate::backups::{BackupStatus, Backups};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::domain::{ChannelAddress, ContactField, Country, Follower, LinkKey, OriginRules, RoutingTable, Rules};
use crate::landbot::Setup;
use crate::metrics::Metrics;
use crate::render::Renderer;
use crate::reports::Reports;
use crate::store::{Store, StoreError};
use crate::wake::Wake;

mod access;
mod admin;
mod allow;
mod answer;
mod area;
mod auth;
mod bodies;
mod call_id;
mod client;
mod delivery;
mod errors;
mod gate;
mod health;
mod intake;
mod listener;
mod metrics;
mod optional;
mod pages;
mod rate_limit;
mod recent;
mod replay;
mod schemas;
mod tally;
mod unsubscribe;
mod welcome;

pub use access::AccessRules;
pub use admin::{
    EventStreams, Setting, Settings, attempt_json, audit_json, export_json, is_meant, ledger_json, ledger_sheet,
    message_json, message_row, request_history_json, request_json, scheduled_json, token_json, topic_counts, user_json,
};
pub use auth::{IntakeAuth, fresh_secret, fresh_token, hash};
pub use client::Proxies;
pub use gate::Gate;
pub use listener::{ConnectionLimits, TcpAcceptor, listen};
pub use pages::{Landbot, PageSettings};
pub use recent::RecentCalls;

/// Everything that a request can reach.
pub struct Web {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Tells the relay that something is due.
    pub wake: Wake,
    /// How each channel is doing.
    pub conditions: Conditions,
    /// Where consoles hear what changes.
    pub events: EventStreams,
    /// The last calls of the webhooks; who shows them asks for [`Web::last_calls`].
    pub recent: RecentCalls,
    /// What is counted.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// The words.
    pub renderer: Arc<Renderer>,
    /// The channels, to show what a message looks like.
    pub channels: BTreeMap<ChannelAddress, Arc<dyn Channel>>,
    /// Those of them that hear what becomes of a request.
    pub followers: Vec<Follower>,
    /// Which channels a request goes to.
    pub routes: RoutingTable,
    /// Where each of these stands in the configuration, in their order.
    pub route_places: Vec<String>,
    /// How each channel's messages are treated.
    pub rules: BTreeMap<ChannelAddress, Rules>,
    /// How origins are read.
    pub origins: Arc<OriginRules>,
    /// What tells where customers came from.
    pub reports: Arc<Reports>,
    /// Who may call how often.
    pub gate: Gate,
    /// The rules for what comes in.
    pub intake: IntakeRules,
    /// How customers are welcomed; `None`: they are not.
    pub welcome: Option<Welcome>,
    /// How somebody comes in.
    pub access: AccessRules,
    /// What the tokens of links are signed with.
    pub link_key: LinkKey,
    /// What the token hashes to that reads the metrics and nothing else.
    pub metrics_token_hash: Option<[u8; 32]>,
    /// What the shop's page shows.
    pub page: PageSettings,
    /// What to paste into Landbot.
    pub setup: Setup,
    /// How umishop is set up.
    pub settings: Settings,
    /// What makes backups; `None`: there is no place for them.
    pub backups: Option<Arc<Backups>>,
    /// How the last backup went.
    pub backup: BackupStatus,
    /// Cancelled when the server is about to stop.
    pub draining: CancellationToken,
}

impl Web {
    /// The last calls of the webhooks, for somebody to look at: none from before a customer was erased, by whomever.
    pub(crate) async fn last_calls(&self) -> Result<&RecentCalls, StoreError> {
        self.recent.heed(self.store.count_erased().await?);
        Ok(&self.recent)
    }
}

/// The rules for what comes in.
#[derive(Clone, Debug)]
pub struct IntakeRules {
    /// Who may.
    pub auth: IntakeAuth,
    /// The country of a phone that does not say.
    pub default_country: Country,
}

/// How customers are welcomed.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Over which channel.
    pub channel: ChannelAddress,
    /// How long after they registered.
    pub delay: Duration,
    /// The addresses that the channel, or the one that takes over from it, writes to.
    pub reached_at: Vec<ContactField>,
}

type SharedWeb = Arc<Web>;

/// What runs just now and how it is set up. Apart, as the framework takes sixteen of them together at most.
type Live = (
    admin::Events,
    admin::RecentWebhooks,
    admin::Trials,
    admin::LandbotSetup,
    admin::SettingsPage,
    admin::OriginReports,
);

type Api = (
    intake::Webhooks,
    admin::Messages,
    admin::Requests,
    admin::Users,
    admin::Rights,
    admin::Inbox,
    admin::Channels,
    admin::Suppressions,
    admin::Origins,
    admin::Sessions,
    admin::Tokens,
    admin::Audit,
    admin::Overview,
    Live,
    admin::Export,
);

fn api() -> OpenApiService<Api, ()> {
    let api = (
        intake::Webhooks,
        admin::Messages,
        admin::Requests,
        admin::Users,
        admin::Rights,
        admin::Inbox,
        admin::Channels,
        admin::Suppressions,
        admin::Origins,
        admin::Sessions,
        admin::Tokens,
        admin::Audit,
        admin::Overview,
        (
            admin::Events,
            admin::RecentWebhooks,
            admin::Trials,
            admin::LandbotSetup,
            admin::SettingsPage,
            admin::OriginReports,
        ),
        admin::Export,
    );
    OpenApiService::new(api, "umishop", env!("CARGO_PKG_VERSION")).description(
        "Registers the customers a chatbot brings, welcomes them, and carries their questions to the right channel.",
    )
}

/// The API's description, as `/openapi.json` serves it.
pub fn openapi() -> String {
    api().spec()
}

/// The whole site.
pub fn site(web: Web) -> impl Endpoint<Output = Response> + 'static {
    let web = Arc::new(web);
    let api = api();
    let spec = api.spec_endpoint();
    let allow = Arc::new(Allow::of(&api.spec()));
    let docs = pages::Docs::new(|| self::api().swagger_ui_html());
    let shared = Arc::clone(&web);
    let api = Arc::new(api.into_endpoint());
    Route::new()
        .at("/", get(pages::index))
        .at("/index.html", get(pages::index))
        .at("/page.json", get(pages::settings))
        .at("/static/:name", get(pages::static_file))
        .at("/favicon.ico", get(pages::icon))
        .at("/admin", get(pages::admin))
        .at("/unsubscribe/:token", get(unsubscribe::show).post(unsubscribe::change))
        .at("/welcome/opened", post(welcome::opened))
        .at("/docs", get(docs))
        .at("/openapi.json", get(spec))
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .at("/metrics", get(metrics::metrics))
        .nest_no_strip("/umishop_api", Arc::clone(&api))
        .nest_no_strip("/api", api)
        .data(web)
        .around(move |endpoint, request| {
            let (web, allow) = (Arc::clone(&shared), Arc::clone(&allow));
            async move { Ok(observe(&*endpoint, &web, &allow, request).await) }
        })
}

/// Answers under the call's id, and counts the answer.
async fn observe<E: Endpoint>(endpoint: &E, web: &Web, allow: &Allow, request: Request) -> Response {
    let (area, method, begun) = (Area::of(request.uri().path()).as_str(), request.method().clone(), Instant::now());
    let id = call_id::of(&request, web.clock.now());
    // Of the highest level, so that the id stands in the lines of every level.
    let call = tracing::error_span!("call", id = id.to_str().unwrap_or_default());
    let answered = async {
        let mut response = answer(endpoint, web, allow, request).await;
        let code = response.status();
        web.metrics.responses.count(area, code.as_str());
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(area, %method, code = code.as_u16(), duration_ms, "Answered a call");
        response.headers_mut().insert(call_id::HEADER, id.clone());
        response
    };
    answered.instrument(call).await
}

/// Answers whoever may call, and sets the headers of every response.
async fn answer<E: Endpoint>(endpoint: &E, web: &Web, allow: &Allow, mut request: Request) -> Response {
    let webhook = request.uri().path().starts_with("/umishop_api/");
    let private = request.uri().path().starts_with("/api/") || request.uri().path() == "/metrics";
    if webhook {
        forgive_slash(&mut request);
    }
    let path = request.uri().path().to_owned();
    let too_often = if webhook { web.gate.call(web.gate.client(&request)).err() } else { None };
    let mut response = match too_often {
        Some(too_often) => WebhookAnswer::too_often(web, too_often).into_response(),
        None => call(endpoint, web, request, webhook).await,
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().entry(header::ALLOW).or_insert_with(|| allow.methods(&path));
    }
    if private {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    for (name, value) in &EVERYWHERE {
        response.headers_mut().entry(name).or_insert(value.clone());
    }
    response
}

/// Calls the endpoint, and turns whatever goes wrong into the answer that its caller can read.
async fn call<E: Endpoint>(endpoint: &E, web: &Web, request: Request, webhook: bool) -> Response {
    // A panic is a fault of ours, and the bot's flow still needs its answer.
    let called = AssertUnwindSafe(endpoint.call(request)).catch_unwind().await;
    match called.unwrap_or_else(|_| Err(StatusCode::INTERNAL_SERVER_ERROR.into())) {
        Ok(response) => response.into_response(),
        Err(error) if error.is_from_response() => error.into_response(),
        Err(error) if webhook => answer::early_error(web, error.status()),
        Err(error) => errors::early_error(error.status(), &error),
    }
}

/// A bot whose address ends in a slash means the same webhook.
fn forgive_slash(request: &mut Request) {
    let uri = request.uri();
    let path = uri.path().trim_end_matches('/');
    if path.len() < uri.path().len() {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(without) = format!("{path}{query}").parse() {
            *request.uri_mut() = without;
        }
    }
}

/// Headers of every response.
static EVERYWHERE: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
];
