//! Mail addresses that are safe to hand to an SMTP server.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::one_line;

/// Why a text is not an address we can write to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a mail address we can write to: {0}")]
pub struct EmailAddressError(&'static str);

/// A mail address, lower-cased: `local@domain` in plain ASCII.
///
/// Stricter than RFC 5321: quoted local parts, address literals, bare host names and non-ASCII local parts are
/// refused, because an address goes into SMTP commands unescaped and our client sends no SMTPUTF8.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads an address as a person types it; spaces around it, `mailto:` and `<…>` are forgiven.
    pub fn parse(text: &str) -> Result<Self, EmailAddressError> {
        let text = text.trim();
        let text = text.strip_prefix("mailto:").unwrap_or(text);
        let text = text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text);
        if text.len() > 254 {
            return Err(EmailAddressError("longer than 254 characters"));
        }
        if !text.is_ascii() {
            return Err(EmailAddressError("it has letters outside a-z"));
        }
        if text.bytes().any(|b| b.is_ascii_control() || b.is_ascii_whitespace() || br#""<>()[],;:\"#.contains(&b)) {
            return Err(EmailAddressError("it has a character that no address has"));
        }
        let options =
            email_address::Options::default().with_required_tld().without_domain_literal().without_display_text();
        match email_address::EmailAddress::parse_with_options(text, options) {
            Ok(address) => Ok(Self(address.as_str().to_ascii_lowercase())),
            Err(_) => Err(EmailAddressError("expected something like name@example.com")),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EmailAddress {
    type Err = EmailAddressError;

    fn from_str(text: &str) -> Result<Self, EmailAddressError> {
        Self::parse(text)
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|error| serde::de::Error::custom(format!("`{text}`: {error}")))
    }
}

/// Why a text is not a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `Name <name@example.com>` or `name@example.com`: {0}")]
pub struct MailboxError(#[from] EmailAddressError);

/// An address with the name to show beside it: `UmiShop <hello@umishop.example>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name, on one line; empty when there is none.
    pub name: String,
    /// The address.
    pub address: EmailAddress,
}

impl Mailbox {
    /// Reads `Name <address>` or a bare address.
    pub fn parse(text: &str) -> Result<Self, MailboxError> {
        let text = text.trim();
        match text.split_once('<') {
            Some((name, address)) if text.ends_with('>') => Ok(Self {
                name: one_line(name.trim().trim_matches('"')),
                address: EmailAddress::parse(address.trim_end_matches('>'))?,
            }),
            _ => Ok(Self { name: String::new(), address: EmailAddress::parse(text)? }),
        }
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|error| serde::de::Error::custom(format!("`{text}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lower_cased_and_trimmed() {
        for typed in ["ana@example.com", " Ana@Example.COM ", "<ana@example.com>", "mailto:ana@example.com"] {
            assert_eq!(EmailAddress::parse(typed).unwrap().as_str(), "ana@example.com", "{typed}");
        }
        assert!(EmailAddress::parse("ana.ruiz+shop@mail.example.co.uk").is_ok());
    }

    #[test]
    fn what_could_speak_smtp_is_refused() {
        for bad in [
            "",
            "ana",
            "ana@",
            "@example.com",
            "ana@localhost",
            "ana@[127.0.0.1]",
            "\"a b\"@example.com",
            "\"a>\"@example.com",
            "a@b.co>\r\nRCPT TO:<evil@b.co",
            "a@b.co\r\nBcc: evil@b.co",
            "a@b.co, c@d.co",
            "ä@b.co",
            "Foo <a@b.co>",
            "a@b.co\0",
            "a..b@example.com",
            "a b@example.com",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@example.com", "a".repeat(260))).is_err());
    }

    #[test]
    fn a_mailbox_has_a_name_or_none() {
        let mailbox = Mailbox::parse("UmiShop <hello@umishop.example>").unwrap();
        assert_eq!((mailbox.name.as_str(), mailbox.address.as_str()), ("UmiShop", "hello@umishop.example"));
        assert_eq!(Mailbox::parse("hello@umishop.example").unwrap().name, "");
        assert!(Mailbox::parse("UmiShop <nobody>").is_err());
    }
}
