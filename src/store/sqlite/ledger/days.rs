//! Facts: what is counted of one registration or request; and whole days of them, packed.
//!
//! Reading them from their tables costs a microsecond each. A day that is over hardly changes, so its facts are packed
//! into one value, from which they are read in some nanoseconds. Nothing depends on it: a day that is not packed is read
//! from the tables. Every write that changes a fact takes its day out, in the same transaction.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use super::StoreError;
use crate::domain::{Timestamp, Topic};

/// A day of UTC, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// What became of a welcome or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Bounced,
    /// After so many milliseconds.
    Delivered(u64),
}

/// A registration or a request, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    /// When it was, in milliseconds.
    pub(super) at: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    /// The number of its topic in [`Topics`]; 0 for a registration.
    pub(super) topic: usize,
    pub(super) fate: Fate,
    /// After how many milliseconds somebody looked after the request; `None`: nobody has yet, or it is a registration.
    pub(super) acknowledged: Option<u64>,
    /// After how many milliseconds it was answered, likewise.
    pub(super) answered: Option<u64>,
    /// After how many milliseconds whoever registered opened the chat by the link in their welcome; `None`: they have not,
    /// or it is a request.
    pub(super) opened: Option<u64>,
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
    fn number(&mut self, key: &str) -> usize {
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

/// A fact of that moment changed: its day is not packed any more.
pub(super) fn changed(connection: &Connection, kind: Kind, at: Timestamp) -> Result<(), StoreError> {
    connection.prepare_cached(kind.forget())?.execute([at.as_millis().div_euclid(DAY)])?;
    Ok(())
}

/// The first day before `now`'s that is not packed. Goes from day to day, which may take a while after many years.
pub(in crate::store::sqlite) fn first_unpacked(
    connection: &Connection,
    kind: Kind,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let today = now.as_millis().div_euclid(DAY);
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
    let (mut topics, mut packed, mut last) = (Topics::default(), Vec::new(), day * DAY);
    unpacked(connection, kind, (day * DAY, (day + 1) * DAY), &mut topics, &mut |fact| {
        put(&mut packed, fact.at - last);
        put(&mut packed, fact.first);
        put(&mut packed, fact.last);
        put(&mut packed, fact.topic);
        put(
            &mut packed,
            match fact.fate {
                Fate::Open => 0_u64,
                Fate::Bounced => 1,
                Fate::Delivered(after) => after.saturating_add(2),
            },
        );
        let mut put_wait = |after: Option<u64>| put(&mut packed, after.map_or(0, |after| after.saturating_add(1)));
        match kind {
            Kind::Registrations => put_wait(fact.opened),
            Kind::Requests => [fact.acknowledged, fact.answered].into_iter().for_each(put_wait),
        }
        last = fact.at;
    })?;
    let mut whole = Vec::with_capacity(packed.len() + 64);
    put(&mut whole, topics.names.len());
    for name in &topics.names {
        put(&mut whole, name.len());
        whole.extend_from_slice(name.as_bytes());
    }
    whole.append(&mut packed);
    Ok(whole)
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

/// Shows every fact from a moment up to another, in milliseconds.
pub(super) fn each(
    connection: &Connection,
    kind: Kind,
    (from, to): (i64, i64),
    topics: &mut Topics,
    mut show: impl FnMut(Fact),
) -> Result<(), StoreError> {
    let mut seen = from;
    let mut statement = connection.prepare_cached(kind.packed())?;
    let mut packed = statement.query((from.div_euclid(DAY), (to - 1).div_euclid(DAY)))?;
    while let Some(row) = packed.next()? {
        let start = row.get::<_, i64>(0)? * DAY;
        unpacked(connection, kind, (seen, start), topics, &mut show)?;
        let day = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let shown = unpack(day, kind, start, topics, |fact| {
            if (from..to).contains(&fact.at) {
                show(fact);
            }
        });
        shown.ok_or_else(|| StoreError::unavailable(&format_args!("day {start} of the ledger is damaged")))?;
        seen = start + DAY;
    }
    unpacked(connection, kind, (seen, to), topics, &mut show)
}

fn unpacked(
    connection: &Connection,
    kind: Kind,
    (from, to): (i64, i64),
    topics: &mut Topics,
    show: &mut impl FnMut(Fact),
) -> Result<(), StoreError> {
    if from >= to {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(kind.facts())?;
    let mut found = statement.query((from, to))?;
    while let Some(row) = found.next()? {
        show(fact(row, topics)?);
    }
    Ok(())
}

fn fact(row: &Row<'_>, topics: &mut Topics) -> rusqlite::Result<Fact> {
    let at = row.get(0)?;
    // What a clock that was set back says took no time.
    let after = |moment: i64| u64::try_from(moment.saturating_sub(at)).unwrap_or(0);
    let fate = match row.get::<_, Option<i64>>(3)? {
        Some(delivered) => Fate::Delivered(after(delivered)),
        None if row.get(4)? => Fate::Bounced,
        None => Fate::Open,
    };
    let topic = if row.get(5)? { 0 } else { topics.number_of_written(row.get_ref(6)?.as_str()?) };
    let waits = [row.get::<_, Option<i64>>(7)?, row.get(8)?, row.get(9)?];
    let [acknowledged, answered, opened] = waits.map(|moment| moment.map(after));
    Ok(Fact { at, first: row.get(1)?, last: row.get(2)?, topic, fate, acknowledged, answered, opened })
}

/// Shows a day's facts; `None` when they cannot be read.
fn unpack(mut packed: &[u8], kind: Kind, start: i64, topics: &mut Topics, mut show: impl FnMut(Fact)) -> Option<()> {
    let mut numbers = Vec::new();
    for _ in 0..take(&mut packed)? {
        let length = usize::try_from(take(&mut packed)?).ok()?;
        let (name, rest) = packed.split_at_checked(length)?;
        numbers.push(topics.number(std::str::from_utf8(name).ok()?));
        packed = rest;
    }
    let mut at = start;
    while !packed.is_empty() {
        at = at.checked_add(take(&mut packed)?)?;
        let (first, last) = (take(&mut packed)?, take(&mut packed)?);
        let topic = *numbers.get(usize::try_from(take(&mut packed)?).ok()?)?;
        let fate = match take(&mut packed)? {
            0 => Fate::Open,
            1 => Fate::Bounced,
            after => Fate::Delivered(u64::try_from(after - 2).ok()?),
        };
        let mut take_wait = || take(&mut packed).map(|after| u64::try_from(after - 1).ok());
        let (acknowledged, answered, opened) = match kind {
            Kind::Registrations => (None, None, take_wait()?),
            Kind::Requests => (take_wait()?, take_wait()?, None),
        };
        show(Fact { at, first, last, topic, fate, acknowledged, answered, opened });
    }
    Some(())
}

/// Appends a number that is not negative, seven bits a byte, the lowest first (LEB128).
fn put<N>(packed: &mut Vec<u8>, number: N)
where
    u64: TryFrom<N>,
{
    let mut rest = u64::try_from(number).unwrap_or(0);
    while rest >= 0x80 {
        packed.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    packed.push(rest.to_le_bytes()[0]);
}

/// Takes such a number off the front.
fn take(packed: &mut &[u8]) -> Option<i64> {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return i64::try_from(number).ok();
        }
        shift += 7;
        if shift > 56 {
            return None;
        }
    }
}
