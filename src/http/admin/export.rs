//! `/api/export`: the lists as tables for a spreadsheet.
//!
//! A list is read page by page while it is written: none of it is held, and whoever takes it slowly keeps nobody waiting.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use poem::Body;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Binary;
use poem_openapi::{ApiResponse, OpenApi};

use super::super::SharedWeb;
use super::super::access::Reader;
use super::super::errors::ApiError;
use super::super::schemas::{
    BucketText, ChannelText, DimensionText, IdText, PurposeText, RequestStateText, StateText, TouchText,
};
use super::asked::{Days, Finished, Only};
use super::origins::topic_counts;
use super::{Group, messages, origins, record, requests, users};
use crate::domain::RoutingTable;
use crate::sheet::{AddressedMessage, BYTE_ORDER_MARK, Listed, Sheet};
use crate::store::{Ledger, LedgerQuery, LedgerRow, Page, StoreError, Tally};

/// How many rows are read at once: a matter of a millisecond or two.
const PAGE: usize = 500;

/// How many rows the table of origins has at most.
const MOST_ORIGINS: usize = 10_000;

/// A table, as a file.
#[derive(ApiResponse)]
enum Table {
    /// The table.
    #[oai(status = 200, content_type = "text/csv; charset=utf-8")]
    File(
        Binary<Body>,
        /// Says that it is a file, and its name.
        #[oai(header = "Content-Disposition")]
        String,
    ),
}

impl Table {
    fn new(name: &str, body: Body) -> Self {
        Self::File(Binary(body), format!("attachment; filename=\"{name}\""))
    }
}

/// The lists, as tables.
pub(in crate::http) struct Export;

#[OpenApi(prefix_path = "/api/export", tag = "Group::Operator")]
impl Export {
    /// Download customers as a table
    ///
    /// With the filters of the list. An answer that breaks off is not complete.
    #[oai(path = "/users.csv", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn export_users(
        &self,
        web: Data<&SharedWeb>,
        reader: Reader,
        search: Query<Option<String>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        tz: Query<Option<String>>,
        touch: Query<Option<TouchText>>,
        source: Query<Option<String>>,
        medium: Query<Option<String>>,
        campaign: Query<Option<String>>,
        referrer: Query<Option<String>>,
        channel: Query<Option<String>>,
        country: Query<Option<String>>,
        landing_page: Query<Option<String>>,
    ) -> Result<Table, ApiError> {
        let only = Only { source, medium, campaign, referrer, channel, country, landing_page };
        let filter = users::Asked { search, days: Days { from, to, tz }, touch, only }.filter(&web)?;
        let store = Arc::clone(&web.store);
        let read = move |page| {
            let (store, filter) = (Arc::clone(&store), filter.clone());
            async move { store.users(filter, page).await }
        };
        record(&web, &reader, "user.export", "many", "").await;
        Ok(Table::new("users.csv", listed(read, |user| user.id)))
    }

    /// Download requests as a table
    ///
    /// With the filters of the list. An answer that breaks off is not complete.
    #[oai(path = "/requests.csv", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn export_requests(
        &self,
        web: Data<&SharedWeb>,
        reader: Reader,
        state: Query<Option<RequestStateText>>,
        topic: Query<Option<String>>,
        user: Query<Option<IdText>>,
        assignee: Query<Option<String>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        tz: Query<Option<String>>,
        touch: Query<Option<TouchText>>,
        source: Query<Option<String>>,
        medium: Query<Option<String>>,
        campaign: Query<Option<String>>,
        referrer: Query<Option<String>>,
        channel: Query<Option<String>>,
        country: Query<Option<String>>,
        landing_page: Query<Option<String>>,
    ) -> Result<Table, ApiError> {
        let only = Only { source, medium, campaign, referrer, channel, country, landing_page };
        let asked = requests::Asked { state, topic, user, assignee, days: Days { from, to, tz }, touch, only };
        let filter = asked.filter(&web)?;
        let store = Arc::clone(&web.store);
        let read = move |page| {
            let (store, filter) = (Arc::clone(&store), filter.clone());
            async move { store.requests(filter, page).await }
        };
        record(&web, &reader, "request.export", "many", "").await;
        Ok(Table::new("requests.csv", listed(read, |entry| entry.request.id)))
    }

    /// Download messages as a table
    ///
    /// With the filters of the list. An answer that breaks off is not complete.
    #[oai(path = "/messages.csv", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn export_messages(
        &self,
        web: Data<&SharedWeb>,
        reader: Reader,
        state: Query<Option<StateText>>,
        channel: Query<Option<ChannelText>>,
        purpose: Query<Option<PurposeText>>,
        user: Query<Option<IdText>>,
        request: Query<Option<IdText>>,
        from: Query<Option<String>>,
        to: Query<Option<String>>,
        finished_from: Query<Option<String>>,
        finished_to: Query<Option<String>>,
        tz: Query<Option<String>>,
    ) -> Result<Table, ApiError> {
        let finished = Finished { from: finished_from, to: finished_to };
        let asked = messages::Asked { state, channel, purpose, user, request, days: Days { from, to, tz }, finished };
        let filter = asked.filter()?;
        let reached = Arc::clone(*web);
        let read = move |page| {
            let (web, filter) = (Arc::clone(&reached), filter.clone());
            async move {
                let found = web.store.messages(filter, page).await?;
                Ok(found.into_iter().map(|message| messages::message_row(message, &web.channels)).collect())
            }
        };
        record(&web, &reader, "message.export", "many", "").await;
        Ok(Table::new("messages.csv", listed(read, |row: &AddressedMessage| row.message.id)))
    }

    /// Download the origin ledger as a table
    ///
    /// With the parameters of the ledger, and up to 10,000 rows for each part of the period.
    #[oai(path = "/origins.csv", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn export_origins(
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
    ) -> Result<Table, ApiError> {
        let only = Only { source, medium, campaign, referrer, channel, country, landing_page };
        let asked = origins::Asked { by, touch, days: Days { from, to, tz }, bucket, only };
        let query = asked.query(web.clock.now(), MOST_ORIGINS)?;
        let ledger = web.store.ledger(query.clone(), Arc::clone(&web.origins)).await?;
        let written = ledger_sheet(&ledger, &query, &web.routes).map_err(|error| StoreError::unavailable(&error))?;
        Ok(Table::new("origins.csv", Body::from([BYTE_ORDER_MARK.as_bytes(), &written].concat())))
    }
}

/// All of a list, newest first.
fn listed<T, Id, Reading>(
    read: impl Fn(Page<Id>) -> Reading + Send + 'static,
    id: impl Fn(&T) -> Id + Send + 'static,
) -> Body
where
    T: Listed + Send + 'static,
    Id: Send + 'static,
    Reading: Future<Output = Result<Vec<T>, StoreError>> + Send + 'static,
{
    // `None`: the end; the page that it starts with: `None` for the first one.
    let first = (read, id, Some(None));
    Body::from_bytes_stream(try_unfold(first, |(read, id, next)| async move {
        let Some(before) = next else { return Ok(None) };
        let mut sheet = Sheet::new(Vec::new());
        let mut bytes = Vec::new();
        if before.is_none() {
            bytes.extend_from_slice(BYTE_ORDER_MARK.as_bytes());
            sheet.row(T::HEADINGS.iter().copied())?;
        }
        let rows = read(Page { limit: PAGE, before }).await.map_err(|error| {
            tracing::warn!(%error, "A table could not be written to its end: {error}");
            io::Error::other(error)
        })?;
        for row in &rows {
            sheet.add(row)?;
        }
        bytes.append(&mut sheet.take()?);
        let next = rows.last().filter(|_| rows.len() == PAGE).map(|last| Some(id(last)));
        Ok::<_, io::Error>(Some((Bytes::from(bytes), (read, id, next))))
    }))
}

/// The ledger as a table: a row for each value and part of the period that has anything in it, the total last.
pub fn ledger_sheet(ledger: &Ledger, query: &LedgerQuery, routes: &RoutingTable) -> io::Result<Vec<u8>> {
    let mut sheet = Sheet::new(Vec::new());
    sheet.row([
        query.by.as_str(),
        "from",
        "registrations",
        "welcomed",
        "bounced",
        "median_to_welcome_ms",
        "opened",
        "median_to_opening_ms",
        "requests",
        "delivered",
        "median_to_delivery_ms",
        "acknowledged",
        "median_to_acknowledgement_ms",
        "answered",
        "median_to_answer_ms",
        "topics",
    ])?;
    let rows = ledger.rows.iter().map(|(value, row)| (value.as_str(), row));
    let rows = rows.chain(ledger.others.iter().map(|row| ("(others)", row))).chain([("(total)", &ledger.total)]);
    for (name, row) in rows {
        for (start, tally) in parts(row, query) {
            let cells = cells(tally, routes);
            sheet.row([name, &start].into_iter().chain(cells.iter().map(String::as_str)))?;
        }
    }
    sheet.take()
}

/// Each part of a row that has several and anything in it, else the whole.
fn parts<'a>(row: &'a LedgerRow, query: &'a LedgerQuery) -> Vec<(String, &'a Tally)> {
    if row.parts.len() < 2 {
        return vec![(query.timeline.from.to_readable(), &row.whole)];
    }
    let starts = query.timeline.starts.iter().map(|start| start.to_readable());
    starts.zip(&row.parts).filter(|(_, tally)| tally.registrations + tally.requests > 0).collect()
}

fn cells(tally: &Tally, routes: &RoutingTable) -> [String; 14] {
    let millis = |time: Option<Duration>| time.map(|time| time.as_millis().to_string()).unwrap_or_default();
    let name = |name: &String| if name.is_empty() { "(no route)".to_owned() } else { name.clone() };
    let topics = topic_counts(tally, routes);
    let topics: Vec<String> = topics.iter().map(|(topic, count)| format!("{} {count}", name(topic))).collect();
    [
        tally.registrations.to_string(),
        tally.welcomed.to_string(),
        tally.bounced.to_string(),
        millis(tally.to_welcome),
        tally.opened.to_string(),
        millis(tally.to_opening),
        tally.requests.to_string(),
        tally.delivered.to_string(),
        millis(tally.to_delivery),
        tally.acknowledged.to_string(),
        millis(tally.to_acknowledgement),
        tally.answered.to_string(),
        millis(tally.to_answer),
        topics.join(", "),
    ]
}
