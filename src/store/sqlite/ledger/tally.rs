//! Adds facts up.

use std::ops::Range;
use std::time::Duration;

use super::days::{Facts, Kind, Topics};
use crate::store::{LedgerRow, Tally};

/// How many things are timed.
const TIMED: usize = 5;

/// What is added up of one value: the counts of each part, and every time that was taken.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    counts: Vec<Counts>,
    /// How long each delivered welcome took.
    welcomes: Times,
    /// How long it took until each of those who opened the chat from their welcome did.
    openings: Times,
    /// How long each delivered request took.
    deliveries: Times,
    /// How long each request waited until somebody looked after it.
    acknowledgements: Times,
    /// How long each waited for its answer.
    answers: Times,
}

impl Sum {
    pub(super) fn new(parts: usize) -> Self {
        let times = Times { all: Vec::new(), counts: vec![0; parts] };
        Self {
            counts: vec![Counts::default(); parts],
            welcomes: times.clone(),
            openings: times.clone(),
            deliveries: times.clone(),
            acknowledgements: times.clone(),
            answers: times,
        }
    }

    /// Registrations and requests.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().map(|counts| counts.registrations + counts.requests).sum()
    }

    fn times(&self) -> [&Times; TIMED] {
        [&self.welcomes, &self.openings, &self.deliveries, &self.acknowledgements, &self.answers]
    }
}

/// Adds those facts of a day that are in `range`, all of one part, to the sums at `places`; those that have no place there
/// are left out. The facts of a kind come in the order of time.
pub(super) fn add(sums: &mut [Sum], places: &[usize], part: usize, kind: Kind, facts: &Facts, range: Range<usize>) {
    let places = &places[range.clone()];
    let mut add_times = |after: &[u64], times: fn(&mut Sum) -> &mut Times| {
        for (place, after) in places.iter().zip(&after[range.clone()]) {
            if let (Some(after), Some(sum)) = (after.checked_sub(1), sums.get_mut(*place)) {
                times(sum).add(part, after);
            }
        }
    };
    match kind {
        Kind::Registrations => {
            add_times(&facts.delivered, |sum| &mut sum.welcomes);
            add_times(&facts.opened, |sum| &mut sum.openings);
            for (place, bounced) in places.iter().zip(&facts.bounced[range]) {
                if let Some(sum) = sums.get_mut(*place) {
                    sum.counts[part].registrations += 1;
                    sum.counts[part].bounced += bounced;
                }
            }
        }
        Kind::Requests => {
            add_times(&facts.delivered, |sum| &mut sum.deliveries);
            add_times(&facts.acknowledged, |sum| &mut sum.acknowledgements);
            add_times(&facts.answered, |sum| &mut sum.answers);
            for (place, topic) in places.iter().zip(&facts.topic[range]) {
                if let Some(sum) = sums.get_mut(*place) {
                    sum.counts[part].ask(usize::try_from(*topic).unwrap_or(0), 1);
                }
            }
        }
    }
}

/// What some values have together, as one row.
pub(super) fn row(sums: &[Sum], parts: usize, topics: &Topics) -> LedgerRow {
    let timed: [Vec<Took>; TIMED] = std::array::from_fn(|of| {
        let times: Vec<&Times> = sums.iter().map(|sum| sum.times()[of]).collect();
        took(&times, parts)
    });
    let mut whole = Counts::default();
    let mut told = Vec::with_capacity(parts);
    for part in 0..parts {
        let mut counts = Counts::default();
        for sum in sums {
            counts.add(&sum.counts[part]);
        }
        whole.add(&counts);
        told.push(counts.told(topics, timed.each_ref().map(|took| took[part])));
    }
    LedgerRow { parts: told, whole: whole.told(topics, timed.each_ref().map(|took| took[parts])) }
}

#[derive(Clone, Debug, Default)]
struct Counts {
    registrations: u64,
    bounced: u64,
    requests: u64,
    /// Requests by the number of their topic.
    topics: Vec<u64>,
}

impl Counts {
    fn ask(&mut self, topic: usize, requests: u64) {
        self.requests += requests;
        if self.topics.len() <= topic {
            self.topics.resize(topic + 1, 0);
        }
        self.topics[topic] += requests;
    }

    fn add(&mut self, other: &Self) {
        self.registrations += other.registrations;
        self.bounced += other.bounced;
        for (topic, requests) in other.topics.iter().enumerate() {
            self.ask(topic, *requests);
        }
    }

    fn told(&self, topics: &Topics, timed: [Took; TIMED]) -> Tally {
        let [welcomes, openings, deliveries, acknowledgements, answers] = timed;
        let by_topic = topics.names.iter().zip(&self.topics).filter(|(_, count)| **count > 0);
        Tally {
            registrations: self.registrations,
            welcomed: welcomes.count,
            bounced: self.bounced,
            opened: openings.count,
            requests: self.requests,
            delivered: deliveries.count,
            topics: by_topic.map(|(name, count)| (name.clone(), *count)).collect(),
            to_welcome: welcomes.median(),
            to_opening: openings.median(),
            to_delivery: deliveries.median(),
            acknowledged: acknowledgements.count,
            to_acknowledgement: acknowledgements.median(),
            answered: answers.count,
            to_answer: answers.median(),
        }
    }
}

/// How long one thing took each time, in milliseconds, one part after another.
#[derive(Clone, Debug)]
struct Times {
    all: Vec<u64>,
    /// How many of them each part has.
    counts: Vec<usize>,
}

impl Times {
    fn add(&mut self, part: usize, time: u64) {
        self.all.push(time);
        self.counts[part] += 1;
    }
}

/// How often something was done, and the median of how many milliseconds it took.
#[derive(Clone, Copy, Debug)]
struct Took {
    count: u64,
    median: Option<u64>,
}

impl Took {
    fn median(self) -> Option<Duration> {
        self.median.map(Duration::from_millis)
    }
}

/// What some times are together: of each part, and, behind them, of all parts.
fn took(times: &[&Times], parts: usize) -> Vec<Took> {
    let mut rest: Vec<&[u64]> = times.iter().map(|times| &times.all[..]).collect();
    let (mut took, mut some) = (Vec::with_capacity(parts + 1), Vec::new());
    for part in 0..parts {
        some.clear();
        for (times, rest) in times.iter().zip(&mut rest) {
            let (mine, later) = rest.split_at(times.counts[part]);
            some.extend_from_slice(mine);
            *rest = later;
        }
        let middle = some.len().checked_sub(1).map(|last| last / 2);
        took.push(Took { count: some.len() as u64, median: middle.map(|middle| nth(&mut some, middle)) });
    }
    let whole = took.iter().map(|part| part.count).sum();
    let medians = took.iter().filter_map(|part| part.median);
    let median = medians.clone().min().zip(medians.max()).map(|between| median(times, between, some));
    took.push(Took { count: whole, median });
    took
}

/// The median of all of these: the lower one of the two in the middle, so that it is a time that was really taken. It lies
/// between the least and the most of the medians of their parts, so that few have to be sorted.
fn median(times: &[&Times], (least, most): (u64, u64), mut between: Vec<u64>) -> u64 {
    if least == most {
        return least;
    }
    let (mut count, mut below, mut found) = (0, 0, 0);
    for Times { all, .. } in times {
        count += all.len();
        between.resize(found + all.len(), 0);
        for time in all {
            // Without a branch, which would be taken at random.
            between[found] = *time;
            found += usize::from((least..=most).contains(time));
            below += usize::from(*time < least);
        }
    }
    nth(&mut between[..found], (count - 1) / 2 - below)
}

fn nth(times: &mut [u64], index: usize) -> u64 {
    *times.select_nth_unstable(index).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plainly(mut times: Vec<u64>) -> (u64, Option<u64>) {
        times.sort_unstable();
        (times.len() as u64, times.len().checked_sub(1).map(|last| times[last / 2]))
    }

    proptest! {
        #[test]
        fn the_median_of_many_lists_is_that_of_all_their_times_sorted(
            rows in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(prop_oneof![0..9_u64, any::<u64>()], 0..9), 3), 0..6),
        ) {
            let times: Vec<Times> = rows
                .iter()
                .map(|parts| Times { all: parts.concat(), counts: parts.iter().map(Vec::len).collect() })
                .collect();
            let took = took(&times.iter().collect::<Vec<_>>(), 3);
            let told: Vec<_> = took.iter().map(|took| (took.count, took.median)).collect();
            let of = |part: usize| plainly(rows.iter().flat_map(|parts| parts[part].clone()).collect());
            let whole = plainly(rows.iter().flatten().flatten().copied().collect());
            prop_assert_eq!(told, [of(0), of(1), of(2), whole]);
        }
    }
}
