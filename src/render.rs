//! Fills a message's words into its templates.
//!
//! A template is named `<purpose>.<notation>`: `welcome.txt`, `welcome.html`, `request.mrkdwn`. The ones compiled in
//! stand in `templates/`; a file of the same name in the shop's own directory takes their place. A message's `.txt`
//! template begins with a line `Subject: …` and a blank line. What a customer wrote is escaped for the notation it is
//! put into, and is never read as a template itself. This module does not know how anything is sent.
//!
//! Slack's notation has no way to write a literal `*` or `_`. Only what does harm is taken out of a customer's text:
//! `&`, `<` and `>` (mentions, links) are escaped, and a run of backticks is broken up, because an unclosed code block
//! swallows what follows it. For the rest, the template quotes each line of the question, so that nobody takes a
//! customer's bold text for ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value, context};

use crate::domain::{
    About, Claim, Context, Markup, Message, MessageId, Purpose, Rendered, Timestamp, one_line, truncate,
};

/// The templates that are compiled in, by their file names.
const BUILT_IN: &[(&str, &str)] = &[
    ("alert.txt", include_str!("../templates/alert.txt")),
    ("reply.txt", include_str!("../templates/reply.txt")),
    ("request.html", include_str!("../templates/request.html")),
    ("request.inline", include_str!("../templates/request.inline")),
    ("request.md", include_str!("../templates/request.md")),
    ("request.mrkdwn", include_str!("../templates/request.mrkdwn")),
    ("request.txt", include_str!("../templates/request.txt")),
    ("test.txt", include_str!("../templates/test.txt")),
    ("welcome.html", include_str!("../templates/welcome.html")),
    ("welcome.txt", include_str!("../templates/welcome.txt")),
];

/// Further files that a shop may write though none is compiled in.
const OPTIONAL: &[&str] = &[
    "alert.html",
    "alert.inline",
    "alert.md",
    "alert.mrkdwn",
    "test.html",
    "test.inline",
    "test.md",
    "test.mrkdwn",
    "welcome.inline",
    "welcome.md",
    "welcome.mrkdwn",
];

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
    "chat_url",
    "public_url",
];

/// What the reply's template may use.
const REPLY_FIELDS: &[&str] = &["status", "name", "topic", "field", "language"];

/// Longest subject, in characters: mail programs cut there anyway.
const LONGEST_SUBJECT: usize = 200;

/// How a message's `.txt` template begins.
const SUBJECT: &str = "Subject:";

/// Place and source of each template, by its name.
type Sources = BTreeMap<String, (String, String)>;

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The directory or a file in it cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The directory has a file that no message uses.
    #[error("{0}: no message uses a template of this name; the names are {known}", known = known_names().join(", "))]
    UnknownFile(PathBuf),
    /// The template does not begin as it must.
    #[error("{0}:1: a message's text begins with a line `Subject: …` and a blank line")]
    NoSubject(String),
    /// The template cannot be understood, or names something that does not exist.
    #[error("{place}: {why}")]
    Template {
        /// File and line.
        place: String,
        /// What is wrong.
        why: String,
    },
}

/// A message whose words are to be filled in.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The message's name.
    pub id: MessageId,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it is for.
    pub purpose: Purpose,
    /// Whom and what it is about.
    pub about: About,
    /// What it says.
    pub context: &'a Context,
}

impl<'a> From<&'a Claim> for Draft<'a> {
    fn from(claim: &'a Claim) -> Self {
        let Claim { id, created_at, purpose, about, ref context, .. } = *claim;
        Self { id, created_at, purpose, about, context }
    }
}

impl<'a> From<&'a Message> for Draft<'a> {
    fn from(message: &'a Message) -> Self {
        let Message { id, created_at, purpose, ref context, .. } = *message;
        Self { id, created_at, purpose, about: About { user: message.user_id, request: message.request_id }, context }
    }
}

/// The templates, ready to be filled in.
#[derive(Debug)]
pub struct Renderer {
    environment: Environment<'static>,
    public_url: String,
}

impl Renderer {
    /// Reads and checks every template: the compiled-in ones, and the shop's own in `directory`.
    pub fn new(directory: Option<&Path>, public_url: &str) -> Result<Self, RenderError> {
        let mut sources: Sources = BUILT_IN
            .iter()
            .map(|(name, source)| ((*name).to_owned(), (format!("templates/{name}"), (*source).to_owned())))
            .collect();
        if let Some(directory) = directory {
            sources.extend(own_templates(directory)?);
        }
        let mut renderer = Self { environment: environment(), public_url: public_url.to_owned() };
        for (name, (place, source)) in sources {
            renderer.add(&name, &place, &source)?;
        }
        Ok(renderer)
    }

    /// Fills in a message's words for a channel of this notation.
    pub fn render<'a>(&self, draft: impl Into<Draft<'a>>, markup: Markup) -> Result<Rendered, RenderError> {
        let draft = draft.into();
        let purpose = draft.purpose;
        let chat_url = chat_url(&draft.context.chat_uuid);
        let values = self.values(draft, chat_url.as_deref());
        let subject = self.fill(&format!("{purpose}.subject"), &values)?;
        let text = self.fill(&format!("{purpose}.txt"), &values)?;
        let name = format!("{purpose}.{}", markup.extension());
        let rich = match markup {
            Markup::Plain => text.clone(),
            _ if self.environment.get_template(&name).is_ok() => self.fill(&name, &values)?,
            Markup::Html => format!("<div style=\"white-space:pre-wrap\">{}</div>\n", escape_html(&text)),
            Markup::Mrkdwn => escape_mrkdwn(&text),
            Markup::Markdown => escape_markdown(&text),
            Markup::Inline => escape_inline(&text),
        };
        Ok(Rendered {
            id: draft.id,
            created_at: draft.created_at,
            purpose,
            about: draft.about,
            subject: truncate(&one_line(&subject), LONGEST_SUBJECT).text.to_owned(),
            text,
            rich,
            chat_url,
            thread: None,
            // Until the relay says when.
            attempted_at: draft.created_at,
            context: draft.context.clone(),
        })
    }

    /// What the bot shows the customer, on one line. `field` names what the customer can mend.
    pub fn reply(
        &self,
        status: &str,
        name: &str,
        topic: &str,
        field: &str,
        language: &str,
    ) -> Result<String, RenderError> {
        let values = context! { status, name => one_line(name), topic => one_line(topic), field, language };
        Ok(one_line(&self.fill("reply.txt", &values)?))
    }

    fn values(&self, draft: Draft<'_>, chat_url: Option<&str>) -> Value {
        let said = draft.context;
        context! {
            id => draft.id.to_string(),
            purpose => draft.purpose.as_str(),
            time => draft.created_at.to_readable(),
            name => one_line(&said.name),
            email => said.email.as_ref().map_or("", |email| email.as_str()),
            phone => one_line(&said.phone),
            topic => one_line(&said.topic),
            topic_unknown => said.topic_unknown,
            question => said.question.trim(),
            source => one_line(&said.source),
            chat_url => chat_url.unwrap_or_default(),
            public_url => self.public_url.as_str(),
        }
    }

    fn fill(&self, name: &str, values: &Value) -> Result<String, RenderError> {
        let filled = self.environment.get_template(name).and_then(|template| template.render(values));
        let mut text = filled.map_err(|error| understand(name, &error))?;
        text.truncate(text.trim_end().len());
        text.push('\n');
        Ok(text.trim_start_matches('\n').to_owned())
    }

    /// Takes a template in; a message's text as its subject and its body.
    fn add(&mut self, name: &str, place: &str, source: &str) -> Result<(), RenderError> {
        if name == "reply.txt" {
            return self.compile(name, place, source, REPLY_FIELDS);
        }
        let Some(purpose) = name.strip_suffix(".txt") else {
            return self.compile(name, place, source, MESSAGE_FIELDS);
        };
        let (subject, body) = source
            .strip_prefix(SUBJECT)
            .and_then(|rest| rest.split_once('\n'))
            .filter(|(_, body)| body.trim_start_matches('\r').starts_with('\n'))
            .ok_or_else(|| RenderError::NoSubject(place.to_owned()))?;
        self.compile(&format!("{purpose}.subject"), place, subject.trim(), MESSAGE_FIELDS)?;
        // The empty first line stands for the subject's, so that errors name the line of the file.
        self.compile(name, place, &format!("\n{body}"), MESSAGE_FIELDS)
    }

    fn compile(&mut self, name: &str, place: &str, source: &str, fields: &[&str]) -> Result<(), RenderError> {
        self.environment
            .add_template_owned(name.to_owned(), source.to_owned())
            .map_err(|error| understand(place, &error))?;
        let template = self.environment.get_template(name).map_err(|error| understand(place, &error))?;
        let mut unknown: Vec<String> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|field| !fields.contains(&field.as_str()))
            .collect();
        unknown.sort();
        match unknown.first() {
            None => Ok(()),
            Some(field) => {
                let line = source.lines().position(|line| line.contains(field.as_str())).map_or(1, |index| index + 1);
                let why =
                    format!("`{field}` is nothing that a template can show here; it can show {}", fields.join(", "));
                Err(RenderError::Template { place: format!("{place}:{line}"), why })
            }
        }
    }
}

/// Every name that a template file may have.
fn known_names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).chain(OPTIONAL.iter().copied()).collect()
}

/// The shop's own templates.
fn own_templates(directory: &Path) -> Result<Sources, RenderError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| RenderError::Unreadable { path, error }
    };
    let mut found = Sources::new();
    for entry in fs::read_dir(directory).map_err(unreadable(directory))? {
        let path = entry.map_err(unreadable(directory))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if !known_names().contains(&name.as_str()) {
            return Err(RenderError::UnknownFile(path));
        }
        let source = fs::read_to_string(&path).map_err(unreadable(&path))?;
        found.insert(name, (path.display().to_string(), source));
    }
    Ok(found)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
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
                    "md" => escape_markdown,
                    "inline" => escape_inline,
                    _ => escape_mrkdwn,
                };
                out.write_str(&if value.is_safe() { text } else { escape(&text) }).map_err(Into::into)
            }
            _ => minijinja::escape_formatter(out, state, value),
        }
    });
    environment
}

/// Says where in which file a template went wrong.
fn understand(place: &str, error: &minijinja::Error) -> RenderError {
    let place = error.line().map_or_else(|| place.to_owned(), |line| format!("{place}:{line}"));
    let why = match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, None) => "it shows something that does not exist".to_owned(),
        (kind, None) => kind.to_string(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
    };
    RenderError::Template { place, why }
}

/// Opens a chat in Landbot's console, if this can be a chat's name.
fn chat_url(uuid: &str) -> Option<String> {
    let plain = (8..=64).contains(&uuid.len()) && uuid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| format!("https://app.landbot.io/gui/chats_v4/{uuid}"))
}

fn escape_html(text: &str) -> String {
    minijinja::HtmlEscape(text).to_string()
}

/// Makes text harmless in Slack's notation; see the head of this file.
fn escape_mrkdwn(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut backticks = 0;
    for character in text.chars() {
        backticks = if character == '`' { backticks + 1 } else { 0 };
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '`' if backticks > 2 => escaped.push_str("\u{200B}`"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Makes text harmless in Markdown: whatever is notation anywhere is escaped, and so is what is notation at the start of
/// a line. An `@` that does not stand inside a mail address is parted from what follows it, so that nobody is called.
fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut before = '\n';
    // Whether nothing but spaces, or a number, stands before this character on its line.
    let (mut starts, mut numbered) = (true, false);
    for character in text.chars() {
        let is_notation = match character {
            '\\' | '`' | '*' | '_' | '~' | '|' | '[' | ']' | '<' | '>' | '#' => true,
            '+' | '-' | '=' => starts,
            '.' | ')' => numbered,
            _ => false,
        };
        if is_notation {
            escaped.push('\\');
        }
        escaped.push(character);
        if character == '@' && !before.is_alphanumeric() {
            escaped.push('\u{200B}');
        }
        numbered = (starts || numbered) && character.is_ascii_digit();
        starts = character == '\n' || (starts && character.is_whitespace());
        before = character;
    }
    escaped
}

/// Makes text harmless in HTML, for receivers that know few entities.
fn escape_inline(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
