//! The database, the disk that it lies on, and its backups.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;

use super::Examination;
use super::finding::{self, Area, Finding};
use crate::backups::Directory;
use crate::config::StoreUrl;
use crate::domain::Timestamp;
use crate::store::sqlite::{self, Examined, OpenError};

/// A backup is made every day unless the shop wrote otherwise; one that is older than two was missed.
const OLD: Duration = Duration::from_hours(48);

const MIB: u64 = 1024 * 1024;

/// What was found, and when the newest entry was written.
pub(super) async fn look(examination: &Examination<'_>) -> (Vec<Finding>, Option<Timestamp>) {
    let config = &examination.loaded.config;
    let StoreUrl::Sqlite(database) = &config.store;
    let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut findings = vec![writable("directory", directory)];
    findings.extend(room(directory, config.keep_free));
    let (found, newest) = contents(database.clone(), examination.deep).await;
    findings.push(found);
    findings.push(backups(examination));
    (findings, newest)
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

async fn contents(database: PathBuf, deep: bool) -> (Finding, Option<Timestamp>) {
    let shown = database.display().to_string();
    let looked = tokio::task::spawn_blocking(move || sqlite::examine(&database, deep)).await;
    let problem = |what: String, mend: &str| finding::problem(Area::Disk, "database", what, mend);
    let found = match looked {
        Ok(Ok(Examined { damage: Some(damage), newest })) => {
            let mend = "keep a copy, and bring the last backup back with `umishop restore`";
            return (problem(format!("{shown} is damaged: {damage}"), mend), newest);
        }
        Ok(Ok(Examined { damage: None, newest })) => {
            let read = if deep { "all of it was read, and is whole" } else { "--deep reads all of it" };
            let what = format!("{shown} has the present schema; {read}");
            return (finding::ok(Area::Disk, "database", what), newest);
        }
        Ok(Err(OpenError::Missing(_))) => {
            finding::ok(Area::Disk, "database", format!("{shown} is not there yet; `umishop serve` makes it"))
        }
        Ok(Err(OpenError::Older { found, known })) => finding::warning(
            Area::Disk,
            "database",
            format!("{shown} has schema {found}, this program needs {known}"),
            "start `umishop serve` once; it keeps a copy before it changes anything",
        ),
        Ok(Err(OpenError::LogLeft)) => finding::unknown(
            Area::Disk,
            "database",
            format!("{shown} cannot be read without changing it: nobody has it open, but a log is left"),
            "start `umishop serve`, which takes the log in, and ask again",
        ),
        Ok(Err(error)) => problem(format!("{shown} cannot be used: {error}"), "see docs/operations.md, The disk"),
        Err(_) => problem(format!("{shown} cannot be looked at: the look broke off inside umishop"), "report it"),
    };
    (found, None)
}

fn backups(examination: &Examination<'_>) -> Finding {
    let subject = "backups";
    let Some(directory) = &examination.backups else {
        let mend = "write a directory on another disk: [backup] directory";
        return if examination.loaded.config.sandbox {
            finding::ok(Area::Disk, subject, "none are made, which will do for the sandbox")
        } else {
            finding::warning(Area::Disk, subject, "none are made", mend)
        };
    };
    let place = writable(subject, &directory.path);
    if place.severity == finding::Severity::Ok { age(examination, directory) } else { place }
}

fn age(examination: &Examination<'_>, directory: &Directory) -> Finding {
    let (subject, place) = ("backups", directory.path.display());
    let mend = "`umishop backup` makes one now and says what is in the way; the log says why the last one failed";
    match directory.newest() {
        Ok(Some(newest)) if examination.clock.now().since(newest) > OLD => {
            finding::warning(Area::Disk, subject, format!("the newest one in {place} is of {newest}"), mend)
        }
        Ok(Some(newest)) => finding::ok(Area::Disk, subject, format!("the newest one in {place} is of {newest}")),
        Ok(None) => finding::warning(Area::Disk, subject, format!("{place} holds none yet"), mend),
        Err(why) => finding::problem(Area::Disk, subject, format!("{place} cannot be read: {why}"), mend),
    }
}
