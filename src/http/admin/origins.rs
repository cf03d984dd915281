//! `/api/origins`: where customers came from, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};

use super::super::SharedWeb;
use super::super::access::Reader;
use super::super::errors::ApiError;
use super::super::schemas::{BucketText, DimensionText, LimitText, OrNull, TouchText};
use super::asked::{Days, Only, Told, credited, told_as};
use super::{Group, page};
use crate::domain::{Attribution, Bucketing, Dimension, Pattern, RoutingTable, Timeline, Timestamp, UserId};
use crate::store::{Ledger, LedgerQuery, LedgerRow, OriginReason, Period, Tally};

/// The period that is counted when nobody says from when.
const PERIOD: Duration = Duration::from_hours(30 * 24);

/// What was counted.
#[derive(Debug, Object)]
struct TallyItem {
    /// Customers who registered.
    registrations: u64,
    /// Of them, those whose welcome was delivered.
    welcomed: u64,
    /// Of them, those whose welcome was given up because nobody is at their address.
    bounced: u64,
    /// Half of the delivered welcomes took no longer, from the registration on.
    median_to_welcome_ms: OrNull<u64>,
    /// Of the registrations, those who opened the chat by the link in their welcome.
    opened: u64,
    /// Half of them took no longer, from the registration on.
    median_to_opening_ms: OrNull<u64>,
    /// Requests.
    requests: u64,
    /// Of them, those of which at least one message was delivered.
    delivered: u64,
    /// Half of the delivered requests took no longer to their first delivery.
    median_to_delivery_ms: OrNull<u64>,
    /// Of the requests, those that somebody looks after: acknowledged, or answered at once.
    acknowledged: u64,
    /// Half of the acknowledged requests waited no longer for it.
    median_to_acknowledgement_ms: OrNull<u64>,
    /// Of the requests, those whose customer has their answer.
    answered: u64,
    /// Half of the answered requests waited no longer for it.
    median_to_answer_ms: OrNull<u64>,
    /// Requests by topic, as the shop calls it; under the empty name those that no route names.
    topics: BTreeMap<String, u64>,
}

impl TallyItem {
    fn new(tally: &Tally, routes: &RoutingTable) -> Self {
        let millis = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Self {
            registrations: tally.registrations,
            welcomed: tally.welcomed,
            bounced: tally.bounced,
            median_to_welcome_ms: millis(tally.to_welcome).into(),
            opened: tally.opened,
            median_to_opening_ms: millis(tally.to_opening).into(),
            requests: tally.requests,
            delivered: tally.delivered,
            median_to_delivery_ms: millis(tally.to_delivery).into(),
            acknowledged: tally.acknowledged,
            median_to_acknowledgement_ms: millis(tally.to_acknowledgement).into(),
            answered: tally.answered,
            median_to_answer_ms: millis(tally.to_answer).into(),
            topics: topic_counts(tally, routes),
        }
    }
}

/// Requests by the topics as the shop calls them now; one that no route names any more keeps its key.
pub fn topic_counts(tally: &Tally, routes: &RoutingTable) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (key, count) in &tally.topics {
        let name = routes.topic(key).map_or(key.as_str(), |topic| topic.as_str());
        *counts.entry(name.to_owned()).or_default() += count;
    }
    counts
}

/// One value of the dimension, or several together.
#[derive(Debug, Object)]
struct OriginItem {
    /// The value; empty: it was not told. Null: several values together.
    value: OrNull<String>,
    #[oai(flatten)]
    whole: TallyItem,
    /// The same for each part of the period, in the order of `starts`; empty without `bucket`.
    parts: Vec<TallyItem>,
}

impl OriginItem {
    fn new(value: Option<String>, row: &LedgerRow, routes: &RoutingTable) -> Self {
        let parts = if row.parts.len() > 1 { row.parts.as_slice() } else { &[] };
        Self {
            value: value.into(),
            whole: TallyItem::new(&row.whole, routes),
            parts: parts.iter().map(|part| TallyItem::new(part, routes)).collect(),
        }
    }
}

/// Customers and requests by where they came from.
#[derive(Debug, Object)]
struct OriginLedger {
    /// What a row stands for.
    by: String,
    /// Which visit is credited.
    touch: String,
    /// The first moment of the period.
    from: String,
    /// The first moment after it.
    to: String,
    /// Where each part of the period begins.
    starts: Vec<String>,
    /// Whether everything is counted; after an upgrade it takes a while until all that is older is.
    complete: bool,
    /// The values, those with most registrations and requests first.
    items: Vec<OriginItem>,
    /// The values beyond `limit` together, if there are any.
    others: OrNull<OriginItem>,
    /// Everything together.
    total: OriginItem,
}

impl OriginLedger {
    fn new(ledger: Ledger, query: &LedgerQuery, routes: &RoutingTable) -> Self {
        let rows = ledger.rows.into_iter();
        Self {
            by: query.by.to_string(),
            touch: query.touch.to_string(),
            from: query.timeline.from.to_string(),
            to: query.timeline.to.to_string(),
            starts: query.timeline.starts.iter().map(ToString::to_string).collect(),
            complete: ledger.complete,
            items: rows.map(|(value, row)| OriginItem::new(Some(value), &row, routes)).collect(),
            others: ledger.others.map(|row| OriginItem::new(None, &row, routes)).into(),
            total: OriginItem::new(None, &ledger.total, routes),
        }
    }
}

/// The ledger as the API shows it.
pub fn ledger_json(ledger: Ledger, query: &LedgerQuery, routes: &RoutingTable) -> serde_json::Value {
    OriginLedger::new(ledger, query, routes).to_json().unwrap_or_default()
}

/// A value of a dimension, and why it is that one.
#[derive(Debug, Object)]
pub(super) struct CreditedItem {
    /// `source`, `medium`, `campaign` and so on.
    dimension: String,
    /// The value; empty: it was not told.
    value: String,
    /// What it was made from, as it came; empty: from nothing.
    from: String,
    /// The rule that was followed.
    why: String,
}

impl CreditedItem {
    /// Every dimension of one visit.
    pub(super) fn all(told: &Attribution) -> Vec<Self> {
        let item = |dimension: Dimension| {
            let told = told.get(dimension);
            Self {
                dimension: dimension.to_string(),
                value: told.value.clone(),
                from: told.from.clone(),
                why: told.why.clone(),
            }
        };
        Dimension::ALL.into_iter().map(item).collect()
    }
}

/// Why some visits are counted under a value.
#[derive(Debug, Object)]
struct ReasonItem {
    /// The value; empty: it was not told.
    value: String,
    /// What it was made from, as it came; empty: from nothing.
    from: String,
    /// The rule that was followed.
    why: String,
    /// How many different visits it is true of; visits that told the same are one.
    visits: u64,
}

impl From<OriginReason> for ReasonItem {
    fn from(OriginReason { value, from, why, visits }: OriginReason) -> Self {
        Self { value, from, why, visits }
    }
}

/// Reasons.
#[derive(Debug, Object)]
struct ReasonList {
    items: Vec<ReasonItem>,
    /// Always null: more than these few are not told.
    next: OrNull<String>,
}

/// The origin ledger.
pub(in crate::http) struct Origins;

#[OpenApi(prefix_path = "/api/origins", tag = "Group::Operator")]
impl Origins {
    /// Count customers and requests by where they came from
    ///
    /// `by` is source (unless said otherwise), medium, campaign, referrer, channel, country or `landing_page`; `touch` is
    /// first or last. The period is from `from` up to, and without, `to`: days like 2026-11-24, or times; without them
    /// the last 30 days. `bucket` cuts it into parts by hour, day, week or month of the time zone `tz`, which is UTC
    /// unless said otherwise. A further parameter with the name of a dimension leaves out all other values: case and
    /// accents do not count, `*` stands for any characters, and an empty one for those of whom it was not told.
    #[oai(path = "/", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn count_origins(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        by: Query<Option<DimensionText>>,
        touch: Query<Option<TouchText>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        bucket: Query<Option<BucketText>>,
        tz: Query<Option<String>>,
        source: Query<Option<String>>,
        medium: Query<Option<String>>,
        campaign: Query<Option<String>>,
        referrer: Query<Option<String>>,
        channel: Query<Option<String>>,
        country: Query<Option<String>>,
        landing_page: Query<Option<String>>,
        limit: Query<Option<LimitText>>,
    ) -> Result<Json<OriginLedger>, ApiError> {
        let limit = page::<UserId>(limit.0.as_ref(), None)?.limit;
        let only = Only { source, medium, campaign, referrer, channel, country, landing_page };
        let asked = Asked { by, touch, days: Days { from, to, tz }, bucket, only };
        let query = asked.query(web.clock.now(), limit)?;
        let ledger = web.store.ledger(query.clone(), Arc::clone(&web.origins)).await?;
        Ok(Json(OriginLedger::new(ledger, &query, &web.routes)))
    }

    /// Say why a value has its name
    ///
    /// What visits told, and by which rule it became the `value` of `by`; `*` stands for any characters, and an empty
    /// one for those of which it was not told. The twenty reasons of most visits.
    #[oai(path = "/why", method = "get")]
    async fn explain_origins(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        by: Query<Option<DimensionText>>,
        value: Query<Option<String>>,
    ) -> Result<Json<ReasonList>, ApiError> {
        let by = dimension(&by)?;
        let value = Pattern::new(value.0.as_deref().unwrap_or_default());
        let reasons = web.store.origin_reasons(by, value, Arc::clone(&web.origins)).await?;
        Ok(Json(ReasonList { items: reasons.into_iter().map(ReasonItem::from).collect(), next: None.into() }))
    }
}

/// What a row stands for: a source unless said otherwise.
fn dimension(by: &Told<DimensionText>) -> Result<Dimension, ApiError> {
    Ok(told_as("by", by)?.unwrap_or(Dimension::Source))
}

/// What the ledger was asked for.
pub(super) struct Asked {
    pub(super) by: Told<DimensionText>,
    pub(super) touch: Told<TouchText>,
    pub(super) days: Days,
    pub(super) bucket: Told<BucketText>,
    pub(super) only: Only,
}

impl Asked {
    /// What that means at `now`.
    pub(super) fn query(&self, now: Timestamp, limit: usize) -> Result<LedgerQuery, ApiError> {
        let (by, touch) = (dimension(&self.by)?, credited(&self.touch)?);
        let bucketing = told_as("bucket", &self.bucket)?.unwrap_or(Bucketing::Whole);
        let Period { from, to } = self.days.ends()?;
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.before(PERIOD));
        let timeline = Timeline::new(from, to, bucketing, self.days.zone())
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        Ok(LedgerQuery { by, touch, timeline, only: self.only.patterns(), limit })
    }
}
