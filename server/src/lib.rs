//! `notary-server`: stores the trust data of repositories, vouches for it with snapshots and
//! timestamps, and serves it.
//!
//! `http → publish, repository → store, signer (traits) → tuf`. Handlers extract, call one thing and
//! answer; services decide and take the time as a value; stores and signers do as told.

pub mod audit;
mod auth;
pub mod backup;
pub mod cache;
mod clients;
pub mod config;
pub mod doctor;
pub mod health;
pub mod http;
mod key_limiter;
pub mod publish;
pub mod renewal;
pub mod repository;
mod serve;
pub mod signer;
pub mod store;
mod uploads;

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    ops::Deref,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use authn::Guard;
use daemon::MetricsHandle;
use ipnet::IpNet;
use time::OffsetDateTime;
use tokio::sync::{Mutex, MutexGuard};

pub use key_limiter::KeyLimiter;
pub use serve::run;
pub use uploads::{NoSpace, UploadLimits};

use crate::{
    audit::Audit, cache::MetadataCache, config::MaxAge, health::Health, signer::Signer,
    store::TrustStore,
};

/// What every request works with; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// Where trust data is kept.
    pub store: Arc<dyn TrustStore>,
    /// Who signs snapshots and timestamps.
    pub signer: Arc<dyn Signer>,
    /// What this process remembers.
    pub cache: MetadataCache,
    /// What proxies are told.
    pub caching: MaxAge,
    /// The only GUNs served, by prefix; empty: all.
    pub gun_prefixes: Vec<String>,
    /// How much uploads may take.
    pub limits: UploadLimits,
    /// One publish or renewal of a GUN at a time.
    pub turns: Turns,
    /// The outcome of the last checks.
    pub health: Health,
    /// What Prometheus scrapes.
    pub metrics: MetricsHandle,
    /// Who sends a request, and whether they may.
    pub guard: Arc<Guard>,
    /// Where it is written down who changed what.
    pub audit: Audit,
    /// How many keys an address may have made.
    pub key_limiter: KeyLimiter,
    /// Proxies whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What clients reach this server as, `https://host`, whatever their requests say.
    pub public_url: Option<String>,
    /// Whether the listener speaks TLS.
    pub is_tls: bool,
    /// Whether health and metrics have a listener of their own, and are nowhere else.
    pub monitoring_apart: bool,
    /// What time it is; tests bring their own.
    pub clock: Box<dyn Fn() -> OffsetDateTime + Send + Sync>,
}

impl App {
    /// Puts the parts together, and makes their metrics known.
    pub fn new(parts: Parts) -> Self {
        http::register_metrics();
        Self(Arc::new(parts))
    }

    /// The time of this moment.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// How long to wait for a turn while nobody else takes one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait for a turn in any case.
const LONGEST_TURN: Duration = Duration::from_secs(20);

/// Lets one publish or renewal of a GUN at a time begin, so that rivals within this process wait
/// instead of signing in vain. Rivals in other processes are left to the store. A signer that hangs must
/// not line everybody up behind it: a publish that waits while the queue does not move goes ahead.
#[derive(Debug)]
pub struct Turns([Queue; 64]);

/// Those who wait for one turn.
#[derive(Debug, Default)]
struct Queue {
    turn: Mutex<()>,
    /// How many have had it.
    taken: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Queue::default()))
    }
}

impl Turns {
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
