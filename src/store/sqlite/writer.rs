//! The one thread that writes.
//!
//! Everything that waits is run in one transaction, committed once, and then all are answered: group commit. There is
//! no lingering: a batch is whatever arrived while the disk was busy with the one before, so a lone write costs one
//! sync and a crowd shares one. When the commit fails, nobody is told that their write happened.
//!
//! A write that is refused before it changed anything simply is. One that fails half-way takes the batch with it; the
//! batch is then run again with a savepoint around each, so that only the culprit is undone. Savepoints always would
//! cost more than the writes themselves: SQLite keeps a copy of every page that they touch.

use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::journal::{Delivered, Journal};

/// How many writes may wait. At 20,000 writes a second this is a fifth of a second of work.
const QUEUE: usize = 4096;

/// How many writes share a commit at most, so that the first does not wait for too many others.
const BATCH: usize = 256;

/// The log is written back into the database file when it holds this many pages (16 MiB).
const CHECKPOINT_PAGES: i64 = 4096;

/// After this many writes the log's length is looked at.
const LOOK_AT_LOG: usize = 512;

/// A write that waits for its turn, and after that for the commit. It may be run twice.
trait Waiting: Send {
    /// Whether it was done.
    fn run(&mut self, connection: &Connection) -> bool;
    /// What the journal is to know of it, once it is committed.
    fn note(&self) -> Option<Delivered>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
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
    fn run(&mut self, connection: &Connection) -> bool {
        self.result.insert((self.work)(connection)).is_ok()
    }

    fn note(&self) -> Option<Delivered> {
        self.result.as_ref()?.as_ref().ok().and_then(&self.note)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            // Also for a write that was refused: perhaps because of one that has not happened now.
            (Err(error), _) | (Ok(()), Some(Err(error))) => Err(error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), None) => Err(StoreError::unavailable(&"the write was not run")),
        };
        // Whoever asked may have gone away; the write stands all the same.
        drop(self.reply.send(result));
    }
}

/// Hands writes to the writing thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Waiting>>,
}

impl Writer {
    /// Starts the thread on `connection`. It ends, and closes the connection, when the writer is dropped and everything
    /// that waited is written. `journal` learns of every delivery that is committed.
    pub(super) fn start(connection: Connection, journal: Journal) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(connection, journal, waiting))?;
        Ok((Self { queue }, thread))
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
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answer.await.map_err(|_| closed())?
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
        self.queue.send(write).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
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

pub(super) fn closed() -> StoreError {
    StoreError::unavailable(&"the store is closed")
}

fn run(connection: Connection, mut journal: Journal, mut waiting: mpsc::Receiver<Box<dyn Waiting>>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut since_look = 0;
    while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
        since_look += batch.len();
        let committed = commit(&connection, &mut batch);
        if committed.is_ok() {
            journal.note(batch.iter().filter_map(|write| write.note()));
        }
        for write in batch.drain(..) {
            write.answer(committed.clone());
        }
        if since_look >= LOOK_AT_LOG {
            since_look = 0;
            if write_back_when_long(&connection) {
                journal.sync();
            }
        }
    }
    journal.sync();
    // Leaves a single file behind, so that it can be copied.
    let closed = checkpoint(&connection, "TRUNCATE").and_then(|_| connection.close().map_err(|(_, error)| error));
    if let Err(error) = closed {
        tracing::warn!(%error, "Could not write the log back into the database at the end; the next start will");
    }
}

fn commit(connection: &Connection, batch: &mut [Box<dyn Waiting>]) -> Result<(), StoreError> {
    let result = match transact(connection, batch, run_each) {
        Ok(Done::HalfWay) => transact(connection, batch, run_each_alone),
        result => result,
    };
    match result {
        Ok(Done::All) => Ok(()),
        Ok(Done::HalfWay) => Err(StoreError::unavailable(&"a write could not be undone")),
        Err(error) => {
            tracing::error!(%error, writes = batch.len(), "Could not commit; nothing of this batch was written");
            Err(StoreError::from(error))
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

type RunBatch = fn(&Connection, &mut [Box<dyn Waiting>]) -> Result<Done, rusqlite::Error>;

fn transact(connection: &Connection, batch: &mut [Box<dyn Waiting>], run: RunBatch) -> Result<Done, rusqlite::Error> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let result = run(connection, batch).and_then(|done| {
        if done == Done::All {
            execute(connection, "COMMIT")?;
        }
        Ok(done)
    });
    // Also after an error that ended the transaction by itself, as a full disk does: then there is nothing to undo.
    if !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    result
}

#[expect(clippy::unnecessary_wraps, reason = "it has the form of the other way to run a batch")]
fn run_each(connection: &Connection, batch: &mut [Box<dyn Waiting>]) -> Result<Done, rusqlite::Error> {
    for write in batch {
        let before = connection.total_changes();
        if !write.run(connection) && (connection.is_autocommit() || connection.total_changes() != before) {
            return Ok(Done::HalfWay);
        }
    }
    Ok(Done::All)
}

fn run_each_alone(connection: &Connection, batch: &mut [Box<dyn Waiting>]) -> Result<Done, rusqlite::Error> {
    for write in batch {
        execute(connection, "SAVEPOINT each")?;
        if !write.run(connection) {
            if connection.is_autocommit() {
                return Ok(Done::HalfWay);
            }
            execute(connection, "ROLLBACK TO each")?;
        }
        execute(connection, "RELEASE each")?;
    }
    Ok(Done::All)
}

fn execute(connection: &Connection, sql: &str) -> Result<usize, rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([])
}

/// Says whether it was long.
fn write_back_when_long(connection: &Connection) -> bool {
    let result = checkpoint(connection, "NOOP").and_then(|pages| match pages {
        pages if pages > CHECKPOINT_PAGES => checkpoint(connection, "PASSIVE").map(|_| true),
        _ => Ok(false),
    });
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, "Could not write the log back into the database; trying again later");
        false
    })
}

/// Runs a checkpoint and says how many pages the log holds.
fn checkpoint(connection: &Connection, mode: &str) -> Result<i64, rusqlite::Error> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(1))
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
        let committed = commit(&connection, &mut batch);
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
        let committed = commit(&connection, &mut batch);
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
            let committed = commit(&connection, &mut batch);
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
    async fn a_full_queue_refuses_at_once_and_loses_nothing_that_it_took() {
        let (writer, thread) = Writer::start(numbers(), Journal::new("nothing is delivered".as_ref())).unwrap();
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
