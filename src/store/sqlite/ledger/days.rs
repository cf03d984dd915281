//! Facts: what is counted of one registration or request; and whole days of them, packed.
//!
//! Reading them from their tables costs a microsecond each. A day that is over hardly changes, so its facts are packed
//! into one value, from which they are read in some nanoseconds. Nothing depends on it: a day that is not packed is read
//! from the tables. Every write that changes a fact takes its day out, in the same transaction.

use std::collections::HashMap;
use std::ops::Range;

use rusqlite::{Connection, Row};

use super::{StoreError, packed};
use crate::domain::{Timestamp, Topic};

/// A day of UTC, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// How many facts are read from the tables before they are shown.
const AT_ONCE: usize = 10_000;

/// Registrations or requests, as far as they are counted, in the order of time: of each one number in every column. Of
/// what took time it is one more than the milliseconds from the registration or request on, and 0 if it did not happen.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// From when `at` counts, in milliseconds.
    pub(super) start: i64,
    pub(super) at: Vec<u64>,
    pub(super) first: Vec<u64>,
    pub(super) last: Vec<u64>,
    /// The number of its topic in [`Topics`]; 0 for a registration.
    pub(super) topic: Vec<u64>,
    /// 1 if the welcome was given up, and not delivered.
    pub(super) bounced: Vec<u64>,
    /// The welcome or the request was delivered.
    pub(super) delivered: Vec<u64>,
    /// Somebody looked after the request.
    pub(super) acknowledged: Vec<u64>,
    /// It was answered.
    pub(super) answered: Vec<u64>,
    /// Whoever registered opened the chat by the link in their welcome.
    pub(super) opened: Vec<u64>,
}

impl Facts {
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// How many are from before this moment, in milliseconds.
    pub(super) fn before(&self, moment: i64) -> usize {
        let after = u64::try_from(moment.saturating_sub(self.start)).unwrap_or(0);
        self.at.partition_point(|at| *at < after)
    }

    pub(super) fn columns(&mut self) -> [&mut Vec<u64>; 9] {
        [
            &mut self.at,
            &mut self.first,
            &mut self.last,
            &mut self.topic,
            &mut self.bounced,
            &mut self.delivered,
            &mut self.acknowledged,
            &mut self.answered,
            &mut self.opened,
        ]
    }

    /// Adds what a row of [`Kind::facts`] tells.
    fn add(&mut self, row: &Row<'_>, topics: &mut Topics) -> rusqlite::Result<()> {
        let at: i64 = row.get(0)?;
        // What a clock that was set back says took no time.
        let after = |column| -> rusqlite::Result<u64> {
            let moment: Option<i64> = row.get(column)?;
            Ok(moment.map_or(0, |moment| u64::try_from(moment.saturating_sub(at)).unwrap_or(0) + 1))
        };
        let topic = if row.get(5)? { 0 } else { topics.number_of_written(row.get_ref(6)?.as_str()?) };
        let delivered = after(3)?;
        self.at.push(u64::try_from(at - self.start).unwrap_or(0));
        self.first.push(row.get(1)?);
        self.last.push(row.get(2)?);
        self.topic.push(topic as u64);
        self.bounced.push(u64::from(delivered == 0 && row.get(4)?));
        self.delivered.push(delivered);
        self.acknowledged.push(after(7)?);
        self.answered.push(after(8)?);
        self.opened.push(after(9)?);
        Ok(())
    }
}

/// The keys of topics, numbered as they are met. Number 0 is the empty one.
#[derive(Debug)]
pub(super) struct Topics {
    pub(super) names: Vec<String>,
    numbers: HashMap<String, usize>,
    /// The numbers by what stands in the table, so that no topic is compared twice.
    written: HashMap<String, usize>,
}

impl Default for Topics {
    fn default() -> Self {
        Self { names: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]), written: HashMap::new() }
    }
}

impl Topics {
    pub(super) fn number(&mut self, key: &str) -> usize {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        self.names.push(key.to_owned());
        self.numbers.insert(key.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    fn number_of_written(&mut self, topic: &str) -> usize {
        if let Some(number) = self.written.get(topic) {
            return *number;
        }
        let number = self.number(Topic::new(topic).key().as_str());
        self.written.insert(topic.to_owned(), number);
        number
    }
}

/// What facts are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Kind {
    Registrations,
    Requests,
}

impl Kind {
    pub(in crate::store::sqlite) const ALL: [Self; 2] = [Self::Registrations, Self::Requests];

    fn facts(self) -> &'static str {
        match self {
            Self::Registrations => {
                "SELECT registered_at, first_origin, registered_origin, welcomed_at, bounced, 1, '', NULL, NULL, opened_at
                   FROM users WHERE registered_at >= ?1 AND registered_at < ?2 AND registered_origin IS NOT NULL
                  ORDER BY registered_at"
            }
            Self::Requests => {
                "SELECT created_at, first_origin, last_origin, delivered_at, 0, topic_unknown, topic, acknowledged_at, answered_at, NULL
                   FROM requests WHERE created_at >= ?1 AND created_at < ?2 AND first_origin IS NOT NULL
                  ORDER BY created_at"
            }
        }
    }

    fn next(self) -> &'static str {
        match self {
            Self::Registrations => "SELECT min(registered_at) FROM users WHERE registered_at >= ?1",
            Self::Requests => "SELECT min(created_at) FROM requests WHERE created_at >= ?1",
        }
    }

    fn packed(self) -> &'static str {
        match self {
            Self::Registrations => {
                "SELECT day, facts FROM registration_days WHERE day BETWEEN ?1 AND ?2 AND facts IS NOT NULL ORDER BY day"
            }
            Self::Requests => {
                "SELECT day, facts FROM request_days WHERE day BETWEEN ?1 AND ?2 AND facts IS NOT NULL ORDER BY day"
            }
        }
    }

    fn is_packed(self) -> &'static str {
        match self {
            Self::Registrations => {
                "SELECT EXISTS (SELECT 1 FROM registration_days WHERE day = ?1 AND facts IS NOT NULL)"
            }
            Self::Requests => "SELECT EXISTS (SELECT 1 FROM request_days WHERE day = ?1 AND facts IS NOT NULL)",
        }
    }

    fn forget(self) -> &'static str {
        match self {
            Self::Registrations => "DELETE FROM registration_days WHERE day = ?1",
            Self::Requests => "DELETE FROM request_days WHERE day = ?1",
        }
    }

    fn reserve(self) -> &'static str {
        match self {
            Self::Registrations => "INSERT OR IGNORE INTO registration_days (day) VALUES (?1)",
            Self::Requests => "INSERT OR IGNORE INTO request_days (day) VALUES (?1)",
        }
    }

    fn fill(self) -> &'static str {
        match self {
            Self::Registrations => "UPDATE registration_days SET facts = ?2 WHERE day = ?1 AND facts IS NULL",
            Self::Requests => "UPDATE request_days SET facts = ?2 WHERE day = ?1 AND facts IS NULL",
        }
    }
}

/// The day of that moment, counted from 1970.
pub(super) fn day(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY)
}

/// A fact of that moment changed: its day is not packed any more.
pub(super) fn changed(connection: &Connection, kind: Kind, at: Timestamp) -> Result<(), StoreError> {
    connection.prepare_cached(kind.forget())?.execute([day(at)])?;
    Ok(())
}

/// The first day before `now`'s that is not packed. Goes from day to day, which may take a while after many years.
pub(in crate::store::sqlite) fn first_unpacked(
    connection: &Connection,
    kind: Kind,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let today = day(now);
    let mut from = i64::MIN;
    loop {
        let next: Option<i64> = connection.prepare_cached(kind.next())?.query_row([from], |row| row.get(0))?;
        let Some(day) = next.map(|at| at.div_euclid(DAY)).filter(|day| *day < today) else { return Ok(None) };
        let is_packed: bool = connection.prepare_cached(kind.is_packed())?.query_row([day], |row| row.get(0))?;
        if !is_packed {
            return Ok(Some(day));
        }
        from = (day + 1) * DAY;
    }
}

/// Marks a day as being packed. Whatever changes it from now on takes the mark away.
pub(in crate::store::sqlite) fn reserve(connection: &Connection, kind: Kind, day: i64) -> Result<(), StoreError> {
    connection.prepare_cached(kind.reserve())?.execute([day])?;
    Ok(())
}

/// The facts of a day, packed.
pub(in crate::store::sqlite) fn pack(connection: &Connection, kind: Kind, day: i64) -> Result<Vec<u8>, StoreError> {
    let (mut topics, mut facts) = (Topics::default(), Facts { start: day * DAY, ..Facts::default() });
    read(connection, kind, (day * DAY, (day + 1) * DAY), |row| Ok(facts.add(row, &mut topics)?))?;
    Ok(packed::pack(&mut facts, &topics))
}

/// Keeps a packed day, unless it changed meanwhile.
pub(in crate::store::sqlite) fn fill(
    connection: &Connection,
    kind: Kind,
    day: i64,
    packed: &[u8],
) -> Result<(), StoreError> {
    connection.prepare_cached(kind.fill())?.execute((day, packed))?;
    Ok(())
}

/// Shows all facts from a moment up to another, in milliseconds, in the order of time: some at once, and which of them.
pub(super) fn each(
    connection: &Connection,
    kind: Kind,
    (from, to): (i64, i64),
    topics: &mut Topics,
    mut show: impl FnMut(&Facts, Range<usize>),
) -> Result<(), StoreError> {
    let (mut seen, mut facts) = (from, Facts::default());
    let mut statement = connection.prepare_cached(kind.packed())?;
    let mut days = statement.query((from.div_euclid(DAY), (to - 1).div_euclid(DAY)))?;
    while let Some(row) = days.next()? {
        let start = row.get::<_, i64>(0)? * DAY;
        unpacked(connection, kind, (seen, start), topics, &mut show)?;
        let day = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        facts.start = start;
        if packed::unpack(day, &mut facts, topics).is_some() {
            show(&facts, facts.before(from)..facts.before(to));
        } else {
            // It is only a copy.
            let day = Timestamp::from_millis(start);
            tracing::warn!(%day, "A packed day of the origin ledger is damaged; it is counted from the tables, which takes longer");
            unpacked(connection, kind, (start.max(from), to.min(start + DAY)), topics, &mut show)?;
        }
        seen = start + DAY;
    }
    unpacked(connection, kind, (seen, to), topics, &mut show)
}

/// The same from the tables.
fn unpacked(
    connection: &Connection,
    kind: Kind,
    (from, to): (i64, i64),
    topics: &mut Topics,
    show: &mut impl FnMut(&Facts, Range<usize>),
) -> Result<(), StoreError> {
    let mut facts = Facts { start: from, ..Facts::default() };
    read(connection, kind, (from, to), |row| {
        facts.add(row, topics)?;
        if facts.len() == AT_ONCE {
            show(&facts, 0..AT_ONCE);
            facts = Facts { start: from, ..Facts::default() };
        }
        Ok(())
    })?;
    show(&facts, 0..facts.len());
    Ok(())
}

/// Takes the rows of [`Kind::facts`].
fn read(
    connection: &Connection,
    kind: Kind,
    (from, to): (i64, i64),
    mut take: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if from >= to {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(kind.facts())?;
    let mut found = statement.query((from, to))?;
    while let Some(row) = found.next()? {
        take(row)?;
    }
    Ok(())
}
