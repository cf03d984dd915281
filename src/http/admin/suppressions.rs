//! `/api/suppressions`: customers' addresses that nothing is sent to any more.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::SharedWeb;
use super::super::access::{Operator, Reader};
use super::super::errors::ApiError;
use super::super::schemas::{AddressText, LimitText, OrNull};
use super::{Group, next, page, parse, record};
use crate::domain::{EmailAddress, Suppression, mask_addresses};

/// An address that nothing is sent to any more.
#[derive(Debug, Object)]
struct SuppressionItem {
    /// The address.
    address: String,
    /// `bounced`: a mail server said that nobody is there; `unsubscribed`: the customer asked for it.
    cause: String,
    /// What the mail server said, for one.
    reason: String,
    /// When.
    since: String,
}

impl From<&Suppression> for SuppressionItem {
    fn from(suppression: &Suppression) -> Self {
        Self {
            address: suppression.address.to_string(),
            cause: suppression.cause.to_string(),
            reason: suppression.why.clone(),
            since: suppression.since.to_string(),
        }
    }
}

/// A page of suppressed addresses.
#[derive(Debug, Object)]
struct SuppressionList {
    items: Vec<SuppressionItem>,
    /// Pass it as `cursor` to see more.
    next: OrNull<String>,
}

/// The suppressed addresses.
pub(in crate::http) struct Suppressions;

#[OpenApi(prefix_path = "/api/suppressions", tag = "Group::Operator")]
impl Suppressions {
    /// List suppressed addresses, in alphabetical order
    #[oai(path = "/", method = "get")]
    async fn list_suppressions(
        &self,
        web: Data<&SharedWeb>,
        _reader: Reader,
        limit: Query<Option<LimitText>>,
        cursor: Query<Option<AddressText>>,
    ) -> Result<Json<SuppressionList>, ApiError> {
        let page = page::<EmailAddress>(limit.0.as_ref(), cursor.0.as_deref())?;
        let limit = page.limit;
        let found = web.store.suppressions(page).await?;
        let next = next(&found, limit, |suppression| suppression.address.to_string()).into();
        Ok(Json(SuppressionList { items: found.iter().map(SuppressionItem::from).collect(), next }))
    }

    /// Send to an address again
    ///
    /// What was given up meanwhile stays so; retry those messages to send them. Of customers who unsubscribed, only those
    /// should be taken out who ask for it.
    #[oai(path = "/:address", method = "delete")]
    async fn lift_suppression(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        address: Path<AddressText>,
    ) -> Result<Json<Lifted>, ApiError> {
        let address: EmailAddress = parse("address", &address)?;
        if web.store.lift_suppression(&address).await? {
            let masked = mask_addresses(address.as_str());
            record(&web, &operator, "suppression.lift", masked, "").await;
            Ok(Json(Lifted { address: address.to_string() }))
        } else {
            Err(ApiError::not_found("this address is not suppressed"))
        }
    }
}

/// An address that is not suppressed any more.
#[derive(Debug, Object)]
struct Lifted {
    /// The address.
    address: String,
}
