//! Puts a message into the form of a mail (RFC 5322).
//!
//! The bytes are a pure function of the message and the addresses: Message-ID, Date and boundary come from the
//! message itself, so that a mail sent twice is the same mail, and its receiver can tell. No text can add a header:
//! names and subject are brought to one line here, and encoded (RFC 2047) by the builder. Nor can one that is written
//! as such an encoding itself be read as what it encodes.

use std::borrow::Cow;

use mail_send::mail_builder::MessageBuilder;
use mail_send::mail_builder::headers::address::Address;
use mail_send::mail_builder::headers::content_type::ContentType;
use mail_send::mail_builder::headers::raw::Raw;
use mail_send::mail_builder::mime::MimePart;

use crate::domain::{EmailAddress, Mailbox, Picture, Rendered, one_line};

/// The mail that carries `message` from `from` to `to`.
pub(super) fn compose(message: &Rendered, from: &Mailbox, to: &[EmailAddress], reply_to: Option<&Mailbox>) -> Vec<u8> {
    let recipients: Vec<Address<'_>> = match (message.customer(), to) {
        (Some(customer), [only]) if customer == only => vec![address(&message.context.name, only)],
        _ => to.iter().map(|to| address("", to)).collect(),
    };
    let customer = message.reply_to();
    let mut mail = MessageBuilder::new()
        .message_id(format!("{}@{}", message.id, from.address.domain()))
        .header("Date", Raw::new(message.created_at.to_rfc_2822()))
        .from(address(&from.name, &from.address))
        .to(Address::new_list(recipients));
    if let Some(reply_to) = customer.as_ref().or(reply_to) {
        mail = mail.reply_to(address(&reply_to.name, &reply_to.address));
    }
    for (name, value) in message.unsubscribe_headers() {
        mail = mail.header(name, Raw::new(value));
    }
    let alternatives = ContentType::new("multipart/alternative").attribute("boundary", boundary("=_", message));
    let html = MimePart::new("text/html", lines(&message.rich));
    let rich = match &message.picture {
        Some(picture) => with_picture(html, picture, message),
        None => html,
    };
    let parts = vec![MimePart::new("text/plain", lines(&message.text)), rich];
    let mut bytes = Vec::new();
    mail.subject(head(&message.subject))
        // RFC 3834: keeps holiday notices from answering.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .body(MimePart::new(alternatives, parts))
        .serialize(&mut bytes);
    bytes
}

/// The HTML together with the picture that it shows (RFC 2387).
fn with_picture<'a>(html: MimePart<'a>, picture: &'a Picture, message: &Rendered) -> MimePart<'a> {
    let related = ContentType::new("multipart/related")
        .attribute("type", "text/html")
        .attribute("boundary", boundary("=picture_", message));
    let image = MimePart::new("image/png", picture.bytes.as_slice()).inline().cid(picture.content_id.as_str());
    MimePart::new(related, vec![html, image])
}

/// What parts the text from the HTML, or that from its picture: the same on every attempt, and nothing that stands in
/// any of them. Neither begins as the other does.
fn boundary(mark: &str, message: &Rendered) -> String {
    let mut boundary = format!("{mark}{}", message.id);
    while message.text.contains(&boundary) || message.rich.contains(&boundary) {
        boundary.push('_');
    }
    boundary
}

/// Text for a header: on one line, and literal. ASCII is written as it is, and mail programs decode an encoded word
/// (`=?utf-8?Q?=0D=0A?=`) wherever they see one, so that a customer could call themselves what [`one_line`] takes out. The
/// zero-width space breaks the word up, and makes the builder encode the text, once.
pub(in crate::channel) fn head(text: &str) -> String {
    one_line(text).replace("=?", "=\u{200B}?")
}

/// Text for a body: the builder leaves a lone CR and a NUL as they are, and no mail may have either (RFC 5322 §2.2, §4).
pub(in crate::channel) fn lines(text: &str) -> Cow<'_, str> {
    if !text.contains(['\r', '\0']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{FFFD}"))
}

fn address<'a>(name: &str, address: &'a EmailAddress) -> Address<'a> {
    let name = head(name);
    Address::new_address((!name.is_empty()).then_some(name), address.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{About, Context, MessageId, Purpose, Timestamp};

    fn rendered(purpose: Purpose, name: &str, subject: &str, text: &str) -> Rendered {
        let created_at = Timestamp::from_millis(1_795_509_000_000);
        let email = Some(EmailAddress::parse("ana@example.com").unwrap());
        Rendered {
            id: MessageId::new(created_at),
            created_at,
            purpose,
            about: About::default(),
            subject: subject.into(),
            heading: subject.into(),
            text: text.into(),
            rich: format!("<p>{text}</p>"),
            picture: None,
            chat_url: None,
            unsubscribe_url: None,
            thread: None,
            attempted_at: created_at,
            context: Context { name: name.into(), email, ..Context::default() },
        }
    }

    fn mail(message: &Rendered) -> String {
        let from = Mailbox::parse("UmiShop <hello@umishop.example>").unwrap();
        let to = match message.customer() {
            Some(customer) => customer.clone(),
            None => EmailAddress::parse("sales@umishop.example").unwrap(),
        };
        String::from_utf8(compose(message, &from, &[to], None)).unwrap()
    }

    /// Name and value of every header, unfolded.
    fn headers(mail: &str) -> Vec<(String, String)> {
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded
            .split("\r\n")
            .map(|line| line.split_once(": ").map(|(name, value)| (name.into(), value.trim().into())).unwrap())
            .collect()
    }

    fn header(mail: &str, name: &str) -> Option<String> {
        headers(mail).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    #[test]
    fn a_welcome_goes_to_the_customer_by_name() {
        let message = rendered(Purpose::Welcome, "Ana Ruíz", "Welcome", "Hello");
        let mail = mail(&message);
        assert_eq!(header(&mail, "Message-ID").unwrap(), format!("<{}@umishop.example>", message.id));
        assert_eq!(header(&mail, "Date").unwrap(), "Tue, 24 Nov 2026 08:30:00 +0000");
        assert_eq!(header(&mail, "Auto-Submitted").unwrap(), "auto-generated");
        assert!(header(&mail, "From").unwrap().ends_with("<hello@umishop.example>"), "{mail}");
        assert!(
            header(&mail, "To").unwrap().starts_with("=?utf-8?")
                && header(&mail, "To").unwrap().ends_with("<ana@example.com>"),
            "{mail}"
        );
        assert_eq!(header(&mail, "Reply-To"), None);
        assert!(mail.contains("text/plain") && mail.contains("text/html"), "{mail}");
    }

    #[test]
    fn an_answer_to_a_request_goes_to_the_customer() {
        let mail = mail(&rendered(Purpose::Request, "Ana", "Sales", "How much?"));
        assert!(header(&mail, "To").unwrap().contains("<sales@umishop.example>"), "{mail}");
        assert!(header(&mail, "Reply-To").unwrap().ends_with("<ana@example.com>"), "{mail}");
    }

    #[test]
    fn a_name_that_is_written_as_an_encoded_word_stays_what_was_written() {
        let word = "=?utf-8?Q?Boss_=3Cboss=40umishop=2Eexample=3E=0D=0A?=";
        let mail = mail(&rendered(Purpose::Welcome, word, word, "Hello"));
        assert!(!mail.contains("Boss_=3C"), "{mail}");
        let read = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
        let shown = word.replace("=?", "=\u{200B}?");
        assert_eq!((read.to().unwrap().first().unwrap().name(), read.subject()), (Some(&*shown), Some(&*shown)));
    }

    #[test]
    fn no_mail_has_a_nul_or_a_lone_cr() {
        let mail = mail(&rendered(Purpose::Welcome, "", "", "one\rtwo\0\r\n.\nthree"));
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n', '\0']), "{mail:?}");
        let read = mail_parser::MessageParser::default().parse(mail.as_bytes()).unwrap();
        assert_eq!(read.body_text(0).unwrap().replace("\r\n", "\n"), "one\ntwo\u{FFFD}\n.\nthree");
    }

    proptest! {
        #[test]
        fn no_text_adds_a_header_or_a_long_line(name in any::<String>(), subject in any::<String>(), text in any::<String>(), evil in "\r?\n?Bcc: x@y.z\r?\n?") {
            let message = rendered(Purpose::Request, &format!("{name}{evil}"), &format!("{evil}{subject}{evil}{name}"), &text.repeat(40));
            let mail = mail(&message);
            prop_assert_eq!(&mail, &self::mail(&message), "the same message is the same mail");
            let names: Vec<String> = headers(&mail).into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(names.join(" "), "Message-ID Date From To Reply-To Subject Auto-Submitted MIME-Version Content-Type");
            prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998));
            prop_assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF");
        }
    }
}
