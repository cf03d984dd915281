//! The ways to answer a customer: links that open a mail, a call or a chat.

use poem_openapi::Object;
use url::form_urlencoded::byte_serialize;

use crate::domain::{Context, EmailAddress, Phone, User};
use crate::render::chat_url;
use crate::store::RequestEntry;

/// A way to answer.
#[derive(Debug, Object)]
pub(super) struct ReplyItem {
    /// What it opens: `Mail`, `Call`, `WhatsApp` or `Landbot chat`.
    label: String,
    /// The link.
    href: String,
}

impl ReplyItem {
    fn new(label: &str, href: String) -> Self {
        Self { label: label.to_owned(), href }
    }
}

/// Every way to answer whoever asked, the usual ones first.
pub(super) fn ways(entry: &RequestEntry) -> Vec<ReplyItem> {
    let RequestEntry { request, user } = entry;
    let said = Context::of_request(user.as_ref(), request);
    let mail = said.email.as_ref().map(|email| ReplyItem::new("Mail", mailto(email, &said.topic)));
    let phone = user.as_ref().and_then(|User { phone, .. }| phone.as_ref()?.e164.as_deref());
    let phone = phone.filter(|phone| Phone::is_e164(phone));
    let call = phone.map(|phone| ReplyItem::new("Call", format!("tel:{phone}")));
    let whatsapp =
        phone.map(|phone| ReplyItem::new("WhatsApp", format!("https://wa.me/{}", phone.trim_start_matches('+'))));
    let chat = chat_url(&said.chat_uuid).map(|url| ReplyItem::new("Landbot chat", url));
    [mail, call, whatsapp, chat].into_iter().flatten().collect()
}

/// A mail to the customer about the topic (RFC 6068).
fn mailto(to: &EmailAddress, topic: &str) -> String {
    // A form writes a space as `+`, which a mail program would show.
    let written = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let address = to
        .as_str()
        .rsplit_once('@')
        .map_or_else(|| written(to.as_str()), |(local, domain)| format!("{}@{}", written(local), written(domain)));
    if topic.is_empty() {
        return format!("mailto:{address}");
    }
    format!("mailto:{address}?subject=Re:%20{}", written(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_an_address_or_a_topic_can_add_to_the_mail() {
        let to = EmailAddress::parse("ana+shop&bcc=eva@example.com").unwrap();
        assert_eq!(
            mailto(&to, "Ventas & más?bcc=x"),
            "mailto:ana%2Bshop%26bcc%3Deva@example.com?subject=Re:%20Ventas%20%26%20m%C3%A1s%3Fbcc%3Dx"
        );
        assert_eq!(mailto(&EmailAddress::parse("ana@example.com").unwrap(), ""), "mailto:ana@example.com");
    }
}
