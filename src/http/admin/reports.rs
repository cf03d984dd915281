//! `/api/reports`: when the product department is told where customers came from, and what it is told.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};

use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::schemas::{CadenceText, ChannelText, OrNull};
use super::super::{SharedWeb, Web};
use super::{Group, parse, record};
use crate::domain::{Cadence, ChannelAddress, Timestamp};
use crate::preview;
use crate::reports::{ReportError, Reports};
use crate::store::ToldReport;

/// A report that comes again and again.
#[derive(Debug, Object)]
struct ScheduledItem {
    /// `daily`, `weekly` or `monthly`.
    cadence: String,
    /// The channels that hear of it; empty: nobody does.
    channels: Vec<String>,
    /// When it comes next; null: nobody hears of it.
    next_at: OrNull<String>,
    /// The first day of the newest period that is done with, as in `2026-11-16`, whether there was anything to tell of it or
    /// not; null: none is.
    told_day: OrNull<String>,
    /// When such a report was sent last; null: none was yet.
    told_at: OrNull<String>,
}

/// When reports come.
#[derive(Debug, Object)]
struct ScheduledList {
    items: Vec<ScheduledItem>,
    /// Always null: there are no more.
    next: OrNull<String>,
    /// The time of day, as in `08:00`.
    at: String,
    /// Whose mornings and days these are.
    timezone: String,
    /// What a row stands for.
    by: String,
    /// Which visit is credited.
    touch: String,
}

impl ScheduledList {
    fn new(reports: &Reports, told: &[ToldReport], now: Timestamp) -> Self {
        let item = |cadence: &Cadence| {
            let newest = told.iter().find(|told| told.cadence == *cadence);
            ScheduledItem {
                cadence: cadence.to_string(),
                channels: reports.channels(*cadence).iter().map(ToString::to_string).collect(),
                next_at: reports.next_at(*cadence, told, now).map(|at| at.to_string()).into(),
                told_day: newest.map(|told| told.first_day.clone()).into(),
                told_at: newest.and_then(|told| told.told_at).map(|at| at.to_string()).into(),
            }
        };
        let settings = reports.settings();
        Self {
            items: Cadence::ALL.iter().map(item).collect(),
            next: None.into(),
            at: settings.calendar.at(),
            timezone: settings.calendar.zone().to_owned(),
            by: settings.by.to_string(),
            touch: settings.touch.to_string(),
        }
    }
}

/// When reports come, as the API shows it.
pub fn scheduled_json(reports: &Reports, told: &[ToldReport], now: Timestamp) -> serde_json::Value {
    ScheduledList::new(reports, told, now).to_json().unwrap_or_default()
}

/// What a report says.
#[derive(Debug, Object)]
struct ReportPreview {
    /// The channel that it is made for.
    channel: String,
    /// Its first day.
    first_day: String,
    /// Its last day.
    last_day: String,
    /// Whether nobody registered and nobody asked: such a report only comes if `[reports] empty` says so.
    empty: bool,
    /// Whether everything is counted; after an upgrade it takes a while until all that is older is.
    complete: bool,
    /// One line of plain text.
    subject: String,
    /// The text without any notation.
    text: String,
    /// The same as HTML, with its chart in it; null: the channel shows none.
    html: OrNull<String>,
    /// What goes over the wire, credentials left out.
    source: String,
}

/// What was put into the outbox.
#[derive(Debug, Object)]
struct ReportSent {
    /// The messages, one for each channel.
    messages: Vec<String>,
}

/// Reports of where customers came from.
pub(in crate::http) struct OriginReports;

#[OpenApi(prefix_path = "/api/reports", tag = "Group::Operator")]
impl OriginReports {
    /// Say when reports come, and to whom
    #[oai(path = "/", method = "get")]
    async fn list_reports(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<Json<ScheduledList>, ApiError> {
        let told = web.store.told_reports().await?;
        Ok(Json(ScheduledList::new(&web.reports, &told, web.clock.now())))
    }

    /// Show what a report says now
    ///
    /// Of the newest day, week or month that is over. Made for `channel`, else for the first channel that hears of it,
    /// else for one that mail goes over.
    #[oai(path = "/:cadence/preview", method = "get")]
    async fn preview_report(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        cadence: Path<CadenceText>,
        channel: Query<Option<ChannelText>>,
    ) -> Result<Json<ReportPreview>, ApiError> {
        let cadence: Cadence = parse("cadence", &cadence)?;
        let address = match &channel.0 {
            Some(text) => parse("channel", text)?,
            None => usual_channel(&web, cadence)?,
        };
        let channel = web
            .channels
            .get(&address)
            .ok_or_else(|| ApiError::bad_request(format!("channel: there is no channel {address}")))?;
        let (period, report) = web.reports.preview(cadence).await?;
        let (empty, complete) = (report.is_empty(), report.complete);
        let shown = preview::report(report, &period, &web.renderer, &address, &**channel);
        let (words, source) = shown.map_err(ApiError::conflict)?;
        Ok(Json(ReportPreview {
            channel: address.to_string(),
            first_day: period.first_day,
            last_day: period.last_day,
            empty,
            complete,
            subject: words.subject,
            text: words.text,
            html: words.html.into(),
            source,
        }))
    }

    /// Send a report now
    ///
    /// Of the newest day, week or month that is over, to all channels that hear of it; also when it was told already, and
    /// when nobody came.
    #[oai(path = "/:cadence/send", method = "post")]
    async fn send_report(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        cadence: Path<CadenceText>,
    ) -> Result<Json<ReportSent>, ApiError> {
        let cadence: Cadence = parse("cadence", &cadence)?;
        let messages = web.reports.send(cadence).await?;
        record(&web, &operator, "report.send", cadence, "").await;
        Ok(Json(ReportSent { messages: messages.iter().map(ToString::to_string).collect() }))
    }
}

/// The channel that a preview is made for when nobody names one.
fn usual_channel(web: &Web, cadence: Cadence) -> Result<ChannelAddress, ApiError> {
    let told = web.reports.channels(cadence).first();
    let mut able = web.channels.iter().filter(|(_, channel)| channel.has_own_address()).map(|(address, _)| address);
    let mail = able.clone().find(|address| address.kind() == "email");
    let found = told.or(mail).or_else(|| able.next());
    found.cloned().ok_or_else(|| ApiError::conflict("no channel is configured that a report could go over"))
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::NoChannel(_) | ReportError::Calendar | ReportError::Timeline(_) => {
                Self::conflict(error.to_string())
            }
        }
    }
}
