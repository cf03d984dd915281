//! The client that carries requests: ureq, with its defaults mended.
//!
//! By itself it would wait for ever, follow redirects, go through whatever proxy the environment names, look the host up
//! anew, on a new thread, for every request even of a kept connection, and connect to whatever address is found. It also
//! does not tell whether a request that failed can have reached the receiver at all; this one does.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport};
use ureq::{Agent, Timeout};

use super::reach::{NotPublic, Reach};
use super::tls;

/// Longest time to find and reach a receiver that is there at all.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// Many servers close a quiet connection after five seconds; ours is given up first.
const LONGEST_IDLE: Duration = Duration::from_secs(4);

/// How long a host's addresses are remembered.
const ADDRESSES_LAST: Duration = Duration::from_secs(30);

/// An HTTP client with the rules above, for whoever plays a visitor of this server.
pub fn agent(https: bool, timeout: Duration) -> Agent {
    agent_within(Reach::Everywhere, https, timeout)
}

/// An HTTP client that connects to what `reach` takes, and to nothing else.
pub(super) fn agent_within(reach: Reach, https: bool, timeout: Duration) -> Agent {
    let roots = if https && tls::system_has_roots() { RootCerts::PlatformVerifier } else { RootCerts::WebPki };
    let config = Config::builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(timeout))
        .timeout_resolve(Some(timeout.min(LONGEST_CONNECT)))
        .timeout_connect(Some(timeout.min(LONGEST_CONNECT)))
        .max_idle_connections(64)
        .max_idle_connections_per_host(64)
        .max_idle_age(LONGEST_IDLE)
        .input_buffer_size(16 * 1024)
        .output_buffer_size(16 * 1024)
        .max_response_header_size(16 * 1024)
        .user_agent(concat!("umishop/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(tls::provider()).build())
        .build();
    Agent::with_parts(config, Opening(DefaultConnector::default()), Remembering { reach, ..Remembering::default() })
}

/// The receiver was never reached, so that nothing can have been sent.
#[derive(Debug)]
pub(super) struct NotReached(String);

impl fmt::Display for NotReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the receiver cannot be reached: {}", self.0)
    }
}

impl std::error::Error for NotReached {}

/// Marks what goes wrong before a request can be sent; deadlines speak for themselves.
fn not_reached(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Timeout(_) => ureq::Error::Timeout(Timeout::Connect),
        other => ureq::Error::Other(Box::new(NotReached(other.to_string()))),
    }
}

/// ureq's own connector; see [`not_reached`].
#[derive(Debug)]
struct Opening(DefaultConnector);

impl Connector<()> for Opening {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained).map_err(not_reached)
    }
}

/// ureq's own resolver, asked only now and then. An agent speaks to one host alone, so one answer is all there is. A
/// connection goes to an address that stands in it, so this is where those are left out that may not be connected to:
/// whatever the name leads to at the next look, or for somebody else, is of no use to anybody.
#[derive(Default)]
struct Remembering {
    reach: Reach,
    resolver: DefaultResolver,
    known: Mutex<Option<(Instant, ResolvedSocketAddrs)>>,
}

impl fmt::Debug for Remembering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembering")
    }
}

impl Resolver for Remembering {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((since, addresses)) = known
            && since.elapsed() < ADDRESSES_LAST
        {
            return Ok(addresses);
        }
        let found = self.resolver.resolve(uri, config, timeout).map_err(not_reached)?;
        let mut addresses = self.empty();
        found.iter().filter(|found| self.reach.takes(found.ip())).for_each(|found| addresses.push(*found));
        if let (true, Some(refused)) = (addresses.is_empty(), found.first()) {
            let host = uri.host().unwrap_or_default().to_owned();
            return Err(ureq::Error::Other(Box::new(NotPublic { host, address: refused.ip() })));
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}
