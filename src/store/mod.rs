//! Everything umishop remembers: users, touches, requests, the outbox, the inbox.
//!
//! Each method of [`Store`] is one use case and one transaction: all of it happens, or none. What a method answered
//! with `Ok` survives the loss of power. Time is always an argument; a store never reads a clock, and it never decides
//! what to send or when to try again.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::changes::Feed;
use crate::domain::{
    About, BootId, ChannelAddress, Dimension, EmailAddress, Follower, InboxId, Message, MessageId, OriginRules,
    Pattern, RequestChange, RequestEdit, RequestId, RequestState, Settlement, Suppression, Timestamp, User, UserId,
};

mod access;
mod backup;
mod figures;
mod filters;
mod intake;
mod ledger;
mod outbox;
mod overview;
mod reports;
mod requests;
mod retention;
mod rights;
pub mod sqlite;
mod users;

pub use access::{AccessStore, NewLoginLink, NewToken, Proof, Session, Token};
pub use backup::{BackedUp, BackupError, Counts};
pub use figures::StoreFigures;
pub use filters::{MessageFilter, OriginFilter, Period, RequestFilter, UserFilter};
pub use intake::{Arrival, InboxEntry, Registered, Registration, Submission, Submitted};
pub use ledger::{Ledger, LedgerQuery, LedgerRow, OriginReason, Tally};
pub use outbox::{
    Alert, Backlog, Changed, Changes, ChannelNote, Claimed, Incidents, MessageHistory, Overdue, Rescued, Swept,
    Troubles, Waiting,
};
pub use overview::{Counted, Happened, Overview};
pub use reports::{NewReport, ToldReport};
pub use requests::{RequestChanged, RequestEdited, RequestEntry, RequestHistory, RoutedRequest};
pub use retention::{Pruned, Retention};
pub use rights::{Erased, ExportedRequest, UserExport};
pub use users::{Subscription, Touch, UserTimeline, UserTouch};

/// Why the store did not do what was asked. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// More writes are waiting than it can take; try again in a moment.
    #[error("the store has more to write than it can take")]
    Busy,
    /// The idempotency key was used before, for another question.
    #[error("this request_id was already used for another question")]
    KeyReused,
    /// There is no room: nothing new is taken, while what makes room or ends what was begun goes on.
    #[error("the disk is full: {0}")]
    Full(Arc<str>),
    /// It could not read or write: locked, file gone.
    #[error("the store is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// The disk failed or the data is damaged: what the store says from now on cannot be trusted.
    #[error("the store can no longer be trusted: {0}")]
    Broken(Arc<str>),
}

impl StoreError {
    /// Wraps what the engine said.
    pub(crate) fn unavailable(error: &dyn std::fmt::Display) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

/// Which part of a list: newest first, `limit` entries that are older than `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<Id> {
    /// How many at most.
    pub limit: usize,
    /// The last entry of the page before; `None`: from the newest on.
    pub before: Option<Id>,
}

/// What was mended after the clock had been wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corrected {
    /// When the newest entry says that it was made; `None`: there is none.
    pub newest: Option<Timestamp>,
    /// How many messages would have waited for a moment that a wrong clock named.
    pub messages: u64,
}

/// How the store's files are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How long the write-ahead log is on the disk, in bytes.
    pub log: u64,
    /// How much room its disk has, in bytes; `None`: the system does not say.
    pub free: Option<u64>,
    /// Why nothing new is accepted, when there is too little room; `None`: there is enough.
    pub full: Option<String>,
    /// Why the journal of deliveries, which a restore needs, was not written the last time; `None`: it was.
    pub journal: Option<String>,
}

/// Everything umishop remembers.
#[async_trait]
pub trait Store: AccessStore {
    /// Creates the user or merges what was missing, remembers the touch, and puts the first welcome into the outbox.
    async fn register_user(&self, registration: Registration, now: Timestamp) -> Result<Registered, StoreError>;

    /// Stores the request and its messages, with its user, unless it repeats an earlier one.
    async fn submit_request(&self, submission: Submission, now: Timestamp) -> Result<Submitted, StoreError>;

    /// Keeps a webhook that nobody could read.
    async fn keep_unreadable(&self, entry: InboxEntry) -> Result<(), StoreError>;

    /// Makes pending again what another boot was sending when it died. No attempt is burnt, but the crash is counted:
    /// against the suspect that was on its way, if one was, else against all of them. A message that it has happened
    /// to too often is given up.
    async fn rescue(&self, boot: BootId, now: Timestamp) -> Result<Rescued, StoreError>;

    /// Takes up to `limit` due messages of `channel` for `boot` to deliver, each under a new lease epoch. No suspects.
    async fn claim_due(
        &self,
        channel: &ChannelAddress,
        boot: BootId,
        limit: usize,
        now: Timestamp,
    ) -> Result<Claimed, StoreError>;

    /// As [`claim_due`](Self::claim_due), but takes a single one, of those suspected of ending the process.
    async fn claim_suspect(
        &self,
        channel: &ChannelAddress,
        boot: BootId,
        now: Timestamp,
    ) -> Result<Claimed, StoreError>;

    /// Ends a claim and keeps its attempt. `false`: a later claim has taken the message over, or its customer was erased;
    /// nothing was changed.
    ///
    /// Takes its turn when it is first polled: a claim that is asked for after that sees it done.
    async fn settle(&self, settlement: Settlement, now: Timestamp) -> Result<bool, StoreError>;

    /// Hands over or gives up some of what waits for a channel that sends nothing just now.
    async fn sweep(&self, overdue: Overdue, now: Timestamp) -> Result<Swept, StoreError>;

    /// Makes a dead, held or cancelled message pending again: due now, with a fresh retry schedule and the same id.
    /// A pending one becomes due now. Retrying a dead letter lifts the suppression of its customer's address, unless they
    /// asked for it; retrying a question brings back the follow-ups that were called off with it.
    async fn retry_message(&self, id: MessageId, now: Timestamp) -> Result<Changed, StoreError>;

    /// Calls off a pending or held message.
    async fn cancel_message(&self, id: MessageId, now: Timestamp) -> Result<Changed, StoreError>;

    /// How many messages there are.
    async fn count_messages(&self, filter: MessageFilter) -> Result<Counted, StoreError>;

    /// Does what [`retry_message`](Self::retry_message) does to some of these messages after the one with the id
    /// `after`: no more than keeps nobody waiting.
    async fn retry_messages(
        &self,
        filter: MessageFilter,
        after: Option<MessageId>,
        now: Timestamp,
    ) -> Result<Changes, StoreError>;

    /// Does what [`cancel_message`](Self::cancel_message) does, likewise.
    async fn cancel_messages(
        &self,
        filter: MessageFilter,
        after: Option<MessageId>,
        now: Timestamp,
    ) -> Result<Changes, StoreError>;

    /// Writes a copy of everything as of `now` to the new `file`, and reads it back. Nobody waits for it. `stop` ends it
    /// early.
    async fn back_up(&self, file: PathBuf, now: Timestamp, stop: CancellationToken) -> Result<BackedUp, BackupError>;

    /// Deletes some of what came to rest longer ago than its retention: no more than keeps nobody waiting.
    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<Pruned, StoreError>;

    /// Users, newest first.
    async fn users(&self, filter: UserFilter, page: Page<UserId>) -> Result<Vec<User>, StoreError>;

    /// One user with everything that happened to them.
    async fn user(&self, id: UserId) -> Result<Option<UserTimeline>, StoreError>;

    /// Everything that is kept about one customer.
    async fn export_user(&self, id: UserId) -> Result<Option<UserExport>, StoreError>;

    /// Erases one customer for good: whatever tells who they are, and their messages, also one that is just being sent.
    /// What the ledger counts stays, under their id. An address that they had unsubscribed stays so. `None`: there is no
    /// customer of this id.
    async fn erase_user(&self, id: UserId, now: Timestamp) -> Result<Option<Erased>, StoreError>;

    /// How many customers were erased so far: by whoever it was, also beside this process, and by their retention.
    async fn count_erased(&self) -> Result<u64, StoreError>;

    /// Requests that were made at `since` or later, newest first.
    async fn routed_requests(&self, since: Timestamp, page: Page<RequestId>) -> Result<Vec<RoutedRequest>, StoreError>;

    /// Messages, newest first.
    async fn messages(&self, filter: MessageFilter, page: Page<MessageId>) -> Result<Vec<Message>, StoreError>;

    /// One message with everything that was tried.
    async fn message(&self, id: MessageId) -> Result<Option<MessageHistory>, StoreError>;

    /// What `channel`'s receiver calls the first question of this customer that it took, as far back as is kept; where
    /// the customer is not known, this request's.
    async fn thread(&self, channel: &ChannelAddress, about: About) -> Result<Option<String>, StoreError>;

    /// Requests, newest first.
    async fn requests(&self, filter: RequestFilter, page: Page<RequestId>) -> Result<Vec<RequestEntry>, StoreError>;

    /// One request with everything that happened to it.
    async fn request(&self, id: RequestId) -> Result<Option<RequestHistory>, StoreError>;

    /// Brings the request to another state, keeps that it was, and puts a follow-up into the outbox for each of the
    /// `followers` that its question went over, or may still go over. A follow-up is not claimed before its question is
    /// delivered over its channel, nor before those of earlier states are finished there; if the question will not be
    /// delivered there, it is called off.
    async fn change_request(
        &self,
        id: RequestId,
        change: RequestChange,
        followers: Vec<Follower>,
    ) -> Result<RequestChanged, StoreError>;

    /// Changes what is noted beside the request, and keeps that it was. With `expected` only if it was that before, so
    /// that nobody writes over what they have not read.
    async fn edit_request(
        &self,
        id: RequestId,
        edit: RequestEdit,
        expected: Option<String>,
    ) -> Result<RequestEdited, StoreError>;

    /// How many requests are in each state.
    async fn count_requests(&self) -> Result<Vec<(RequestState, Counted)>, StoreError>;

    /// How much there is, and how much happened in each of these periods.
    async fn overview(&self, periods: Vec<(Timestamp, Timestamp)>) -> Result<Overview, StoreError>;

    /// Unreadable webhooks, newest first.
    async fn inbox(&self, page: Page<InboxId>) -> Result<Vec<InboxEntry>, StoreError>;

    /// One unreadable webhook.
    async fn inbox_entry(&self, id: InboxId) -> Result<Option<InboxEntry>, StoreError>;

    /// Counts customers and their requests by where they came from, as `rules` tell it.
    async fn ledger(&self, query: LedgerQuery, rules: Arc<OriginRules>) -> Result<Ledger, StoreError>;

    /// Why visits are counted under the values of `by` that are like `value` (`None`: that it was not told), the reasons
    /// of most visits first.
    async fn origin_reasons(
        &self,
        by: Dimension,
        value: Option<Pattern>,
        rules: Arc<OriginRules>,
    ) -> Result<Vec<OriginReason>, StoreError>;

    /// Does some of what keeps the ledger complete and fast: counts what is older than it, tells origins anew after a
    /// change of the rules, packs days that are over at `now`. Nobody waits for it. Says whether there is more to do.
    async fn tend_ledger(&self, rules: Arc<OriginRules>, now: Timestamp) -> Result<bool, StoreError>;

    /// When the next pending message of each channel is due, for every channel that has one, configured or not.
    async fn next_due(&self) -> Result<Vec<(ChannelAddress, Timestamp)>, StoreError>;

    /// What waits and what is in trouble, for every channel that has any of it, configured or not.
    async fn backlogs(&self) -> Result<Vec<Backlog>, StoreError>;

    /// What an operator should hear of at `now`: of what happened once, only what happened after `since`.
    async fn troubles(&self, since: Timestamp, now: Timestamp) -> Result<Troubles, StoreError>;

    /// What must be known of the channels across a restart.
    async fn channel_notes(&self) -> Result<Vec<ChannelNote>, StoreError>;

    /// Notes that an operator paused the channel, or, with `None`, resumed it.
    async fn note_pause(&self, channel: &ChannelAddress, paused_at: Option<Timestamp>) -> Result<(), StoreError>;

    /// Notes that the channel's receiver asked for patience until then, or, with `None`, that it takes messages again.
    async fn note_patience(&self, channel: &ChannelAddress, not_before: Option<Timestamp>) -> Result<(), StoreError>;

    /// Customers' addresses that nothing is sent to any more, in alphabetical order, after that of `page`.
    async fn suppressions(&self, page: Page<EmailAddress>) -> Result<Vec<Suppression>, StoreError>;

    /// Sends to the address again from now on. `false`: it was not suppressed.
    async fn lift_suppression(&self, address: &EmailAddress) -> Result<bool, StoreError>;

    /// Whether the customer wants to be written to; `None`: nobody of this id has a mail address.
    async fn subscription(&self, user: UserId) -> Result<Option<Subscription>, StoreError>;

    /// Notes what the customer wants. Who wants nothing has their address suppressed: a welcome that waits is claimed with
    /// that, unless they change their mind before it is due. Returns what is so now.
    async fn set_subscribed(
        &self,
        user: UserId,
        subscribed: bool,
        now: Timestamp,
    ) -> Result<Option<Subscription>, StoreError>;

    /// Notes that the customer opened the chat by the link in their welcome. Only the first time counts, and of somebody who
    /// did not register, or was erased, nothing is noted. Says whether it was noted.
    async fn note_opened(&self, user: UserId, now: Timestamp) -> Result<bool, StoreError>;

    /// Puts an alert into the outbox, unless the operator was told of its subject lately. Says whether it did.
    async fn raise_alert(&self, alert: Alert, now: Timestamp) -> Result<bool, StoreError>;

    /// Puts a report into the outbox and notes its period, unless that or a later one was told already. Says whether it did.
    async fn put_report(&self, report: NewReport, now: Timestamp) -> Result<bool, StoreError>;

    /// Of each cadence that was ever told, the newest period that was.
    async fn told_reports(&self) -> Result<Vec<ToldReport>, StoreError>;

    /// The key of the links in messages: the one kept, or `fresh` if there was none.
    async fn link_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError>;

    /// Mends what was written under a clock that was ahead of `now`, so that nothing waits for its moments.
    async fn correct_times(&self, now: Timestamp) -> Result<Corrected, StoreError>;

    /// Proves that something new would be accepted and kept, by a write of its own at `now` unless one was proved a moment
    /// ago.
    async fn prove_writable(&self, now: Timestamp) -> Result<(), StoreError>;

    /// How its files are doing. Asks the system, not the store.
    fn files(&self) -> Files;

    /// Where it tells of what changes, after each commit.
    fn feed(&self) -> Feed;

    /// How much it has to do, and how long that takes it.
    fn figures(&self) -> StoreFigures;

    /// Waits until the store can no longer be trusted, most often for ever. The process must end then: nothing that it
    /// could still answer would be a promise.
    async fn broken(&self) -> StoreError;

    /// Writes out what is waiting and closes the files. Later calls fail.
    async fn close(&self) -> Result<(), StoreError>;
}
