//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::client::one_caller;
use crate::metrics::ConnectionMetrics;

/// The slots that connections take.
#[derive(Debug)]
pub(super) struct Slots {
    in_all: usize,
    per_address: usize,
    taken: Mutex<Taken>,
    metrics: Arc<ConnectionMetrics>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    /// Holds no address without a connection, so it is bounded by their number.
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection gets no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There are as many as there may be.
    InAll,
    /// There are as many from this address as there may be.
    FromAddress,
}

/// A connection's slot. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    address: Option<IpAddr>,
}

impl Slots {
    pub(super) fn new(in_all: usize, per_address: usize, metrics: Arc<ConnectionMetrics>) -> Arc<Self> {
        Arc::new(Self { in_all, per_address, taken: Mutex::default(), metrics })
    }

    /// A slot for a connection from `address`; `None` stands for a proxy, behind which there are many callers.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Slot, Full> {
        let address = address.map(one_caller);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.in_all >= self.in_all {
            self.metrics.refused.count();
            return Err(Full::InAll);
        }
        if let Some(address) = address {
            let from_address = taken.by_address.get(&address).copied().unwrap_or(0);
            if from_address >= self.per_address {
                self.metrics.refused.count();
                return Err(Full::FromAddress);
            }
            taken.by_address.insert(address, from_address + 1);
        }
        taken.in_all += 1;
        self.metrics.opened.count();
        Ok(Slot { slots: Arc::clone(self), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all -= 1;
        self.slots.metrics.closed.count();
        if let Some(address) = self.address
            && let Some(from_address) = taken.by_address.get_mut(&address)
        {
            *from_address -= 1;
            if *from_address == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(slots: &Arc<Slots>, address: &str) -> Result<Slot, Full> {
        slots.take(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let slots = Slots::new(3, 2, Arc::default());
        let first = take(&slots, "192.0.2.1").unwrap();
        let _second = take(&slots, "192.0.2.1").unwrap();
        assert_eq!(take(&slots, "192.0.2.1").unwrap_err(), Full::FromAddress);
        let _other = take(&slots, "192.0.2.2").unwrap();
        assert_eq!(take(&slots, "192.0.2.3").unwrap_err(), Full::InAll);
        drop(first);
        let _third = take(&slots, "192.0.2.1").unwrap();
    }

    #[test]
    fn one_household_of_ipv6_is_one_address_and_a_proxy_is_many() {
        let slots = Slots::new(9, 1, Arc::default());
        let _one = take(&slots, "2001:db8::1").unwrap();
        assert_eq!(take(&slots, "2001:db8::2").unwrap_err(), Full::FromAddress);
        let _neighbour = take(&slots, "2001:db8:0:1::1").unwrap();
        let _proxies = (slots.take(None).unwrap(), slots.take(None).unwrap());
    }

    #[test]
    fn no_address_is_remembered_once_its_connections_are_gone() {
        let slots = Slots::new(9, 9, Arc::default());
        drop((take(&slots, "192.0.2.1").unwrap(), take(&slots, "192.0.2.2").unwrap()));
        let taken = slots.taken.lock().unwrap();
        assert_eq!((taken.in_all, taken.by_address.len()), (0, 0));
    }
}
