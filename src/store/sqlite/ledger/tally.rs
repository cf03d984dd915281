//! Adds facts up.

use std::time::Duration;

use super::days::{Fact, Fate, Kind, Topics};
use crate::store::{LedgerRow, Tally};

/// What is added up before it is told: counts, and every time that was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    registrations: u64,
    bounced: u64,
    requests: u64,
    /// How long each delivered welcome took, in milliseconds.
    welcomes: Vec<u64>,
    /// How long it took until each of those who opened the chat from their welcome did.
    openings: Vec<u64>,
    /// How long each delivered request took.
    deliveries: Vec<u64>,
    /// How long each request waited until somebody looked after it.
    acknowledgements: Vec<u64>,
    /// How long each waited for its answer.
    answers: Vec<u64>,
    /// Requests by the number of their topic.
    topics: Vec<u64>,
}

impl Sum {
    pub(super) fn add(&mut self, kind: Kind, fact: &Fact) {
        match kind {
            Kind::Registrations => {
                self.registrations += 1;
                match fact.fate {
                    Fate::Delivered(after) => self.welcomes.push(after),
                    Fate::Bounced => self.bounced += 1,
                    Fate::Open => {}
                }
                self.openings.extend(fact.opened);
            }
            Kind::Requests => {
                self.requests += 1;
                if self.topics.len() <= fact.topic {
                    self.topics.resize(fact.topic + 1, 0);
                }
                self.topics[fact.topic] += 1;
                if let Fate::Delivered(after) = fact.fate {
                    self.deliveries.push(after);
                }
                self.acknowledgements.extend(fact.acknowledged);
                self.answers.extend(fact.answered);
            }
        }
    }

    /// Registrations and requests.
    pub(super) fn count(&self) -> u64 {
        self.registrations + self.requests
    }

    fn take_in(&mut self, other: &Self) {
        self.registrations += other.registrations;
        self.bounced += other.bounced;
        self.requests += other.requests;
        self.welcomes.extend_from_slice(&other.welcomes);
        self.openings.extend_from_slice(&other.openings);
        self.deliveries.extend_from_slice(&other.deliveries);
        self.acknowledgements.extend_from_slice(&other.acknowledgements);
        self.answers.extend_from_slice(&other.answers);
        if self.topics.len() < other.topics.len() {
            self.topics.resize(other.topics.len(), 0);
        }
        for (mine, theirs) in self.topics.iter_mut().zip(&other.topics) {
            *mine += theirs;
        }
    }

    fn told(mut self, topics: &Topics) -> Tally {
        let by_topic = topics.names.iter().zip(&self.topics).filter(|(_, count)| **count > 0);
        Tally {
            registrations: self.registrations,
            welcomed: self.welcomes.len() as u64,
            bounced: self.bounced,
            opened: self.openings.len() as u64,
            requests: self.requests,
            delivered: self.deliveries.len() as u64,
            topics: by_topic.map(|(name, count)| (name.clone(), *count)).collect(),
            to_welcome: median(&mut self.welcomes),
            to_opening: median(&mut self.openings),
            to_delivery: median(&mut self.deliveries),
            acknowledged: self.acknowledgements.len() as u64,
            to_acknowledgement: median(&mut self.acknowledgements),
            answered: self.answers.len() as u64,
            to_answer: median(&mut self.answers),
        }
    }
}

/// The lower one of the two in the middle, so that it is a time that was really taken.
fn median(times: &mut [u64]) -> Option<Duration> {
    let middle = times.len().checked_sub(1)? / 2;
    Some(Duration::from_millis(*times.select_nth_unstable(middle).1))
}

/// Adds the sums of some parts to those of others, part by part.
pub(super) fn add(parts: &mut [Sum], others: &[Sum]) {
    for (part, other) in parts.iter_mut().zip(others) {
        part.take_in(other);
    }
}

/// The sums of all parts as one row.
pub(super) fn row(mut parts: Vec<Sum>, topics: &Topics) -> LedgerRow {
    if parts.len() == 1 {
        let whole = parts.remove(0).told(topics);
        return LedgerRow { parts: vec![whole.clone()], whole };
    }
    let mut whole = Sum::default();
    for part in &parts {
        whole.take_in(part);
    }
    LedgerRow { whole: whole.told(topics), parts: parts.into_iter().map(|part| part.told(topics)).collect() }
}
