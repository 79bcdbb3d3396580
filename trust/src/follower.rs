//! Following the changefeed, so that what is remembered counts without a question for each
//! repository.
//!
//! A *poll* asks once what changed since the last one, for all readers who wait. Each reader needs
//! a poll that began after its request arrived: one that is running may have asked before the last
//! publish was committed. So a reader who comes while one is running waits for the next, and there
//! are never more than two. A poll voids what is remembered of the repositories that it names; what
//! it does not name is as it was. A poll that fails or is late is none: the reader asks for itself.
//!
//! Ids of the feed do not appear in their order. Those that are missing are asked for again with
//! each poll ([`Position`]), until it is proven, in the background, that they are lost.

mod position;

use std::{
    mem,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use position::{Lost, Position};
use tokio::{sync::watch, time::timeout};

use crate::{
    cache::MetadataCache,
    store::{Change, StoreError, TrustStore},
};

/// How many changes are read with one statement.
const PAGE: u32 = 1_000;

/// How many pages one poll reads. If that is not the end, the next poll goes on.
const PAGES: usize = 5;

/// How long to wait before an id that is missing is looked into: most appear by themselves.
const SETTLE: Duration = Duration::from_millis(500);

/// The metric that counts polls.
const POLLS: &str = "notary_server_changefeed_polls_total";

/// How the feed is followed.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a reader waits for a poll before it asks for itself.
    pub patience: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(1),
        }
    }
}

/// Follows the feed; cheap to clone.
#[derive(Clone)]
pub(crate) struct Follower(Arc<Shared>);

struct Shared {
    store: Arc<dyn TrustStore>,
    cache: Arc<MetadataCache>,
    rules: Rules,
    polling: Mutex<Polling>,
    ended: watch::Sender<Ended>,
    /// How far the feed was read; `None` before the first poll, and after the feed became another.
    position: Mutex<Option<Position>>,
    proof: Mutex<Proof>,
    /// Whether somebody is looking into missing ids.
    is_settling: AtomicBool,
    /// Grows each time that a position is found.
    positions: AtomicU64,
    /// Whether the log was told that polls fail.
    is_told: AtomicBool,
}

/// Who is polling.
#[derive(Default)]
struct Polling {
    /// How many polls have begun.
    begun: u64,
    /// When the one that is running began.
    running: Option<Instant>,
    /// Whether a reader waits for the next one.
    is_wanted: bool,
}

/// The polls that have ended.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    /// The number of the last one.
    last: u64,
    /// The number of the last one that succeeded.
    succeeded: u64,
    /// When that one began.
    began: Option<Instant>,
}

/// An id up to which the feed was found settled, for one position.
#[derive(Clone, Copy, Default)]
struct Proof {
    position: u64,
    settled: Option<i64>,
}

/// Why a poll did not reach the end of the feed.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the feed is another one than before, or too much of it is unsettled")]
    Lost,
    #[error("there is more to read")]
    Behind,
    #[error("it panicked")]
    Panicked,
}

impl Follower {
    /// Follows the feed of `store`, for `cache`.
    pub(crate) fn new(store: Arc<dyn TrustStore>, cache: Arc<MetadataCache>, rules: Rules) -> Self {
        Self(Arc::new(Shared {
            store,
            cache,
            rules,
            polling: Mutex::default(),
            ended: watch::Sender::default(),
            position: Mutex::default(),
            proof: Mutex::default(),
            is_settling: AtomicBool::default(),
            positions: AtomicU64::default(),
            is_told: AtomicBool::default(),
        }))
    }

    /// Waits for a poll that begins now or later, for as long as the rules allow. Says whether there
    /// was one: what is confirmed in the cache after that is what the database holds at this moment,
    /// or held later.
    pub(crate) async fn poll(&self) -> bool {
        let patience = self.0.rules.patience;
        let (number, mut ended) = {
            let mut polling = lock(&self.0.polling);
            let number = polling.begun + 1;
            match polling.running {
                None => self.0.begin(&mut polling),
                Some(since) if since.elapsed() > patience => return false,
                Some(_) => polling.is_wanted = true,
            }
            (number, self.0.ended.subscribe())
        };
        let done = timeout(patience, ended.wait_for(|ended| ended.last >= number)).await;
        matches!(done, Ok(Ok(ended)) if ended.succeeded >= number)
    }

    /// When the last successful poll began: what is confirmed in the cache was current then, or is
    /// newer.
    pub(crate) fn last_poll(&self) -> Option<Instant> {
        self.0.ended.borrow().began
    }
}

impl Shared {
    /// Begins a poll. It goes on to its end although its readers hang up.
    fn begin(self: &Arc<Self>, polling: &mut Polling) {
        polling.begun += 1;
        polling.running = Some(Instant::now());
        tokio::spawn(Arc::clone(self).keep_polling(polling.begun));
    }

    /// Polls as long as readers wait for the next one.
    async fn keep_polling(self: Arc<Self>, mut number: u64) {
        loop {
            let began = self.cache.now();
            let outcome = AssertUnwindSafe(self.poll_once()).catch_unwind().await;
            let outcome = outcome.unwrap_or(Err(PollError::Panicked));
            self.note(&outcome);
            self.ended.send_modify(|ended| {
                ended.last = number;
                if outcome.is_ok() {
                    ended.succeeded = number;
                    ended.began = Some(began);
                }
            });
            let mut polling = lock(&self.polling);
            if !mem::take(&mut polling.is_wanted) {
                polling.running = None;
                return;
            }
            polling.begun += 1;
            polling.running = Some(Instant::now());
            number = polling.begun;
        }
    }

    async fn poll_once(self: &Arc<Self>) -> Result<(), PollError> {
        let (mut from, settled) = self.begin_reading().await?;
        let (mut lines, mut is_end) = (Vec::new(), false);
        for _ in 0..PAGES {
            let page = self.store.changes_from(from, PAGE).await?;
            is_end = page.len() < PAGE as usize;
            lines.extend(page);
            match lines.last() {
                Some(last) if !is_end => from = last.id + 1,
                _ => break,
            }
        }
        let advanced = {
            let mut position = lock(&self.position);
            let place = position.as_mut().expect("only a poll takes it away");
            let advanced = place.advance(lines, settled);
            let has_gaps = place.has_gaps();
            if advanced.is_err() {
                *position = None;
            }
            advanced.map(|news| (news, has_gaps))
        };
        let (news, has_gaps) = advanced.map_err(|Lost| {
            self.cache.forget_all();
            PollError::Lost
        })?;
        for change in &news {
            self.cache.notice(change);
        }
        if news.iter().any(Change::is_deletion) {
            // Where a collation merges names, Notary deletes all that it takes for this one.
            self.cache.doubt_all();
        }
        if has_gaps && !self.is_settling.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(self).settle());
        }
        if is_end {
            Ok(())
        } else {
            Err(PollError::Behind)
        }
    }

    /// The id to ask from, and up to where the feed is settled.
    async fn begin_reading(&self) -> Result<(i64, Option<i64>), StoreError> {
        if let Some(position) = &*lock(&self.position) {
            let mut proof = lock(&self.proof);
            let is_for_this = proof.position == self.positions.load(Ordering::Acquire);
            let settled = proof.settled.take().filter(|_| is_for_this);
            return Ok((position.next(), settled));
        }
        let settled = self.store.settled().await?;
        // What was read before may be older than a change up to here, which is not read.
        self.cache.forget_all();
        let position = Position::behind(settled);
        let from = position.next();
        self.positions.fetch_add(1, Ordering::AcqRel);
        *lock(&self.position) = Some(position);
        Ok((from, None))
    }

    /// Finds out which of the missing ids are lost, until none is missing.
    async fn settle(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SETTLE).await;
            let number = self.positions.load(Ordering::Acquire);
            let has_gaps = || {
                lock(&self.position)
                    .as_ref()
                    .is_some_and(Position::has_gaps)
            };
            if has_gaps() {
                match self.store.settled().await {
                    Ok(settled) => {
                        *lock(&self.proof) = Proof {
                            position: number,
                            settled: Some(settled),
                        };
                        // It is the poll that finds out what had appeared until then.
                        Follower(Arc::clone(&self)).poll().await;
                    }
                    Err(error) => tracing::debug!(%error, "cannot settle the changefeed"),
                }
            }
            if !has_gaps() {
                self.is_settling.store(false, Ordering::Release);
                // A gap that came in between would have nobody.
                if !has_gaps() || self.is_settling.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        }
    }

    /// Counts polls, and tells the log once that they fail.
    fn note(&self, outcome: &Result<(), PollError>) {
        let label = if outcome.is_ok() { "ok" } else { "failed" };
        metrics::counter!(POLLS, "outcome" => label).increment(1);
        match outcome {
            Ok(()) => {
                if self.is_told.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the changefeed can be followed again");
                }
            }
            Err(PollError::Behind) => {}
            // The pool tells that the database is away, and the feed of a busy server may be lost
            // for a moment.
            Err(PollError::Store(error)) if error.is_temporary() => {}
            Err(PollError::Lost) => tracing::info!("reading the changefeed from its end again"),
            Err(error) => {
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        %error,
                        "cannot follow the changefeed; each read asks the database instead"
                    );
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the recorder what the metric means.
pub(crate) fn describe() {
    metrics::describe_counter!(
        POLLS,
        "Questions to the database for what changed, each for all readers who wait for it \
         (labels: outcome)."
    );
}
