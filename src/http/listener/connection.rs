//! An accepted connection that ends when it takes too long.
//!
//! Neither the framework nor what it builds on bounds how long a head, a body or the taking of an answer may last, so
//! this watches the bytes that pass. One timer per connection is set again only when it has rung, which is far rarer
//! than requests come.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::exchange::{Exchange, Late, Patience, Refusal};
use super::refusals;
use super::slots::Slot;

/// A connection that ends when it takes too long. It gives its slot back when it is dropped.
pub struct Connection<S> {
    stream: S,
    exchange: Exchange,
    /// Made when the connection waits for the first time.
    timer: Option<Pin<Box<Sleep>>>,
    _slot: Slot,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, patience: Patience, slot: Slot) -> Self {
        Self { stream, exchange: Exchange::new(patience, Instant::now()), timer: None, _slot: slot }
    }

    /// While nothing can be read or written: ready when the deadline has passed.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Late> {
        loop {
            let (now, deadline) = (Instant::now(), self.exchange.deadline());
            if deadline <= now {
                return Poll::Ready(self.exchange.late());
            }
            // Not at the deadline, which moves with every request, but no later than the earliest one to come.
            let look = deadline.min(now + self.exchange.shortest());
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(look)));
            if timer.is_elapsed() || timer.deadline() > deadline {
                timer.as_mut().reset(look);
            }
            ready!(timer.as_mut().poll(context));
        }
    }

    /// Says why the connection ends, if the caller takes it at once.
    fn say(&mut self, context: &mut Context<'_>, answer: &[u8]) {
        // It ends either way, and nobody is there to be told of a failure.
        drop(Pin::new(&mut self.stream).poll_write(context, answer));
    }

    fn end_late(&mut self, context: &mut Context<'_>, late: Late) -> io::Result<()> {
        match late {
            // To the server it looks as if the caller had closed it.
            Late::Idle => Ok(()),
            Late::Head => {
                self.say(context, refusals::HEAD_LATE);
                Err(io::Error::new(io::ErrorKind::TimedOut, "the request's head did not come in time"))
            }
            Late::Request => Err(io::Error::new(io::ErrorKind::TimedOut, "it did not come in time")),
        }
    }

    fn end_refused(&mut self, context: &mut Context<'_>, refusal: Refusal) -> io::Error {
        let (answer, why) = match refusal {
            Refusal::HeadTooLong => (refusals::HEAD_TOO_LONG, "the request's head is too long"),
            Refusal::TwoLengths => (refusals::TWO_LENGTHS, "the request's body has two lengths"),
            Refusal::Http2 => (refusals::HTTP_2, "the caller speaks HTTP/2"),
        };
        self.say(context, answer);
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// Notes what was written, or ends a caller who takes nothing.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(_)) => self.exchange.wrote(bytes, Instant::now()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.exchange.stalled();
                ready!(self.poll_late(context));
                let why = "the caller does not take the answer";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let read = this.exchange.read(&buffer.filled()[before..], Instant::now());
                Poll::Ready(read.map_err(|refusal| this.end_refused(context, refusal)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let late = ready!(this.poll_late(context));
                Poll::Ready(this.end_late(context, late))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, bytes, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, slices.first().map_or(&[], |slice| slice), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::timeout;

    use super::super::slots::Slots;
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), request: Duration::from_secs(30), idle: Duration::from_mins(3) };

    /// Both ends of a connection with little room on its way, and when it was opened.
    fn open() -> (DuplexStream, Connection<DuplexStream>, Instant) {
        let (caller, server) = tokio::io::duplex(256);
        let slot = Slots::new(1, 1, Arc::default()).take(None).unwrap();
        (caller, Connection::new(server, PATIENCE, slot), Instant::now())
    }

    /// Sends `byte` once a second until the server has had enough; says at which second, and why.
    async fn drip(byte: u8, caller: &mut DuplexStream, server: &mut Connection<DuplexStream>) -> io::Error {
        let mut buffer = [0; 64];
        loop {
            caller.write_all(&[byte]).await.unwrap();
            while let Ok(read) = timeout(Duration::from_secs(1), server.read(&mut buffer)).await {
                match read {
                    Ok(length) => assert_eq!(length, 1),
                    Err(error) => return error,
                }
            }
        }
    }

    async fn exchange(caller: &mut DuplexStream, server: &mut Connection<DuplexStream>) {
        caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        server.read_exact(&mut [0; 18]).await.unwrap();
        server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        caller.read_exact(&mut [0; 27]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_left_without_a_word() {
        let (mut caller, mut server, opened) = open();
        assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 0);
        assert_eq!(opened.elapsed().as_secs(), 10);
        drop(server);
        assert_eq!(caller.read(&mut [0; 64]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_ends_at_its_deadline_and_its_caller_reads_why() {
        let (mut caller, mut server, opened) = open();
        assert_eq!(drip(b'a', &mut caller, &mut server).await.kind(), io::ErrorKind::TimedOut);
        assert_eq!(opened.elapsed().as_secs(), 10);
        let mut answer = [0; 64];
        caller.read_exact(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_ends_at_the_requests_deadline_and_can_still_be_answered() {
        let (mut caller, mut server, opened) = open();
        caller.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        server.read_exact(&mut [0; 19]).await.unwrap();
        assert_eq!(drip(b'a', &mut caller, &mut server).await.kind(), io::ErrorKind::TimedOut);
        assert_eq!(opened.elapsed().as_secs(), 30);
        server.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_at_the_requests_deadline() {
        let (mut caller, mut server, opened) = open();
        caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        server.read_exact(&mut [0; 18]).await.unwrap();
        let error = server.write_all(&[b'a'; 1024]).await.unwrap_err();
        assert_eq!((error.kind(), opened.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_may_rest_longer_than_a_head_may_take() {
        let (mut caller, mut server, opened) = open();
        exchange(&mut caller, &mut server).await;
        assert!(timeout(Duration::from_secs(170), server.read(&mut [0; 64])).await.is_err());
        exchange(&mut caller, &mut server).await;
        assert_eq!(server.read(&mut [0; 64]).await.unwrap(), 0);
        assert_eq!(opened.elapsed().as_secs(), 350);
    }
}
