//! Reads values of the right form into values that mean something, and notes what cannot be read.

use std::ops::RangeInclusive;
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

    /// A whole number in `range`.
    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<u32>, example: u32) -> Option<u32> {
        let path = tree::path(key);
        let found = self.value(key).and_then(Value::to_i128)?;
        let number = u32::try_from(found).ok().filter(|number| range.contains(number));
        if number.is_none() {
            let found = if self.is_public(&path) { format!(", found {found}") } else { String::new() };
            let expected = format!("expected a number from {} to {}{found}", range.start(), range.end());
            let mend = self.write_as(&path, &example.to_string(), &example.to_string());
            self.problem(&path, expected, mend);
        }
        number
    }

    /// Notes that `found` is not what was expected at `path`.
    pub(super) fn expected(&mut self, path: &Path, found: &str, expected: &str, example: &str) {
        let found = if self.is_public(path) { format!(", found {}", shown_text(found)) } else { String::new() };
        let mend = self.write(path, example);
        self.problem(path, format!("expected {expected}{found}"), mend);
    }

    /// "write `key = "example"`", or the variable's form where a variable set the key.
    pub(super) fn write(&self, path: &Path, example: &str) -> String {
        self.write_as(path, &format!("\"{example}\""), example)
    }

    /// The same for what is written in one way in a file and in another in a variable.
    pub(super) fn write_as(&self, path: &Path, in_a_file: &str, in_a_variable: &str) -> String {
        let name = path.iter().rev().find(|part| part.parse::<usize>().is_err()).map_or("", String::as_str);
        if self.layers.is_in_a_file(path) {
            format!("write {name} = {in_a_file}")
        } else {
            format!("write {}={in_a_variable}", environment::variable(path))
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
