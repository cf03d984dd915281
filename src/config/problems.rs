//! What is wrong with a configuration, told so that a person can mend it.

use std::fmt;

use crate::domain::{one_line, truncate};

/// Where a key was set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file: the shop's configuration or its `.env`.
    File {
        /// Its name, as it was given.
        name: String,
        /// The line, from 1; `None`: the file as a whole.
        line: Option<usize>,
    },
    /// The configuration that is compiled in.
    Shipped {
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Self::Shipped { line } => write!(f, "built-in config.toml:{line}"),
            Self::File { name, line: None } | Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong, or at least odd.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key, as in `[server] listen`; empty when it is about the file as a whole.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to write instead.
    pub mend: String,
}

/// `config.toml:12: [server] listen: expected an address like 127.0.0.1:8000, found "abc"; write …`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}: {}{colon}{}; {}", self.place, self.key, self.what, self.mend)
    }
}

/// Everything that is wrong, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// In reading order, each once.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A key for people: `sandbox`, `[server] listen`, `[[routes]] when.source`. Elements of a list go by the list's name.
pub(super) fn shown_key(path: &[String]) -> String {
    let path: Vec<&str> = path.iter().map(String::as_str).filter(|part| part.parse::<usize>().is_err()).collect();
    match path.as_slice() {
        [] => String::new(),
        [name] => (*name).to_owned(),
        ["routes", rest @ ..] => format!("[[routes]] {}", rest.join(".")),
        [section @ .., name] => format!("[{}] {name}", section.join(".")),
    }
}

/// A table for people: `[channels.email.sales]`.
pub(super) fn shown_table(path: &[String]) -> String {
    format!("[{}]", path.join("."))
}

/// A value for people: quoted, on one line, not too long.
pub(super) fn shown_text(text: &str) -> String {
    format!("\"{}\"", truncate(&one_line(text), 60).text)
}

/// "did you mean `listen`?", when one of `known` comes close.
pub(super) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let close = |word: &str| strsim::damerau_levenshtein(&found.to_lowercase(), &word.to_lowercase());
    let best = known.into_iter().map(|word| (close(word), word)).min()?;
    (best.0 <= (found.len() / 3).max(2)).then(|| format!("did you mean `{}`?", best.1))
}

/// Names in a row: `a, b, c`.
pub(super) fn in_a_row<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn keys_are_shown_as_they_are_written_in_the_file() {
        for (dotted, shown) in [
            ("sandbox", "sandbox"),
            ("server.listen", "[server] listen"),
            ("channels.email.sales.to.0", "[channels.email.sales] to"),
            ("routes.1.channels.0", "[[routes]] channels"),
            ("routes.1.when.country.0", "[[routes]] when.country"),
        ] {
            assert_eq!(shown_key(&path(dotted)), shown);
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_guessed_and_another_word_is_not() {
        let known = ["listen", "public_url"];
        assert_eq!(did_you_mean("lisen", known).as_deref(), Some("did you mean `listen`?"));
        assert_eq!(did_you_mean("Public-url", known).as_deref(), Some("did you mean `public_url`?"));
        assert_eq!(did_you_mean("workers", known), None);
    }
}
