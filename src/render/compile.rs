//! Templates as minijinja has them: compiled, checked for what they show, each escaping for its notation.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::variants::Variant;
use super::{RenderError, escape, report};
use crate::domain::Markup;

/// What a message's template may use.
const MESSAGE_FIELDS: &[&str] = &[
    "id",
    "purpose",
    "time",
    "name",
    "email",
    "phone",
    "topic",
    "topic_unknown",
    "question",
    "source",
    "language",
    "chat_url",
    "public_url",
    "welcome_url",
    "by",
    "note",
    "unsubscribe_url",
    "report",
];

/// What the reply's template may use.
const REPLY_FIELDS: &[&str] = &["status", "name", "topic", "field", "language"];

/// How a message's `.txt` template begins.
const SUBJECT: &str = "Subject:";

/// What the subject is compiled as, beside the notations.
pub(super) const SUBJECT_PART: &str = "subject";

/// Takes a template in; a message's text as its subject and its body.
pub(super) fn add(
    environment: &mut Environment<'static>,
    variant: &Variant,
    extension: &str,
    place: &str,
    source: &str,
) -> Result<(), RenderError> {
    if variant.purpose().is_none() {
        return compile(environment, &variant.name(extension), place, source, REPLY_FIELDS);
    }
    if extension != Markup::Plain.extension() {
        return compile(environment, &variant.name(extension), place, source, MESSAGE_FIELDS);
    }
    let (subject, body) = source
        .strip_prefix(SUBJECT)
        .and_then(|rest| rest.split_once('\n'))
        .filter(|(_, body)| body.trim_start_matches('\r').starts_with('\n'))
        .ok_or_else(|| RenderError::NoSubject(place.to_owned()))?;
    compile(environment, &variant.name(SUBJECT_PART), place, subject.trim(), MESSAGE_FIELDS)?;
    // The empty first line stands for the subject's, so that errors name the line of the file.
    compile(environment, &variant.name(extension), place, &format!("\n{body}"), MESSAGE_FIELDS)
}

fn compile(
    environment: &mut Environment<'static>,
    name: &str,
    place: &str,
    source: &str,
    fields: &[&str],
) -> Result<(), RenderError> {
    environment.add_template_owned(name.to_owned(), source.to_owned()).map_err(|error| understand(place, &error))?;
    let template = environment.get_template(name).map_err(|error| understand(place, &error))?;
    let unknown =
        template.undeclared_variables(false).into_iter().filter(|field| !fields.contains(&field.as_str())).min();
    match unknown {
        None => Ok(()),
        Some(field) => {
            let line = source.lines().position(|line| line.contains(field.as_str())).map_or(1, |index| index + 1);
            let why = format!("`{field}` is nothing that a template can show here; it can show {}", fields.join(", "));
            Err(RenderError::Template { place: format!("{place}:{line}"), why })
        }
    }
}

pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.add_filter("left", |text: &Value, width: usize| report::left(text, width));
    environment.add_filter("right", |text: &Value, width: usize| report::right(text, width));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // A line that holds nothing but a tag leaves no line behind.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html") => AutoEscape::Html,
        Some("mrkdwn") => AutoEscape::Custom("mrkdwn".into()),
        Some("md") => AutoEscape::Custom("md".into()),
        Some("inline") => AutoEscape::Custom("inline".into()),
        _ => AutoEscape::None,
    });
    environment.set_formatter(|out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value| {
        match state.auto_escape() {
            AutoEscape::Custom(notation) => {
                let text = value.to_string();
                let escape = match notation.as_ref() {
                    "md" => escape::markdown,
                    "inline" => escape::inline,
                    _ => escape::mrkdwn,
                };
                out.write_str(&if value.is_safe() { text } else { escape(&text) }).map_err(Into::into)
            }
            _ => minijinja::escape_formatter(out, state, value),
        }
    });
    environment
}

/// Says where in which file a template went wrong.
pub(super) fn understand(place: &str, error: &minijinja::Error) -> RenderError {
    let place = error.line().map_or_else(|| place.to_owned(), |line| format!("{place}:{line}"));
    let why = match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, None) => "it shows something that does not exist".to_owned(),
        (kind, None) => kind.to_string(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
    };
    RenderError::Template { place, why }
}
