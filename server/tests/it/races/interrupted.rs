//! A store that is interrupted at a chosen moment.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use database::Condition;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use trust::store::{
    Aging, Change, Head, Page, PoolState, StoreError, StoredMetadata, TrustStore, VersionName,
};
use tuf::{File, Gun, Role};

/// When the store is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the file of this role is read by its checksum: the repository is deleted.
    File(&'static str),
    /// Before an update is stored: a rival was first.
    Publish,
    /// After a repository was deleted: the store waits.
    Deleted,
}

/// A point at which the store waits.
#[derive(Debug, Default)]
pub(super) struct Hold {
    is_held: Notify,
    is_released: Notify,
}

impl Hold {
    /// Waits until the store is there.
    pub(super) async fn until_held(&self) {
        self.is_held.notified().await;
    }

    /// Lets the store go on.
    pub(super) fn release(&self) {
        self.is_released.notify_one();
    }
}

/// What a reader meets while others are at work.
pub(super) struct Interrupted {
    store: Arc<dyn TrustStore>,
    moment: Moment,
    is_over: AtomicBool,
    is_once: bool,
    hold: Arc<Hold>,
}

impl Interrupted {
    /// Waits after each deletion until it is released.
    pub(super) fn hold_deletions(
        hold: Arc<Hold>,
    ) -> impl FnOnce(Arc<dyn TrustStore>) -> Arc<dyn TrustStore> {
        move |store| Self::wrap(store, Moment::Deleted, false, hold)
    }

    /// Interrupts the first time.
    pub(super) fn once(moment: Moment) -> impl FnOnce(Arc<dyn TrustStore>) -> Arc<dyn TrustStore> {
        move |store| Self::wrap(store, moment, true, Arc::default())
    }

    /// Interrupts each time.
    pub(super) fn always(
        moment: Moment,
    ) -> impl FnOnce(Arc<dyn TrustStore>) -> Arc<dyn TrustStore> {
        move |store| Self::wrap(store, moment, false, Arc::default())
    }

    fn wrap(
        store: Arc<dyn TrustStore>,
        moment: Moment,
        is_once: bool,
        hold: Arc<Hold>,
    ) -> Arc<dyn TrustStore> {
        Arc::new(Self {
            store,
            moment,
            is_over: AtomicBool::new(false),
            is_once,
            hold,
        })
    }

    /// Whether this is the moment.
    fn is_now(&self, moment: Moment) -> bool {
        self.moment == moment && !(self.is_over.swap(self.is_once, Ordering::SeqCst))
    }
}

#[async_trait]
impl TrustStore for Interrupted {
    async fn head(&self, gun: &Gun) -> Result<Option<Head>, StoreError> {
        self.store.head(gun).await
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &Role,
        sha256: &[u8; 32],
    ) -> Result<Option<StoredMetadata>, StoreError> {
        if let Moment::File(name) = self.moment
            && name == role.as_str()
            && self.is_now(self.moment)
        {
            self.store.delete(gun, fixtures::clock()).await?;
        }
        self.store.by_checksum(gun, role, sha256).await
    }

    async fn holds(&self, gun: &Gun, role: &Role, sha256: &[u8; 32]) -> Result<bool, StoreError> {
        self.store.holds(gun, role, sha256).await
    }

    async fn name_of_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<VersionName>, StoreError> {
        self.store.name_of_version(gun, role, version).await
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<StoredMetadata>, StoreError> {
        self.store.by_version(gun, role, version).await
    }

    async fn before_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i64,
    ) -> Result<Option<StoredMetadata>, StoreError> {
        self.store.before_version(gun, role, version).await
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
        if self.is_now(Moment::Publish) {
            return Err(StoreError::Moved);
        }
        self.store.publish(gun, base, files, now).await
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        let deleted = self.store.delete(gun, now).await;
        if self.is_now(Moment::Deleted) {
            self.hold.is_held.notify_one();
            self.hold.is_released.notified().await;
        }
        deleted
    }

    async fn changes(&self, gun: Option<&Gun>, page: Page) -> Result<Vec<Change>, StoreError> {
        self.store.changes(gun, page).await
    }

    async fn changes_from(&self, from: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.store.changes_from(from, limit).await
    }

    async fn settled(&self) -> Result<i64, StoreError> {
        self.store.settled().await
    }

    async fn timestamps(&self, after: &str, limit: u32) -> Result<Vec<Aging>, StoreError> {
        self.store.timestamps(after, limit).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.store.check().await
    }

    fn condition(&self) -> watch::Receiver<Condition> {
        self.store.condition()
    }

    fn merges_names(&self) -> bool {
        self.store.merges_names()
    }

    async fn try_write(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.store.try_write(now).await
    }

    async fn close(&self) {
        self.store.close().await;
    }

    fn pool(&self) -> PoolState {
        self.store.pool()
    }
}
