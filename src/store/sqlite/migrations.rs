//! Brings a database to the present schema, and refuses one from the future.

use rusqlite::{Connection, TransactionBehavior};

use super::OpenError;

/// Every step, in order; `user_version` counts those applied. A released step is never edited.
const STEPS: &[&str] = &[include_str!("migrations/0001_initial.sql"), include_str!("migrations/0002_nothing_lost.sql")];

/// Marks the file as ours (`umis` in ASCII), so that nobody else's database is migrated by mistake.
const APPLICATION_ID: i64 = 0x756D_6973;

/// Applies the steps that are missing, each in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let applied = version(connection)?;
    // A step may make a table anew that others refer to. The switch has no effect inside a transaction.
    connection.pragma_update(None, "foreign_keys", false)?;
    for (step, sql) in STEPS.iter().enumerate().skip(applied) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", i64::try_from(step + 1).unwrap_or(i64::MAX))?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(())
}

/// Says whether the database has the present schema. Changes nothing.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    match version(connection)? {
        applied if applied == STEPS.len() => Ok(()),
        applied => Err(OpenError::Older { found: applied, known: STEPS.len() }),
    }
}

/// How many steps were applied. An error: it is another program's, or of a later version.
pub(super) fn version(connection: &Connection) -> Result<usize, OpenError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(OpenError::Foreign);
    }
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found > STEPS.len() {
        return Err(OpenError::Newer { found, known: STEPS.len() });
    }
    Ok(found)
}
