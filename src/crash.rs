//! Named places where the program ends as if the power went: for `tests/reliability/`, behind the feature
//! `crash-points`. Without it, as in every build that ships, they compile to nothing.
//!
//! `UMISHOP_CRASH=store.written:3` ends the process when it passes that place for the third time, without unwinding and
//! without flushing anything; `UMISHOP_CRASH=relay.delivering:poison` when it passes there with a text that contains
//! `poison`. The crate `fail` does more and yet not this: its actions panic, sleep or return, and none of them aborts.

// Armed in the unit tests too, so that every run of them tries the orders below.
#[cfg(any(test, feature = "crash-points"))]
pub(crate) use armed::{point, point_for};
#[cfg(not(any(test, feature = "crash-points")))]
pub(crate) use disarmed::{point, point_for};

#[cfg(not(any(test, feature = "crash-points")))]
mod disarmed {
    /// Nothing.
    #[inline(always)]
    pub(crate) const fn point(_place: &str) {}

    /// Nothing.
    #[inline(always)]
    pub(crate) const fn point_for(_place: &str, _text: &str) {}
}

#[cfg(any(test, feature = "crash-points"))]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Where to end, as the environment says; read once.
    static ORDER: LazyLock<Option<Order>> =
        LazyLock::new(|| std::env::var("UMISHOP_CRASH").ok().and_then(|text| Order::parse(&text)));

    /// Ends the process if this is the place, and it is passed for the time that was asked for.
    pub(crate) fn point(place: &str) {
        if ORDER.as_ref().is_some_and(|order| order.is_due(place, None)) {
            std::process::abort();
        }
    }

    /// Ends the process if this is the place, and `text` contains what was asked for.
    pub(crate) fn point_for(place: &str, text: &str) {
        if ORDER.as_ref().is_some_and(|order| order.is_due(place, Some(text))) {
            std::process::abort();
        }
    }

    struct Order {
        place: String,
        when: When,
    }

    enum When {
        /// At this passing; how many there have been.
        Passed(u64, AtomicU64),
        /// Whenever the text contains this.
        Contains(String),
    }

    impl Order {
        fn parse(text: &str) -> Option<Self> {
            let (place, when) = text.split_once(':').filter(|(_, when)| !when.is_empty())?;
            let when = match when.parse() {
                Ok(time) => When::Passed(time, AtomicU64::new(0)),
                Err(_) => When::Contains(when.to_owned()),
            };
            Some(Self { place: place.to_owned(), when })
        }

        fn is_due(&self, place: &str, text: Option<&str>) -> bool {
            self.place == place
                && match (&self.when, text) {
                    (When::Passed(time, passed), None) => passed.fetch_add(1, Ordering::Relaxed) + 1 == *time,
                    (When::Contains(wanted), Some(text)) => text.contains(wanted.as_str()),
                    _ => false,
                }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_place_is_due_at_the_time_that_was_asked_for_and_no_other() {
            let order = Order::parse("store.written:3").unwrap();
            let due = |place, text| order.is_due(place, text);
            assert!(!due("store.committed", None) && !due("store.written", Some("3")));
            assert_eq!([(); 4].map(|()| due("store.written", None)), [false, false, true, false]);
        }

        #[test]
        fn a_place_is_due_for_every_text_that_contains_what_was_asked_for() {
            let order = Order::parse("relay.delivering:poison").unwrap();
            let due = |text| order.is_due("relay.delivering", text);
            assert!(due(Some("a poisonous question")) && due(Some("poison")) && !due(Some("a question")) && !due(None));
        }

        #[test]
        fn what_names_no_place_and_time_orders_nothing() {
            assert!(["", "store.written", "store.written:"].iter().all(|text| Order::parse(text).is_none()));
        }
    }
}
