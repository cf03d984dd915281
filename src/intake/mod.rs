//! What a bot sent -> domain values. Pure: bytes in, values out.
//!
//! A chatbot is built by shop people in a visual editor, sends no Content-Type unless told to, pastes answers into JSON as
//! text, and tries once: what is refused here is a customer lost. So this module reads whatever it can in four steps, each
//! a file: `body` finds out what the bytes are and mends what a template breaks (`repair`), `envelope` unwraps the shapes
//! in which fields arrive, `aliases` knows their names, and `gather` chooses among the values that are not missing (`text`)
//! and cuts them to size.
//!
//! It decides nothing: whether a contact is needed, what a topic's route is, and what to answer are for others.

mod aliases;
mod body;
mod envelope;
mod gather;
mod repair;
mod table;
mod text;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::envelope::{Content, Place};
pub use self::table::{Columns, Row};
use crate::domain::{Contact, Country, EmailAddress, EmailAddressError, Origin, Phone, Told, Topic, User, language_of};

/// One webhook as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its headers, their names in lower case.
    pub headers: &'a [(String, String)],
    /// The URL after `?`.
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// The headers that are read: what the body is, and what names the call. None of them is a secret.
pub const READ_HEADERS: &[&str] = &["content-type", "idempotency-key", "sentry-trace", "x-umishop-test"];

impl Received<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        debug_assert!(READ_HEADERS.contains(&name), "{name} is missing in READ_HEADERS");
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }
}

/// What a webhook turned out to be.
#[derive(Debug)]
pub enum Reading {
    /// What it tells about a customer and what they want.
    Fields(Box<Fields>),
    /// A MessageHook that is not a customer's message: to be acknowledged, with nothing to keep.
    Ignored {
        /// Why, for the log.
        why: &'static str,
    },
}

/// Nobody can tell what the body says. The reason names the place in it and never quotes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unreadable {
    /// What is wrong, and where.
    pub why: String,
}

impl Unreadable {
    fn new(why: String) -> Self {
        Self { why }
    }
}

/// What a bot told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The customer's name, on one line; may be empty.
    pub name: String,
    /// Their mail address, or why it is none.
    pub email: Option<Result<EmailAddress, EmailAddressError>>,
    /// Their phone.
    pub phone: Option<Phone>,
    /// What they ask about; may be empty.
    pub topic: Topic,
    /// What they ask; may be empty.
    pub question: String,
    /// Where they came from.
    pub origin: Origin,
    /// Language tag (`es`, `pt-BR`); empty when unknown.
    pub language: String,
    /// The sender's own name for the request, which makes it the same when it comes again.
    pub request_id: Option<String>,
    /// Names the delivery of a MessageHook, and is the same when it is delivered again.
    pub trace: Option<String>,
    /// Whether this is a rehearsal: to be answered in full and not kept.
    pub test: bool,
    /// What was mended, cut or left out, for the log; no values.
    pub notes: Vec<String>,
}

impl Fields {
    /// The ways to know the customer again.
    pub fn contact(&self) -> Contact {
        Contact {
            email: self.email.as_ref().and_then(|email| email.as_ref().ok()).cloned(),
            phone: self.phone.clone(),
            landbot_customer_id: self.origin.landbot_customer_id.clone(),
        }
    }

    /// The language that the customer reads, as a tag; empty when nothing tells.
    pub fn reads(&self) -> &str {
        language_of(&self.language, self.phone.as_ref())
    }

    /// The same of a customer who is known from earlier: what is told now counts before what was told then. Whoever only
    /// types somebody's mail address must not learn what they read: the call must know them by something else as well.
    pub fn read_by<'a>(&'a self, user: &'a User) -> &'a str {
        let (phone, landbot) = (&self.phone, &self.origin.landbot_customer_id);
        let same_phone = phone.is_some() && *phone == user.phone;
        let same_chat = landbot.is_some() && *landbot == user.landbot_customer_id;
        if !same_phone && !same_chat {
            return self.reads();
        }
        let told = if self.language.is_empty() { &user.language } else { &self.language };
        language_of(told, self.phone.as_ref().or(user.phone.as_ref()))
    }

    /// Everything that was told, under our own names, for a person to look at.
    pub fn told_fields(&self) -> BTreeMap<String, String> {
        let email = self.email.as_ref().map(|email| match email {
            Ok(address) => address.to_string(),
            Err(error) => format!("({error})"),
        });
        let own = [
            ("name", Some(self.name.clone())),
            ("email", email),
            ("phone", self.phone.as_ref().map(|phone| phone.best().to_owned())),
            ("topic", Some(self.topic.as_str().to_owned())),
            ("question", Some(self.question.clone())),
            ("language", Some(self.language.clone())),
            ("request_id", self.request_id.clone()),
            ("test", self.test.then(|| "true".to_owned())),
        ];
        let mut fields = self.origin.fields();
        let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fields.extend(own.filter(|(_, value)| !value.is_empty()));
        fields
    }

    /// What routes look at.
    pub fn told(&self) -> Told<'_> {
        Told { topic: &self.topic, origin: &self.origin, phone: self.phone.as_ref(), language: &self.language }
    }
}

/// Reads a webhook. `default_country` is where phones without a calling code are, unless the body names a country.
pub fn read(received: &Received<'_>, default_country: Country) -> Result<Reading, Unreadable> {
    let mut notes = Vec::new();
    let mut given = Vec::new();
    envelope::flatten(body::decode_pairs(received.query), Place::Query, false, &mut given);
    let body = body::decode(received, &mut notes)?;
    match envelope::open(body, received, &mut given, &mut notes)? {
        Content::Ignored { why } => Ok(Reading::Ignored { why }),
        Content::Fields { trace } => {
            Ok(Reading::Fields(Box::new(gather::gather(given, trace, received, default_country, notes))))
        }
    }
}
