//! One publish or renewal of a GUN at a time, within this process.

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, MutexGuard};

/// How long to wait for a turn while nobody else takes one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait for a turn in any case.
const LONGEST_TURN: Duration = Duration::from_secs(20);

/// Lets one publish or renewal of a GUN at a time begin, so that rivals within this process wait
/// instead of signing in vain. Rivals in other processes are left to the store. A signer that hangs
/// must not line everybody up behind it: a publish that waits while the queue does not move goes
/// ahead.
#[derive(Debug)]
pub struct GunLocks([Queue; 64]);

/// Those who wait for one turn.
#[derive(Debug, Default)]
struct Queue {
    turn: Mutex<()>,
    /// How many have had it.
    taken: AtomicU64,
}

impl Default for GunLocks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Queue::default()))
    }
}

impl GunLocks {
    /// Waits for the turn of `whom`, such as a GUN, though not for ever; some share one.
    pub async fn wait(&self, whom: &impl Hash) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        whom.hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % 64).expect("less than 64");
        self.0[slot].wait().await
    }
}

impl Queue {
    async fn wait(&self) -> Option<MutexGuard<'_, ()>> {
        let started = Instant::now();
        // One future throughout: a new one would go to the end of the queue.
        let mut turn = pin!(self.turn.lock());
        loop {
            let taken = self.taken.load(Ordering::Relaxed);
            if let Ok(guard) = tokio::time::timeout(PATIENCE, &mut turn).await {
                self.taken.fetch_add(1, Ordering::Relaxed);
                return Some(guard);
            }
            let is_stuck = self.taken.load(Ordering::Relaxed) == taken;
            if is_stuck || started.elapsed() >= LONGEST_TURN {
                return None;
            }
        }
    }
}
