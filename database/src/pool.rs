//! Connections to one database: lent one at a time, and kept only if the database has answered.
//!
//! Every statement of both programs goes through a [`Pool`]: a single one by [`Executor`] on
//! `&Pool`, several by a [`Transaction`]. Wherever a future is dropped or a statement fails half
//! way, the connection is closed: the database then rolls back, and no lock outlives the request.
//! So no connection in a pool has an open transaction or an unread answer.
//!
//! [`Executor`]: sqlx::Executor

mod condition;
mod connect;
mod idle;
mod lanes;
mod lease;
mod statements;
mod transaction;

use std::{
    borrow::Cow,
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub use condition::Condition;
use condition::Outlook;
use idle::{Held, Purpose};
pub use lanes::Lane;
use lanes::Lanes;
pub(crate) use lease::Lease;
use sqlx::{ConnectOptions as _, Connection, Database};
pub use statements::Runner;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
pub use transaction::Transaction;

use crate::{Dialect, Fault, fault};

/// How long it may take for that.
const PING: Duration = Duration::from_secs(2);
/// How long making a connection may take while requests wait for it.
const CONNECT: Duration = Duration::from_secs(5);
/// While the database is away, one request at a time tries to reach it; the others wait this long.
const TURN: Duration = Duration::from_secs(1);
/// After this long without an answer, a new connection shows whether the database is still there.
const LOOK: Duration = Duration::from_secs(2);
/// The most that a piece of work may take for a request, whatever the database is doing.
const DEADLINE: Duration = Duration::from_mins(1);

/// How many connections a program keeps, and how long a request waits for one.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// The most connections open at once.
    pub connections: u32,
    /// How long a request waits for a free connection, and for another writer to finish.
    pub wait: Duration,
}

impl PoolLimits {
    /// The same, but enough for [`adopt`](crate::adopt::adopt), which builds indexes on a second
    /// connection.
    #[must_use]
    pub fn for_adoption(self) -> Self {
        Self {
            connections: self.connections.max(2),
            ..self
        }
    }
}

impl Default for PoolLimits {
    /// Sixteen connections, ten seconds: an embedded database gains nothing from more readers
    /// than the machine has cores, and writers queue anyway.
    fn default() -> Self {
        Self {
            connections: 16,
            wait: Duration::from_secs(10),
        }
    }
}

/// How a database is reached, which decides what can become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Through a socket: it can go away without a word.
    Network,
    /// By opening a file.
    File,
    /// It is in the memory of its one connection, which therefore is never closed.
    Memory,
}

type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// What it takes to make a connection.
pub(crate) struct Source<DB: Dialect> {
    /// Where the database is, without credentials.
    pub(crate) place: String,
    pub(crate) options: Options<DB>,
    pub(crate) reach: Reach,
    /// Runs once on each new connection.
    pub(crate) session: Option<String>,
    /// Runs in each transaction, where a pooler gives sessions to others between transactions. Then
    /// every statement is in a transaction, and none has a name.
    pub(crate) local: Option<String>,
}

struct Shared<DB: Dialect> {
    source: Source<DB>,
    limits: PoolLimits,
    /// The most connections open at once.
    most: u32,
    permits: Arc<Semaphore>,
    lanes: Lanes,
    idle: Mutex<Vec<Held<DB>>>,
    open: Arc<AtomicU32>,
    /// Grows when connections are given up; those of an older generation are not used again.
    generation: AtomicU64,
    /// Whether the last attempt to connect failed.
    is_unreachable: AtomicBool,
    /// Held by the request that tries to connect while the database is away; when that last failed.
    turn: tokio::sync::Mutex<Option<Instant>>,
    /// When a request that had waited last looked whether the database is there, and what it saw.
    look: tokio::sync::Mutex<Option<(Instant, bool)>>,
    outlook: Outlook,
}

/// The connections to one database. Cheap to clone.
pub struct Pool<DB: Dialect> {
    shared: Arc<Shared<DB>>,
}

impl<DB: Dialect> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<DB: Dialect> fmt::Debug for Pool<DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pool({})", self.shared.source.place)
    }
}

impl<DB: Dialect> Pool<DB> {
    /// A pool that connects when it is first asked.
    pub(crate) fn new(source: Source<DB>, limits: PoolLimits) -> Self {
        let most = match source.reach {
            Reach::Memory => 1,
            Reach::File | Reach::Network => limits.connections.max(1),
        };
        Self {
            shared: Arc::new(Shared {
                outlook: Outlook::new(source.place.clone()),
                source,
                limits,
                most,
                permits: Arc::new(Semaphore::new(most as usize)),
                lanes: Lanes::new(most as usize),
                idle: Mutex::default(),
                open: Arc::default(),
                generation: AtomicU64::default(),
                is_unreachable: AtomicBool::default(),
                turn: tokio::sync::Mutex::default(),
                look: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Makes the first connection, so that what is wrong is known now and in the driver's own
    /// words.
    pub(crate) async fn try_out(&self) -> Result<(), sqlx::Error> {
        let limit = match self.shared.source.reach {
            Reach::Network => self.shared.limits.wait,
            Reach::File | Reach::Memory => DEADLINE,
        };
        let opened = timeout(limit, Box::pin(self.open())).await;
        let held = opened.unwrap_or_else(|_| Err(silence()))?;
        self.shared.idle().push(held);
        Ok(())
    }

    /// How many connections are open, and how many of those wait for work.
    #[must_use]
    pub fn connections(&self) -> (u32, u32) {
        let idle = self.shared.idle().len();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        (self.shared.open.load(Ordering::Relaxed), idle)
    }

    /// How many requests wait for a connection in `lane`.
    #[must_use]
    pub fn waiting(&self, lane: Lane) -> usize {
        self.shared.lanes.waiting(lane)
    }

    /// How the database is doing, as the last requests saw it; tells of changes at once.
    #[must_use]
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.shared.outlook.subscribe()
    }

    /// Sets the gauges `database_connections` and `database_connections_idle`; call it when metrics
    /// are read.
    pub fn record(&self) {
        let (open, idle) = self.connections();
        metrics::gauge!("database_connections").set(open);
        metrics::gauge!("database_connections_idle").set(idle);
    }

    /// Whether the database is there, and still the one that a restart would find.
    ///
    /// # Errors
    ///
    /// If not: what is written now would be lost.
    pub async fn still_there(&self) -> Result<(), sqlx::Error> {
        let mut lease = self.lease().await?;
        let outcome = DB::still_there(&mut lease).await;
        lease.end(outcome)
    }

    /// If the last write failed because the database only allows reads, looks whether that is still
    /// so. To be called now and then: without it, only a write would find out.
    pub async fn look_for_writes(&self) {
        if !self.shared.outlook.is_read_only() {
            return;
        }
        // What goes wrong here goes wrong again with the request that comes next.
        if let Ok(mut lease) = self.lease().await {
            let outcome = DB::is_writable(&mut lease).await;
            if let Ok(true) = lease.end(outcome) {
                self.shared.outlook.note_write();
            }
        }
    }

    /// Closes all connections; those that are in use are waited for a moment. Nothing is lent any
    /// more.
    ///
    /// Of an embedded database, everything is moved from the write-ahead log into its file before:
    /// when the last program that has it open ends, that file alone is the database.
    pub async fn close(&self) {
        if self.shared.source.reach == Reach::File {
            drop(timeout(CONNECT, self.checkpoint()).await);
        }
        let all = self.shared.permits.acquire_many(self.shared.most);
        drop(timeout(self.shared.limits.wait, all).await);
        self.shared.permits.close();
        let idle = std::mem::take(&mut *self.shared.idle());
        for held in idle {
            drop(timeout(PING, held.connection.close()).await);
        }
    }

    /// Empties the write-ahead log. Fails where the file may only be read: nothing was written
    /// then.
    async fn checkpoint(&self) -> Result<(), sqlx::Error> {
        let mut lease = self.take(Purpose::Transaction).await?;
        let statement = "PRAGMA wal_checkpoint(TRUNCATE)".to_owned();
        let outcome = DB::run_script(&mut lease, statement).await;
        lease.end(outcome)
    }

    /// Begins a transaction by `statement`.
    ///
    /// # Errors
    ///
    /// If none can be begun; whatever was begun then is over.
    pub async fn begin_with(
        &self,
        statement: impl Into<Cow<'static, str>>,
    ) -> Result<Transaction<DB>, sqlx::Error> {
        let statement = statement.into();
        self.watch(self.begin_unwatched(&statement)).await
    }

    async fn begin_unwatched(&self, statement: &str) -> Result<Transaction<DB>, sqlx::Error> {
        loop {
            // The statement itself shows whether a connection that waited still lives, and what
            // never began can begin elsewhere.
            let mut lease = self.take(Purpose::Transaction).await?;
            let begun = DB::run_script(&mut lease, self.spell_begin(statement));
            match begun.await {
                Ok(()) => {
                    lease.note_transaction();
                    return Ok(Transaction::begun(lease));
                }
                Err(error) if lease.was_idle && fault(&error) == Fault::Away => {
                    self.shared.retire_all();
                }
                Err(error) => {
                    self.shared.note(&error);
                    return Err(error);
                }
            }
        }
    }

    /// `statement`, with the settings that hold for one transaction behind its first part.
    fn spell_begin(&self, statement: &str) -> String {
        match &self.shared.source.local {
            None => statement.to_owned(),
            Some(local) => {
                let (begin, rest) = statement.split_once(';').unwrap_or((statement, ""));
                format!("{begin}; {local};{rest}")
            }
        }
    }

    /// Does `work`, but not for longer than it takes to find out that the database vanished. A
    /// request that writes puts all it does on a transaction into one such piece of work.
    ///
    /// # Errors
    ///
    /// Those of `work`, and that the database does not answer.
    pub async fn watch<T, E: From<sqlx::Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.shared.source.reach != Reach::Network {
            return work.await;
        }
        let start = Instant::now();
        // Boxed, so that it is not part of every future that waits for it.
        let mut work = Box::pin(work);
        loop {
            let look = async {
                tokio::time::sleep(LOOK).await;
                start.elapsed() < DEADLINE && self.is_reachable().await
            };
            tokio::select! {
                outcome = &mut work => return outcome,
                is_there = look => if !is_there { break },
            }
        }
        let error = silence();
        self.shared.note(&error);
        Err(error.into())
    }

    /// Whether a new connection can be made. Those who ask at the same time share the answer.
    async fn is_reachable(&self) -> bool {
        let mut look = self.shared.look.lock().await;
        if let Some((when, is_reachable)) = *look
            && when.elapsed() < TURN
        {
            return is_reachable;
        }
        let connecting = Box::pin(self.shared.source.options.connect());
        let is_reachable = match timeout(CONNECT, connecting).await {
            Ok(Ok(connection)) => {
                drop(timeout(PING, connection.close()).await);
                true
            }
            // It answers, though not as one would like.
            Ok(Err(error)) => fault(&error) != Fault::Away,
            Err(_) => false,
        };
        if !is_reachable {
            self.shared.is_unreachable.store(true, Ordering::Relaxed);
        }
        *look = Some((Instant::now(), is_reachable));
        is_reachable
    }
}

impl<DB: Dialect> Shared<DB> {
    /// Takes note of an error that a statement ended with.
    fn note(&self, error: &sqlx::Error) {
        let fault = fault(error);
        if fault == Fault::Away {
            self.retire_all();
        }
        if fault == Fault::ReadOnly && !self.outlook.is_read_only() {
            // Connections may lead to a server that was the primary before.
            self.retire_all();
        }
        self.outlook.note(fault, error);
    }

    /// Takes note that no connection could be made, for whatever reason.
    fn note_unconnected(&self, error: &sqlx::Error) {
        self.outlook.note_unconnected(fault(error), error);
    }
}

fn silence() -> sqlx::Error {
    let kind = io::ErrorKind::TimedOut;
    sqlx::Error::Io(io::Error::new(kind, "it did not answer in time"))
}
