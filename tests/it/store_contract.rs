//! What every store promises, whichever engine is behind it. Each promise is a function over `&dyn Store`; the macro at
//! the foot stamps it out for each backend.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use umishop::domain::{
    Attempt, BootId, ChannelAddress, Contact, ContactField, Context, EmailAddress, Fingerprint, Follower, InboxId,
    MessageId, NewMessage, NewRequest, NewUser, Origin, Phone, Purpose, RequestChange, RequestId, RequestState,
    Settlement, State, SuppressionCause, Timestamp, Topic, Transition, UserId,
};
use umishop::store::{
    Alert, BackupError, Changed, Counted, InboxEntry, Incidents, MessageFilter, Overdue, Page, Period, Registration,
    RequestChanged, RequestFilter, RoutedRequest, Store, StoreError, Submission, Troubles, UserFilter, Waiting,
};

use crate::support::retention;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_mins(1);

fn channel() -> ChannelAddress {
    "email.welcome".parse().unwrap()
}

fn boot() -> BootId {
    BootId::new(NOW)
}

fn customer(name: &str, email: &str) -> NewUser {
    NewUser {
        id: UserId::new(NOW),
        name: name.into(),
        contact: Contact { email: EmailAddress::parse(email).ok(), ..Contact::default() },
        language: String::new(),
        origin: Origin { text: Some(format!("visit of {name}")), ..Origin::default() },
    }
}

fn with_phone(mut user: NewUser, phone: &str) -> NewUser {
    user.contact.phone = Some(Phone { raw: phone.into(), e164: Some(phone.into()) });
    user
}

fn welcome() -> NewMessage {
    NewMessage {
        id: MessageId::new(NOW),
        channel: channel(),
        purpose: Purpose::Welcome,
        due_at: NOW.after(MINUTE),
        fallback: None,
    }
}

fn registration(user: NewUser) -> Registration {
    Registration { user, welcome: Some(welcome()), reached_at: vec![ContactField::Email], trace: None }
}

fn question(user: &NewUser, question: &str) -> Submission {
    let topic = Topic::new("Sales");
    let request = NewRequest {
        id: RequestId::new(NOW),
        fingerprint: Fingerprint::new(&user.contact.key(), &topic, question),
        topic,
        topic_unknown: false,
        question: question.into(),
        idempotency_key: None,
        origin: user.origin.clone(),
    };
    let message = NewMessage {
        id: MessageId::new(NOW),
        channel: channel(),
        purpose: Purpose::Request,
        due_at: NOW,
        fallback: None,
    };
    Submission { user: Some(user.clone()), request, messages: vec![message] }
}

fn keyed(mut submission: Submission, key: &str) -> Submission {
    submission.request.idempotency_key = Some(key.into());
    submission
}

async fn register(store: &dyn Store, user: NewUser) -> umishop::store::Registered {
    store.register_user(registration(user), NOW).await.unwrap()
}

async fn count(store: &dyn Store, filter: MessageFilter) -> usize {
    store.messages(filter, Page { limit: 500, before: None }).await.unwrap().len()
}

async fn state_of(store: &dyn Store, id: MessageId) -> State {
    store.message(id).await.unwrap().unwrap().message.state
}

fn settlement(id: MessageId, epoch: i64, transition: Transition) -> Settlement {
    let attempt = Attempt {
        epoch,
        channel: channel(),
        started_at: NOW,
        duration_ms: 12,
        outcome: "retry".into(),
        scope: "message".into(),
        error: "503 busy".into(),
    };
    Settlement { id, attempt, transition, suppress: None }
}

fn delivered() -> Transition {
    Transition::Delivered { reference: "queued as 42".into(), capture: None }
}

/// Registers one customer and claims their welcome.
async fn claimed(store: &dyn Store) -> umishop::domain::Claim {
    register(store, customer("Ana", "ana@example.com")).await;
    let claimed = store.claim_due(&channel(), boot(), 10, NOW.after(MINUTE)).await.unwrap();
    claimed.claims.into_iter().next().unwrap()
}

async fn a_user_and_their_welcome_are_created_together(store: &dyn Store) {
    let registered = register(store, customer("Ana", "ana@example.com")).await;
    assert!(registered.created);
    assert_eq!(registered.welcome_due, Some(NOW.after(MINUTE)));
    let timeline = store.user(registered.user.id).await.unwrap().unwrap();
    assert_eq!(timeline.user, registered.user);
    assert_eq!(timeline.messages.len(), 1);
    assert_eq!(timeline.messages[0].state, State::Pending);
    assert_eq!(timeline.messages[0].context.name, "Ana");
}

async fn a_user_who_registers_again_gets_no_second_welcome_and_keeps_a_touch(store: &dyn Store) {
    let first = register(store, customer("Ana", "ana@example.com")).await;
    let again = register(store, customer("Anita", "ana@example.com")).await;
    assert_eq!((again.created, again.welcome_due, again.user.id), (false, None, first.user.id));
    let timeline = store.user(first.user.id).await.unwrap().unwrap();
    assert_eq!((timeline.user.name.as_str(), timeline.messages.len()), ("Ana", 1));
    assert_eq!(timeline.user.origin.source(), "visit of Ana");
    assert_eq!(timeline.touches[0].origin.source(), "visit of Anita");
}

async fn a_user_known_by_phone_is_found_again_and_welcomed_once_their_address_is_known(store: &dyn Store) {
    let first = register(store, with_phone(customer("Ana", ""), "+34612345678")).await;
    assert_eq!(first.welcome_due, None);
    let again = register(store, with_phone(customer("", "ana@example.com"), "+34612345678")).await;
    assert_eq!(again.user.id, first.user.id);
    assert!(again.welcome_due.is_some());
}

async fn a_welcome_goes_to_whom_its_channel_or_the_one_that_takes_over_can_reach(store: &dyn Store) {
    let reached_at = |fields: &[ContactField], user| Registration { reached_at: fields.to_vec(), ..registration(user) };
    let welcomed = async |registration| store.register_user(registration, NOW).await.unwrap().welcome_due.is_some();
    let by_phone = |email: &str, phone: &str| with_phone(customer("Ana", email), phone);
    assert!(!welcomed(reached_at(&[ContactField::Phone], customer("Ana", "ana@example.com"))).await);
    assert!(!welcomed(reached_at(&[], customer("Ana", "ana@example.com"))).await);
    let mut unclear = by_phone("", "12 34");
    unclear.contact.phone.as_mut().unwrap().e164 = None;
    assert!(!welcomed(reached_at(&[ContactField::Phone], unclear)).await, "nobody can call that");
    assert!(welcomed(reached_at(&[ContactField::Phone], by_phone("ana@example.com", "+34612345678"))).await);
    assert!(!welcomed(reached_at(&[ContactField::Email], by_phone("ana@example.com", "+34612345678"))).await, "twice");
    assert!(
        welcomed(reached_at(&[ContactField::Phone, ContactField::Email], customer("Eva", "eva@example.com"))).await
    );
}

async fn a_welcome_goes_into_the_chat_of_the_registration(store: &dyn Store) {
    let visit = |id: &str| {
        let mut user = customer("Ana", "ana@example.com");
        user.contact.landbot_customer_id = Some(id.into());
        user.origin.landbot_customer_id = Some(id.into());
        user
    };
    store.submit_request(question(&visit("77"), "How much?"), NOW).await.unwrap();
    let registration = Registration { reached_at: vec![ContactField::LandbotCustomerId], ..registration(visit("78")) };
    let user = store.register_user(registration, NOW).await.unwrap().user;
    let timeline = store.user(user.id).await.unwrap().unwrap();
    let addresses: Vec<_> =
        timeline.messages.iter().map(|message| message.context.address(ContactField::LandbotCustomerId)).collect();
    assert!(addresses.contains(&Some("77")) && addresses.contains(&Some("78")), "{addresses:?}");
    assert_eq!(timeline.user.landbot_customer_id.as_deref(), Some("77"));
}

async fn two_addresses_on_one_phone_are_two_users(store: &dyn Store) {
    let ana = register(store, with_phone(customer("Ana", "ana@example.com"), "+34612345678")).await;
    let eva = register(store, with_phone(customer("Eva", "eva@example.com"), "+34612345678")).await;
    assert_ne!(ana.user.id, eva.user.id);
}

async fn a_user_is_known_again_by_landbots_number(store: &dyn Store) {
    let landbot = |name: &str, email: &str| {
        let mut user = customer(name, email);
        user.contact.landbot_customer_id = Some("77".into());
        user
    };
    let first = register(store, landbot("", "")).await;
    let again = register(store, landbot("Ana", "ana@example.com")).await;
    assert_eq!(first.user.id, again.user.id);
    assert_eq!(again.user.name, "Ana");
}

async fn a_repeated_hook_leaves_no_touch(store: &dyn Store) {
    let hook = || Registration { trace: Some("trace-1".into()), ..registration(customer("Ana", "ana@example.com")) };
    let first = store.register_user(hook(), NOW).await.unwrap();
    store.register_user(hook(), NOW).await.unwrap();
    assert_eq!(store.user(first.user.id).await.unwrap().unwrap().touches.len(), 0);
}

async fn a_request_its_user_and_its_messages_are_stored_together(store: &dyn Store) {
    let submitted =
        store.submit_request(question(&customer("Ana", "ana@example.com"), "How much?"), NOW).await.unwrap();
    assert!(!submitted.duplicate);
    let timeline = store.user(submitted.user.unwrap().id).await.unwrap().unwrap();
    assert_eq!(timeline.requests[0].question, "How much?");
    assert_eq!(timeline.messages[0].request_id, Some(submitted.request_id));
    assert_eq!(timeline.messages[0].context.question, "How much?");
    assert_eq!(timeline.user.registered_at, None);
}

async fn a_user_who_only_asked_is_created_and_welcomed_when_they_register(store: &dyn Store) {
    store.submit_request(question(&customer("Ana", "ana@example.com"), "How much?"), NOW).await.unwrap();
    let registered = register(store, customer("Ana", "ana@example.com")).await;
    assert!(registered.created && registered.welcome_due.is_some());
}

async fn a_request_without_any_contact_is_kept(store: &dyn Store) {
    let mut submission = question(&customer("", ""), "Anybody there?");
    submission.user = None;
    let submitted = store.submit_request(submission, NOW).await.unwrap();
    assert_eq!((submitted.user, submitted.duplicate), (None, false));
    assert_eq!(count(store, MessageFilter::default()).await, 1);
}

async fn the_same_question_within_ten_minutes_is_one_request(store: &dyn Store) {
    let ana = customer("Ana", "ana@example.com");
    let first = store.submit_request(question(&ana, "How much?"), NOW).await.unwrap();
    let soon = store.submit_request(question(&ana, "how  MUCH?"), NOW.after(9 * MINUTE)).await.unwrap();
    assert_eq!((soon.duplicate, soon.request_id), (true, first.request_id));
    // The window slides: it counts from the last time.
    assert!(store.submit_request(question(&ana, "How much?"), NOW.after(18 * MINUTE)).await.unwrap().duplicate);
    let later = store.submit_request(question(&ana, "How much?"), NOW.after(29 * MINUTE)).await.unwrap();
    assert!(!later.duplicate);
    assert_eq!(count(store, MessageFilter::default()).await, 2);
}

async fn an_idempotency_key_is_one_request_for_ever_and_for_one_question(store: &dyn Store) {
    let ana = customer("Ana", "ana@example.com");
    let first = store.submit_request(keyed(question(&ana, "How much?"), "k1"), NOW).await.unwrap();
    let again = store.submit_request(keyed(question(&ana, "How much?"), "k1"), NOW.after(600 * MINUTE)).await.unwrap();
    assert_eq!((again.duplicate, again.request_id), (true, first.request_id));
    let other_key = store.submit_request(keyed(question(&ana, "How much?"), "k2"), NOW).await.unwrap();
    assert!(!other_key.duplicate);
    let reused = store.submit_request(keyed(question(&ana, "How many?"), "k1"), NOW).await;
    assert!(matches!(reused, Err(StoreError::KeyReused)));
    assert_eq!(count(store, MessageFilter::default()).await, 2);
}

async fn a_message_not_yet_due_is_not_claimed_but_announced(store: &dyn Store) {
    register(store, customer("Ana", "ana@example.com")).await;
    let claimed = store.claim_due(&channel(), boot(), 10, NOW).await.unwrap();
    assert!(claimed.claims.is_empty());
    assert_eq!(claimed.next_due, Some(NOW.after(MINUTE)));
}

async fn a_claimed_message_is_not_claimed_again(store: &dyn Store) {
    let claim = claimed(store).await;
    assert_eq!((claim.epoch, claim.attempt), (1, 1));
    assert_eq!(state_of(store, claim.id).await, State::Sending);
    let again = store.claim_due(&channel(), boot(), 10, NOW.after(MINUTE)).await.unwrap();
    assert_eq!(again, umishop::store::Claimed::default());
}

async fn claims_are_the_longest_due_first_and_no_more_than_asked(store: &dyn Store) {
    for (minutes, address) in [(3, "c@example.com"), (1, "a@example.com"), (2, "b@example.com")] {
        let welcome = NewMessage { due_at: NOW.after(minutes * MINUTE), ..welcome() };
        let registration = Registration { welcome: Some(welcome), ..registration(customer(address, address)) };
        store.register_user(registration, NOW).await.unwrap();
    }
    let claimed = store.claim_due(&channel(), boot(), 2, NOW.after(5 * MINUTE)).await.unwrap();
    let names: Vec<_> = claimed.claims.iter().map(|claim| claim.context.name.as_str()).collect();
    assert_eq!(names, ["a@example.com", "b@example.com"]);
    assert_eq!(claimed.next_due, Some(NOW.after(3 * MINUTE)));
}

async fn another_channels_messages_are_left_alone(store: &dyn Store) {
    register(store, customer("Ana", "ana@example.com")).await;
    let other = "slack.pricing".parse().unwrap();
    let claimed = store.claim_due(&other, boot(), 10, NOW.after(MINUTE)).await.unwrap();
    assert_eq!(claimed, umishop::store::Claimed::default());
}

async fn concurrent_claims_never_overlap(store: &dyn Store) {
    for number in 0..40 {
        register(store, customer("", &format!("n{number}@example.com"))).await;
    }
    let channel = channel();
    let claim = || store.claim_due(&channel, boot(), 10, NOW.after(MINUTE));
    let (one, two, three, four) = tokio::join!(claim(), claim(), claim(), claim());
    let mut ids: Vec<_> =
        [one, two, three, four].into_iter().flat_map(|claimed| claimed.unwrap().claims).map(|claim| claim.id).collect();
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

async fn a_delivered_message_keeps_its_reference_and_is_never_claimed(store: &dyn Store) {
    let claim = claimed(store).await;
    assert!(store.settle(settlement(claim.id, claim.epoch, delivered()), NOW).await.unwrap());
    let history = store.message(claim.id).await.unwrap().unwrap();
    assert_eq!((history.message.state, history.message.reference.as_str()), (State::Delivered, "queued as 42"));
    assert_eq!(history.message.finished_at, Some(NOW));
    assert_eq!(history.attempts.len(), 1);
    assert!(store.claim_due(&channel(), boot(), 10, NOW.after(9 * MINUTE)).await.unwrap().claims.is_empty());
}

async fn what_the_sandbox_kept_is_kept(store: &dyn Store) {
    let claim = claimed(store).await;
    let transition = Transition::Delivered { reference: "captured".into(), capture: Some(b"Subject: hi\r\n".to_vec()) };
    store.settle(settlement(claim.id, claim.epoch, transition), NOW).await.unwrap();
    assert_eq!(store.message(claim.id).await.unwrap().unwrap().capture.as_deref(), Some(&b"Subject: hi\r\n"[..]));
}

async fn a_retry_is_due_at_its_time_and_counts_an_attempt(store: &dyn Store) {
    let claim = claimed(store).await;
    let due_at = NOW.after(5 * MINUTE);
    store.settle(settlement(claim.id, claim.epoch, Transition::Again { due_at, counted: true }), NOW).await.unwrap();
    assert!(store.claim_due(&channel(), boot(), 10, NOW.after(4 * MINUTE)).await.unwrap().claims.is_empty());
    let again = store.claim_due(&channel(), boot(), 10, due_at).await.unwrap().claims;
    assert_eq!((again[0].attempt, again[0].epoch), (2, 2));
    let message = store.message(claim.id).await.unwrap().unwrap().message;
    assert_eq!(message.last_error, "503 busy");
}

async fn a_fault_of_the_channel_counts_no_attempt(store: &dyn Store) {
    let claim = claimed(store).await;
    store
        .settle(settlement(claim.id, claim.epoch, Transition::Again { due_at: NOW, counted: false }), NOW)
        .await
        .unwrap();
    let again = store.claim_due(&channel(), boot(), 10, NOW).await.unwrap().claims;
    assert_eq!((again[0].attempt, again[0].epoch), (1, 2));
}

async fn a_claim_sees_what_was_settled_before_it_was_asked_for(store: &dyn Store) {
    let claim = claimed(store).await;
    let channel = channel();
    let again = Transition::Again { due_at: NOW, counted: true };
    // Both wait for their commit at the same time; the first is only polled first.
    let (settled, claimed) = tokio::join!(
        store.settle(settlement(claim.id, claim.epoch, again), NOW),
        store.claim_due(&channel, boot(), 10, NOW),
    );
    assert!(settled.unwrap());
    assert_eq!(claimed.unwrap().claims[0].id, claim.id);
}

async fn settling_after_a_later_claim_changes_nothing(store: &dyn Store) {
    let stale = claimed(store).await;
    let later_boot = BootId::new(NOW.after(MINUTE));
    assert_eq!(store.rescue(later_boot, NOW).await.unwrap().pending, 1);
    let fresh = store.claim_due(&channel(), later_boot, 10, NOW.after(MINUTE)).await.unwrap().claims;
    assert_eq!(fresh[0].id, stale.id);
    assert!(!store.settle(settlement(stale.id, stale.epoch, Transition::Dead), NOW).await.unwrap());
    assert_eq!(state_of(store, stale.id).await, State::Sending);
    assert!(store.settle(settlement(stale.id, fresh[0].epoch, delivered()), NOW).await.unwrap());
    assert_eq!(store.message(stale.id).await.unwrap().unwrap().attempts.len(), 1);
}

async fn a_rescue_spares_what_this_boot_is_sending_and_burns_no_attempt(store: &dyn Store) {
    let mine = boot();
    register(store, customer("Ana", "ana@example.com")).await;
    let claim = store.claim_due(&channel(), mine, 1, NOW.after(MINUTE)).await.unwrap().claims.remove(0);
    assert_eq!(store.rescue(mine, NOW).await.unwrap().pending, 0);
    assert_eq!(store.rescue(boot(), NOW).await.unwrap().pending, 1);
    let again = store.claim_due(&channel(), mine, 1, NOW.after(MINUTE)).await.unwrap().claims;
    assert_eq!((again[0].id, again[0].attempt), (claim.id, 1));
}

async fn a_retried_dead_letter_starts_afresh_and_keeps_its_history(store: &dyn Store) {
    let claim = claimed(store).await;
    store.settle(settlement(claim.id, claim.epoch, Transition::Dead), NOW).await.unwrap();
    assert_eq!(state_of(store, claim.id).await, State::Dead);
    assert_eq!(store.retry_message(claim.id, NOW).await.unwrap(), Changed::Yes);
    let again = store.claim_due(&channel(), boot(), 10, NOW).await.unwrap().claims;
    assert_eq!((again[0].id, again[0].attempt, again[0].epoch), (claim.id, 1, 2));
    assert_eq!(store.message(claim.id).await.unwrap().unwrap().attempts.len(), 1);
}

async fn what_was_delivered_or_is_being_sent_cannot_be_retried_or_cancelled(store: &dyn Store) {
    let claim = claimed(store).await;
    assert_eq!(store.cancel_message(claim.id, NOW).await.unwrap(), Changed::NotFrom(State::Sending));
    assert_eq!(store.retry_message(claim.id, NOW).await.unwrap(), Changed::NotFrom(State::Sending));
    store.settle(settlement(claim.id, claim.epoch, delivered()), NOW).await.unwrap();
    assert_eq!(store.retry_message(claim.id, NOW).await.unwrap(), Changed::NotFrom(State::Delivered));
    assert_eq!(store.cancel_message(MessageId::new(NOW), NOW).await.unwrap(), Changed::NotFound);
}

async fn a_cancelled_message_is_not_claimed_until_it_is_retried(store: &dyn Store) {
    let registered = register(store, customer("Ana", "ana@example.com")).await;
    let id = store.user(registered.user.id).await.unwrap().unwrap().messages[0].id;
    assert_eq!(store.cancel_message(id, NOW).await.unwrap(), Changed::Yes);
    assert!(store.claim_due(&channel(), boot(), 10, NOW.after(MINUTE)).await.unwrap().claims.is_empty());
    assert_eq!(store.retry_message(id, NOW).await.unwrap(), Changed::Yes);
    assert_eq!(store.claim_due(&channel(), boot(), 10, NOW).await.unwrap().claims.len(), 1);
}

async fn a_held_message_waits_for_an_operator(store: &dyn Store) {
    let claim = claimed(store).await;
    store.settle(settlement(claim.id, claim.epoch, Transition::Held), NOW).await.unwrap();
    assert!(store.claim_due(&channel(), boot(), 10, NOW.after(9 * MINUTE)).await.unwrap().claims.is_empty());
    assert_eq!(store.retry_message(claim.id, NOW).await.unwrap(), Changed::Yes);
}

async fn pruning_deletes_only_what_came_to_rest_long_enough_ago(store: &dyn Store) {
    let claim = claimed(store).await;
    store.settle(settlement(claim.id, claim.epoch, delivered()), NOW).await.unwrap();
    register(store, customer("Eva", "eva@example.com")).await;
    let entry = InboxEntry {
        id: InboxId::new(NOW),
        received_at: NOW,
        request_line: "POST /umishop_api/user".into(),
        headers: String::new(),
        body: vec![0xFF, b'{'],
        why: "not JSON".into(),
    };
    store.keep_unreadable(entry.clone()).await.unwrap();
    let retention = retention(MINUTE, MINUTE, MINUTE);
    let none = store.prune(retention, NOW.after(MINUTE)).await.unwrap();
    assert_eq!((none.messages, none.inbox), (0, 0));
    assert_eq!(store.inbox(Page { limit: 10, before: None }).await.unwrap(), [entry]);
    let pruned = store.prune(retention, NOW.after(2 * MINUTE)).await.unwrap();
    assert_eq!((pruned.messages, pruned.inbox), (1, 1));
    assert_eq!(count(store, MessageFilter::default()).await, 1);
    assert_eq!(store.message(claim.id).await.unwrap(), None);
}

fn says(state: RequestState, minutes: u32) -> RequestChange {
    RequestChange::new(state, NOW.after(minutes * MINUTE), "Eva", "").unwrap()
}

fn follower(stands_in_for: &[&str]) -> Follower {
    let stands_in_for = stands_in_for.iter().map(|channel| channel.parse().unwrap()).collect();
    Follower { channel: channel(), stands_in_for, known: vec![channel(), "slack.pricing".parse().unwrap()] }
}

/// Asks a question; its request and its message.
async fn asked(store: &dyn Store) -> (RequestId, MessageId) {
    asked_that(store, "How much?").await
}

async fn asked_that(store: &dyn Store, text: &str) -> (RequestId, MessageId) {
    let submission = question(&customer("Ana", "ana@example.com"), text);
    let message = submission.messages[0].id;
    (store.submit_request(submission, NOW).await.unwrap().request_id, message)
}

/// The purposes of what can be claimed after so many minutes, in order.
async fn claim_after(store: &dyn Store, minutes: u32) -> Vec<umishop::domain::Claim> {
    store.claim_due(&channel(), boot(), 10, NOW.after(minutes * MINUTE)).await.unwrap().claims
}

async fn settle(store: &dyn Store, claim: &umishop::domain::Claim, transition: Transition) {
    assert!(store.settle(settlement(claim.id, claim.epoch, transition), NOW).await.unwrap());
}

async fn a_request_only_moves_on_and_keeps_who_said_what_and_when(store: &dyn Store) {
    let (id, message) = asked(store).await;
    let history = store.request(id).await.unwrap().unwrap();
    assert_eq!((history.entry.request.state, history.changes.len()), (RequestState::New, 0));
    assert_eq!(history.entry.user.map(|user| user.name), Some("Ana".into()));
    assert_eq!(history.messages.iter().map(|message| message.id).collect::<Vec<_>>(), [message]);

    let (acknowledged, closed) = (says(RequestState::Acknowledged, 1), says(RequestState::Closed, 2));
    let change = async |change: &RequestChange| store.change_request(id, change.clone(), Vec::new()).await.unwrap();
    assert_eq!(change(&acknowledged).await, RequestChanged::Yes(Vec::new()));
    assert_eq!(change(&acknowledged).await, RequestChanged::NotFrom(RequestState::Acknowledged));
    assert_eq!(change(&closed).await, RequestChanged::Yes(Vec::new()));
    assert_eq!(change(&says(RequestState::Answered, 3)).await, RequestChanged::NotFrom(RequestState::Closed));
    let history = store.request(id).await.unwrap().unwrap();
    assert_eq!((history.entry.request.state, history.changes), (RequestState::Closed, vec![acknowledged, closed]));
    let nobody = store.change_request(RequestId::new(NOW), says(RequestState::Closed, 1), Vec::new()).await.unwrap();
    assert_eq!(nobody, RequestChanged::NotFound);
    assert_eq!(store.request(RequestId::new(NOW)).await.unwrap(), None);
}

async fn requests_are_filtered_by_state_topic_and_user_newest_first(store: &dyn Store) {
    let mut ids = Vec::new();
    for (minutes, topic, name) in [(0, "Sales", "ana"), (1, "\u{1F4B6} Precios", "ana"), (2, "precios", "eva")] {
        let mut submission = question(&customer(name, &format!("{name}@example.com")), "How much?");
        submission.request.id = RequestId::new(NOW.after(minutes * MINUTE));
        submission.request.topic = Topic::new(topic);
        submission.request.fingerprint = Fingerprint::new(name, &submission.request.topic, "How much?");
        ids.push(store.submit_request(submission, NOW.after(minutes * MINUTE)).await.unwrap());
    }
    store.change_request(ids[0].request_id, says(RequestState::Answered, 3), Vec::new()).await.unwrap();
    let ana = ids[0].user.as_ref().unwrap().id;
    let of = async |filter: RequestFilter, before: Option<usize>| -> Vec<usize> {
        let page = Page { limit: 2, before: before.map(|index| ids[index].request_id) };
        let found = store.requests(filter, page).await.unwrap();
        let index = |id| ids.iter().position(|submitted| submitted.request_id == id).unwrap();
        found.into_iter().map(|entry| index(entry.request.id)).collect()
    };
    let any = RequestFilter::default;
    assert_eq!(of(any(), None).await, [2, 1]);
    assert_eq!(of(any(), Some(1)).await, [0]);
    assert_eq!(of(RequestFilter { state: Some(RequestState::New), ..any() }, None).await, [2, 1]);
    assert_eq!(of(RequestFilter { state: Some(RequestState::Answered), ..any() }, None).await, [0]);
    assert_eq!(of(RequestFilter { topics: vec![Topic::new("PRECIOS").key()], ..any() }, None).await, [2, 1]);
    assert_eq!(of(RequestFilter { user: Some(ana), ..any() }, None).await, [1, 0]);
}

async fn a_follow_up_is_claimed_after_its_question_is_delivered_and_earlier_ones_are_finished(store: &dyn Store) {
    let (id, message) = asked(store).await;
    for state in [RequestState::Acknowledged, RequestState::Answered] {
        let changed = store.change_request(id, says(state, 0), vec![follower(&[])]).await.unwrap();
        assert_eq!(changed, RequestChanged::Yes(vec![channel()]));
    }
    let claims = claim_after(store, 1).await;
    assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [message], "the question alone");
    settle(store, &claims[0], Transition::Again { due_at: NOW.after(10 * MINUTE), counted: true }).await;
    assert!(claim_after(store, 9).await.is_empty());
    let claims = claim_after(store, 10).await;
    assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [message]);
    settle(store, &claims[0], delivered()).await;
    let claims = claim_after(store, 12).await;
    assert_eq!(claims.iter().map(|claim| claim.purpose).collect::<Vec<_>>(), [Purpose::Acknowledged]);
    assert_eq!((claims[0].attempt, claims[0].about.request), (1, Some(id)));
    assert_eq!((claims[0].context.question.as_str(), claims[0].context.by.as_str()), ("How much?", "Eva"));
    // One that is given up is finished, too: a lost acknowledgement must not keep the answer back.
    settle(store, &claims[0], Transition::Dead).await;
    let claims = claim_after(store, 14).await;
    assert_eq!(claims.iter().map(|claim| claim.purpose).collect::<Vec<_>>(), [Purpose::Answered]);
}

async fn a_follow_up_is_called_off_with_its_question_and_comes_back_with_it(store: &dyn Store) {
    for end in [Transition::Dead, Transition::HandedOver { channel: "slack.pricing".parse().unwrap() }] {
        let (id, message) = asked_that(store, &format!("{end:?}")).await;
        store.change_request(id, says(RequestState::Closed, 0), vec![follower(&[])]).await.unwrap();
        settle(store, &claim_after(store, 1).await[0], end.clone()).await;
        assert!(claim_after(store, 3).await.is_empty(), "{end:?}");
        let history = store.request(id).await.unwrap().unwrap();
        assert_eq!(history.messages[1].state, State::Cancelled, "{end:?}");
        assert!(history.messages[1].last_error.contains("called off"));
        if end == Transition::Dead {
            assert_eq!(store.retry_message(message, NOW.after(4 * MINUTE)).await.unwrap(), Changed::Yes);
            settle(store, &claim_after(store, 4).await[0], delivered()).await;
            assert_eq!(claim_after(store, 6).await[0].purpose, Purpose::Closed);
        }
    }
}

async fn a_follow_up_of_a_cancelled_question_comes_with_it_when_it_is_retried_after_all(store: &dyn Store) {
    let (id, message) = asked(store).await;
    assert_eq!(store.cancel_message(message, NOW).await.unwrap(), Changed::Yes);
    let changed = store.change_request(id, says(RequestState::Closed, 0), vec![follower(&[])]).await.unwrap();
    assert_eq!(changed, RequestChanged::Yes(vec![channel()]));
    assert!(claim_after(store, 1).await.is_empty(), "nobody got its question");
    assert_eq!(store.request(id).await.unwrap().unwrap().messages[1].state, State::Cancelled);
    assert_eq!(store.retry_message(message, NOW.after(2 * MINUTE)).await.unwrap(), Changed::Yes);
    settle(store, &claim_after(store, 2).await[0], delivered()).await;
    assert_eq!(claim_after(store, 4).await[0].purpose, Purpose::Closed);
}

async fn a_follow_up_goes_only_where_its_question_was_or_may_still_come(store: &dyn Store) {
    let mut submission = question(&customer("Ana", "ana@example.com"), "How much?");
    submission.messages[0].channel = "slack.pricing".parse().unwrap();
    let id = store.submit_request(submission, NOW).await.unwrap().request_id;
    let change = async |state, follower| store.change_request(id, says(state, 0), vec![follower]).await.unwrap();
    assert_eq!(change(RequestState::Acknowledged, follower(&[])).await, RequestChanged::Yes(Vec::new()));
    let taken_over = follower(&["slack.pricing"]);
    assert_eq!(change(RequestState::Answered, taken_over.clone()).await, RequestChanged::Yes(vec![channel()]));
    assert!(claim_after(store, 1).await.is_empty(), "it may still be handed over");
    let claims = store.claim_due(&"slack.pricing".parse().unwrap(), boot(), 10, NOW).await.unwrap().claims;
    settle(store, &claims[0], delivered()).await;
    assert!(claim_after(store, 3).await.is_empty());
    let history = store.request(id).await.unwrap().unwrap();
    assert_eq!(history.messages[1].state, State::Cancelled);
    assert_eq!(change(RequestState::Closed, taken_over).await, RequestChanged::Yes(Vec::new()), "it was delivered");
}

async fn a_follow_up_knows_no_fallback_that_is_no_longer_configured(store: &dyn Store) {
    let mut submission = question(&customer("Ana", "ana@example.com"), "How much?");
    submission.messages[0].channel = "slack.pricing".parse().unwrap();
    submission.messages[0].fallback = Some("http.pager".parse().unwrap());
    let id = store.submit_request(submission, NOW).await.unwrap().request_id;
    let change = async |state, follower| store.change_request(id, says(state, 0), vec![follower]).await.unwrap();
    let mut follower = follower(&["slack.pricing"]);
    follower.known.push("http.pager".parse().unwrap());
    assert_eq!(change(RequestState::Acknowledged, follower.clone()).await, RequestChanged::Yes(Vec::new()));
    follower.known.pop();
    let changed = change(RequestState::Answered, follower).await;
    assert_eq!(changed, RequestChanged::Yes(vec![channel()]), "the channel's own takes over again");
}

async fn a_follow_up_is_handed_over_to_nobody(store: &dyn Store) {
    let (id, _) = asked(store).await;
    settle(store, &claim_after(store, 1).await[0], delivered()).await;
    store.change_request(id, says(RequestState::Answered, 1), vec![follower(&[])]).await.unwrap();
    let overdue = |expire_before| Overdue {
        channel: channel(),
        fallback: Some("slack.pricing".parse().unwrap()),
        known: vec!["slack.pricing".parse().unwrap()],
        hand_over_before: NOW.after(9 * MINUTE),
        expire_before,
        expire_alerts_before: expire_before,
        why: "the channel is down".into(),
    };
    let now = NOW.after(9 * MINUTE);
    let swept = store.sweep(overdue(NOW), now).await.unwrap();
    assert_eq!((swept.handed_over.len(), swept.expired), (0, 0));
    assert_eq!(store.sweep(overdue(now), now).await.unwrap().expired, 1);
}

async fn lists_are_newest_first_and_paged_without_gaps(store: &dyn Store) {
    for number in 0..5 {
        let mut user = customer(&format!("Ana {number}"), &format!("ana{number}@example.com"));
        user.id = UserId::new(NOW.after(number * MINUTE));
        register(store, user).await;
    }
    let mut names = Vec::new();
    let mut before = None;
    loop {
        let page = store.users(UserFilter::default(), Page { limit: 2, before }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        names.extend(page.into_iter().map(|user| user.name));
    }
    assert_eq!(names, ["Ana 4", "Ana 3", "Ana 2", "Ana 1", "Ana 0"]);
}

async fn requests_of_a_period_tell_where_they_went_whoever_took_over(store: &dyn Store) {
    let mut ana = with_phone(customer("Ana", "ana@example.com"), "+34612345678");
    ana.language = "es".into();
    let mut asked = Vec::new();
    for (nth, channels) in [&["slack.old"][..], &["email.b", "slack.a"], &["slack.a"]].into_iter().enumerate() {
        let now = NOW.after(MINUTE * u32::try_from(nth).unwrap());
        let mut submission = question(&ana, &format!("question {nth}"));
        submission.request.id = RequestId::new(now);
        let message = |channel: &&str| NewMessage {
            id: MessageId::new(now),
            channel: channel.parse().unwrap(),
            due_at: now,
            ..submission.messages[0].clone()
        };
        submission.messages = channels.iter().map(message).collect();
        asked.push(store.submit_request(submission, now).await.unwrap().request_id);
    }
    // A welcome is no answer to a question, and what is handed over was made for its own channel.
    store.register_user(registration(ana.clone()), NOW).await.unwrap();
    let overdue = Overdue {
        channel: "slack.a".parse().unwrap(),
        fallback: Some("email.b".parse().unwrap()),
        known: vec!["email.b".parse().unwrap()],
        hand_over_before: NOW.after(MINUTE),
        expire_before: NOW,
        expire_alerts_before: NOW,
        why: String::new(),
    };
    assert_eq!(store.sweep(overdue, NOW.after(MINUTE)).await.unwrap().handed_over.len(), 1);
    let since = NOW.after(MINUTE);
    let all = store.routed_requests(since, Page { limit: 10, before: None }).await.unwrap();
    let went = |request: &RoutedRequest| {
        let mut channels: Vec<String> = request.channels.iter().map(ToString::to_string).collect();
        channels.sort();
        (request.id, channels.join(" "))
    };
    assert_eq!(
        all.iter().map(went).collect::<Vec<_>>(),
        [(asked[2], "slack.a".to_owned()), (asked[1], "email.b slack.a".to_owned())]
    );
    assert_eq!(
        (all[0].topic.as_str(), all[0].created_at, &all[0].origin),
        ("Sales", NOW.after(2 * MINUTE), &ana.origin)
    );
    assert_eq!((&all[0].phone, all[0].language.as_str()), (&ana.contact.phone, "es"));
    let page = store.routed_requests(since, Page { limit: 1, before: Some(asked[2]) }).await.unwrap();
    assert_eq!(page, all[1..]);
    for message in store.messages(MessageFilter::default(), Page { limit: 10, before: None }).await.unwrap() {
        store.cancel_message(message.id, NOW).await.unwrap();
    }
    let retention = retention(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    store.prune(retention, NOW.after(MINUTE)).await.unwrap();
    let pruned = store.routed_requests(since, Page { limit: 10, before: None }).await.unwrap();
    assert!(pruned.len() == 2 && pruned.iter().all(|request| request.channels.is_empty()));
}

async fn messages_are_filtered_by_state_channel_purpose_and_user(store: &dyn Store) {
    let ana = register(store, customer("Ana", "ana@example.com")).await.user.id;
    store.submit_request(question(&customer("Eva", "eva@example.com"), "How much?"), NOW).await.unwrap();
    let of = |filter| count(store, filter);
    assert_eq!(of(MessageFilter { user: Some(ana), ..MessageFilter::default() }).await, 1);
    assert_eq!(of(MessageFilter { purpose: Some(Purpose::Request), ..MessageFilter::default() }).await, 1);
    assert_eq!(of(MessageFilter { state: Some(State::Dead), ..MessageFilter::default() }).await, 0);
    assert_eq!(
        of(MessageFilter { channel: Some(channel()), state: Some(State::Pending), ..MessageFilter::default() }).await,
        2
    );
}

async fn users_are_found_by_address_name_and_phone_and_no_wildcard_means_anything(store: &dyn Store) {
    register(store, with_phone(customer("Ana Ruiz", "ana@example.com"), "+34612345678")).await;
    register(store, customer("Eva", "eva@example.com")).await;
    for (search, found) in [("ana@", 1), ("ruiz", 1), ("612345", 1), ("e", 1), ("%", 0), ("_", 0), ("nobody", 0)] {
        let filter = UserFilter { search: Some(search.into()), ..UserFilter::default() };
        let users = store.users(filter, Page { limit: 10, before: None }).await.unwrap();
        assert_eq!(users.len(), found, "{search}");
    }
}

async fn every_channel_with_pending_messages_tells_when_the_next_is_due(store: &dyn Store) {
    assert!(store.next_due().await.unwrap().is_empty());
    register(store, customer("Ana", "ana@example.com")).await;
    register(store, customer("Eva", "eva@example.com")).await;
    let mut submission = question(&customer("Ana", "ana@example.com"), "How much?");
    submission.messages[0].channel = "slack.pricing".parse().unwrap();
    store.submit_request(submission, NOW).await.unwrap();
    let expected = [("email.welcome".parse().unwrap(), NOW.after(MINUTE)), ("slack.pricing".parse().unwrap(), NOW)];
    assert_eq!(store.next_due().await.unwrap(), expected);
}

async fn a_prune_takes_a_bite_at_a_time_and_says_whether_there_is_more(store: &dyn Store) {
    let entry = InboxEntry {
        id: InboxId::new(NOW),
        received_at: NOW,
        request_line: String::new(),
        headers: String::new(),
        body: Vec::new(),
        why: String::new(),
    };
    for _ in 0..700 {
        store.keep_unreadable(InboxEntry { id: InboxId::new(NOW), ..entry.clone() }).await.unwrap();
    }
    let retention = retention(MINUTE, MINUTE, MINUTE);
    let mut pruned = 0;
    loop {
        let bite = store.prune(retention, NOW.after(2 * MINUTE)).await.unwrap();
        pruned += bite.inbox;
        if !bite.more {
            break;
        }
    }
    assert_eq!(pruned, 700);
}

async fn a_selection_is_changed_bite_by_bite_and_each_message_once(store: &dyn Store) {
    for number in 0..700 {
        register(store, customer("Ana", &format!("ana{number}@example.com"))).await;
    }
    let later = NOW.after(MINUTE);
    store.submit_request(question(&customer("Eva", "eva@example.com"), "How much?"), later).await.unwrap();
    let pending = MessageFilter {
        state: Some(State::Pending),
        channel: Some(channel()),
        purpose: Some(Purpose::Welcome),
        made: Period { from: None, to: Some(later) },
        ..MessageFilter::default()
    };
    let counted = async |filter: &MessageFilter| store.count_messages(filter.clone()).await.unwrap();
    assert_eq!(counted(&pending).await, Counted { count: 700, more: false });
    // A message that is pending stays pending when it is retried: it is still seen once only.
    let (mut changed, mut after) = (0, None);
    loop {
        let bite = store.retry_messages(pending.clone(), after, later).await.unwrap();
        changed += bite.changed;
        after = bite.next;
        if after.is_none() {
            break;
        }
        assert!(changed < 700, "one bite took everything");
    }
    assert_eq!(changed, 700);
    let bite = store.cancel_messages(pending.clone(), None, later).await.unwrap();
    assert!(bite.changed < 700 && bite.next.is_some());
    store.cancel_messages(pending.clone(), bite.next, later).await.unwrap();
    assert_eq!(counted(&pending).await.count, 0);
    // Eva's question was none of the selection.
    assert_eq!(counted(&MessageFilter { purpose: None, made: Period::default(), ..pending }).await.count, 1);
}

async fn a_backup_is_a_copy_of_its_moment_and_takes_no_files_place(store: &dyn Store) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup");
    register(store, customer("Ana", "ana@example.com")).await;
    let made = store.back_up(file.clone(), NOW, CancellationToken::new()).await.unwrap();
    assert_eq!((made.taken_at, made.counts.users, made.counts.messages), (NOW, 1, 1));
    let bytes = std::fs::read(&file).unwrap();
    let refused = store.back_up(file.clone(), NOW, CancellationToken::new()).await;
    assert!(matches!(refused, Err(BackupError::Exists(_))), "{refused:?}");
    assert!(std::fs::read(&file).unwrap() == bytes);
    let stopped = CancellationToken::new();
    stopped.cancel();
    let refused = store.back_up(directory.path().join("another"), NOW, stopped).await;
    assert!(matches!(refused, Err(BackupError::Stopped)), "{refused:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "something was left behind");
}

fn alert(every: Duration) -> Alert {
    let message = NewMessage { id: MessageId::new(NOW), purpose: Purpose::Alert, due_at: NOW, ..welcome() };
    Alert { subject: "trouble".into(), every, context: Context::default(), messages: vec![message] }
}

async fn an_operator_is_told_of_a_subject_once_in_a_while(store: &dyn Store) {
    let half_an_hour = MINUTE * 30;
    let raise = async |now| store.raise_alert(alert(half_an_hour), now).await.unwrap();
    let later = NOW.after(half_an_hour);
    assert!(raise(NOW).await && !raise(NOW).await && !raise(later.before(MINUTE)).await && raise(later).await);
    assert!(raise(NOW).await, "the clock was set back: nobody can have been told in the future");
    let alerts = MessageFilter { purpose: Some(Purpose::Alert), ..MessageFilter::default() };
    assert_eq!(count(store, alerts).await, 3);
    assert_eq!(store.troubles(NOW, NOW).await.unwrap().told, [("trouble".to_owned(), NOW)].into());
}

async fn troubles_say_what_happened_since_when_and_why_and_leave_alerts_out(store: &dyn Store) {
    assert_eq!(store.troubles(Timestamp::from_millis(0), NOW).await.unwrap(), Troubles::default());
    store.raise_alert(alert(MINUTE), NOW).await.unwrap();
    let dead = store.claim_due(&channel(), boot(), 10, NOW).await.unwrap().claims.remove(0);
    store.settle(settlement(dead.id, dead.epoch, Transition::Dead), NOW).await.unwrap();
    store.raise_alert(alert(MINUTE), NOW.after(MINUTE)).await.unwrap();
    let only_alerts = store.troubles(NOW.before(MINUTE), NOW.after(MINUTE)).await.unwrap();
    assert_eq!(Troubles { told: BTreeMap::new(), ..only_alerts }, Troubles::default());

    for (email, transition) in [("a@example.com", Transition::Dead), ("b@example.com", Transition::Held)] {
        register(store, customer("Ana", email)).await;
        let claims = store.claim_due(&channel(), boot(), 10, NOW.after(MINUTE)).await.unwrap().claims;
        let claim = claims.into_iter().find(|claim| claim.purpose == Purpose::Welcome).unwrap();
        store.settle(settlement(claim.id, claim.epoch, transition), NOW.after(MINUTE)).await.unwrap();
    }
    register(store, customer("Ana", "c@example.com")).await;
    let troubles = store.troubles(NOW, NOW.after(MINUTE * 2)).await.unwrap();
    let incidents =
        |latest_at| BTreeMap::from([(channel(), Incidents { count: 1, latest_at, why: "503 busy".into() })]);
    assert_eq!(troubles.dead, incidents(NOW.after(MINUTE)));
    assert_eq!(troubles.held, incidents(NOW.after(Duration::from_millis(12))), "at the end of its last attempt");
    assert_eq!(troubles.waiting, [(channel(), Waiting { count: 1, since: NOW.after(MINUTE) })].into());
    assert_eq!(troubles.unreadable, None);
    let since_then = store.troubles(NOW.after(MINUTE), NOW).await.unwrap();
    assert!(since_then.dead.is_empty() && since_then.waiting.is_empty(), "{since_then:?}");
}

async fn the_key_of_the_links_in_messages_is_made_once(store: &dyn Store) {
    assert_eq!(store.link_key([1; 32]).await.unwrap(), [1; 32]);
    assert_eq!(store.link_key([2; 32]).await.unwrap(), [1; 32]);
}

async fn a_question_is_told_in_the_welcome_that_waits_and_in_no_other(store: &dyn Store) {
    let (ana, eva) = (customer("Ana", "ana@example.com"), customer("Eva", "eva@example.com"));
    register(store, ana.clone()).await;
    register(store, eva.clone()).await;
    let told = async || {
        let filter = MessageFilter { purpose: Some(Purpose::Welcome), ..MessageFilter::default() };
        let mut welcomes = store.messages(filter, Page { limit: 9, before: None }).await.unwrap();
        welcomes.sort_by(|one, other| one.context.name.cmp(&other.context.name));
        welcomes.into_iter().map(|welcome| welcome.context.question).collect::<Vec<_>>()
    };
    store.submit_request(question(&ana, "How much?"), NOW).await.unwrap();
    assert_eq!(told().await, ["How much?", ""]);
    store.submit_request(question(&ana, "And when?"), NOW).await.unwrap();
    store.submit_request(question(&ana, "How much?"), NOW).await.unwrap();
    assert_eq!(told().await, ["And when?", ""], "the latest; a repeat is none");
    // Whatever has been claimed may have been sent.
    let claimed = store.claim_due(&channel(), boot(), 9, NOW.after(MINUTE)).await.unwrap().claims;
    let welcome = claimed.iter().find(|claim| claim.context.name == "Eva").unwrap();
    assert_eq!(welcome.purpose, Purpose::Welcome);
    let again = Transition::Again { due_at: NOW, counted: false };
    assert!(store.settle(settlement(welcome.id, welcome.epoch, again), NOW).await.unwrap());
    store.submit_request(question(&eva, "Who answers?"), NOW).await.unwrap();
    assert_eq!(told().await, ["And when?", ""]);
}

async fn who_unsubscribes_stays_so_until_they_say_otherwise(store: &dyn Store) {
    let ana = register(store, customer("Ana", "ana@example.com")).await.user;
    let id = store.messages(MessageFilter::default(), Page { limit: 1, before: None }).await.unwrap()[0].id;
    let wants = async |subscribed| store.set_subscribed(ana.id, subscribed, NOW).await.unwrap().unwrap().subscribed;
    let cause = async || {
        let found = store.suppressions(Page { limit: 9, before: None }).await.unwrap();
        found.first().map(|found| found.cause)
    };
    let bounced = async || {
        store.retry_message(id, NOW).await.unwrap();
        let claim = store.claim_due(&channel(), boot(), 1, NOW).await.unwrap().claims.remove(0);
        let mut bounced = settlement(claim.id, claim.epoch, Transition::Dead);
        bounced.suppress = claim.context.email;
        assert!(store.settle(bounced, NOW).await.unwrap());
        claim.suppressed.map(|suppressed| suppressed.cause)
    };
    assert!(store.subscription(ana.id).await.unwrap().unwrap().subscribed);
    assert_eq!((bounced().await, cause().await), (None, Some(SuppressionCause::Bounced)));
    // What the customer says counts for more than what a server said, and than what an operator tries.
    assert!(!wants(false).await && !wants(false).await);
    assert_eq!(bounced().await, Some(SuppressionCause::Unsubscribed));
    assert_eq!(cause().await, Some(SuppressionCause::Unsubscribed));
    assert!(!store.subscription(ana.id).await.unwrap().unwrap().subscribed);
    assert!(wants(true).await);
    assert_eq!(cause().await, None);
    // Who subscribes again does not thereby have a mailbox.
    assert_eq!((bounced().await, cause().await), (None, Some(SuppressionCause::Bounced)));
    assert!(wants(true).await);
    assert_eq!(cause().await, Some(SuppressionCause::Bounced));
    assert_eq!(store.subscription(UserId::new(NOW)).await.unwrap(), None);
    assert_eq!(store.set_subscribed(UserId::new(NOW), false, NOW).await.unwrap(), None);
}

async fn a_crowd_of_writes_is_answered_each_with_its_own_result(store: &dyn Store) {
    let ana = customer("Ana", "ana@example.com");
    store.submit_request(keyed(question(&ana, "How much?"), "k"), NOW).await.unwrap();
    let (refused, first, second) = tokio::join!(
        store.submit_request(keyed(question(&ana, "Something else?"), "k"), NOW),
        store.register_user(registration(customer("Eva", "eva@example.com")), NOW),
        store.register_user(registration(customer("Eva", "eva@example.com")), NOW),
    );
    assert!(matches!(refused, Err(StoreError::KeyReused)));
    assert!(first.unwrap().created);
    assert!(!second.unwrap().created);
}

async fn a_closed_store_refuses(store: &dyn Store) {
    store.close().await.unwrap();
    assert!(store.register_user(registration(customer("Ana", "ana@example.com")), NOW).await.is_err());
}

/// Lists every promise once and makes a test of each for each backend.
macro_rules! store_contract {
    ($($promise:ident,)+) => {
        mod sqlite {
            use super::*;

            $(
                #[tokio::test]
                async fn $promise() {
                    let directory = tempfile::tempdir().unwrap();
                    let path = directory.path().join("umishop.db");
                    let store: Arc<dyn Store> = Arc::new(umishop::store::sqlite::SqliteStore::open(&path).unwrap());
                    super::$promise(&*store).await;
                }
            )+
        }
    };
}

store_contract! {
    a_user_and_their_welcome_are_created_together,
    a_user_who_registers_again_gets_no_second_welcome_and_keeps_a_touch,
    a_user_known_by_phone_is_found_again_and_welcomed_once_their_address_is_known,
    a_welcome_goes_to_whom_its_channel_or_the_one_that_takes_over_can_reach,
    a_welcome_goes_into_the_chat_of_the_registration,
    two_addresses_on_one_phone_are_two_users,
    a_user_is_known_again_by_landbots_number,
    a_repeated_hook_leaves_no_touch,
    a_request_its_user_and_its_messages_are_stored_together,
    a_user_who_only_asked_is_created_and_welcomed_when_they_register,
    a_request_without_any_contact_is_kept,
    the_same_question_within_ten_minutes_is_one_request,
    an_idempotency_key_is_one_request_for_ever_and_for_one_question,
    a_message_not_yet_due_is_not_claimed_but_announced,
    a_claimed_message_is_not_claimed_again,
    claims_are_the_longest_due_first_and_no_more_than_asked,
    another_channels_messages_are_left_alone,
    concurrent_claims_never_overlap,
    a_delivered_message_keeps_its_reference_and_is_never_claimed,
    what_the_sandbox_kept_is_kept,
    a_retry_is_due_at_its_time_and_counts_an_attempt,
    a_fault_of_the_channel_counts_no_attempt,
    a_claim_sees_what_was_settled_before_it_was_asked_for,
    settling_after_a_later_claim_changes_nothing,
    a_rescue_spares_what_this_boot_is_sending_and_burns_no_attempt,
    a_retried_dead_letter_starts_afresh_and_keeps_its_history,
    what_was_delivered_or_is_being_sent_cannot_be_retried_or_cancelled,
    a_cancelled_message_is_not_claimed_until_it_is_retried,
    a_held_message_waits_for_an_operator,
    pruning_deletes_only_what_came_to_rest_long_enough_ago,
    lists_are_newest_first_and_paged_without_gaps,
    a_request_only_moves_on_and_keeps_who_said_what_and_when,
    requests_are_filtered_by_state_topic_and_user_newest_first,
    a_follow_up_is_claimed_after_its_question_is_delivered_and_earlier_ones_are_finished,
    a_follow_up_is_called_off_with_its_question_and_comes_back_with_it,
    a_follow_up_of_a_cancelled_question_comes_with_it_when_it_is_retried_after_all,
    a_follow_up_goes_only_where_its_question_was_or_may_still_come,
    a_follow_up_knows_no_fallback_that_is_no_longer_configured,
    a_follow_up_is_handed_over_to_nobody,
    messages_are_filtered_by_state_channel_purpose_and_user,
    requests_of_a_period_tell_where_they_went_whoever_took_over,
    users_are_found_by_address_name_and_phone_and_no_wildcard_means_anything,
    every_channel_with_pending_messages_tells_when_the_next_is_due,
    a_prune_takes_a_bite_at_a_time_and_says_whether_there_is_more,
    a_selection_is_changed_bite_by_bite_and_each_message_once,
    a_backup_is_a_copy_of_its_moment_and_takes_no_files_place,
    an_operator_is_told_of_a_subject_once_in_a_while,
    troubles_say_what_happened_since_when_and_why_and_leave_alerts_out,
    the_key_of_the_links_in_messages_is_made_once,
    a_question_is_told_in_the_welcome_that_waits_and_in_no_other,
    who_unsubscribes_stays_so_until_they_say_otherwise,
    a_crowd_of_writes_is_answered_each_with_its_own_result,
    a_closed_store_refuses,
}

/// What only the SQLite backend promises.
mod sqlite_file {
    use umishop::store::sqlite::{OpenError, SqliteStore};

    use super::*;

    #[tokio::test]
    async fn a_second_relay_on_the_same_file_is_refused_but_the_command_line_is_let_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        assert!(matches!(SqliteStore::open_beside(&path), Err(OpenError::Missing(_))));
        let first = SqliteStore::open(&path).unwrap();
        match SqliteStore::open(&path) {
            Err(OpenError::Locked { pid }) => assert_eq!(pid, std::process::id().to_string()),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("two relays on one file"),
        }
        assert!(SqliteStore::open_beside(&path).is_ok());
        umishop::store::Store::close(&first).await.unwrap();
        assert!(SqliteStore::open(&path).is_ok());
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_stops_its_own_message_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        let store = SqliteStore::open(&path).unwrap();
        let (damaged, question) = super::asked_that(&store, "Damaged?").await;
        store.change_request(damaged, says(RequestState::Closed, 0), vec![follower(&[])]).await.unwrap();
        let (whole, _) = super::asked_that(&store, "Whole?").await;
        store.change_request(whole, says(RequestState::Closed, 0), vec![follower(&[])]).await.unwrap();
        register(&store, customer("Eva", "eva@example.com")).await;
        for claim in claim_after(&store, 1).await.iter().filter(|claim| claim.purpose == Purpose::Request) {
            settle(&store, claim, delivered()).await;
        }
        register(&store, customer("Leo", "leo@example.com")).await;
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "ignore_check_constraints", true).unwrap();
        connection
            .execute("UPDATE messages SET fallback = 'nowhere' WHERE id = ?1", [&question.as_bytes()[..]])
            .unwrap();
        connection
            .execute("INSERT INTO suppressions (address, cause, why, since) VALUES ('leo@example.com', '?', '', 0)", [])
            .unwrap();
        let claims = claim_after(&store, 4).await;
        let purposes: Vec<_> = claims.iter().map(|claim| (claim.purpose, claim.about.request)).collect();
        assert_eq!(purposes, [(Purpose::Closed, Some(whole))]);
        let filter = MessageFilter { state: Some(State::Dead), ..MessageFilter::default() };
        let dead = store.messages(filter, Page { limit: 9, before: None }).await.unwrap();
        let mut dead: Vec<_> = dead.into_iter().map(|message| (message.purpose, message.last_error)).collect();
        dead.sort_by_key(|(purpose, _)| purpose.as_str());
        assert_eq!(dead.iter().map(|(purpose, _)| *purpose).collect::<Vec<_>>(), [Purpose::Closed, Purpose::Welcome]);
        assert!(dead.iter().all(|(_, why)| why.contains("damaged")), "{dead:?}");
    }

    #[test]
    fn a_database_of_another_program_or_of_the_future_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1").unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(OpenError::Foreign)));
        let path = directory.path().join("umishop.db");
        drop(SqliteStore::open(&path).unwrap());
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(OpenError::Newer { found: 99, .. })));
        assert!(matches!(SqliteStore::open_beside(&path), Err(OpenError::Newer { found: 99, .. })));
    }
}
