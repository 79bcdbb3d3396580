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
    pub(super) _counted: Counted,
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
    pub(super) fn pop(&self) -> Option<Held<DB>> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut idle = self.idle();
        loop {
            let held = idle.pop()?;
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
