//! The one thread that writes.
//!
//! Everything that waits is run in one transaction, committed once, and then all are answered: group commit. There is
//! no lingering: a batch is whatever arrived while the disk was busy with the one before, so a lone write costs one
//! sync and a crowd shares one. When the commit fails, nobody is told that their write happened.
//!
//! A write that is refused before it changed anything simply is. One that fails half-way takes the batch with it; the
//! batch is then run again with a savepoint around each, so that only the culprit is undone. Savepoints always would
//! cost more than the writes themselves: SQLite keeps a copy of every page that they touch.
//!
//! When the disk fails, or this thread panics, nothing is written any more: see [`Trust`].

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot};

use super::figures::WriterFigures;
use super::journal::{Delivered, Journal};
use super::log::{Log, WAIT_FOR_READERS};
use super::touched::Touched;
use super::trust::Trust;
use super::{StoreError, closed};
use crate::crash;

/// How many writes may wait. At 20,000 writes a second this is a fifth of a second of work.
const QUEUE: usize = 4096;

/// How many writes share a commit at most, so that the first does not wait for too many others.
const BATCH: usize = 256;

/// A write that waits for its turn, and after that for the commit. It may be run twice.
trait Waiting: Send {
    fn run(&mut self, connection: &Connection) -> Ran;
    /// What the journal is to know of it, once it is committed.
    fn note(&self) -> Option<Delivered>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What came of a write, before the commit.
enum Ran {
    Done,
    Refused,
    /// The store is [`StoreError::Broken`].
    Broken(StoreError),
}

struct Write<T, F, N> {
    work: F,
    note: N,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F, N> Waiting for Write<T, F, N>
where
    T: Send,
    F: Fn(&Connection) -> Result<T, StoreError> + Send,
    N: Fn(&T) -> Option<Delivered> + Send,
{
    fn run(&mut self, connection: &Connection) -> Ran {
        match self.result.insert((self.work)(connection)) {
            Ok(_) => Ran::Done,
            Err(error @ StoreError::Broken(_)) => Ran::Broken(error.clone()),
            Err(_) => Ran::Refused,
        }
    }

    fn note(&self) -> Option<Delivered> {
        self.result.as_ref()?.as_ref().ok().and_then(&self.note)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { work, result, reply, .. } = *self;
        // What an import was made of is much. It holds that, too, and lets go of it while this thread goes on.
        drop(work);
        let result = match (committed, result) {
            // Also for a write that was refused: perhaps because of one that has not happened now.
            (Err(error), _) | (Ok(()), Some(Err(error))) => Err(error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), None) => Err(StoreError::unavailable(&"the write was not run")),
        };
        // Whoever asked may have gone away; the write stands all the same.
        drop(reply.send(result));
    }
}

/// Hands writes to the writing thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Waiting>>,
    trust: Trust,
    figures: Arc<WriterFigures>,
}

impl Writer {
    /// Starts the thread on `connection`. It ends, and closes the connection, when the writer is dropped and everything
    /// that waited is written. `journal` learns of every delivery that is committed, and `touched` of every commit.
    pub(super) fn start(
        connection: Connection,
        log: Log,
        journal: Journal,
        touched: Touched,
        trust: Trust,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (told, figures) = (trust.clone(), Arc::new(WriterFigures::default()));
        let counted = Arc::clone(&figures);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            Thread { connection, waiting, log, journal, touched, trust: told, figures: counted }.run();
        })?;
        Ok((Self { queue, trust, figures }, thread))
    }

    /// Runs `work` in the next transaction, once or twice. Answers after the commit. Refuses at once when too much is
    /// waiting.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (write, answer) = wrap(work, |_| None);
        self.queue.try_send(write).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => self.gone(),
        })?;
        answer.await.map_err(|_| self.gone())?
    }

    /// As [`write`](Self::write), but waits for a place in the queue: for what must not be refused, such as the news
    /// that a message was delivered.
    pub(super) async fn write_patiently<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_noted(work, |_| None).await
    }

    /// As [`write_patiently`](Self::write_patiently); what `note` makes of the result is in the journal before the
    /// answer comes.
    pub(super) async fn write_noted<T, F, N>(&self, work: F, note: N) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
        N: Fn(&T) -> Option<Delivered> + Send + 'static,
    {
        let (write, answer) = wrap(work, note);
        self.queue.send(write).await.map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())?
    }

    /// What is counted, now and at any later time.
    pub(super) fn figures(&self) -> Arc<WriterFigures> {
        Arc::clone(&self.figures)
    }

    /// How many writes wait.
    pub(super) fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Why the thread takes nothing any more.
    fn gone(&self) -> StoreError {
        self.trust.lost().map_or_else(closed, StoreError::Broken)
    }
}

type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

fn wrap<T, F, N>(work: F, note: N) -> (Box<dyn Waiting>, Answer<T>)
where
    T: Send + 'static,
    F: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    N: Fn(&T) -> Option<Delivered> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Write { work, note, result: None, reply }), answer)
}

/// The thread and all it owns.
struct Thread {
    connection: Connection,
    waiting: mpsc::Receiver<Box<dyn Waiting>>,
    log: Log,
    journal: Journal,
    touched: Touched,
    trust: Trust,
    figures: Arc<WriterFigures>,
}

impl Thread {
    fn run(mut self) {
        // Whoever waits for an answer then hears that there is none, and the process ends instead of refusing for ever.
        let _told = self.trust.lost_by_panic("the writing thread panicked; the lines above say where");
        match self.write_all() {
            Ok(()) => self.close(),
            Err(error) => self.abandon(&error),
        }
    }

    /// Writes until nobody is left who could ask for it.
    fn write_all(&mut self) -> Result<(), StoreError> {
        let mut batch = Vec::with_capacity(BATCH);
        while self.receive(&mut batch) {
            let writes = batch.len();
            let committed = if writes > 0 { commit(&self.connection, &mut batch, &self.figures) } else { Ok(()) };
            if committed.is_ok() {
                self.journal.note(batch.iter().filter_map(|write| write.note()));
                crash::point("store.noted");
                self.touched.tell();
            }
            for write in batch.drain(..) {
                write.answer(committed.clone());
            }
            if matches!(committed, Err(StoreError::Broken(_))) {
                return committed;
            }
            if self.log.tend(&self.connection)? {
                self.journal.sync();
            }
        }
        Ok(())
    }

    /// Waits for whatever is to be written; nothing when the log wants to be looked at before that. `false`: nobody is
    /// left who could ask.
    fn receive(&mut self, batch: &mut Vec<Box<dyn Waiting>>) -> bool {
        let waiting = &mut self.waiting;
        let Some(limit) = self.log.look_again() else { return waiting.blocking_recv_many(batch, BATCH) > 0 };
        match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(timer) => timer
                .block_on(async { tokio::time::timeout(limit, waiting.recv_many(batch, BATCH)).await })
                .map_or(true, |received| received > 0),
            Err(error) => {
                tracing::warn!(%error, "Cannot wait for a time; the log is looked at after the next write");
                waiting.blocking_recv_many(batch, BATCH) > 0
            }
        }
    }

    /// Leaves a single file behind, so that it can be copied.
    fn close(self) {
        let Self { connection, mut journal, trust, .. } = self;
        journal.sync();
        // Somebody who reads, such as a backup, keeps the log from being emptied, and a server beside this process from
        // writing while we wait for that.
        let closed = connection
            .busy_timeout(WAIT_FOR_READERS)
            .map_err(StoreError::from)
            .and_then(|()| Log::write_back(&connection))
            .and_then(|()| Ok(connection.close().map_err(|(_, error)| error)?));
        match closed {
            Ok(()) => {}
            Err(error @ StoreError::Broken(_)) => trust.lose(&error),
            Err(error) => {
                tracing::warn!(%error, "Could not write the log back into the database at the end; the next start will");
            }
        }
    }

    /// Lets go of everything and touches nothing: the log on the disk is what the next start recovers from.
    fn abandon(self, error: &StoreError) {
        self.trust.lose(error);
        // Closing the last connection would write the log back, on a disk that has just failed to.
        if let Err(error) = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
            tracing::error!(%error, "Could not keep SQLite from writing its log back");
        }
    }
}

fn commit(connection: &Connection, batch: &mut [Box<dyn Waiting>], figures: &WriterFigures) -> Result<(), StoreError> {
    let result = match transact(connection, batch, run_each, figures) {
        Ok(Done::HalfWay) => transact(connection, batch, run_each_alone, figures),
        result => result,
    };
    match result {
        Ok(Done::All) => {
            figures.batches.observe(batch.len() as u64);
            Ok(())
        }
        Ok(Done::HalfWay) => {
            figures.failed_commits.count();
            Err(StoreError::unavailable(&"a write could not be undone"))
        }
        Err(error) => {
            figures.failed_commits.count();
            tracing::error!(%error, writes = batch.len(), "Could not commit; nothing of this batch was written");
            Err(error)
        }
    }
}

/// How far a batch came.
#[derive(PartialEq, Eq)]
enum Done {
    /// Every write was done or refused.
    All,
    /// One failed after it had changed something; the transaction was rolled back.
    HalfWay,
}

type RunBatch = fn(&Connection, &mut [Box<dyn Waiting>]) -> Result<Done, StoreError>;

fn transact(
    connection: &Connection,
    batch: &mut [Box<dyn Waiting>],
    run: RunBatch,
    figures: &WriterFigures,
) -> Result<Done, StoreError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let result = run(connection, batch).and_then(|done| {
        if done == Done::All {
            crash::point("store.written");
            let begun = Instant::now();
            execute(connection, "COMMIT")?;
            figures.commits.observe_duration(begun.elapsed());
            crash::point("store.committed");
        }
        Ok(done)
    });
    // After an error that ended the transaction by itself, as a full disk does, there is nothing to undo.
    if connection.is_autocommit() {
        return result;
    }
    let undone = execute(connection, "ROLLBACK");
    // Of two errors the first says why.
    result.and_then(|done| Ok(undone.map(|_| done)?))
}

fn run_each(connection: &Connection, batch: &mut [Box<dyn Waiting>]) -> Result<Done, StoreError> {
    for write in batch {
        let before = connection.total_changes();
        match write.run(connection) {
            Ran::Broken(error) => return Err(error),
            Ran::Refused if connection.is_autocommit() || connection.total_changes() != before => {
                return Ok(Done::HalfWay);
            }
            Ran::Done | Ran::Refused => {}
        }
    }
    Ok(Done::All)
}

fn run_each_alone(connection: &Connection, batch: &mut [Box<dyn Waiting>]) -> Result<Done, StoreError> {
    for write in batch {
        execute(connection, "SAVEPOINT each")?;
        match write.run(connection) {
            Ran::Done => {}
            Ran::Broken(error) => return Err(error),
            Ran::Refused if connection.is_autocommit() => return Ok(Done::HalfWay),
            Ran::Refused => {
                execute(connection, "ROLLBACK TO each")?;
            }
        }
        execute(connection, "RELEASE each")?;
    }
    Ok(Done::All)
}

fn execute(connection: &Connection, sql: &str) -> Result<usize, rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE numbers (number INTEGER NOT NULL)").unwrap();
        connection
    }

    fn insert(number: i64, fails: bool) -> (Box<dyn Waiting>, Answer<i64>) {
        let work = move |connection: &Connection| {
            connection.execute("INSERT INTO numbers VALUES (?1)", [number])?;
            if fails { Err(StoreError::KeyReused) } else { Ok(number) }
        };
        wrap(work, |_| None)
    }

    /// Nothing is delivered here, and so none is ever opened.
    fn journal() -> Journal {
        Journal::new("nowhere".as_ref())
    }

    fn kept(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT number FROM numbers ORDER BY number").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_write_that_fails_half_way_is_undone_alone() {
        let connection = numbers();
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        for (number, fails) in [(1, false), (2, true), (3, false)] {
            let (write, answer) = insert(number, fails);
            batch.push(write);
            answers.push(answer);
        }
        let committed = commit(&connection, &mut batch, &WriterFigures::default());
        batch.drain(..).for_each(|write| write.answer(committed.clone()));
        assert_eq!(kept(&connection), [1, 3]);
        let results: Vec<_> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap().is_ok()).collect();
        assert_eq!(results, [true, false, true]);
    }

    #[test]
    fn when_the_commit_fails_nobody_is_told_that_their_write_happened() {
        let connection = numbers();
        connection.execute_batch("PRAGMA foreign_keys = ON; CREATE TABLE late (x REFERENCES numbers (number) DEFERRABLE INITIALLY DEFERRED)").unwrap();
        connection.execute_batch("CREATE UNIQUE INDEX one ON numbers (number)").unwrap();
        let (good, answer) = insert(1, false);
        let dangle = |connection: &Connection| Ok(connection.execute("INSERT INTO late VALUES (99)", [])?);
        let (dangling, other) = wrap(dangle, |_| None);
        let mut batch = vec![good, dangling];
        let committed = commit(&connection, &mut batch, &WriterFigures::default());
        batch.drain(..).for_each(|write| write.answer(committed.clone()));
        assert!(answer.blocking_recv().unwrap().is_err() && other.blocking_recv().unwrap().is_err());
        assert!(kept(&connection).is_empty() && connection.is_autocommit());
    }

    #[test]
    fn a_full_disk_refuses_what_it_cannot_hold_and_takes_writes_again_when_there_is_room() {
        let connection = numbers();
        connection.execute_batch("CREATE TABLE blobs (bytes BLOB NOT NULL); PRAGMA max_page_count = 20").unwrap();
        let write = || {
            let work = |connection: &Connection| {
                connection.execute("INSERT INTO blobs VALUES (zeroblob(3000))", [])?;
                Ok(connection.execute("INSERT INTO blobs VALUES (zeroblob(30000))", [])?)
            };
            let (write, answer) = wrap(work, |_| None);
            let mut batch = vec![write];
            let committed = commit(&connection, &mut batch, &WriterFigures::default());
            batch.drain(..).for_each(|write| write.answer(committed.clone()));
            answer.blocking_recv().unwrap()
        };
        let rows = || connection.query_row("SELECT count(*) FROM blobs", [], |row| row.get::<_, i64>(0)).unwrap();
        let taken = std::iter::repeat_with(write).take_while(Result::is_ok).count();
        assert!(taken > 0 && connection.is_autocommit());
        assert_eq!(rows(), 2 * i64::try_from(taken).unwrap(), "something was half-written");
        connection.execute_batch("PRAGMA max_page_count = 1000").unwrap();
        assert!(write().is_ok());
    }

    #[tokio::test]
    async fn a_thread_that_panics_ends_trust_instead_of_refusing_for_ever() {
        let trust = Trust::default();
        let (writer, thread) =
            Writer::start(numbers(), Log::default(), journal(), Touched::default(), trust.clone()).unwrap();
        let panics = writer.write(|_| -> Result<(), StoreError> { panic!("a bug") }).await;
        assert!(panics.is_err());
        assert!(matches!(trust.until_lost().await, StoreError::Broken(why) if why.contains("panicked")));
        assert!(matches!(writer.write(|_| Ok(())).await, Err(StoreError::Broken(_))));
        tokio::task::spawn_blocking(|| thread.join().unwrap_err()).await.unwrap();
    }

    #[tokio::test]
    async fn after_damage_was_found_nothing_is_written_any_more() {
        let trust = Trust::default();
        let (writer, thread) =
            Writer::start(numbers(), Log::default(), journal(), Touched::default(), trust.clone()).unwrap();
        let damage = || {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            StoreError::from(rusqlite::Error::SqliteFailure(code, None))
        };
        let found = writer.write(move |_| -> Result<(), StoreError> { Err(damage()) }).await;
        assert!(matches!(found, Err(StoreError::Broken(_))), "{found:?}");
        assert!(matches!(trust.until_lost().await, StoreError::Broken(why) if why.contains("malformed")));
        assert!(matches!(writer.write(|_| Ok(())).await, Err(StoreError::Broken(_))));
        tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_loses_nothing_that_it_took() {
        let (writer, thread) =
            Writer::start(numbers(), Log::default(), journal(), Touched::default(), Trust::default()).unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let block = move |_: &Connection| {
            assert!(wait.lock().unwrap().recv().is_err(), "the sender is dropped, not used");
            Ok(())
        };
        let (blocking, held) = wrap(block, |()| None);
        writer.queue.send(blocking).await.unwrap();
        // The thread takes the blocking write out of the queue at its own time; then the queue has its whole room.
        while writer.queue.capacity() < QUEUE {
            tokio::task::yield_now().await;
        }
        let answers: Vec<_> = (0..QUEUE)
            .map(|number| {
                let (write, answer) = insert(i64::try_from(number).unwrap(), false);
                writer.queue.try_send(write).unwrap_or_else(|_| panic!("no room for {number}"));
                answer
            })
            .collect();
        assert!(matches!(writer.write(|_| Ok(())).await, Err(StoreError::Busy)));
        drop(go);
        held.await.unwrap().unwrap();
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        drop(writer);
        tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    }
}
