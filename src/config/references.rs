//! `"env:NAME"` and `"file:PATH"`: text that stands elsewhere, so that secrets stay out of the file.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};

use figment::value::{Dict, Value};

use super::environment::Variables;
use super::layers::Layers;
use super::problems::{Place, Problem};
use super::tree::{self, Path};
use crate::domain::ChannelAddress;

/// Longest file that a reference may name: it holds a secret, not a book.
const LONGEST_FILE: u64 = 64 * 1024;

/// Where a text stands instead of in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// In this environment variable.
    Variable(String),
    /// In this file.
    File(PathBuf),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// A reference to something that is not set, or empty. In the sandbox, and for a channel that nothing uses, that is
/// worth a word; else it is a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingReference {
    /// Where the reference stands.
    pub place: Place,
    /// The key it is the value of, as in `[channels.slack.pricing] token`.
    pub key: String,
    /// What is missing.
    pub reference: Reference,
    /// The channels that go without it.
    pub channels: Vec<ChannelAddress>,
}

impl MissingReference {
    /// The same as a problem.
    pub fn to_problem(&self) -> Problem {
        let mend = match &self.reference {
            Reference::Variable(_) => "set it, in the environment or in a file .env beside your config.toml",
            Reference::File(_) => "write it, or correct the path",
        };
        Problem {
            place: self.place.clone(),
            key: self.key.clone(),
            what: format!("{} is not there, or empty", self.reference),
            mend: mend.to_owned(),
        }
    }
}

/// `config.toml:12: [channels.slack.pricing] token: the environment variable SLACK_TOKEN is not there, or empty; …`
impl fmt::Display for MissingReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_problem().fmt(f)
    }
}

/// What became of the references.
#[derive(Default)]
pub(super) struct Resolved {
    /// Where one was followed: what stands there now is never printed.
    pub(super) followed: BTreeSet<Path>,
    /// Where nothing was found; an empty text stands there now.
    pub(super) missing: Vec<(Path, Reference)>,
}

impl Resolved {
    /// Puts what they stand for in the place of all references in `tree`.
    pub(super) fn resolve(
        tree: &mut Dict,
        variables: &Variables,
        base: &FilePath,
        layers: &Layers,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut resolved = Self::default();
        for (name, value) in tree.iter_mut() {
            tree::each_text(value, &vec![name.clone()], &mut |path, text| match follow(text, variables, base) {
                None => {}
                Some(Ok((_, Some(found)))) => {
                    *text = found;
                    resolved.followed.insert(path.clone());
                }
                Some(Ok((reference, None))) => {
                    text.clear();
                    resolved.missing.push((path.clone(), reference));
                }
                Some(Err((what, mend))) => {
                    text.clear();
                    problems.push(layers.problem(path, what, mend));
                }
            });
        }
        resolved
    }

    /// Gives every key outside `[channels]` that goes without its reference the compiled-in value. Inside a list there is
    /// none: the shop's takes the place of the whole one.
    pub(super) fn fall_back(&self, tree: &mut Dict, shipped: &Dict) {
        for (path, _) in self.missing.iter().filter(|(path, _)| path[0] != "channels") {
            let default = tree::find(shipped, path)
                .filter(|value| !value.as_str().is_some_and(|text| text.starts_with("env:")))
                .filter(|_| path.iter().all(|step| step.parse::<usize>().is_err()));
            tree::put(tree, path, default.cloned().unwrap_or_else(|| Value::from("")));
        }
    }
}

type Followed = Result<(Reference, Option<String>), (String, &'static str)>;

/// What `text` refers to and what stands there; `None` when it is no reference.
fn follow(text: &str, variables: &Variables, base: &FilePath) -> Option<Followed> {
    if let Some(name) = text.strip_prefix("env:") {
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '=' || c == '\0');
        let found = || variables.get(name).map(str::to_owned);
        Some(if is_name {
            Ok((Reference::Variable(name.to_owned()), found()))
        } else {
            Err(("expected a variable's name after env:".to_owned(), "write \"env:NAME\""))
        })
    } else {
        text.strip_prefix("file:").map(|path| read(&base.join(path)))
    }
}

fn read(path: &FilePath) -> Followed {
    let reference = Reference::File(path.to_owned());
    match super::read_text(path, LONGEST_FILE) {
        Ok(text) => {
            let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
            Ok((reference, Some(text.to_owned()).filter(|text| !text.is_empty())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((reference, None)),
        Err(error) => {
            Err((format!("{reference} cannot be read: {error}"), "name a small text file that umishop may read"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_text_without_the_last_line_break() {
        let directory = tempfile::tempdir().unwrap();
        let variables = Variables::default();
        for (content, found) in [
            ("s3cret\n", Some("s3cret")),
            ("a\r\n", Some("a")),
            (" two\nlines \n\n", Some(" two\nlines \n")),
            ("\n", None),
            ("", None),
        ] {
            std::fs::write(directory.path().join("token"), content).unwrap();
            let (_, text) = follow("file:token", &variables, directory.path()).unwrap().unwrap();
            assert_eq!(text.as_deref(), found, "{content:?}");
        }
        assert_eq!(follow("file:nowhere", &variables, directory.path()).unwrap().unwrap().1, None);
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("book"), "x".repeat(70_000)).unwrap();
        std::fs::write(directory.path().join("image"), [0xff, 0xfe, 0]).unwrap();
        for reference in ["file:book", "file:image", "file:.", "env:", "env: NAME"] {
            assert!(follow(reference, &Variables::default(), directory.path()).unwrap().is_err(), "{reference}");
        }
        assert!(follow("environment", &Variables::default(), directory.path()).is_none());
    }
}
