//! The store in one SQLite file.
//!
//! One thread owns the only connection that writes ([`writer`]); reads have their own ([`reads`]). The log is written
//! ahead and synced at every commit, so what was answered survives the loss of power. A lock file beside the database
//! keeps a second relay away; short writes by the command line are let in, as SQLite's own lock serialises them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::{
    Alert, BackedUp, Backlog, BackupError, Changed, Changes, ChannelNote, Claimed, Corrected, Counted, Erased, Files,
    InboxEntry, Ledger, LedgerQuery, MessageFilter, MessageHistory, NewReport, OriginReason, Overdue, Overview, Page,
    Pruned, Registered, Registration, RequestChanged, RequestEdited, RequestEntry, RequestFilter, RequestHistory,
    Rescued, Retention, RoutedRequest, Store, StoreError, StoreFigures, Submission, Submitted, Subscription, Swept,
    ToldReport, Troubles, UserExport, UserFilter, UserTimeline,
};
use crate::changes::Feed;
use crate::crash;
use crate::domain::{
    About, BootId, ChannelAddress, Dimension, EmailAddress, Follower, InboxId, Message, MessageId, OriginRules,
    Pattern, RequestChange, RequestEdit, RequestId, RequestState, Settlement, Suppression, Timestamp, Transition, User,
    UserId,
};
use disk::Disk;
use figures::WriterFigures;
use journal::{Delivered, Journal};
use log::Log;
use opening::{BUSY_TIMEOUT, Lock, check_version, connect, create_private, directory, lock, suffixed};
use touched::Touched;
use trust::{Trust, Verdict};
use writer::Writer;

mod access;
mod acquaintances;
mod backup;
mod copy;
mod disk;
mod erase;
mod examine;
mod export;
mod figures;
mod follow_ups;
mod import;
mod intake;
mod invented;
mod journal;
mod known;
mod ledger;
mod log;
mod messages;
mod migrations;
mod opening;
mod outbox;
mod overview;
mod query;
mod reads;
mod reports;
mod requests;
mod restore;
mod retention;
mod rows;
mod snapshot;
mod suppressions;
mod times;
mod touched;
mod trial;
mod trouble;
mod trust;
mod unfinished;
mod upgrade_copy;
mod users;
mod writer;

pub use backup::back_up;
pub use copy::Watch;
pub use disk::free;
pub use examine::{Examined, examine};
pub use import::{Imported, Importer};
pub use invented::InventedError;
pub use opening::OpenError;
pub use restore::{RestoreError, Restored, restore};
pub use snapshot::Snapshot;
pub use trial::Trial;

#[cfg(test)]
mod tests;

/// How long a `MessageHook` delivery is remembered; Landbot gives up repeating it after some minutes.
const TRACE_MEMORY: Duration = Duration::from_hours(24);

/// For how long a write that was done proves that writing works, so that whoever asks often makes few writes.
const PROOF_HOLDS: Duration = Duration::from_secs(5);

/// How long a write may take that shall prove that writing works.
const PROOF_WITHIN: Duration = Duration::from_secs(5);

/// How many rows one transaction prunes, so that webhooks do not wait for it.
const PRUNE_BATCH: usize = 500;

/// How many rows one transaction hands over or gives up, likewise.
const SWEEP_BATCH: usize = 500;

/// The store in one SQLite file.
pub struct SqliteStore {
    writer: Mutex<Option<Arc<Writer>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    readers: reads::Readers,
    disk: Disk,
    /// When it was last proved that writing works.
    proved: Mutex<Option<Instant>>,
    log_path: PathBuf,
    /// Asks for the log to be emptied.
    empty_log: Arc<AtomicBool>,
    trust: Trust,
    path: PathBuf,
    journal_trouble: journal::Trouble,
    figures: Arc<WriterFigures>,
    feed: Feed,
    /// Held until the store is closed.
    lock: Mutex<Option<Lock>>,
}

impl SqliteStore {
    /// Opens the database for the process that runs the relay: makes and migrates it, and keeps others like it away.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        check_version(rusqlite::version_number(), rusqlite::version())?;
        disk::check_kind(path)?;
        let lock = lock(path)?;
        if let Some(replaced) = restore::finish(path)? {
            tracing::info!("Finished a restore; the database it replaced is kept as {}", replaced.display());
        }
        create_private(path).map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
        let mut connection = connect(path)?;
        backup::refuse(&connection)?;
        migrations::check_ours(&connection)?;
        Log::recover(&connection)?;
        migrations::migrate(&mut connection, path)?;
        if let Err(error) = erase::complete(&connection, path) {
            tracing::error!(%error, "Whoever was erased lately may come back with a restored backup: the list beside the database is not complete");
        }
        crash::point("start.migrated");
        Self::start(path, connection, Some(lock))
    }

    /// Opens the database beside a running server, for the command line.
    pub fn open_beside(path: &Path) -> Result<Self, OpenError> {
        check_version(rusqlite::version_number(), rusqlite::version())?;
        if !path.exists() {
            return Err(OpenError::Missing(path.to_owned()));
        }
        restore::refuse_unfinished(path)?;
        disk::check_kind(path)?;
        let connection = connect(path)?;
        migrations::check(&connection)?;
        backup::refuse(&connection)?;
        Self::start(path, connection, None)
    }

    /// Refuses what is new while the disk has less room than this, in bytes.
    #[must_use]
    pub fn keeping_free(mut self, bytes: u64) -> Self {
        self.disk.keep_free(bytes);
        self
    }

    fn start(path: &Path, mut connection: Connection, lock: Option<Lock>) -> Result<Self, OpenError> {
        let (log, trust) = (Log::default(), Trust::default());
        let (readers, empty_log) = (reads::Readers::new(path, reads::LIMIT, log.is_long()), log.to_empty());
        let journal = Journal::new(path);
        let journal_trouble = journal.trouble();
        let touched = Touched::watch(&mut connection, Feed::default())?;
        let feed = touched.feed();
        let (writer, thread) = Writer::start(connection, log, journal, touched, trust.clone())
            .map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
        let figures = writer.figures();
        Ok(Self {
            writer: Mutex::new(Some(Arc::new(writer))),
            thread: Mutex::new(Some(thread)),
            readers,
            disk: Disk::of(path),
            proved: Mutex::default(),
            log_path: suffixed(path, "-wal"),
            empty_log,
            trust,
            path: path.to_owned(),
            journal_trouble,
            figures,
            feed,
            lock: Mutex::new(lock),
        })
    }

    /// Writes something new, unless there is too little room for it.
    async fn take<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.disk.check()?;
        let taken = self.writer()?.write(work).await;
        if matches!(taken, Err(StoreError::Full(_) | StoreError::Unavailable(_))) {
            self.proved.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        taken
    }

    fn writer(&self) -> Result<Arc<Writer>, StoreError> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }
}

/// The setting of this name, which is made from `fresh` if there is none.
fn kept(connection: &Connection, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
    connection
        .prepare_cached("INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((name, &fresh[..]))?;
    let sql = "SELECT value FROM settings WHERE name = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([name], |row| row.get(0))?)
}

fn closed() -> StoreError {
    StoreError::unavailable(&"the store is closed")
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match trust::verdict(&error) {
            Verdict::Broken => Self::Broken(error.to_string().into()),
            Verdict::Full => Self::Full(error.to_string().into()),
            Verdict::Other => Self::unavailable(&error),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn register_user(&self, registration: Registration, now: Timestamp) -> Result<Registered, StoreError> {
        self.take(move |connection| intake::register_user(connection, &registration, now)).await
    }

    async fn submit_request(&self, submission: Submission, now: Timestamp) -> Result<Submitted, StoreError> {
        self.take(move |connection| intake::submit_request(connection, &submission, now)).await
    }

    async fn keep_unreadable(&self, entry: InboxEntry) -> Result<(), StoreError> {
        self.take(move |connection| intake::keep_unreadable(connection, &entry)).await
    }

    async fn rescue(&self, boot: BootId, now: Timestamp) -> Result<Rescued, StoreError> {
        self.writer()?.write_patiently(move |connection| unfinished::rescue(connection, boot, now)).await
    }

    async fn claim_due(
        &self,
        channel: &ChannelAddress,
        boot: BootId,
        limit: usize,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let (channel, which) = (channel.clone(), outbox::Which::Ordinary);
        self.writer()?
            .write_patiently(move |connection| outbox::claim_due(connection, &channel, which, boot, limit, now))
            .await
    }

    async fn claim_suspect(
        &self,
        channel: &ChannelAddress,
        boot: BootId,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let (channel, which) = (channel.clone(), outbox::Which::Suspect);
        self.writer()?
            .write_patiently(move |connection| outbox::claim_due(connection, &channel, which, boot, 1, now))
            .await
    }

    async fn settle(&self, settlement: Settlement, now: Timestamp) -> Result<bool, StoreError> {
        let id = matches!(settlement.transition, Transition::Delivered { .. }).then_some(settlement.id);
        let note = move |settled: &bool| id.filter(|_| *settled).map(|id| Delivered { id, at: now });
        self.writer()?.write_noted(move |connection| outbox::settle(connection, &settlement, now), note).await
    }

    async fn sweep(&self, overdue: Overdue, now: Timestamp) -> Result<Swept, StoreError> {
        self.writer()?
            .write_patiently(move |connection| unfinished::sweep(connection, &overdue, now, SWEEP_BATCH))
            .await
    }

    async fn retry_message(&self, id: MessageId, now: Timestamp) -> Result<Changed, StoreError> {
        self.writer()?.write(move |connection| outbox::retry_message(connection, id, now)).await
    }

    async fn cancel_message(&self, id: MessageId, now: Timestamp) -> Result<Changed, StoreError> {
        self.writer()?.write(move |connection| outbox::cancel_message(connection, id, now)).await
    }

    async fn count_messages(&self, filter: MessageFilter) -> Result<Counted, StoreError> {
        self.readers.read(move |connection| messages::count(connection, &filter)).await
    }

    async fn retry_messages(
        &self,
        filter: MessageFilter,
        after: Option<MessageId>,
        now: Timestamp,
    ) -> Result<Changes, StoreError> {
        let retry = move |connection: &_| messages::change(connection, &filter, after, now, outbox::retry_message);
        self.writer()?.write_patiently(retry).await
    }

    async fn cancel_messages(
        &self,
        filter: MessageFilter,
        after: Option<MessageId>,
        now: Timestamp,
    ) -> Result<Changes, StoreError> {
        let cancel = move |connection: &_| messages::change(connection, &filter, after, now, outbox::cancel_message);
        self.writer()?.write_patiently(cancel).await
    }

    async fn back_up(&self, file: PathBuf, now: Timestamp, stop: CancellationToken) -> Result<BackedUp, BackupError> {
        let path = self.path.clone();
        let work = move || back_up(&path, &file, now, &mut Watch { percent: &mut |_| {}, stop: &stop });
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(BackupError::Stopped))
    }

    async fn prune(&self, retention: Retention, now: Timestamp) -> Result<Pruned, StoreError> {
        let prune = move |connection: &_| retention::prune(connection, retention, now, PRUNE_BATCH);
        let pruned = self.writer()?.write_patiently(prune).await?;
        // Once, after the last bite.
        if retention.customers.is_some() && !pruned.more {
            self.finish_erasing().await;
        }
        Ok(pruned)
    }

    async fn users(&self, filter: UserFilter, page: Page<UserId>) -> Result<Vec<User>, StoreError> {
        self.readers.read(move |connection| users::users(connection, &filter, page)).await
    }

    async fn user(&self, id: UserId) -> Result<Option<UserTimeline>, StoreError> {
        self.readers.read(move |connection| users::user(connection, id)).await
    }

    async fn export_user(&self, id: UserId) -> Result<Option<UserExport>, StoreError> {
        export::export(&self.readers, id).await
    }

    async fn erase_user(&self, id: UserId, now: Timestamp) -> Result<Option<Erased>, StoreError> {
        self.erase(id, now).await
    }

    async fn count_erased(&self) -> Result<u64, StoreError> {
        self.readers.read(erase::count).await
    }

    async fn routed_requests(&self, since: Timestamp, page: Page<RequestId>) -> Result<Vec<RoutedRequest>, StoreError> {
        self.readers.read(move |connection| reads::routed_requests(connection, since, page)).await
    }

    async fn messages(&self, filter: MessageFilter, page: Page<MessageId>) -> Result<Vec<Message>, StoreError> {
        self.readers.read(move |connection| messages::messages(connection, &filter, page)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<MessageHistory>, StoreError> {
        self.readers.read(move |connection| reads::message(connection, id)).await
    }

    async fn thread(&self, channel: &ChannelAddress, about: About) -> Result<Option<String>, StoreError> {
        let channel = channel.clone();
        self.readers.read(move |connection| reads::thread(connection, &channel, about)).await
    }

    async fn requests(&self, filter: RequestFilter, page: Page<RequestId>) -> Result<Vec<RequestEntry>, StoreError> {
        self.readers.read(move |connection| requests::requests(connection, &filter, page)).await
    }

    async fn request(&self, id: RequestId) -> Result<Option<RequestHistory>, StoreError> {
        self.readers.read(move |connection| requests::request(connection, id)).await
    }

    async fn change_request(
        &self,
        id: RequestId,
        change: RequestChange,
        followers: Vec<Follower>,
    ) -> Result<RequestChanged, StoreError> {
        self.writer()?.write(move |connection| requests::change(connection, id, &change, &followers)).await
    }

    async fn edit_request(
        &self,
        id: RequestId,
        edit: RequestEdit,
        expected: Option<String>,
    ) -> Result<RequestEdited, StoreError> {
        self.writer()?.write(move |connection| requests::edit(connection, id, &edit, expected.as_deref())).await
    }

    async fn count_requests(&self) -> Result<Vec<(RequestState, Counted)>, StoreError> {
        self.readers.read(requests::count).await
    }

    async fn overview(&self, periods: Vec<(Timestamp, Timestamp)>) -> Result<Overview, StoreError> {
        self.readers.read(move |connection| overview::overview(connection, &periods)).await
    }

    async fn inbox(&self, page: Page<InboxId>) -> Result<Vec<InboxEntry>, StoreError> {
        self.readers.read(move |connection| reads::inbox(connection, page)).await
    }

    async fn inbox_entry(&self, id: InboxId) -> Result<Option<InboxEntry>, StoreError> {
        self.readers.read(move |connection| reads::inbox_entry(connection, id)).await
    }

    async fn ledger(&self, query: LedgerQuery, rules: Arc<OriginRules>) -> Result<Ledger, StoreError> {
        self.readers.read(move |connection| ledger::answer(connection, &query, &rules)).await
    }

    async fn origin_reasons(
        &self,
        by: Dimension,
        value: Option<Pattern>,
        rules: Arc<OriginRules>,
    ) -> Result<Vec<OriginReason>, StoreError> {
        self.readers.read(move |connection| ledger::reasons(connection, by, value.as_ref(), &rules)).await
    }

    async fn tend_ledger(&self, rules: Arc<OriginRules>, now: Timestamp) -> Result<bool, StoreError> {
        let writer = self.writer()?;
        if writer.write_patiently(move |connection| ledger::catch_up(connection, &rules)).await? {
            return Ok(true);
        }
        let mut more = false;
        for kind in ledger::Kind::ALL {
            let unpacked = self.readers.read(move |connection| ledger::first_unpacked(connection, kind, now)).await?;
            let Some(day) = unpacked else { continue };
            writer.write_patiently(move |connection| ledger::reserve(connection, kind, day)).await?;
            let packed = self.readers.read(move |connection| ledger::pack(connection, kind, day)).await?;
            writer.write_patiently(move |connection| ledger::fill(connection, kind, day, &packed)).await?;
            more = true;
        }
        Ok(more)
    }

    async fn next_due(&self) -> Result<Vec<(ChannelAddress, Timestamp)>, StoreError> {
        self.readers.read(outbox::next_due).await
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, StoreError> {
        self.readers.read(trouble::backlogs).await
    }

    async fn troubles(&self, since: Timestamp, now: Timestamp) -> Result<Troubles, StoreError> {
        self.readers.read(move |connection| trouble::troubles(connection, since, now)).await
    }

    async fn channel_notes(&self) -> Result<Vec<ChannelNote>, StoreError> {
        self.readers.read(trouble::channel_notes).await
    }

    async fn note_pause(&self, channel: &ChannelAddress, paused_at: Option<Timestamp>) -> Result<(), StoreError> {
        let channel = channel.clone();
        self.writer()?.write_patiently(move |connection| trouble::note_pause(connection, &channel, paused_at)).await
    }

    async fn note_patience(&self, channel: &ChannelAddress, not_before: Option<Timestamp>) -> Result<(), StoreError> {
        let channel = channel.clone();
        self.writer()?.write_patiently(move |connection| trouble::note_patience(connection, &channel, not_before)).await
    }

    async fn suppressions(&self, page: Page<EmailAddress>) -> Result<Vec<Suppression>, StoreError> {
        self.readers.read(move |connection| suppressions::list(connection, &page)).await
    }

    async fn lift_suppression(&self, address: &EmailAddress) -> Result<bool, StoreError> {
        let address = address.clone();
        self.writer()?.write(move |connection| suppressions::lift(connection, &address)).await
    }

    async fn subscription(&self, user: UserId) -> Result<Option<Subscription>, StoreError> {
        self.readers.read(move |connection| suppressions::subscription(connection, user)).await
    }

    async fn set_subscribed(
        &self,
        user: UserId,
        subscribed: bool,
        now: Timestamp,
    ) -> Result<Option<Subscription>, StoreError> {
        let set = move |connection: &_| suppressions::set_subscribed(connection, user, subscribed, now);
        self.writer()?.write(set).await
    }

    async fn put_report(&self, report: NewReport, now: Timestamp) -> Result<bool, StoreError> {
        self.writer()?.write_patiently(move |connection| reports::put(connection, &report, now)).await
    }

    async fn told_reports(&self) -> Result<Vec<ToldReport>, StoreError> {
        self.readers.read(reports::told).await
    }

    async fn note_opened(&self, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
        self.take(move |connection| ledger::opened(connection, user, now)).await
    }

    async fn raise_alert(&self, alert: Alert, now: Timestamp) -> Result<bool, StoreError> {
        self.writer()?.write_patiently(move |connection| trouble::raise_alert(connection, &alert, now)).await
    }

    async fn link_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.writer()?.write_patiently(move |connection| kept(connection, "unsubscribe_key", fresh)).await
    }

    async fn correct_times(&self, now: Timestamp) -> Result<Corrected, StoreError> {
        self.writer()?.write_patiently(move |connection| times::correct(connection, now)).await
    }

    async fn prove_writable(&self, now: Timestamp) -> Result<(), StoreError> {
        self.disk.check()?;
        if self.proved.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < PROOF_HOLDS) {
            return Ok(());
        }
        let writer = self.writer()?;
        let write = writer.write(move |connection| {
            let sql = "INSERT INTO settings (name, value) VALUES ('proved_writable_at', ?1)
                       ON CONFLICT DO UPDATE SET value = excluded.value";
            connection.prepare_cached(sql)?.execute([&now.as_millis().to_be_bytes()[..]])?;
            Ok(())
        });
        let too_long = |_| StoreError::unavailable(&format_args!("a write was not done within {PROOF_WITHIN:?}"));
        tokio::time::timeout(PROOF_WITHIN, write).await.map_err(too_long)??;
        *self.proved.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    fn files(&self) -> Files {
        // Without a log there is none yet, or none any more.
        let log = std::fs::metadata(&self.log_path).map_or(0, |log| log.len());
        let journal = self.journal_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Files { log, free: self.disk.free(), full: self.disk.check().err().map(|error| error.to_string()), journal }
    }

    fn feed(&self) -> Feed {
        self.feed.clone()
    }

    fn figures(&self) -> StoreFigures {
        // A store that is closed has nothing that waits.
        self.figures.read(self.writer().map_or(0, |writer| writer.queued()))
    }

    async fn broken(&self) -> StoreError {
        self.trust.until_lost().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        // The thread ends when the last sender is gone and everything that waited is written.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.readers.close();
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !matches!(joined, Ok(true)) {
                return Err(StoreError::unavailable(&"the writing thread ended badly"));
            }
        }
        if let Some(why) = self.trust.lost() {
            return Err(StoreError::Broken(why));
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}
