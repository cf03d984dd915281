//! `[origins]`: what the shop calls the sources of its customers.

use std::collections::BTreeMap;

use figment::value::Value;

use super::reader::Reader;
use super::tree::{child, path};
use crate::domain::{OriginRules, Pattern, one_line};

/// Reads the section.
pub(super) fn origins(reader: &mut Reader<'_>) -> OriginRules {
    let here = path("origins.aliases");
    let written = reader.value("origins.aliases").and_then(Value::as_dict).cloned().unwrap_or_default();
    let mut aliases = BTreeMap::new();
    for (name, list) in &written {
        let here = child(&here, name);
        let mut patterns = Vec::new();
        for (nth, text) in list.as_array().unwrap_or_default().iter().enumerate() {
            match text.as_str().and_then(Pattern::new).filter(|pattern| !pattern.is_anything()) {
                Some(pattern) => patterns.push(pattern),
                None => reader.problem(
                    &child(&here, &nth),
                    "must not be empty, nor fit everything",
                    "write what this source is called elsewhere, as in \"google ads\" or \"feria*\"",
                ),
            }
        }
        let name = one_line(name);
        if name.is_empty() {
            reader.problem(&here, "a source must have a name", "write a name, as in fair = [\"feria*\"]");
        }
        aliases.insert(name, patterns);
    }
    OriginRules::new(aliases)
}
