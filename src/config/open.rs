//! Opens one channel. Its kind names one mistake at a time; each is noted, put right with the example's value, and the
//! table is tried again, so that all of them are told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use figment::Figment;
use figment::error::{Actual, Kind as ErrorKind};
use figment::providers::Serialized;
use figment::value::{Dict, Value};

use super::channels::{Table, example};
use super::problems::{did_you_mean, in_a_row, shown_key, shown_table};
use super::reader::Reader;
use super::rules::COMMON;
use super::tree::{self, Path, child};
use crate::channel::{Channel, Kind};
use crate::domain::{one_line, truncate};

/// A kind with more mistakes in one table than this is told about the rest next time.
const MOST_MISTAKES: usize = 20;

/// A channel's own keys, and where each was set.
pub(super) struct Settings {
    kind: &'static Kind,
    path: Path,
    places: BTreeMap<String, Path>,
    values: Dict,
}

impl Settings {
    /// The keys that are left in `table`.
    pub(super) fn new(table: Table) -> Self {
        let path = table.path();
        let mut places = BTreeMap::new();
        let mut values = Dict::new();
        for (key, (path, value)) in table.keys {
            places.insert(key.clone(), path);
            values.insert(key, value);
        }
        Self { kind: table.kind, path, places, values }
    }

    /// Where what `inner` names in this table was set.
    fn path_of(&self, inner: &[String]) -> Path {
        match inner {
            [] => self.path.clone(),
            [first, rest @ ..] => {
                let start = self.places.get(first).cloned().unwrap_or_else(|| child(&self.path, first));
                start.into_iter().chain(rest.iter().cloned()).collect()
            }
        }
    }
}

/// Opens the channel, or notes everything that its kind has to say against it.
pub(super) fn open(reader: &mut Reader<'_>, mut settings: Settings) -> Option<Arc<dyn Channel>> {
    let example = example(settings.kind);
    let hidden = hidden(reader, &settings);
    let mut told = BTreeSet::new();
    while told.len() < MOST_MISTAKES {
        let error = match (settings.kind.open)(&Figment::from(Serialized::defaults(&settings.values))) {
            Ok(channel) => return told.is_empty().then_some(channel),
            Err(error) => error,
        };
        let mut inner = error.path.clone();
        if let ErrorKind::MissingField(name) = &error.kind {
            inner.push(name.to_string());
        }
        // About the table as a whole, after a key of it was put right: a consequence.
        if !inner.is_empty() || told.is_empty() {
            tell(reader, &settings, &inner, &error.kind, &hidden);
        }
        if inner.is_empty() || !told.insert(inner.clone()) {
            return None;
        }
        put_right(&mut settings.values, &inner, &example);
    }
    None
}

/// Gives the key at `inner` the example's value, or takes it out.
fn put_right(values: &mut Dict, inner: &Path, example: &Dict) {
    match tree::find(example, &exemplary(inner)) {
        Some(value) => tree::put(values, inner, value.clone()),
        None => tree::take_out(values, inner),
    }
}

/// Where the example has what stands at `inner`: the first element of a list stands for all.
fn exemplary(inner: &[String]) -> Path {
    let is_index = |step: &String| step.parse::<usize>().is_ok();
    inner.iter().map(|step| if is_index(step) { "0".to_owned() } else { step.clone() }).collect()
}

/// Every text and number of the table that must not be printed.
fn hidden(reader: &Reader<'_>, settings: &Settings) -> Vec<String> {
    let mut hidden = Vec::new();
    for (key, value) in &settings.values {
        collect(reader, &settings.path_of(std::slice::from_ref(key)), value, &mut hidden);
    }
    // The longest first, so that no part of one is left when a shorter one stands in it.
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    hidden
}

fn collect(reader: &Reader<'_>, path: &Path, value: &Value, hidden: &mut Vec<String>) {
    match value {
        Value::Dict(_, dict) => {
            for (name, value) in dict {
                collect(reader, &child(path, name), value, hidden);
            }
        }
        Value::Array(_, list) => {
            for (index, value) in list.iter().enumerate() {
                collect(reader, &child(path, &index), value, hidden);
            }
        }
        _ if reader.is_public(path) => {}
        Value::String(_, text) if !text.is_empty() => hidden.push(text.clone()),
        Value::Num(..) => hidden.push(tree::written(value)),
        _ => {}
    }
}

fn tell(reader: &mut Reader<'_>, settings: &Settings, inner: &[String], kind: &ErrorKind, hidden: &[String]) {
    let path = settings.path_of(inner);
    let what = match kind {
        ErrorKind::UnknownField(..) => "no such key".to_owned(),
        ErrorKind::MissingField(_) => "missing".to_owned(),
        ErrorKind::InvalidType(found, expected) | ErrorKind::InvalidValue(found, expected) => {
            let found = if reader.is_public(&path) { described(found) } else { "another value (not shown)".to_owned() };
            format!("expected {expected}, found {found}")
        }
        ErrorKind::UnknownVariant(found, known) => {
            format!("expected one of {}, found `{found}`", in_a_row(known.iter().copied()))
        }
        ErrorKind::Message(text) => text.clone(),
        other => other.to_string(),
    };
    let what = hidden.iter().fold(what, |what, secret| without(&what, secret));
    let mut problem =
        reader.layers.problem(&path, truncate(&one_line(&what), 300).text, mend(reader, settings, inner, kind));
    problem.key = if inner.is_empty() { shown_table(&path) } else { shown_key(&path) };
    reader.problems.push(problem);
}

/// A secret this short may be a part of a word by chance.
const SHORT: usize = 5;

/// `text` without `secret`; a short one stays where it is merely a part of a word.
fn without(text: &str, secret: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (&rest[..at], &rest[at + secret.len()..]);
        let in_word = |one: Option<char>, other: Option<char>| {
            one.is_some_and(char::is_alphanumeric) && other.is_some_and(char::is_alphanumeric)
        };
        let is_short = secret.len() <= SHORT;
        let is_part = is_short
            && (in_word(before.chars().next_back(), secret.chars().next())
                || in_word(secret.chars().next_back(), after.chars().next()));
        hidden.push_str(before);
        hidden.push_str(if is_part { secret } else { "(not shown)" });
        rest = after;
    }
    hidden + rest
}

fn mend(reader: &Reader<'_>, settings: &Settings, inner: &[String], kind: &ErrorKind) -> String {
    if let ErrorKind::UnknownField(name, known) = kind {
        let known = || known.iter().copied().chain(COMMON.iter().map(|(name, _)| *name).filter(|_| inner.len() == 1));
        return did_you_mean(name, known()).unwrap_or_else(|| format!("known here: {}", in_a_row(known())));
    }
    let example = example(settings.kind);
    let line = |(key, value): (&String, &Value)| format!("{key} = {}", tree::written(value));
    match inner.first().and_then(|key| example.get_key_value(key)) {
        Some((_, value)) if !reader.layers.is_in_a_file(&settings.path_of(inner)) => {
            let text = value.as_str().map_or_else(|| tree::written(value), str::to_owned);
            format!("write {}={text}", super::environment::variable(&settings.path_of(&inner[..1])))
        }
        Some(whole) => {
            let name = inner.last().filter(|_| inner.len() > 2);
            let pair = name.and_then(|name| Some((name, tree::find(&example, &exemplary(inner))?)));
            format!("write for instance {}", line(pair.unwrap_or(whole)))
        }
        None => format!("a whole table is, for instance: {}", example.iter().map(line).collect::<Vec<_>>().join(", ")),
    }
}

/// What was found, without our parser's words for it.
fn described(found: &Actual) -> String {
    match found {
        Actual::Bool(truth) => truth.to_string(),
        Actual::Unsigned(number) => format!("the number {number}"),
        Actual::Signed(number) => format!("the number {number}"),
        Actual::Float(number) => format!("the number {number}"),
        Actual::Str(text) => format!("\"{text}\""),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_and_words_that_hold_it_are_not() {
        assert_eq!(without("`me` needs some time, me", "me"), "`(not shown)` needs some time, (not shown)");
        assert_eq!(without("hunter2hunter2x", "hunter2"), "(not shown)(not shown)x");
        assert_eq!(without("found \"p@ss/1\"", "p@ss/1"), "found \"(not shown)\"");
    }
}
