//! Reads values of the right form into values that mean something, and notes what cannot be read.

use std::path::Path as FilePath;
use std::time::Duration;

use figment::value::{Dict, Value};

use super::environment;
use super::layers::Layers;
use super::problems::{Problem, shown_key, shown_text};
use super::references::Resolved;
use super::tree::{self, Path};

/// Everything that is needed to read a key and to complain about it.
pub(super) struct Reader<'a> {
    pub(super) tree: &'a Dict,
    pub(super) layers: &'a Layers,
    pub(super) resolved: &'a Resolved,
    /// Where relative paths start.
    pub(super) base: &'a FilePath,
    pub(super) sandbox: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// The value of `key`. The layers were held against the compiled-in file, so it is there and has its form.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        let value = tree::find(self.tree, &tree::path(key));
        debug_assert!(value.is_some(), "{key} is not in the compiled-in config.toml");
        value
    }

    /// The text of `key`.
    pub(super) fn text(&self, key: &str) -> &'a str {
        self.value(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The text of `key`, read by `parse`; `expected` and `example` help whoever wrote another one.
    pub(super) fn parse<T>(
        &mut self,
        key: &str,
        expected: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key);
        let parsed = parse(text);
        if parsed.is_none() {
            self.expected(&tree::path(key), text, expected, example);
        }
        parsed
    }

    /// A length of time.
    pub(super) fn duration(&mut self, key: &str, example: &str) -> Option<Duration> {
        self.parse(key, "a length of time like \"30s\", \"1m\" or \"90days\"", example, |text| {
            humantime::parse_duration(text).ok()
        })
    }

    /// Notes that `found` is not what was expected at `path`.
    pub(super) fn expected(&mut self, path: &Path, found: &str, expected: &str, example: &str) {
        let found = if self.is_public(path) { format!(", found {}", shown_text(found)) } else { String::new() };
        let mend = self.write(path, example);
        self.problem(path, format!("expected {expected}{found}"), mend);
    }

    /// "write `key = "example"`", or the variable's form where a variable set the key.
    pub(super) fn write(&self, path: &Path, example: &str) -> String {
        let name = path.iter().rev().find(|part| part.parse::<usize>().is_err()).map_or("", String::as_str);
        if self.layers.is_in_a_file(path) {
            format!("write {name} = \"{example}\"")
        } else {
            format!("write {}={example}", environment::variable(path))
        }
    }

    /// Whether what stands at `path` may be printed: it is written in a file for all to read, and no secret.
    pub(super) fn is_public(&self, path: &[String]) -> bool {
        self.layers.is_in_a_file(path)
            && !tree::is_secret(path)
            && !self.resolved.followed.iter().any(|followed| followed.starts_with(path))
    }

    /// Whether a problem with what stands at `path` is noted already.
    pub(super) fn is_told(&self, path: &[String]) -> bool {
        let (place, key) = (self.layers.place(path), shown_key(path));
        self.problems.iter().any(|problem| problem.place == place && problem.key == key)
    }

    /// Notes a problem with what stands at `path`.
    pub(super) fn problem(&mut self, path: &Path, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.push(self.layers.problem(path, what, mend));
    }

    /// Notes something odd at `path`.
    pub(super) fn warning(&mut self, path: &Path, what: impl Into<String>, mend: impl Into<String>) {
        self.warnings.push(self.layers.problem(path, what, mend));
    }
}
