//! `/api/channels`: the ways to reach people, and how they are doing.

use std::collections::BTreeMap;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::schemas::{ChannelText, OrNull};
use super::super::{SharedWeb, Web};
use super::{Group, parse, record};
use crate::conditions::{Condition, Trouble};
use crate::domain::ChannelAddress;
use crate::store::Backlog;

/// One channel.
#[derive(Debug, Object)]
struct ChannelItem {
    /// Its name, as `kind.name`.
    address: String,
    /// `working`, `in_trouble`, `paused`, or `unknown`: messages wait for it, and it is not configured any more.
    condition: String,
    /// What is wrong with it.
    trouble: OrNull<TroubleItem>,
    /// When an operator paused it.
    paused_at: OrNull<String>,
    /// Pending messages, due or not. None of these numbers is counted beyond 10,000.
    pending: u32,
    /// Messages on their way.
    sending: u32,
    /// Messages that wait for an operator's decision.
    held: u32,
    /// Dead letters.
    dead: u32,
    /// When the message that has waited longest was, or will be, due.
    oldest_due: OrNull<String>,
}

/// What is wrong with a channel.
#[derive(Debug, Object)]
struct TroubleItem {
    /// Since when.
    since: String,
    /// When a message will probe it.
    probe_at: String,
    /// How many times in a row it has failed.
    failures: u32,
    /// What happened.
    reason: String,
    /// What to do about it; empty when nothing is known.
    hint: String,
    /// Whether it will not mend by itself: a wrong password, a revoked token.
    lasting: bool,
}

impl From<Trouble> for TroubleItem {
    fn from(trouble: Trouble) -> Self {
        Self {
            since: trouble.since.to_string(),
            probe_at: trouble.probe_at.to_string(),
            failures: trouble.failures,
            reason: trouble.why,
            hint: trouble.hint,
            lasting: trouble.lasting,
        }
    }
}

impl ChannelItem {
    fn new(address: &ChannelAddress, condition: Option<Condition>, backlog: Option<Backlog>) -> Self {
        let word = match &condition {
            None => "unknown",
            Some(condition) if condition.paused_at.is_some() => "paused",
            Some(condition) if condition.trouble.is_some() => "in_trouble",
            Some(_) => "working",
        };
        let condition = condition.unwrap_or_default();
        let backlog = backlog.unwrap_or_else(|| Backlog::empty(address.clone()));
        Self {
            address: address.to_string(),
            condition: word.to_owned(),
            trouble: condition.trouble.map(TroubleItem::from).into(),
            paused_at: condition.paused_at.map(|moment| moment.to_string()).into(),
            pending: backlog.pending,
            sending: backlog.sending,
            held: backlog.held,
            dead: backlog.dead,
            oldest_due: backlog.oldest_due.map(|moment| moment.to_string()).into(),
        }
    }
}

/// Every channel.
#[derive(Debug, Object)]
struct ChannelList {
    items: Vec<ChannelItem>,
    /// Always null: there are never so many that they need pages.
    next: OrNull<String>,
}

/// The channels.
pub(in crate::http) struct Channels;

#[OpenApi(prefix_path = "/api/channels", tag = "Group::Operator")]
impl Channels {
    /// List channels and how they are doing
    #[oai(path = "/", method = "get")]
    async fn list_channels(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<Json<ChannelList>, ApiError> {
        let mut backlogs: BTreeMap<ChannelAddress, Backlog> =
            web.store.backlogs().await?.into_iter().map(|backlog| (backlog.channel.clone(), backlog)).collect();
        let mut items: Vec<ChannelItem> = web
            .conditions
            .all()
            .map(|(address, condition)| ChannelItem::new(address, Some(condition), backlogs.remove(address)))
            .collect();
        items.extend(backlogs.into_iter().map(|(address, backlog)| ChannelItem::new(&address, None, Some(backlog))));
        Ok(Json(ChannelList { items, next: None.into() }))
    }

    /// Show a channel
    #[oai(path = "/:address", method = "get")]
    async fn show_channel(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        address: Path<ChannelText>,
    ) -> Result<Json<ChannelItem>, ApiError> {
        show(&web, &known(&web, &address)?).await
    }

    /// Send nothing over a channel until it is resumed
    ///
    /// Messages gather in the outbox; those that have waited too long go to the channel's fallback, if it has one.
    #[oai(path = "/:address/pause", method = "post")]
    async fn pause_channel(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        address: Path<ChannelText>,
    ) -> Result<Json<ChannelItem>, ApiError> {
        let address = known(&web, &address)?;
        let now = web.clock.now();
        web.store.note_pause(&address, Some(now)).await?;
        web.conditions.change(&address, |condition| condition.paused_at = Some(now));
        tracing::info!(channel = %address, "Channel {address} is paused by an operator");
        record(&web, &operator, "channel.pause", &address, "").await;
        show(&web, &address).await
    }

    /// Send over a channel again, at once
    ///
    /// Also ends the pause after a failure: the next message tries it.
    #[oai(path = "/:address/resume", method = "post")]
    async fn resume_channel(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        address: Path<ChannelText>,
    ) -> Result<Json<ChannelItem>, ApiError> {
        let address = known(&web, &address)?;
        web.store.note_pause(&address, None).await?;
        web.conditions.change(&address, |condition| {
            condition.paused_at = None;
            condition.try_now = true;
        });
        web.wake.at(&address, web.clock.now());
        tracing::info!(channel = %address, "Channel {address} is resumed by an operator");
        record(&web, &operator, "channel.resume", &address, "").await;
        show(&web, &address).await
    }
}

/// A channel that is configured.
fn known(web: &Web, text: &str) -> Result<ChannelAddress, ApiError> {
    let address: ChannelAddress = parse("address", text)?;
    match web.conditions.of(&address) {
        Some(_) => Ok(address),
        None => Err(no_such_channel()),
    }
}

pub(super) fn no_such_channel() -> ApiError {
    ApiError::not_found("there is no channel of this name; GET /api/channels lists them")
}

async fn show(web: &Web, address: &ChannelAddress) -> Result<Json<ChannelItem>, ApiError> {
    let backlog = web.store.backlogs().await?.into_iter().find(|backlog| backlog.channel == *address);
    Ok(Json(ChannelItem::new(address, web.conditions.of(address), backlog)))
}
