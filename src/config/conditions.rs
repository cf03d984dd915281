//! `[[routes]] when`: what must hold beside the topic.

use figment::value::{Dict, Value};

use super::reader::Reader;
use super::tree::{Path, child};
use crate::domain::{Aspect, Condition, Country, Pattern};

/// Reads a route's conditions; one that always holds is left out.
pub(super) fn when(reader: &mut Reader<'_>, table: &Dict, route: &Path) -> Vec<Condition> {
    let Some(written) = table.get("when").and_then(Value::as_dict) else { return Vec::new() };
    let here = child(route, "when");
    let each = Aspect::ALL.into_iter().filter_map(|aspect| Some((aspect, written.get(aspect.as_str())?)));
    let read = each.map(|(aspect, value)| condition(reader, aspect, value, &child(&here, aspect.as_str())));
    read.filter(|condition| !condition.any_of.iter().any(Pattern::is_anything)).collect()
}

/// One without patterns, which never holds, when nothing could be read: that is noted.
fn condition(reader: &mut Reader<'_>, aspect: Aspect, value: &Value, here: &Path) -> Condition {
    let written: Vec<(Path, &str)> = match value {
        Value::Array(_, list) => {
            list.iter().enumerate().filter_map(|(nth, value)| Some((child(here, &nth), value.as_str()?))).collect()
        }
        value => value.as_str().map(|text| (here.clone(), text)).into_iter().collect(),
    };
    if written.is_empty() && !reader.is_told(here) {
        refuse_empty(reader, here, aspect);
    }
    let any_of = written.into_iter().filter_map(|(here, text)| pattern(reader, aspect, text, &here)).collect();
    Condition { aspect, any_of }
}

fn pattern(reader: &mut Reader<'_>, aspect: Aspect, text: &str, here: &Path) -> Option<Pattern> {
    let Some(pattern) = Pattern::new(text) else {
        refuse_empty(reader, here, aspect);
        return None;
    };
    if aspect == Aspect::Channel && text.trim().eq_ignore_ascii_case("landbot") {
        let mend = reader.write(here, "web");
        reader.problem(here, "Landbot's own channel is called web", mend);
    }
    if aspect != Aspect::Country || pattern.is_anything() {
        return Some(pattern);
    }
    let country = Country::parse(text);
    if country.is_none() {
        reader.expected(here, text, "a country's two letters like ES", "ES");
    }
    Pattern::new(country?.as_str())
}

fn refuse_empty(reader: &mut Reader<'_>, here: &Path, aspect: Aspect) {
    let example = match aspect {
        Aspect::Source => "google",
        Aspect::Medium => "cpc",
        Aspect::Campaign => "summer-*",
        Aspect::Channel => "whatsapp",
        Aspect::Country => "ES",
        Aspect::Language => "es",
    };
    let mend =
        format!("write {aspect} = \"{example}\" or {aspect} = [\"{example}\"], or leave it out: then anything fits");
    reader.problem(here, "a condition must not be empty", mend);
}
