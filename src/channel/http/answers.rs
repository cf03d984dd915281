//! What the receiver's answers mean: statuses, and a text that a success must have in its body.

use serde::{Deserialize, Deserializer};

use crate::channel::wire::Answer;
use crate::domain::{Outcome, Scope};

/// What the receiver's answers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answers {
    /// The message was taken.
    pub(super) success: Vec<Statuses>,
    /// And only if the answer holds this, too.
    pub(super) success_body: Option<String>,
    /// It is worth another attempt, besides those statuses that say so to everybody.
    pub(super) retry_on: Vec<Statuses>,
}

impl Answers {
    /// The statuses that are to mean two things.
    pub(super) fn contradiction(&self) -> Option<Statuses> {
        let overlaps =
            |one: &&Statuses| self.success.iter().any(|other| one.first <= other.last && other.first <= one.last);
        self.retry_on.iter().find(overlaps).copied()
    }

    /// What `answer` means.
    pub(super) fn judge(&self, answer: &Answer) -> Outcome {
        let is_in = |statuses: &[Statuses]| statuses.iter().any(|statuses| statuses.contain(answer.status));
        if is_in(&self.success) {
            return match &self.success_body {
                Some(text) if answer.is_cut && !answer.body.contains(text.as_str()) => answer.is_lost(),
                // Whether that is for good cannot be told from here.
                Some(text) if !answer.body.contains(text.as_str()) => Outcome::retry(
                    Scope::Message,
                    format!("the answer does not hold what `success_body` says: {}", answer.line()),
                ),
                _ => Outcome::delivered(format!("HTTP {}", answer.status)),
            };
        }
        match answer.refusal("") {
            Outcome::Dead { why, .. } if is_in(&self.retry_on) => {
                Outcome::Retry { after: answer.retry_after, scope: Scope::Message, why }
            }
            outcome => outcome,
        }
    }
}

/// Statuses, as `"2xx"`, `"409"` or `"200-204"` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    /// What means success everywhere.
    pub(super) const SUCCESS: Self = Self { first: 200, last: 299 };

    const fn contain(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }

    fn parse(text: &str) -> Option<Self> {
        let status = |text: &str| text.trim().parse().ok().filter(|status| (100..600).contains(status));
        let (first, last) = match text.strip_suffix("xx") {
            Some(class) => {
                let class: u16 = class.parse().ok().filter(|class| (1..6).contains(class))?;
                (class * 100, class * 100 + 99)
            }
            None => match text.split_once('-') {
                Some((first, last)) => (status(first)?, status(last)?),
                None => (status(text)?, status(text)?),
            },
        };
        (first <= last).then_some(Self { first, last })
    }
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` names no statuses: write \"2xx\", \"409\" or \"200-204\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answers(success: &[&str], success_body: Option<&str>, retry_on: &[&str]) -> Answers {
        let statuses = |texts: &[&str]| texts.iter().map(|text| Statuses::parse(text).unwrap()).collect();
        Answers {
            success: statuses(success),
            success_body: success_body.map(str::to_owned),
            retry_on: statuses(retry_on),
        }
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.to_owned(), shown: body.to_owned(), ..Answer::default() }
    }

    #[test]
    fn statuses_are_a_class_a_number_or_a_range() {
        let parsed = |text| Statuses::parse(text).map(|statuses| (statuses.first, statuses.last));
        assert_eq!(
            (parsed("2xx"), parsed("409"), parsed("200-204")),
            (Some((200, 299)), Some((409, 409)), Some((200, 204)))
        );
        for bad in ["", "xx", "9xx", "99", "204-200", "ok"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_status_that_is_worth_another_attempt_is_no_refusal() {
        let answers = answers(&["2xx"], None, &["404", "409-423"]);
        for (status, word, scope) in [
            (204, "delivered", None),
            (404, "retry", Some(Scope::Message)),
            (409, "retry", Some(Scope::Message)),
            (423, "retry", Some(Scope::Message)),
            (429, "retry", Some(Scope::Channel)),
            (503, "retry", Some(Scope::Message)),
            (424, "dead", Some(Scope::Message)),
            (410, "retry", Some(Scope::Message)),
            (401, "dead", Some(Scope::Channel)),
        ] {
            let outcome = answers.judge(&answer(status, ""));
            assert_eq!((outcome.word(), outcome.scope()), (word, scope), "{status}");
        }
        let after = Some(Duration::from_secs(9));
        let waits = answers.judge(&Answer { retry_after: after, ..answer(409, "") });
        assert_eq!(waits, Outcome::Retry { after, scope: Scope::Message, why: "HTTP 409".to_owned() });
    }

    #[test]
    fn a_success_without_the_text_that_it_must_have_is_none() {
        let answers = answers(&["200"], Some("\"ok\":true"), &[]);
        assert_eq!(answers.judge(&answer(200, r#"{"ok":true}"#)), Outcome::delivered("HTTP 200"));
        let outcome = answers.judge(&answer(200, r#"{"ok":false,"error":"quota"}"#));
        assert!(
            matches!(&outcome, Outcome::Retry { scope: Scope::Message, why, .. } if why.contains("quota")),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_status_with_two_meanings_is_found() {
        let found =
            |success, retry_on| answers(&[success], None, &[retry_on]).contradiction().map(|found| found.to_string());
        assert_eq!(found("2xx", "205"), Some("205".to_owned()));
        assert_eq!(found("404", "400-499"), Some("400-499".to_owned()));
        assert_eq!(found("2xx", "300"), None);
    }
}
