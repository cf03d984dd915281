//! Servers that take what a channel sends, on real sockets of this machine, and misbehave on request.
//!
//! What a sink accepts is recorded before it answers, so that a test can compare it with what the sender believes.
//! A fault is asked for by the message itself: by the local part of a mail's recipient, by the path of a request. It
//! lasts until the test mends the sink.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustls_pki::{certificates, private_key};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What a sink has seen.
struct Seen<T> {
    accepted: Mutex<Vec<T>>,
    connections: Mutex<usize>,
    hanging: Mutex<usize>,
    mended: AtomicBool,
    changed: Notify,
}

impl<T: Clone> Seen<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            accepted: Mutex::default(),
            connections: Mutex::default(),
            hanging: Mutex::default(),
            mended: AtomicBool::default(),
            changed: Notify::new(),
        })
    }

    fn connected(&self) {
        *self.connections.lock().unwrap() += 1;
    }

    fn accept(&self, what: T) {
        self.accepted.lock().unwrap().push(what);
        self.changed.notify_waiters();
    }

    fn accepted(&self) -> Vec<T> {
        self.accepted.lock().unwrap().clone()
    }

    /// Waits until `count` have been accepted.
    async fn wait_for(&self, count: usize) -> Vec<T> {
        self.until(|| self.accepted.lock().unwrap().len() >= count).await;
        self.accepted()
    }

    /// Keeps a sender waiting until the sink is mended.
    async fn hang(&self) {
        *self.hanging.lock().unwrap() += 1;
        self.changed.notify_waiters();
        self.until(|| self.is_mended()).await;
    }

    /// Waits until `count` senders have been kept waiting.
    async fn wait_for_hanging(&self, count: usize) {
        self.until(|| *self.hanging.lock().unwrap() >= count).await;
    }

    fn mend(&self) {
        self.mended.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    fn is_mended(&self) -> bool {
        self.mended.load(Ordering::Acquire)
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            if condition() {
                return;
            }
            changed.await;
        }
    }
}

/// A mail that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Head and body, dots unstuffed.
    pub(crate) text: String,
}

/// How an SMTP sink is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    Plain,
    /// Plain, and takes commands in one go (RFC 2920).
    Pipelining,
    StartTls,
    Tls,
}

/// An SMTP server. By the local part of the first recipient that asks for something:
/// `perm550` `full552` `busy421` at RCPT · `grey451` at the first RCPT of that address · `data554` after the text ·
/// `dmarc550` after the text · `drop` cuts after the text · `dropafter` records, then cuts · `hang` does not answer.
/// AUTH takes `apikey` with the password `secret` alone. A sink made by [`answering`](Self::answering) gives one answer
/// that a test asks for, too.
pub(crate) struct SmtpSink {
    port: u16,
    seen: Arc<Seen<Mail>>,
}

impl SmtpSink {
    pub(crate) async fn start(entrance: Entrance) -> Self {
        Self::answering(entrance, None).await
    }

    /// At a command such as `RCPT`, at the `greeting`, or after the `text`, always this answer, until it is mended.
    pub(crate) async fn answering(entrance: Entrance, answer: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::new();
        let acceptor = acceptor();
        let fixed = answer.map(|(stage, answer)| (stage.to_owned(), answer.to_owned()));
        let server = Arc::new(Smtp { seen: Arc::clone(&seen), greylisted: Mutex::default(), fixed });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                server.seen.connected();
                tokio::spawn(Arc::clone(&server).serve(stream, entrance, acceptor.clone()));
            }
        });
        Self { port, seen }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.seen.accepted()
    }

    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Mail> {
        self.seen.wait_for(count).await
    }

    pub(crate) fn connections(&self) -> usize {
        *self.seen.connections.lock().unwrap()
    }

    /// Ends every fault.
    pub(crate) fn mend(&self) {
        self.seen.mend();
    }

    /// Waits until a mail hangs.
    pub(crate) async fn wait_for_hanging(&self) {
        self.seen.wait_for_hanging(1).await;
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Smtp {
    seen: Arc<Seen<Mail>>,
    greylisted: Mutex<HashSet<String>>,
    fixed: Option<(String, String)>,
}

/// What an SMTP sink does after a line.
enum Next {
    Say(&'static str),
    SayThis(String),
    Cut(&'static str),
    StartTls,
    Text,
}

impl Smtp {
    /// What this recipient asks for.
    fn fault<'a>(&self, recipient: &'a str) -> &'a str {
        if self.seen.is_mended() { "" } else { local_part(recipient) }
    }

    /// What is always said at this stage.
    fn fixed(&self, stage: &str) -> Option<String> {
        let fixed = self.fixed.as_ref().filter(|(at, _)| at == stage && !self.seen.is_mended());
        fixed.map(|(_, answer)| answer.clone())
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, entrance: Entrance, acceptor: TlsAcceptor) {
        stream.set_nodelay(true).unwrap();
        let mut stream: BufReader<Box<dyn Stream>> = match entrance {
            Entrance::Tls => match acceptor.accept(stream).await {
                Ok(stream) => BufReader::new(Box::new(stream)),
                Err(_) => return,
            },
            _ => BufReader::new(Box::new(stream)),
        };
        let mut encrypted = entrance != Entrance::StartTls;
        let greeting = self.fixed("greeting").unwrap_or_else(|| "220 sink ESMTP".to_owned());
        let _ = stream.write_all(format!("{greeting}\r\n").as_bytes()).await;
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return;
            }
            let next = match self.answer(line.trim_end(), entrance, encrypted, &mut from, &mut to) {
                Next::Text => self.text(&mut stream, &from, &to).await,
                next => next,
            };
            match next {
                Next::Say(reply) => drop(stream.write_all(format!("{reply}\r\n").as_bytes()).await),
                Next::SayThis(reply) => drop(stream.write_all(format!("{reply}\r\n").as_bytes()).await),
                Next::Cut(reply) => return drop(stream.write_all(reply.as_bytes()).await),
                Next::StartTls => {
                    let _ = stream.write_all(b"220 2.0.0 go ahead\r\n").await;
                    match acceptor.accept(stream.into_inner()).await {
                        Ok(tls) => stream = BufReader::new(Box::new(tls)),
                        Err(_) => return,
                    }
                    encrypted = true;
                }
                Next::Text => return,
            }
        }
    }

    fn answer(&self, line: &str, entrance: Entrance, encrypted: bool, from: &mut String, to: &mut Vec<String>) -> Next {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        if let Some(answer) = self.fixed(&verb) {
            return Next::SayThis(answer);
        }
        match verb.as_str() {
            "EHLO" if entrance == Entrance::Pipelining => {
                Next::Say("250-sink\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
            }
            "EHLO" if encrypted => {
                Next::Say("250-sink\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES")
            }
            "EHLO" => Next::Say("250-sink\r\n250 STARTTLS"),
            "STARTTLS" if encrypted => Next::Say("502 5.5.1 not offered"),
            "STARTTLS" => Next::StartTls,
            // \0apikey\0secret
            "AUTH" if line.ends_with("AGFwaWtleQBzZWNyZXQ=") => Next::Say("235 2.7.0 welcome"),
            "AUTH" => Next::Say("535 5.7.8 bad credentials"),
            "MAIL" => {
                *from = address(line);
                to.clear();
                Next::Say("250 2.1.0 ok")
            }
            "RCPT" => {
                let recipient = address(line);
                match self.fault(&recipient) {
                    "perm550" => Next::Say("550 5.1.1 no such user"),
                    "full552" => Next::Say("552 5.2.2 mailbox full"),
                    "busy421" => Next::Cut("421 4.3.2 closing\r\n"),
                    "grey451" if self.greylisted.lock().unwrap().insert(recipient.clone()) => {
                        Next::Say("451 4.7.1 greylisted")
                    }
                    _ => {
                        to.push(recipient);
                        Next::Say("250 2.1.5 ok")
                    }
                }
            }
            "DATA" if to.is_empty() => Next::Say("554 5.5.1 no valid recipients"),
            "DATA" => Next::Text,
            "RSET" | "NOOP" => Next::Say("250 2.0.0 ok"),
            "QUIT" => Next::Cut("221 2.0.0 bye\r\n"),
            _ => Next::Say("502 5.5.2 not implemented"),
        }
    }

    async fn text(&self, stream: &mut BufReader<Box<dyn Stream>>, from: &str, to: &[String]) -> Next {
        let _ = stream.write_all(b"354 go ahead\r\n").await;
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return Next::Cut("");
            }
            if line == ".\r\n" {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        let recipient = to.first().map_or("", String::as_str);
        if self.fault(recipient) == "hang" {
            self.seen.hang().await;
        }
        if let Some(answer) = self.fixed("text") {
            return Next::SayThis(answer);
        }
        let accept = || self.seen.accept(Mail { from: from.to_owned(), to: to.to_vec(), text });
        match self.fault(recipient) {
            "data554" => Next::Say("554 5.6.0 content rejected"),
            "dmarc550" => Next::Say("550 5.7.26 unauthenticated sender"),
            "drop" => Next::Cut(""),
            "dropafter" => {
                accept();
                Next::Cut("")
            }
            _ => {
                accept();
                Next::Say("250 2.0.0 queued as 4711")
            }
        }
    }
}

/// The address of `MAIL FROM:<a@b.c>`.
fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

fn local_part(address: &str) -> &str {
    address.split(['@', '+']).next().unwrap_or_default()
}

/// A request that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// An HTTP server. By the path: `/s/NNN` that status · `/retry/N/KEY` N times 503, then 200 · `/429/SECONDS` 429 with
/// Retry-After · `/drop` cuts after the request · `/hang` does not answer · `/echo…` 400 with the request's path and headers ·
/// `/slack/err/NAME/…` 200 with that error · `…/chat.postMessage` Slack's yes · `/webhook` the word ok · `/moved/…`
/// Telegram's yes, for a group whose id is -100987 now · else 200.
/// Only what is answered with 2xx counts as accepted.
pub(crate) struct HttpSink {
    port: u16,
    seen: Arc<Seen<Request>>,
}

impl HttpSink {
    pub(crate) async fn start() -> Self {
        Self::answering(None).await
    }

    /// Gives everybody the same answer, if one is given.
    pub(crate) async fn answering(fixed: Option<FixedAnswer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::new();
        let server = Arc::new(Http { seen: Arc::clone(&seen), tries: Mutex::default(), fixed });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                server.seen.connected();
                tokio::spawn(Arc::clone(&server).serve(stream));
            }
        });
        Self { port, seen }
    }

    /// `http://127.0.0.1:PORT` and `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.accepted()
    }

    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Request> {
        self.seen.wait_for(count).await
    }

    pub(crate) fn connections(&self) -> usize {
        *self.seen.connections.lock().unwrap()
    }

    /// Ends every fault.
    pub(crate) fn mend(&self) {
        self.seen.mend();
    }

    /// Waits until a request hangs.
    pub(crate) async fn wait_for_hanging(&self) {
        self.seen.wait_for_hanging(1).await;
    }
}

/// How Telegram refuses a message to a group that has become a supergroup.
pub(crate) const MOVED: &str = r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-100987}}"#;

/// An answer that repeats what it was sent: its `{path}`, its `{credentials}`, its `{body}`.
fn repeat(answer: &str, request: &Request) -> String {
    let ordinary = ["host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"];
    let credentials = request.headers.iter().filter(|(name, _)| !ordinary.contains(&name.as_str()));
    let credentials: Vec<&str> = credentials.map(|(_, value)| value.as_str()).collect();
    let answer = answer.replace("{path}", &request.path).replace("{credentials}", &credentials.join(" "));
    let escaped = credentials.join(" ").replace('/', "\\/");
    answer.replace("{escaped}", &escaped).replace("{body}", &request.body)
}

/// Status, further headers (each with its line end), body; what is repeated of the request is for [`repeat`]. A body that
/// ends in `{cut}` is lost from there on.
pub(crate) type FixedAnswer = (u16, String, String);

struct Http {
    seen: Arc<Seen<Request>>,
    tries: Mutex<Vec<String>>,
    fixed: Option<FixedAnswer>,
}

impl Http {
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream).await {
            if request.path == "/hang" {
                self.seen.hang().await;
            }
            let fixed = self.fixed.clone().map(|(status, extra, body)| (status, extra, repeat(&body, &request)));
            let Some((status, extra, body)) = fixed.or_else(|| self.answer(&request)) else { return };
            if (200..300).contains(&status) || self.fixed.is_some() {
                self.seen.accept(request);
            }
            let (body, lost) = body.strip_suffix("{cut}").map_or((body.as_str(), 0), |start| (start, 100));
            let length = body.len() + lost;
            let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n{extra}\r\n{body}");
            if stream.write_all(answer.as_bytes()).await.is_err() || lost > 0 {
                return;
            }
        }
    }

    /// Status, further headers and body; `None`: no answer.
    fn answer(&self, request: &Request) -> Option<(u16, String, String)> {
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let plain = |status: u16, body: &str| Some((status, String::new(), body.to_owned()));
        let (success, yes) = match parts[..] {
            ["moved", ..] => (200, r#"{"ok":true,"result":{"message_id":4711}}"#),
            [.., "chat.postMessage"] => (200, r#"{"ok":true,"ts":"1700000000.000100"}"#),
            [.., "enqueue"] => (202, r#"{"status":"success","dedup_key":"taken"}"#),
            _ => (200, "ok"),
        };
        if self.seen.is_mended() {
            return plain(success, yes);
        }
        match parts[..] {
            ["s", status] => plain(status.parse().unwrap(), "as you wish"),
            ["retry", times, _, ..] => {
                let mut tries = self.tries.lock().unwrap();
                tries.push(request.path.clone());
                let count = tries.iter().filter(|path| **path == request.path).count();
                if count <= times.parse().unwrap() { plain(503, "") } else { plain(success, yes) }
            }
            ["429", seconds, ..] => Some((429, format!("Retry-After: {seconds}\r\n"), String::new())),
            ["drop"] => None,
            ["moved", ..] if !request.body.contains("-100987") => plain(400, MOVED),
            ["echo", ..] => plain(400, &format!("{} {:?}", request.path, request.headers)),
            ["slack", "err", name, ..] => plain(200, &format!("{{\"ok\":false,\"error\":\"{name}\"}}")),
            _ => plain(success, yes),
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request { method, path, headers, body: String::new() };
    let mut body = vec![0; request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

/// Takes connections, never says a word.
pub(crate) async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let (listener, address) = silent().await;
    drop(listener);
    address
}

/// The CA of the TLS sinks, for a channel's `ca_file`.
pub(crate) const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/ca.pem");

fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(certificates(), private_key()).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A certificate for `localhost`, made for these tests alone.
mod rustls_pki {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    pub(super) fn certificates() -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap()]
    }

    pub(super) fn private_key() -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap()
    }
}
