//! The configuration as it counts, to be shown to an operator: each key, what it holds, and who wrote it there.
//!
//! A secret is hidden, whoever wrote it; a reference to one is shown as it is written, which says more and gives away
//! nothing.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::ChannelConfig;
use super::layers::{Layers, Written};
use super::problems::Place;
use super::tree::{self, Path, child};
use crate::domain::ChannelAddress;

/// What is shown in the place of a secret.
const HIDDEN: &str = "•••";

/// One key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As in `server.listen`.
    pub key: String,
    /// What it holds, as it is written; text without its quotes.
    pub value: String,
    /// Who wrote it.
    pub written: Written,
    /// Where.
    pub place: Place,
}

impl Setting {
    /// The line in the file that it stands in; `None`: it stands in a variable.
    pub const fn line(&self) -> Option<usize> {
        match &self.place {
            Place::File { line, .. } => *line,
            Place::Shipped { line } => Some(*line),
            Place::Variable(_) => None,
        }
    }
}

/// Every key that counts, in alphabetical order. Those of a channel that nothing uses do not.
pub(super) fn settings(layers: &Layers, used: &BTreeMap<ChannelAddress, ChannelConfig>) -> Vec<Setting> {
    let mut settings = Vec::new();
    gather(&layers.merged(), &Path::new(), layers, &mut settings);
    settings.retain(|setting| is_used(&setting.key, used));
    settings
}

fn is_used(key: &str, used: &BTreeMap<ChannelAddress, ChannelConfig>) -> bool {
    let Some(rest) = key.strip_prefix("channels.") else { return true };
    let address = rest.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    address.parse().is_ok_and(|address: ChannelAddress| used.contains_key(&address))
}

fn gather(dict: &Dict, path: &Path, layers: &Layers, settings: &mut Vec<Setting>) {
    for (name, value) in dict {
        gather_value(value, &child(path, name), layers, settings);
    }
}

fn gather_value(value: &Value, path: &Path, layers: &Layers, settings: &mut Vec<Setting>) {
    match value {
        Value::Dict(_, inner) => gather(inner, path, layers, settings),
        Value::Array(_, list) if list.iter().any(|element| matches!(element, Value::Dict(..))) => {
            for (index, element) in list.iter().enumerate() {
                gather_value(element, &child(path, &index), layers, settings);
            }
        }
        _ => settings.push(Setting {
            key: path.join("."),
            value: shown(path, value),
            written: layers.layer(path),
            place: layers.place(path),
        }),
    }
}

fn shown(path: &[String], value: &Value) -> String {
    match value {
        Value::String(_, text) if is_open(path, text) => text.clone(),
        Value::Array(_, list) if list.iter().all(|element| element.as_str().is_none_or(|text| is_open(path, text))) => {
            tree::written(value)
        }
        Value::String(..) | Value::Array(..) => HIDDEN.to_owned(),
        _ if tree::is_secret(path) => HIDDEN.to_owned(),
        _ => tree::written(value),
    }
}

/// Whether a text may be shown: it is no secret, or only says where one stands. Of a store's address, that of a file is
/// none.
fn is_open(path: &[String], text: &str) -> bool {
    let is_file = text.starts_with("sqlite:") && path == ["store", "url"];
    !tree::is_secret(path) || is_file || text.is_empty() || text.starts_with("env:") || text.starts_with("file:")
}
