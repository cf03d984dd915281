//! The load client: N kept connections, each of which sends its next request when the answer to the last is complete.
//!
//! It shares the machine's cores with the program it measures, so it does as little as can be done: one thread, request
//! bytes made once (only the digits of the customer's number change), no JSON, no HTTP library. It checks every answer
//! all the same: a fast refusal must not look like a fast success.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// How long after the end of a run an answer is still waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is posted: bytes with runs of `#`, each of which becomes the customer's number.
#[derive(Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    digits: Vec<std::ops::Range<usize>>,
}

impl Request {
    /// A registration. `run` keeps the addresses of one run apart from those of another.
    pub(crate) fn registration(run: &str) -> Self {
        let customer = customer(run);
        Self::post("/umishop_api/user", &format!("{{{customer}}}"))
    }

    /// A question about `topic`.
    pub(crate) fn question(run: &str, topic: &str) -> Self {
        let customer = customer(run);
        Self::post(
            "/umishop_api/topic",
            &format!(r#"{{{customer},"topic":"{topic}","question":"Does number ######### come in blue as well?"}}"#),
        )
    }

    fn post(path: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Self { digits: runs_of_hashes(text.as_bytes()), bytes: text.into_bytes() }
    }

    /// The bytes for customer number `number`.
    pub(crate) fn numbered(&mut self, number: u32) -> &[u8] {
        for run in &self.digits {
            let mut rest = number;
            for digit in self.bytes[run.clone()].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        &self.bytes
    }
}

/// `username` rather than `name`: every server with these webhooks knows it.
fn customer(run: &str) -> String {
    format!(r#""username":"Ana #########","email":"ana.{run}.#########@example.com","phone":"+346########""#)
}

fn runs_of_hashes(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'#') {
        match runs.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

/// Which answers count as a success.
#[derive(Clone, Copy)]
pub(crate) enum Success {
    /// Status 200 and `"ok":true`, as umishop promises.
    Umishop,
    /// Any status from 200 to 299, for another server with the same webhooks.
    AnyTwoHundred,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// When this many requests were sent.
    Requests(u32),
    /// After a second of warming up and this long of measuring.
    After(Duration),
}

/// One run.
pub(crate) struct Load {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// What.
    pub(crate) request: Request,
    /// Over how many connections.
    pub(crate) connections: usize,
    /// Until when.
    pub(crate) end: End,
    /// What is a success.
    pub(crate) success: Success,
}

/// What came of a run.
pub(crate) struct Loaded {
    /// Successes per second of the measured time.
    pub(crate) per_second: f64,
    /// Latencies of the measured successes, sorted.
    pub(crate) latencies: Latencies,
    /// Successes, whether measured or not.
    pub(crate) accepted: u32,
    /// Answers that were no success, and connections that broke. Any makes the figures worthless.
    pub(crate) failed: u32,
    /// The first failure, in words.
    pub(crate) failure: Option<String>,
}

/// Durations, sorted.
#[derive(Clone, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sorts them.
    pub(crate) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The duration that this part of all does not exceed, in milliseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let rank = (self.0.len() as f64 * part).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// What the connections of one run share; all on one thread.
struct Run {
    load: Load,
    next: Cell<u32>,
    begin: Instant,
    stop_sending: Option<Instant>,
    measured: RefCell<Vec<Duration>>,
    last: Cell<Instant>,
    accepted: Cell<u32>,
    failed: Cell<u32>,
    failure: RefCell<Option<String>>,
}

impl Load {
    /// Runs it on this thread.
    pub(crate) fn run(self) -> Result<Loaded> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
        let start = Instant::now();
        let (begin, stop_sending) = match self.end {
            End::Requests(_) => (start, None),
            End::After(measuring) => (start + Duration::from_secs(1), Some(start + Duration::from_secs(1) + measuring)),
        };
        let connections = self.connections;
        let run = Rc::new(Run {
            load: self,
            next: Cell::new(1),
            begin,
            stop_sending,
            measured: RefCell::default(),
            last: Cell::new(begin),
            accepted: Cell::new(0),
            failed: Cell::new(0),
            failure: RefCell::default(),
        });
        let local = LocalSet::new();
        let conversations: Vec<_> = (0..connections).map(|_| local.spawn_local(Rc::clone(&run).converse())).collect();
        local.block_on(&runtime, async {
            for conversation in conversations {
                let late = async {
                    match run.stop_sending {
                        Some(stop) => tokio::time::sleep_until((stop + PATIENCE).into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    _ = conversation => (),
                    () = late => run.fail("no answer".to_owned()),
                }
            }
        });
        Ok(run.report())
    }
}

impl Run {
    /// The number of the next customer; `None` when the run has ended.
    fn take_number(&self) -> Option<u32> {
        let number = self.next.get();
        let over = match self.load.end {
            End::Requests(all) => number > all,
            End::After(_) => self.stop_sending.is_some_and(|stop| Instant::now() >= stop),
        };
        self.next.set(number + u32::from(!over));
        (!over).then_some(number)
    }

    async fn converse(self: Rc<Self>) {
        let mut request = self.load.request.clone();
        let mut connection = None;
        while let Some(number) = self.take_number() {
            let sent = Instant::now();
            match self.ask(&mut connection, request.numbered(number)).await {
                Ok(answer) if answer.is(self.load.success) => self.succeed(sent),
                Ok(answer) => self.fail(answer.describe()),
                Err(error) => {
                    self.fail(error.to_string());
                    connection = None;
                    if error.kind() == io::ErrorKind::ConnectionRefused {
                        return;
                    }
                }
            }
        }
    }

    async fn ask(&self, connection: &mut Option<Connection>, request: &[u8]) -> io::Result<Answer> {
        let mut open = match connection.take() {
            Some(open) => open,
            None => Connection::open(self.load.address).await?,
        };
        open.stream.write_all(request).await?;
        let answer = open.read_answer().await?;
        if !answer.closes {
            *connection = Some(open);
        }
        Ok(answer)
    }

    fn succeed(&self, sent: Instant) {
        let now = Instant::now();
        self.accepted.set(self.accepted.get() + 1);
        if now >= self.begin && self.stop_sending.is_none_or(|stop| now <= stop) {
            self.measured.borrow_mut().push(now - sent);
            self.last.set(now);
        }
    }

    fn fail(&self, why: String) {
        self.failed.set(self.failed.get() + 1);
        self.failure.borrow_mut().get_or_insert(why);
    }

    fn report(&self) -> Loaded {
        let measured = self.measured.take();
        let seconds = self.stop_sending.unwrap_or(self.last.get()).duration_since(self.begin).as_secs_f64();
        Loaded {
            per_second: measured.len() as f64 / seconds,
            latencies: Latencies::new(measured),
            accepted: self.accepted.get(),
            failed: self.failed.get(),
            failure: self.failure.take(),
        }
    }
}

/// A kept connection and what was read from it.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The parts of an answer that are looked at.
pub(crate) struct Answer {
    status: [u8; 3],
    says_ok: bool,
    closes: bool,
    head: String,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Posts and reads the answer, which must be umishop's success.
    pub(crate) async fn post(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        let answer = self.read_answer().await?;
        anyhow::ensure!(answer.is(Success::Umishop), "unexpected answer: {}", answer.describe());
        Ok(())
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before the answer"));
            }
            if let Some(answer) = Answer::parse(&self.buffer)? {
                return Ok(answer);
            }
        }
    }
}

impl Answer {
    /// `None`: there is more to come.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, body) = (&bytes[..end], &bytes[end + 4..]);
        let length = header(head, b"content-length")
            .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an answer without Content-Length"))?;
        if body.len() < length {
            return Ok(None);
        }
        let status = head.get(9..12).and_then(|digits| digits.try_into().ok()).unwrap_or(*b"???");
        let says_ok = find(body, br#""ok":true"#).is_some();
        let closes = header(head, b"connection").is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"close"));
        let good = status == *b"200" && says_ok;
        let head =
            if good { String::new() } else { String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned() };
        Ok(Some(Self { status, says_ok, closes, head }))
    }

    fn is(&self, success: Success) -> bool {
        match success {
            Success::Umishop => self.status == *b"200" && self.says_ok,
            Success::AnyTwoHundred => self.status[0] == b'2',
        }
    }

    fn describe(&self) -> String {
        self.head.replace("\r\n", " | ")
    }
}

/// Where `needle` begins.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// The value of the header `name`, given in lower case.
pub(crate) fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
    })
}
