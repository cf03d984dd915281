//! Mail, over SMTP servers.
//!
//! A channel's mail goes to the customer (a welcome) or to the channel's own `to` (everything else). `server` says
//! where, `servers` over which of several, `mail` what, `smtp` and `conversation` how, and `verdict` what a server's
//! answer means. This does not look up a recipient's own mail server: a shop sends through its provider, which does.

mod conversation;
mod mail;
mod server;
mod servers;
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

pub(super) use self::mail::{head, lines};
use self::server::Server;
use self::servers::{Servers, Taken};
use self::smtp::{Access, Smtp};
use super::api::wrong;
use super::tls::CaFile;
use super::{Channel, Checked, Kind, Pace, Sender, of_own_address};
use crate::domain::{ContactField, EmailAddress, Mailbox, Markup, Outcome, Rendered, Scope};

/// Mail.
pub(super) const KIND: Kind = Kind {
    name: "email",
    summary: "Sends mail through an SMTP server, or the next one when that fails.",
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
spare_servers = [{ server = "smtps://smtp.example.net:465", username = "shop", password = "correct-horse" }] # while `server` fails
"#,
    pasted: &[
        "smtps://{username}:{password}@{smtps:server}",
        "smtp+starttls://{username}:{password}@{smtp+starttls:server}",
    ],
    notes: r"
- **Shared**: `from`; and `server` with its `ca_file`, `username`, `password` and `spare_servers`, which go together: a
  channel with a server of its own takes none of them. With the shipped configuration a second address needs one key, `to`.
- **Spare servers** are tried in their order, in the same attempt, when `server` is down or takes no mail from you. Each
  has its own `username`, `password` and `ca_file`, or none. One that failed is left aside for 30 s, later for up to ten
  minutes. What a server says of the mail or its recipient is final, and a mail whose answer was lost goes to no other
  server within that attempt.
- **Who gets it**: a welcome goes to the customer, everything else to `to`; a route to a channel without `to` is refused.
  A reply to a question's mail goes to the customer.
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
| `…; taken by smtp.example.net:465` | a spare server took it: see in the log why the first one did not |
",
    meanings: &[],
    shared: &[&["server", "ca_file", "username", "password", "spare_servers"], &["from"]],
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
    #[serde(default)]
    spare_servers: Vec<Entrance>,
}

/// One server and how to enter it.
// No Debug: it holds a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entrance {
    server: Server,
    username: Option<String>,
    password: Option<SecretString>,
    ca_file: Option<CaFile>,
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
    servers: Servers,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    if settings.timeout.is_zero() {
        return Err(wrong("timeout", "a step needs some time: write something like \"30s\""));
    }
    let Settings { server, username, password, ca_file, .. } = settings;
    let smtp = |entrance: Entrance, place: &str| -> Result<Smtp, figment::Error> {
        Ok(Smtp::new(Access {
            credentials: credentials(entrance.username, entrance.password, place)?,
            server: entrance.server,
            ca_file: entrance.ca_file,
            greeting_name: settings.from.address.domain().to_owned(),
            timeout: settings.timeout,
            connections: settings.connections,
        }))
    };
    let mut servers = vec![smtp(Entrance { server, username, password, ca_file }, "")?];
    for (index, spare) in settings.spare_servers.into_iter().enumerate() {
        servers.push(smtp(spare, &format!("spare_servers.{index}."))?);
    }
    let servers = Servers::new(servers);
    Ok(Arc::new(Email { from: settings.from, to: settings.to, reply_to: settings.reply_to, servers }))
}

/// The login that stands at `place`, if there is one.
fn credentials(
    username: Option<String>,
    password: Option<SecretString>,
    place: &str,
) -> Result<Option<(String, SecretString)>, figment::Error> {
    match (username.filter(|username| !username.is_empty()), password) {
        (Some(username), Some(password)) => Ok(Some((username, password))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(wrong(&format!("{place}password"), "there is a `username` but no `password`: write both or neither"))
        }
        (None, Some(_)) => {
            Err(wrong(&format!("{place}username"), "there is a `password` but no `username`: write both or neither"))
        }
    }
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

    fn writes_to(&self) -> Option<ContactField> {
        Some(ContactField::Email)
    }

    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        Ok(self.mail(message, &self.recipients(message)?))
    }

    async fn deliver(&self, message: &Rendered) -> Outcome {
        let to = match self.recipients(message) {
            Ok(to) => to,
            Err(why) => return Outcome::dead(Scope::Message, why, ""),
        };
        match self.servers.send(&self.from.address, &to, &self.mail(message, &to)).await {
            Ok(taken) => Outcome::delivered(reference(taken)),
            Err(outcome) if message.customer().is_none() => of_own_address(outcome),
            Err(outcome) => outcome,
        }
    }

    async fn check(&self) -> Vec<Checked> {
        self.servers.check(&self.from.address).await
    }

    fn sender(&self) -> Option<Sender> {
        Some(Sender { address: self.from.address.clone(), hosts: self.servers.hosts() })
    }
}

/// What the server said, which one it was if not the first, and whom it left out.
fn reference(taken: Taken) -> String {
    let mut reference = taken.accepted.reply.line();
    if let Some(server) = taken.by {
        reference = format!("{reference}; taken by {server}");
    }
    for (recipient, failure) in taken.accepted.refused {
        reference = format!("{reference}; not for {recipient}: {}", failure.outcome().explanation());
    }
    reference
}

/// `"a@b.example"` or `["a@b.example", "c@d.example"]`.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EmailAddress>, D::Error> {
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
