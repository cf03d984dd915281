//! What a message says, made of whatever the fuzzer comes upon.

use umishop::domain::{Context, EmailAddress};

/// Name, mail address, phone, topic, whether it is unknown, question, source, chat.
pub(crate) type Words<'a> = (&'a str, &'a str, &'a str, &'a str, bool, &'a str, &'a str, &'a str);

pub(crate) fn context((name, email, phone, topic, topic_unknown, question, source, chat_uuid): Words<'_>) -> Context {
    // Few texts are an address; the others leave a known one, or none.
    let email = EmailAddress::parse(email).ok().or_else(|| {
        let known = EmailAddress::parse("ana@example.com").ok();
        known.filter(|_| !email.is_empty())
    });
    Context {
        name: name.into(),
        email,
        phone: phone.into(),
        topic: topic.into(),
        topic_unknown,
        question: question.into(),
        source: source.into(),
        chat_uuid: chat_uuid.into(),
    }
}
