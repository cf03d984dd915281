//! What a receiver's answers mean: one table for each kind, read by the code and by the documentation alike.

use super::wire::Answer;
use crate::domain::{Outcome, Scope};

/// What some of a receiver's answers mean, and what an operator can do about it.
#[derive(Debug)]
pub struct Meaning {
    /// The receiver's own words for it, or its status as `HTTP 404`. One that ends in `*` stands for all that begin so.
    pub codes: &'static [&'static str],
    /// What comes of the attempt.
    pub verdict: Verdict,
    /// What an operator can do; empty when there is nothing to do.
    pub hint: &'static str,
}

/// What comes of an attempt that was answered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not now.
    Retry(Scope),
    /// Never.
    Dead(Scope),
    /// It may have been taken.
    Unknown,
}

impl Meaning {
    /// Not now.
    pub(super) const fn retry(codes: &'static [&'static str], scope: Scope, hint: &'static str) -> Self {
        Self { codes, verdict: Verdict::Retry(scope), hint }
    }

    /// Never.
    pub(super) const fn dead(codes: &'static [&'static str], scope: Scope, hint: &'static str) -> Self {
        Self { codes, verdict: Verdict::Dead(scope), hint }
    }

    /// It may have been taken.
    pub(super) const fn unknown(codes: &'static [&'static str], hint: &'static str) -> Self {
        Self { codes, verdict: Verdict::Unknown, hint }
    }

    fn is_of(&self, code: &str) -> bool {
        self.codes.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => code.starts_with(start),
            None => code == *known,
        })
    }

    fn outcome(&self, answer: &Answer, why: String) -> Outcome {
        match self.verdict {
            Verdict::Retry(scope) => Outcome::Retry { after: answer.retry_after, scope, why },
            Verdict::Dead(scope) => Outcome::dead(scope, why, self.hint),
            Verdict::Unknown => Outcome::Unknown { why: format!("{why}: it may have been taken") },
        }
    }
}

impl Answer {
    /// What this answer means: by the first of the receiver's own `codes` that `meanings` knows, else by its status
    /// there, else by what the status means anywhere. `said` is the receiver's explanation, if it gave one.
    pub(super) fn judge(&self, meanings: &[Meaning], codes: &[&str], said: &str) -> Outcome {
        let status = format!("HTTP {}", self.status);
        let mut known = codes.iter().copied().filter(|code| !code.is_empty()).chain([status.as_str()]);
        let found = known.find_map(|code| meanings.iter().find(|meaning| meaning.is_of(code)));
        match found {
            Some(meaning) => meaning.outcome(self, self.explained(said)),
            None => self.refusal(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEANINGS: &[Meaning] = &[
        Meaning::dead(&["gone", "moved_*"], Scope::Destination, "look elsewhere"),
        Meaning::retry(&["HTTP 403"], Scope::Message, ""),
    ];

    fn judged(status: u16, code: &str) -> (&'static str, Option<Scope>) {
        let outcome = Answer { status, ..Answer::default() }.judge(MEANINGS, &[code], "");
        (outcome.word(), outcome.scope())
    }

    #[test]
    fn the_receivers_own_word_comes_before_the_status_and_the_table_before_the_rule() {
        assert_eq!(judged(403, "gone"), ("dead", Some(Scope::Destination)));
        assert_eq!(judged(200, "moved_away"), ("dead", Some(Scope::Destination)));
        assert_eq!(judged(403, "odd"), ("retry", Some(Scope::Message)));
        assert_eq!(judged(401, ""), ("dead", Some(Scope::Channel)));
    }
}
