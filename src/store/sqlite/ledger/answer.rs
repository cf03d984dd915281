//! Answers what was asked of the ledger.

use std::collections::HashMap;

use rusqlite::Connection;

use super::days::{self, Kind, Topics};
use super::tally::{self, Sum};
use super::{StoreError, rows};
use crate::domain::{Clues, Dimension, OriginRules, Pattern, Timestamp};
use crate::store::{CreditedTouch, Ledger, LedgerQuery};

/// How many sums one answer has at most, rows times parts.
const MOST_SUMS: usize = 50_000;

/// An origin that is not asked for.
const LEFT_OUT: usize = usize::MAX;

pub(in crate::store::sqlite) fn answer(
    connection: &Connection,
    query: &LedgerQuery,
    rules: &OriginRules,
) -> Result<Ledger, StoreError> {
    // One state of everything, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let mut values = Values::read(&snapshot, query, rules)?;
    let limit = query.limit.clamp(1, (MOST_SUMS / query.timeline.starts.len()).max(1));
    let mut topics = Topics::default();
    let ranked = rank(&snapshot, query, &values, &mut topics)?;
    let kept = ranked.len().min(limit);
    // Those beyond the limit share the last place.
    let mut places = vec![kept; values.names.len()];
    for (place, value) in ranked.iter().take(kept).enumerate() {
        places[*value] = place;
    }
    let parts = query.timeline.starts.len();
    let mut sums = vec![vec![Sum::default(); parts]; kept + usize::from(ranked.len() > kept)];
    for kind in Kind::ALL {
        days::each(&snapshot, kind, period(query), &mut topics, |fact| {
            let value = values.of(query, &fact);
            if value != LEFT_OUT
                && let Some(part) = query.timeline.part(Timestamp::from_millis(fact.at))
            {
                sums[places[value]][part].add(kind, &fact);
            }
        })?;
    }
    let mut total = vec![Sum::default(); parts];
    let others = (sums.len() > kept).then(|| sums.pop()).flatten();
    let mut named = Vec::with_capacity(kept);
    for (value, sums) in ranked.iter().zip(sums) {
        named.push((std::mem::take(&mut values.names[*value]), tally::row(sums, &mut total, &topics)));
    }
    let others = others.map(|sums| tally::row(sums, &mut total, &topics));
    Ok(Ledger { rows: named, others, total: tally::whole(total, &topics), complete: is_complete(&snapshot)? })
}

fn period(query: &LedgerQuery) -> (i64, i64) {
    (query.timeline.from.as_millis(), query.timeline.to.as_millis())
}

/// The values that have anything in the period, those with most registrations and requests first.
fn rank(
    connection: &Connection,
    query: &LedgerQuery,
    values: &Values,
    topics: &mut Topics,
) -> Result<Vec<usize>, StoreError> {
    let mut counts = vec![0_u64; values.names.len()];
    for kind in Kind::ALL {
        days::each(connection, kind, period(query), topics, |fact| {
            if let Some(count) = counts.get_mut(values.of(query, &fact)) {
                *count += 1;
            }
        })?;
    }
    let mut ranked: Vec<usize> = (0..counts.len()).filter(|value| counts[*value] > 0).collect();
    ranked.sort_by(|a, b| counts[*b].cmp(&counts[*a]).then_with(|| values.names[*a].cmp(&values.names[*b])));
    Ok(ranked)
}

/// Whether nothing is left that is from before the ledger.
fn is_complete(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM users WHERE first_origin IS NULL)
                  AND NOT EXISTS (SELECT 1 FROM requests WHERE first_origin IS NULL)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// What each origin is counted as.
struct Values {
    names: Vec<String>,
    /// By the id of the origin: the number of its name, or [`LEFT_OUT`].
    by_origin: Vec<usize>,
}

impl Values {
    /// By the columns where these rules made them, else by what the rules make of the clues now.
    fn read(connection: &Connection, query: &LedgerQuery, rules: &OriginRules) -> Result<Self, StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT id, rules, clues, source, medium, campaign, referrer, channel, country, landing_page FROM origins",
        )?;
        let mut found = statement.query([])?;
        let (mut names, mut numbers, mut by_origin) = (Vec::new(), HashMap::new(), Vec::new());
        while let Some(row) = found.next()? {
            let told = if row.get::<_, i64>(1)? == rules.version() {
                None
            } else {
                Some(rules.attribute(&rows::json::<Clues>(row, 2)?))
            };
            let value = |dimension: Dimension| match &told {
                Some(told) => Ok(told.value(dimension)),
                None => row.get_ref(3 + dimension as usize)?.as_str().map_err(rusqlite::Error::from),
            };
            let mut is_asked = true;
            for (dimension, pattern) in &query.only {
                is_asked = is_asked && holds(pattern.as_ref(), value(*dimension)?);
            }
            let id = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
            if by_origin.len() <= id {
                by_origin.resize(id + 1, LEFT_OUT);
            }
            if is_asked {
                let name = value(query.by)?;
                by_origin[id] = if let Some(number) = numbers.get(name) {
                    *number
                } else {
                    names.push(name.to_owned());
                    numbers.insert(name.to_owned(), names.len() - 1);
                    names.len() - 1
                };
            }
        }
        Ok(Self { names, by_origin })
    }

    /// The number of the value that a fact counts for.
    fn of(&self, query: &LedgerQuery, fact: &days::Fact) -> usize {
        let origin = match query.touch {
            CreditedTouch::First => fact.first,
            CreditedTouch::Last => fact.last,
        };
        usize::try_from(origin).ok().and_then(|id| self.by_origin.get(id).copied()).unwrap_or(LEFT_OUT)
    }
}

fn holds(pattern: Option<&Pattern>, value: &str) -> bool {
    pattern.map_or(value.is_empty(), |pattern| pattern.matches(value))
}
