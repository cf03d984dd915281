//! The origin ledger against a slow, full count over a log of everything that happened, kept beside: any history, the
//! same numbers, whatever was merged, handed over, retried, pruned, erased, packed and counted late.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;
use umishop::domain::{
    Attempt, BootId, Bucketing, ChannelAddress, Claim, Clues, Contact, ContactField, CreditedTouch, Dimension,
    EmailAddress, Fingerprint, MessageId, NewMessage, NewRequest, NewUser, Origin, OriginRules, Pattern, Phone,
    Purpose, RequestChange, RequestId, RequestState, Settlement, Timeline, Timestamp, Topic, Transition, User, UserId,
};
use umishop::store::sqlite::SqliteStore;
use umishop::store::{Ledger, LedgerQuery, LedgerRow, Registration, RequestChanged, Store, Submission, Tally};

use crate::support::{TestApp, retention};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: Duration = Duration::from_hours(24);
const CHANNELS: [&str; 2] = ["email.sales", "slack.sales"];

/// What may happen. A caller is known by mail, by phone, or by both, so that users are merged.
#[derive(Clone, Debug)]
enum Event {
    Register { who: usize, known_by: usize, from: usize },
    Ask { who: Option<usize>, known_by: usize, from: usize, topic: usize, channels: usize },
    Deliver { channel: usize, fate: usize },
    Say { nth: usize, state: usize },
    RetryAll,
    Prune,
    Tend,
    Erase { nth: usize },
    Open { nth: usize },
    Pass { minutes: u64 },
}

fn event(pruned: bool, merged: bool) -> impl Strategy<Value = Event> {
    let known_by = if merged { 0..3_usize } else { 2..3 };
    prop_oneof![
        4 => (0..4_usize, known_by.clone(), 0..6_usize)
            .prop_map(|(who, known_by, from)| Event::Register { who, known_by, from }),
        4 => (proptest::option::weighted(0.8, 0..4_usize), known_by, 0..6_usize, 0..3_usize, 1..3_usize)
            .prop_map(|(who, known_by, from, topic, channels)| Event::Ask { who, known_by, from, topic, channels }),
        6 => (0..2_usize, 0..5_usize).prop_map(|(channel, fate)| Event::Deliver { channel, fate }),
        3 => (0..20_usize, 0..3_usize).prop_map(|(nth, state)| Event::Say { nth, state }),
        1 => Just(Event::RetryAll),
        1 => Just(if pruned { Event::Prune } else { Event::Tend }),
        1 => Just(Event::Tend),
        1 => (0..4_usize).prop_map(|nth| Event::Erase { nth }),
        2 => (0..6_usize).prop_map(|nth| Event::Open { nth }),
        3 => (1..4000_u64).prop_map(|minutes| Event::Pass { minutes }),
    ]
}

/// Where callers come from; the first two tell no source.
fn origin(from: usize) -> Origin {
    let utm = |source: &str, campaign: &str| {
        BTreeMap::from([("utm_source".into(), source.into()), ("utm_campaign".into(), campaign.into())])
    };
    let origin = Origin { channel: Some("web".into()), ..Origin::default() };
    match from {
        0 => origin,
        1 => Origin { channel: Some("whatsapp".into()), country: Some("PT".into()), ..origin },
        2 => Origin { utm: utm("Google", "summer"), ..origin },
        3 => {
            Origin { utm: utm("google.com", "Summer"), landing_page: Some("https://shop.example/a?x".into()), ..origin }
        }
        4 => Origin { referrer: Some("https://l.facebook.com/x".into()), ..origin },
        _ => Origin { clicks: BTreeMap::from([("gclid".into(), "1".into())]), ..origin },
    }
}

#[derive(Clone, Default)]
struct Customer {
    first: Clues,
    last: Clues,
    registered: Option<(Timestamp, Clues)>,
    welcomed_at: Option<Timestamp>,
    bounced: bool,
    opened_at: Option<Timestamp>,
    erased: bool,
}

struct Asked {
    at: Timestamp,
    first: Clues,
    last: Clues,
    topic: &'static str,
    delivered_at: Option<Timestamp>,
    /// What was said of it, the first time and in this order.
    said: Vec<(RequestState, Timestamp)>,
}

impl Asked {
    /// How long it waited until one of these was said.
    fn waited_for(&self, states: &[RequestState]) -> Option<Duration> {
        let (_, at) = self.said.iter().find(|(state, _)| states.contains(state))?;
        Some(at.since(self.at))
    }
}

/// The store, and the log.
struct Run {
    store: SqliteStore,
    now: Timestamp,
    boot: BootId,
    rules: Arc<OriginRules>,
    customers: BTreeMap<UserId, Customer>,
    requests: BTreeMap<RequestId, Asked>,
    dead: Vec<(MessageId, Option<UserId>)>,
}

impl Run {
    fn new(path: &Path) -> Self {
        let store = SqliteStore::open(path).unwrap();
        let aliases = BTreeMap::from([("meta".to_owned(), vec![Pattern::new("facebook.com").unwrap()])]);
        let rules = Arc::new(OriginRules::new(aliases));
        let (customers, requests) = Default::default();
        Self { store, now: START, boot: BootId::new(START), rules, customers, requests, dead: Vec::new() }
    }

    async fn happen(&mut self, event: Event) {
        // No two things happen at once.
        self.now = self.now.after(Duration::from_millis(1));
        match event {
            Event::Register { who, known_by, from } => self.register(who, known_by, from).await,
            Event::Ask { who, known_by, from, topic, channels } => {
                self.ask(who.map(|who| self.caller(who, known_by, from)), from, topic, channels).await;
            }
            Event::Deliver { channel, fate } => self.deliver(channel, fate).await,
            Event::Say { nth, state } => self.say(nth, state).await,
            Event::RetryAll => {
                for (id, user) in std::mem::take(&mut self.dead) {
                    // A pruned one is gone, and what is known of it stays.
                    let changed = self.store.retry_message(id, self.now).await.unwrap();
                    if let Some(user) = user.filter(|_| changed == umishop::store::Changed::Yes) {
                        self.customers.get_mut(&user).unwrap().bounced = false;
                    }
                }
            }
            Event::Prune => {
                let retention = retention(DAY, DAY, DAY);
                self.store.prune(retention, self.now).await.unwrap();
            }
            Event::Tend => {
                self.store.tend_ledger(Arc::clone(&self.rules), self.now).await.unwrap();
            }
            Event::Erase { nth } => {
                // What was counted of them stays; should they come back, they are somebody new.
                let who = self.customers.keys().nth(nth).copied();
                if let Some(who) = who {
                    self.store.erase_user(who, self.now).await.unwrap().unwrap();
                    self.customers.get_mut(&who).unwrap().erased = true;
                }
            }
            Event::Open { nth } => self.open(nth).await,
            Event::Pass { minutes } => self.now = self.now.after(Duration::from_mins(minutes)),
        }
    }

    fn caller(&self, who: usize, known_by: usize, from: usize) -> NewUser {
        let country = ["+34612345678", "+351912345678", "+34612345679", "+4915112345678"][who];
        let email = EmailAddress::parse(&format!("{who}@example.com")).unwrap();
        let phone = Phone { raw: country.into(), e164: Some(country.into()) };
        NewUser {
            id: UserId::new(self.now),
            name: String::new(),
            contact: Contact {
                email: (known_by != 0).then_some(email),
                phone: (known_by != 1).then_some(phone),
                landbot_customer_id: None,
            },
            language: String::new(),
            origin: origin(from),
        }
    }

    fn message(&self, channel: &str, purpose: Purpose) -> NewMessage {
        let channel = channel.parse().unwrap();
        NewMessage { id: MessageId::new(self.now), channel, purpose, due_at: self.now, fallback: None }
    }

    fn visit(&mut self, user: &User, from: usize) -> &mut Customer {
        let clues = Clues::of(&origin(from), user.phone.as_ref());
        let fresh = Customer { first: clues.clone(), last: clues.clone(), ..Customer::default() };
        let customer = self.customers.entry(user.id).or_insert(fresh);
        if clues.tell_a_source() {
            customer.last = clues;
        }
        customer
    }

    async fn register(&mut self, who: usize, known_by: usize, from: usize) {
        let registration = Registration {
            user: self.caller(who, known_by, from),
            welcome: Some(self.message(CHANNELS[0], Purpose::Welcome)),
            reached_at: vec![ContactField::Email],
            trace: None,
        };
        let now = self.now;
        let registered = self.store.register_user(registration, now).await.unwrap();
        let customer = self.visit(&registered.user, from);
        if registered.created {
            customer.registered = Some((now, customer.last.clone()));
        }
    }

    async fn ask(&mut self, user: Option<NewUser>, from: usize, topic: usize, channels: usize) {
        let (name, key, topic_unknown) =
            [("Sales", "sales", false), ("SÁLES!", "sales", false), ("?", "", true)][topic];
        let topic = Topic::new(name);
        let who = user.as_ref().map_or_else(String::new, |user| user.contact.key());
        let request = NewRequest {
            id: RequestId::new(self.now),
            fingerprint: Fingerprint::new(&who, &topic, "?"),
            topic,
            topic_unknown,
            question: "?".into(),
            idempotency_key: None,
            origin: origin(from),
        };
        let messages = CHANNELS[..channels].iter().map(|channel| self.message(channel, Purpose::Request)).collect();
        let now = self.now;
        let submitted = self.store.submit_request(Submission { user, request, messages }, now).await.unwrap();
        if submitted.duplicate {
            return;
        }
        let phone = submitted.user.as_ref().and_then(|user| user.phone.clone());
        let own = Clues::of(&origin(from), phone.as_ref());
        let customer = submitted.user.map(|user| self.visit(&user, from).clone());
        let (first, last) = customer.map_or((own.clone(), own), |customer| (customer.first, customer.last));
        self.requests.insert(
            submitted.request_id,
            Asked { at: now, first, last, topic: key, delivered_at: None, said: Vec::new() },
        );
    }

    async fn say(&mut self, nth: usize, state: usize) {
        let count = self.requests.len().max(1);
        let Some((id, asked)) = self.requests.iter_mut().nth(nth % count) else { return };
        let state = [RequestState::Acknowledged, RequestState::Answered, RequestState::Closed][state];
        let change = RequestChange::new(state, self.now, "", "").unwrap();
        if matches!(self.store.change_request(*id, change, Vec::new()).await.unwrap(), RequestChanged::Yes(_)) {
            asked.said.push((state, self.now));
        }
    }

    async fn open(&mut self, nth: usize) {
        let Some((id, customer)) = self.customers.iter_mut().nth(nth) else { return };
        let is_first = customer.registered.is_some() && !customer.erased && customer.opened_at.is_none();
        assert_eq!(self.store.note_opened(*id, self.now).await.unwrap(), is_first);
        if is_first {
            customer.opened_at = Some(self.now);
        }
    }

    async fn deliver(&mut self, channel: usize, fate: usize) {
        let channel: ChannelAddress = CHANNELS[channel].parse().unwrap();
        let claimed = self.store.claim_due(&channel, self.boot, 3, self.now).await.unwrap();
        for claim in claimed.claims {
            self.settle(&channel, &claim, fate).await;
        }
    }

    async fn settle(&mut self, channel: &ChannelAddress, claim: &Claim, fate: usize) {
        let now = self.now;
        let other = CHANNELS.iter().find(|other| **other != channel.as_str()).unwrap().parse().unwrap();
        let (transition, scope) = match fate {
            0 | 1 => (Transition::Delivered { reference: String::new(), capture: None }, ""),
            2 => (Transition::Dead, "recipient"),
            3 => (Transition::Dead, "message"),
            _ if claim.handed_over => (Transition::Again { due_at: now.after(DAY), counted: true }, "message"),
            _ => (Transition::HandedOver { channel: other }, "destination"),
        };
        let outcome = if fate < 2 { "delivered" } else { "dead" };
        let attempt = Attempt {
            epoch: claim.epoch,
            channel: channel.clone(),
            started_at: now,
            duration_ms: 1,
            outcome: outcome.into(),
            scope: scope.into(),
            error: String::new(),
        };
        let settlement = Settlement { id: claim.id, attempt, transition: transition.clone(), suppress: None };
        assert!(self.store.settle(settlement, now).await.unwrap());
        let welcomed = claim.about.user.filter(|_| claim.purpose == Purpose::Welcome);
        match transition {
            Transition::Delivered { .. } => {
                if let Some(user) = welcomed {
                    self.customers.get_mut(&user).unwrap().welcomed_at = Some(now);
                } else if let Some(request) = claim.about.request {
                    self.requests.get_mut(&request).unwrap().delivered_at.get_or_insert(now);
                }
            }
            Transition::Dead => {
                self.dead.push((claim.id, welcomed));
                if let Some(user) = welcomed.filter(|_| scope == "recipient") {
                    self.customers.get_mut(&user).unwrap().bounced = true;
                }
            }
            _ => {}
        }
    }

    /// Looks at the whole log, once for each number.
    fn tally(&self, query: &LedgerQuery, part: Option<usize>, is_asked: &dyn Fn(&Clues) -> bool) -> Tally {
        let first = query.touch == CreditedTouch::First;
        let is_in = |at: Timestamp, clues: &Clues| {
            query.timeline.part(at).is_some_and(|found| part.is_none_or(|part| part == found)) && is_asked(clues)
        };
        let registered = self.customers.values().filter_map(|customer| {
            let (at, last) = customer.registered.as_ref()?;
            is_in(*at, if first { &customer.first } else { last }).then_some((*at, customer))
        });
        let registered: Vec<_> = registered.collect();
        let asked =
            self.requests.values().filter(|asked| is_in(asked.at, if first { &asked.first } else { &asked.last }));
        let asked: Vec<_> = asked.collect();
        let mut topics = BTreeMap::new();
        for asked in &asked {
            *topics.entry(asked.topic.to_owned()).or_default() += 1;
        }
        let welcomes = registered.iter().filter_map(|(at, customer)| Some(customer.welcomed_at?.since(*at)));
        let deliveries = asked.iter().filter_map(|asked| Some(asked.delivered_at?.since(asked.at)));
        let (welcomes, deliveries): (Vec<_>, Vec<_>) = (welcomes.collect(), deliveries.collect());
        let openings = registered.iter().filter_map(|(at, customer)| Some(customer.opened_at?.since(*at)));
        let openings: Vec<Duration> = openings.collect();
        let waits = |states: &[RequestState]| -> Vec<Duration> {
            asked.iter().filter_map(|asked| asked.waited_for(states)).collect()
        };
        let acknowledged = waits(&[RequestState::Acknowledged, RequestState::Answered]);
        let answered = waits(&[RequestState::Answered]);
        let is_bounced = |customer: &Customer| customer.bounced && customer.welcomed_at.is_none();
        Tally {
            registrations: registered.len() as u64,
            welcomed: welcomes.len() as u64,
            bounced: registered.iter().filter(|(_, customer)| is_bounced(customer)).count() as u64,
            opened: openings.len() as u64,
            to_opening: median(openings),
            requests: asked.len() as u64,
            delivered: deliveries.len() as u64,
            topics,
            to_welcome: median(welcomes),
            to_delivery: median(deliveries),
            acknowledged: acknowledged.len() as u64,
            to_acknowledgement: median(acknowledged),
            answered: answered.len() as u64,
            to_answer: median(answered),
        }
    }

    fn row(&self, query: &LedgerQuery, is_asked: &dyn Fn(&Clues) -> bool) -> LedgerRow {
        let parts = 0..query.timeline.starts.len();
        LedgerRow {
            whole: self.tally(query, None, is_asked),
            parts: parts.map(|part| self.tally(query, Some(part), is_asked)).collect(),
        }
    }

    /// The slow, full count.
    fn counted(&self, query: &LedgerQuery) -> Ledger {
        let fits = |clues: &Clues| {
            let told = self.rules.attribute(clues);
            query.only.iter().all(|(dimension, pattern)| {
                let value = told.value(*dimension);
                pattern.as_ref().map_or(value.is_empty(), |pattern| pattern.matches(value))
            })
        };
        let value = |clues: &Clues| self.rules.attribute(clues).value(query.by).to_owned();
        let customers = self.customers.values().flat_map(|customer| [&customer.first, &customer.last]);
        let registered = self.customers.values().filter_map(|customer| Some(&customer.registered.as_ref()?.1));
        let asked = self.requests.values().flat_map(|asked| [&asked.first, &asked.last]);
        let mut values: Vec<String> = customers.chain(registered).chain(asked).map(value).collect();
        values.sort();
        values.dedup();
        let row = |wanted: String| {
            let row = self.row(query, &|clues| fits(clues) && value(clues) == wanted);
            (wanted, row)
        };
        let mut rows: Vec<_> = values.into_iter().map(row).collect();
        rows.retain(|(_, row)| row.whole.registrations + row.whole.requests > 0);
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.whole.registrations + row.whole.requests));
        let others = rows.len() > query.limit;
        if others {
            rows.truncate(query.limit);
        }
        let named: Vec<String> = rows.iter().map(|(name, _)| name.clone()).collect();
        let others = others.then(|| self.row(query, &|clues| fits(clues) && !named.contains(&value(clues))));
        Ledger { rows, others, total: self.row(query, &fits), complete: true }
    }

    async fn check(&self, query: &LedgerQuery) {
        let found = self.store.ledger(query.clone(), Arc::clone(&self.rules)).await.unwrap();
        assert_eq!(found, self.counted(query), "{query:?}");
    }

    async fn check_all(&self) {
        let end = self.now.after(DAY);
        for by in Dimension::ALL {
            for touch in [CreditedTouch::First, CreditedTouch::Last] {
                for (from, to, bucketing) in [
                    (Timestamp::from_millis(0), end, Bucketing::Whole),
                    (START.after(Duration::from_hours(7)), end, Bucketing::Day),
                    (START, self.now.before(DAY).max(START.after(DAY)), Bucketing::Week),
                ] {
                    let timeline = Timeline::new(from, to, bucketing, "Europe/Madrid").unwrap();
                    self.check(&LedgerQuery { by, touch, timeline, only: Vec::new(), limit: 50 }).await;
                }
            }
        }
        let timeline = Timeline::new(START, end, Bucketing::Whole, "UTC").unwrap();
        let only = vec![(Dimension::Source, Pattern::new("GOO*")), (Dimension::Medium, None)];
        let query = LedgerQuery { by: Dimension::Campaign, touch: CreditedTouch::Last, timeline, only, limit: 1 };
        self.check(&query).await;
        self.check(&LedgerQuery { only: Vec::new(), ..query }).await;
    }

    async fn tend(&self) {
        while self.store.tend_ledger(Arc::clone(&self.rules), self.now).await.unwrap() {}
    }
}

/// In memory where there is such a place: this is about what is counted, not about the disk.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len().checked_sub(1)? / 2).copied()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_tells_what_a_slow_count_of_everything_tells(
        events in proptest::collection::vec(event(true, true), 1..60),
    ) {
        block_on(async {
            let directory = directory();
            let mut run = Run::new(&directory.path().join("umishop.db"));
            for event in events {
                run.happen(event).await;
            }
            run.check_all().await;
            run.tend().await;
            run.check_all().await;
            // A change of a day that is packed takes it out.
            run.happen(Event::RetryAll).await;
            run.happen(Event::Deliver { channel: 0, fate: 0 }).await;
            for nth in 0..4 {
                run.happen(Event::Open { nth }).await;
            }
            run.happen(Event::Say { nth: 0, state: 1 }).await;
            run.check_all().await;
            run.store.close().await.unwrap();
        });
    }

    #[test]
    fn what_is_from_before_the_ledger_is_counted_as_if_it_had_been_there(
        events in proptest::collection::vec(event(false, false), 1..40),
    ) {
        block_on(async {
            let directory = directory();
            let path = directory.path().join("umishop.db");
            let mut run = Run::new(&path);
            let half = events.len() / 2;
            for event in events[..half].iter().filter(|event| !matches!(event, Event::Erase { .. })).cloned() {
                run.happen(event).await;
            }
            run.store.close().await.unwrap();
            let connection = Connection::open(&path).unwrap();
            connection.execute_batch(
                "UPDATE users SET first_origin = NULL, last_origin = NULL, registered_origin = NULL, welcomed_at = NULL,
                                  bounced = 0;
                 UPDATE requests SET first_origin = NULL, last_origin = NULL, delivered_at = NULL;
                 DELETE FROM origins; DELETE FROM registration_days; DELETE FROM request_days;",
            ).unwrap();
            drop(connection);
            run.store = SqliteStore::open(&path).unwrap();
            for event in events[half..].iter().filter(|event| !matches!(event, Event::Tend)).cloned() {
                run.happen(event).await;
            }
            run.tend().await;
            run.check_all().await;
            run.store.close().await.unwrap();
        });
    }
}

#[tokio::test]
async fn a_packed_day_that_is_damaged_is_counted_from_the_tables() {
    let app = TestApp::start().await;
    app.register("Ana", "ana@example.com").await;
    app.pass(2 * DAY);
    while app.store().tend_ledger(Arc::default(), app.now()).await.unwrap() {}
    let counted = async || app.api("GET", "/api/origins?to=2026-11-26").await.json();
    let before = counted().await;
    assert_eq!(before["total"]["registrations"], 1);
    let damaged = Connection::open(app.directory().join("umishop.db")).unwrap();
    let changed = damaged.execute("UPDATE registration_days SET facts = substr(facts, 1, length(facts) - 1)", []);
    assert_eq!((changed, counted().await), (Ok(1), before));
}
