//! Tables for spreadsheets: comma-separated values, as RFC 4180 has them, in which nothing is run.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::domain::{EmailAddress, Message, Origin, Phone, User};
use crate::store::{RequestEntry, UserTouch};

/// What a spreadsheet knows UTF-8 by.
pub const BYTE_ORDER_MARK: &str = "\u{FEFF}";

/// A table that is being written.
pub struct Sheet<W: Write>(csv::Writer<W>);

impl<W: Write> Sheet<W> {
    /// Begins an empty one.
    pub fn new(out: W) -> Self {
        Self(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out))
    }

    /// Adds a row.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        for cell in cells {
            self.0.write_field(harmless(cell).as_bytes())?;
        }
        self.0.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// Adds the row of one thing.
    pub fn add<T: Listed>(&mut self, thing: &T) -> io::Result<()> {
        self.row(thing.cells().iter().map(AsRef::as_ref))
    }

    /// Writes out what is left.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Sheet<Vec<u8>> {
    /// Takes what was written so far.
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        self.0.flush()?;
        let written = std::mem::replace(&mut self.0, csv::Writer::from_writer(Vec::new()));
        let bytes = written.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        *self = Self::new(Vec::with_capacity(bytes.len()));
        Ok(bytes)
    }
}

/// A cell that begins like a formula gets an apostrophe before it (OWASP, "CSV injection"): what a customer's link said
/// must never be run.
fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}").into() } else { text.into() }
}

/// What has a row of its own in an export.
pub trait Listed {
    /// The names of the columns. Where they name what a bot tells, they are a bot's, so that an import understands them.
    const HEADINGS: &'static [&'static str];

    /// The row.
    fn cells(&self) -> Vec<Cow<'_, str>>;
}

/// The columns of [`origin`].
macro_rules! headings {
    ($($own:literal),*) => {
        &[$($own,)* "utm_source", "utm_medium", "utm_campaign", "ref", "referrer", "landing_page", "channel", "country", "origin"]
    };
}

fn origin(origin: &Origin) -> [Cow<'_, str>; 9] {
    let tag = |name: &str| Cow::from(origin.utm.get(name).map(String::as_str).unwrap_or_default());
    let Origin { referral, referrer, landing_page, channel, country, text, .. } = origin;
    [
        tag("utm_source"),
        tag("utm_medium"),
        tag("utm_campaign"),
        told(referral.as_deref()),
        told(referrer.as_deref()),
        told(landing_page.as_deref()),
        told(channel.as_deref()),
        told(country.as_deref()),
        told(text.as_deref()),
    ]
}

fn told(text: Option<&str>) -> Cow<'_, str> {
    text.unwrap_or_default().into()
}

fn shown(value: Option<impl ToString>) -> Cow<'static, str> {
    value.map(|value| value.to_string()).unwrap_or_default().into()
}

impl Listed for User {
    const HEADINGS: &'static [&'static str] =
        headings!("id", "name", "email", "phone", "landbot_customer_id", "language", "created_at", "registered_at");

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let own = [
            shown(Some(self.id)),
            self.name.as_str().into(),
            told(self.email.as_ref().map(EmailAddress::as_str)),
            told(self.phone.as_ref().map(Phone::best)),
            told(self.landbot_customer_id.as_deref()),
            self.language.as_str().into(),
            shown(Some(self.created_at)),
            shown(self.registered_at),
        ];
        own.into_iter().chain(origin(&self.origin)).collect()
    }
}

impl Listed for RequestEntry {
    const HEADINGS: &'static [&'static str] = headings!(
        "id",
        "created_at",
        "state",
        "topic",
        "topic_unknown",
        "question",
        "assignee",
        "note",
        "user_id",
        "name",
        "email",
        "phone"
    );

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let Self { request, user, .. } = self;
        let user = user.as_ref();
        let own = [
            shown(Some(request.id)),
            shown(Some(request.created_at)),
            request.state.as_str().into(),
            request.topic.as_str().into(),
            shown(Some(request.topic_unknown)),
            request.question.as_str().into(),
            request.assignee.as_str().into(),
            request.note.as_str().into(),
            shown(request.user_id),
            told(user.map(|user| user.name.as_str())),
            told(user.and_then(|user| user.email.as_ref()).map(EmailAddress::as_str)),
            told(user.and_then(|user| user.phone.as_ref()).map(Phone::best)),
        ];
        own.into_iter().chain(origin(&request.origin)).collect()
    }
}

/// A message, and the customer's address that it goes to, which its channel alone can tell; empty: it goes to your people.
pub struct AddressedMessage {
    /// The message.
    pub message: Message,
    /// The address.
    pub recipient: String,
}

impl Listed for AddressedMessage {
    const HEADINGS: &'static [&'static str] = &[
        "id",
        "created_at",
        "due_at",
        "finished_at",
        "state",
        "purpose",
        "channel",
        "handed_over_from",
        "attempts",
        "reference",
        "last_error",
        "user_id",
        "request_id",
        "recipient",
        "name",
    ];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let Self { message, recipient } = self;
        vec![
            shown(Some(message.id)),
            shown(Some(message.created_at)),
            shown(Some(message.due_at)),
            shown(message.finished_at),
            message.state.as_str().into(),
            message.purpose.as_str().into(),
            message.channel.as_str().into(),
            shown(message.handed_over_from.as_ref()),
            shown(Some(message.attempts)),
            message.reference.as_str().into(),
            message.last_error.as_str().into(),
            shown(message.user_id),
            shown(message.request_id),
            recipient.as_str().into(),
            message.context.name.as_str().into(),
        ]
    }
}

impl Listed for UserTouch {
    const HEADINGS: &'static [&'static str] = headings!("user_id", "at");

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let own = [shown(Some(self.user_id)), shown(Some(self.touch.at))];
        own.into_iter().chain(origin(&self.touch.origin)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_customer_sent_is_a_formula() {
        let written = |cells: &[&str]| {
            let mut sheet = Sheet::new(Vec::new());
            sheet.row(cells.iter().copied()).unwrap();
            String::from_utf8(sheet.take().unwrap()).unwrap()
        };
        let cells = ["=1+1", "+1", "-1", "@x", "\tx", "a,b", "say \"hi\"", "plain", "", "two\nlines"];
        let expected = "'=1+1,'+1,'-1,'@x,'\tx,\"a,b\",\"say \"\"hi\"\"\",plain,,\"two\nlines\"\r\n";
        assert_eq!(written(&cells), expected);
        assert_eq!(written(&[""]), "\"\"\r\n");
    }

    #[test]
    fn every_row_has_a_cell_for_each_heading() {
        let touch = crate::store::Touch { at: crate::domain::Timestamp::from_millis(0), origin: Origin::default() };
        let user_id = crate::domain::UserId::from_bytes([0; 16]);
        assert_eq!(UserTouch { number: 1, user_id, touch }.cells().len(), UserTouch::HEADINGS.len());
    }
}
