//! What delivering to one receiver takes.

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::{Duration, Instant},
};

use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use trust::{Clock, memory::SnapshotLine, store::TrustStore};
use uuid::Uuid;

use crate::{
    lease::{Lease, Term},
    receiver::{Receiver, TIMEOUT},
    tables::Tables,
};

/// Left over between the end of the last delivery and the end of the lease.
const MARGIN: Duration = Duration::from_secs(1);

/// How often a webhook looks, and what it waits for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long to rest between two looks at the feed.
    pub rest: Duration,
    /// How long to rest after a failure, and while the tables are missing.
    pub after_failure: Duration,
    /// How often to show that the holder of the lease lives, and to look whether it does.
    pub beat: Duration,
    /// How long the lease lasts.
    pub lease: Term,
    /// How often to look for what expires.
    pub scan: Duration,
    /// How long a server that has just started may take to renew what is late.
    pub renewal: Duration,
    /// For how long an event is tried.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rest: Duration::from_secs(1),
            after_failure: Duration::from_secs(15),
            beat: Duration::from_secs(3),
            lease: Term {
                length: Duration::from_secs(20),
                reserve: TIMEOUT + MARGIN,
            },
            scan: Duration::from_mins(1),
            renewal: Duration::from_hours(2),
            patience: Duration::from_hours(24),
        }
    }
}

/// One receiver, and what delivering to it takes.
pub(crate) struct Webhook {
    pub(crate) store: Arc<dyn TrustStore>,
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) inventory: Option<Arc<dyn inventory::Tables>>,
    pub(crate) clock: Clock,
    pub(crate) turns: SnapshotLine,
    pub(crate) pace: Pace,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) comparing: Arc<Semaphore>,
    pub(crate) holder: Vec<u8>,
    /// As the row has it.
    pub(crate) wake: AtomicI64,
    pub(crate) began: Instant,
    pub(crate) shutdown: CancellationToken,
}

/// How long the jobs of a round may go on.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) lease: Arc<Lease>,
    pub(crate) end: Instant,
    pub(crate) shutdown: CancellationToken,
}

impl Turn {
    /// Whether another delivery may begin.
    pub(crate) fn goes_on(&self) -> bool {
        self.lease.is_held() && Instant::now() < self.end && !self.shutdown.is_cancelled()
    }
}

pub(crate) fn milliseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Bits that need not be secret: for waits, and for ids.
pub(crate) fn random() -> u64 {
    Uuid::new_v4().as_u64_pair().1
}
