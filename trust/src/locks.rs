//! One publish or renewal of a GUN at a time, within this process, and one answer at a time to
//! those who lost.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    pin::pin,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Mutex, MutexGuard, watch},
    time::{timeout, timeout_at},
};

/// How long to wait for a turn while no other caller takes one.
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
        self.0[slot(whom)].wait().await
    }
}

/// Which of 64 places is that of `whom`. Clients cannot tell which names share one, and so make
/// others wait.
fn slot(whom: &impl Hash) -> usize {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    usize::try_from(HASHER.hash_one(whom) % 64).expect("less than 64")
}

impl Queue {
    async fn wait(&self) -> Option<MutexGuard<'_, ()>> {
        let started = Instant::now();
        // One future throughout: a new one would go to the end of the queue.
        let mut turn = pin!(self.turn.lock());
        loop {
            let taken = self.taken.load(Ordering::Relaxed);
            if let Ok(guard) = timeout(PATIENCE, &mut turn).await {
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

/// How long the next loser waits for a publish to be accepted after one was let go.
const HEAD_START: Duration = Duration::from_millis(30);

/// How long a loser waits in any case.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Answers clients who lost a race one at a time. All of them read what is current, sign, and
/// publish again. If all were answered at once, one would win and the others lose again; so each
/// gets the time that it takes, and the next one is let go once a publish was accepted.
#[derive(Debug)]
pub(crate) struct Losers {
    lines: [Line; 64],
    head_start: Duration,
    longest_wait: Duration,
}

/// Those who lost; some GUNs share one line.
#[derive(Debug, Default)]
struct Line {
    /// Held by the first in the line.
    last: Mutex<Option<LetGo>>,
    /// How many publishes were accepted.
    accepted: watch::Sender<u64>,
}

/// When the last one was let go.
#[derive(Debug)]
struct LetGo {
    at: tokio::time::Instant,
    /// How many publishes had been accepted then.
    accepted: u64,
}

impl Default for Losers {
    fn default() -> Self {
        Self {
            lines: std::array::from_fn(|_| Line::default()),
            head_start: HEAD_START,
            longest_wait: LONGEST_WAIT,
        }
    }
}

impl Losers {
    /// Takes note that a publish of `whom` was accepted.
    pub(crate) fn note_accepted(&self, whom: &impl Hash) {
        let line = &self.lines[slot(whom)];
        line.accepted.send_modify(|count| *count += 1);
    }

    /// Waits until a client that lost a race for `whom` may be told.
    pub(crate) async fn wait(&self, whom: &impl Hash) {
        let turn = self.lines[slot(whom)].pass(self.head_start);
        // Who is still in the line by then goes anyway.
        let _ = timeout(self.longest_wait, turn).await;
    }
}

impl Line {
    /// Passes the line from its end to its beginning.
    async fn pass(&self, head_start: Duration) {
        let mut last = self.last.lock().await;
        let mut accepted = self.accepted.subscribe();
        if let Some(last) = &*last {
            let next = accepted.wait_for(|count| *count != last.accepted);
            let _ = timeout_at(last.at + head_start, next).await;
        }
        *last = Some(LetGo {
            at: tokio::time::Instant::now(),
            accepted: *accepted.borrow(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinSet;

    use super::*;

    const GUN: &str = "ex.com/a";
    const NEVER: Duration = Duration::from_hours(1);

    fn losers(head_start: Duration, longest_wait: Duration) -> Arc<Losers> {
        Arc::new(Losers {
            head_start,
            longest_wait,
            ..Losers::default()
        })
    }

    /// As many losers as said, all of whom wait.
    fn lose(losers: &Arc<Losers>, count: usize) -> JoinSet<()> {
        let lose = |_| {
            let losers = Arc::clone(losers);
            async move { losers.wait(&GUN).await }
        };
        (0..count).map(lose).collect()
    }

    /// How many have been let go since this was last asked.
    async fn let_go(waiting: &mut JoinSet<()>) -> usize {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        std::iter::from_fn(|| waiting.try_join_next()).count()
    }

    #[tokio::test]
    async fn a_loser_goes_when_the_one_before_has_won() {
        let losers = losers(NEVER, NEVER);
        losers.note_accepted(&GUN);
        let mut waiting = lose(&losers, 4);
        assert_eq!(let_go(&mut waiting).await, 1, "the first one goes at once");
        for _ in 0..3 {
            assert_eq!(let_go(&mut waiting).await, 0);
            losers.note_accepted(&GUN);
            assert_eq!(let_go(&mut waiting).await, 1);
        }
    }

    #[tokio::test]
    async fn a_loser_that_does_not_come_back_does_not_hold_up_the_others() {
        lose(&losers(Duration::from_millis(1), NEVER), 3)
            .join_all()
            .await;
    }

    #[tokio::test]
    async fn no_loser_waits_for_ever() {
        lose(&losers(NEVER, Duration::from_millis(1)), 3)
            .join_all()
            .await;
    }
}
