//! What happens on a connection, beyond the bytes that pass.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::reading::Reading;

/// How long a request that was cut may take to end, before its connection does.
const GRACE: Duration = Duration::from_secs(5);

/// What the service knows of a connection, told to its stream.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests whose head was read and whose answer is not yet handed over.
    running: AtomicUsize,
    /// Whether there ever was a request.
    begun: AtomicBool,
    /// Whether a byte came in since the last request was answered (or ever, before the first).
    speaking: AtomicBool,
    since: Instant,
    /// When a request last began, moved on or ended, in milliseconds of `since`.
    moved: AtomicU64,
    /// Answers that wait to be read.
    answers: Mutex<BTreeMap<u64, Arc<Reading>>>,
    /// How many bytes those are.
    waiting: AtomicUsize,
    read: Notify,
    /// Ends the connection.
    pub(super) cut: CancellationToken,
}

/// A connection holds an answer for longer than it may, and ending that request alone did not help.
pub(super) struct Overdue;

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            running: AtomicUsize::new(0),
            begun: AtomicBool::new(false),
            speaking: AtomicBool::new(false),
            since: Instant::now(),
            moved: AtomicU64::new(0),
            answers: Mutex::default(),
            waiting: AtomicUsize::new(0),
            read: Notify::new(),
            cut: CancellationToken::new(),
        })
    }

    /// Notes a request; it runs until the answer is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.begun.store(true, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        self.note();
        Running(Arc::clone(self))
    }

    /// Notes that a request moved on.
    pub(super) fn note(&self) {
        let passed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(passed, Ordering::Relaxed);
    }

    /// When a request last moved on; the beginning of the connection before the first.
    pub(super) fn last_moved(&self) -> Instant {
        self.since + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }

    /// Since when there has been no request; `None` while there is one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_idle = !self.is_running() && self.answers().is_empty();
        is_idle.then(|| self.last_moved())
    }

    /// Whether the client never said anything, so that nothing is lost if the connection ends now.
    pub(super) fn is_untouched(&self) -> bool {
        !self.begun.load(Ordering::Relaxed) && !self.speaking.load(Ordering::Relaxed)
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    /// Notes that bytes came in; answers whether the client was speaking already.
    pub(super) fn hear(&self) -> bool {
        self.speaking.swap(true, Ordering::Relaxed)
    }

    /// Whether a head is being read, or the first one waited for.
    pub(super) fn is_head_open(&self) -> bool {
        !self.is_running()
            && (self.speaking.load(Ordering::Relaxed) || !self.begun.load(Ordering::Relaxed))
    }

    /// Waits until less than `share` bytes wait to be read.
    pub(super) async fn until_read_to(&self, share: usize) {
        loop {
            let read = self.read.notified();
            if self.waiting.load(Ordering::Relaxed) <= share {
                return;
            }
            read.await;
        }
    }

    pub(super) fn remember(&self, number: u64, length: usize, reading: Arc<Reading>) {
        self.waiting.fetch_add(length, Ordering::Relaxed);
        self.answers().insert(number, reading);
    }

    pub(super) fn forget(&self, number: u64, length: usize) {
        self.answers().remove(&number);
        self.waiting.fetch_sub(length, Ordering::Relaxed);
        self.note();
        self.read.notify_waiters();
    }

    /// Ends the requests of whose answers nothing was read for `limit`. Answers when to look again.
    pub(super) fn cut_unread(&self, limit: Duration) -> Result<Option<Instant>, Overdue> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let mut overdue = Vec::new();
        for reading in self.answers().values() {
            let mut until = reading.last_moved() + limit;
            if until <= now {
                overdue.push(Arc::clone(reading));
                until += GRACE;
                if until <= now {
                    return Err(Overdue);
                }
            }
            next = Some(next.map_or(until, |next| next.min(until)));
        }
        // Not under the lock: what is cut may be dropped at once, and take itself off the list.
        for reading in overdue {
            reading.cut();
        }
        Ok(next)
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Reading>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Running {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.speaking.store(false, Ordering::Relaxed);
        self.0.note();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a request. What comes of it shows that the client is there.
#[derive(Debug)]
pub(super) struct Heard {
    body: Incoming,
    activity: Arc<Activity>,
}

impl Heard {
    pub(super) fn new(body: Incoming, activity: Arc<Activity>) -> Self {
        Self { body, activity }
    }
}

impl http_body::Body for Heard {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.activity.note();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
