//! What each origin is taken for: by its columns where these rules made them, else by what the rules make of its clues now.

use std::borrow::Cow;

use rusqlite::{Connection, Row};

use super::{StoreError, rows};
use crate::domain::{Attribution, Clues, Dimension, OriginRules, Pattern};
use crate::store::OriginFilter;

/// One origin.
pub(super) struct Told<'a> {
    row: &'a Row<'a>,
    anew: Option<Attribution>,
}

impl Told<'_> {
    /// The value of a dimension; empty: it was not told.
    pub(super) fn value(&self, dimension: Dimension) -> Result<&str, StoreError> {
        match &self.anew {
            Some(told) => Ok(told.value(dimension)),
            None => Ok(self.row.get_ref(3 + dimension as usize)?.as_str().map_err(rusqlite::Error::from)?),
        }
    }

    /// What its clues mean, with the reasons, which the columns do not hold.
    pub(super) fn meaning(&self, rules: &OriginRules) -> Result<Cow<'_, Attribution>, StoreError> {
        match &self.anew {
            Some(told) => Ok(Cow::Borrowed(told)),
            None => Ok(Cow::Owned(rules.attribute(&rows::json::<Clues>(self.row, 2)?))),
        }
    }

    /// Whether all of this holds.
    pub(super) fn holds(&self, only: &[(Dimension, Option<Pattern>)]) -> Result<bool, StoreError> {
        for (dimension, pattern) in only {
            if !holds(pattern.as_ref(), self.value(*dimension)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a value is like the pattern; without one, whether it was not told.
pub(super) fn holds(pattern: Option<&Pattern>, value: &str) -> bool {
    pattern.map_or(value.is_empty(), |pattern| pattern.matches(value))
}

/// Shows every origin with its id.
pub(super) fn each(
    connection: &Connection,
    rules: &OriginRules,
    mut show: impl FnMut(i64, &Told<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, rules, clues, source, medium, campaign, referrer, channel, country, landing_page FROM origins",
    )?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let is_stale = row.get::<_, i64>(1)? != rules.version();
        let anew = if is_stale { Some(rules.attribute(&rows::json::<Clues>(row, 2)?)) } else { None };
        show(row.get(0)?, &Told { row, anew })?;
    }
    Ok(())
}

/// The ids of the origins that are asked for, as a list in JSON.
pub(in crate::store::sqlite) fn matching(connection: &Connection, filter: &OriginFilter) -> Result<String, StoreError> {
    let mut ids = Vec::new();
    each(connection, &filter.rules, |id, told| {
        if told.holds(&filter.only)? {
            ids.push(id);
        }
        Ok(())
    })?;
    Ok(rows::to_json(&ids)?)
}
