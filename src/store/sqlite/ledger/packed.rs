//! The facts of a day in one value: the names of their topics, then column after column of their numbers. A column is as
//! wide as its largest number needs, so that each number is read without a look at those before it.

use super::days::{Facts, Topics};

/// Each number is read with eight bytes, even the last one of a column that is no byte wide.
const PADDING: [u8; 8] = [0; 8];

/// Packs the facts of a day.
pub(super) fn pack(facts: &mut Facts, topics: &Topics) -> Vec<u8> {
    let mut packed = Vec::new();
    put(&mut packed, topics.names.len());
    for name in &topics.names {
        put(&mut packed, name.len());
        packed.extend_from_slice(name.as_bytes());
    }
    put(&mut packed, facts.len());
    for column in facts.columns() {
        let largest = column.iter().max().copied().unwrap_or(0);
        let width = 8 - largest.leading_zeros() as usize / 8;
        put(&mut packed, width);
        for number in column {
            packed.extend_from_slice(&number.to_le_bytes()[..width]);
        }
    }
    packed.extend(PADDING);
    packed
}

/// Puts what [`pack`] packed in the place of `facts`; `None` when it cannot be read.
pub(super) fn unpack(mut packed: &[u8], facts: &mut Facts, topics: &mut Topics) -> Option<()> {
    let mut known = Vec::new();
    for _ in 0..take(&mut packed)? {
        let length = take(&mut packed)?;
        let (name, rest) = packed.split_at_checked(length)?;
        known.push(topics.number(std::str::from_utf8(name).ok()?) as u64);
        packed = rest;
    }
    // A fact has one byte at least, since origins are counted from one.
    let count = take(&mut packed).filter(|count| *count <= packed.len())?;
    for column in facts.columns() {
        let width = take(&mut packed).filter(|width| *width <= 8)?;
        let numbers = packed;
        packed = numbers.get(width * count..).filter(|rest| rest.len() >= PADDING.len())?;
        let mask = u64::MAX.checked_shr(64 - 8 * u32::try_from(width).ok()?).unwrap_or(0);
        let number = |index| {
            numbers.get(index * width..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        column.clear();
        column.extend((0..count).map(|index| number(index) & mask));
    }
    for topic in &mut facts.topic {
        *topic = *known.get(usize::try_from(*topic).ok()?)?;
    }
    (packed == PADDING).then_some(())
}

fn put(packed: &mut Vec<u8>, number: usize) {
    packed.extend_from_slice(&(number as u64).to_le_bytes());
}

/// Takes such a number off the front.
fn take(packed: &mut &[u8]) -> Option<usize> {
    let (number, rest) = packed.split_first_chunk()?;
    *packed = rest;
    usize::try_from(u64::from_le_bytes(*number)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> (Facts, Topics) {
        let mut topics = Topics::default();
        let sales = topics.number("sales") as u64;
        // Columns of no byte, of one and of more; the last one has the greatest number there is.
        let facts = Facts {
            start: 0,
            at: vec![0, 1, 86_399_999],
            first: vec![1, 300, 70_000],
            last: vec![1, 1, 2],
            topic: vec![0, sales, sales],
            bounced: vec![0; 3],
            delivered: vec![0, 1, 256],
            acknowledged: vec![0; 3],
            answered: vec![0; 3],
            opened: vec![0, 1, u64::MAX],
        };
        (facts, topics)
    }

    #[test]
    fn what_was_packed_comes_back_by_the_numbers_that_topics_have_now() {
        let (mut facts, topics) = day();
        let packed = pack(&mut facts, &topics);
        let (mut found, mut topics) = (Facts::default(), Topics::default());
        topics.number("pricing");
        unpack(&packed, &mut found, &mut topics).unwrap();
        facts.topic = vec![0, 2, 2];
        assert_eq!(found.columns(), facts.columns());
        assert_eq!(topics.names, ["", "pricing", "sales"]);
    }

    #[test]
    fn a_damaged_day_is_told_and_never_half_read() {
        let (mut facts, topics) = day();
        let packed = pack(&mut facts, &topics);
        for length in 0..packed.len() {
            assert_eq!(unpack(&packed[..length], &mut Facts::default(), &mut Topics::default()), None, "{length}");
        }
        for index in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[index] = 0xFF;
            // Whatever comes of it, it ends.
            let _ = unpack(&damaged, &mut Facts::default(), &mut Topics::default());
        }
    }
}
