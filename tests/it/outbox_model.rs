//! The outbox against a model of it that fits on a page: any sequence of what may happen to messages, the same on both
//! sides, and after each step every message stands where the model says. So nothing that was accepted vanishes, nothing is
//! claimed twice, and a settlement under an old epoch changes nothing, in whatever order things happen.
//!
//! A new operation is a variant of [`Operation`], its arm in [`Run::step`], and what the [`Model`] makes of it. A column
//! that may differ belongs into [`model::Row`] and [`model::shown`].

mod model;
mod operation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use umishop::domain::{
    Attempt, BootId, ChannelAddress, Contact, ContactField, EmailAddress, Fingerprint, MessageId, NewMessage,
    NewRequest, NewUser, Origin, Purpose, RequestId, Settlement, State, Timestamp, Topic, Transition, UserId,
};
use umishop::store::sqlite::SqliteStore;
use umishop::store::{Claimed, MessageFilter, Overdue, Page, Registration, Store, StoreError, Submission, UserFilter};

use self::model::{Asked, Model, RETENTION, Shown, shown};
use self::operation::{CHANNELS, Epoch, MINUTE, Operation, START, operation};

/// A store and its model, side by side.
struct Run {
    store: SqliteStore,
    path: PathBuf,
    model: Model,
    now: Timestamp,
    boot: BootId,
}

impl Run {
    fn new(path: PathBuf) -> Self {
        let store = SqliteStore::open(&path).unwrap();
        Self { store, path, model: Model::default(), now: START, boot: BootId::new(START) }
    }

    /// The message that an index picks; one that does not exist when there is none.
    fn pick(&self, index: Index) -> MessageId {
        let ids: Vec<&MessageId> = self.model.rows.keys().collect();
        if ids.is_empty() { MessageId::new(self.now) } else { **index.get(&ids) }
    }

    async fn step(&mut self, operation: Operation) {
        let now = self.now;
        match operation {
            Operation::Register { customer } => self.register(customer).await,
            Operation::Submit { customer, question, key, channels } => {
                self.submit(customer, question, key, &channels).await;
            }
            Operation::Subscribe { customer, subscribed } => self.subscribe(customer, subscribed).await,
            Operation::Claim { channel, limit } => self.claim(channel, limit).await,
            Operation::ClaimSuspect { channel } => self.claim_suspect(channel).await,
            Operation::Crashes { channel, times } => {
                for _ in 0..times {
                    self.claim_suspect(channel).await;
                    self.claim(channel, 2).await;
                    self.rescue(true).await;
                    self.now = self.now.after(5 * MINUTE);
                }
            }
            Operation::Sweep { channel, fallback } => self.sweep(channel, fallback).await,
            Operation::Settle { message, epoch, transition } => {
                let settlement = self.settlement(self.pick(message), epoch, transition);
                let settled = self.store.settle(settlement.clone(), now).await.unwrap();
                assert_eq!(settled, self.model.settle(&settlement, now));
            }
            Operation::Rescue { fresh } => self.rescue(fresh).await,
            Operation::Retry { message } => {
                let id = self.pick(message);
                let allowed = [State::Pending, State::Dead, State::Held, State::Cancelled];
                let expected = self.model.change(id, &allowed, |row| {
                    (row.state, row.due_at, row.first_due_at, row.finished_at) = (State::Pending, now, now, None);
                    (row.attempts, row.crashes) = (0, 0);
                });
                assert_eq!(self.store.retry_message(id, now).await.unwrap(), expected);
            }
            Operation::Cancel { message } => {
                let id = self.pick(message);
                let expected = self.model.change(id, &[State::Pending, State::Held], |row| {
                    (row.state, row.finished_at) = (State::Cancelled, Some(now));
                });
                assert_eq!(self.store.cancel_message(id, now).await.unwrap(), expected);
            }
            Operation::Prune => {
                let pruned = self.store.prune(RETENTION, now).await.unwrap();
                assert_eq!(pruned.messages, self.model.prune(now));
            }
            Operation::Pass { minutes } => self.now = now.after(Duration::from_mins(minutes)),
            Operation::Reopen => {
                self.store.close().await.unwrap();
                self.store = SqliteStore::open(&self.path).unwrap();
            }
        }
    }

    async fn register(&mut self, customer: usize) {
        let channel = CHANNELS[0].parse().unwrap();
        let due_at = self.now.after(MINUTE);
        let welcome =
            NewMessage { id: MessageId::new(self.now), channel, purpose: Purpose::Welcome, due_at, fallback: None };
        let (user, reached_at) = (self.customer(customer), vec![ContactField::Email]);
        let registration = Registration { user, welcome: Some(welcome.clone()), reached_at, trace: None };
        let registered = self.store.register_user(registration, self.now).await.unwrap();
        let first = !std::mem::replace(&mut self.model.welcomed[customer], true);
        assert_eq!(registered.welcome_due, first.then_some(due_at));
        self.model.known[customer] = true;
        if first {
            self.model.add(&welcome, customer, "");
        }
    }

    async fn subscribe(&mut self, customer: usize, subscribed: bool) {
        let address = self.customer(customer).contact.email.unwrap().to_string();
        let filter = UserFilter { search: Some(address), ..UserFilter::default() };
        let found = self.store.users(filter, Page { limit: 1, before: None }).await.unwrap();
        let user = found.first().map_or(UserId::new(self.now), |user| user.id);
        let set = self.store.set_subscribed(user, subscribed, self.now).await.unwrap();
        assert_eq!(set.map(|set| set.subscribed), self.model.set_subscribed(customer, subscribed));
    }

    async fn submit(&mut self, customer: usize, question: usize, key: Option<usize>, channels: &[usize]) {
        let user = self.customer(customer);
        let topic = Topic::new("Sales");
        let question = format!("question {question}");
        let request = NewRequest {
            id: RequestId::new(self.now),
            fingerprint: Fingerprint::new(&user.contact.key(), &topic, &question),
            topic,
            topic_unknown: false,
            question,
            idempotency_key: key.map(|key| format!("key {key}")),
            origin: Origin::default(),
        };
        let message = |channel: &usize| NewMessage {
            id: MessageId::new(self.now),
            channel: CHANNELS[*channel].parse().unwrap(),
            purpose: Purpose::Request,
            due_at: self.now,
            fallback: None,
        };
        let messages: Vec<NewMessage> = channels.iter().map(message).collect();
        let submission = Submission { user: Some(user), request: request.clone(), messages: messages.clone() };
        let submitted = self.store.submit_request(submission, self.now).await;
        match self.model.repeated(&request, self.now) {
            Err(()) => assert!(matches!(submitted, Err(StoreError::KeyReused)), "{submitted:?}"),
            Ok(Some(earlier)) => {
                let submitted = submitted.unwrap();
                assert_eq!((submitted.request_id, submitted.duplicate), (earlier, true));
            }
            Ok(None) => {
                assert!(!submitted.unwrap().duplicate);
                let NewRequest { id, idempotency_key: key, fingerprint, question, .. } = request;
                self.model.known[customer] = true;
                self.model.tell_in_welcome(customer, &question);
                for message in &messages {
                    self.model.add(message, customer, &question);
                }
                self.model.asked.push(Asked { id, key, fingerprint, seen_at: self.now });
            }
        }
    }

    async fn claim(&mut self, channel: usize, limit: usize) {
        let channel = CHANNELS[channel].parse().unwrap();
        let claimed = self.store.claim_due(&channel, self.boot, limit, self.now).await.unwrap();
        self.claimed(&channel, false, limit, &claimed);
    }

    async fn claim_suspect(&mut self, channel: usize) {
        let channel = CHANNELS[channel].parse().unwrap();
        let claimed = self.store.claim_suspect(&channel, self.boot, self.now).await.unwrap();
        self.claimed(&channel, true, 1, &claimed);
    }

    async fn rescue(&mut self, fresh: bool) {
        self.boot = if fresh { BootId::new(self.now) } else { self.boot };
        let rescued = self.store.rescue(self.boot, self.now).await.unwrap();
        assert_eq!(rescued, self.model.rescue(self.boot, self.now));
    }

    /// Which of several that were due at the same time are claimed first is left to the store.
    fn claimed(&mut self, channel: &ChannelAddress, suspects: bool, limit: usize, claimed: &Claimed) {
        let due = self.model.rows.values().filter(|row| row.is_due(channel, suspects, self.now)).count();
        assert_eq!(claimed.claims.len(), due.min(limit));
        for claim in &claimed.claims {
            let row = self.model.rows.get_mut(&claim.id).unwrap();
            assert!(row.is_due(channel, suspects, self.now), "{row:?}");
            (row.state, row.epoch, row.boot) = (State::Sending, row.epoch + 1, Some(self.boot));
            assert_eq!((claim.epoch, claim.attempt, claim.due_at), (row.epoch, row.attempts + 1, row.due_at));
            assert_eq!((claim.first_due_at, claim.handed_over), (row.first_due_at, row.handed_over_from.is_some()));
            let unsubscribed = row.welcomes.is_some_and(|customer| self.model.unsubscribed[customer]);
            assert_eq!(claim.is_unsubscribed(), unsubscribed);
        }
        assert!(claimed.claims.is_sorted_by_key(|claim| claim.due_at));
        let waiting = self.model.rows.values().filter(|row| row.waits_on(channel, suspects));
        let next = waiting.map(|row| row.due_at).min();
        assert_eq!(claimed.next_due, next);
        let last = claimed.claims.last().map(|claim| claim.due_at);
        assert!(last.is_none_or(|last| next.is_none_or(|next| last <= next)), "not the longest due first");
    }

    async fn sweep(&mut self, channel: usize, fallback: Option<usize>) {
        let overdue = Overdue {
            channel: CHANNELS[channel].parse().unwrap(),
            fallback: fallback.map(|fallback| CHANNELS[fallback].parse().unwrap()),
            known: CHANNELS.iter().map(|channel| channel.parse().unwrap()).collect(),
            hand_over_before: self.now.before(5 * MINUTE),
            expire_before: self.now.before(30 * MINUTE),
            expire_alerts_before: self.now.before(30 * MINUTE),
            why: "the channel is down".into(),
        };
        let swept = self.store.sweep(overdue.clone(), self.now).await.unwrap();
        assert_eq!((swept.handed_over.len(), swept.expired), self.model.sweep(&overdue, self.now));
    }

    fn customer(&self, number: usize) -> NewUser {
        let email = EmailAddress::parse(&format!("customer{number}@example.com")).ok();
        NewUser {
            id: UserId::new(self.now),
            name: String::new(),
            contact: Contact { email, ..Contact::default() },
            language: String::new(),
            origin: Origin::default(),
        }
    }

    fn settlement(&self, id: MessageId, epoch: Epoch, transition: Transition) -> Settlement {
        let current = self.model.rows.get(&id).map_or(0, |row| row.epoch);
        let epoch = match epoch {
            Epoch::Current => current,
            Epoch::Older(by) => current - by,
            Epoch::Never => current + 1,
        };
        let transition = match transition {
            Transition::Again { due_at, counted } => {
                Transition::Again { due_at: self.now.after(due_at.since(START)), counted }
            }
            other => other,
        };
        let error = if matches!(transition, Transition::Delivered { .. }) { "" } else { "503 busy" };
        let attempt = Attempt {
            epoch,
            channel: CHANNELS[0].parse().unwrap(),
            started_at: self.now,
            duration_ms: 1,
            outcome: "retry".into(),
            scope: String::new(),
            error: error.into(),
        };
        Settlement { id, attempt, transition, suppress: None }
    }

    /// Every message stands where the model says, and there is no other.
    async fn compare(&self) {
        let listed = self.store.messages(MessageFilter::default(), Page { limit: 500, before: None }).await.unwrap();
        let found: BTreeMap<MessageId, Shown> = listed
            .into_iter()
            .map(|m| {
                (
                    m.id,
                    (
                        m.channel.as_str().to_owned(),
                        m.state,
                        m.due_at,
                        m.finished_at,
                        m.attempts,
                        m.reference,
                        m.last_error,
                        m.handed_over_from,
                        m.context.question,
                    ),
                )
            })
            .collect();
        let expected: BTreeMap<MessageId, Shown> = self.model.rows.iter().map(|(id, row)| (*id, shown(row))).collect();
        assert_eq!(found, expected);
        assert_eq!(self.store.next_due().await.unwrap(), self.model.next_due());
    }

    async fn compare_attempts(&self) {
        for (id, row) in &self.model.rows {
            let attempts = self.store.message(*id).await.unwrap().unwrap().attempts;
            assert_eq!(attempts.iter().map(|attempt| attempt.epoch).collect::<Vec<_>>(), row.kept);
        }
    }
}

/// In memory where there is such a place: this is about what the store decides, not about the disk.
pub(crate) fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_message_stands_where_the_model_says(operations in prop::collection::vec(operation(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = directory();
            let mut run = Run::new(directory.path().join("umishop.db"));
            for operation in operations {
                run.step(operation).await;
                run.compare().await;
            }
            run.compare_attempts().await;
        });
    }
}
