//! Lanes: reads must not keep writes from the database, nor writes reads.
//!
//! A storm of requests of one kind waits in a lane of its own, which never takes all connections.
//! Its queue is bounded: a request that finds it full fails at once, because the database is busy,
//! instead of after a long wait that ends the same way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::futures::TaskLocalFuture,
    time::{Instant, timeout_at},
};

/// How many requests may wait in a lane, for each connection that it may use.
const QUEUE: usize = 64;

tokio::task_local! {
    static LANE: Lane;
}

/// What a task does with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// It reads.
    Read,
    /// It changes something.
    Write,
}

impl Lane {
    /// Runs `work` in this lane. A task without a lane, as those in the background are, waits for
    /// connections beside both of them; so does a task that `work` spawns.
    pub fn within<F: Future>(self, work: F) -> TaskLocalFuture<Self, F> {
        LANE.scope(self, work)
    }

    /// The lane of this task, if it has one.
    #[must_use]
    pub fn current() -> Option<Self> {
        LANE.try_with(|lane| *lane).ok()
    }
}

/// The lanes to one pool.
pub(super) struct Lanes {
    read: Queue,
    write: Queue,
}

/// The requests of one lane.
struct Queue {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl Lanes {
    /// Lanes to a pool of at most `connections`. A quarter of them is left to the other lane.
    pub(super) fn new(connections: usize) -> Self {
        let others = match connections {
            0 | 1 => 0,
            all => (all / 4).max(1),
        };
        let places = connections.max(1) - others;
        Self {
            read: Queue::new(places),
            write: Queue::new(places),
        }
    }

    /// How many wait in `lane`.
    pub(super) fn waiting(&self, lane: Lane) -> usize {
        let queue = match lane {
            Lane::Read => &self.read,
            Lane::Write => &self.write,
        };
        queue.waiting.load(Ordering::Relaxed)
    }

    /// A place in the lane of this task, to be kept as long as the connection; `Ok(None)` for a
    /// task without a lane.
    ///
    /// # Errors
    ///
    /// [`sqlx::Error::PoolTimedOut`] if the queue is full, or there is no place until `until`.
    pub(super) async fn enter(
        &self,
        until: Instant,
    ) -> Result<Option<OwnedSemaphorePermit>, sqlx::Error> {
        match Lane::current() {
            Some(Lane::Read) => self.read.enter(until).await.map(Some),
            Some(Lane::Write) => self.write.enter(until).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Queue {
    fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            most_waiting: places * QUEUE,
        }
    }

    async fn enter(&self, until: Instant) -> Result<OwnedSemaphorePermit, sqlx::Error> {
        let places = || Arc::clone(&self.places);
        if let Ok(place) = places().try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::begin(self).ok_or(sqlx::Error::PoolTimedOut)?;
        let place = timeout_at(until, places().acquire_owned()).await;
        place
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)
    }
}

/// One that waits; no longer once it is dropped.
struct Waiting<'q>(&'q AtomicUsize);

impl<'q> Waiting<'q> {
    /// `None` if as many wait as may.
    fn begin(queue: &'q Queue) -> Option<Self> {
        let more = |waiting| (waiting < queue.most_waiting).then_some(waiting + 1);
        let added = queue
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        added.ok().map(|_| Self(&queue.waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn enter(lanes: &Lanes, lane: Lane) -> Result<Option<OwnedSemaphorePermit>, sqlx::Error> {
        let until = Instant::now() + Duration::from_secs(10);
        lane.within(lanes.enter(until)).await
    }

    #[tokio::test]
    async fn a_lane_leaves_connections_to_the_other_and_its_queue_has_an_end() {
        let lanes = Arc::new(Lanes::new(16));
        let mut held = Vec::new();
        for _ in 0..12 {
            held.push(enter(&lanes, Lane::Read).await.unwrap().unwrap());
        }
        let mut readers = Vec::new();
        for _ in 0..12 * QUEUE {
            let lanes = Arc::clone(&lanes);
            readers.push(tokio::spawn(async move {
                enter(&lanes, Lane::Read).await.map(drop)
            }));
        }
        while lanes.read.waiting.load(Ordering::Relaxed) < 12 * QUEUE {
            tokio::task::yield_now().await;
        }
        let refused = enter(&lanes, Lane::Read).await;
        assert!(matches!(refused, Err(sqlx::Error::PoolTimedOut)));
        // Neither a writer nor what goes on in the background stands behind the readers.
        let mut writers = Vec::new();
        for _ in 0..12 {
            writers.push(enter(&lanes, Lane::Write).await.unwrap().unwrap());
        }
        assert!(lanes.enter(Instant::now()).await.unwrap().is_none());
        drop(held);
        for reader in readers {
            reader.await.unwrap().unwrap();
        }
        assert_eq!(lanes.read.waiting.load(Ordering::Relaxed), 0);
        drop(enter(&lanes, Lane::Read).await.unwrap());
    }

    #[tokio::test]
    async fn a_caller_who_gives_up_leaves_the_queue() {
        let lanes = Lanes::new(1);
        let place = enter(&lanes, Lane::Write).await.unwrap();
        let late = lanes.enter(Instant::now());
        let late = Lane::Write.within(late).await;
        assert!(matches!(late, Err(sqlx::Error::PoolTimedOut)));
        assert_eq!(lanes.write.waiting.load(Ordering::Relaxed), 0);
        drop(place);
        drop(enter(&lanes, Lane::Write).await.unwrap());
    }

    #[test]
    fn the_smallest_pool_has_a_place_in_each_lane() {
        for (connections, places) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3), (16, 12)] {
            let lanes = Lanes::new(connections);
            let found = lanes.read.places.available_permits();
            assert_eq!(found, places, "{connections}");
        }
    }
}
