//! A journal of what was delivered, beside the database: `umishop.db.delivered`.
//!
//! One line for each delivery, its time and the message's id, written when the delivery is committed. The database
//! itself needs it for nothing. It is there for the day on which the database is lost and an older backup takes its
//! place: the journal knows what has been sent since, so that a restore does not send it again. A line that is missing
//! costs an operator a look at a held message; so the journal may fail without keeping a delivery from being settled,
//! and it is not synced at every commit.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{MessageId, Timestamp};

/// A journal that goes back further than this takes the place of the older one, and a new one is begun. So the two
/// together always cover this age, and never more than twice as much; a month of daily backups fits into it.
const COVERED: Duration = Duration::from_hours(35 * 24);

/// A delivery, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) id: MessageId,
    pub(super) at: Timestamp,
}

/// Why the journal could not be written the last time; `None`: it could.
pub(super) type Trouble = Arc<Mutex<Option<String>>>;

/// The end of the journal that is written. Opened when there is something to write.
pub(super) struct Journal {
    path: PathBuf,
    open: Option<Open>,
    trouble: Trouble,
}

struct Open {
    file: File,
    /// The time of its first line; `None`: it has none.
    since: Option<Timestamp>,
    /// Its last line was cut off by a crash or a full disk.
    torn: bool,
}

impl Journal {
    /// The journal of the database at `database`.
    pub(super) fn new(database: &Path) -> Self {
        Self { path: path(database), open: None, trouble: Trouble::default() }
    }

    /// Where it tells of its trouble.
    pub(super) fn trouble(&self) -> Trouble {
        Arc::clone(&self.trouble)
    }

    /// Writes down what was delivered. What cannot be written is told, and lost to the journal.
    pub(super) fn note(&mut self, delivered: impl Iterator<Item = Delivered>) {
        let mut lines = String::new();
        let mut last = None;
        for Delivered { id, at } in delivered {
            // Writing to a text cannot fail.
            let _ = writeln!(lines, "{at} {id}");
            last = Some(at);
        }
        if let Some(at) = last {
            let written = self.append(&lines, at);
            self.tell(written);
        }
    }

    /// Makes what was written survive the loss of power.
    pub(super) fn sync(&mut self) {
        if let Some(open) = &self.open {
            let synced = open.file.sync_data();
            self.tell(synced);
        }
    }

    fn append(&mut self, lines: &str, at: Timestamp) -> io::Result<()> {
        let is_full = |open: &Open| open.since.is_some_and(|since| at.since(since) > COVERED);
        if self.open.as_ref().is_some_and(is_full) {
            self.open = None;
            std::fs::rename(&self.path, older(&self.path))?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            closed => closed.insert(Open::at(&self.path)?),
        };
        if std::mem::take(&mut open.torn) {
            open.file.write_all(b"\n")?;
        }
        open.since.get_or_insert(at);
        open.file.write_all(lines.as_bytes())
    }

    fn tell(&mut self, result: io::Result<()>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.display();
        match result {
            Ok(()) if trouble.take().is_some() => tracing::info!("The journal {path} is written again"),
            Ok(()) => {}
            Err(error) => {
                // Opened anew next time: perhaps it was moved away, and its last line may be cut off.
                self.open = None;
                let why = format!("cannot write {path}: {error}");
                if trouble.replace(why).is_none() {
                    tracing::error!(
                        %error,
                        "Cannot write the journal {path}: deliveries go on, but a restore from a backup will not know of them and hold them"
                    );
                }
            }
        }
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).append(true).create(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if let Some(end) = length.checked_sub(1) {
            file.read_exact_at(&mut last, end)?;
        }
        let since =
            BufReader::new(&file).lines().map_while(Result::ok).find_map(|line| parse(&line)).map(|line| line.at);
        Ok(Self { file, since, torn: last != [b'\n'] })
    }
}

/// Everything that the journal of `database` knows, and how many of its lines nobody can read.
pub(super) fn read(database: &Path) -> io::Result<(Vec<Delivered>, u64)> {
    let (mut delivered, mut unreadable) = (Vec::new(), 0);
    let path = path(database);
    for path in [older(&path), path] {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line?;
            match std::str::from_utf8(&line).ok().and_then(parse) {
                Some(line) => delivered.push(line),
                None => unreadable += u64::from(!line.is_empty()),
            }
        }
    }
    Ok((delivered, unreadable))
}

fn parse(line: &str) -> Option<Delivered> {
    let (at, id) = line.split_once(' ')?;
    Some(Delivered { id: id.parse().ok()?, at: Timestamp::parse(at)? })
}

fn path(database: &Path) -> PathBuf {
    super::suffixed(database, ".delivered")
}

fn older(path: &Path) -> PathBuf {
    super::suffixed(path, ".old")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_512_600_000);

    fn delivered(at: Timestamp) -> Delivered {
        Delivered { id: MessageId::new(at), at }
    }

    fn database() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("umishop.db");
        (directory, database)
    }

    #[test]
    fn what_was_noted_is_read_back_also_by_a_later_start() {
        let (_directory, database) = database();
        let entries: Vec<_> = (0..3).map(|minute| delivered(NOW.after(Duration::from_mins(minute)))).collect();
        Journal::new(&database).note(entries[..2].iter().copied());
        Journal::new(&database).note(entries[2..].iter().copied());
        assert_eq!(read(&database).unwrap(), (entries, 0));
    }

    #[test]
    fn a_line_that_was_cut_off_costs_only_itself() {
        let (_directory, database) = database();
        let (first, second, third) = (delivered(NOW), delivered(NOW), delivered(NOW));
        Journal::new(&database).note([first, second].into_iter());
        let file = File::options().write(true).open(path(&database)).unwrap();
        file.set_len(file.metadata().unwrap().len() - 10).unwrap();
        Journal::new(&database).note([third].into_iter());
        assert_eq!(read(&database).unwrap(), (vec![first, third], 1));
    }

    #[test]
    fn it_covers_its_age_and_forgets_what_is_twice_as_old() {
        let (_directory, database) = database();
        let mut journal = Journal::new(&database);
        let days: Vec<_> = (0..200).map(|day| delivered(NOW.after(Duration::from_hours(24 * day)))).collect();
        for day in &days {
            journal.note([*day].into_iter());
        }
        let (kept, _) = read(&database).unwrap();
        assert!(days.ends_with(&kept));
        assert!((35..=72).contains(&kept.len()), "{} days are kept", kept.len());
    }

    #[test]
    fn trouble_is_told_until_it_can_be_written_again() {
        let (directory, database) = database();
        let mut journal = Journal::new(&database);
        std::fs::create_dir(path(&database)).unwrap();
        journal.note([delivered(NOW)].into_iter());
        assert!(journal.trouble().lock().unwrap().as_deref().unwrap().contains("umishop.db.delivered"));
        std::fs::remove_dir(path(&database)).unwrap();
        journal.note([delivered(NOW)].into_iter());
        assert_eq!(*journal.trouble().lock().unwrap(), None);
        drop(directory);
    }
}
