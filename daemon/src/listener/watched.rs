//! Time limits on a connection, where the octets pass.
//!
//! hyper's own limit on request heads is also its limit on idle connections, and does not run before
//! the protocol is known; so the limits are kept here, below hyper, for both protocols alike.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::Limits;

/// What the service knows of a connection, told to its stream.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose head was read and whose answer is not yet handed over.
    running: AtomicUsize,
    /// Whether there ever was a request.
    begun: AtomicBool,
    /// Whether an octet came in since the last request was answered (or ever, before the first).
    speaking: AtomicBool,
}

impl Activity {
    /// Notes a request; it runs until the answer is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.begun.store(true, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// Whether the client never said anything, so that nothing is lost if the connection ends now.
    pub(super) fn is_untouched(&self) -> bool {
        !self.begun.load(Ordering::Relaxed) && !self.speaking.load(Ordering::Relaxed)
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    /// Whether a head is being read, or the first one waited for.
    fn is_head_open(&self) -> bool {
        !self.is_running()
            && (self.speaking.load(Ordering::Relaxed) || !self.begun.load(Ordering::Relaxed))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.speaking.store(false, Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer; when it is done with, so is the request.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _running: Running,
}

impl Answer {
    pub(super) fn new(body: Body, running: Running) -> Self {
        Self {
            body,
            _running: running,
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when its time limits are passed.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    activity: Arc<Activity>,
    /// Without an octet either way.
    idle: Duration,
    /// For the head of a request; none where heads are not whole before others begin (HTTP/2).
    header: Option<Duration>,
    last_octet: Instant,
    /// When the head must be there that is being read.
    head_until: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl<IO> Watched<IO> {
    /// Watches a connection whose first octets are there already.
    pub(super) fn new(io: IO, activity: Arc<Activity>, limits: &Limits, http2: bool) -> Self {
        let now = Instant::now();
        let header = (!http2).then_some(limits.header);
        Self {
            io,
            activity,
            idle: limits.idle,
            header,
            last_octet: now,
            head_until: header.map(|header| now + header),
            alarm: Box::pin(sleep_until(now + limits.idle)),
        }
    }

    fn note_read(&mut self) {
        self.last_octet = Instant::now();
        if self.activity.is_running() {
            self.head_until = None;
        } else if !self.activity.speaking.swap(true, Ordering::Relaxed) {
            self.head_until = self.header.map(|header| self.last_octet + header);
        }
    }

    /// Fails if the connection waits for longer than it may; else has the task woken at that time.
    fn check(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let idle_until = self.last_octet + self.idle;
        let until = match self.head_until {
            Some(head) if self.activity.is_head_open() => head.min(idle_until),
            _ => idle_until,
        };
        if self.alarm.deadline() != until {
            self.alarm.as_mut().reset(until);
        }
        ready!(self.alarm.as_mut().poll(context));
        Poll::Ready(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client took too long",
        ))
    }

    /// What came of a read or write: an octet, an end, or a wait that has its limits.
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
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.io).poll_write(context, octets);
        this.judge(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.io).poll_write_vectored(context, octets);
        this.judge(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.io).poll_flush(context) {
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
