//! Where trust data is kept: the trait, and what can go wrong.
//!
//! A store does as it is told, atomically, or says how it failed; whether metadata is to be
//! believed was decided before (see [`crate::publish`]).

pub mod chains;
mod dialect;
mod feed;
mod open;
mod rows;
mod schema;
mod sql;
pub mod statements;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use database::{Condition, DatabaseUrl, PoolLimits};
pub use feed::FeedClock;
pub use open::{OpenError, connect, migrate, on, open, open_pool, plan, readiness, transfer};
use ring::digest::{SHA256, digest};
pub use rows::{ChangeRow, FileRow, TrustRow};
pub use schema::BLUEPRINT;
pub use sql::SqlStore;
use sqlx::migrate::Migrator;
use time::OffsetDateTime;
use tokio::sync::watch;
use tuf::{File, Gun, MetadataFormat, Role};

/// Which database trust data is kept in.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The database.
    pub url: DatabaseUrl,
    /// How many connections to it there may be.
    pub limits: PoolLimits,
}

impl Storage {
    /// The same, with enough connections for `migrate`.
    #[must_use]
    pub fn for_migration(&self) -> Self {
        Self {
            limits: self.limits.for_adoption(),
            ..self.clone()
        }
    }
}

/// The tables of this program in an embedded database.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/server/sqlite");

/// One stored version of a role, byte for byte as it was signed.
#[derive(Clone, Debug)]
pub struct StoredMetadata {
    /// The whole file, envelope included.
    pub bytes: Bytes,
    /// When this server (or the one before it) accepted the version; the `Last-Modified` of
    /// answers.
    pub created_at: OffsetDateTime,
}

/// Names the newest timestamp of a GUN without carrying it: all a read needs to know whether what
/// it remembers is still current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// SHA-256 of the newest stored timestamp.
    pub sha256: [u8; 32],
    /// Its version.
    pub version: i64,
    /// The metadata format of all files of the GUN.
    pub format: MetadataFormat,
}

/// What a stored version of a role is called by checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionName {
    /// The SHA-256 that is stored beside it.
    Sha256([u8; 32]),
    /// It was stored before checksums were written down.
    Unknown,
}

/// One line of the changefeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Grows with every change of the whole server; never reused.
    pub id: i64,
    /// When the change was stored.
    pub created_at: OffsetDateTime,
    /// The repository.
    pub gun: String,
    /// Version of the timestamp the change made; 0 for a deletion.
    pub version: i64,
    /// SHA-256 of that timestamp in lower-case hex; empty for a deletion.
    pub sha256: String,
    /// `update` or `deletion`.
    pub category: String,
}

impl Change {
    /// Whether the repository was deleted.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.category != "update"
    }

    /// What tells this line of the feed from another one with its id, as after a restore: a SHA-256
    /// of all that followers go by.
    #[must_use]
    pub fn fingerprint(&self) -> Vec<u8> {
        let text = format!(
            "{}\n{}\n{}\n{}",
            self.gun, self.version, self.sha256, self.category
        );
        digest(&SHA256, text.as_bytes()).as_ref().to_vec()
    }
}

/// Which part of the changefeed is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The first `limit` changes with an id above `id`.
    After {
        /// Id to start behind; 0 is the beginning.
        id: i32,
        /// At most this many.
        limit: u32,
    },
    /// The last `limit` changes, of those with an id below `id` if there is one.
    Before {
        /// Id to stop before; `None` is the end of the feed.
        id: Option<i32>,
        /// At most this many.
        limit: u32,
    },
}

/// A GUN whose newest timestamp is old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aging {
    /// The repository; `None` if its stored name is not one this server could serve.
    pub gun: Option<Gun>,
    /// The name as stored: where the next page of the walk begins.
    pub name: String,
    /// When its newest timestamp was made.
    pub created_at: OffsetDateTime,
}

/// How many connections a store holds, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Open connections, idle ones included.
    pub open: u32,
    /// Connections that wait for work.
    pub idle: u32,
}

/// Why a store did not do what it was told.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The role has a version as high as the one offered, be it from long ago or from a publish
    /// that won the race against this one. Nothing was stored.
    #[error("a version of {0} as high as the one offered is stored already")]
    VersionExists(Role),
    /// The newest timestamp is no longer the one that the files were made for: a rival published,
    /// or the repository was deleted. Nothing was stored.
    #[error("the repository changed while the update was being made")]
    Moved,
    /// The collation of the database takes the GUN for another one that it stores already. Nothing
    /// was stored.
    #[error("this database cannot tell the name from {0:?}, which it stores already")]
    OtherSpelling(String),
    /// The database has no room for the name, or for one of a role: its character set lacks a
    /// character, or its columns are too narrow. Nothing was stored.
    #[error(
        "this database cannot store the name: its character set or the width of its columns does not allow it"
    )]
    Unstorable,
    /// The database is away, full, or answered nonsense. Nothing was stored.
    #[error("the trust database failed: {0}")]
    Database(#[source] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl StoreError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Database(error) if database::fault(error).is_temporary())
    }
}

/// Versions of metadata by GUN and role, and the feed of their changes.
///
/// A lookup that finds nothing answers `None`.
#[async_trait]
pub trait TrustStore: Send + Sync + 'static {
    /// The newest timestamp of `gun`, by name only.
    async fn head(&self, gun: &Gun) -> Result<Option<Head>, StoreError>;

    /// The version of `role` whose bytes have this SHA-256.
    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &Role,
        sha256: &[u8; 32],
    ) -> Result<Option<StoredMetadata>, StoreError>;

    /// Whether [`by_checksum`](Self::by_checksum) would find something, without carrying it. A file
    /// that was stored without its checksum may go unnoticed.
    async fn holds(&self, gun: &Gun, role: &Role, sha256: &[u8; 32]) -> Result<bool, StoreError>;

    /// What one version of `role` is called by checksum, without carrying it.
    async fn name_of_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<VersionName>, StoreError>;

    /// One version of `role`.
    async fn by_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<StoredMetadata>, StoreError>;

    /// The newest version of `role` below `version`.
    async fn before_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i64,
    ) -> Result<Option<StoredMetadata>, StoreError>;

    /// The first role behind `role`, in the order of the database, of which there are files.
    async fn role_after(&self, gun: &Gun, role: &Role) -> Result<Option<Role>, StoreError>;

    /// Adds `files` in their order and, for a timestamp, a changefeed entry: all of them, or none.
    ///
    /// `base` is the newest timestamp that the files were made for; `None` if the GUN had none. The
    /// files are stored only on top of exactly that one. A version number alone would not do: after
    /// a deletion the same numbers are given out again.
    ///
    /// # Errors
    ///
    /// [`StoreError::VersionExists`] names the first role that has a version as high already;
    /// otherwise [`StoreError::Moved`] says that `base` is not the newest timestamp.
    async fn publish(
        &self,
        gun: &Gun,
        base: Option<&Head>,
        files: &[File],
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Removes every version of every role of exactly this GUN; says whether there was any, in
    /// which case the changefeed tells of it.
    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// A page of the changefeed, of one GUN or of all, oldest first.
    ///
    /// It ends before the first id that may still appear: a transaction that took an id is running,
    /// and a follower that was given a higher one would never ask for it. So it is safe to go on
    /// after the last change of a page. Where a transaction was rolled back, its id is skipped once
    /// that is proven; where the database cannot prove it, after five minutes.
    async fn changes(&self, gun: Option<&Gun>, page: Page) -> Result<Vec<Change>, StoreError>;

    /// The changes with an id of at least `from` as they are now, at most `limit`, oldest first.
    /// Others may still appear below and between them.
    async fn changes_from(&self, from: i64, limit: u32) -> Result<Vec<Change>, StoreError>;

    /// An id up to which no change will still appear that is not there now. It never waits for a
    /// writer.
    async fn settled(&self) -> Result<i64, StoreError>;

    /// GUNs behind `after` in name order, at most `limit`, each with the age of its newest
    /// timestamp.
    async fn timestamps(&self, after: &str, limit: u32) -> Result<Vec<Aging>, StoreError>;

    /// Whether the tables can be read.
    async fn check(&self) -> Result<(), StoreError>;

    /// How the database is doing, as the last requests saw it; tells of changes at once.
    fn condition(&self) -> watch::Receiver<Condition>;

    /// Whether files and changes can be written: tries it and takes it back.
    ///
    /// # Errors
    ///
    /// Why a publish, or a deletion, would fail in the database.
    async fn try_write(&self, now: OffsetDateTime) -> Result<(), StoreError>;

    /// Whether the database takes some names for one another, so that what is done to one may be
    /// done to others.
    fn merges_names(&self) -> bool;

    /// How many connections are open.
    fn pool(&self) -> PoolState;

    /// Closes all connections, at the end of the program: see [`database::Pool::close`].
    async fn close(&self);
}
