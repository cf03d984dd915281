//! The process's environment and the `.env` file: what `env:` references mean, and the keys that `UMISHOP_*` sets.
//!
//! A variable's type is that of the key it sets. Text is taken as it is, never parsed: a password may be `12345`,
//! `true` or `[abc]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::problems::{Place, Problem, did_you_mean};
use super::tree::{self, Form, Path};
use super::{channels, problems};

/// What the names of our variables begin with.
const PREFIX: &str = "UMISHOP_";

/// Names that are no keys: the command line reads them, or the shipped configuration refers to them.
const RESERVED: &[&str] = &[
    "UMISHOP_SECRET",
    "UMISHOP_CONFIG",
    "UMISHOP_LOG",
    #[cfg(feature = "crash-points")]
    "UMISHOP_CRASH",
];

/// Longest `.env` file that is read.
const LONGEST_FILE: u64 = 256 * 1024;

/// Every variable that is set.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, (String, Place)>);

impl Variables {
    /// The variables of the process over those of the file `.env` in `directory`, if there is one.
    pub(super) fn read(directory: &FilePath, process: &[(String, String)], problems: &mut Vec<Problem>) -> Self {
        let mut variables = Self::default();
        variables.read_file(&super::beside(directory, ".env"), problems);
        for (name, value) in process {
            variables.0.insert(name.clone(), (value.clone(), Place::Variable(name.clone())));
        }
        variables
    }

    fn read_file(&mut self, file: &FilePath, problems: &mut Vec<Problem>) {
        if !file.exists() {
            return;
        }
        let name = file.display().to_string();
        let problem = |line, what: String, mend: &str| Problem {
            place: Place::File { name: name.clone(), line },
            key: String::new(),
            what,
            mend: mend.to_owned(),
        };
        let text = match super::read_text(file, LONGEST_FILE) {
            Ok(text) => text,
            Err(why) => {
                return problems.push(problem(None, format!("cannot be read: {why}"), "mend or remove the file"));
            }
        };
        let line_that_starts = |wanted: &dyn Fn(&str) -> bool| text.lines().position(wanted).map(|index| index + 1);
        for entry in dotenvy::Iter::new(text.trim_start_matches('\u{feff}').as_bytes()) {
            match entry {
                Ok((key, value)) => {
                    let sets_it = |line: &str| {
                        line.trim_start()
                            .trim_start_matches("export ")
                            .trim_start()
                            .strip_prefix(key.as_str())
                            .is_some_and(|rest| rest.trim_start().starts_with('='))
                    };
                    let place = Place::File { name: name.clone(), line: line_that_starts(&sets_it) };
                    self.0.insert(key, (value, place));
                }
                // The error holds the whole line, which may hold a secret.
                Err(dotenvy::Error::LineParse(broken, _)) => {
                    let first = broken.lines().next().unwrap_or_default().trim().to_owned();
                    let line = line_that_starts(&|line| line.trim() == first);
                    problems.push(problem(
                        line,
                        "not of the form NAME=value".to_owned(),
                        "put a value with spaces, # or quotes in it into 'single quotes'",
                    ));
                }
                Err(error) => {
                    return problems.push(problem(None, format!("cannot be read: {error}"), "mend or remove the file"));
                }
            }
        }
    }

    /// What `name` holds; `None` when it is not set or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The keys that `UMISHOP_*` variables set.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) values: Dict,
    places: BTreeMap<Path, Place>,
}

impl Environment {
    /// Reads the variables whose keys stand in `lower`, the layers below, or belong to a channel.
    pub(super) fn read(variables: &Variables, lower: &Dict, problems: &mut Vec<Problem>) -> Self {
        let mut environment = Self::default();
        let referenced = referenced(variables, lower);
        for (name, (text, place)) in &variables.0 {
            let Some(rest) =
                name.strip_prefix(PREFIX).filter(|_| !RESERVED.contains(&name.as_str()) && !referenced.contains(name))
            else {
                continue;
            };
            let path = key_of(rest, lower);
            match form_of(&path, lower) {
                None => problems.push(unknown(name, place, lower)),
                Some(Form::Table) => problems.push(whole_table(name, place, &path)),
                Some(form) => match parse(form, text) {
                    Some(value) => {
                        tree::put(&mut environment.values, &path, value);
                        environment.places.insert(path, place.clone());
                    }
                    None => problems.push(Problem {
                        place: place.clone(),
                        key: problems::shown_key(&path),
                        what: format!("expected {}", expectation(form).0),
                        mend: format!("write {name}={}", expectation(form).1),
                    }),
                },
            }
        }
        environment
    }

    /// The variable that sets `path`, or the list it stands in.
    pub(super) fn set(&self, path: &[String]) -> Option<Place> {
        (1..=path.len()).find_map(|length| self.places.get(&path[..length])).cloned()
    }

    /// The first variable that sets something in the table at `path`.
    pub(super) fn set_below(&self, path: &[String]) -> Option<Place> {
        self.places.iter().find(|(key, _)| !path.is_empty() && key.starts_with(path)).map(|(_, place)| place.clone())
    }
}

/// The names that any `env:` reference mentions.
fn referenced(variables: &Variables, lower: &Dict) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut note = |text: &str| {
        names.extend(text.strip_prefix("env:").map(str::to_owned));
    };
    tree::each_text(&mut Value::from(lower.clone()), &Path::new(), &mut |_, text| note(text));
    variables.0.iter().filter(|(name, _)| name.starts_with(PREFIX)).for_each(|(_, (text, _))| note(text));
    names
}

/// The path that a variable's name spells, in the spelling of the keys that are there already.
fn key_of(rest: &str, lower: &Dict) -> Path {
    let mut table = Some(lower);
    let mut path = Path::new();
    for part in rest.split("__") {
        let same = |key: &&String| key.replace('-', "_").eq_ignore_ascii_case(part);
        let key = table.and_then(|table| table.keys().find(same)).cloned().unwrap_or_else(|| part.to_ascii_lowercase());
        table = table.and_then(|table| table.get(&key)?.as_dict());
        path.push(key);
    }
    path
}

/// What a variable for `path` holds; `None`: there is no such key.
fn form_of(path: &[String], lower: &Dict) -> Option<Form> {
    let is_in_a_list = |length| tree::find(lower, &path[..length]).is_some_and(|value| Form::of(value) == Form::List);
    if path.iter().any(String::is_empty) || (1..path.len()).any(is_in_a_list) {
        return None;
    }
    let known = tree::find(lower, path).map(Form::of);
    match path {
        [first, kind, _, key @ ..] if first == "channels" && !key.is_empty() => {
            let told = if tree::is_secret(path) { Some(Form::Text) } else { channels::form_of(kind, key) };
            Some(told.or(known).unwrap_or(Form::Other))
        }
        _ => known,
    }
}

/// Reads a variable's text; for a key that nobody knows, as what it looks like.
fn parse(form: Form, text: &str) -> Option<Value> {
    match form {
        Form::Text => Some(tree::text(text)),
        Form::Truth => text.trim().to_ascii_lowercase().parse::<bool>().ok().map(Value::from),
        Form::Number => text.trim().parse::<i64>().ok().map(Value::from),
        Form::List if text.trim_start().starts_with('[') => list(text),
        Form::List => Some(Value::from(
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(tree::text).collect::<Vec<_>>(),
        )),
        Form::Table => None,
        Form::Other => Some(guess(text)),
    }
}

fn list(text: &str) -> Option<Value> {
    let mut table: Dict = Toml::from_str(&format!("list = {}", text.trim())).ok()?;
    table.remove("list").filter(|value| table.is_empty() && Form::of(value) == Form::List)
}

fn guess(text: &str) -> Value {
    let is_number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    let form = match text {
        "true" | "false" => Form::Truth,
        _ if is_number => Form::Number,
        _ if text.starts_with('[') && text.ends_with(']') => Form::List,
        _ => Form::Text,
    };
    parse(form, text).unwrap_or_else(|| tree::text(text))
}

/// What is expected, and an example.
const fn expectation(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Truth => ("true or false", "true"),
        Form::Number => ("a whole number", "8"),
        Form::List => ("a list, as in one,two or [\"one\", \"two\"]", "one,two"),
        Form::Text | Form::Table | Form::Other => ("text", "text"),
    }
}

fn unknown(name: &str, place: &Place, lower: &Dict) -> Problem {
    let mut known = Vec::new();
    for (section, value) in lower.iter().filter(|(section, _)| *section != "channels") {
        match value.as_dict() {
            Some(keys) => known.extend(keys.keys().map(|key| variable(&[section.clone(), key.clone()]))),
            None => known.push(variable(std::slice::from_ref(section))),
        }
    }
    let guess = did_you_mean(name, known.iter().map(String::as_str));
    Problem {
        place: place.clone(),
        key: if matches!(place, Place::Variable(_)) { String::new() } else { name.to_owned() },
        what: "no key has this name".to_owned(),
        mend: guess
            .unwrap_or_else(|| "name it like UMISHOP_SERVER__LISTEN for [server] listen, or unset it".to_owned()),
    }
}

fn whole_table(name: &str, place: &Place, path: &[String]) -> Problem {
    Problem {
        place: place.clone(),
        key: String::new(),
        what: format!("{} is a table", problems::shown_table(path)),
        mend: format!("set one of its keys, as in {name}__KEY"),
    }
}

/// The variable that sets `path`.
pub(super) fn variable(path: &[String]) -> String {
    format!(
        "{PREFIX}{}",
        path.iter().map(|part| part.to_ascii_uppercase().replace('-', "_")).collect::<Vec<_>>().join("__")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_taken_for_what_it_looks_like() {
        for (text, form) in [
            ("true", Form::Truth),
            ("8", Form::Number),
            ("-3", Form::Number),
            ("[\"a\"]", Form::List),
            ("0123", Form::Text),
            ("[abc", Form::Text),
            ("[abc]", Form::Text),
            ("", Form::Text),
            ("8 ", Form::Text),
        ] {
            assert_eq!(Form::of(&guess(text)), form, "{text:?}");
        }
    }

    #[test]
    fn a_list_is_toml_or_separated_by_commas() {
        let words = |text: &str| tree::written(&parse(Form::List, text).unwrap());
        assert_eq!(words("a, b,"), r#"["a", "b"]"#);
        assert_eq!(words(r#" ["a,b", "c"] "#), r#"["a,b", "c"]"#);
        assert_eq!(words(""), "[]");
        assert!(parse(Form::List, "[a").is_none());
        assert!(parse(Form::List, "[]\nother = 1").is_none());
    }
}
