//! A year of a shop that does not exist, for a look around.
//!
//! Everything goes through the use cases of the store, with the time at which it would have happened: so what is counted
//! and listed afterwards is as true as it would be in a real shop. The same plan gives the same year.
//!
//! A day is written at a time: registrations, their welcomes, questions, where they went, what became of them. No
//! customer registers after they asked on the same day, so that this order is the order in which it happened. Only that
//! somebody opens the chat from their welcome is written when the welcome arrives, since nothing else depends on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use crate::domain::{
    BootId, ChannelAddress, ContactField, Fingerprint, InboxId, MessageId, NewMessage, NewRequest, NewUser,
    OriginRules, Purpose, RequestChange, RequestId, RequestState, RoutingTable, Timestamp, Told, Topic, Transition,
    UserId,
};
use crate::store::{InboxEntry, Registration, Store, StoreError, Submission};
use calendar::{Calendar, Customer, DAY, DAYS, Event, HOUR, MINUTE, Visit, What};
use deliveries::{Fate, PAUSED, PAUSED_FOR, fate};
use people::landbot_customer_id;
use talk::{DESKS, QUESTIONS, UNREADABLE};
use ways::WAYS;

mod calendar;
mod chance;
mod deliveries;
mod ids;
mod people;
mod talk;
mod ways;

/// How many writes wait for the same commit.
const AT_ONCE: usize = 256;

/// After so many days another webhook could not be read.
const UNREADABLE_EVERY: usize = 11;

/// The configuration of the shop that does not exist.
pub const CONFIG: &str = include_str!("config.toml");

/// What to make up.
pub struct Plan<'a> {
    /// How many customers. At least one.
    pub customers: u32,
    /// Another number gives another year.
    pub seed: u64,
    /// The end of the year.
    pub until: Timestamp,
    /// Where questions go.
    pub routes: &'a RoutingTable,
    /// The channel of the welcome.
    pub welcome: ChannelAddress,
    /// The addresses that a welcome can reach a customer at.
    pub reached_at: Vec<ContactField>,
    /// What origins mean.
    pub rules: Arc<OriginRules>,
}

/// Writes the year into an empty store. `progress` hears how many days of it are written, of how many.
pub async fn fill(
    store: &dyn Store,
    plan: &Plan<'_>,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<(), StoreError> {
    let calendar = Calendar::new(plan.customers.max(1), plan.seed, plan.until);
    let boot = BootId::from_bytes(ids::id(plan.until.as_millis(), plan.seed, 0, 1 << 40));
    let year = Year { store, plan, calendar: &calendar, boot };
    let events = calendar.events();
    for (day, events) in calendar.days(&events).into_iter().enumerate() {
        year.write(day, events).await?;
        progress(day + 1, DAYS);
    }
    if let Ok(paused) = PAUSED.parse() {
        let at = Timestamp::from_millis(plan.until.as_millis() - PAUSED_FOR);
        store.note_pause(&paused, Some(at)).await?;
    }
    while store.tend_ledger(Arc::clone(&plan.rules), plan.until).await? {}
    Ok(())
}

struct Year<'a> {
    store: &'a dyn Store,
    plan: &'a Plan<'a>,
    calendar: &'a Calendar,
    boot: BootId,
}

impl Year<'_> {
    async fn write(&self, day: usize, events: &[Event]) -> Result<(), StoreError> {
        let until = self.calendar.end_of(day);
        let visits = |visit| events.iter().filter(move |event| event.what == What::Visit(visit));
        for some in visits(Visit::Register).collect::<Vec<_>>().chunks(AT_ONCE) {
            try_join_all(some.iter().map(|event| self.register(event))).await?;
        }
        self.deliver(until).await?;
        for some in visits(Visit::Ask).collect::<Vec<_>>().chunks(AT_ONCE) {
            try_join_all(some.iter().map(|event| self.ask(event))).await?;
        }
        self.deliver(until).await?;
        let others = events.iter().filter(|event| !matches!(event.what, What::Visit(_)));
        for some in others.collect::<Vec<_>>().chunks(AT_ONCE) {
            try_join_all(some.iter().map(|event| self.change(event))).await?;
        }
        if day % UNREADABLE_EVERY == 1 {
            self.keep_unreadable(day).await?;
        }
        Ok(())
    }

    fn id(&self, event: &Event, nth: u64) -> [u8; 16] {
        ids::id(event.at, self.plan.seed, event.customer, u64::from(event.nth) * 16 + nth)
    }

    /// The id of the request that was made on the visit of `event`; `at` is when that was.
    fn request_id(&self, event: &Event, at: i64) -> RequestId {
        RequestId::from_bytes(self.id(&Event { at, ..*event }, 1))
    }

    fn user(&self, event: &Event, customer: Customer) -> NewUser {
        let by = customer.visits.get(usize::from(event.nth)).map_or(0, |(_, _, by)| *by);
        let mut chance = chance::of(self.plan.seed, u64::from(event.customer), 400 + u64::from(event.nth));
        let person = customer.person;
        let origin = WAYS[by].origin(&mut chance, Some(person.country), landbot_customer_id(event.customer));
        NewUser {
            id: UserId::from_bytes(self.id(event, 0)),
            name: person.name,
            contact: person.contact,
            language: person.language.to_owned(),
            origin,
        }
    }

    async fn register(&self, event: &Event) -> Result<(), StoreError> {
        let at = Timestamp::from_millis(event.at);
        let welcome = NewMessage {
            id: MessageId::from_bytes(self.id(event, 2)),
            channel: self.plan.welcome.clone(),
            purpose: Purpose::Welcome,
            due_at: Timestamp::from_millis(event.at + MINUTE),
            fallback: None,
        };
        let registration = Registration {
            user: self.user(event, self.calendar.customer(event.customer)),
            welcome: Some(welcome),
            reached_at: self.plan.reached_at.clone(),
            trace: None,
        };
        self.store.register_user(registration, at).await.map(drop)
    }

    async fn ask(&self, event: &Event) -> Result<(), StoreError> {
        let user = self.user(event, self.calendar.customer(event.customer));
        let (about, text) = calendar::question(self.plan.seed, event.customer, event.nth, &user.language);
        let topic = Topic::new(QUESTIONS[about].topic[usize::from(user.language.starts_with("es"))]);
        let (origin, phone) = (&user.origin, user.contact.phone.as_ref());
        let decision = self.plan.routes.decide(Told { topic: &topic, origin, phone, language: &user.language });
        let at = Timestamp::from_millis(event.at);
        let messages = decision.destinations().into_iter().zip(3..).map(|(to, nth)| NewMessage {
            id: MessageId::from_bytes(self.id(event, nth)),
            channel: to.channel.clone(),
            purpose: Purpose::Request,
            due_at: at,
            fallback: to.fallback.cloned(),
        });
        let request = NewRequest {
            id: self.request_id(event, event.at),
            topic_unknown: decision.topic.is_none(),
            question: text.to_owned(),
            idempotency_key: None,
            fingerprint: Fingerprint::new(&user.contact.key(), &topic, text),
            origin: user.origin.clone(),
            topic: topic.clone(),
        };
        let messages = messages.collect();
        self.store.submit_request(Submission { user: Some(user), request, messages }, at).await.map(drop)
    }

    /// What becomes of a question, or of a customer's wish to be written to.
    async fn change(&self, event: &Event) -> Result<(), StoreError> {
        let customer = self.calendar.customer(event.customer);
        let at = Timestamp::from_millis(event.at);
        let Some((visited_at, ..)) = customer.visits.get(usize::from(event.nth)) else { return Ok(()) };
        match event.what {
            What::Unsubscribe => {
                let user = UserId::from_bytes(self.id(&Event { at: *visited_at, ..*event }, 0));
                self.store.set_subscribed(user, false, at).await.map(drop)
            }
            What::Change(state) => {
                let desk = DESKS[usize::from(event.nth) % DESKS.len()];
                let note = if state == RequestState::Closed { "Nothing more to do." } else { "" };
                let change = RequestChange { at, state, by: desk.to_owned(), note: note.to_owned() };
                let id = self.request_id(event, *visited_at);
                self.store.change_request(id, change, Vec::new()).await.map(drop)
            }
            What::Visit(_) => Ok(()),
        }
    }

    /// Lets everything that is due until then come to its fate.
    async fn deliver(&self, until: Timestamp) -> Result<(), StoreError> {
        loop {
            let due: BTreeMap<ChannelAddress, Timestamp> = self.store.next_due().await?.into_iter().collect();
            let mut claimed = 0;
            for (channel, due) in due {
                let now = self.sends_until(&channel, until);
                if due > now {
                    continue;
                }
                let claims = self.store.claim_due(&channel, self.boot, AT_ONCE, now).await?.claims;
                claimed += claims.len();
                let fates = claims.iter().map(|claim| fate(self.plan, self.calendar, &channel, claim));
                try_join_all(fates.map(|fate| self.settle(fate))).await?;
            }
            if claimed == 0 {
                return Ok(());
            }
        }
    }

    /// A channel sends nothing after it was paused.
    fn sends_until(&self, channel: &ChannelAddress, until: Timestamp) -> Timestamp {
        let paused_at = Timestamp::from_millis(self.plan.until.as_millis() - PAUSED_FOR);
        if channel.as_str() == PAUSED { until.min(paused_at) } else { until }
    }

    async fn settle(&self, Fate { settlement, at, opened }: Fate) -> Result<(), StoreError> {
        let (id, held) = (settlement.id, settlement.transition == Transition::Held);
        self.store.settle(settlement, at).await?;
        if let Some((user, opened_at)) = opened {
            self.store.note_opened(user, opened_at).await?;
        }
        // What was held weeks ago somebody has decided upon since then.
        let decided_at = Timestamp::from_millis(at.as_millis() + 3 * HOUR);
        if held && at.as_millis() < self.plan.until.as_millis() - 12 * DAY {
            if ids::seed(id.as_bytes()).is_multiple_of(3) {
                self.store.cancel_message(id, decided_at).await?;
            } else {
                self.store.retry_message(id, decided_at).await?;
            }
        }
        Ok(())
    }

    async fn keep_unreadable(&self, day: usize) -> Result<(), StoreError> {
        let nth = day / UNREADABLE_EVERY;
        let (body, why) = UNREADABLE[nth % UNREADABLE.len()];
        let at = self.calendar.end_of(day).as_millis() - 7 * HOUR;
        let id = ids::id(at, self.plan.seed, 0, 1 << 32 | u64::try_from(nth).unwrap_or_default());
        let entry = InboxEntry {
            id: InboxId::from_bytes(id),
            received_at: Timestamp::from_millis(at),
            request_line: "POST /umishop_api/user".to_owned(),
            headers: "content-type: application/json\nuser-agent: Landbot".to_owned(),
            body: body.as_bytes().to_vec(),
            why: why.to_owned(),
        };
        self.store.keep_unreadable(entry).await
    }
}
