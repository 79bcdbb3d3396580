//! A store that counts what it is asked, and can be slow or away.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use database::Condition;
use time::OffsetDateTime;
use tokio::sync::{RwLock, watch};
use trust::store::{
    Aging, Change, Head, Page, PoolState, StoreError, StoredMetadata, TrustStore, VersionName,
};
use tuf::{File, Gun, Role};

/// A generator of numbers that look random.
#[derive(Debug)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `limit`.
    pub(crate) fn below(&self, limit: u64) -> u64 {
        let step = |x: u64| {
            Some(
                x.wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(99_991),
            )
        };
        let last = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        (last.unwrap_or_else(|x| x) >> 33) % limit
    }

    /// Waits for up to `limit` milliseconds; often not at all.
    pub(crate) async fn pause(&self, limit: u64) {
        let pause = self.below(2 * limit).saturating_sub(limit);
        if pause > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        }
    }
}

/// Counts what `store` is asked.
pub(crate) struct Observed {
    store: Arc<dyn TrustStore>,
    counts: Mutex<BTreeMap<&'static str, usize>>,
    /// Before and after each question, a pause of up to as many milliseconds.
    delay: Option<(Dice, u64)>,
    /// How the database is doing; while that is failing, every question fails.
    pub(crate) condition: watch::Sender<Condition>,
    /// What it answers as if the database were away; empty: nothing.
    pub(crate) fails_at: Mutex<&'static str>,
    /// What it says of how far the feed is settled, instead of the truth.
    pub(crate) settled: Mutex<Option<i64>>,
    /// Held by a test to keep all questions waiting.
    pub(crate) gate: RwLock<()>,
    /// Held by a test to keep all answers back.
    pub(crate) after: RwLock<()>,
    /// How many questions the database has answered since they were last taken.
    pub(crate) answers: AtomicUsize,
}

impl Observed {
    pub(crate) fn new(store: Arc<dyn TrustStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            counts: Mutex::default(),
            delay: None,
            condition: watch::Sender::default(),
            fails_at: Mutex::default(),
            settled: Mutex::default(),
            gate: RwLock::default(),
            after: RwLock::default(),
            answers: AtomicUsize::default(),
        })
    }

    /// A store that keeps everybody waiting.
    pub(crate) fn slow(store: Arc<dyn TrustStore>, seed: u64, milliseconds: u64) -> Arc<Self> {
        Arc::new(Self {
            store,
            counts: Mutex::default(),
            delay: Some((Dice::new(seed), milliseconds)),
            condition: watch::Sender::default(),
            fails_at: Mutex::default(),
            settled: Mutex::default(),
            gate: RwLock::default(),
            after: RwLock::default(),
            answers: AtomicUsize::default(),
        })
    }

    /// What was asked since this was called last, by the names of methods.
    pub(crate) fn take(&self) -> BTreeMap<&'static str, usize> {
        self.answers.store(0, Ordering::SeqCst);
        std::mem::take(&mut self.counts.lock().unwrap())
    }

    fn is_away(&self) -> bool {
        self.condition.borrow().failing.is_some()
    }

    async fn ask<T>(
        &self,
        name: &'static str,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        *self.counts.lock().unwrap().entry(name).or_default() += 1;
        let _gate = self.gate.read().await;
        if self.is_away() || *self.fails_at.lock().unwrap() == name {
            let error = io::Error::new(io::ErrorKind::ConnectionRefused, "it is away");
            return Err(StoreError::Database(Arc::new(error.into())));
        }
        if let Some((dice, limit)) = &self.delay {
            dice.pause(*limit).await;
        }
        let answer = question.await;
        self.answers.fetch_add(1, Ordering::SeqCst);
        let _gate = self.after.read().await;
        if let Some((dice, limit)) = &self.delay {
            // Answers that are old when they arrive are what matters.
            dice.pause(3 * limit).await;
        }
        answer
    }
}

#[async_trait]
impl TrustStore for Observed {
    async fn head(&self, gun: &Gun) -> Result<Option<Head>, StoreError> {
        self.ask("head", self.store.head(gun)).await
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &Role,
        sha256: &[u8; 32],
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let question = self.store.by_checksum(gun, role, sha256);
        self.ask("by_checksum", question).await
    }

    async fn holds(&self, gun: &Gun, role: &Role, sha256: &[u8; 32]) -> Result<bool, StoreError> {
        self.ask("holds", self.store.holds(gun, role, sha256)).await
    }

    async fn name_of_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<VersionName>, StoreError> {
        let question = self.store.name_of_version(gun, role, version);
        self.ask("name_of_version", question).await
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let question = self.store.by_version(gun, role, version);
        self.ask("by_version", question).await
    }

    async fn before_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i64,
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let question = self.store.before_version(gun, role, version);
        self.ask("before_version", question).await
    }

    async fn role_after(&self, gun: &Gun, role: &Role) -> Result<Option<Role>, StoreError> {
        self.store.role_after(gun, role).await
    }

    async fn publish(
        &self,
        gun: &Gun,
        base: Option<&Head>,
        files: &[File],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let question = self.store.publish(gun, base, files, now);
        self.ask("publish", question).await
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.ask("delete", self.store.delete(gun, now)).await
    }

    async fn changes(&self, gun: Option<&Gun>, page: Page) -> Result<Vec<Change>, StoreError> {
        self.ask("changes", self.store.changes(gun, page)).await
    }

    async fn changes_from(&self, from: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let question = self.store.changes_from(from, limit);
        self.ask("changes_from", question).await
    }

    async fn settled(&self) -> Result<i64, StoreError> {
        let settled = *self.settled.lock().unwrap();
        let question = async {
            match settled {
                Some(settled) => Ok(settled),
                None => self.store.settled().await,
            }
        };
        self.ask("settled", question).await
    }

    async fn timestamps(&self, after: &str, limit: u32) -> Result<Vec<Aging>, StoreError> {
        let question = self.store.timestamps(after, limit);
        self.ask("timestamps", question).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.ask("check", self.store.check()).await
    }

    fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    fn merges_names(&self) -> bool {
        self.store.merges_names()
    }

    async fn try_write(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.ask("try_write", self.store.try_write(now)).await
    }

    fn pool(&self) -> PoolState {
        self.store.pool()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
