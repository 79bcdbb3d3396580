//! Connections that wait for work: which are used again, and which have had their time.

use std::{
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::Connection as _;
use tokio::time::timeout;

use super::{PING, Reach, Shared};
use crate::Dialect;

/// How long a connection across a network may wait for work.
const IDLE: Duration = Duration::from_mins(10);
/// How old a connection across a network may get, so that a database that moved is followed.
const LIFETIME: Duration = Duration::from_mins(30);

/// A connection, with what decides how long it is kept.
pub(super) struct Held<DB: Dialect> {
    pub(super) connection: DB::Connection,
    pub(super) generation: u64,
    pub(super) opened: Instant,
    pub(super) since: Instant,
    /// Whether it may be in an unfinished transaction (in memory only).
    pub(super) is_unsettled: bool,
    /// Whether it had a transaction.
    pub(super) has_written: bool,
    pub(super) _counted: Counted,
}

/// What a connection is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A statement by itself, which nearly always reads.
    Statement,
    /// A transaction, which nearly always writes. It begins by a statement that shows whether the
    /// connection lives.
    Transaction,
}

/// One of the open connections, for as long as it lives.
pub(super) struct Counted(Arc<AtomicU32>);

impl Counted {
    pub(super) fn new(open: &Arc<AtomicU32>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<DB: Dialect> Shared<DB> {
    pub(super) fn idle(&self) -> MutexGuard<'_, Vec<Held<DB>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if it may be used again.
    ///
    /// Of an embedded database, the one that was used last for the same `purpose`: a connection
    /// forgets what it has read of the file as soon as another one has written, so that of two that
    /// write in turn each would read everything again.
    pub(super) fn pop(&self, purpose: Purpose) -> Option<Held<DB>> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut idle = self.idle();
        loop {
            let last = idle.len().checked_sub(1)?;
            let has_written = purpose == Purpose::Transaction;
            let place = match self.source.reach {
                Reach::File => idle
                    .iter()
                    .rposition(|held| held.has_written == has_written),
                Reach::Network | Reach::Memory => None,
            };
            let held = idle.remove(place.unwrap_or(last));
            if held.generation == generation || self.source.reach == Reach::Memory {
                return Some(held);
            }
        }
    }

    /// Gives up all connections: those that wait now, the others when they come back.
    pub(super) fn retire_all(&self) {
        if self.source.reach != Reach::Memory {
            self.generation.fetch_add(1, Ordering::AcqRel);
            let retired = std::mem::take(&mut *self.idle());
            drop(retired);
        }
    }

    /// Keeps `held` for the next request, unless its time is over.
    pub(super) fn keep(&self, mut held: Held<DB>) {
        held.since = Instant::now();
        if self.source.reach != Reach::Network {
            let is_current = held.generation == self.generation.load(Ordering::Acquire);
            if is_current || self.source.reach == Reach::Memory {
                self.idle().push(held);
            }
            return;
        }
        let mut over = Vec::new();
        {
            let mut idle = self.idle();
            idle.push(held);
            let generation = self.generation.load(Ordering::Acquire);
            let is_over = |held: &mut Held<DB>| {
                held.generation != generation
                    || held.opened.elapsed() > LIFETIME
                    || held.since.elapsed() > IDLE
            };
            over.extend(idle.extract_if(.., is_over));
        }
        for held in over {
            // It says goodbye on its own time.
            tokio::spawn(timeout(PING, held.connection.close()));
        }
    }
}
