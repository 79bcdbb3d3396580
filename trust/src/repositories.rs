//! What all services of this crate work with.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tuf::{File, Gun};

use crate::{
    cache::MetadataCache,
    events::{Events, Subscriber, count::Counts, invalidate::Invalidation},
    follower::{Follower, Rules, away},
    locks::{GunLocks, Losers},
    memory::{MemoryLimits, SnapshotLine},
    roots::CheckedRoots,
    signer::Signer,
    store::{Change, Head, Page, StoreError, TrustStore},
};

/// What time it is; tests bring their own.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Everything that publishing, reading and renewing work with; cheap to clone.
#[derive(Clone)]
pub struct Repositories {
    /// Where trust data is kept.
    pub store: Arc<dyn TrustStore>,
    /// Who signs snapshots and timestamps.
    pub signer: Arc<dyn Signer>,
    /// What this process remembers.
    pub cache: Arc<MetadataCache>,
    /// Knows what has changed.
    pub(crate) follower: Follower,
    /// One publish or renewal of a GUN at a time.
    pub(crate) locks: Arc<GunLocks>,
    /// Who lost a race, and is to be answered in turn.
    pub(crate) losers: Arc<Losers>,
    /// Roots that were read and judged before.
    pub(crate) roots: Arc<CheckedRoots>,
    /// How much memory stored files may take while they are read.
    pub(crate) memory: Arc<MemoryLimits>,
    /// Who is told what happened.
    pub(crate) events: Events,
    /// What time it is.
    clock: Clock,
}

impl Repositories {
    /// Repositories in `store` that `signer` vouches for. Their events go to the metrics and to the
    /// cache.
    #[must_use]
    pub fn new(
        store: Arc<dyn TrustStore>,
        signer: Arc<dyn Signer>,
        cache: MetadataCache,
        memory: MemoryLimits,
        clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
    ) -> Self {
        let cache = Arc::new(cache);
        let events = Events::default()
            .with(Invalidation(Arc::clone(&cache)))
            .with(Counts);
        Self {
            follower: Follower::new(Arc::clone(&store), Arc::clone(&cache), Rules::default()),
            store,
            signer,
            cache,
            locks: Arc::default(),
            losers: Arc::default(),
            roots: Arc::default(),
            memory: Arc::new(memory),
            events,
            clock: Arc::new(clock),
        }
    }

    /// The line of those who read large stored snapshots, for others who read the same store.
    #[must_use]
    pub fn snapshot_line(&self) -> SnapshotLine {
        self.memory.snapshot_line()
    }

    /// The same repositories, which follow the changes of others by `rules`. To be called before
    /// anything is read.
    #[must_use]
    pub fn following_by(self, rules: Rules) -> Self {
        let (store, cache) = (Arc::clone(&self.store), Arc::clone(&self.cache));
        Self {
            follower: Follower::new(store, cache, rules),
            ..self
        }
    }

    /// The same repositories, whose events go to `subscriber` as well.
    #[must_use]
    pub fn followed_by(self, subscriber: impl Subscriber) -> Self {
        Self {
            events: self.events.with(subscriber),
            ..self
        }
    }

    /// The time of this moment.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// Keeps what is remembered confirmed while there are no reads, until `shutdown`.
    pub async fn keep_in_touch(self, shutdown: CancellationToken) {
        self.follower.keep_in_touch(shutdown).await;
    }

    /// A page of the changefeed, as [`TrustStore::changes`] has it.
    ///
    /// # Errors
    ///
    /// At once if the database is away.
    pub async fn changes(&self, gun: Option<&Gun>, page: Page) -> Result<Vec<Change>, StoreError> {
        self.require_database()?;
        self.store.changes(gun, page).await
    }

    /// Stores files as [`TrustStore::publish`] does. All writes go through here, so that the server
    /// knows its own lines of the changefeed.
    pub(crate) async fn store_files(
        &self,
        gun: &Gun,
        base: Option<&Head>,
        files: &[File],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.require_database()?;
        let sha256 = files
            .last()
            .map(|file| hex::encode(file.checksums().sha256));
        let sha256 = sha256.unwrap_or_default();
        self.follower.expect(gun.as_str(), &sha256);
        let stored = self.store.publish(gun, base, files, now).await;
        match &stored {
            Ok(()) => {}
            // Where the connection was lost, it may have been stored.
            Err(StoreError::Database(_)) => self.cache.doubt(gun),
            Err(_) => self.follower.withdraw(gun.as_str(), &sha256),
        }
        stored
    }

    /// Removes all files, as [`TrustStore::delete`] does.
    pub(crate) async fn remove(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.require_database()?;
        self.follower.expect(gun.as_str(), "");
        let removed = self.store.delete(gun, now).await;
        if removed.is_err() {
            // Where the connection was lost, it may be gone.
            self.cache.forget(gun);
        }
        if !matches!(removed, Ok(true)) {
            // If it was removed nevertheless, that counts as the work of another.
            self.follower.withdraw(gun.as_str(), "");
        }
        removed
    }

    /// Fails if the database is away: nothing is to wait for it.
    pub(crate) fn require_database(&self) -> Result<(), StoreError> {
        if self.follower.is_out() {
            return Err(away());
        }
        Ok(())
    }
}
