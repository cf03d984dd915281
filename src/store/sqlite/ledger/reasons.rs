//! Says why origins are counted under the values that they are counted under.

use std::collections::HashMap;

use rusqlite::Connection;

use super::answer::holds;
use super::{StoreError, rows};
use crate::domain::{Clues, Dimension, OriginRules, Pattern};
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
    let column = by.as_str();
    let mut statement = connection.prepare_cached(&format!("SELECT clues, rules, {column} FROM origins"))?;
    let mut found = statement.query([])?;
    let mut counts: HashMap<(String, String, String), u64> = HashMap::new();
    while let Some(row) = found.next()? {
        // What these rules have told already need not be told again to see that it is not meant.
        let is_told = row.get::<_, i64>(1)? == rules.version();
        if is_told && !holds(value, row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?) {
            continue;
        }
        let told = rules.attribute(&rows::json::<Clues>(row, 0)?);
        let told = told.get(by);
        if holds(value, &told.value) {
            *counts.entry((told.value.clone(), told.from.clone(), told.why.clone())).or_default() += 1;
        }
    }
    let reason = |((value, from, why), visits)| OriginReason { value, from, why, visits };
    let mut reasons: Vec<OriginReason> = counts.into_iter().map(reason).collect();
    reasons
        .sort_by(|a, b| b.visits.cmp(&a.visits).then_with(|| a.from.cmp(&b.from)).then_with(|| a.value.cmp(&b.value)));
    reasons.truncate(MOST);
    Ok(reasons)
}
