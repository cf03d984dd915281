//! Where the mail server is, as one address: `smtp+starttls://smtp.example.com:587`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// How a connection is kept from being read by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// It is not; only for a server on this machine.
    None,
    /// It begins in the clear and is encrypted before anything is said.
    StartTls,
    /// It is encrypted from the first byte.
    Tls,
}

/// A mail server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) security: Security,
    pub(super) host: String,
    pub(super) port: u16,
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            "write smtp+starttls://HOST:587, smtps://HOST:465, or smtp://127.0.0.1:25 for a server on this machine";
        let (scheme, place) =
            text.split_once("://").ok_or_else(|| format!("a mail server's address has a scheme: {expected}"))?;
        if place.contains('@') {
            return Err(
                "the address has no room for a login: write `username` and `password` on lines of their own".to_owned()
            );
        }
        let (security, usual_port) = match scheme {
            "smtp" => (Security::None, 25),
            "smtp+starttls" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            _ => return Err(format!("`{scheme}://` is no way to reach a mail server: {expected}")),
        };
        let (host, port) = split_port(place.trim_end_matches('/'));
        let port = port
            .map_or(Ok(usual_port), str::parse)
            .map_err(|_| format!("a port is a number up to 65535: {expected}"))?;
        if host.is_empty() || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_".contains(&b)) {
            return Err(format!("that is no host name: {expected}"));
        }
        let server = Self { security, host: host.to_owned(), port };
        if security == Security::None && !server.is_loopback() {
            return Err(format!(
                "smtp:// sends everything in the clear, so it only reaches this machine: write smtp+starttls://{host}:587 or smtps://{host}:465"
            ));
        }
        Ok(server)
    }
}

impl Server {
    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Host and port of `host:port`, `host`, `[::1]:port` or `[::1]`.
fn split_port(place: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_to_connect() {
        let parsed =
            |text: &str| text.parse::<Server>().map(|server| (server.security, server.host, server.port)).unwrap();
        assert_eq!(
            parsed("smtp+starttls://smtp.sendgrid.net:587"),
            (Security::StartTls, "smtp.sendgrid.net".into(), 587)
        );
        assert_eq!(parsed("smtps://mail.example.com"), (Security::Tls, "mail.example.com".into(), 465));
        assert_eq!(parsed("smtp://[::1]:2525/"), (Security::None, "::1".into(), 2525));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for (text, complaint) in [
            ("smtp.sendgrid.net", "has a scheme"),
            ("http://mail.example.com", "no way to reach a mail server"),
            ("smtp://mail.example.com:25", "write smtp+starttls://mail.example.com:587"),
            ("smtps://me:pass@mail.example.com", "`username` and `password`"),
            ("smtps://mail.example.com:465x", "a port is a number"),
            ("smtps://mail\r\nexample.com", "no host name"),
            ("smtps://", "no host name"),
        ] {
            let error = text.parse::<Server>().unwrap_err();
            assert!(error.contains(complaint) && !error.contains("pass@"), "{text}: {error}");
        }
    }
}
