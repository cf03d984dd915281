//! Whatever happens to a question and to what became of it, in any order: no follow-up overtakes its question or an
//! earlier one, and in the end every channel that got the question has heard all of it.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use umishop::domain::{
    Attempt, BootId, ChannelAddress, Claim, Fingerprint, Follower, Message, MessageId, NewMessage, NewRequest, Origin,
    Purpose, RequestChange, RequestId, RequestState, Settlement, State, Timestamp, Topic, Transition,
};
use umishop::store::sqlite::SqliteStore;
use umishop::store::{Overdue, Store, Submission};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_mins(1);

/// Both follow requests; the second takes over from the first.
const CHANNELS: [&str; 2] = ["slack.desk", "pagerduty.on_call"];

#[derive(Clone, Debug)]
enum Operation {
    Change(RequestState),
    Claim { channel: usize, limit: usize },
    Settle { claim: Index, transition: Transition },
    Sweep { channel: usize },
    Rescue,
    Retry { message: Index },
    Cancel { message: Index },
    Pass { minutes: u32 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let transition = prop_oneof![
        3 => Just(Transition::Delivered { reference: "taken".into(), capture: None }),
        2 => Just(Transition::Again { due_at: START, counted: true }),
        1 => Just(Transition::HandedOver { channel: address(1) }),
        1 => Just(Transition::Dead),
        1 => Just(Transition::Held),
    ];
    prop_oneof![
        3 => select(&RequestState::ALL[1..]).prop_map(Operation::Change),
        6 => (0..2_usize, 1..4_usize).prop_map(|(channel, limit)| Operation::Claim { channel, limit }),
        6 => (any::<Index>(), transition).prop_map(|(claim, transition)| Operation::Settle { claim, transition }),
        1 => (0..2_usize).prop_map(|channel| Operation::Sweep { channel }),
        1 => Just(Operation::Rescue),
        2 => any::<Index>().prop_map(|message| Operation::Retry { message }),
        1 => any::<Index>().prop_map(|message| Operation::Cancel { message }),
        4 => select(vec![0, 1, 3, 40]).prop_map(|minutes| Operation::Pass { minutes }),
    ]
}

fn address(index: usize) -> ChannelAddress {
    CHANNELS[index].parse().unwrap()
}

fn followers() -> Vec<Follower> {
    let stands_in_for = [Vec::new(), vec![address(0)]];
    stands_in_for
        .into_iter()
        .enumerate()
        .map(|(index, stands_in_for)| Follower {
            channel: address(index),
            stands_in_for,
            known: vec![address(0), address(1)],
        })
        .collect()
}

struct Run {
    store: SqliteStore,
    request: RequestId,
    now: Timestamp,
    boot: BootId,
    claims: Vec<(ChannelAddress, Claim)>,
    cancelled: Vec<MessageId>,
}

impl Run {
    /// A question to the first channel alone, or to both.
    async fn ask(store: SqliteStore, channels: usize) -> Self {
        let message = |index| NewMessage {
            id: MessageId::new(START),
            channel: address(index),
            purpose: Purpose::Request,
            due_at: START,
            fallback: None,
        };
        let topic = Topic::new("Sales");
        let request = NewRequest {
            id: RequestId::new(START),
            fingerprint: Fingerprint::new("ana", &topic, "How much?"),
            topic,
            topic_unknown: false,
            question: "How much?".into(),
            idempotency_key: None,
            origin: Origin::default(),
        };
        let id = request.id;
        let submission = Submission { user: None, request, messages: (0..channels).map(message).collect() };
        store.submit_request(submission, START).await.unwrap();
        Self { store, request: id, now: START, boot: BootId::new(START), claims: Vec::new(), cancelled: Vec::new() }
    }

    async fn messages(&self) -> Vec<Message> {
        self.store.request(self.request).await.unwrap().unwrap().messages
    }

    async fn step(&mut self, operation: Operation) {
        let now = self.now;
        match operation {
            Operation::Change(state) => {
                let change = RequestChange::new(state, now, "", "").unwrap();
                self.store.change_request(self.request, change, followers()).await.unwrap();
            }
            Operation::Claim { channel, limit } => self.claim(&address(channel), limit).await,
            Operation::Settle { claim, transition } if !self.claims.is_empty() => {
                let (channel, claim) = self.claims.swap_remove(claim.index(self.claims.len()));
                let transition = match transition {
                    Transition::Again { counted, .. } => Transition::Again { due_at: now.after(5 * MINUTE), counted },
                    Transition::HandedOver { .. } if claim.handed_over || !claim.purpose.may_be_handed_over() => {
                        Transition::Dead
                    }
                    other => other,
                };
                self.settle(channel, &claim, transition).await;
            }
            Operation::Settle { .. } => {}
            Operation::Sweep { channel } => {
                let overdue = Overdue {
                    channel: address(channel),
                    fallback: (channel == 0).then(|| address(1)),
                    known: vec![address(0), address(1)],
                    hand_over_before: now.before(2 * MINUTE),
                    expire_before: now.before(30 * MINUTE),
                    expire_alerts_before: now,
                    why: "down".into(),
                };
                self.store.sweep(overdue, now).await.unwrap();
            }
            Operation::Rescue => {
                self.boot = BootId::new(now);
                self.claims.clear();
                self.store.rescue(self.boot, now).await.unwrap();
            }
            Operation::Retry { message } => {
                let messages = self.messages().await;
                let id = message.get(&messages).id;
                self.store.retry_message(id, now).await.unwrap();
                self.cancelled.retain(|cancelled| *cancelled != id);
            }
            Operation::Cancel { message } => {
                let messages = self.messages().await;
                let id = message.get(&messages).id;
                if self.store.cancel_message(id, now).await.unwrap() == umishop::store::Changed::Yes {
                    self.cancelled.push(id);
                }
            }
            Operation::Pass { minutes } => self.now = now.after(minutes * MINUTE),
        }
    }

    async fn settle(&self, channel: ChannelAddress, claim: &Claim, transition: Transition) {
        let attempt = Attempt {
            epoch: claim.epoch,
            channel,
            started_at: self.now,
            duration_ms: 1,
            outcome: String::new(),
            scope: String::new(),
            error: String::new(),
        };
        let settlement = Settlement { id: claim.id, attempt, transition, suppress: None };
        self.store.settle(settlement, self.now).await.unwrap();
    }

    /// Claims, suspects too, and looks whether it is the turn of each follow-up.
    async fn claim(&mut self, channel: &ChannelAddress, limit: usize) {
        let mut claims = self.store.claim_due(channel, self.boot, limit, self.now).await.unwrap().claims;
        claims.extend(self.store.claim_suspect(channel, self.boot, self.now).await.unwrap().claims);
        let messages = self.messages().await;
        for claim in claims.iter().filter(|claim| claim.purpose.is_follow_up()) {
            let here = || messages.iter().filter(|message| message.channel == *channel);
            let delivered = here().any(|m| m.purpose == Purpose::Request && m.state == State::Delivered);
            assert!(delivered, "{} before its question: {messages:#?}", claim.purpose);
            let place = |purpose: Purpose| Purpose::ALL.iter().position(|known| *known == purpose);
            let unfinished = |m: &&Message| matches!(m.state, State::Pending | State::Sending | State::Held);
            let earlier = here().filter(|m| m.purpose.is_follow_up() && place(m.purpose) < place(claim.purpose));
            assert_eq!(earlier.filter(unfinished).count(), 0, "{} overtakes: {messages:#?}", claim.purpose);
        }
        self.claims.extend(claims.into_iter().map(|claim| (channel.clone(), claim)));
    }

    /// Everything works from now on, and an operator retries whatever is dead or held.
    async fn come_to_rest(&mut self) {
        self.step(Operation::Rescue).await;
        for message in self.messages().await {
            if matches!(message.state, State::Dead | State::Held) {
                self.store.retry_message(message.id, self.now).await.unwrap();
            }
        }
        for _ in 0..16 {
            self.now = self.now.after(5 * MINUTE);
            for channel in [address(0), address(1)] {
                self.claim(&channel, 1).await;
                for (channel, claim) in std::mem::take(&mut self.claims) {
                    self.settle(channel, &claim, Transition::Delivered { reference: "taken".into(), capture: None })
                        .await;
                }
            }
            if self.messages().await.iter().all(|message| message.finished_at.is_some()) {
                break;
            }
        }
    }

    /// What should have been heard where, and was.
    async fn check(&self) {
        let messages = self.messages().await;
        for message in &messages {
            let got_the_question = messages.iter().any(|other| {
                other.purpose == Purpose::Request && other.channel == message.channel && other.state == State::Delivered
            });
            let expected = if self.cancelled.contains(&message.id) || !got_the_question {
                State::Cancelled
            } else {
                State::Delivered
            };
            assert_eq!(message.state, expected, "{} over {}: {messages:#?}", message.purpose, message.channel);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_follow_up_overtakes_its_question_and_each_is_heard_in_the_end(
        channels in 1..3_usize,
        operations in prop::collection::vec(operation(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = crate::outbox_model::directory();
            let mut run = Run::ask(SqliteStore::open(&directory.path().join("umishop.db")).unwrap(), channels).await;
            for operation in operations {
                run.step(operation).await;
            }
            run.come_to_rest().await;
            run.check().await;
            run.store.close().await.unwrap();
        });
    }
}
