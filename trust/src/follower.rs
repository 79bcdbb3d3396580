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
//! each poll (`Position`), until it is proven, in the background, that they are lost. If there are
//! too many of them, reading rests until then: polls fail, and readers ask for themselves.
//!
//! A server that is the only one on its database ([`Mode::Sole`]) knows what it has written itself
//! (`OwnWrites`): a poll that began a moment ago is enough for its readers, and is made in the
//! background while there are any. With the first line that it did not write, it does as others do.
//!
//! While the database is away, no request waits for it: readers get what is remembered, for a
//! while, and everything else fails at once. Only polls find out that it is back, or what else gets
//! an answer from it.

mod own;
mod position;

use std::{
    error::Error,
    io, mem,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use database::{Condition, Fault, fault};
use futures_util::FutureExt as _;
use own::OwnWrites;
use position::{Lost, Position};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    cache::{MetadataCache, Remembered},
    either::Either,
    store::{StoreError, TrustStore},
};

/// How many changes are read with one statement.
const PAGE: u32 = 1_000;

/// How many pages one poll reads, or more if it takes as many to where the last one ended. If that
/// is not the end of the feed, the next poll goes on.
const PAGES: usize = 5;

/// How long to wait before an id that is missing is looked into: most appear by themselves.
const SETTLE: Duration = Duration::from_millis(500);

/// How long ago a poll may have begun that is enough for a server by itself.
pub const MOMENT: Duration = Duration::from_millis(50);

/// How long a server by itself goes on polling after the last read.
const ATTENTION: Duration = Duration::from_secs(1);

/// How often the database is asked while there are no reads, so that an outage finds what is
/// remembered confirmed; and how often while it is away.
const TOUCH: Duration = Duration::from_secs(10);
const PROBE: Duration = Duration::from_millis(500);

/// The metric that counts polls.
const POLLS: &str = "notary_server_changefeed_polls_total";

/// The metric that tells the mode.
const IS_SOLE: &str = "notary_server_reads_sole";

/// The metric that tells of an outage.
const IS_OUT: &str = "notary_server_reads_without_database";

/// Who else may write to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Other servers: each read needs a poll that began after it.
    Shared,
    /// No other: a poll that began [a moment](MOMENT) ago is enough. The first line of the feed that
    /// this process did not write switches to [`Mode::Shared`], until it ends.
    Sole,
}

/// How the feed is followed.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Who else may write to the database.
    pub mode: Mode,
    /// How long a reader waits for a poll before it asks for itself.
    pub patience: Duration,
    /// How long a server by itself rests between two polls.
    pub rest: Duration,
    /// For how long what was last confirmed is served while the database is away.
    pub without_database: Duration,
}

impl Default for Rules {
    /// Of a server among others.
    fn default() -> Self {
        Self {
            mode: Mode::Shared,
            patience: Duration::from_secs(1),
            rest: MOMENT / 2,
            without_database: Duration::from_hours(1),
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
    /// Whether missing ids are being looked into.
    is_settling: AtomicBool,
    /// Grows each time that a position is found.
    positions: AtomicU64,
    /// Whether the log was told that polls fail.
    is_told: AtomicBool,
    own: Mutex<OwnWrites>,
    is_sole: AtomicBool,
    /// How many reads there were, for those who poll while there are any.
    reads: AtomicU64,
    /// Whether a task polls while there are reads.
    is_attentive: AtomicBool,
    /// Whether the last poll found the database away.
    is_away: AtomicBool,
    condition: watch::Receiver<Condition>,
    polls: Either,
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

/// What a poll begins with.
struct Start {
    /// The id to ask from.
    from: i64,
    /// The highest id that was read before.
    highest: i64,
    /// Whether [too many](Position::is_full) ids are unsettled to read on.
    is_full: bool,
    /// Up to where the feed is settled.
    settled: Option<i64>,
}

/// Why a poll did not reach the end of the feed.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the feed is another one than before")]
    Lost,
    #[error("there is more to read")]
    Behind,
    #[error("it panicked")]
    Panicked,
}

impl Follower {
    /// Follows the feed of `store`, for `cache`.
    pub(crate) fn new(store: Arc<dyn TrustStore>, cache: Arc<MetadataCache>, rules: Rules) -> Self {
        let is_sole = rules.mode == Mode::Sole;
        metrics::gauge!(IS_SOLE).set(u32::from(is_sole));
        Self(Arc::new(Shared {
            own: Mutex::default(),
            is_sole: AtomicBool::new(is_sole),
            reads: AtomicU64::default(),
            is_attentive: AtomicBool::default(),
            is_away: AtomicBool::default(),
            condition: store.condition(),
            polls: Either::default(),
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

    /// Whether what is confirmed in the cache after this is what the database holds at this moment,
    /// or held later; in a server by itself, a moment before. Waits for a poll if it has to.
    pub(crate) async fn catch_up(&self) -> bool {
        let shared = &self.0;
        if shared.is_sole.load(Ordering::Acquire) {
            shared.pay_attention();
            let now = shared.cache.now();
            let is_enough = |began| now.saturating_duration_since(began) < MOMENT;
            if self.last_poll().is_some_and(is_enough) {
                return true;
            }
        }
        self.poll().await
    }

    /// Takes note of a write of this process before it begins: of a timestamp with this checksum,
    /// or, if that is empty, of a deletion.
    pub(crate) fn expect(&self, gun: &str, sha256: &str) {
        lock(&self.0.own).expect(gun, sha256);
    }

    /// Takes back what came to nothing.
    pub(crate) fn withdraw(&self, gun: &str, sha256: &str) {
        lock(&self.0.own).withdraw(gun, sha256);
    }

    /// Whether the database is away. Then nothing is to wait for it.
    pub(crate) fn is_out(&self) -> bool {
        let shared = &self.0;
        shared.is_away.load(Ordering::Acquire) && shared.condition.borrow().failing.is_some()
    }

    /// Whether the database is away, now that a question was answered by `error`.
    pub(crate) fn is_out_by(&self, error: &StoreError) -> bool {
        if is_away(error) {
            self.0.note_outage(true);
        }
        self.is_out()
    }

    /// What may be served of `gun` while the database is away: a repository that nothing has
    /// changed up to the last time that this could be confirmed, if that is not too long ago. That
    /// one is missing is never served: it may have been made meanwhile.
    pub(crate) fn last_confirmed(&self, gun: &tuf::Gun) -> Option<Remembered> {
        let cache = &self.0.cache;
        let (what, asked) = cache.undoubted(gun)?;
        what.view()?;
        let confirmed = self.last_poll().map_or(asked, |polled| polled.max(asked));
        let age = cache.now().saturating_duration_since(confirmed);
        (age < self.0.rules.without_database).then_some(what)
    }

    /// Polls now and then while there are no reads, until `shutdown`.
    pub(crate) async fn keep_in_touch(&self, shutdown: CancellationToken) {
        let touch = async {
            loop {
                self.poll().await;
                tokio::time::sleep(TOUCH).await;
            }
        };
        shutdown.run_until_cancelled(touch).await;
    }

    /// Waits for a poll that begins now or later, for as long as the rules allow.
    async fn poll(&self) -> bool {
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
        let is_first = lock(&self.position).is_none();
        let start = self.begin_reading().await?;
        if start.is_full {
            return Err(self.probe(start.highest).await?);
        }
        let (mut from, settled) = (start.from, start.settled);
        let (mut lines, mut pages) = (Vec::new(), 0);
        let is_end = loop {
            let page = self.store.changes_from(from, PAGE).await?;
            let is_end = page.len() < PAGE as usize;
            lines.extend(page);
            pages += 1;
            match lines.last() {
                Some(last) if !is_end && (pages < PAGES || last.id < start.highest) => {
                    from = last.id + 1;
                }
                _ => break is_end,
            }
        };
        let advanced = {
            let mut position = lock(&self.position);
            let place = position.as_mut().expect("only a poll takes it away");
            let advanced = place.advance(lines, settled);
            let has_gaps = place.has_gaps();
            advanced.map(|news| (news, has_gaps))
        };
        let (news, has_gaps) = advanced.map_err(|Lost| self.lose())?;
        for change in &news {
            self.cache.notice(change);
            let is_own = lock(&self.own).take(change);
            if !is_own && change.is_deletion() && self.store.merges_names() {
                // Notary deletes all names that the collation takes for this one.
                self.cache.doubt_all();
            }
            // What the first poll finds may be from before the start.
            if !is_own && !is_first {
                self.share(&change.gun);
            }
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

    /// Asks for the last line that was read and for nothing behind it, which shows whether the
    /// database and the feed are still there. Answers why the poll fails all the same.
    async fn probe(&self, highest: i64) -> Result<PollError, StoreError> {
        let found = self.store.changes_from(highest, 1).await?;
        let is_same = lock(&self.position)
            .as_ref()
            .is_some_and(|position| position.is_same(found.first()));
        Ok(if is_same {
            PollError::Behind
        } else {
            self.lose()
        })
    }

    /// Forgets everything, because the feed is another one than before.
    fn lose(&self) -> PollError {
        *lock(&self.position) = None;
        self.cache.forget_all();
        self.share("the changefeed");
        PollError::Lost
    }

    /// Where to read from, and up to where the feed is settled.
    async fn begin_reading(&self) -> Result<Start, StoreError> {
        if let Some(position) = &*lock(&self.position) {
            let mut proof = lock(&self.proof);
            let is_for_this = proof.position == self.positions.load(Ordering::Acquire);
            let settled = proof.settled.take().filter(|_| is_for_this);
            return Ok(Start {
                from: position.next(),
                highest: position.highest(),
                is_full: position.is_full(settled),
                settled,
            });
        }
        let settled = self.store.settled().await?;
        // What was read before may be older than a change up to here, which is not read.
        self.cache.forget_all();
        let position = Position::behind(settled);
        let start = Start {
            from: position.next(),
            highest: position.highest(),
            is_full: false,
            settled: None,
        };
        self.positions.fetch_add(1, Ordering::AcqRel);
        *lock(&self.position) = Some(position);
        Ok(start)
    }

    /// Takes note that another process writes to the database: `what` shows it.
    fn share(&self, what: &str) {
        if self.is_sole.swap(false, Ordering::AcqRel) {
            metrics::gauge!(IS_SOLE).set(0);
            tracing::warn!(
                what,
                "another program writes to the database; from now on each read asks for changes \
                 (set caching.mode to \"shared\" if this is meant)"
            );
        }
    }

    /// Polls in the background as long as there are reads.
    fn pay_attention(self: &Arc<Self>) {
        self.reads.fetch_add(1, Ordering::AcqRel);
        if !self.is_attentive.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(self).attend());
        }
    }

    async fn attend(self: Arc<Self>) {
        let follower = Follower(Arc::clone(&self));
        let (mut seen, mut since) = (self.reads.load(Ordering::Acquire), Instant::now());
        while self.is_sole.load(Ordering::Acquire) {
            tokio::time::sleep(self.rules.rest).await;
            let reads = self.reads.load(Ordering::Acquire);
            if reads != seen {
                (seen, since) = (reads, Instant::now());
            } else if since.elapsed() > ATTENTION {
                break;
            }
            follower.poll().await;
        }
        // A read that comes in between polls for itself, and the next one begins again.
        self.is_attentive.store(false, Ordering::Release);
    }

    /// Takes note that the database is away, or that it has answered.
    fn note_outage(self: &Arc<Self>, is_away: bool) {
        if self.is_away.swap(is_away, Ordering::AcqRel) == is_away {
            return;
        }
        metrics::gauge!(IS_OUT).set(u32::from(is_away));
        if !is_away {
            tracing::warn!("the database answers; what is remembered is confirmed again");
            return;
        }
        let seconds = self.rules.without_database.as_secs();
        tracing::error!(
            seconds,
            "the database is away; serving what was confirmed before, for as many seconds"
        );
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            while shared.is_away.load(Ordering::Acquire) {
                tokio::time::sleep(PROBE).await;
                Follower(Arc::clone(&shared)).poll().await;
            }
        });
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
                // A gap that came in between would be forgotten.
                if !has_gaps() || self.is_settling.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        }
    }

    /// Counts polls, and tells the log once that they fail.
    fn note(self: &Arc<Self>, outcome: &Result<(), PollError>) {
        match outcome {
            Err(PollError::Store(error)) if is_away(error) => self.note_outage(true),
            Err(PollError::Store(_) | PollError::Panicked) => {}
            Ok(()) | Err(PollError::Lost | PollError::Behind) => self.note_outage(false),
        }
        self.polls.count(outcome.is_ok(), || {
            let label = if outcome.is_ok() { "ok" } else { "failed" };
            metrics::counter!(POLLS, "outcome" => label)
        });
        match outcome {
            Ok(()) => {
                if self.is_told.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the changefeed can be followed again");
                }
            }
            Err(PollError::Behind) => {}
            // The pool tells that the database is away.
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

/// Whether `error` says that the database cannot be reached. A pool that was closed says the same
/// of itself, and [`away`] only repeats what was known.
fn is_away(error: &StoreError) -> bool {
    let StoreError::Database(error) = error else {
        return false;
    };
    match &**error {
        sqlx::Error::PoolClosed => false,
        sqlx::Error::Io(error) if is_repeated(error) => false,
        error => fault(error) == Fault::Away,
    }
}

/// The database was known to be away, and was not asked.
#[derive(Debug, thiserror::Error)]
#[error("the database is away")]
struct Away;

/// Whether `error` is the one of [`away`].
fn is_repeated(error: &io::Error) -> bool {
    let cause: Option<&(dyn Error + Send + Sync)> = error.get_ref();
    cause.is_some_and(<dyn Error + Send + Sync>::is::<Away>)
}

/// What everything is answered that would have to wait for a database that is away.
pub(crate) fn away() -> StoreError {
    let error = io::Error::new(io::ErrorKind::NotConnected, Away);
    StoreError::Database(Arc::new(error.into()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    metrics::describe_gauge!(
        IS_SOLE,
        "1 while this server is the only one that writes to its database, as far as it knows."
    );
    metrics::describe_gauge!(
        IS_OUT,
        "1 while the database is away and reads are answered from memory, if at all."
    );
    metrics::describe_counter!(
        POLLS,
        "Questions to the database for what changed, each for all readers who wait for it \
         (labels: outcome)."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_repeats_that_the_database_is_away_begins_no_outage() {
        assert!(away().is_temporary());
        assert!(!is_away(&away()));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(is_away(&StoreError::Database(Arc::new(refused.into()))));
    }
}
