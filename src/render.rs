//! Fills a message's words into its templates.
//!
//! Which template says what is for [`variants`]; the ones compiled in stand in `templates/`, and files in the shop's own
//! directory take their place. A message's `.txt` template begins with a line `Subject: …` and a blank line. What a
//! customer wrote is escaped for the notation it is put into ([`escape`]), and is never read as a template itself. This
//! module does not know how anything is sent.

mod chart;
mod compile;
mod escape;
mod links;
mod report;
#[cfg(test)]
mod tests;
mod variants;

use std::collections::BTreeMap;
use std::path::PathBuf;

use minijinja::{Environment, Value, context};

use self::compile::{SUBJECT_PART, add, environment, understand};
use self::links::Links;
pub use self::links::chat_url;
use self::variants::{REPLY, Variant, Variants};
use crate::domain::{
    About, ChannelAddress, Claim, Context, EmailAddress, LinkKey, Markup, Message, MessageId, Picture, Purpose,
    Rendered, Report, Timestamp, one_line, truncate,
};

/// The templates that are compiled in, by their file names.
const BUILT_IN: &[(&str, &str)] = &[
    ("acknowledged.es.txt", include_str!("../templates/acknowledged.es.txt")),
    ("acknowledged.txt", include_str!("../templates/acknowledged.txt")),
    ("alert.txt", include_str!("../templates/alert.txt")),
    ("answered.es.txt", include_str!("../templates/answered.es.txt")),
    ("answered.txt", include_str!("../templates/answered.txt")),
    ("closed.es.txt", include_str!("../templates/closed.es.txt")),
    ("closed.txt", include_str!("../templates/closed.txt")),
    ("reply.es.txt", include_str!("../templates/reply.es.txt")),
    ("reply.txt", include_str!("../templates/reply.txt")),
    ("report.es.html", include_str!("../templates/report.es.html")),
    ("report.es.inline", include_str!("../templates/report.es.inline")),
    ("report.es.md", include_str!("../templates/report.es.md")),
    ("report.es.mrkdwn", include_str!("../templates/report.es.mrkdwn")),
    ("report.es.txt", include_str!("../templates/report.es.txt")),
    ("report.html", include_str!("../templates/report.html")),
    ("report.inline", include_str!("../templates/report.inline")),
    ("report.md", include_str!("../templates/report.md")),
    ("report.mrkdwn", include_str!("../templates/report.mrkdwn")),
    ("report.txt", include_str!("../templates/report.txt")),
    ("request.es.html", include_str!("../templates/request.es.html")),
    ("request.es.inline", include_str!("../templates/request.es.inline")),
    ("request.es.md", include_str!("../templates/request.es.md")),
    ("request.es.mrkdwn", include_str!("../templates/request.es.mrkdwn")),
    ("request.es.txt", include_str!("../templates/request.es.txt")),
    ("request.html", include_str!("../templates/request.html")),
    ("request.inline", include_str!("../templates/request.inline")),
    ("request.md", include_str!("../templates/request.md")),
    ("request.mrkdwn", include_str!("../templates/request.mrkdwn")),
    ("request.txt", include_str!("../templates/request.txt")),
    ("test.txt", include_str!("../templates/test.txt")),
    ("welcome.es.html", include_str!("../templates/welcome.es.html")),
    ("welcome.es.txt", include_str!("../templates/welcome.es.txt")),
    ("welcome.html", include_str!("../templates/welcome.html")),
    ("welcome.txt", include_str!("../templates/welcome.txt")),
];

/// What became of a webhook, as the reply's template is told. A test of the webhooks holds that these are all.
pub const REPLY_STATUSES: &[&str] =
    &["created", "already_registered", "queued", "duplicate", "ignored", "invalid", "unauthorized", "error"];

/// What the visitor can mend, likewise; mostly nothing.
const REPLY_MENDS: [&str; 4] = ["", "email", "question", "request_id"];

/// Longest subject, in characters: mail programs cut there anyway.
const LONGEST_SUBJECT: usize = 200;

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
    /// No message uses a file of this name, or the name is not enough.
    #[error("{path}: {why}")]
    Name {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
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
    /// A report's chart cannot be drawn.
    #[error("the chart cannot be drawn: {0}")]
    Chart(String),
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

/// What must be known to choose among templates and to fill them in.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Where the shop's own templates are.
    pub directory: Option<PathBuf>,
    /// Where the shop's page is.
    pub public_url: String,
    /// What those read of whom nothing is known; empty: whatever the templates for everybody are written in.
    pub language: String,
    /// Where customers say that they want no more mail, without the token at its end; `None`: there is no such page that a
    /// mail may name.
    pub unsubscribe_page: Option<String>,
    /// What the tokens of links are signed with; `None`: no link says whose it is.
    pub link_key: Option<LinkKey>,
    /// Every channel, with the language of the shop's people who read it; empty: as above.
    pub channels: BTreeMap<ChannelAddress, String>,
}

/// The templates, ready to be filled in.
#[derive(Debug)]
pub struct Renderer {
    environment: Environment<'static>,
    variants: Variants,
    texts: Texts,
}

impl Renderer {
    /// Reads and checks every template: the compiled-in ones, and the shop's own.
    pub fn new(texts: Texts) -> Result<Self, RenderError> {
        let channels: Vec<ChannelAddress> = texts.channels.keys().cloned().collect();
        let variants = Variants::read(BUILT_IN, texts.directory.as_deref(), &channels)?;
        let mut environment = environment();
        for (variant, extension, source) in variants.all() {
            add(&mut environment, variant, extension, &source.place, &source.text)?;
        }
        let renderer = Self { environment, variants, texts };
        renderer.try_out()?;
        Ok(renderer)
    }

    /// Fills in a message's words for `channel`, which shows rich text in this notation.
    pub fn render<'a>(
        &self,
        draft: impl Into<Draft<'a>>,
        channel: &ChannelAddress,
        markup: Markup,
    ) -> Result<Rendered, RenderError> {
        let draft = draft.into();
        let variant = self.variant(draft.purpose, draft.context, channel);
        let chat_url = chat_url(&draft.context.chat_uuid);
        let unsubscribe_url = self.unsubscribe_url(draft);
        // A chat is not bothered with it.
        let footer = unsubscribe_url.as_deref().filter(|_| markup == Markup::Html);
        let picture = picture(draft, markup)?;
        let chart = picture.as_ref().map(|picture| format!("cid:{}", picture.content_id));
        let links = Links { chat: chat_url.as_deref(), unsubscribe: footer, chart: chart.as_deref() };
        let values = self.values(draft, links);
        let subject = one_line(&self.fill(variant, SUBJECT_PART, &values)?);
        let subject = truncate(&subject, LONGEST_SUBJECT).text.to_owned();
        let text = self.fill(variant, Markup::Plain.extension(), &values)?;
        let rich = match markup {
            Markup::Plain => text.clone(),
            _ if self.variants.has(variant, markup.extension()) => self.fill(variant, markup.extension(), &values)?,
            Markup::Html => format!("<div style=\"white-space:pre-wrap\">{}</div>\n", escape::html(&text)),
            _ => escape::escaped(&text, markup),
        };
        Ok(Rendered {
            id: draft.id,
            created_at: draft.created_at,
            purpose: draft.purpose,
            about: draft.about,
            heading: escape::escaped(&subject, markup),
            subject,
            text,
            // The shop's own templates need not show it.
            picture: picture.filter(|picture| rich.contains(&picture.content_id)),
            rich,
            chat_url,
            unsubscribe_url,
            thread: None,
            // Until the relay says when.
            attempted_at: draft.created_at,
            context: draft.context.clone(),
        })
    }

    /// The file that a message over `channel` is made from in this notation, for people; of its text, if the notation is
    /// made from that.
    pub fn template<'a>(&self, draft: impl Into<Draft<'a>>, channel: &ChannelAddress, markup: Markup) -> String {
        let draft = draft.into();
        let variant = self.variant(draft.purpose, draft.context, channel);
        let place = self.variants.place(variant, markup.extension());
        let (place, own) = place.or_else(|| self.variants.place(variant, "txt")).unwrap_or_default();
        if own { place.to_owned() } else { format!("{place} (built in)") }
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
        let variant = self.variants.choose(REPLY, None, &[language, &self.texts.language]);
        let values = context! { status, name => one_line(name), topic => one_line(topic), field, language };
        Ok(one_line(&self.fill(variant, Markup::Plain.extension(), &values)?))
    }

    /// A customer is written to in their own language, the shop's people in their channel's.
    fn variant(&self, purpose: Purpose, said: &Context, channel: &ChannelAddress) -> &Variant {
        let theirs = match purpose {
            Purpose::Welcome => said.language.as_str(),
            Purpose::Request
            | Purpose::Test
            | Purpose::Alert
            | Purpose::Acknowledged
            | Purpose::Answered
            | Purpose::Closed
            | Purpose::Report => self.texts.channels.get(channel).map_or("", String::as_str),
        };
        self.variants.choose(purpose.as_str(), Some(channel), &[theirs, &self.texts.language])
    }

    /// The language of those of whom nothing is known; empty: whatever the templates for everybody are written in.
    pub fn language(&self) -> &str {
        &self.texts.language
    }

    fn values(&self, draft: Draft<'_>, links: Links<'_>) -> Value {
        let (said, nothing) = (draft.context, Report::default());
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
            language => one_line(&said.language),
            chat_url => links.chat.unwrap_or_default(),
            public_url => self.texts.public_url.as_str(),
            welcome_url => self.welcome_url(draft),
            by => one_line(&said.by),
            note => said.note.trim(),
            unsubscribe_url => links.unsubscribe.unwrap_or_default(),
            report => report::view(
                said.report.as_deref().unwrap_or(&nothing),
                &self.texts.public_url,
                links.chart.unwrap_or_default(),
            ),
        }
    }

    fn fill(&self, variant: &Variant, extension: &str, values: &Value) -> Result<String, RenderError> {
        let name = variant.name(extension);
        let filled = self.environment.get_template(&name).and_then(|template| template.render(values));
        let mut text = filled.map_err(|error| {
            let file = if extension == SUBJECT_PART { Markup::Plain.extension() } else { extension };
            understand(self.variants.place(variant, file).map_or(name.as_str(), |(place, _)| place), &error)
        })?;
        text.truncate(text.trim_end().len());
        text.push('\n');
        Ok(text.trim_start_matches('\n').to_owned())
    }

    /// Fills in every template with everything and with nothing, so that a mistake in one shows now and not at its first
    /// customer.
    fn try_out(&self) -> Result<(), RenderError> {
        for (variant, extension, _) in self.variants.all() {
            let Some(purpose) = variant.purpose() else {
                self.try_out_reply(variant)?;
                continue;
            };
            for said in [Context::default(), everything()] {
                let (id, created_at, about) =
                    (MessageId::from_bytes([0; 16]), Timestamp::from_millis(0), About::default());
                let draft = Draft { id, created_at, purpose, about, context: &said };
                let address = Some("https://shop.example/").filter(|_| !said.name.is_empty());
                let values = self.values(draft, Links { chat: address, unsubscribe: address, chart: address });
                self.fill(variant, extension, &values)?;
                if extension == Markup::Plain.extension() {
                    self.fill(variant, SUBJECT_PART, &values)?;
                }
            }
        }
        Ok(())
    }

    fn try_out_reply(&self, variant: &Variant) -> Result<(), RenderError> {
        let said = [("", ""), ("Ana", "Sales")];
        for (status, field) in REPLY_STATUSES.iter().flat_map(|status| REPLY_MENDS.map(|field| (*status, field))) {
            for (name, topic) in said {
                let values = context! { status, name, topic, field, language => "es" };
                self.fill(variant, Markup::Plain.extension(), &values)?;
            }
        }
        Ok(())
    }
}

/// A message about which all is known.
fn everything() -> Context {
    let text = || "Ana".to_owned();
    Context {
        name: text(),
        email: EmailAddress::parse("ana@shop.example").ok(),
        phone: "+34600123456".to_owned(),
        topic: text(),
        topic_unknown: true,
        question: text(),
        source: text(),
        chat_uuid: text(),
        language: "es".to_owned(),
        landbot_customer_id: "1".to_owned(),
        by: text(),
        note: text(),
        report: Some(Box::new(Report::example())),
    }
}

/// What a mail shows beside its words: of a report, its chart, unless nobody registered.
fn picture(draft: Draft<'_>, markup: Markup) -> Result<Option<Picture>, RenderError> {
    let report = draft.context.report.as_ref().filter(|_| markup == Markup::Html && draft.purpose == Purpose::Report);
    let Some(report) = report.filter(|report| report.peak().is_some()) else { return Ok(None) };
    let bytes = chart::draw(&report.parts).map_err(|error| RenderError::Chart(error.to_string()))?;
    Ok(Some(Picture { content_id: format!("chart-{}@umishop", draft.id), bytes }))
}
