//! Accepts connections: not too many, and none that takes too long.
//!
//! poem's own acceptor leaves Nagle's algorithm on, which costs 40 ms on small answers, turns a lack of file
//! descriptors into a busy loop, and waits for ever for a head that drips in. This one sets `TCP_NODELAY`, pauses,
//! counts, and wraps what it accepts in a [`Connection`].

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use self::connection::Connection;
use self::exchange::Patience;
use self::slots::{Full, Slot, Slots};
use super::client::Proxies;
use super::tally::Tally;
use crate::clock::Clock;
use crate::metrics::ConnectionMetrics;

mod connection;
mod exchange;
mod refusals;
mod slots;

/// How long to wait when no connection can be accepted, as when all file descriptors are in use.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections may wait to be accepted; the system allows no more than its `somaxconn`. With the usual 128 a
/// burst of callers costs some of them a second, until their system tries again.
const BACKLOG: u32 = 1024;

/// How much of an answer the system takes before its caller does, for each connection. By itself Linux takes up to 4 MB,
/// so that callers who read nothing could fill its memory, and would look as if they had read everything.
const SEND_BUFFER: u32 = 128 * 1024;

/// Listens at `address`.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a restart need not wait until the old connections are forgotten.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How many connections there may be, and how long they may take.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// How long a head may take to arrive: from the connection's opening, or from a later request's first byte.
    pub header_timeout: Duration,
    /// How long a request may take to arrive and its answer to be taken.
    pub request_timeout: Duration,
    /// How long a connection may rest between two requests.
    pub idle_timeout: Duration,
    /// How many there may be.
    pub connections: usize,
    /// How many there may be from one address; a trusted proxy may take all.
    pub connections_per_address: usize,
    /// The proxies that are trusted.
    pub proxies: Proxies,
}

/// Accepts TCP connections for the server.
pub struct TcpAcceptor {
    listener: TcpListener,
    clock: Clock,
    patience: Patience,
    proxies: Proxies,
    slots: Arc<Slots>,
    too_many: Tally,
    too_many_from_address: Tally,
    failed: Tally,
}

impl TcpAcceptor {
    /// On a socket that listens already.
    pub fn new(listener: TcpListener, clock: Clock, limits: ConnectionLimits, metrics: Arc<ConnectionMetrics>) -> Self {
        let ConnectionLimits { header_timeout, request_timeout, idle_timeout, .. } = limits;
        Self {
            listener,
            clock,
            patience: Patience { head: header_timeout, request: request_timeout, idle: idle_timeout },
            proxies: limits.proxies,
            slots: Slots::new(limits.connections, limits.connections_per_address, metrics),
            too_many: Tally::default(),
            too_many_from_address: Tally::default(),
            failed: Tally::default(),
        }
    }

    /// A slot for a connection from `remote`. `None`: there is none left, which is told to the log once in a while.
    fn slot(&self, remote: SocketAddr) -> Option<Slot> {
        let address = remote.ip().to_canonical();
        match self.slots.take((!self.proxies.trust(address)).then_some(address)) {
            Ok(slot) => return Some(slot),
            Err(Full::InAll) => {
                if let Some(count) = self.too_many.count(self.clock.now()) {
                    tracing::warn!(count, "Refused {count} connections: all that [server] connections allows are open");
                }
            }
            Err(Full::FromAddress) => {
                if let Some(count) = self.too_many_from_address.count(self.clock.now()) {
                    tracing::warn!(
                        count,
                        client = %address,
                        "Refused {count} connections from addresses that have as many open as [server] connections_per_address allows, the last from {address}"
                    );
                }
            }
        }
        None
    }
}

impl Acceptor for TcpAcceptor {
    type Io = Connection<TcpStream>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.listener.local_addr().map(|address| LocalAddr(address.into())).into_iter().collect()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            let (stream, remote) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(count) = self.failed.count(self.clock.now()) {
                        tracing::warn!(%error, count, "Could not accept a connection, {count} times: {error}");
                    }
                    self.clock.sleep_until(None, PAUSE).await;
                    continue;
                }
            };
            let Some(slot) = self.slot(remote) else {
                refuse(stream);
                continue;
            };
            stream.set_nodelay(true)?;
            let local = LocalAddr(stream.local_addr()?.into());
            let connection = Connection::new(stream, self.patience, slot);
            return Ok((connection, local, RemoteAddr(remote.into()), Scheme::HTTP));
        }
    }
}

/// Closes a connection, and says why if that costs no waiting.
fn refuse(stream: TcpStream) {
    // The caller may be gone, or see only the closing: nothing is lost, it was never accepted.
    drop(stream.into_std().and_then(|mut stream| stream.write(refusals::TOO_MANY)));
}
