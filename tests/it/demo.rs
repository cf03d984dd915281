//! `umishop demo`: a year that is made up and adds up, and from which nothing is ever sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use umishop::app::App;
use umishop::clock::Clock;
use umishop::config::{self, Config, Sources};
use umishop::demo::{self, CONFIG, Plan};
use umishop::domain::{
    Bucketing, Clues, CreditedTouch, Dimension, OriginRules, Purpose, RequestState, State, Timeline, Timestamp, User,
    UserId,
};
use umishop::store::sqlite::SqliteStore;
use umishop::store::{Ledger, LedgerQuery, MessageFilter, Page, RequestEntry, RequestFilter, Store, UserFilter};

use crate::command_line::run;

const UNTIL: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const CUSTOMERS: u32 = 1_500;

fn config(directory: &Path) -> Config {
    let file = directory.join("config.toml");
    fs::write(&file, CONFIG).unwrap();
    let sources = Sources { file: Some(file), directory: directory.to_owned(), environment: Vec::new() };
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).config
}

/// A year in a new database in `directory`.
async fn year(directory: &Path, customers: u32, seed: u64) -> SqliteStore {
    let config = config(directory);
    let store = SqliteStore::create_invented(&directory.join("umishop.db")).unwrap();
    let plan = Plan {
        customers,
        seed,
        until: UNTIL,
        routes: &config.routes,
        welcome: config.welcome.channel.clone().unwrap(),
        reached_at: config.welcome_reaches(),
        rules: Arc::clone(&config.origins),
    };
    demo::fill(&store, &plan, &mut |_, _| {}).await.unwrap();
    store
}

async fn everybody(store: &SqliteStore) -> Vec<User> {
    store.users(UserFilter::default(), Page { limit: 100_000, before: None }).await.unwrap()
}

async fn every_request(store: &SqliteStore) -> Vec<RequestEntry> {
    store.requests(RequestFilter::default(), Page { limit: 100_000, before: None }).await.unwrap()
}

/// Who opened the chat from their welcome.
async fn opened(store: &SqliteStore, users: &[User]) -> BTreeSet<UserId> {
    let mut opened = BTreeSet::new();
    for user in users {
        if store.user(user.id).await.unwrap().unwrap().opened_at.is_some() {
            opened.insert(user.id);
        }
    }
    opened
}

async fn ledger(store: &SqliteStore, rules: &Arc<OriginRules>, by: Dimension) -> Ledger {
    let timeline = Timeline::new(UNTIL.before(Duration::from_hours(24 * 400)), UNTIL, Bucketing::Month, "UTC").unwrap();
    let query = LedgerQuery { by, touch: CreditedTouch::First, timeline, only: Vec::new(), limit: 10_000 };
    store.ledger(query, Arc::clone(rules)).await.unwrap()
}

#[tokio::test]
async fn what_is_counted_of_an_invented_year_is_what_is_listed_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = year(directory.path(), CUSTOMERS, 1).await;
    let rules = config(directory.path()).origins;
    let users = everybody(&store).await;
    let filter = MessageFilter { purpose: Some(Purpose::Welcome), ..MessageFilter::default() };
    let welcomes = store.messages(filter, Page { limit: 100_000, before: None }).await.unwrap();
    let welcomed_in = |state| -> BTreeSet<UserId> {
        welcomes.iter().filter(|message| message.state == state).filter_map(|message| message.user_id).collect()
    };
    let (greeted, dead) = (welcomed_in(State::Delivered), welcomed_in(State::Dead));
    let opened = opened(&store, &users).await;
    assert!(opened.len() > 300 && opened.len() < greeted.len() && opened.is_subset(&greeted), "{}", opened.len());
    for by in Dimension::ALL {
        let value = |user: &User| rules.attribute(&Clues::of(&user.origin, user.phone.as_ref())).value(by).to_owned();
        let mut expected: BTreeMap<String, (u64, u64, u64, u64, u64)> = BTreeMap::new();
        for user in &users {
            let row = expected.entry(value(user)).or_default();
            row.0 += u64::from(user.registered_at.is_some());
            row.1 += u64::from(greeted.contains(&user.id));
            row.2 += u64::from(dead.contains(&user.id));
            row.4 += u64::from(opened.contains(&user.id));
        }
        for RequestEntry { user, .. } in every_request(&store).await {
            expected.entry(value(&user.unwrap())).or_default().3 += 1;
        }
        let counted = ledger(&store, &rules, by).await;
        assert!(counted.complete && counted.others.is_none());
        let counted: BTreeMap<_, _> = counted
            .rows
            .into_iter()
            .map(|(value, row)| {
                let whole = row.whole;
                (value, (whole.registrations, whole.welcomed, whole.bounced, whole.requests, whole.opened))
            })
            .collect();
        assert_eq!(counted, expected, "by {by}");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn an_invented_year_has_something_of_everything() {
    let directory = tempfile::tempdir().unwrap();
    let store = year(directory.path(), CUSTOMERS, 1).await;
    let users = everybody(&store).await;
    assert!(users.len() > 1_490, "only {} customers", users.len());
    assert!(users.iter().all(|user| user.created_at <= UNTIL && UNTIL.since(user.created_at).as_secs() < 366 * 86_400));
    let languages: BTreeSet<&str> = users.iter().map(|user| user.language.as_str()).collect();
    assert!(languages.len() > 6, "{languages:?}");
    for user in &users {
        let address = user.email.as_ref().map_or("at@example.com".into(), ToString::to_string);
        let domain = address.split_once('@').unwrap().1;
        assert!(["example.com", "example.org", "example.net"].contains(&domain), "{address}");
    }
    let requests = every_request(&store).await;
    for state in RequestState::ALL {
        assert!(requests.iter().any(|entry| entry.request.state == *state), "no request is {state}");
    }
    for state in [State::Pending, State::Delivered, State::Dead, State::Held, State::Cancelled] {
        let filter = MessageFilter { state: Some(state), ..MessageFilter::default() };
        let found = store.messages(filter, Page { limit: 1, before: None }).await.unwrap();
        assert!(!found.is_empty(), "no message is {state}");
    }
    let suppressed = store.suppressions(Page { limit: 1_000, before: None }).await.unwrap();
    let causes: BTreeSet<String> = suppressed.iter().map(|suppression| suppression.cause.to_string()).collect();
    assert_eq!(causes.len(), 2, "{causes:?}");
    assert!(store.channel_notes().await.unwrap().iter().any(|note| note.paused_at.is_some()));
    assert!(store.inbox(Page { limit: 100, before: None }).await.unwrap().len() > 20);
    store.close().await.unwrap();
}

#[tokio::test]
async fn the_same_seed_makes_the_same_year_and_another_one_another() {
    let all = async |seed| {
        let directory = tempfile::tempdir().unwrap();
        let store = year(directory.path(), 60, seed).await;
        let messages = store.messages(MessageFilter::default(), Page { limit: 1_000, before: None }).await.unwrap();
        let all = format!("{:?}{:?}{messages:?}", everybody(&store).await, every_request(&store).await);
        store.close().await.unwrap();
        all
    };
    let first = all(7).await;
    assert_eq!(first, all(7).await);
    assert_ne!(first, all(8).await);
}

#[tokio::test]
async fn nobody_serves_invented_customers_outside_the_sandbox() {
    let directory = tempfile::tempdir().unwrap();
    year(directory.path(), 5, 1).await.close().await.unwrap();
    let mut config = config(directory.path());
    config.sandbox = false;
    let refused = App::open(config, Clock::manual(UNTIL)).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("invented customers"), "{refused}");
    App::open(self::config(directory.path()), Clock::manual(UNTIL)).await.unwrap();
}

#[test]
fn a_demo_takes_the_place_of_a_demo_and_of_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let make = |path: &str| run(directory.path(), &["demo", path, "--customers", "5"]);
    for _ in 0..2 {
        let (code, out, error) = make("tour");
        assert!(code == Some(0) && out.contains("cd tour && umishop serve"), "{error}");
        // Of the customers of the one before nothing is left that a restore would follow.
        let list = directory.path().join("tour/umishop.db.erased");
        assert!(!list.exists());
        fs::write(list, "2026-01-01T00:00:00.000Z 01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d\n").unwrap();
    }
    let shop = directory.path().join("shop");
    fs::create_dir(&shop).unwrap();
    for (file, text, why) in [
        ("umishop.db", "a shop's own database", "not one that `umishop demo` made"),
        ("config.toml", "sandbox = false\n", "is not a demo's"),
    ] {
        fs::write(shop.join(file), text).unwrap();
        let (code, _, error) = make("shop");
        assert!(code == Some(1) && error.contains(why), "{error}");
        assert_eq!(fs::read_to_string(shop.join(file)).unwrap(), text);
        assert_eq!(fs::read_dir(&shop).unwrap().count(), 1, "something was put beside {file}");
        fs::remove_file(shop.join(file)).unwrap();
    }
    // Beside a configuration of a demo, too.
    fs::write(shop.join("config.toml"), CONFIG).unwrap();
    fs::write(shop.join("umishop.db"), "a shop's own database").unwrap();
    let (code, _, error) = make("shop");
    assert!(code == Some(1) && error.contains("not one that `umishop demo` made"), "{error}");
    assert_eq!(fs::read_to_string(shop.join("umishop.db")).unwrap(), "a shop's own database");
}
