//! What a message says, and whom and what it is about.

use serde::{Deserialize, Serialize};

use super::{
    ContactField, EmailAddress, Mailbox, Origin, Phone, Report, Request, RequestChange, RequestId, User, UserId,
    language_of,
};

/// What a message says about its customer and their request, fixed when the message is made, so that every attempt
/// sends the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The customer's name; may be empty.
    pub name: String,
    /// The customer's mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// The customer's phone number, international when it could be understood, else as it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// The topic as it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Whether no route names the topic, so that the catch-all took it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub topic_unknown: bool,
    /// The question.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Where the customer came from, in one readable line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Landbot's name for the chat, when it told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chat_uuid: String,
    /// The language that the customer reads, as a tag; empty when nothing tells.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// Landbot's number for the customer, when it told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub landbot_customer_id: String,
    /// Who changed the request's state, if they said; in a follow-up.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// What they said about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Where customers came from; in a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<Report>>,
}

impl Context {
    /// What a message to or about `user` says.
    pub fn of_user(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            email: user.email.clone(),
            phone: user.phone.as_ref().map_or_else(String::new, |phone| phone.best().to_owned()),
            source: user.origin.source(),
            chat_uuid: user.origin.chat_uuid.clone().unwrap_or_default(),
            language: language_of(&user.language, user.phone.as_ref()).to_owned(),
            landbot_customer_id: user.landbot_customer_id.clone().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The same, said of `request`, too.
    #[must_use]
    pub fn with_request(mut self, request: &Request) -> Self {
        request.topic.as_str().clone_into(&mut self.topic);
        self.topic_unknown = request.topic_unknown;
        self.question.clone_from(&request.question);
        self
    }

    /// What a message about `request` says. Where the customer came from this time tells more than the first time, unless
    /// it tells nothing.
    pub fn of_request(user: Option<&User>, request: &Request) -> Self {
        let mut context = user.map(Self::of_user).unwrap_or_default().with_request(request);
        let source = request.origin.source();
        if source != Origin::DIRECT || context.source.is_empty() {
            context.source = source;
        }
        if let Some(chat_uuid) = &request.origin.chat_uuid {
            context.chat_uuid.clone_from(chat_uuid);
        }
        context.in_chat_of(&request.origin)
    }

    /// The same, in the chat of this visit: on the web Landbot gives a customer another number in every bot, and what
    /// is said in an old chat nobody reads.
    #[must_use]
    pub fn in_chat_of(mut self, origin: &Origin) -> Self {
        if let Some(id) = &origin.landbot_customer_id {
            self.landbot_customer_id.clone_from(id);
        }
        self
    }

    /// The customer's address for a channel that knows customers by `field`: only what can be one.
    pub fn address(&self, field: ContactField) -> Option<&str> {
        match field {
            ContactField::Email => self.email.as_ref().map(EmailAddress::as_str),
            ContactField::Phone => Some(self.phone.as_str()).filter(|phone| Phone::is_e164(phone)),
            // Landbot counts its customers.
            ContactField::LandbotCustomerId => Some(self.landbot_customer_id.as_str())
                .filter(|id| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())),
        }
    }

    /// What a message says about a change of `request`.
    pub fn of_change(user: Option<&User>, request: &Request, change: &RequestChange) -> Self {
        Self { by: change.by.clone(), note: change.note.clone(), ..Self::of_request(user, request) }
    }

    /// Where an answer to the customer goes by mail.
    pub fn reply_to(&self) -> Option<Mailbox> {
        self.email.clone().map(|address| Mailbox { name: self.name.clone(), address })
    }
}

/// Whom and what a message is about. Receivers that keep messages of one customer, or about one request, together know
/// them by these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The customer.
    pub user: Option<UserId>,
    /// The request.
    pub request: Option<RequestId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_an_address_is_one() {
        let context = |phone: &str, id: &str| Context {
            phone: phone.into(),
            landbot_customer_id: id.into(),
            ..Context::default()
        };
        let (phone, landbot) = (ContactField::Phone, ContactField::LandbotCustomerId);
        assert_eq!(context("+34612345678", "161808359").address(phone), Some("+34612345678"));
        assert_eq!(context("+34612345678", "161808359").address(landbot), Some("161808359"));
        for odd in ["", "612345678", "+34 612", "+12", "+1234567890123456", "+3461234567a"] {
            assert_eq!(context(odd, "").address(phone), None, "{odd}");
        }
        for odd in ["", "../1", "1/2", "a1", "123456789012345678901"] {
            assert_eq!(context("", odd).address(landbot), None, "{odd}");
        }
        assert_eq!(Context::default().address(ContactField::Email), None);
    }
}
