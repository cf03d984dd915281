//! Says why origins are counted under the values that they are counted under.

use std::collections::HashMap;

use rusqlite::Connection;

use super::StoreError;
use super::origins::{self, holds};
use crate::domain::{Dimension, OriginRules, Pattern};
use crate::store::OriginReason;

/// How many reasons are told: those of most visits.
const MOST: usize = 20;

/// The reasons for the values of `by` that are like `value`, those of most different visits first.
pub(in crate::store::sqlite) fn reasons(
    connection: &Connection,
    by: Dimension,
    value: Option<&Pattern>,
    rules: &OriginRules,
) -> Result<Vec<OriginReason>, StoreError> {
    let mut counts: HashMap<(String, String, String), u64> = HashMap::new();
    origins::each(connection, rules, |_, told| {
        if holds(value, told.value(by)?) {
            let meaning = told.meaning(rules)?;
            let told = meaning.get(by);
            *counts.entry((told.value.clone(), told.from.clone(), told.why.clone())).or_default() += 1;
        }
        Ok(())
    })?;
    let reason = |((value, from, why), visits)| OriginReason { value, from, why, visits };
    let mut reasons: Vec<OriginReason> = counts.into_iter().map(reason).collect();
    reasons
        .sort_by(|a, b| b.visits.cmp(&a.visits).then_with(|| a.from.cmp(&b.from)).then_with(|| a.value.cmp(&b.value)));
    reasons.truncate(MOST);
    Ok(reasons)
}
