//! A mail as its reader's program shows it, decoded by other code than wrote it.

use mail_parser::{Address, MessageParser};

/// What a person sees of a mail, and what their program goes by.
#[derive(Debug)]
pub(crate) struct Letter {
    /// The names of its headers, in order.
    pub(crate) headers: Vec<String>,
    pub(crate) message_id: String,
    /// As it stands there.
    pub(crate) date: String,
    /// `Name <address>`, decoded.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) reply_to: String,
    pub(crate) subject: String,
    pub(crate) auto_submitted: String,
    /// The part without notation.
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Letter {
    pub(crate) fn read(raw: &str) -> Self {
        let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
        assert_eq!((mail.text_body_count(), mail.html_body_count()), (1, 1), "{raw}");
        let header = |name: &str| mail.header_raw(name).unwrap_or_default().trim().to_owned();
        let part = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap().replace("\r\n", "\n");
        Self {
            headers: mail.headers().iter().map(|header| header.name().to_owned()).collect(),
            message_id: mail.message_id().unwrap_or_default().to_owned(),
            date: header("Date"),
            from: shown(mail.from()),
            to: shown(mail.to()),
            reply_to: shown(mail.reply_to()),
            subject: mail.subject().unwrap_or_default().to_owned(),
            auto_submitted: header("Auto-Submitted"),
            text: part(mail.body_text(0)),
            html: part(mail.body_html(0)),
        }
    }
}

fn shown(addresses: Option<&Address<'_>>) -> String {
    let shown = addresses.into_iter().flat_map(Address::iter).map(|one| match (one.name(), one.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (None, Some(address)) => address.to_owned(),
        other => panic!("no address: {other:?}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}
