//! A message with its words filled in, ready for a channel to put on the wire.

use serde_json::{Value, json};

use super::{About, ContactField, Context, EmailAddress, Mailbox, MessageId, Purpose, Timestamp};

/// The notation a channel shows rich text in. Each has its own escaping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Markup {
    /// No notation: text as it is.
    Plain,
    /// HTML, for mail.
    Html,
    /// Slack's mrkdwn.
    Mrkdwn,
    /// Markdown, as chats read it.
    Markdown,
    /// HTML with nothing but inline tags (b, i, a, code) and blockquote; a line break is a line break.
    Inline,
}

impl Markup {
    /// The last part of a template's file name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Plain => "txt",
            Self::Html => "html",
            Self::Mrkdwn => "mrkdwn",
            Self::Markdown => "md",
            Self::Inline => "inline",
        }
    }
}

/// A picture that stands among the words of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// What the words call it (`cid:…`, RFC 2392): its name in the world.
    pub content_id: String,
    /// A PNG.
    pub bytes: Vec<u8>,
}

/// A message with its words filled in: a pure function of the message and its templates, so that every attempt
/// sends the same bytes; and what the relay knows of the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The message's name, for Message-ID and idempotency key.
    pub id: MessageId,
    /// When the message was made, for a Date header.
    pub created_at: Timestamp,
    /// What it is for.
    pub purpose: Purpose,
    /// Whom and what it is about.
    pub about: About,
    /// One line of plain text.
    pub subject: String,
    /// The same in the channel's notation.
    pub heading: String,
    /// The text without any notation.
    pub text: String,
    /// The same in the channel's notation; the plain text where the channel has none.
    pub rich: String,
    /// The picture that `rich` shows, if it shows one.
    pub picture: Option<Picture>,
    /// Opens the customer's chat, when it is known.
    pub chat_url: Option<String>,
    /// Where its customer says that they want no more mail (RFC 8058), when it goes to one who can.
    pub unsubscribe_url: Option<String>,
    /// What the receiver calls the first message about this customer, where messages are kept in threads: looked up anew
    /// for each attempt.
    pub thread: Option<String>,
    /// When this attempt began, for a signature that grows old. Nothing but this and `thread` may differ between two
    /// attempts.
    pub attempted_at: Timestamp,
    /// What the message says, field by field.
    pub context: Context,
}

impl Rendered {
    /// The customer it goes to, or whom the operator tries it out on; `None` when it goes to the channel's own address.
    pub fn customer(&self) -> Option<&EmailAddress> {
        self.context.email.as_ref().filter(|_| self.purpose.may_go_to_customer())
    }

    /// The customer's address for a channel that knows customers by `field`; `None` when the message goes to the
    /// channel's own address, or the customer has none of these.
    pub fn customer_at(&self, field: ContactField) -> Option<&str> {
        self.context.address(field).filter(|_| self.purpose.may_go_to_customer())
    }

    /// The headers of a mail that tell its reader's program how to get no more, without asking them to open a page
    /// (RFC 8058).
    pub fn unsubscribe_headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let url = self.unsubscribe_url.iter();
        url.flat_map(|url| {
            [
                ("List-Unsubscribe", format!("<{url}>")),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
            ]
        })
    }

    /// Where an answer goes, when it does not go to the sender.
    pub fn reply_to(&self) -> Option<Mailbox> {
        if self.purpose == Purpose::Request { self.context.reply_to() } else { None }
    }

    /// Everything, for a channel whose body is a template of the shop's own.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id, "purpose": self.purpose, "created_at": self.created_at, "subject": self.subject, "text": self.text,
            "chat_url": self.chat_url, "unsubscribe_url": self.unsubscribe_url, "name": self.context.name, "email": self.context.email, "phone": self.context.phone,
            "topic": self.context.topic, "topic_unknown": self.context.topic_unknown, "question": self.context.question,
            "source": self.context.source,
        })
    }
}
