//! Time limits on a connection, where the bytes pass.
//!
//! hyper's own limit on request heads is also its limit on idle connections, and does not run
//! before the protocol is known; so the limits are kept here, below hyper, for both protocols
//! alike.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{Limits, activity::Activity};

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client took too long")
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when its time limits are passed.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    activity: Arc<Activity>,
    /// Without a byte either way; in HTTP/2, where pings and settings are bytes too, without a
    /// request that begins, moves on or ends.
    idle: Duration,
    /// For the head of a request; none where heads are not whole before others begin (HTTP/2).
    header: Option<Duration>,
    /// For a write, and for an answer, of which nothing is taken.
    write: Duration,
    last_octet: Instant,
    /// When the head must be there that is being read.
    head_until: Option<Instant>,
    /// Since when the client has taken nothing of what is written to it.
    blocked: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl<IO> Watched<IO> {
    /// Watches a connection whose first bytes are there already.
    pub(super) fn new(io: IO, activity: Arc<Activity>, limits: &Limits, http2: bool) -> Self {
        let now = Instant::now();
        let header = (!http2).then_some(limits.header);
        Self {
            io,
            activity,
            idle: limits.idle,
            header,
            write: limits.write,
            last_octet: now,
            head_until: header.map(|header| now + header),
            blocked: None,
            alarm: Box::pin(sleep_until(now + limits.idle)),
        }
    }

    fn note_read(&mut self) {
        self.last_octet = Instant::now();
        if self.activity.is_running() {
            self.head_until = None;
        } else if !self.activity.hear() {
            self.head_until = self.header.map(|header| self.last_octet + header);
        }
    }

    fn note_write(&mut self, is_blocked: bool) {
        self.blocked = match self.blocked {
            since @ Some(_) if is_blocked => since,
            _ => is_blocked.then(Instant::now),
        };
    }

    /// When the connection has waited for as long as it may.
    fn until(&self) -> Instant {
        let active = match self.header {
            Some(_) => self.last_octet,
            None => self.activity.last_moved(),
        };
        let head = self.head_until.filter(|_| self.activity.is_head_open());
        let blocked = self.blocked.map(|since| since + self.write);
        [head, blocked]
            .into_iter()
            .flatten()
            .fold(active + self.idle, Instant::min)
    }

    /// Fails if the connection waits for longer than it may; else has the task woken at that time.
    fn check(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let Ok(unread) = self.activity.cut_unread(self.write) else {
                return Poll::Ready(too_long());
            };
            let until = self.until();
            let look = unread.map_or(until, |unread| unread.min(until));
            // An alarm that rings early costs less than one that is moved with every request.
            if look < self.alarm.deadline() || self.alarm.is_elapsed() {
                self.alarm.as_mut().reset(look);
            }
            ready!(self.alarm.as_mut().poll(context));
            if until <= Instant::now() {
                return Poll::Ready(too_long());
            }
        }
    }

    /// What came of a read or write: a byte, an end, or a wait that has its limits.
    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(Ok(done)) => {
                self.last_octet = Instant::now();
                Poll::Ready(Ok(done))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.check(context).map(Err),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.note_read();
        }
        this.judge(context, outcome)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.io).poll_write(context, bytes);
        this.note_write(outcome.is_pending());
        this.judge(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.io).poll_write_vectored(context, bytes);
        this.note_write(outcome.is_pending());
        this.judge(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.io).poll_flush(context);
        this.note_write(flushed.is_pending());
        match flushed {
            // Nothing to flush is no sign of life.
            Poll::Pending => this.check(context).map(Err),
            done @ Poll::Ready(_) => done,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.io).poll_shutdown(context) {
            Poll::Pending => this.check(context).map(Err),
            done @ Poll::Ready(_) => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Whether there is nothing to read from `watched` yet, which sets its alarm.
    async fn waits(watched: &mut Watched<tokio::io::DuplexStream>) -> bool {
        let mut buffer = [0; 8];
        let read = std::pin::pin!(watched.read(&mut buffer));
        futures_util::poll!(read).is_pending()
    }

    #[tokio::test]
    async fn requests_leave_the_alarm_of_their_connection_alone() {
        let (mut client, server) = duplex(64);
        let activity = Activity::new();
        let limits = Limits::default();
        let mut watched = Watched::new(server, Arc::clone(&activity), &limits, false);
        assert!(waits(&mut watched).await);
        let first = watched.alarm.deadline();
        for _ in 0..3 {
            client.write_all(b"GET /").await.unwrap();
            let mut buffer = [0; 8];
            assert_eq!(watched.read(&mut buffer).await.unwrap(), 5);
            let running = activity.begin();
            watched.write_all(b"answer").await.unwrap();
            drop(running);
            assert_eq!(client.read(&mut buffer).await.unwrap(), 6);
            assert!(waits(&mut watched).await);
            assert_eq!(watched.alarm.deadline(), first);
        }
    }
}
