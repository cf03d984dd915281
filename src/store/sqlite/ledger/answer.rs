//! Answers what was asked of the ledger.

use std::collections::HashMap;

use rusqlite::Connection;

use super::days::{self, Kind, Topics};
use super::tally::{self, Sum};
use super::{StoreError, is_complete, origins};
use crate::domain::{CreditedTouch, OriginRules, Timestamp};
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
    let mut places = vec![kept.len(); all];
    for (place, value) in kept.iter().enumerate() {
        places[*value] = place;
    }
    let mut sums = vec![vec![Sum::default(); parts]; kept.len() + 1];
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
    let mut others = sums.pop().unwrap_or_default();
    let names = kept.iter().map(|value| std::mem::take(&mut values.names[*value]));
    let mut rows: Vec<(String, Vec<Sum>)> = names.zip(sums).filter(|(_, sums)| count(sums) > 0).collect();
    rows.sort_by(|(a, mine), (b, theirs)| count(theirs).cmp(&count(mine)).then_with(|| a.cmp(b)));
    for (_, sums) in rows.split_off(rows.len().min(limit)) {
        tally::add(&mut others, &sums);
    }
    let mut total = others.clone();
    let mut told = Vec::with_capacity(rows.len());
    for (name, sums) in rows {
        tally::add(&mut total, &sums);
        told.push((name, tally::row(sums, &topics)));
    }
    let others = (count(&others) > 0).then(|| tally::row(others, &topics));
    Ok(Ledger { rows: told, others, total: tally::row(total, &topics), complete: is_complete(&snapshot)? })
}

/// Registrations and requests.
fn count(sums: &[Sum]) -> u64 {
    sums.iter().map(Sum::count).sum()
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

    /// The number of the value that a fact counts for.
    fn of(&self, query: &LedgerQuery, fact: &days::Fact) -> usize {
        let origin = match query.touch {
            CreditedTouch::First => fact.first,
            CreditedTouch::Last => fact.last,
        };
        usize::try_from(origin).ok().and_then(|id| self.by_origin.get(id).copied()).unwrap_or(LEFT_OUT)
    }
}
