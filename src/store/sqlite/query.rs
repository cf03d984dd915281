//! A list's statement, put together from the conditions that were asked for. Values are always bound.
//!
//! A condition that few rows fulfil wants the index that finds them, and then they are sorted; one that many fulfil wants
//! a walk along the list's own order, which soon has a page full. [`are_few`] tells which it is: nothing is counted
//! beyond [`FEW`], so that neither way is ever long.

use rusqlite::{Connection, Row, ToSql};

use super::{StoreError, rows};
use crate::store::Counted;

/// So many rows are found one by one and sorted in some milliseconds. If more of a list fulfil a condition, so many do
/// among any that follow each other that a walk finds a page of them as fast.
const FEW: u32 = 10_000;

/// A list's statement.
pub(super) struct Query {
    select: String,
    conditions: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Query {
    pub(super) fn new(select: String) -> Self {
        Self { select, conditions: Vec::new(), values: Vec::new() }
    }

    pub(super) fn and<V: ToSql + 'static, const N: usize>(&mut self, condition: &'static str, values: [V; N]) {
        self.conditions.push(condition);
        self.values.extend(values.map(|value| Box::new(value) as Box<dyn ToSql>));
    }

    /// A condition without a value of its own.
    pub(super) fn and_so(&mut self, condition: &'static str) {
        self.conditions.push(condition);
    }

    pub(super) fn newest_first<T>(
        self,
        connection: &Connection,
        limit: usize,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.ordered(connection, " ORDER BY id DESC LIMIT ?", limit, read)
    }

    /// Runs it with what stands behind its conditions, a limit at the end.
    pub(super) fn ordered<T>(
        mut self,
        connection: &Connection,
        order: &'static str,
        limit: usize,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        for (index, condition) in self.conditions.iter().enumerate() {
            self.select.push_str(if index == 0 { " WHERE " } else { " AND " });
            self.select.push_str(condition);
        }
        self.select.push_str(order);
        self.values.push(Box::new(i64::try_from(limit).unwrap_or(i64::MAX)));
        rows::collect(connection, &self.select, rusqlite::params_from_iter(&self.values), read)
    }

    /// How many rows there are. It was made to select 1.
    pub(super) fn counted(mut self, connection: &Connection) -> Result<Counted, StoreError> {
        self.select.insert_str(0, "SELECT count(*) FROM (");
        let most = usize::try_from(Counted::MOST + 1).unwrap_or(usize::MAX);
        let found = self.ordered(connection, " LIMIT ?)", most, |row| row.get::<_, u64>(0))?;
        let count = found.first().copied().unwrap_or(0);
        Ok(Counted { count: count.min(Counted::MOST), more: count > Counted::MOST })
    }
}

/// How many rows a statement finds that takes a limit as its last parameter.
pub(super) fn counted(
    connection: &Connection,
    sql: &'static str,
    values: &[&dyn ToSql],
) -> Result<Counted, StoreError> {
    let most = Counted::MOST + 1;
    let values = values.iter().copied().chain([&most as &dyn ToSql]);
    let count: u64 = connection.prepare_cached(sql)?.query_row(rusqlite::params_from_iter(values), |row| row.get(0))?;
    Ok(Counted { count: count.min(Counted::MOST), more: count > Counted::MOST })
}

/// Whether a statement that counts, and takes a limit as its last parameter, finds few rows.
pub(super) fn are_few(connection: &Connection, sql: &'static str, values: &[&dyn ToSql]) -> Result<bool, StoreError> {
    let most = FEW + 1;
    let values = values.iter().copied().chain([&most as &dyn ToSql]);
    let count: u32 = connection.prepare_cached(sql)?.query_row(rusqlite::params_from_iter(values), |row| row.get(0))?;
    Ok(count <= FEW)
}
