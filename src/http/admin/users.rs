//! `/api/users`: customers, where they came from, and what happened to them.

use std::collections::BTreeMap;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON;
use poem_openapi::{Object, OpenApi};

use super::super::access::Reader;
use super::super::errors::ApiError;
use super::super::schemas::{IdText, LimitText, OrNull, TouchText};
use super::super::{SharedWeb, Web};
use super::asked::{Days, Only, Told, told};
use super::messages::MessageItem;
use super::origins::CreditedItem;
use super::request::RequestItem;
use super::{Group, next, page, parse};
use crate::domain::{Clues, User};
use crate::store::{UserFilter, UserTimeline};

/// One customer.
#[derive(Debug, Object)]
struct UserItem {
    id: String,
    name: String,
    email: OrNull<String>,
    /// As it came.
    phone: OrNull<String>,
    /// In international form, when it could be told.
    phone_e164: OrNull<String>,
    landbot_customer_id: OrNull<String>,
    /// Language tag; empty when unknown.
    language: String,
    /// Where they came from first, in one line.
    source: String,
    /// Where they came from first, field by field.
    origin: BTreeMap<String, String>,
    /// When they were first heard of.
    created_at: String,
    /// When they registered; null while they have only asked for help.
    registered_at: OrNull<String>,
    /// Whether they were erased: what is counted stays, and nothing that tells who they were.
    erased: bool,
}

impl From<User> for UserItem {
    fn from(user: User) -> Self {
        let erased = user.is_erased();
        let (phone, phone_e164) = user.phone.map_or((None, None), |phone| (Some(phone.raw), phone.e164));
        Self {
            id: user.id.to_string(),
            name: user.name,
            email: user.email.map(|email| email.to_string()).into(),
            phone: phone.into(),
            phone_e164: phone_e164.into(),
            landbot_customer_id: user.landbot_customer_id.into(),
            language: user.language,
            source: user.origin.source(),
            origin: user.origin.fields(),
            created_at: user.created_at.to_string(),
            registered_at: user.registered_at.map(|moment| moment.to_string()).into(),
            erased,
        }
    }
}

/// The customer as the API shows them.
pub fn user_json(user: User) -> serde_json::Value {
    UserItem::from(user).to_json().unwrap_or_default()
}

/// A page of customers.
#[derive(Debug, Object)]
struct UserList {
    items: Vec<UserItem>,
    /// Pass it as `cursor` to see older ones.
    next: OrNull<String>,
}

/// A later visit.
#[derive(Debug, Object)]
struct TouchItem {
    at: String,
    /// In one line.
    source: String,
    /// Field by field.
    origin: BTreeMap<String, String>,
}

/// One customer with everything that happened to them.
#[derive(Debug, Object)]
struct UserDetail {
    #[oai(flatten)]
    user: UserItem,
    /// When they first opened the chat by the link in their welcome; null: they have not.
    opened_at: OrNull<String>,
    /// How the first visit is counted, and why so.
    credited: Vec<CreditedItem>,
    /// Later visits, oldest first.
    touches: Vec<TouchItem>,
    /// Requests for help, oldest first.
    requests: Vec<RequestItem>,
    /// Messages to or about them, oldest first.
    messages: Vec<MessageItem>,
}

/// Customers.
pub(in crate::http) struct Users;

#[OpenApi(prefix_path = "/api/users", tag = "Group::Operator")]
impl Users {
    /// List customers, newest first
    ///
    /// `search` matches the beginning of a mail address, or part of a name or phone. `from` and `to` are days like
    /// 2026-11-24, of the time zone `tz`, or times: whoever registered from `from` up to, and without, `to`, the last one
    /// first. The other parameters are those of `/api/origins`, and find the customers that it counts.
    #[oai(path = "/", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter of its own")]
    async fn list_users(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
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
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<UserList>, ApiError> {
        let page = page(limit.0.as_ref(), cursor.0.as_deref())?;
        let only = Only { source, medium, campaign, referrer, channel, country, landing_page };
        let filter = Asked { search, days: Days { from, to, tz }, touch, only }.filter(&web)?;
        let users = web.store.users(filter, page).await?;
        let next = next(&users, page.limit, |user| user.id.to_string()).into();
        Ok(Json(UserList { items: users.into_iter().map(UserItem::from).collect(), next }))
    }

    /// Show a customer with their timeline
    #[oai(path = "/:id", method = "get")]
    async fn show_user(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        id: Path<IdText>,
    ) -> Result<Json<UserDetail>, ApiError> {
        let timeline = web.store.user(parse("id", &id)?).await?;
        let UserTimeline { user, opened_at, touches, requests, messages } = timeline.ok_or_else(no_such_customer)?;
        let touches = touches.into_iter().map(|touch| TouchItem {
            at: touch.at.to_string(),
            source: touch.origin.source(),
            origin: touch.origin.fields(),
        });
        let credited = CreditedItem::all(&web.origins.attribute(&Clues::of(&user.origin, user.phone.as_ref())));
        Ok(Json(UserDetail {
            credited,
            user: UserItem::from(user),
            opened_at: opened_at.map(|moment| moment.to_string()).into(),
            touches: touches.collect(),
            requests: requests.iter().map(RequestItem::from).collect(),
            messages: messages.iter().map(|message| MessageItem::new(message, &web.channels)).collect(),
        }))
    }
}

pub(super) fn no_such_customer() -> ApiError {
    ApiError::not_found("there is no customer with this id")
}

/// Which customers a list was asked for.
pub(super) struct Asked {
    pub(super) search: Told,
    pub(super) days: Days,
    pub(super) touch: Told<TouchText>,
    pub(super) only: Only,
}

impl Asked {
    pub(super) fn filter(&self, web: &Web) -> Result<UserFilter, ApiError> {
        Ok(UserFilter {
            search: told(&self.search).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            registered: self.days.period()?,
            origin: self.only.filter(web, &self.touch)?,
        })
    }
}
