//! `/api/requests`: what customers asked, and what becomes of it.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Deserializer};

use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::optional::Optional;
use super::super::schemas::{IdText, LimitText, OrNull, RequestStateText, TouchText};
use super::super::{SharedWeb, Web};
use super::asked::{Days, Only, Told};
use super::request::{RequestDetail, RequestEntryItem};
use super::{Group, next, page, parse, record};
use crate::domain::{Actor, RequestChange, RequestEdit, RequestField, RequestId, RequestState, Topic, one_line};
use crate::store::{Counted, RequestChanged, RequestEdited, RequestFilter};

/// A page of requests.
#[derive(Debug, Object)]
struct RequestList {
    items: Vec<RequestEntryItem>,
    /// Pass it as `cursor` to see older ones.
    next: OrNull<String>,
}

/// Requests by their state. No number is counted beyond 100,000.
#[derive(Debug, Object)]
pub(super) struct RequestCounts {
    new: u64,
    acknowledged: u64,
    answered: u64,
    closed: u64,
    /// Whether one of these is larger than it was counted.
    more: bool,
}

impl RequestCounts {
    pub(super) fn new(counts: &[(RequestState, Counted)]) -> Self {
        let of = |state| counts.iter().find(|(found, _)| *found == state).map_or(0, |(_, counted)| counted.count);
        Self {
            new: of(RequestState::New),
            acknowledged: of(RequestState::Acknowledged),
            answered: of(RequestState::Answered),
            closed: of(RequestState::Closed),
            more: counts.iter().any(|(_, counted)| counted.more),
        }
    }
}

/// What is said about a change.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default)]
struct ChangeBody {
    /// Who says so, in at most 100 characters.
    #[oai(default, validator(max_length = 100))]
    by: String,
    /// What they say about it, in at most 2,000 characters.
    #[oai(default, validator(max_length = 2000))]
    note: String,
}

/// A note.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default)]
struct NoteBody {
    /// The note, in at most 2,000 characters; empty: none any more.
    #[oai(default, validator(max_length = 2000))]
    note: String,
    /// The note that it takes the place of, as whoever writes has read it; without it: whatever stands there.
    #[serde(deserialize_with = "told")]
    expected: Option<String>,
    /// Who says so, in at most 100 characters; whose token it is unless said otherwise.
    #[oai(default, validator(max_length = 100))]
    by: String,
}

/// Who looks after a request.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default)]
struct AssigneeBody {
    /// Their name, in at most 100 characters; empty: nobody any more.
    #[oai(default, validator(max_length = 100))]
    assignee: String,
    /// Who says so, in at most 100 characters; whose token it is unless said otherwise.
    #[oai(default, validator(max_length = 100))]
    by: String,
}

/// A text that is there: null is none.
fn told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// Requests.
pub(in crate::http) struct Requests;

#[OpenApi(prefix_path = "/api/requests", tag = "Group::Operator")]
impl Requests {
    /// List requests, newest first
    ///
    /// `topic` is compared without case, accents, emoji and punctuation, and the aliases of its routes count as well; an
    /// empty `assignee` stands for nobody. `from` and `to` are days like 2026-11-24, of the time zone `tz`, or times: what
    /// came from `from` up to, and without, `to`. The other parameters are those of `/api/origins`, and find the requests
    /// that it counts.
    #[oai(path = "/", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn list_requests(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
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
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<RequestList>, ApiError> {
        let only = Only { source, medium, campaign, referrer, channel, country, landing_page };
        let asked = Asked { state, topic, user, assignee, days: Days { from, to, tz }, touch, only };
        let filter = asked.filter(&web)?;
        let page = page(limit.0.as_ref(), cursor.0.as_deref())?;
        let entries = web.store.requests(filter, page).await?;
        Ok(Json(RequestList {
            items: entries.iter().map(RequestEntryItem::from).collect(),
            next: next(&entries, page.limit, |entry| entry.request.id.to_string()).into(),
        }))
    }

    /// Count the requests in each state
    #[oai(path = "/counts", method = "get")]
    async fn count_requests(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<Json<RequestCounts>, ApiError> {
        Ok(Json(RequestCounts::new(&web.store.count_requests().await?)))
    }

    /// Show a request with its history and its messages
    #[oai(path = "/:id", method = "get")]
    async fn show_request(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        id: Path<IdText>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        detail(&web, parse("id", &id)?).await
    }

    /// Say that somebody looks after a request
    ///
    /// Channels that follow requests are told.
    #[oai(path = "/:id/acknowledge", method = "post")]
    async fn acknowledge_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<ChangeBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        change(&web, &operator, parse("id", &id)?, RequestState::Acknowledged, said).await
    }

    /// Say that a request is answered
    ///
    /// Channels that follow requests are told. It need not have been acknowledged before.
    #[oai(path = "/:id/answer", method = "post")]
    async fn answer_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<ChangeBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        change(&web, &operator, parse("id", &id)?, RequestState::Answered, said).await
    }

    /// Say that nothing more is to be done about a request
    ///
    /// Channels that follow requests are told. It need not have been answered before.
    #[oai(path = "/:id/close", method = "post")]
    async fn close_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<ChangeBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        change(&web, &operator, parse("id", &id)?, RequestState::Closed, said).await
    }

    /// Note something about a request
    ///
    /// For your own people: nobody else is told. It takes the place of the note before, which stays in the history. When
    /// that is not the one that was `expected`, nothing is changed, and `present` of the error says which one it is.
    #[oai(path = "/:id/note", method = "post")]
    async fn note_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<NoteBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        let NoteBody { note, expected, by } = said.read()?;
        edit(&web, &operator, parse("id", &id)?, (RequestField::Note, &note, expected), &by).await
    }

    /// Say who looks after a request
    ///
    /// Its state stays as it is, and no channel is told.
    #[oai(path = "/:id/assign", method = "post")]
    async fn assign_request(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        id: Path<IdText>,
        said: Optional<AssigneeBody>,
    ) -> Result<Json<RequestDetail>, ApiError> {
        let AssigneeBody { assignee, by } = said.read()?;
        edit(&web, &operator, parse("id", &id)?, (RequestField::Assignee, &assignee, None), &by).await
    }
}

async fn change(
    web: &Web,
    operator: &Actor,
    id: RequestId,
    state: RequestState,
    said: Optional<ChangeBody>,
) -> Result<Json<RequestDetail>, ApiError> {
    let ChangeBody { by, note } = said.read()?;
    let now = web.clock.now();
    let change =
        RequestChange::new(state, now, &by, &note).map_err(|error| ApiError::bad_request(error.to_string()))?;
    match web.store.change_request(id, change, web.followers.clone()).await? {
        RequestChanged::Yes(channels) => channels.iter().for_each(|channel| web.wake.at(channel, now)),
        RequestChanged::NotFrom(from) => {
            return Err(ApiError::conflict(format!("a request that is {from} cannot become {state}")));
        }
        RequestChanged::NotFound => return Err(no_such_request()),
    }
    record(web, operator, state.action(), id, "").await;
    detail(web, id).await
}

async fn edit(
    web: &Web,
    operator: &Actor,
    id: RequestId,
    (field, value, expected): (RequestField, &str, Option<String>),
    by: &str,
) -> Result<Json<RequestDetail>, ApiError> {
    let by = if by.is_empty() { &operator.name } else { by };
    let edit = RequestEdit::new(field, web.clock.now(), value, by)
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    match web.store.edit_request(id, edit, expected).await? {
        RequestEdited::Yes => {}
        RequestEdited::Otherwise(present) => {
            let message = format!("the {field} was changed meanwhile; look at what stands there now");
            return Err(ApiError::conflict_with(message, present));
        }
        RequestEdited::NotFound => return Err(no_such_request()),
    }
    record(web, operator, field.action(), id, "").await;
    detail(web, id).await
}

fn no_such_request() -> ApiError {
    ApiError::not_found("there is no request with this id")
}

async fn detail(web: &Web, id: RequestId) -> Result<Json<RequestDetail>, ApiError> {
    let history = web.store.request(id).await?.ok_or_else(no_such_request)?;
    Ok(Json(RequestDetail::new(&history, &web.channels)))
}

/// Which requests a list was asked for.
pub(super) struct Asked {
    pub(super) state: Told<RequestStateText>,
    pub(super) topic: Told,
    pub(super) user: Told<IdText>,
    /// Empty: nobody's.
    pub(super) assignee: Told,
    pub(super) days: Days,
    pub(super) touch: Told<TouchText>,
    pub(super) only: Only,
}

impl Asked {
    pub(super) fn filter(&self, web: &Web) -> Result<RequestFilter, ApiError> {
        Ok(RequestFilter {
            state: self.state.0.as_deref().map(|text| parse("state", text)).transpose()?,
            topics: self.topic.0.as_deref().map(|text| web.routes.names_of(&Topic::new(text))).unwrap_or_default(),
            user: self.user.0.as_deref().map(|text| parse("user", text)).transpose()?,
            assignee: self.assignee.0.as_deref().map(one_line),
            came: self.days.period()?,
            origin: self.only.filter(web, &self.touch)?,
        })
    }
}
