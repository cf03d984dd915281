//! When what happens to whom: a year with its growth, seasons, weekdays and hours.

use std::cmp::Ordering;

use fastrand::Rng;
use jiff::tz::TimeZone;

use super::chance::{self, pick, wait, weighted};
use super::people::{Person, person};
use super::talk::{QUESTIONS, questions};
use super::ways::{WAYS, WAYS_BACK};
use crate::domain::{RequestState, Timestamp};

/// How long the year is. The last day is the one that it is now.
pub(super) const DAYS: usize = 365;

/// In milliseconds.
pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// How many come in each month, January first: people buy masks in May.
const MONTHS: [f64; 12] = [0.75, 0.8, 0.95, 1.05, 1.25, 1.45, 1.4, 1.05, 0.9, 0.9, 1.1, 1.15];
/// How many on each day of the week, Monday first.
const WEEKDAYS: [f64; 7] = [1.1, 1.1, 1.05, 1.0, 0.95, 0.8, 0.85];
/// How many in each hour of UTC.
#[rustfmt::skip]
const HOURS: [f64; 24] = [
    0.8, 0.4, 0.2, 0.15, 0.15, 0.3, 0.9, 1.8, 2.8, 3.6, 4.1, 4.2, 3.6, 2.9, 2.9, 3.4, 4.0, 4.5, 4.8, 5.2, 5.4, 4.6, 3.0, 1.6,
];
/// The longest string of visits of one customer.
const MOST_VISITS: usize = 6;

/// What a customer came for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    Register,
    Ask,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A visit, the nth of this customer.
    Visit(Visit),
    /// Their nth visit, a question, came to this state.
    Change(RequestState),
    Unsubscribe,
}

/// What happens when to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) at: i64,
    pub(super) customer: u32,
    pub(super) nth: u8,
    pub(super) what: What,
}

/// An invented customer with all that they ever do.
pub(super) struct Customer {
    pub(super) person: Person,
    /// Whether their mail address does not exist.
    pub(super) bounces: bool,
    /// For each visit when it was, what for, and by which of [`WAYS`].
    pub(super) visits: Vec<(i64, Visit, usize)>,
    unsubscribes_at: Option<i64>,
}

/// The year.
pub(super) struct Calendar {
    seed: u64,
    customers: u32,
    /// When it begins: the first moment of a day of UTC.
    start: i64,
    /// The moment that it is now.
    until: i64,
    /// Up to the end of each day, how many have come, in parts of those of the year.
    share: Vec<f64>,
}

impl Calendar {
    pub(super) fn new(customers: u32, seed: u64, until: Timestamp) -> Self {
        let until = until.as_millis();
        let today = until.div_euclid(DAY);
        let first = today - i64::try_from(DAYS - 1).unwrap_or_default();
        let mut calendar = Self { seed, customers, start: first * DAY, until, share: Vec::with_capacity(DAYS) };
        let mut sum = 0.0;
        for day in 0..DAYS {
            sum += calendar.visitors(day);
            calendar.share.push(sum);
        }
        calendar.share.iter_mut().for_each(|share| *share /= sum);
        calendar
    }

    /// The first moment of a day of the year.
    fn start_of(&self, day: usize) -> i64 {
        self.start + i64::try_from(day).unwrap_or_default() * DAY
    }

    /// The first moment after a day of the year, and no later than now.
    pub(super) fn end_of(&self, day: usize) -> Timestamp {
        Timestamp::from_millis((self.start_of(day) + DAY - 1).min(self.until))
    }

    /// How many new customers come on a day, in no particular unit.
    fn visitors(&self, day: usize) -> f64 {
        let start =
            jiff::Timestamp::from_millisecond(self.start_of(day)).unwrap_or_default().to_zoned_datetime(TimeZone::UTC);
        let month = usize::try_from(start.month() - 1).unwrap_or_default();
        let weekday = usize::try_from(start.weekday().to_monday_zero_offset()).unwrap_or_default();
        let day_number = u64::try_from(day).unwrap_or_default();
        let weather = 0.85 + 0.3 * chance::of(self.seed, u64::MAX, day_number).f64();
        let ways: f64 = WAYS.iter().map(|way| way.weight_on(day)).sum();
        // Of today only what is over.
        let hours: f64 = HOURS.iter().sum();
        let (whole, part) = self.over(day);
        let over: f64 = HOURS.iter().take(whole).sum::<f64>() + HOURS.get(whole).map_or(0.0, |hour| hour * part);
        let growth = 0.6 + 0.9 * f64::from(u32::try_from(day).unwrap_or_default()) / 365.0;
        growth * MONTHS[month] * WEEKDAYS[weekday] * weather * ways * over / hours
    }

    /// How many whole hours of a day are over, and which part of the next one.
    fn over(&self, day: usize) -> (usize, f64) {
        let over = (self.until - self.start_of(day)).clamp(0, DAY);
        let part = f64::from(u32::try_from(over % HOUR).unwrap_or_default()) / 3_600_000.0;
        (usize::try_from(over / HOUR).unwrap_or_default(), part)
    }

    /// A moment of a day, no later than now.
    fn moment(&self, chance: &mut Rng, day: usize) -> i64 {
        let (whole, part) = self.over(day);
        let over = |hour: usize| match hour.cmp(&whole) {
            Ordering::Less => 1.0,
            Ordering::Equal => part,
            Ordering::Greater => 0.0,
        };
        let hour = weighted(chance, HOURS.iter().enumerate().map(|(hour, weight)| weight * over(hour)));
        let within = i64::try_from(hour).unwrap_or_default() * HOUR + chance.i64(0..HOUR);
        (self.start_of(day) + within).min(self.until)
    }

    /// The customer of this number. They are told one without the others, and always the same.
    pub(super) fn customer(&self, number: u32) -> Customer {
        let mut chance = chance::of(self.seed, u64::from(number), 0);
        let place = (f64::from(number) + chance.f64()) / f64::from(self.customers);
        let day = self.share.partition_point(|share| *share < place).min(DAYS - 1);
        let by = weighted(&mut chance, WAYS.iter().map(|way| way.weight_on(day)));
        let way = &WAYS[by];
        let person = person(&mut chance, number, way);
        let bounces = chance.f64() < way.bounces;
        let mut at = self.moment(&mut chance, day);
        let mut visits = Vec::new();
        // Over WhatsApp many ask before they are anything else.
        if chance.f64() < if way.channel == "whatsapp" { 0.5 } else { 0.97 } {
            visits.push((at, Visit::Register, by));
        }
        if visits.is_empty() || chance.f64() < way.asks {
            let asked_at = if visits.is_empty() { at } else { at + MINUTE / 2 + wait(&mut chance, 240_000) };
            visits.push((asked_at, Visit::Ask, by));
        }
        // Whoever asked once comes back more often.
        let returns = if visits.len() > 1 { 0.42 } else { 0.2 };
        while visits.len() < MOST_VISITS && !bounces && chance.f64() < returns {
            // On another day, so that what happens to one customer on one day has one order.
            at += 2 * DAY + wait(&mut chance, 1_200_000_000);
            let back = pick(&mut chance, WAYS_BACK).copied().unwrap_or(0);
            let by = if way.channel == "whatsapp" { by } else { back };
            visits.push((at, if chance.f64() < 0.6 { Visit::Ask } else { Visit::Register }, by));
        }
        visits.retain(|(at, ..)| *at <= self.until);
        let unsubscribes = !bounces && visits.first().is_some_and(|(_, what, _)| *what == Visit::Register);
        let unsubscribes_at = (unsubscribes && chance.f64() < 0.012).then(|| at + DAY + wait(&mut chance, 200_000_000));
        let unsubscribes_at = unsubscribes_at.filter(|at| *at <= self.until && person.contact.email.is_some());
        Customer { person, bounces, visits, unsubscribes_at }
    }

    /// Everything that happens, in order.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for number in 0..self.customers {
            let customer = self.customer(number);
            let unsubscribes = customer.unsubscribes_at.map(|at| (at, 0, What::Unsubscribe));
            let mut happens: Vec<(i64, u8, What)> = unsubscribes.into_iter().collect();
            for (nth, (at, visit, _)) in (0_u8..).zip(&customer.visits) {
                happens.push((*at, nth, What::Visit(*visit)));
                if *visit == Visit::Ask {
                    let mut chance = chance::of(self.seed, u64::from(number), 100 + u64::from(nth));
                    let changes = changes(&mut chance, *at).into_iter().filter(|(at, _)| *at <= self.until);
                    happens.extend(changes.map(|(at, state)| (at, nth, What::Change(state))));
                }
            }
            events.extend(happens.into_iter().map(|(at, nth, what)| Event { at, customer: number, nth, what }));
        }
        events.sort_by_key(|event| (event.at, event.customer, event.nth));
        events
    }

    /// The days of the year with what happens on each.
    pub(super) fn days<'a>(&self, events: &'a [Event]) -> Vec<&'a [Event]> {
        let mut rest = events;
        let day = |day| {
            let end = self.end_of(day).as_millis();
            let (these, later) = rest.split_at(rest.partition_point(|event| event.at <= end));
            rest = later;
            these
        };
        (0..DAYS).map(day).collect()
    }
}

/// What becomes of a question that was asked at that moment, and when. Some are answered at once, few are never.
fn changes(chance: &mut Rng, asked_at: i64) -> Vec<(i64, RequestState)> {
    let mut changes = Vec::new();
    if chance.f64() < 0.004 {
        return changes;
    }
    let mut at = asked_at + 4 * MINUTE + wait(chance, 50 * 60_000);
    if chance.f64() < 0.72 {
        changes.push((at, RequestState::Acknowledged));
        at += 2 * MINUTE;
    }
    at += wait(chance, 3 * 3_600_000);
    if chance.f64() < 0.97 {
        changes.push((at, RequestState::Answered));
    }
    if chance.f64() < 0.94 {
        changes.push((at + 4 * HOUR + wait(chance, 100_000_000), RequestState::Closed));
    }
    changes
}

/// What is asked on that visit: which of [`QUESTIONS`], and which of its texts.
pub(super) fn question(seed: u64, number: u32, nth: u8, language: &str) -> (usize, &'static str) {
    let mut chance = chance::of(seed, u64::from(number), 200 + u64::from(nth));
    let about = weighted(&mut chance, QUESTIONS.iter().map(|question| question.weight));
    (about, pick(&mut chance, questions(about, language)).copied().unwrap_or_default())
}
