//! The database, the disk that it lies on, and its backups.

use std::path::Path;
use std::time::Duration;

use rustix::fs::Access;

use super::Examination;
use super::finding::{self, Area, Finding, Severity};
use crate::backups::Directory;
use crate::config::StoreUrl;
use crate::domain::Timestamp;
use crate::store::sqlite::{self, Examined, OpenError};

/// A backup is made every day unless the shop wrote otherwise; one that is older than two was missed.
const OLD: Duration = Duration::from_hours(48);

const MIB: u64 = 1024 * 1024;

/// What was found, and when the newest entry was written.
pub(super) async fn look(examination: &Examination<'_>) -> (Vec<Finding>, Option<Timestamp>) {
    let StoreUrl::Sqlite(database) = &examination.loaded.config.store;
    let (place, (contents, newest), backups) =
        futures_util::join!(place(examination, database), contents(examination, database), backups(examination));
    let mut findings = place;
    findings.push(contents);
    findings.push(backups);
    (findings, newest)
}

/// What `look` finds, on a thread of its own: a file system that hangs must not keep the other looks waiting. Otherwise
/// what there is to tell instead.
async fn apart<T: Send + 'static>(
    deadline: Option<Duration>,
    subject: &str,
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Finding> {
    let looking = tokio::task::spawn_blocking(look);
    let looked = match deadline {
        None => looking.await,
        Some(deadline) => tokio::time::timeout(deadline, looking).await.map_err(|_| {
            let what = format!("the disk did not answer within {}", humantime::format_duration(deadline));
            finding::unknown(Area::Disk, subject, what, "see whether the disk hangs, or lies on another machine")
        })?,
    };
    looked.map_err(|_| finding::problem(Area::Disk, subject, "the look broke off inside umishop", "report it"))
}

async fn place(examination: &Examination<'_>, database: &Path) -> Vec<Finding> {
    let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (directory, keep_free) = (directory.to_owned(), examination.loaded.config.keep_free);
    let look = move || {
        let mut findings = vec![writable("directory", &directory)];
        findings.extend(room(&directory, keep_free));
        findings
    };
    apart(Some(examination.deadline), "directory", look).await.unwrap_or_else(|instead| vec![instead])
}

fn writable(subject: &str, directory: &Path) -> Finding {
    let place = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let place = place.display();
    let allowed = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    match rustix::fs::access(directory, allowed) {
        Ok(()) => finding::ok(Area::Disk, subject, format!("{place} can be written by this user")),
        Err(why) => finding::problem(
            Area::Disk,
            subject,
            format!("{place} cannot be written by this user: {why}"),
            "make it, or give it to the user that umishop runs as (chown); ask as that user, too",
        ),
    }
}

fn room(directory: &Path, keep_free: u64) -> Option<Finding> {
    let free = sqlite::free(directory)?;
    let (shown, kept) = (free / MIB, keep_free / MIB);
    let what = format!("{shown} MiB are free; with less than {kept} MiB nothing new is accepted");
    let mend = "make room on the disk, or move the database to a larger one";
    Some(match free {
        _ if free < keep_free => finding::problem(Area::Disk, "room", what, mend),
        _ if free / 2 < keep_free => finding::warning(Area::Disk, "room", what, mend),
        _ => finding::ok(Area::Disk, "room", what),
    })
}

async fn contents(examination: &Examination<'_>, database: &Path) -> (Finding, Option<Timestamp>) {
    let shown = database.display().to_string();
    let examine = |deep: bool| {
        let database = database.to_owned();
        let deadline = Some(examination.deadline).filter(|_| !deep);
        apart(deadline, "database", move || sqlite::examine(&database, deep))
    };
    // All of it takes as long as it takes, on a disk that answers.
    let looked = match examine(false).await {
        Ok(Ok(_)) if examination.deep => examine(true).await,
        looked => looked,
    };
    let looked = match looked {
        Ok(looked) => looked,
        Err(instead) => return (instead, None),
    };
    let deep = examination.deep;
    let problem = |what: String, mend: &str| finding::problem(Area::Disk, "database", what, mend);
    let found = match looked {
        Ok(Examined { damage: Some(damage), newest }) => {
            let mend = "keep a copy, and bring the last backup back with `umishop restore`";
            return (problem(format!("{shown} is damaged: {damage}"), mend), newest);
        }
        Ok(Examined { damage: None, newest }) => {
            let read = if deep { "all of it was read, and is whole" } else { "--deep reads all of it" };
            let what = format!("{shown} has the present schema; {read}");
            return (finding::ok(Area::Disk, "database", what), newest);
        }
        Err(OpenError::Missing(_)) => {
            finding::ok(Area::Disk, "database", format!("{shown} is not there yet; `umishop serve` makes it"))
        }
        Err(OpenError::Older { found, known }) => finding::warning(
            Area::Disk,
            "database",
            format!("{shown} has schema {found}, this program needs {known}"),
            "start `umishop serve` once; it keeps a copy before it changes anything",
        ),
        Err(OpenError::LogLeft) => finding::unknown(
            Area::Disk,
            "database",
            format!("{shown} cannot be read without changing it: nobody has it open, but a log is left"),
            "start `umishop serve`, which takes the log in, and ask again",
        ),
        Err(error) => problem(format!("{shown} cannot be used: {error}"), "see docs/operations.md, The disk"),
    };
    (found, None)
}

async fn backups(examination: &Examination<'_>) -> Finding {
    let subject = "backups";
    let Some(directory) = examination.backups.clone() else {
        let mend = "write a directory on another disk: [backup] directory";
        return if examination.loaded.config.sandbox {
            finding::ok(Area::Disk, subject, "none are made, which will do for the sandbox")
        } else {
            finding::warning(Area::Disk, subject, "none are made", mend)
        };
    };
    let now = examination.clock.now();
    let look = move || {
        let place = writable(subject, &directory.path);
        if place.severity == Severity::Ok { age(&directory, now) } else { place }
    };
    apart(Some(examination.deadline), subject, look).await.unwrap_or_else(|instead| instead)
}

fn age(directory: &Directory, now: Timestamp) -> Finding {
    let (subject, place) = ("backups", directory.path.display());
    let mend = "`umishop backup` makes one now and says what is in the way; the log says why the last one failed";
    match directory.newest() {
        Ok(Some(newest)) if now.since(newest) > OLD => {
            finding::warning(Area::Disk, subject, format!("the newest one in {place} is of {newest}"), mend)
        }
        Ok(Some(newest)) => finding::ok(Area::Disk, subject, format!("the newest one in {place} is of {newest}")),
        Ok(None) => finding::warning(Area::Disk, subject, format!("{place} holds none yet"), mend),
        Err(why) => finding::problem(Area::Disk, subject, format!("{place} cannot be read: {why}"), mend),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_is_told_of_in_time_and_is_no_problem_of_the_shop() {
        let (answer, hung) = std::sync::mpsc::channel::<()>();
        let looked = apart(Some(Duration::from_millis(1)), "directory", move || hung.recv()).await;
        assert_eq!(looked.map_err(|instead| instead.severity), Err(Severity::Unknown));
        drop(answer);
    }
}
