//! Where a connection stands between two requests, and until when it may stay there.
//!
//! HTTP/1.1 as it looks from outside: a head comes, which ends at an empty line; then its body comes and its answer
//! goes out; then the connection is idle until the next head begins. Three deadlines follow, and three refusals of what
//! the server itself would put up with; whatever else is wrong with a head is the server's to say. It has no clock and
//! no socket.

use std::time::Duration;

use tokio::time::Instant;

/// Longest head that is read. Enough for every browser's cookies; the framework would buffer 408 KiB for each of its
/// connections.
pub(super) const LONGEST_HEAD: usize = 64 * 1024;

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the opening, or from the first byte of a later request, until its head is complete.
    pub(super) head: Duration,
    /// From the same moment until the request has come and its answer is gone.
    pub(super) request: Duration,
    /// From an answer until the next request begins.
    pub(super) idle: Duration,
}

/// Why a head is not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is longer than [`LONGEST_HEAD`].
    HeadTooLong,
    /// The caller speaks HTTP/2, whose streams these deadlines do not see.
    Http2,
    /// It gives its body a length and chunks. The server would go by the chunks; a proxy before it may have gone by the
    /// length, and have let a second request pass as the first one's body (RFC 9112 §11.2).
    TwoLengths,
}

/// What to do with a connection whose deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Nothing is on its way: close it without a word.
    Idle,
    /// Its head did not come in time.
    Head,
    /// Its body did not come in time, or its answer was not taken.
    Request,
}

/// One connection's exchange of requests and answers.
#[derive(Debug)]
pub(super) struct Exchange {
    patience: Patience,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// A head comes, or the first one is still to begin.
    Head { started: Instant, head: Head },
    /// The head has come.
    Request { started: Instant },
    /// All that was written of an answer is gone.
    Answered { started: Instant, last: Instant },
}

/// As much of a head as there is.
#[derive(Debug)]
struct Head {
    length: usize,
    /// Whether anything but empty lines has come. Empty lines before a request are allowed (RFC 9112 §2.2).
    has_begun: bool,
    /// How long the line is so far, without its end.
    line: usize,
    /// What every HTTP/2 connection begins with, and no request of HTTP/1 (RFC 9113 §3.4).
    http_2: Opening,
    content_length: Opening,
    transfer_encoding: Opening,
}

/// What a line may begin with, whatever its case.
#[derive(Debug)]
struct Opening {
    text: &'static [u8],
    /// Whether the line begins so, as far as it goes.
    fits: bool,
    /// Whether a line began so.
    is_there: bool,
}

impl Exchange {
    /// On a connection that was opened at `now`.
    pub(super) const fn new(patience: Patience, now: Instant) -> Self {
        Self { patience, phase: Phase::Head { started: now, head: Head::new() } }
    }

    /// Until when the connection may stay as it is.
    pub(super) fn deadline(&self) -> Instant {
        match &self.phase {
            Phase::Head { started, .. } => *started + self.patience.head,
            Phase::Request { started } => *started + self.patience.request,
            Phase::Answered { last, .. } => *last + self.patience.idle,
        }
    }

    /// What a passed deadline means.
    pub(super) const fn late(&self) -> Late {
        match &self.phase {
            Phase::Head { head: Head { length: 0, .. }, .. } | Phase::Answered { .. } => Late::Idle,
            Phase::Head { .. } => Late::Head,
            Phase::Request { .. } => Late::Request,
        }
    }

    /// No deadline that is set after now can be closer than this: a timer that looks so often misses none.
    pub(super) fn shortest(&self) -> Duration {
        self.patience.head.min(self.patience.idle)
    }

    /// These bytes have come.
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) -> Result<(), Refusal> {
        if bytes.is_empty() {
            return Ok(());
        }
        if matches!(self.phase, Phase::Answered { .. }) {
            self.phase = Phase::Head { started: now, head: Head::new() };
        }
        if let Phase::Head { started, head } = &mut self.phase
            && head.read(bytes)?
        {
            // What comes behind it is its body. A second head that was sent along is read with it, unwatched: it has
            // come already.
            self.phase = Phase::Request { started: *started };
        }
        Ok(())
    }

    /// These bytes of an answer are gone.
    pub(super) fn wrote(&mut self, bytes: &[u8], now: Instant) {
        // "100 Continue" is no answer: the caller sends the body only now.
        if !bytes.starts_with(b"HTTP/1.1 100 ") {
            self.phase = Phase::Answered { started: self.started(), last: now };
        }
    }

    /// The caller does not take what is to be written: the answer is not gone yet.
    pub(super) const fn stalled(&mut self) {
        self.phase = Phase::Request { started: self.started() };
    }

    const fn started(&self) -> Instant {
        match &self.phase {
            Phase::Head { started, .. } | Phase::Request { started } | Phase::Answered { started, .. } => *started,
        }
    }
}

impl Head {
    const fn new() -> Self {
        Self {
            length: 0,
            has_begun: false,
            line: 0,
            http_2: Opening::new(b"PRI "),
            content_length: Opening::new(b"Content-Length:"),
            transfer_encoding: Opening::new(b"Transfer-Encoding:"),
        }
    }

    /// Reads on; whether the head is complete.
    fn read(&mut self, bytes: &[u8]) -> Result<bool, Refusal> {
        for &byte in bytes {
            self.length += 1;
            match byte {
                b'\n' if self.line == 0 && self.has_begun => return self.end(),
                b'\n' => self.line = 0,
                b'\r' => {}
                _ => {
                    for opening in [&mut self.http_2, &mut self.content_length, &mut self.transfer_encoding] {
                        opening.read(self.line, byte);
                    }
                    (self.has_begun, self.line) = (true, self.line + 1);
                }
            }
        }
        match self {
            Self { http_2: Opening { is_there: true, .. }, .. } => Err(Refusal::Http2),
            Self { length, .. } if *length > LONGEST_HEAD => Err(Refusal::HeadTooLong),
            _ => Ok(false),
        }
    }

    const fn end(&self) -> Result<bool, Refusal> {
        match self {
            Self { http_2: Opening { is_there: true, .. }, .. } => Err(Refusal::Http2),
            Self {
                content_length: Opening { is_there: true, .. },
                transfer_encoding: Opening { is_there: true, .. },
                ..
            } => Err(Refusal::TwoLengths),
            _ => Ok(true),
        }
    }
}

impl Opening {
    const fn new(text: &'static [u8]) -> Self {
        Self { text, fits: false, is_there: false }
    }

    /// `byte` stands at `position` of a line.
    fn read(&mut self, position: usize, byte: u8) {
        if let Some(expected) = self.text.get(position) {
            self.fits = (position == 0 || self.fits) && byte.eq_ignore_ascii_case(expected);
            self.is_there |= self.fits && position + 1 == self.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), request: Duration::from_secs(30), idle: Duration::from_mins(3) };

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n";

    /// An exchange, and a clock that is moved by hand.
    struct Scene {
        opened: Instant,
        now: Instant,
        exchange: Exchange,
    }

    impl Scene {
        fn new() -> Self {
            let opened = Instant::now();
            Self { opened, now: opened, exchange: Exchange::new(PATIENCE, opened) }
        }

        fn at(&mut self, seconds: u64) -> &mut Self {
            self.now = self.opened + Duration::from_secs(seconds);
            self
        }

        fn read(&mut self, bytes: &[u8]) -> &mut Self {
            self.exchange.read(bytes, self.now).unwrap();
            self
        }

        fn wrote(&mut self, bytes: &[u8]) -> &mut Self {
            self.exchange.wrote(bytes, self.now);
            self
        }

        /// Asserts what happens at which second after the opening.
        #[track_caller]
        fn ends(&self, seconds: u64, late: Late) {
            let deadline = (self.exchange.deadline() - self.opened).as_secs();
            assert_eq!((deadline, self.exchange.late()), (seconds, late));
        }
    }

    #[test]
    fn a_head_has_its_time_from_the_opening_however_often_it_drips() {
        let mut scene = Scene::new();
        scene.ends(10, Late::Idle);
        for (second, byte) in (1..9).zip(HEAD) {
            scene.at(second).read(&[*byte]);
        }
        scene.ends(10, Late::Head);
        scene.at(9).read(&HEAD[8..]).ends(30, Late::Request);
    }

    #[test]
    fn a_body_and_an_answer_have_what_the_head_left_of_the_requests_time() {
        let mut scene = Scene::new();
        scene.at(4).read(HEAD).read(b"{");
        scene.at(20).read(b"}").ends(30, Late::Request);
        scene.at(21).wrote(b"HTTP/1.1 200 OK\r\n\r\n").ends(201, Late::Idle);
        scene.exchange.stalled();
        scene.ends(30, Late::Request);
        scene.at(22).wrote(b"the rest").ends(202, Late::Idle);
    }

    #[test]
    fn the_next_head_has_its_time_from_its_first_byte() {
        let mut scene = Scene::new();
        scene.read(HEAD).read(b"{}").wrote(b"HTTP/1.1 200 OK\r\n\r\n").ends(180, Late::Idle);
        scene.at(100).read(b"G").ends(110, Late::Head);
        scene.at(101).read(b"ET / HTTP/1.1\n\n").ends(130, Late::Request);
    }

    #[test]
    fn a_caller_who_is_told_to_go_on_is_still_in_the_same_request() {
        let mut scene = Scene::new();
        scene.read(HEAD).wrote(b"HTTP/1.1 100 Continue\r\n\r\n").ends(30, Late::Request);
        scene.at(1).read(&b"a".repeat(LONGEST_HEAD + 1)).ends(30, Late::Request);
    }

    #[test]
    fn empty_lines_before_a_request_are_no_head() {
        let mut scene = Scene::new();
        scene.at(1).read(b"\r\n\r\n\r\n").ends(10, Late::Head);
        scene.at(2).read(HEAD).ends(30, Late::Request);
    }

    #[test]
    fn a_head_that_never_ends_is_refused() {
        let mut exchange = Exchange::new(PATIENCE, Instant::now());
        assert_eq!(exchange.read(&b"a".repeat(LONGEST_HEAD), Instant::now()), Ok(()));
        assert_eq!(exchange.read(b"a", Instant::now()), Err(Refusal::HeadTooLong));
    }

    #[test]
    fn a_body_with_two_lengths_is_refused_in_any_spelling() {
        let read = |head: &[u8]| {
            let mut exchange = Exchange::new(PATIENCE, Instant::now());
            head.chunks(7).try_for_each(|bytes| exchange.read(bytes, Instant::now()))
        };
        assert_eq!(
            read(b"POST / HTTP/1.1\r\ncontent-length: 3\r\nTRANSFER-ENCODING:chunked\r\n\r\n"),
            Err(Refusal::TwoLengths)
        );
        for one_length in [
            &b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            b"POST / HTTP/1.1\r\nX-Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Lengths: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(read(one_length), Ok(()), "{}", String::from_utf8_lossy(one_length));
        }
    }

    #[test]
    fn http_2_is_refused_however_it_is_cut() {
        let mut exchange = Exchange::new(PATIENCE, Instant::now());
        assert_eq!(exchange.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Instant::now()), Err(Refusal::Http2));
        let mut exchange = Exchange::new(PATIENCE, Instant::now());
        exchange.read(b"P", Instant::now()).unwrap();
        exchange.read(b"RI", Instant::now()).unwrap();
        assert_eq!(exchange.read(b" ", Instant::now()), Err(Refusal::Http2));
        let mut scene = Scene::new();
        scene.read(b"PRICE / HTTP/1.1\r\n\r\n").ends(30, Late::Request);
    }
}
