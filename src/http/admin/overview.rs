//! `/api/overview`: what the console shows first.

use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::access::Reader;
use super::super::errors::ApiError;
use super::super::schemas::OrNull;
use super::super::{SharedWeb, Web, health};
use super::Group;
use super::asked::told;
use super::requests::RequestCounts;
use crate::domain::{State, Today};
use crate::store::{Counted, Happened, Overview as Counts};

/// What happened in a stretch of time. No number is counted beyond 100,000.
#[derive(Debug, Object)]
struct HappenedItem {
    /// Customers who registered.
    registrations: u64,
    /// Requests that came.
    requests: u64,
    /// Messages that were delivered.
    delivered: u64,
    /// Messages that were given up.
    dead: u64,
    /// Whether one of these is larger than it was counted.
    more: bool,
}

impl From<&Happened> for HappenedItem {
    fn from(happened: &Happened) -> Self {
        let Happened { registrations, requests, delivered, dead } = happened;
        Self {
            registrations: registrations.count,
            requests: requests.count,
            delivered: delivered.count,
            dead: dead.count,
            more: [registrations, requests, delivered, dead].iter().any(|counted| counted.more),
        }
    }
}

/// Messages that are not at rest, or in trouble. No number is counted beyond 100,000.
#[derive(Debug, Object)]
struct MessageCounts {
    pending: u64,
    sending: u64,
    dead: u64,
    held: u64,
    /// Whether one of these is larger than it was counted.
    more: bool,
}

impl MessageCounts {
    fn new(counts: &[(State, Counted)]) -> Self {
        let of = |state| counts.iter().find(|(found, _)| *found == state).map_or(0, |(_, counted)| counted.count);
        Self {
            pending: of(State::Pending),
            sending: of(State::Sending),
            dead: of(State::Dead),
            held: of(State::Held),
            more: counts.iter().any(|(_, counted)| counted.more),
        }
    }
}

/// Whether all is well, as `/readyz` tells it.
#[derive(Debug, Object)]
struct HealthItem {
    /// Whether customers are served.
    ready: bool,
    /// Why they are not.
    reasons: Vec<String>,
    /// What else is wrong.
    warnings: Vec<String>,
}

/// How the channels are doing.
#[derive(Debug, Default, Object)]
struct ChannelCounts {
    /// Those that work, as far as anybody knows.
    working: u64,
    /// Those in trouble.
    trouble: u64,
    /// Those that an operator paused.
    paused: u64,
}

impl ChannelCounts {
    fn of(web: &Web) -> Self {
        web.conditions.all().fold(Self::default(), |mut counts, (_, condition)| {
            let count = match (condition.paused_at, condition.trouble) {
                (Some(_), _) => &mut counts.paused,
                (None, Some(_)) => &mut counts.trouble,
                (None, None) => &mut counts.working,
            };
            *count += 1;
            counts
        })
    }
}

/// What there is, and how it is doing.
#[derive(Debug, Object)]
struct OverviewItem {
    /// Since the day began.
    today: HappenedItem,
    /// The day before, up to the same time of day.
    yesterday: HappenedItem,
    messages: MessageCounts,
    requests: RequestCounts,
    health: HealthItem,
    channels: ChannelCounts,
    /// When the last webhook came that brought anything.
    last_webhook_at: OrNull<String>,
}

/// The overview.
pub(in crate::http) struct Overview;

#[OpenApi(prefix_path = "/api/overview", tag = "Group::Operator")]
impl Overview {
    /// Show how much there is, and how it is doing
    ///
    /// `tz` is the time zone whose day it is; UTC unless said otherwise.
    #[oai(path = "/", method = "get")]
    async fn show_overview(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        tz: Query<Option<String>>,
    ) -> Result<Json<OverviewItem>, ApiError> {
        let now = web.clock.now();
        let days = Today::new(now, told(&tz).unwrap_or("UTC"));
        let Today { start, yesterday, yesterday_until } =
            days.map_err(|error| ApiError::bad_request(format!("tz: {error}")))?;
        let periods = vec![(start, now.after(std::time::Duration::from_millis(1))), (yesterday, yesterday_until)];
        let Counts { happened, messages, requests, last_webhook_at } = web.store.overview(periods).await?;
        let happened_in = |nth: usize| HappenedItem::from(&happened.get(nth).copied().unwrap_or_default());
        let health::Health { reasons, warnings } = health::look(&web, true).await;
        Ok(Json(OverviewItem {
            today: happened_in(0),
            yesterday: happened_in(1),
            messages: MessageCounts::new(&messages),
            requests: RequestCounts::new(&requests),
            health: HealthItem { ready: reasons.is_empty(), reasons, warnings },
            channels: ChannelCounts::of(&web),
            last_webhook_at: last_webhook_at.map(|moment| moment.to_string()).into(),
        }))
    }
}
