//! How often each caller may do something: a token bucket per address, for a fixed number of addresses, whoever invents
//! how many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::client::one_caller;
use crate::domain::{Bucket, Rate, Timestamp};

/// How many addresses each of the two generations holds; together less than a megabyte.
const GENERATION: usize = 8 * 1024;

/// A token bucket for each caller.
#[derive(Debug)]
pub(super) struct RateLimit {
    rate: Rate,
    buckets: Mutex<Buckets>,
}

/// When the young generation is full it becomes the old one, and what was old is forgotten: those addresses start anew
/// with a full bucket.
#[derive(Debug, Default)]
struct Buckets {
    young: HashMap<IpAddr, Bucket>,
    old: HashMap<IpAddr, Bucket>,
}

impl RateLimit {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes a token from this caller's bucket. An error: there is none, and how long until there will be.
    pub(super) fn take(&self, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let address = one_caller(address);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bucket = buckets.get(&address).unwrap_or(Bucket::full());
        bucket.available(self.rate, now)?;
        bucket.take(self.rate, 1, now);
        buckets.put(address, bucket);
        Ok(())
    }
}

impl Buckets {
    fn get(&self, address: &IpAddr) -> Option<Bucket> {
        self.young.get(address).or_else(|| self.old.get(address)).copied()
    }

    fn put(&mut self, address: IpAddr, bucket: Bucket) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&address) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(address, bucket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const EVA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_795_512_600_000 + millis)
    }

    fn ten_a_second(burst: u32) -> RateLimit {
        RateLimit::new(Rate { count: 10, per: Duration::from_secs(1), burst })
    }

    #[test]
    fn a_burst_passes_and_then_one_each_so_often() {
        let limit = ten_a_second(3);
        assert_eq!([0; 4].map(|_| limit.take(ANA, at(0)).is_ok()), [true, true, true, false]);
        assert_eq!(limit.take(ANA, at(40)), Err(Duration::from_millis(60)));
        assert_eq!([0; 2].map(|_| limit.take(ANA, at(100)).is_ok()), [true, false]);
        assert_eq!([0; 4].map(|_| limit.take(ANA, at(9000)).is_ok()), [true, true, true, false], "it is full again");
    }

    #[test]
    fn callers_do_not_take_from_each_other() {
        let limit = ten_a_second(1);
        assert_eq!([ANA, EVA, ANA, EVA].map(|who| limit.take(who, at(0)).is_ok()), [true, true, false, false]);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let limit = ten_a_second(1);
        limit.take(ANA, at(3_600_000)).unwrap();
        assert_eq!(limit.take(ANA, at(0)), Ok(()));
    }

    #[test]
    fn many_addresses_take_no_more_than_their_room_and_the_latest_are_remembered() {
        let limit = ten_a_second(1);
        for last in 0..3 * u32::try_from(GENERATION).unwrap() {
            limit.take(IpAddr::V4(last.into()), at(0)).unwrap();
        }
        limit.take(ANA, at(0)).unwrap();
        assert!(limit.take(ANA, at(0)).is_err());
        let buckets = limit.buckets.lock().unwrap();
        assert!(buckets.young.len() + buckets.old.len() <= 2 * GENERATION);
    }
}
