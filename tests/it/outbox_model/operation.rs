//! What may happen to messages, in any order.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use umishop::domain::{Timestamp, Transition};

/// When every run begins.
pub(super) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const CHANNELS: [&str; 3] = ["email.welcome", "email.sales", "slack.pricing"];

/// One thing that happens. An [`Index`] picks among the messages that there are.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Register {
        customer: usize,
    },
    Submit {
        customer: usize,
        question: usize,
        key: Option<usize>,
        channels: Vec<usize>,
    },
    /// A customer says whether they want mail.
    Subscribe {
        customer: usize,
        subscribed: bool,
    },
    Claim {
        channel: usize,
        limit: usize,
    },
    /// One of those that are suspected of ending the program.
    ClaimSuspect {
        channel: usize,
    },
    /// The program dies so many times while messages of a channel are on their way, a suspect among them, if there is one.
    Crashes {
        channel: usize,
        times: u32,
    },
    /// What waits too long for a channel in trouble is handed over, or given up.
    Sweep {
        channel: usize,
        fallback: Option<usize>,
    },
    Settle {
        message: Index,
        epoch: Epoch,
        transition: Transition,
    },
    /// Another start of the program, or the same again, looks for what an older one left behind.
    Rescue {
        fresh: bool,
    },
    Retry {
        message: Index,
    },
    Cancel {
        message: Index,
    },
    Prune,
    Pass {
        minutes: u64,
    },
    /// The database is closed and opened again.
    Reopen,
}

/// Under which epoch a settlement comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Epoch {
    Current,
    Older(i64),
    Never,
}

/// Any of them, the usual ones more often.
pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let epoch = prop_oneof![6 => Just(Epoch::Current), 2 => (1..3_i64).prop_map(Epoch::Older), 1 => Just(Epoch::Never)];
    let channels = prop::collection::vec(0..CHANNELS.len(), 0..3);
    prop_oneof![
        3 => (0..4_usize).prop_map(|customer| Operation::Register { customer }),
        5 => (0..4_usize, 0..3_usize, prop::option::weighted(0.3, 0..3_usize), channels)
            .prop_map(|(customer, question, key, channels)| Operation::Submit { customer, question, key, channels }),
        1 => (0..4_usize, any::<bool>()).prop_map(|(customer, subscribed)| Operation::Subscribe { customer, subscribed }),
        8 => (0..CHANNELS.len(), 0..4_usize).prop_map(|(channel, limit)| Operation::Claim { channel, limit }),
        8 => (any::<Index>(), epoch, transition()).prop_map(|(message, epoch, transition)| Operation::Settle { message, epoch, transition }),
        2 => (0..CHANNELS.len()).prop_map(|channel| Operation::ClaimSuspect { channel }),
        2 => (0..CHANNELS.len(), 1..9_u32).prop_map(|(channel, times)| Operation::Crashes { channel, times }),
        2 => (0..CHANNELS.len(), prop::option::of(0..CHANNELS.len()))
            .prop_map(|(channel, fallback)| Operation::Sweep { channel, fallback }),
        5 => prop::bool::weighted(0.8).prop_map(|fresh| Operation::Rescue { fresh }),
        2 => any::<Index>().prop_map(|message| Operation::Retry { message }),
        2 => any::<Index>().prop_map(|message| Operation::Cancel { message }),
        1 => Just(Operation::Prune),
        5 => select(vec![0, 1, 2, 5, 11, 31, 61]).prop_map(|minutes| Operation::Pass { minutes }),
        1 => Just(Operation::Reopen),
    ]
}

/// The time of an [`Transition::Again`] counts from [`START`] here; `Run::step` makes it count from its now.
fn transition() -> impl Strategy<Value = Transition> {
    let capture = prop::option::of(prop::collection::vec(any::<u8>(), 0..4));
    prop_oneof![
        2 => capture.prop_map(|capture| Transition::Delivered { reference: "taken".into(), capture }),
        4 => (0..20_u32, any::<bool>()).prop_map(|(wait, counted)| Transition::Again { due_at: START.after(wait * MINUTE), counted }),
        1 => select(&CHANNELS[..]).prop_map(|channel| Transition::HandedOver { channel: channel.parse().unwrap() }),
        1 => Just(Transition::Dead),
        1 => Just(Transition::Held),
        1 => Just(Transition::CalledOff),
    ]
}
