//! `/api/landbot`: what to paste into Landbot, and whether its calls arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::access::Reader;
use super::super::area::Area;
use super::super::auth::IntakeAuth;
use super::super::errors::ApiError;
use super::super::recent::RecentCall;
use super::super::schemas::OrNull;
use super::super::{SharedWeb, Web};
use super::Group;
use crate::landbot::Hook;

/// How a bot is connected.
#[derive(Debug, Object)]
struct LandbotItem {
    /// The address that Landbot reaches.
    public_url: OrNull<String>,
    hooks: Vec<HookItem>,
    /// A description of the whole bot, for Landbot's own assistant to build.
    prompt: String,
    checklist: Vec<CheckItem>,
    /// The last call of a webhook since the start.
    last_webhook: OrNull<LastWebhookItem>,
}

/// A Webhook block.
#[derive(Debug, Object)]
struct HookItem {
    /// `user` registers the customer, `topic` carries the question.
    name: String,
    method: String,
    url: String,
    /// The secret itself is not shown.
    headers: BTreeMap<String, String>,
    body: String,
}

/// One step of the way.
#[derive(Debug, Object)]
struct CheckItem {
    what: String,
    done: bool,
    /// What to do about it.
    hint: String,
}

/// The last call of a webhook.
#[derive(Debug, Object)]
struct LastWebhookItem {
    at: String,
    path: String,
    http_status: u16,
    /// What became of it, in one word.
    status: String,
}

impl LastWebhookItem {
    fn new(call: &RecentCall) -> Self {
        Self {
            at: call.at.to_string(),
            path: call.path.clone(),
            http_status: call.http_status,
            status: call.status.as_str().to_owned(),
        }
    }
}

fn check(what: &str, done: bool, hint: &str) -> CheckItem {
    CheckItem { what: what.to_owned(), done, hint: if done { String::new() } else { hint.to_owned() } }
}

/// What there is to do until customers are served, in the order in which it is done.
fn checklist(web: &Web, calls: &[Arc<RecentCall>]) -> Vec<CheckItem> {
    let arrived = |area| calls.iter().any(|call| call.area == area && call.http_status == 200);
    let is_public = web.setup.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let has_secret = matches!(web.intake.auth, IntakeAuth::Required(_) | IntakeAuth::Optional(_));
    let is_let_in = calls.first().is_some_and(|call| !call.is_refused());
    vec![
        check(
            "umishop has a public address",
            is_public,
            "Landbot calls only public https:// addresses: set [server] public_url",
        ),
        check("The webhooks have a secret", has_secret, "set UMISHOP_SECRET, and write it into both Webhook blocks"),
        check(
            "The last call was let in",
            is_let_in,
            "none came since the start, or the Webhook block that called last has no X-Umishop-Secret, or a wrong one",
        ),
        check(
            "A registration has arrived",
            arrived(Area::User),
            "none since the start: try the bot, or look at the last calls for what was wrong with it",
        ),
        check(
            "A question has arrived",
            arrived(Area::Topic),
            "none since the start: try the bot, or look at the last calls for what was wrong with it",
        ),
        check(
            "Messages are sent",
            !web.settings.sandbox,
            "the sandbox keeps every message: write sandbox = false when all else is done",
        ),
    ]
}

/// How a bot is connected.
pub(in crate::http) struct LandbotSetup;

#[OpenApi(prefix_path = "/api/landbot", tag = "Group::Operator")]
impl LandbotSetup {
    /// Show what to paste into Landbot, and whether its calls arrive
    #[oai(path = "/", method = "get")]
    async fn show_landbot(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<Json<LandbotItem>, ApiError> {
        let headers = || web.setup.headers().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let hook = |Hook { name, url, body }| HookItem {
            name: str::to_owned(name),
            method: "POST".to_owned(),
            url,
            headers: headers().collect(),
            body,
        };
        let calls = web.last_calls().await?.all();
        Ok(Json(LandbotItem {
            public_url: web.setup.public_url.clone().into(),
            hooks: web.setup.hooks().into_iter().map(hook).collect(),
            prompt: web.setup.prompt(),
            checklist: checklist(&web, &calls),
            last_webhook: calls.first().map(|call| LastWebhookItem::new(call)).into(),
        }))
    }
}
