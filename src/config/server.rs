//! `[server]`: where umishop listens, and what it puts up with there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use figment::value::Value;
use ipnet::IpNet;
use url::Url;

use super::Server;
use super::problems::shown_text;
use super::reader::Reader;
use super::tree::{child, path};

/// Longest deadline of a connection.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// Most connections that can be asked for.
const MOST_CONNECTIONS: u32 = 1_000_000;

pub(super) fn server(reader: &mut Reader<'_>) -> Option<Server> {
    let listen = reader.parse("server.listen", "an address like 127.0.0.1:8000", "127.0.0.1:8000", |text| {
        let text = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}")).unwrap_or(text.to_owned());
        text.parse::<SocketAddr>().ok()
    });
    let public_url =
        reader.parse("server.public_url", "an address like https://shop.example", "https://shop.example", public_url);
    let trusted_proxies = trusted_proxies(reader);
    let header_timeout = timeout(reader, "server.header_timeout", "10s");
    let request_timeout = timeout(reader, "server.request_timeout", "30s");
    let idle_timeout = timeout(reader, "server.idle_timeout", "3m");
    if header_timeout > request_timeout && request_timeout.is_some() {
        let mend = reader.write(&path("server.request_timeout"), "30s");
        reader.problem(&path("server.request_timeout"), "shorter than header_timeout, which is a part of it", mend);
    }
    let connections = reader.number("server.connections", 1..=MOST_CONNECTIONS, 1024);
    let connections_per_address = reader.number("server.connections_per_address", 1..=MOST_CONNECTIONS, 64);
    let server = Server {
        listen: listen?,
        public_url: public_url?,
        trusted_proxies,
        header_timeout: header_timeout?,
        request_timeout: request_timeout?,
        idle_timeout: idle_timeout?,
        connections: usize::try_from(connections?).ok()?,
        connections_per_address: usize::try_from(connections_per_address?).ok()?,
    };
    warn(reader, &server);
    Some(server)
}

fn warn(reader: &mut Reader<'_>, server: &Server) {
    if reader.sandbox && !server.listen.ip().is_loopback() {
        reader.warning(
            &path("server.listen"),
            "the sandbox listens to the network, and anybody who reaches it may call the webhooks",
            "write listen = \"127.0.0.1:8000\" unless that is what you want",
        );
    }
    match &server.public_url {
        None if !reader.sandbox => reader.warning(
            &path("server.public_url"),
            "empty, so that mails and Landbot's set-up cannot name this server",
            "write the address your visitors use, as in public_url = \"https://shop.example\"",
        ),
        Some(url) if url.starts_with("http://") && !reader.sandbox => reader.warning(
            &path("server.public_url"),
            "Landbot calls only https:// addresses",
            "put umishop behind a proxy with a certificate, and write its https:// address",
        ),
        _ => {}
    }
}

/// `None`: not an address. `Some(None)`: no address.
#[expect(clippy::option_option, reason = "unreadable and empty are two things")]
fn public_url(text: &str) -> Option<Option<String>> {
    if text.is_empty() {
        return Some(None);
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    let is_plain =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    is_plain.then(|| Some(url.as_str().trim_end_matches('/').to_owned()))
}

fn trusted_proxies(reader: &mut Reader<'_>) -> Vec<IpNet> {
    let list = path("server.trusted_proxies");
    let mut networks = Vec::new();
    let texts = reader.value("server.trusted_proxies").and_then(Value::as_array).unwrap_or_default();
    for (index, text) in texts.iter().filter_map(Value::as_str).enumerate() {
        if let Some(network) = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
            networks.push(network);
            continue;
        }
        let found = if reader.is_public(&list) { format!(", found {}", shown_text(text)) } else { String::new() };
        let what = format!("expected an address or a network like 10.0.0.0/8{found}");
        let mend = reader.write_as(&list, "[\"127.0.0.1\", \"::1\"]", "127.0.0.1,::1");
        reader.problem(&child(&list, &index), what, mend);
    }
    networks
}

/// A deadline of a connection.
fn timeout(reader: &mut Reader<'_>, key: &str, example: &str) -> Option<Duration> {
    let timeout = reader.duration(key, example)?;
    if (Duration::from_millis(1)..=LONGEST_TIMEOUT).contains(&timeout) {
        return Some(timeout);
    }
    let mend = reader.write(&path(key), example);
    reader.problem(&path(key), "expected a time of at most one day, and longer than nothing", mend);
    None
}
