//! Receivers that cost next to nothing: they answer, note the time and count.
//!
//! Each lives on its own thread. It can be made *silent*: it then accepts connections and answers nothing, as a receiver
//! that hangs does. That is how a backlog is built up without touching the database: the relay is stuck with what it
//! may send at once, and everything else waits, due.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::{find, header};

/// One message that came.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    /// When all of it was there.
    pub(crate) at: Instant,
    /// The customer's number, where the sink can see it (SMTP's recipient).
    pub(crate) number: Option<u32>,
}

/// What the sink speaks.
#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    /// HTTP/1.1 with kept connections; answers every request 200 `{"ok":true}`.
    Http,
    /// SMTP without extensions that matter; accepts every mail.
    Smtp,
}

#[derive(Default)]
struct Seen {
    silent: AtomicBool,
    open: AtomicUsize,
    most_open: AtomicUsize,
    arrivals: Mutex<Vec<Arrival>>,
}

/// A running sink. Its thread ends with the process.
pub(crate) struct Sink {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Sink {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn start(protocol: Protocol) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("the sink cannot listen")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&seen);
        std::thread::Builder::new().name("sink".into()).spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                while let Ok((stream, _)) = listener.accept().await {
                    let seen = Arc::clone(&shared);
                    tokio::spawn(async move {
                        let open = seen.open.fetch_add(1, Ordering::Relaxed) + 1;
                        seen.most_open.fetch_max(open, Ordering::Relaxed);
                        // A connection that breaks is the sender's to notice.
                        let _ = converse(protocol, stream, &seen).await;
                        seen.open.fetch_sub(1, Ordering::Relaxed);
                    });
                }
            });
        })?;
        Ok(Self { address, seen })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether connections from now on get no answer.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.seen.silent.store(silent, Ordering::Relaxed);
    }

    /// How many connections were open at once, at most, since [`Sink::forget`].
    pub(crate) fn most_connections(&self) -> usize {
        self.seen.most_open.load(Ordering::Relaxed)
    }

    /// Starts counting anew.
    pub(crate) fn forget(&self) {
        self.seen.most_open.store(0, Ordering::Relaxed);
        self.seen.lock().clear();
    }

    /// Waits until `count` messages came, and gives them in the order of their coming. Gives up when none comes for
    /// ten seconds.
    pub(crate) fn wait_for(&self, count: usize) -> Result<Vec<Arrival>> {
        let (mut had, mut changed) = (0, Instant::now());
        loop {
            let have = self.seen.lock().len();
            if have >= count {
                return Ok(self.seen.lock().clone());
            }
            if have != had {
                (had, changed) = (have, Instant::now());
            }
            anyhow::ensure!(
                changed.elapsed() < Duration::from_secs(10),
                "only {have} of {count} messages reached the sink"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self, number: Option<u32>) {
        self.lock().push(Arrival { at: Instant::now(), number });
    }
}

async fn converse(protocol: Protocol, mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    if seen.silent.load(Ordering::Relaxed) {
        while stream.read_buf(&mut buffer).await? > 0 {
            buffer.clear();
        }
        return Ok(());
    }
    let mut mail = Mail::default();
    let mut reply = Vec::with_capacity(512);
    if matches!(protocol, Protocol::Smtp) {
        stream.write_all(b"220 sink ESMTP\r\n").await?;
    }
    while stream.read_buf(&mut buffer).await? > 0 {
        let used = match protocol {
            Protocol::Http => take_requests(&buffer, &mut reply, seen),
            Protocol::Smtp => mail.take_lines(&buffer, &mut reply, seen),
        };
        buffer.drain(..used);
        if !reply.is_empty() {
            stream.write_all(&reply).await?;
            reply.clear();
        }
    }
    Ok(())
}

/// Answers every complete request in `bytes`; returns how many bytes they were.
fn take_requests(bytes: &[u8], reply: &mut Vec<u8>, seen: &Seen) -> usize {
    let mut used = 0;
    while let Some(end) = find(&bytes[used..], b"\r\n\r\n") {
        let head = &bytes[used..used + end];
        let length = header(head, b"content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let next = used + end + 4 + length.unwrap_or(0);
        if bytes.len() < next {
            break;
        }
        used = next;
        seen.arrived(None);
        reply.extend_from_slice(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}",
        );
    }
    used
}

/// Where an SMTP conversation stands.
#[derive(Default)]
struct Mail {
    in_data: bool,
    number: Option<u32>,
}

impl Mail {
    /// Answers every complete line in `bytes`; returns how many bytes they were.
    fn take_lines(&mut self, bytes: &[u8], reply: &mut Vec<u8>, seen: &Seen) -> usize {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            if self.in_data {
                // The dot may come right after DATA, or after the last line's end.
                let Some(end) =
                    rest.starts_with(b".\r\n").then_some(3).or_else(|| find(rest, b"\r\n.\r\n").map(|at| at + 5))
                else {
                    return used;
                };
                used += end;
                self.in_data = false;
                seen.arrived(self.number.take());
                reply.extend_from_slice(b"250 2.0.0 accepted\r\n");
                continue;
            }
            let Some(end) = find(rest, b"\r\n") else { return used };
            self.answer(&rest[..end], reply);
            used += end + 2;
        }
    }

    fn answer(&mut self, line: &[u8], reply: &mut Vec<u8>) {
        let verb = line.get(..4).map(<[u8]>::to_ascii_uppercase).unwrap_or_default();
        reply.extend_from_slice(match verb.as_slice() {
            b"EHLO" => b"250-sink\r\n250-8BITMIME\r\n250-SIZE 10485760\r\n250 ENHANCEDSTATUSCODES\r\n",
            b"RCPT" => {
                self.number = number_before_at(line);
                b"250 2.1.5 ok\r\n"
            }
            b"DATA" => {
                self.in_data = true;
                b"354 go\r\n"
            }
            b"QUIT" => b"221 2.0.0 bye\r\n",
            _ => b"250 2.0.0 ok\r\n",
        });
    }
}

/// The digits before the `@`.
fn number_before_at(line: &[u8]) -> Option<u32> {
    let before = &line[..line.iter().position(|byte| *byte == b'@')?];
    let digits = before.len() - before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&before[digits..]).ok()?.parse().ok()
}
