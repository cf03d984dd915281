//! Holds a layer against the compiled-in file, which has every key with its default: whatever is not in it is not a
//! key, and a value of another form is a mistake. What is wrong is told and taken out, so that the rest can be read.
//! The keys of a channel are left to its kind, and `[origins] aliases` has whatever names the shop likes. A condition of a
//! route may be a list of texts as well.

use figment::value::{Dict, Value};

use super::layers::Layers;
use super::problems::{Problem, did_you_mean, in_a_row, shown_text};
use super::tree::{self, Form, Path, child};

/// Takes out of `values` what does not fit `schema`, telling each.
pub(super) fn check(values: &mut Dict, schema: &Dict, path: &Path, layers: &Layers, problems: &mut Vec<Problem>) {
    values.retain(|name, value| {
        let path = child(path, name);
        let Some(expected) = schema.get(name) else {
            let mend = did_you_mean(name, schema.keys().map(String::as_str));
            let known = || format!("known here: {}", in_a_row(schema.keys().map(String::as_str)));
            problems.push(layers.problem(&path, "no such key", mend.unwrap_or_else(known)));
            return false;
        };
        let is_any_of_several = is_condition(&path) && Form::of(value) == Form::List;
        if Form::of(value) != Form::of(expected) && !is_any_of_several {
            problems.push(wrong_form(&path, value, expected, layers));
            return false;
        }
        match (value, expected) {
            (Value::Array(_, list), Value::String(..)) => check_list(list, expected, &path, layers, problems),
            (Value::Dict(..), _) if path == ["channels"] => {}
            (Value::Dict(_, aliases), _) if path == ["origins", "aliases"] => {
                check_aliases(aliases, &path, layers, problems);
            }
            (Value::Dict(_, inner), Value::Dict(_, schema)) => check(inner, schema, &path, layers, problems),
            (Value::Array(_, list), Value::Array(_, schema)) => {
                // A list that is empty there is one of texts.
                let text = tree::text("");
                check_list(list, schema.first().unwrap_or(&text), &path, layers, problems);
            }
            _ => {}
        }
        true
    });
}

/// Every alias is a list of texts, whatever its name.
fn check_aliases(aliases: &mut Dict, path: &Path, layers: &Layers, problems: &mut Vec<Problem>) {
    let (list, text) = (Value::from(Vec::<String>::new()), tree::text(""));
    aliases.retain(|name, value| {
        let path = child(path, name);
        match value {
            Value::Array(_, list) => check_list(list, &text, &path, layers, problems),
            _ => problems.push(wrong_form(&path, value, &list, layers)),
        }
        Form::of(value) == Form::List
    });
}

/// Whether it is a key of a route's `when`.
fn is_condition(path: &[String]) -> bool {
    matches!(path, [routes, _, when, _] if routes == "routes" && when == "when")
}

/// Every element has the form of the first one in the compiled-in list.
fn check_list(list: &mut Vec<Value>, expected: &Value, path: &Path, layers: &Layers, problems: &mut Vec<Problem>) {
    let mut index = 0;
    list.retain_mut(|value| {
        let path = child(path, &index);
        index += 1;
        if Form::of(value) != Form::of(expected) {
            problems.push(wrong_form(&path, value, expected, layers));
            return false;
        }
        if let (Value::Dict(_, inner), Value::Dict(_, schema)) = (value, expected) {
            check(inner, schema, &path, layers, problems);
        }
        true
    });
}

fn wrong_form(path: &Path, found: &Value, expected: &Value, layers: &Layers) -> Problem {
    let name = path.iter().rev().find(|part| part.parse::<usize>().is_err()).map_or("", String::as_str);
    let what = format!("expected {}, found {}", Form::of(expected).name(), described(path, found));
    let mend = match (Form::of(expected), found) {
        (Form::Table, _) if name == "routes" => "write [[routes]]".to_owned(),
        (Form::Table, _) => format!("write [{name}]"),
        (Form::Text, Value::Num(..)) if !tree::is_secret(path) => {
            format!("put it in quotes: {name} = \"{}\"", tree::written(found))
        }
        (Form::Text, Value::Num(..) | Value::Bool(..)) => "put it in quotes".to_owned(),
        (Form::List, Value::String(..)) => format!("put it in brackets: {name} = [{}]", tree::written(found)),
        (Form::List, _) if name == "routes" => "write [[routes]] with two brackets".to_owned(),
        _ => format!("write {name} = {}", tree::written(expected)),
    };
    layers.problem(path, what, mend)
}

/// A value for people, unless it may be a secret.
fn described(path: &[String], value: &Value) -> String {
    match Form::of(value) {
        Form::Table | Form::List | Form::Other => Form::of(value).name().to_owned(),
        form if tree::is_secret(path) => format!("{} (not shown)", form.name()),
        Form::Text => shown_text(value.as_str().unwrap_or_default()),
        Form::Number => format!("the number {}", tree::written(value)),
        Form::Truth => tree::written(value),
    }
}
