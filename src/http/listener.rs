//! Accepts connections.
//!
//! poem's own acceptor leaves Nagle's algorithm on, which costs 40 ms on small answers, and turns a lack of file
//! descriptors into a busy loop. This one sets `TCP_NODELAY` and pauses.

use std::io;
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;

/// How long to wait when no connection can be accepted, as when all file descriptors are in use.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts TCP connections for the server.
pub struct TcpAcceptor {
    listener: TcpListener,
    clock: Clock,
}

impl TcpAcceptor {
    /// On a socket that listens already.
    pub const fn new(listener: TcpListener, clock: Clock) -> Self {
        Self { listener, clock }
    }
}

impl Acceptor for TcpAcceptor {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.listener.local_addr().map(|address| LocalAddr(address.into())).into_iter().collect()
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    stream.set_nodelay(true)?;
                    let local = LocalAddr(stream.local_addr()?.into());
                    return Ok((stream, local, RemoteAddr(remote.into()), Scheme::HTTP));
                }
                Err(error) => {
                    tracing::warn!(%error, "Could not accept a connection");
                    self.clock.sleep_until(None, PAUSE).await;
                }
            }
        }
    }
}
