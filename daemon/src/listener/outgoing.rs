//! Answers that wait to be read, and the memory they occupy.
//!
//! A client decides how fast it reads. What it has not read stays in memory, so the bytes that wait
//! are counted, each buffer once however many answers share it, and together they have a limit. A
//! client that does not read loses its answer when others need the room.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Body as _, Frame, SizeHint};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Activity, Running},
    reading::Reading,
};

/// How much of an answer is handed to the connection at a time.
const CHUNK: usize = 32 * 1024;

/// Answers up to this size have some room of their own, so that a few large ones cannot stop them.
const SMALL: usize = 64 * 1024;

/// An answer of which nothing was read for so long gives way to another one, if there is no room.
const STALLED: Duration = Duration::from_secs(2);

/// How long an answer waits for room, and how often it looks for others that have stalled.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(500);

/// Unit of the room for answers that wait for room themselves.
const UNIT: usize = 4 * 1024;

/// All answers of a listener that wait to be read.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// How many bytes may wait.
    most: usize,
    held: Mutex<Held>,
    freed: Notify,
    /// In [`UNIT`]s: how many bytes may be held by answers that wait for room.
    anteroom: Semaphore,
    number: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    /// By the address of each buffer, its length, and how many answers are made of it.
    buffers: HashMap<usize, (usize, usize)>,
    /// The length of all buffers.
    bytes: usize,
    answers: BTreeMap<u64, Arc<Reading>>,
}

/// The room that an answer occupies, until the last part of it was written.
#[derive(Debug)]
struct Waiting {
    outgoing: Arc<Outgoing>,
    activity: Arc<Activity>,
    reading: Arc<Reading>,
    number: u64,
    buffer: usize,
    length: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.activity.forget(self.number, self.length);
        self.outgoing.release(self.number, self.buffer);
    }
}

/// A part of an answer. It keeps the buffer that it is a part of, and so keeps its room.
struct Chunk {
    part: Bytes,
    waiting: Arc<Waiting>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.part
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.waiting.reading.note();
        self.waiting.activity.note();
    }
}

impl Outgoing {
    /// Room for `most` bytes.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: Mutex::default(),
            freed: Notify::new(),
            anteroom: Semaphore::new((most / 2).div_ceil(UNIT).min(Semaphore::MAX_PERMITS)),
            number: AtomicU64::new(0),
        })
    }

    /// How many bytes may wait on one connection before no further request of it is looked at.
    pub(super) fn share(&self) -> usize {
        self.most / 4
    }

    /// The answer with `body`, to be handed to the connection.
    ///
    /// # Errors
    ///
    /// The request, if there is no room for its answer.
    pub(super) async fn admit(
        self: &Arc<Self>,
        body: Body,
        running: Running,
        cut: CancellationToken,
    ) -> Result<Answer, Running> {
        let content = match whole(body) {
            Whole::Empty => Content::Whole(Bytes::new(), None),
            Whole::Bytes(bytes) => match self.room(&bytes, running.activity(), cut).await {
                Some(waiting) => Content::Whole(bytes, Some(Arc::new(waiting))),
                None => return Err(running),
            },
            Whole::Stream(first, body) => Content::Stream(first, body),
        };
        Ok(Answer {
            content,
            _running: running,
        })
    }

    async fn room(
        self: &Arc<Self>,
        bytes: &Bytes,
        activity: &Arc<Activity>,
        cut: CancellationToken,
    ) -> Option<Waiting> {
        let take = || self.take(bytes, activity, &cut);
        if let Some(waiting) = take() {
            return Some(waiting);
        }
        // What waits for room is in memory too.
        let units = bytes
            .len()
            .div_ceil(UNIT)
            .min((self.most / 2).div_ceil(UNIT));
        let _place = self
            .anteroom
            .try_acquire_many(u32::try_from(units).ok()?)
            .ok()?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let freed = self.freed.notified();
            self.cut_stalled();
            if let Some(waiting) = take() {
                return Some(waiting);
            }
            // Either way it is looked at again.
            let _ = timeout(LOOK, freed).await;
        }
        take()
    }

    /// Takes the room for `bytes`, if there is any.
    fn take(
        self: &Arc<Self>,
        bytes: &Bytes,
        activity: &Arc<Activity>,
        cut: &CancellationToken,
    ) -> Option<Waiting> {
        let (buffer, length) = (bytes.as_ptr().addr(), bytes.len());
        let mut held = self.lock();
        let is_shared = held.buffers.contains_key(&buffer);
        let most = match length {
            ..=SMALL => self.most + self.most / 4,
            _ => self.most,
        };
        let fits = is_shared || held.bytes == 0 || held.bytes + length <= most;
        if !fits {
            return None;
        }
        held.buffers.entry(buffer).or_insert((length, 0)).1 += 1;
        if !is_shared {
            held.bytes += length;
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let reading = Arc::new(Reading::new(cut.clone()));
        held.answers.insert(number, Arc::clone(&reading));
        drop(held);
        activity.remember(number, length, Arc::clone(&reading));
        Some(Waiting {
            outgoing: Arc::clone(self),
            activity: Arc::clone(activity),
            reading,
            number,
            buffer,
            length,
        })
    }

    fn release(&self, number: u64, buffer: usize) {
        let mut held = self.lock();
        held.answers.remove(&number);
        if let Some((length, answers)) = held.buffers.get_mut(&buffer) {
            *answers -= 1;
            if *answers == 0 {
                let length = *length;
                held.buffers.remove(&buffer);
                held.bytes -= length;
            }
        }
        drop(held);
        self.freed.notify_waiters();
    }

    /// Ends the requests whose clients do not read the answers.
    fn cut_stalled(&self) {
        let stalled: Vec<_> = {
            let held = self.lock();
            let answers = held.answers.values();
            let stalled = answers.filter(|it| it.last_moved().elapsed() >= STALLED && !it.is_cut());
            stalled.cloned().collect()
        };
        for reading in &stalled {
            reading.cut();
        }
        if !stalled.is_empty() {
            tracing::warn!(
                answers = stalled.len(),
                limit = self.most,
                "ended requests whose clients do not read the answers, to make room for others"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body, as far as it is known at once.
enum Whole {
    Empty,
    Bytes(Bytes),
    /// What came of it already, and the rest.
    Stream(Option<Frame<Bytes>>, Body),
}

fn whole(mut body: Body) -> Whole {
    let Some(length) = body.size_hint().exact() else {
        return Whole::Stream(None, body);
    };
    if length == 0 {
        return Whole::Empty;
    }
    let next = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
    match next.now_or_never() {
        Some(Some(Ok(frame))) => match frame.into_data() {
            Ok(bytes) if bytes.len() as u64 == length => Whole::Bytes(bytes),
            Ok(bytes) => Whole::Stream(Some(Frame::data(bytes)), body),
            Err(frame) => Whole::Stream(Some(frame), body),
        },
        _ => Whole::Stream(None, body),
    }
}

/// The body of an answer; when it is done with, so is the request.
#[derive(Debug)]
pub(super) struct Answer {
    content: Content,
    _running: Running,
}

#[derive(Debug)]
enum Content {
    Whole(Bytes, Option<Arc<Waiting>>),
    Stream(Option<Frame<Bytes>>, Body),
}

impl Answer {
    /// An answer without a body.
    pub(super) fn empty(running: Running) -> Self {
        Self {
            content: Content::Whole(Bytes::new(), None),
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
        match &mut self.content {
            Content::Whole(rest, waiting) => {
                let Some(own) = waiting.clone() else {
                    return Poll::Ready(None);
                };
                let part = rest.split_to(rest.len().min(CHUNK));
                if rest.is_empty() {
                    // The parts that are on their way keep the room.
                    *waiting = None;
                }
                let chunk = Chunk { part, waiting: own };
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(chunk)))))
            }
            Content::Stream(first, body) => match first.take() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => Pin::new(body).poll_frame(context),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(rest, _) => rest.is_empty(),
            Content::Stream(first, body) => first.is_none() && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(rest, _) => SizeHint::with_exact(rest.len() as u64),
            Content::Stream(None, body) => body.size_hint(),
            Content::Stream(Some(frame), body) => {
                let first = frame.data_ref().map_or(0, |data| data.len() as u64);
                let rest = body.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(first + rest.lower());
                if let Some(upper) = rest.upper() {
                    hint.set_upper(first + upper);
                }
                hint
            }
        }
    }
}
