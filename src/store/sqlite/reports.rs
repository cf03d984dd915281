//! Reports: the newest period of each cadence that was told.

use rusqlite::{Connection, OptionalExtension as _};

use super::{StoreError, intake, rows};
use crate::domain::Timestamp;
use crate::store::{NewReport, ToldReport};

/// As in the trait.
pub(super) fn put(connection: &Connection, report: &NewReport, now: Timestamp) -> Result<bool, StoreError> {
    let newest: Option<String> = connection
        .prepare_cached("SELECT first_day FROM reports WHERE cadence = ?1")?
        .query_row([report.cadence.as_str()], |row| row.get(0))
        .optional()?;
    // Days sort as their texts do.
    if !report.again && newest.is_some_and(|newest| newest >= report.first_day) {
        return Ok(false);
    }
    let told_at = (!report.messages.is_empty()).then(|| now.as_millis());
    connection
        .prepare_cached(
            "INSERT INTO reports (cadence, first_day, told_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (cadence) DO UPDATE SET first_day = excluded.first_day, told_at = coalesce(excluded.told_at, told_at)",
        )?
        .execute((report.cadence.as_str(), &report.first_day, told_at))?;
    for message in &report.messages {
        intake::enqueue(connection, message, None, None, &report.context, now)?;
    }
    Ok(true)
}

/// As in the trait.
pub(super) fn told(connection: &Connection) -> Result<Vec<ToldReport>, StoreError> {
    rows::collect(connection, "SELECT cadence, first_day, told_at FROM reports", [], |row| {
        let told_at = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis);
        Ok(ToldReport { cadence: rows::word(row, 0)?, first_day: row.get(1)?, told_at })
    })
}
