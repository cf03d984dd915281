//! Every statement of the hot paths finds its rows by an index, however large the tables are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::{
    check_version, connect, erase, intake, messages, migrations, outbox, overview, reads, requests, retention, trouble,
    unfinished, users,
};
use crate::domain::{
    About, Attempt, BootId, ChannelAddress, Claim, Contact, ContactField, CreditedTouch, Dimension, EmailAddress,
    Fingerprint, Follower, InboxId, MessageId, NewMessage, NewRequest, NewUser, Origin, Pattern, Phone, Purpose,
    RequestChange, RequestEdit, RequestField, RequestId, RequestState, Settlement, State, Timestamp, Topic, Transition,
    UserId,
};
use crate::store::{
    InboxEntry, MessageFilter, OriginFilter, Overdue, Page, Period, Registration, RequestEdited, RequestFilter,
    Retention, Submission, UserFilter,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Part of a statement, and the index that it must use.
const INDEXES: &[(&str, &str)] = &[
    ("AND crashes < 3 AND channel = :channel", "messages_due (channel=? AND due_at<?)"),
    ("AND crashes >= 3 AND channel = :channel", "messages_suspect (channel=? AND due_at<?)"),
    ("SELECT min(due_at) FROM messages WHERE state = 'pending' AND crashes < 3", "messages_due (channel=?)"),
    ("crashes < 3 AND channel > ?1", "messages_due (channel>?)"),
    ("crashes >= 3 AND channel > ?1", "messages_suspect (channel>?)"),
    ("WHERE state = 'sending' AND boot <> ?1", "messages_sending"),
    ("state = 'sending' AND lease_epoch = :epoch", "sqlite_autoindex_messages_1 (id=?)"),
    ("rowid FROM users WHERE email = ?1", "users_email (email=?)"),
    ("coalesce(phone_e164, phone) = ?1", "users_phone (<expr>=?)"),
    ("WHERE landbot_customer_id = ?1", "users_landbot (landbot_customer_id=?)"),
    ("WHERE idempotency_key = ?1", "requests_key (idempotency_key=?)"),
    ("WHERE fingerprint = ?1 AND seen_at > ?2", "requests_fingerprint (fingerprint=? AND seen_at>?)"),
    ("FROM requests WHERE state = ? AND id < ? ORDER BY id DESC", "requests_state (state=? AND id<?)"),
    ("FROM requests WHERE topic_key = ? AND id < ? ORDER BY id DESC", "requests_topic (topic_key=? AND id<?)"),
    ("FROM requests WHERE user_id = ? AND id < ? ORDER BY id DESC", "requests_user (user_id=? AND id<?)"),
    ("FROM requests WHERE assignee = ? AND assignee <> ''", "requests_assignee (assignee=? AND id<?)"),
    ("FROM requests WHERE first_origin IN", "requests_first (first_origin=?"),
    ("FROM requests WHERE last_origin IN", "requests_last (last_origin=?"),
    ("SELECT 1 FROM requests WHERE state = ? LIMIT", "requests_state (state=?)"),
    ("SELECT 1 FROM requests WHERE created_at", "requests_created (created_at>? AND created_at<?)"),
    ("count(*) FROM users WHERE erased_at IS NOT NULL", "COVERING INDEX users_erased"),
    ("FROM users WHERE first_origin IN", "users_first (first_origin=?"),
    ("FROM users WHERE coalesce(registered_origin, last_origin) IN", "users_last (<expr>=?"),
    (
        "FROM users WHERE registered_at >= ? AND registered_at < ?",
        "users_registered (registered_at>? AND registered_at<?)",
    ),
    ("FROM messages WHERE user_id = ? AND id < ?", "messages_user (user_id=?)"),
    ("FROM messages WHERE request_id = ? AND id < ?", "messages_request (request_id=?)"),
    ("FROM messages WHERE channel = ? AND id < ?", "messages_channel (channel=? AND id<?)"),
    ("FROM messages WHERE purpose = ? AND purpose IN", "messages_rare (purpose=? AND id<?)"),
    ("state = 'dead' AND state IN ('dead', 'held') AND id < ?", "messages_trouble (state=? AND id<?)"),
    ("state = 'held' AND state IN ('dead', 'held') AND id < ?", "messages_trouble (state=? AND id<?)"),
    ("WHERE state = 'cancelled' AND finished_at IS NOT NULL", "messages_finished (state=?"),
    ("WHERE state = 'delivered' AND id < ?", "sqlite_autoindex_messages_1 (id<?)"),
    ("WHERE state = 'delivered' AND finished_at IS NOT NULL", "COVERING INDEX messages_finished (state=?"),
    (
        "WHERE state = 'delivered' AND finished_at >= ?",
        "messages_finished (state=? AND finished_at>? AND finished_at<?)",
    ),
    (
        "SELECT 1 FROM messages WHERE state IN (SELECT value FROM json_each(?)) AND finished_at >= ?",
        "messages_finished (state=? AND finished_at>? AND finished_at<?)",
    ),
    (
        "FROM messages WHERE rowid IN (SELECT rowid FROM messages INDEXED BY messages_finished",
        "INTEGER PRIMARY KEY (rowid=?)",
    ),
    ("FROM requests WHERE topic_key IN (SELECT value FROM json_each(?)) AND id < ?", "requests_topic (topic_key=?"),
    ("FROM messages WHERE request_id = ?1", "messages_request (request_id=?)"),
    ("(SELECT request_id FROM messages WHERE id = :id", "messages_request (request_id=?)"),
    ("purpose = 'welcome' AND state = 'pending' AND lease_epoch = 0", "messages_user (user_id=?)"),
    ("DELETE FROM messages", "messages_finished (state=? AND finished_at>? AND finished_at<?)"),
    ("DELETE FROM inbox", "sqlite_autoindex_inbox_1 (id<?)"),
    ("DELETE FROM traces", "traces_seen (seen_at<?)"),
    ("DELETE FROM captures WHERE rowid", "sqlite_autoindex_captures_1 (message_id<?)"),
    ("DELETE FROM audit", "sqlite_autoindex_audit_1 (id<?)"),
    ("DELETE FROM attempts", "PRIMARY KEY (message_id<?)"),
    ("state = 'closed' AND (question <> ''", "requests_worded (id<?)"),
    ("UPDATE touches", "touches_told (at<?)"),
    ("FROM touches WHERE user_id = users.id", "touches_user (user_id=? AND at>?)"),
];

fn channel() -> ChannelAddress {
    "email.welcome".parse().unwrap()
}

fn customer(email: &str, phone: &str, landbot: &str) -> NewUser {
    let contact = Contact {
        email: EmailAddress::parse(email).ok(),
        phone: (!phone.is_empty()).then(|| Phone { raw: phone.into(), e164: Some(phone.into()) }),
        landbot_customer_id: (!landbot.is_empty()).then(|| landbot.into()),
    };
    NewUser { id: UserId::new(NOW), name: "Ana".into(), contact, language: String::new(), origin: Origin::default() }
}

fn message(purpose: Purpose) -> NewMessage {
    NewMessage { id: MessageId::new(NOW), channel: channel(), purpose, due_at: NOW, fallback: None }
}

/// Everything that a webhook does.
fn take_in(connection: &Connection) {
    for user in [
        customer("ana@example.com", "+34612345678", "77"),
        customer("ana@example.com", "", ""),
        customer("", "+34612345678", ""),
        customer("", "", "77"),
    ] {
        let registration = Registration {
            user,
            welcome: Some(message(Purpose::Welcome)),
            reached_at: vec![ContactField::Email],
            trace: Some("trace".to_owned()),
        };
        intake::register_user(connection, &registration, NOW).unwrap();
    }
    for (question, key) in [("How much?", None), ("How much?", None), ("When?", Some("key")), ("When?", Some("key"))] {
        let user = customer("ana@example.com", "", "");
        let topic = Topic::new("Sales");
        let request = NewRequest {
            id: RequestId::new(NOW),
            fingerprint: Fingerprint::new(&user.contact.key(), &topic, question),
            topic,
            topic_unknown: false,
            question: question.into(),
            idempotency_key: key.map(str::to_owned),
            origin: Origin::default(),
        };
        let submission = Submission { user: Some(user), request, messages: vec![message(Purpose::Request)] };
        intake::submit_request(connection, &submission, NOW).unwrap();
    }
    let entry = InboxEntry {
        id: InboxId::new(NOW),
        received_at: NOW,
        request_line: String::new(),
        headers: String::new(),
        body: Vec::new(),
        why: String::new(),
    };
    intake::keep_unreadable(connection, &entry).unwrap();
}

fn settlement(claim: &Claim, transition: Transition) -> Settlement {
    let attempt = Attempt {
        epoch: claim.epoch,
        channel: channel(),
        started_at: NOW,
        duration_ms: 1,
        outcome: "retry".into(),
        scope: "message".into(),
        error: String::new(),
    };
    Settlement { id: claim.id, attempt, transition, suppress: EmailAddress::parse("ana@example.com").ok() }
}

/// Everything that the relay does.
fn deliver(connection: &Connection) {
    let boot = BootId::new(NOW);
    let claimed = outbox::claim_due(connection, &channel(), outbox::Which::Ordinary, boot, 3, NOW).unwrap();
    let transitions = [
        Transition::Delivered { reference: "42".into(), capture: Some(b"bytes".to_vec()) },
        Transition::Again { due_at: NOW, counted: true },
        Transition::HandedOver { channel: "email.sales".parse().unwrap() },
    ];
    assert_eq!(claimed.claims.len(), transitions.len());
    for (claim, transition) in claimed.claims.into_iter().zip(transitions) {
        assert!(outbox::settle(connection, &settlement(&claim, transition), NOW).unwrap());
    }
    outbox::claim_due(connection, &channel(), outbox::Which::Suspect, boot, 3, NOW).unwrap();
    outbox::next_due(connection).unwrap();
    let overdue = Overdue {
        channel: channel(),
        fallback: Some("email.sales".parse().unwrap()),
        known: vec!["email.sales".parse().unwrap()],
        hand_over_before: NOW,
        expire_before: NOW,
        expire_alerts_before: NOW,
        why: String::new(),
    };
    unfinished::sweep(connection, &overdue, NOW, 10).unwrap();
    unfinished::rescue(connection, BootId::new(NOW), NOW).unwrap();
    let month = Duration::from_hours(24 * 30);
    let retention = Retention {
        delivered: month,
        dead: month,
        inbox: month,
        captures: Some(month),
        attempts: Some(month),
        questions: Some(month),
        touches: Some(month),
        customers: Some(month),
        audit: Some(month),
    };
    retention::prune(connection, retention, NOW, 10).unwrap();
}

fn direct(touch: CreditedTouch) -> OriginFilter {
    OriginFilter { touch, only: vec![(Dimension::Source, Pattern::new("direct"))], rules: Arc::default() }
}

/// The lists and numbers that the console asks for again and again.
fn look(connection: &Connection) {
    let later = NOW.after(Duration::from_hours(1));
    let page = Page { limit: 10, before: Some(MessageId::new(later)) };
    for state in State::ALL.iter().map(|state| Some(*state)).chain([None]) {
        let filter = MessageFilter { state, ..MessageFilter::default() };
        messages::messages(connection, &filter, page).unwrap();
        if state.is_some() {
            messages::count(connection, &filter).unwrap();
        }
    }
    let finished = Period { from: Some(NOW), to: Some(later) };
    for state in [Some(State::Delivered), Some(State::Dead), None] {
        let filter = MessageFilter { state, finished, ..MessageFilter::default() };
        messages::messages(connection, &filter, page).unwrap();
        messages::messages(connection, &MessageFilter { channel: Some(channel()), ..filter.clone() }, page).unwrap();
        messages::count(connection, &filter).unwrap();
    }
    for filter in [
        MessageFilter { user: Some(UserId::new(NOW)), ..MessageFilter::default() },
        MessageFilter { request: Some(RequestId::new(NOW)), ..MessageFilter::default() },
        MessageFilter { channel: Some(channel()), ..MessageFilter::default() },
        MessageFilter { purpose: Some(Purpose::Alert), ..MessageFilter::default() },
    ] {
        messages::messages(connection, &filter, page).unwrap();
    }
    let page = Page { limit: 10, before: Some(UserId::new(later)) };
    let registered = Period { from: Some(NOW), to: Some(later) };
    for filter in [
        UserFilter { origin: Some(direct(CreditedTouch::First)), ..UserFilter::default() },
        UserFilter { origin: Some(direct(CreditedTouch::Last)), ..UserFilter::default() },
        UserFilter { registered, ..UserFilter::default() },
        UserFilter { registered, origin: Some(direct(CreditedTouch::First)), ..UserFilter::default() },
    ] {
        assert!(!users::users(connection, &filter, page).unwrap().is_empty(), "{filter:?}");
    }
    overview::overview(connection, &[(NOW, later)]).unwrap();
    trouble::backlogs(connection).unwrap();
    trouble::troubles(connection, NOW, later).unwrap();
    reads::thread(connection, &channel(), About { user: Some(UserId::new(NOW)), request: None }).unwrap();
    erase::count(connection).unwrap();
}

/// Everything that is asked and said about requests.
fn ask_and_say(connection: &Connection) {
    let before = Some(RequestId::new(NOW.after(Duration::from_hours(1))));
    let page = Page { limit: 10, before };
    let filters = [
        RequestFilter { state: Some(RequestState::New), ..RequestFilter::default() },
        RequestFilter { topics: vec![Topic::new("Sales").key()], ..RequestFilter::default() },
        RequestFilter {
            topics: ["Sales", "Ventas"].map(|name| Topic::new(name).key()).to_vec(),
            ..RequestFilter::default()
        },
        RequestFilter { user: Some(UserId::new(NOW)), ..RequestFilter::default() },
        RequestFilter { assignee: Some("Eva".into()), ..RequestFilter::default() },
        RequestFilter { assignee: Some(String::new()), ..RequestFilter::default() },
        RequestFilter { origin: Some(direct(CreditedTouch::First)), ..RequestFilter::default() },
        RequestFilter { origin: Some(direct(CreditedTouch::Last)), ..RequestFilter::default() },
        RequestFilter {
            state: Some(RequestState::New),
            topics: vec![Topic::new("Sales").key()],
            origin: Some(direct(CreditedTouch::First)),
            ..RequestFilter::default()
        },
    ];
    for filter in filters {
        requests::requests(connection, &filter, page).unwrap();
    }
    requests::count(connection).unwrap();
    let any = RequestFilter { state: Some(RequestState::New), ..RequestFilter::default() };
    let id = requests::requests(connection, &any, page).unwrap()[0].request.id;
    let change = RequestChange::new(RequestState::Closed, NOW, "", "").unwrap();
    let follower = Follower { channel: channel(), stands_in_for: Vec::new(), known: vec![channel()] };
    requests::change(connection, id, &change, &[follower]).unwrap();
    for (field, value) in [(RequestField::Note, "Call back"), (RequestField::Assignee, "Eva")] {
        let edit = RequestEdit::new(field, NOW, value, "operator").unwrap();
        assert_eq!(requests::edit(connection, id, &edit, None).unwrap(), RequestEdited::Yes);
    }
    let history = requests::request(connection, id).unwrap().unwrap();
    let boot = BootId::new(NOW);
    let claimed = outbox::claim_due(connection, &channel(), outbox::Which::Ordinary, boot, 9, NOW).unwrap();
    for claim in claimed.claims {
        assert!(outbox::settle(connection, &settlement(&claim, Transition::Dead), NOW).unwrap());
    }
    // All of them: which ones were delivered is chance, for they were made in the same millisecond.
    for message in &history.messages {
        outbox::retry_message(connection, message.id, NOW).unwrap();
    }
}

#[test]
fn every_hot_statement_uses_its_index_and_none_reads_a_whole_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("umishop.db");
    let mut connection = connect(&path).unwrap();
    migrations::migrate(&mut connection, &path).unwrap();
    let statements = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&statements);
    let note = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            seen.lock().unwrap().insert(statement.sql().into_owned());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
    take_in(&connection);
    deliver(&connection);
    ask_and_say(&connection);
    look(&connection);
    connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();

    let plan = |sql: &str| -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = statement.parameter_count();
        let nothing = rusqlite::params_from_iter(vec![rusqlite::types::Null; parameters]);
        let steps = statement.query_map(nothing, |row| row.get::<_, String>("detail")).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    };
    let plans: Vec<_> = statements.lock().unwrap().iter().map(|sql| (sql.clone(), plan(sql))).collect();
    let tables: Vec<String> = {
        let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let is_scan = |step: &str| {
        // These indexes hold what is on its way and what is suspected of ending the process: a handful.
        let is_short = step.ends_with(" messages_sending") || step.ends_with(" messages_suspect");
        // What is pending is counted only so far before it is walked through, and of origins there are not many.
        // Of the unreadable webhooks the newest one is looked at.
        let is_short = is_short || step.ends_with(" sqlite_autoindex_inbox_1");
        let is_short = is_short || step.ends_with(" messages_due") || ["SCAN origins", "SCAN alerts"].contains(&step);
        // Those who were erased are counted when somebody sets a bot up.
        let is_short = is_short || step.ends_with(" users_erased");
        let mut scanned = step.strip_prefix("SCAN ").into_iter().filter_map(|step| step.split(' ').next());
        !is_short && scanned.any(|scanned| tables.iter().any(|table| table == scanned))
    };
    let scanning = plans.iter().filter(|(_, plan)| plan.lines().any(is_scan));
    let mut wrong: Vec<_> = scanning.map(|(sql, plan)| format!("{sql}\n--> {plan}")).collect();
    for (part, index) in INDEXES {
        let asked: Vec<_> = plans.iter().filter(|(sql, _)| sql.contains(part)).collect();
        if asked.is_empty() {
            wrong.push(format!("no statement contains {part}"));
        }
        for (sql, plan) in asked.into_iter().filter(|(_, plan)| !plan.contains(index)) {
            wrong.push(format!("{sql}\n--> does not use {index} but\n{plan}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_sqlite_that_can_lose_rows_is_refused_and_ours_is_not() {
    assert!(check_version(3_051_002, "3.51.2").is_err());
    assert!(check_version(rusqlite::version_number(), rusqlite::version()).is_ok());
}
