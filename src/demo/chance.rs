//! Chance that falls the same way every time.

use fastrand::Rng;

/// A chance of its own for whatever these three numbers name, so that each can be told without the others.
pub(super) fn of(seed: u64, number: u64, nth: u64) -> Rng {
    // Odd factors with their bits well spread keep neighbours apart (Steele, Lea and Flood, "SplitMix").
    let mixed = seed
        ^ number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ nth.wrapping_add(1).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    Rng::with_seed(mixed)
}

/// One of these; `None`: there are none.
pub(super) fn pick<'a, T>(chance: &mut Rng, of: &'a [T]) -> Option<&'a T> {
    if of.is_empty() { None } else { of.get(chance.usize(..of.len())) }
}

/// The place of one of these weights, the heavier the likelier.
pub(super) fn weighted(chance: &mut Rng, weights: impl Iterator<Item = f64> + Clone) -> usize {
    let mut left = chance.f64() * weights.clone().sum::<f64>();
    let mut last = 0;
    for (place, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
        last = place;
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// A wait whose half lies below `median`, in milliseconds, with a long tail.
pub(super) fn wait(chance: &mut Rng, median: u32) -> i64 {
    // The logarithm of a uniform number is exponential; half of it lies below ln 2.
    let waited = -(1.0 - chance.f64()).ln() / std::f64::consts::LN_2 * f64::from(median);
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds; a cast stops at the ends")]
    let millis = waited as i64;
    millis + 1
}
