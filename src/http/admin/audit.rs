//! `/api/audit`: who changed what.

use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::ToJSON as _;
use poem_openapi::{Object, OpenApi};

use super::super::SharedWeb;
use super::super::access::Reader;
use super::super::errors::ApiError;
use super::super::schemas::{IdText, LimitText, OrNull};
use super::{Group, next, page};
use crate::domain::AuditEntry;

/// A change that somebody made.
#[derive(Debug, Object)]
struct AuditItem {
    id: String,
    at: String,
    /// The name of their token or login link; `command line`.
    who: String,
    /// Their role.
    role: String,
    /// What they did, as in `message.retry`.
    action: String,
    /// To what: an id, a channel's address, or `many`.
    target: String,
    /// More about it; may be empty.
    detail: String,
}

impl From<&AuditEntry> for AuditItem {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            at: entry.at.to_string(),
            who: entry.actor.name.clone(),
            role: entry.actor.role.to_string(),
            action: entry.action.clone(),
            target: entry.target.clone(),
            detail: entry.detail.clone(),
        }
    }
}

/// The change as the API shows it.
pub fn audit_json(entry: &AuditEntry) -> serde_json::Value {
    AuditItem::from(entry).to_json().unwrap_or_default()
}

/// A page of changes.
#[derive(Debug, Object)]
struct AuditList {
    items: Vec<AuditItem>,
    /// Pass it as `cursor` to see older ones.
    next: OrNull<String>,
}

/// The list of changes.
pub(in crate::http) struct Audit;

#[OpenApi(prefix_path = "/api/audit", tag = "Group::Operator")]
impl Audit {
    /// List who changed what, newest first
    #[oai(path = "/", method = "get")]
    async fn list_changes(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<IdText>>,
    ) -> Result<Json<AuditList>, ApiError> {
        let page = page(limit.0.as_ref(), cursor.0.as_deref())?;
        let entries = web.store.audit(page).await?;
        let next = next(&entries, page.limit, |entry| entry.id.to_string()).into();
        Ok(Json(AuditList { items: entries.iter().map(AuditItem::from).collect(), next }))
    }
}
