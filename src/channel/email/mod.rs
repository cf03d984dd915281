//! Mail, over one SMTP server.
//!
//! A channel's mail goes to the customer (a welcome) or to the channel's own `to` (everything else). `server` says
//! where, `mail` what, `smtp` and `conversation` how, and `verdict` what the server's answer means. This does not look
//! up a recipient's own mail server: a shop sends through its provider, which does.

mod conversation;
mod mail;
mod server;
mod smtp;
mod verdict;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use figment::Figment;
use secrecy::SecretString;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use self::server::Server;
use self::smtp::{Accepted, Access, Smtp};
use super::tls::CaFile;
use super::{Channel, Kind, Pace};
use crate::domain::{EmailAddress, Mailbox, Markup, Outcome, Rendered, Scope};

/// Mail.
pub(super) const KIND: Kind = Kind {
    name: "email",
    summary: "Sends mail through an SMTP server.",
    example: r#"
server   = "smtp+starttls://smtp.example.com:587" # smtps://…:465, or smtp:// for a server on this machine
username = "apikey"
password = "correct-horse-battery-staple"
from     = "UmiShop <hello@umishop.example>"
to       = ["sales@umishop.example"]              # not needed where mail only goes to customers
# reply_to    = "UmiShop <care@umishop.example>"  # requests: the customer
# ca_file     = "ca.pem"                          # trusted beside the system's certificates; starts where config.toml is
# timeout     = "30s"                             # of each step of a delivery
# connections = 8                                 # kept open for the next mail
"#,
    pasted: &["smtps://{username}:{password}@{smtps:server}"],
    notes: r#"
- **Shared**: `from`; and `server` with its `ca_file`, `username` and `password`, which go together: a channel with a
  server of its own takes none of them. With the shipped configuration a second address needs one key, `to`.
- **Who gets it**: a welcome goes to the customer, everything else to `to`; a route to a channel without `to` is refused.
  An answer to a request goes to the customer who asked.
- **Encryption**: `smtp+starttls://` and `smtps://` never go on in the clear; `smtp://` is refused for any machine but
  this one. A server that asks for no login needs neither `username` nor `password`.
- The same message is the same mail on every attempt, Message-ID, Date and all: a receiver can notice a repetition.

| what you read | what it means |
|---|---|
| `AUTH: 535 …` | `username` or `password` is wrong. The channel waits, messages keep their attempts |
| `MAIL FROM: 550 …` | the server does not let you send as `from`: verify that address or domain with your provider |
| `… 5.7.2x …` | the domain of `from` lacks SPF, DKIM or DMARC |
| `RCPT TO: 550 5.1.1 …` | nobody reads mail at this address. This message is dead; others to other people go on |
| `… 5.2.2 …` | their mailbox is full: tried again later |
| `the server does not offer STARTTLS` | wrong port: `smtps://` usually is 465, `smtp+starttls://` 587 |
| `TLS with the mail server failed` | the certificate is not trusted: if it is your own, name its CA in `ca_file` |
| `the mail was sent, but no answer came` | `on_unknown` decides |
"#,
    meanings: &[],
    shared: &[&["server", "ca_file", "username", "password"], &["from"]],
    pace: Pace {
        retry: &["1m", "5m", "15m", "1h", "3h", "8h", "24h", "24h"],
        concurrency: 8,
        rate: "",
        burst: 8,
        expire: "5days",
    },
    open,
};

// No Debug: it holds a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    server: Server,
    username: Option<String>,
    password: Option<SecretString>,
    from: Mailbox,
    #[serde(default, deserialize_with = "one_or_many")]
    to: Vec<EmailAddress>,
    reply_to: Option<Mailbox>,
    ca_file: Option<CaFile>,
    #[serde(default = "default_timeout", with = "humantime_serde")]
    timeout: Duration,
    #[serde(default = "default_connections")]
    connections: usize,
}

const fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

const fn default_connections() -> usize {
    8
}

struct Email {
    from: Mailbox,
    to: Vec<EmailAddress>,
    reply_to: Option<Mailbox>,
    smtp: Smtp,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let wrong = |key: &str, why: &str| Err(figment::Error::from(why.to_owned()).with_path(key));
    let username = settings.username.filter(|username| !username.is_empty());
    let credentials = match (username, settings.password) {
        (Some(username), Some(password)) => Some((username, password)),
        (None, None) => None,
        (Some(_), None) => return wrong("password", "there is a `username` but no `password`: write both or neither"),
        (None, Some(_)) => return wrong("username", "there is a `password` but no `username`: write both or neither"),
    };
    if settings.timeout.is_zero() {
        return wrong("timeout", "a step needs some time: write something like \"30s\"");
    }
    let access = Access {
        server: settings.server,
        credentials,
        ca_file: settings.ca_file,
        greeting_name: settings.from.address.domain().to_owned(),
        timeout: settings.timeout,
        connections: settings.connections,
    };
    Ok(Arc::new(Email { from: settings.from, to: settings.to, reply_to: settings.reply_to, smtp: Smtp::new(access) }))
}

impl Email {
    /// Whom the mail goes to; the error says what is missing.
    fn recipients(&self, message: &Rendered) -> Result<Vec<EmailAddress>, String> {
        match message.customer() {
            Some(customer) => Ok(vec![customer.clone()]),
            None if message.purpose == crate::domain::Purpose::Welcome => {
                Err("the customer has no mail address".to_owned())
            }
            None if self.to.is_empty() => {
                Err("this channel has no address of its own: write `to = [\"name@example.com\"]` into its table"
                    .to_owned())
            }
            None => Ok(self.to.clone()),
        }
    }

    fn mail(&self, message: &Rendered, to: &[EmailAddress]) -> Vec<u8> {
        mail::compose(message, &self.from, to, self.reply_to.as_ref())
    }
}

#[async_trait]
impl Channel for Email {
    fn markup(&self) -> Markup {
        Markup::Html
    }

    fn has_own_address(&self) -> bool {
        !self.to.is_empty()
    }

    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        Ok(self.mail(message, &self.recipients(message)?))
    }

    async fn deliver(&self, message: &Rendered) -> Outcome {
        let to = match self.recipients(message) {
            Ok(to) => to,
            Err(why) => return Outcome::dead(Scope::Message, why, ""),
        };
        match self.smtp.send(&self.from.address, &to, &self.mail(message, &to)).await {
            Ok(accepted) => Outcome::delivered(reference(accepted)),
            // The channel's own address is its destination: a mistake in it is no customer's, and must be mended.
            Err(failure) if message.customer().is_none() => of_destination(failure.outcome()),
            Err(failure) => failure.outcome(),
        }
    }
}

fn of_destination(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Dead { scope: Scope::Recipient, why, .. } => {
            Outcome::dead(Scope::Destination, why, "nobody reads mail at the channel's own address: mend its `to`")
        }
        other => other,
    }
}

/// What the server said, and whom it left out.
fn reference(accepted: Accepted) -> String {
    let mut reference = accepted.reply.line();
    for (recipient, failure) in accepted.refused {
        reference = format!("{reference}; not for {recipient}: {}", failure.outcome().explanation());
    }
    reference
}

/// `"a@b.example"` or `["a@b.example", "c@d.example"]`.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EmailAddress>, D::Error> {
    struct Addresses;

    impl<'de> Visitor<'de> for Addresses {
        type Value = Vec<EmailAddress>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mail address or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            EmailAddress::parse(text)
                .map(|address| vec![address])
                .map_err(|error| E::custom(format!("`{text}`: {error}")))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut addresses = Vec::new();
            while let Some(address) = sequence.next_element()? {
                addresses.push(address);
            }
            Ok(addresses)
        }
    }

    deserializer.deserialize_any(Addresses)
}
