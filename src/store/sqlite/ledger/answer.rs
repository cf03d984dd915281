//! Answers what was asked of the ledger.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::slice;

use rusqlite::Connection;

use super::days::{self, Facts, Kind, Topics};
use super::tally::{self, Sum};
use super::{StoreError, is_complete, origins};
use crate::domain::{CreditedTouch, OriginRules};
use crate::store::{Ledger, LedgerQuery};

/// How many sums one answer has at most, rows times parts.
const MOST_SUMS: usize = 100_000;

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
    let parts = query.timeline.starts.len();
    let limit = query.limit.clamp(1, (MOST_SUMS / parts).max(1));
    let mut topics = Topics::default();
    // Where there is room for all, one look is enough; else a first one tells which are worth a place of their own.
    let all = values.names.len();
    let kept: Vec<usize> = if all * parts <= MOST_SUMS {
        (0..all).collect()
    } else {
        rank(&snapshot, query, &values, &mut topics)?.into_iter().take(limit).collect()
    };
    // Those without a place of their own share the last one.
    let mut place_of = vec![kept.len(); all];
    for (place, value) in kept.iter().enumerate() {
        place_of[*value] = place;
    }
    values.by_origin.iter_mut().filter(|value| **value != LEFT_OUT).for_each(|value| *value = place_of[*value]);
    let mut sums = vec![Sum::new(parts); kept.len() + 1];
    let mut places = Vec::new();
    for kind in Kind::ALL {
        let mut part = 0;
        days::each(&snapshot, kind, period(query), &mut topics, |facts, mut range| {
            places.clear();
            places.extend(values.of(query, facts));
            while !range.is_empty() {
                let next = query.timeline.starts.get(part + 1);
                let end = next.map_or(range.end, |start| facts.before(start.as_millis()).min(range.end));
                tally::add(&mut sums, &places, part, kind, facts, range.start..end);
                part += usize::from(end < range.end);
                range.start = end;
            }
        })?;
    }
    let others = sums.pop().filter(|sum| sum.count() > 0);
    let names = kept.iter().map(|value| std::mem::take(&mut values.names[*value]));
    let mut rows: Vec<(String, Sum)> = names.zip(sums).filter(|(_, sum)| sum.count() > 0).collect();
    rows.sort_by_cached_key(|(name, sum)| (Reverse(sum.count()), name.clone()));
    let (mut names, mut sums): (Vec<String>, Vec<Sum>) = rows.into_iter().unzip();
    names.truncate(limit);
    sums.extend(others);
    let row = |sums| tally::row(sums, parts, &topics);
    let (shown, others) = sums.split_at(names.len());
    Ok(Ledger {
        rows: names.into_iter().zip(shown.iter().map(|sum| row(slice::from_ref(sum)))).collect(),
        others: (!others.is_empty()).then(|| row(others)),
        total: row(&sums),
        complete: is_complete(&snapshot)?,
    })
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
        days::each(connection, kind, period(query), topics, |facts, range| {
            for value in values.of(query, facts).skip(range.start).take(range.len()) {
                if let Some(count) = counts.get_mut(value) {
                    *count += 1;
                }
            }
        })?;
    }
    let mut ranked: Vec<usize> = (0..counts.len()).filter(|value| counts[*value] > 0).collect();
    ranked.sort_by(|a, b| counts[*b].cmp(&counts[*a]).then_with(|| values.names[*a].cmp(&values.names[*b])));
    Ok(ranked)
}

/// What each origin is counted as.
struct Values {
    names: Vec<String>,
    /// By the id of the origin: the number of its name, or [`LEFT_OUT`].
    by_origin: Vec<usize>,
}

impl Values {
    fn read(connection: &Connection, query: &LedgerQuery, rules: &OriginRules) -> Result<Self, StoreError> {
        let (mut names, mut numbers, mut by_origin) = (Vec::new(), HashMap::new(), Vec::new());
        origins::each(connection, rules, |id, told| {
            let id = usize::try_from(id).unwrap_or(0);
            if by_origin.len() <= id {
                by_origin.resize(id + 1, LEFT_OUT);
            }
            if told.holds(&query.only)? {
                let name = told.value(query.by)?;
                by_origin[id] = if let Some(number) = numbers.get(name) {
                    *number
                } else {
                    names.push(name.to_owned());
                    numbers.insert(name.to_owned(), names.len() - 1);
                    names.len() - 1
                };
            }
            Ok(())
        })?;
        Ok(Self { names, by_origin })
    }

    /// The number of the value that each fact counts for.
    fn of(&self, query: &LedgerQuery, facts: &Facts) -> impl Iterator<Item = usize> {
        let origins = match query.touch {
            CreditedTouch::First => &facts.first,
            CreditedTouch::Last => &facts.last,
        };
        let value = |id: usize| self.by_origin.get(id).copied();
        origins.iter().map(move |origin| usize::try_from(*origin).ok().and_then(value).unwrap_or(LEFT_OUT))
    }
}
