//! The layers of the configuration, and which of them set a key: compiled in < file < environment.

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use toml_edit::{ImDocument, Item, TableLike};

use super::environment::Environment;
use super::problems::{Place, Problem};
use super::tree::Path;

/// One TOML text: what it says, and on which lines.
pub(super) struct Document {
    /// `None`: the compiled-in one.
    name: Option<String>,
    text: String,
    parsed: ImDocument<String>,
    pub(super) values: Dict,
}

impl Document {
    /// Reads `text`. What the parser says names no value, so that it cannot give away a secret.
    pub(super) fn parse(name: Option<&str>, text: &str) -> Result<Self, Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let parsed = ImDocument::parse(text.clone()).map_err(|error| syntax_problem(name, &text, &error))?;
        let values = Toml::from_str(&text).map_err(|error| Problem {
            place: place_of(name, error.span().map(|span| line_of(&text, span.start))),
            key: String::new(),
            what: "not valid TOML".to_owned(),
            mend: "write key = \"text\", key = 5 or key = true".to_owned(),
        })?;
        Ok(Self { name: name.map(str::to_owned), text, parsed, values })
    }

    /// Where exactly `path` is set in this text.
    fn place(&self, path: &[String]) -> Option<Place> {
        let mut node = Node::Table(self.parsed.as_table());
        let mut start = 0;
        for step in path {
            (node, start) = node.step(step, start)?;
        }
        Some(place_of(self.name.as_deref(), (!path.is_empty()).then(|| line_of(&self.text, start))))
    }
}

fn place_of(name: Option<&str>, line: Option<usize>) -> Place {
    match name {
        Some(name) => Place::File { name: name.to_owned(), line },
        None => Place::Shipped { line: line.unwrap_or(1) },
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn syntax_problem(name: Option<&str>, text: &str, error: &toml_edit::TomlError) -> Problem {
    let start = error.span().map_or(0, |span| span.start);
    let column = text.get(..start).map_or(0, |before| before.chars().rev().take_while(|c| *c != '\n').count()) + 1;
    Problem {
        place: place_of(name, Some(line_of(text, start))),
        key: String::new(),
        what: format!("not valid TOML at column {column}: {}", error.message().trim().replace('\n', ", ")),
        mend: "write key = \"text\", key = 5 or key = true, and text always in quotes".to_owned(),
    }
}

/// A part of a parsed text that has parts of its own.
#[derive(Clone, Copy)]
enum Node<'a> {
    Table(&'a dyn TableLike),
    Tables(&'a toml_edit::ArrayOfTables),
    List(&'a toml_edit::Array),
    Leaf,
}

impl<'a> Node<'a> {
    fn of(item: &'a Item) -> Self {
        match item {
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::Value(value) => Self::of_value(value),
            Item::Table(table) => Self::Table(table),
            Item::None => Self::Leaf,
        }
    }

    fn of_value(value: &'a toml_edit::Value) -> Self {
        match value {
            toml_edit::Value::Array(list) => Self::List(list),
            toml_edit::Value::InlineTable(table) => Self::Table(table),
            _ => Self::Leaf,
        }
    }

    /// The part called `step` and where it starts; `start` stands in where the parser did not note it.
    fn step(self, step: &str, start: usize) -> Option<(Self, usize)> {
        let (node, span) = match self {
            Self::Table(table) => {
                let (key, item) = table.get_key_value(step)?;
                let header = item.as_table().and_then(toml_edit::Table::span);
                (Self::of(item), header.or_else(|| key.span()).or_else(|| item.span()))
            }
            Self::Tables(tables) => {
                let table = tables.get(step.parse().ok()?)?;
                (Self::Table(table), table.span())
            }
            Self::List(list) => {
                let value = list.get(step.parse().ok()?)?;
                (Self::of_value(value), value.span())
            }
            Self::Leaf => return None,
        };
        Some((node, span.map_or(start, |span| span.start)))
    }
}

/// Which layer a key was written in, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// In the compiled-in file.
    Shipped,
    /// In the shop's own file.
    File,
    /// In a variable.
    Environment,
}

impl Written {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shipped => "default",
            Self::File => "file",
            Self::Environment => "environment",
        }
    }
}

/// All layers, the strongest last.
pub(super) struct Layers {
    pub(super) shipped: Document,
    pub(super) file: Option<Document>,
    pub(super) environment: Environment,
}

impl Layers {
    /// Everything laid over each other: tables merge, everything else replaces.
    pub(super) fn merged(&self) -> Dict {
        let shipped = Figment::from(Layer("built-in", &self.shipped.values));
        let file = match &self.file {
            Some(file) => shipped.merge(Layer("file", &file.values)),
            None => shipped,
        };
        file.merge(Layer("environment", &self.environment.values))
            .extract()
            .expect("plain values are read back as plain values")
    }

    /// Who set `path`, else who set what is around it.
    pub(super) fn place(&self, path: &[String]) -> Place {
        if let Some(place) = self.environment.set(path) {
            return place;
        }
        let in_file = |path: &[String]| self.file.as_ref().and_then(|file| file.place(path));
        // A list of the file's takes the place of the compiled-in one, so that nothing in that one counts.
        let is_element = |length: &usize| path[*length].parse::<usize>().is_ok();
        let is_replaced = (1..path.len()).filter(is_element).any(|length| in_file(&path[..length]).is_some());
        let written = |length: usize| {
            let path = &path[..length];
            let stronger = in_file(path).or_else(|| self.environment.set_below(path));
            stronger.or_else(|| if is_replaced { None } else { self.shipped.place(path) })
        };
        (0..=path.len()).rev().find_map(written).unwrap_or(Place::Shipped { line: 1 })
    }

    /// The strongest layer that wrote `path`.
    pub(super) fn layer(&self, path: &[String]) -> Written {
        if self.environment.set(path).is_some() {
            Written::Environment
        } else if self.file.as_ref().is_some_and(|file| file.place(path).is_some()) {
            Written::File
        } else {
            Written::Shipped
        }
    }

    /// Whether the shop said anything at or below `path`.
    pub(super) fn is_shops_own(&self, path: &[String]) -> bool {
        let environment = &self.environment;
        self.file.as_ref().is_some_and(|file| file.place(path).is_some())
            || environment.set(path).or_else(|| environment.set_below(path)).is_some()
    }

    /// Whether the value at `path` stands in a file, readable for whoever reads the answer.
    pub(super) fn is_in_a_file(&self, path: &[String]) -> bool {
        self.environment.set(path).is_none()
    }

    /// A problem with what stands at `path`.
    pub(super) fn problem(&self, path: &Path, what: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem { place: self.place(path), key: super::problems::shown_key(path), what: what.into(), mend: mend.into() }
    }
}

struct Layer<'a>(&'static str, &'a Dict);

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.1.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::path;
    use super::*;

    const TEXT: &str = "sandbox = true\n\n[server]\nlisten = \"x\"\nwelcome.delay = 1\n\n[channels.email.sales]\nto = [\n  \"a\",\n  \"b\",\n]\nheaders = { a = 1 }\n\n[[routes]]\ntopic = \"A\"\n[[routes]]\nchannels = [\"email.sales\"]\n";

    #[test]
    fn every_key_is_found_on_its_line() {
        let document = Document::parse(Some("config.toml"), TEXT).unwrap();
        for (key, line) in [
            ("sandbox", 1),
            ("server", 3),
            ("server.listen", 4),
            ("server.welcome.delay", 5),
            ("channels.email.sales", 7),
            ("channels.email.sales.to", 8),
            ("channels.email.sales.to.1", 10),
            ("channels.email.sales.headers.a", 12),
            ("routes.0.topic", 15),
            ("routes.1", 16),
            ("routes.1.channels.0", 17),
        ] {
            assert_eq!(document.place(&path(key)), Some(place_of(Some("config.toml"), Some(line))), "{key}");
        }
        assert_eq!(document.place(&path("server.public_url")), None);
    }

    #[test]
    fn broken_toml_is_told_with_line_and_column_and_without_the_value() {
        let error = Document::parse(Some("config.toml"), "[intake]\nsecret = hunter2\n").err().unwrap();
        assert!(error.to_string().starts_with("config.toml:2: not valid TOML at column 10: "), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
