//! This machine's clock, held against others' and against what was written.

use std::time::Duration;

use super::Examination;
use super::finding::{self, Area, Finding};
use crate::clock::TOLERATED;
use crate::domain::Timestamp;

/// A receiver tells whole seconds.
const A_SECOND: Duration = Duration::from_secs(1);

const MEND: &str = "let the machine keep its time (chrony, systemd-timesyncd), or set it";

/// What somebody else's clock said, and between which moments of ours.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) by: String,
    pub(super) date: Timestamp,
    pub(super) asked_at: Timestamp,
    pub(super) answered_at: Timestamp,
}

impl Told {
    /// By how much ours certainly differs from theirs, and whether it is ahead; `None`: it may be right.
    fn difference(&self) -> Option<(Duration, bool)> {
        let latest = self.date.after(A_SECOND);
        if self.date > self.answered_at.after(TOLERATED) {
            Some((self.date.since(self.answered_at), false))
        } else if self.asked_at > latest.after(TOLERATED) {
            Some((self.asked_at.since(latest), true))
        } else {
            None
        }
    }
}

pub(super) fn look(examination: &Examination<'_>, clocks: &[Told], newest: Option<Timestamp>) -> Vec<Finding> {
    let mut findings = vec![against_others(clocks)];
    let now = examination.clock.now();
    match newest {
        Some(newest) if newest > now.after(TOLERATED) => findings.push(finding::warning(
            Area::Clock,
            "newest entry",
            format!("the newest entry in the database is of {newest}, and here it is {now}: one of them is wrong"),
            MEND,
        )),
        Some(newest) => {
            findings.push(finding::ok(Area::Clock, "newest entry", format!("of {newest}, which is past")));
        }
        None => {}
    }
    findings
}

/// One that agrees is enough: of two that disagree, theirs may be the wrong one.
fn against_others(clocks: &[Told]) -> Finding {
    let subject = "time of day";
    let Some(first) = clocks.first() else {
        let what = "nobody told the time: no channel's server could be asked that does";
        return finding::unknown(Area::Clock, subject, what, "compare `date -u` with a clock that you trust");
    };
    let told = clocks.iter().find(|told| told.difference().is_none()).unwrap_or(first);
    match told.difference() {
        Some((by, ahead)) => {
            let way = if ahead { "ahead of" } else { "behind" };
            finding::warning(Area::Clock, subject, format!("{} s {way} that of {}", by.as_secs(), told.by), MEND)
        }
        None => finding::ok(Area::Clock, subject, format!("agrees with that of {}", told.by)),
    }
}
