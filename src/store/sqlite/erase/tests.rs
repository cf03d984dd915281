//! An erasure that is cut off at any moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::{connect, directory, suffixed};
use super::*;
use crate::domain::{Contact, ContactField, EmailAddress, MessageId, NewMessage, NewUser, Origin, Phone, Purpose};
use crate::store::{InboxEntry, Registration, Store, UserFilter};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ADDRESS: &str = "ximena.q@example.com";

fn registration(email: &str) -> Registration {
    let welcome = NewMessage {
        id: MessageId::new(NOW),
        channel: "email.welcome".parse().unwrap(),
        purpose: Purpose::Welcome,
        due_at: NOW,
        fallback: None,
    };
    let user = NewUser {
        id: UserId::new(NOW),
        name: "Ximena".into(),
        contact: Contact { email: EmailAddress::parse(email).ok(), ..Contact::default() },
        language: String::new(),
        origin: Origin { text: Some(format!("mail to {email}")), ..Origin::default() },
    };
    Registration { user, welcome: Some(welcome), reached_at: vec![ContactField::Email], trace: None }
}

/// A database with the customer among others.
async fn database(path: &Path) -> UserId {
    let store = SqliteStore::open(path).unwrap();
    for number in 0..20 {
        store.register_user(registration(&format!("other{number}@example.com")), NOW).await.unwrap();
    }
    let registered = store.register_user(registration(ADDRESS), NOW).await.unwrap();
    store.set_subscribed(registered.user.id, false, NOW).await.unwrap();
    store.close().await.unwrap();
    registered.user.id
}

/// Erases the customer, and returns directories with what the files held on the way: what a kill at that moment leaves.
fn kill_at_many_moments(path: &Path, id: UserId) -> Vec<PathBuf> {
    let mut connection = connect(path).unwrap();
    let (from, moments) = (directory(path).to_owned(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&moments);
    let name = |number| format!("killed-{number}");
    let snapshot = move || {
        let to = from.join(name(moments.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&to).unwrap();
        for suffix in ["", "-wal", ".erased"] {
            let part = suffixed(&from.join("umishop.db"), suffix);
            if part.exists() {
                std::fs::copy(&part, to.join(part.file_name().unwrap())).unwrap();
            }
        }
        false
    };
    connection.progress_handler(10, Some(snapshot.clone())).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    erase(&connection, id, &Found::default(), NOW).unwrap().unwrap();
    snapshot();
    connection.execute_batch("COMMIT").unwrap();
    snapshot();
    complete(&connection, path).unwrap();
    snapshot();
    super::super::Log::write_back(&connection).unwrap();
    snapshot();
    (0..counted.load(Ordering::Relaxed)).map(|number| directory(path).join(name(number))).collect()
}

fn contains(file: &Path, text: &str) -> bool {
    std::fs::read(file).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn a_kill_at_any_moment_of_an_erasure_leaves_the_customer_whole_or_nothing_of_them() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("umishop.db");
    let id = database(&path).await;
    let killed = kill_at_many_moments(&path, id);
    let mut seen = [0, 0];
    for killed in &killed {
        let path = killed.join("umishop.db");
        // The next start.
        let store = SqliteStore::open(&path).unwrap();
        let found = store.export_user(id).await.unwrap().unwrap();
        let suppressions = store.suppressions(Page { limit: 9, before: None }).await.unwrap().len();
        let written_down = contains(&suffixed(&path, ".erased"), &id.to_string());
        assert_eq!(store.users(UserFilter::default(), Page { limit: 99, before: None }).await.unwrap().len(), 21);
        store.close().await.unwrap();
        let left = ["", "-wal"].iter().any(|suffix| contains(&suffixed(&path, suffix), ADDRESS));
        let is_erased = found.user.is_erased();
        assert_eq!(found.erased_at.is_some(), is_erased);
        assert_eq!(
            (found.messages.len(), suppressions, left, written_down),
            if is_erased { (0, 0, false, true) } else { (1, 1, true, false) }
        );
        seen[usize::from(is_erased)] += 1;
    }
    assert!(seen[0] > 10 && seen[1] >= 3, "{seen:?}");
}

fn unreadable(at: Timestamp, body: &str) -> InboxEntry {
    InboxEntry {
        id: InboxId::new(at),
        received_at: at,
        request_line: String::new(),
        headers: String::new(),
        body: body.into(),
        why: String::new(),
    }
}

/// How many unreadable webhooks an erasure finds if this comes while the inbox is looked through.
async fn found_after(meanwhile: impl AsyncFnOnce(&SqliteStore)) -> u64 {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("umishop.db");
    let id = database(&path).await;
    let store = SqliteStore::open(&path).unwrap();
    for (at, body) in [(NOW.before(Duration::from_hours(1)), "[1, \"+34612000111\""), (NOW, "[1, 2")] {
        store.keep_unreadable(unreadable(at, body)).await.unwrap();
    }
    let found = store.find_in_inbox(id).await.unwrap().unwrap();
    meanwhile(&store).await;
    let erase = move |connection: &Connection| erase(connection, id, &found, NOW);
    let erased = store.writer().unwrap().write(erase).await.unwrap().unwrap();
    store.close().await.unwrap();
    erased.inbox
}

#[tokio::test]
async fn what_is_written_and_told_while_an_erasure_looks_through_the_inbox_is_not_overlooked() {
    let late = unreadable(NOW.before(Duration::from_secs(1)), &format!("[1, {ADDRESS:?}"));
    assert_eq!(found_after(async |_| {}).await, 0);
    assert_eq!(
        found_after(async |store| store.keep_unreadable(late).await.unwrap()).await,
        1,
        "it came before another"
    );
    let mut told = registration(ADDRESS);
    told.user.contact.phone = Some(Phone { raw: "+34612000111".into(), e164: Some("+34612000111".into()) });
    let tell = async |store: &SqliteStore| drop(store.register_user(told, NOW).await.unwrap());
    assert_eq!(found_after(tell).await, 1, "by a phone that was not known");
}
