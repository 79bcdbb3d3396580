//! Delivering: the server that holds the lease of a webhook follows the changefeed, and delivers to
//! its receiver.
//!
//! A round looks at a page of the feed, and at what is due again. Repositories do not wait for one
//! another, but each one's events are delivered one after the other: when one is not taken, the
//! repository gets a [`Delay`] from that line on, and the feed is followed without it. At the end
//! of a round, position and delays are stored by one transaction. The round of a server that dies
//! before is done again, with the same ids.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use time::OffsetDateTime;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use trust::{
    Clock,
    memory::SnapshotLine,
    store::{Change, Page, StoreError, TrustStore},
};
use tuf::Gun;
use uuid::Uuid;

use crate::{
    deliver::{Job, Outcome, Work},
    expiry::{Scan, Whose},
    lease::{Candidate, Lease},
    meters,
    receiver::Receiver,
    tables::{self, Delay, Item, Key, Position, Progress, Scans, Tables},
    webhook::{Pace, Turn, Webhook, milliseconds},
};

/// How many lines of the feed are read at once.
const PAGE: u32 = 200;

/// How many repositories are delivered for at once, to one receiver.
const AT_ONCE: usize = 8;

/// How many delays are worked on in one round.
const MOST_JOBS: usize = 200;

/// With so many delays, a webhook follows the feed no further, until some are delivered. What is
/// beyond waits in the feed.
const MOST_DELAYS: usize = 1_000;

/// How long the deliveries of one round may go on.
const ROUND: Duration = Duration::from_secs(5);

/// How long to rest at least where something is due that cannot be delivered now.
const SHORTEST_REST: Duration = Duration::from_millis(50);

/// Delivers to all receivers of a server.
#[derive(Clone)]
pub struct Dispatcher {
    store: Arc<dyn TrustStore>,
    tables: Arc<dyn Tables>,
    inventory: Option<Arc<dyn inventory::Tables>>,
    clock: Clock,
    turns: SnapshotLine,
    pace: Pace,
}

impl Dispatcher {
    /// A dispatcher that follows the feed of `store`, and looks in `inventory` for what expires.
    #[must_use]
    pub fn new(
        store: Arc<dyn TrustStore>,
        tables: Arc<dyn Tables>,
        inventory: Option<Arc<dyn inventory::Tables>>,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            tables,
            inventory,
            clock,
            turns: SnapshotLine::default(),
            pace: Pace::default(),
        }
    }

    /// Lets it wait for its turn in the line of a server that reads large snapshots too.
    #[must_use]
    pub fn in_line(self, turns: SnapshotLine) -> Self {
        Self { turns, ..self }
    }

    /// The same, at another pace.
    #[must_use]
    pub fn at_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Delivers to `receivers` until `shutdown`.
    pub async fn run(self, receivers: Vec<Arc<Receiver>>, shutdown: CancellationToken) {
        // Comparing files takes memory: one line at a time, whatever the number of receivers.
        let comparing = Arc::new(Semaphore::new(1));
        let mut tasks = JoinSet::new();
        for receiver in receivers {
            let webhook = Webhook {
                store: Arc::clone(&self.store),
                tables: Arc::clone(&self.tables),
                inventory: self.inventory.clone(),
                clock: Arc::clone(&self.clock),
                turns: self.turns.clone(),
                pace: self.pace,
                receiver,
                comparing: Arc::clone(&comparing),
                holder: Uuid::new_v4().to_string().into_bytes(),
                wake: AtomicI64::new(0),
                began: Instant::now(),
                shutdown: shutdown.clone(),
            };
            tasks.spawn(Arc::new(webhook).run());
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome.expect("delivering does not panic");
        }
    }
}

/// Why a round was not finished.
enum Broken {
    Store(StoreError),
    /// Another server has the lease.
    Lost,
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What the holder of the lease knows.
struct State {
    position: Position,
    scans: Scans,
    delivered_at: i64,
    delays: BTreeMap<Key, Delay>,
    /// The delays that are not stored as they are.
    changed: BTreeSet<Key>,
    stored_scans: Scans,
    wake: i64,
    scan: Option<Scan>,
    /// When the last scans began, of publishers' roles and of the server's.
    scanned: [Option<Instant>; 2],
}

/// A part of the feed that was read.
#[derive(Default)]
struct FeedPart {
    jobs: Vec<Job>,
    end: Option<Position>,
    is_end: bool,
}

impl Webhook {
    fn name(&self) -> &str {
        self.receiver.name()
    }

    async fn run(self: Arc<Self>) {
        let mut is_told = false;
        while let Some(lease) = self.wait_for_lease(&mut is_told).await {
            tracing::debug!(webhook = self.name(), "delivering");
            let lease = Arc::new(lease);
            tokio::select! {
                () = self.keep_beating(&lease) => {
                    tracing::info!(webhook = self.name(), "another server delivers now");
                }
                () = self.keep_delivering(&lease, &mut is_told) => {}
            }
            meters::tell(self.name(), 0, 0);
            if self.shutdown.is_cancelled() {
                let released = self.tables.release(self.name(), lease.fence).await;
                if let Err(error) = released {
                    tracing::debug!(webhook = self.name(), %error, "cannot give the lease back");
                }
                return;
            }
        }
    }

    /// Waits until this server is to deliver; `None` at the end of the program.
    async fn wait_for_lease(&self, is_told: &mut bool) -> Option<Lease> {
        let (tables, holder) = (self.tables.as_ref(), self.holder.as_slice());
        let mut candidate = Candidate::new(tables, self.name(), holder, self.pace.lease);
        loop {
            let attempt = candidate.attempt(async || self.find_end().await);
            let attempt = self.shutdown.run_until_cancelled(attempt).await?;
            let rest = match attempt {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => self.pace.beat,
                Err(error) => {
                    self.complain(&error, is_told).await;
                    self.pace.after_failure
                }
            };
            self.sleep(rest).await?;
        }
    }

    /// Sleeps; `None` at the end of the program.
    async fn sleep(&self, rest: Duration) -> Option<()> {
        let sleep = tokio::time::sleep(rest);
        self.shutdown.run_until_cancelled(sleep).await
    }

    /// Says once what keeps events from being delivered.
    async fn complain(&self, error: &StoreError, is_told: &mut bool) {
        if std::mem::replace(is_told, true) {
            return;
        }
        let webhook = self.name();
        match self.tables.survey().await {
            Ok(survey) if !survey.is_ready() => tracing::warn!(
                webhook,
                "the tables of webhooks are missing, so nothing is delivered; `notary-server \
                 migrate` makes them"
            ),
            _ => tracing::warn!(webhook, %error, "cannot deliver events; trying again"),
        }
    }

    /// Where a webhook begins that is new: it hears of what happens from now on.
    async fn find_end(&self) -> Result<Position, StoreError> {
        let end = Page::Before { id: None, limit: 1 };
        let line = self.store.changes(None, end).await?.pop();
        Ok(line.as_ref().map(place).unwrap_or_default())
    }

    /// Shows that this server lives, until it has lost the lease.
    async fn keep_beating(&self, lease: &Lease) {
        loop {
            tokio::time::sleep(self.pace.beat).await;
            let began = Instant::now();
            match self.tables.beat(self.name(), lease.fence).await {
                Ok(true) => lease.renew(began),
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(webhook = self.name(), %error, "cannot keep the lease");
                }
            }
            if let Ok(Some(row)) = self.tables.find(self.name()).await {
                self.wake.store(row.wake, Ordering::Relaxed);
            }
        }
    }

    /// Delivers until the end of the program, or until another server has the lease.
    async fn keep_delivering(self: &Arc<Self>, lease: &Arc<Lease>, is_told: &mut bool) {
        loop {
            match self.deliver_from_stored(lease, is_told).await {
                Ok(()) | Err(Broken::Lost) => return,
                Err(Broken::Store(error)) => self.complain(&error, is_told).await,
            }
            if self.sleep(self.pace.after_failure).await.is_none() {
                return;
            }
        }
    }

    async fn deliver_from_stored(
        self: &Arc<Self>,
        lease: &Arc<Lease>,
        is_told: &mut bool,
    ) -> Result<(), Broken> {
        let mut state = self.load(lease).await?;
        loop {
            let rest = self.round(lease, &mut state).await?;
            *is_told = false;
            if self.shutdown.is_cancelled() || self.sleep(rest).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn load(&self, lease: &Lease) -> Result<State, Broken> {
        let row = self.tables.find(self.name()).await?;
        let row = row.filter(|row| row.fence == lease.fence);
        let row = row.ok_or(Broken::Lost)?;
        let delays = tables::all_delays(self.tables.as_ref(), self.name()).await?;
        self.wake.store(row.wake, Ordering::Relaxed);
        Ok(State {
            position: row.position,
            scans: row.scans,
            delivered_at: row.delivered_at,
            delays: delays
                .into_iter()
                .map(|delay| (delay.key(), delay))
                .collect(),
            changed: BTreeSet::new(),
            stored_scans: row.scans,
            wake: row.wake,
            scan: None,
            scanned: [None; 2],
        })
    }

    /// Delivers what is new and what is due, and stores how far it came; how long to rest then.
    async fn round(
        self: &Arc<Self>,
        lease: &Arc<Lease>,
        state: &mut State,
    ) -> Result<Duration, Broken> {
        self.unpark(state);
        self.scan(state).await?;
        let read = self.read_feed(state).await?;
        let end = read.end.clone().unwrap_or_else(|| state.position.clone());
        let mut jobs = self.find_due(state, &end).await?;
        jobs.extend(read.jobs);
        for outcome in self.work(lease, jobs).await {
            state.note(outcome, (self.clock)());
        }
        if let Some(progress) = state.progress(end)
            && !self
                .tables
                .save(self.name(), lease.fence, &progress)
                .await?
        {
            return Err(Broken::Lost);
        }
        Ok(self.tell(state, read.is_end))
    }

    /// Tries everything again, if an operator wants that.
    fn unpark(&self, state: &mut State) {
        let wake = self.wake.load(Ordering::Relaxed);
        if std::mem::replace(&mut state.wake, wake) == wake {
            return;
        }
        for (key, delay) in &mut state.delays {
            delay.try_again();
            state.changed.insert(key.clone());
        }
    }

    /// Looks for what expires, a part in each round.
    async fn scan(&self, state: &mut State) -> Result<(), StoreError> {
        let Some(inventory) = &self.inventory else {
            return Ok(());
        };
        if state.delays.len() >= MOST_DELAYS {
            return Ok(());
        }
        if state.scan.is_none() {
            state.scan = self.begin_scan(state, inventory).await?;
        }
        let Some(scan) = &mut state.scan else {
            return Ok(());
        };
        let (due, is_end) = scan.step(inventory, &mut state.scans).await?;
        if is_end {
            state.scan = None;
        }
        for delay in due {
            if !self.receiver.hears_of(&delay.gun) || !self.receiver.wants_item(&delay.item) {
                continue;
            }
            let key = delay.key();
            state.changed.insert(key.clone());
            state.delays.insert(key, delay);
        }
        Ok(())
    }

    async fn begin_scan(
        &self,
        state: &mut State,
        inventory: &Arc<dyn inventory::Tables>,
    ) -> Result<Option<Scan>, StoreError> {
        let is_settled_in = self.began.elapsed() >= self.pace.renewal;
        for (whose, last) in [Whose::Publishers, Whose::Server]
            .into_iter()
            .zip(&mut state.scanned)
        {
            let is_due = last.is_none_or(|last| last.elapsed() >= self.pace.scan);
            if !is_due || (whose == Whose::Server && !is_settled_in) {
                continue;
            }
            *last = Some(Instant::now());
            let begun = Scan::begin(inventory, whose, state.scans, (self.clock)()).await;
            match begun {
                Ok(None) => {}
                Ok(scan) => return Ok(scan),
                // Without tables of the inventory, nothing is known of what expires.
                Err(error) => match inventory.survey().await {
                    Ok(survey) if !survey.is_ready() => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(None)
    }

    /// The next lines of the feed, by repository. Those of a repository that has a delay wait in the
    /// feed.
    async fn read_feed(&self, state: &mut State) -> Result<FeedPart, StoreError> {
        if state.delays.len() >= MOST_DELAYS {
            return Ok(FeedPart::default());
        }
        let position = &state.position;
        let page = Page::After {
            id: i32::try_from((position.line - 1).max(0)).unwrap_or(i32::MAX),
            limit: PAGE + 1,
        };
        let mut lines = self.store.changes(None, page).await?;
        let is_end = lines.len() <= PAGE as usize;
        if position.line > 0 {
            if lines.first().is_some_and(|line| is_at(position, line)) {
                lines.remove(0);
            } else if self.is_gone(position).await? {
                tracing::warn!(
                    webhook = self.name(),
                    "the changefeed is another one, as after a restore; going on with what is newer"
                );
                let end = self.find_newer(position).await?;
                return Ok(FeedPart {
                    end: Some(end),
                    ..FeedPart::default()
                });
            } else {
                // It is there, and not settled yet in the eyes of this process.
                lines.clear();
            }
        }
        let end = lines.last().map(place);
        let mut jobs: HashMap<Gun, Vec<Change>> = HashMap::new();
        for line in lines {
            let is_free = !state
                .delays
                .contains_key(&(line.gun.clone(), String::new()));
            if let Ok(gun) = Gun::parse(&line.gun)
                && is_free
                && self.receiver.hears_of(&line.gun)
            {
                jobs.entry(gun).or_default().push(line);
            }
        }
        Ok(FeedPart {
            jobs: jobs
                .into_iter()
                .map(|(gun, lines)| Job {
                    gun,
                    delay: None,
                    work: Work::Lines(lines),
                })
                .collect(),
            end,
            is_end,
        })
    }

    /// Whether the line at `position` is not in the feed any more.
    async fn is_gone(&self, position: &Position) -> Result<bool, StoreError> {
        let lines = self.store.changes_from(position.line, 1).await?;
        Ok(!lines.first().is_some_and(|line| is_at(position, line)))
    }

    /// The last line of another feed that is not newer than `position`.
    async fn find_newer(&self, position: &Position) -> Result<Position, StoreError> {
        let mut id = None;
        loop {
            let page = Page::Before { id, limit: PAGE };
            let lines = self.store.changes(None, page).await?;
            let is_old = |line: &&Change| line.created_at.unix_timestamp() <= position.line_at;
            if let Some(line) = lines.iter().rev().find(is_old) {
                return Ok(place(line));
            }
            match lines.first() {
                Some(first) if lines.len() == PAGE as usize => {
                    id = Some(i32::try_from(first.id).unwrap_or(i32::MAX));
                }
                _ => return Ok(Position::default()),
            }
        }
    }

    /// What is to be tried again now. Of a repository, that is everything up to `end`.
    async fn find_due(&self, state: &State, end: &Position) -> Result<Vec<Job>, StoreError> {
        let now = milliseconds((self.clock)());
        let due = |delay: &&Delay| !delay.is_parked && delay.due <= now;
        let mut due: Vec<&Delay> = state.delays.values().filter(due).collect();
        if due.is_empty() {
            return Ok(Vec::new());
        }
        due.sort_by_key(|delay| delay.due);
        let is_settled = self.store.settled().await? >= end.line;
        let mut jobs = Vec::new();
        for delay in due {
            let Ok(gun) = Gun::parse(&delay.gun) else {
                continue;
            };
            let work = match &delay.item {
                Item::Lines { .. } if !is_settled => continue,
                Item::Lines { line, part } => Work::Backlog {
                    line: *line,
                    part: *part,
                    until: end.line,
                },
                Item::Expiry(deadline) => Work::Expiry(deadline.clone()),
            };
            jobs.push(Job {
                gun,
                delay: Some(delay.clone()),
                work,
            });
            if jobs.len() == MOST_JOBS {
                break;
            }
        }
        Ok(jobs)
    }

    /// Works on `jobs`, some at once.
    async fn work(self: &Arc<Self>, lease: &Arc<Lease>, jobs: Vec<Job>) -> Vec<Outcome> {
        let turn = Turn {
            lease: Arc::clone(lease),
            end: Instant::now() + ROUND,
            shutdown: self.shutdown.clone(),
        };
        let (mut jobs, mut tasks, mut outcomes) = (jobs.into_iter(), JoinSet::new(), Vec::new());
        loop {
            while tasks.len() < AT_ONCE {
                let Some(job) = jobs.next() else { break };
                let (webhook, turn) = (Arc::clone(self), turn.clone());
                tasks.spawn(async move { webhook.deliver(job, &turn).await });
            }
            match tasks.join_next().await {
                None => return outcomes,
                Some(outcome) => outcomes.push(outcome.expect("a delivery does not panic")),
            }
        }
    }

    /// Sets the gauges; how long to rest.
    fn tell(&self, state: &State, is_end: bool) -> Duration {
        let now = (self.clock)();
        let unread = (!is_end).then_some(state.position.line_at);
        let delays = state.delays.values();
        let oldest = delays.map(|delay| delay.happened).chain(unread).min();
        let age = oldest.map_or(0, |oldest| now.unix_timestamp() - oldest);
        let delays = state.delays.values();
        let parked = delays.filter(|delay| delay.is_parked).count();
        meters::tell(self.name(), age, parked);
        if state.delays.len() < MOST_DELAYS && (!is_end || state.scan.is_some()) {
            return Duration::ZERO;
        }
        let waiting = state.delays.values().filter(|delay| !delay.is_parked);
        let next = waiting.map(|delay| delay.due - milliseconds(now)).min();
        let next = next.map_or(self.pace.rest, |wait| {
            Duration::from_millis(u64::try_from(wait).unwrap_or(0))
        });
        next.clamp(SHORTEST_REST.min(self.pace.rest), self.pace.rest)
    }
}

impl State {
    /// Keeps what came of a job.
    fn note(&mut self, outcome: Outcome, now: OffsetDateTime) {
        if outcome.is_delivered {
            self.delivered_at = now.unix_timestamp();
        }
        let is_known = match outcome.delay {
            Some(delay) => {
                self.delays.insert(outcome.key.clone(), delay);
                true
            }
            None => self.delays.remove(&outcome.key).is_some(),
        };
        if is_known {
            self.changed.insert(outcome.key);
        }
    }

    /// What has to be stored for the position to be `end`, if anything.
    fn progress(&mut self, end: Position) -> Option<Progress> {
        let is_new = end != self.position || self.scans != self.stored_scans;
        if !is_new && self.changed.is_empty() {
            return None;
        }
        let (mut delays, mut done) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.changed) {
            match self.delays.get(&key) {
                Some(delay) => delays.push(delay.clone()),
                None => done.push(key),
            }
        }
        self.position = end.clone();
        self.stored_scans = self.scans;
        Some(Progress {
            position: end,
            scans: self.scans,
            delivered_at: self.delivered_at,
            delays,
            done,
        })
    }
}

fn place(line: &Change) -> Position {
    Position {
        line: line.id,
        line_sum: line.fingerprint(),
        line_at: line.created_at.unix_timestamp(),
    }
}

fn is_at(position: &Position, line: &Change) -> bool {
    position.line == line.id && position.line_sum == line.fingerprint()
}
