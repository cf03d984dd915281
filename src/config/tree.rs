//! Plain values by their path, before they mean anything.

use figment::value::{Dict, Tag, Value};

/// The way to a value: `["channels", "email", "sales", "to", "0"]`.
pub(super) type Path = Vec<String>;

/// The path that is written `server.listen`.
pub(super) fn path(dotted: &str) -> Path {
    dotted.split('.').map(str::to_owned).collect()
}

/// `path` and one step more.
pub(super) fn child(path: &[String], step: &(impl ToString + ?Sized)) -> Path {
    path.iter().cloned().chain([step.to_string()]).collect()
}

/// The value at `path`.
pub(super) fn find<'a>(dict: &'a Dict, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(dict.get(first)?, |value, step| match value {
        Value::Dict(_, dict) => dict.get(step),
        Value::Array(_, list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Puts `value` at `path`, with the tables on the way there.
pub(super) fn put(dict: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            dict.insert(name.clone(), value);
        }
        [name, rest @ ..] => match dict.entry(name.clone()).or_insert_with(|| Value::from(Dict::new())) {
            Value::Dict(_, inner) => put(inner, rest, value),
            Value::Array(_, list) => put_in_list(list, rest, value),
            _ => {}
        },
    }
}

fn put_in_list(list: &mut [Value], path: &[String], value: Value) {
    let Some(slot) = path.first().and_then(|index| list.get_mut(index.parse::<usize>().ok()?)) else { return };
    match (&path[1..], slot) {
        ([], slot) => *slot = value,
        (rest, Value::Dict(_, inner)) => put(inner, rest, value),
        (rest, Value::Array(_, inner)) => put_in_list(inner, rest, value),
        _ => {}
    }
}

/// Takes out the key at `path`; for an element of a list, the list.
pub(super) fn take_out(dict: &mut Dict, path: &[String]) {
    match path {
        [] => {}
        [name] => drop(dict.remove(name)),
        [name, rest @ ..] => match (dict.get_mut(name), rest) {
            (Some(Value::Dict(_, inner)), rest) => take_out(inner, rest),
            (Some(Value::Array(_, list)), [index, rest @ ..]) if !rest.is_empty() => {
                if let Some(Value::Dict(_, inner)) = index.parse().ok().and_then(|index: usize| list.get_mut(index)) {
                    take_out(inner, rest);
                }
            }
            _ => drop(dict.remove(name)),
        },
    }
}

/// Shows every text below `value` to `visit`, with its path.
pub(super) fn each_text(value: &mut Value, path: &Path, visit: &mut impl FnMut(&Path, &mut String)) {
    match value {
        Value::String(_, text) => visit(path, text),
        Value::Dict(_, dict) => dict.iter_mut().for_each(|(name, value)| each_text(value, &child(path, name), visit)),
        Value::Array(_, list) => {
            for (index, value) in list.iter_mut().enumerate() {
                each_text(value, &child(path, &index), visit);
            }
        }
        _ => {}
    }
}

/// What can stand behind an equals sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Truth,
    Number,
    List,
    Table,
    Other,
}

impl Form {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::String(..) | Value::Char(..) => Self::Text,
            Value::Bool(..) => Self::Truth,
            Value::Num(_, number) if number.to_f64().is_none() => Self::Number,
            Value::Array(..) => Self::List,
            Value::Dict(..) => Self::Table,
            _ => Self::Other,
        }
    }

    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text in quotes",
            Self::Truth => "true or false",
            Self::Number => "a whole number",
            Self::List => "a list in brackets",
            Self::Table => "a table",
            Self::Other => "another kind of value",
        }
    }
}

/// A value as it would be written in TOML.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::String(_, text) => toml_edit::Value::from(text.as_str()).to_string(),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Array(_, list) => format!("[{}]", list.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, dict) => {
            format!(
                "{{ {} }}",
                dict.iter().map(|(name, value)| format!("{name} = {}", written(value))).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Num(_, number) => match (value.to_i128(), value.to_u128()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(whole)) => whole.to_string(),
            (None, None) => number.to_f64().unwrap_or_default().to_string(),
        },
        _ => "…".to_owned(),
    }
}

/// Whether there is nothing in it: an empty text, an empty list, or a list of empty texts.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::String(_, text) => text.is_empty(),
        Value::Array(_, list) => list.iter().all(is_blank),
        _ => false,
    }
}

/// The tables of a list of tables. A table that is a value itself, such as the headers of a request, is none.
pub(super) fn tables(value: &mut Value) -> impl Iterator<Item = &mut Dict> {
    let list = match value {
        Value::Array(_, list) => list.as_mut_slice(),
        _ => &mut [],
    };
    list.iter_mut().filter_map(|value| match value {
        Value::Dict(_, table) => Some(table),
        _ => None,
    })
}

/// A text as a value.
pub(super) fn text(text: impl Into<String>) -> Value {
    Value::String(Tag::Default, text.into())
}

/// Whether the key at `path` may hold a secret, so that its value is neither parsed nor printed. An address counts
/// as one below `[channels]`: a webhook's address is its password.
pub(super) fn is_secret(path: &[String]) -> bool {
    let named = path.iter().rev().find(|part| part.parse::<usize>().is_err());
    let Some(name) = named.map(|name| name.to_ascii_lowercase()) else { return false };
    if ["secret", "token", "password"].iter().any(|word| name.contains(word)) || name == "url" {
        return true;
    }
    let in_channel = path.first().is_some_and(|first| first == "channels");
    // An address that stands for a whole channel has its secret in it.
    let is_whole = path.len() == 3;
    in_channel
        && (is_whole
            // Without a login a topic of ntfy is its own password.
            || (name == "topic" && path.get(1).is_some_and(|kind| kind == "ntfy"))
            || name == "username"
            || name == "key"
            || name.ends_with("_key")
            || name.ends_with("_url")
            || path.iter().any(|part| part == "headers"))
}

/// Whether the value at `path` may be a secret, or has one in it.
pub(super) fn has_secret(path: &[String], value: &Value) -> bool {
    is_secret(path)
        || match value {
            Value::Dict(_, dict) => dict.iter().any(|(name, value)| has_secret(&child(path, name), value)),
            Value::Array(_, list) => list.iter().any(|value| has_secret(path, value)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_may_be_a_secret() {
        for secret in [
            "intake.secret",
            "admin.token",
            "store.url",
            "channels.http.x.api_key",
            "channels.slack.x.webhook_url",
            "channels.email.x.password",
            "channels.http.x.headers.Authorization",
            "channels.slack.pricing",
        ] {
            assert!(is_secret(&path(secret)), "{secret}");
        }
        for plain in ["server.listen", "server.public_url", "channels.email.x.to.0", "channels.email.x.from"] {
            assert!(!is_secret(&path(plain)), "{plain}");
        }
    }
}
