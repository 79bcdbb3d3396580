//! The one implementation of [`TrustStore`]: SQL that all databases share, in the tables of Notary.

mod addition;
mod group;
mod transfer;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use addition::Addition;
use async_trait::async_trait;
use bytes::Bytes;
use database::{Backend, Condition, Dialect, Fault, Int, Pool, Retries, Transaction, fault};
use group::Group;
use sqlx::{Decode, Encode, Executor, FromRow, Row, Type};
use time::OffsetDateTime;
use tokio::sync::watch;
use tuf::{File, Gun, Role};

use super::{
    Aging, Change, FeedClock, Head, Page, PoolState, StoreError, StoredMetadata, TrustStore,
    VersionName,
    dialect::TrustDialect,
    feed::{Feed, IdRow, StampRow},
    statements,
};

/// Trust data in an SQL database.
pub struct SqlStore<DB: Dialect> {
    pool: Pool<DB>,
    feed: Feed,
    /// Whether the database refuses to write at the level of isolation that publishes ask for.
    is_strict: AtomicBool,
    /// What waits for the one writer of an embedded database.
    group: Arc<Group>,
}

impl<DB: Dialect> SqlStore<DB> {
    /// Keeps trust data in the database that `pool` leads to, which has the tables.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self {
            pool,
            feed: Feed::new(FeedClock::default()),
            is_strict: AtomicBool::default(),
            group: Arc::default(),
        }
    }

    /// With another clock for the changefeed.
    #[must_use]
    pub fn with_clock(mut self, clock: FeedClock) -> Self {
        self.feed = Feed::new(clock);
        self
    }
}

struct FileRow<T> {
    data: Vec<u8>,
    created_at: Option<T>,
}

impl<'r, R: Row, T> FromRow<'r, R> for FileRow<T>
where
    &'static str: sqlx::ColumnIndex<R>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    T: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self {
            data: row.try_get("data")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

impl<T: database::Time> From<FileRow<T>> for StoredMetadata {
    fn from(row: FileRow<T>) -> Self {
        Self {
            bytes: Bytes::from(row.data),
            created_at: moment(row.created_at),
        }
    }
}

/// The time in a column; others may have left it empty, which is older than everything.
fn moment<T: database::Time>(time: Option<T>) -> OffsetDateTime {
    time.map_or(OffsetDateTime::UNIX_EPOCH, T::utc)
}

#[derive(FromRow)]
struct HeadRow {
    version: Int,
    sha256: Option<String>,
}

impl HeadRow {
    /// The checksum; `None` if it was never written down.
    fn checksum(&self) -> Result<Option<[u8; 32]>, sqlx::Error> {
        let written = self.sha256.as_deref().unwrap_or_default().trim_end();
        if written.is_empty() {
            return Ok(None);
        }
        let mut sum = [0; 32];
        hex::decode_to_slice(written, &mut sum)
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Some(sum))
    }
}

#[derive(FromRow)]
struct AgingRow<T> {
    gun: String,
    created_at: Option<T>,
}

#[derive(FromRow)]
struct ChangeRow<T> {
    id: Int,
    created_at: Option<T>,
    gun: String,
    version: Int,
    sha256: Option<String>,
    category: String,
}

impl<T: database::Time> From<ChangeRow<T>> for Change {
    fn from(row: ChangeRow<T>) -> Self {
        Self {
            id: row.id.0,
            created_at: moment(row.created_at),
            gun: row.gun,
            version: row.version.0,
            sha256: unpadded(row.sha256.unwrap_or_default()),
            category: row.category,
        }
    }
}

/// A checksum without the blanks that a fixed-width column pads the empty one of a deletion with.
fn unpadded(mut sha256: String) -> String {
    sha256.truncate(sha256.trim_end().len());
    sha256
}

#[async_trait]
impl<DB> TrustStore for SqlStore<DB>
where
    DB: TrustDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> (String, String): FromRow<'r, DB::Row>,
    for<'r> HeadRow: FromRow<'r, DB::Row>,
    for<'r> FileRow<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> ChangeRow<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> AgingRow<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> IdRow: FromRow<'r, DB::Row>,
    for<'r> StampRow<DB::Time>: FromRow<'r, DB::Row>,
{
    async fn head(&self, gun: &Gun) -> Result<Option<Head>, StoreError> {
        let row: Option<HeadRow> = sqlx::query_as(DB::sql(statements::HEAD))
            .bind(gun.as_str())
            .bind(gun.as_str())
            .fetch_optional(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let version = row.version.0;
        if let Some(sha256) = row.checksum()? {
            return Ok(Some(head(sha256, version)));
        }
        let Ok(number) = i32::try_from(version) else {
            return Ok(None);
        };
        let file = self.by_version(gun, &Role::Timestamp, number).await?;
        Ok(file.map(|file| head(sha256(&file.bytes), version)))
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &Role,
        sum: &[u8; 32],
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let row: Option<FileRow<DB::Time>> = sqlx::query_as(DB::sql(statements::BY_CHECKSUM))
            .bind(gun.as_str())
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(hex::encode(sum))
            .fetch_optional(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        if let Some(row) = row {
            return Ok(Some(row.into()));
        }
        // Rows from before Notary wrote checksums down may still lack them.
        let rows: Vec<FileRow<DB::Time>> = sqlx::query_as(DB::sql(statements::WITHOUT_CHECKSUM))
            .bind(gun.as_str())
            .bind(gun.as_str())
            .bind(role.as_str())
            .fetch_all(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        let found = rows.into_iter().find(|row| sha256(&row.data) == *sum);
        Ok(found.map(StoredMetadata::from))
    }

    async fn holds(&self, gun: &Gun, role: &Role, sum: &[u8; 32]) -> Result<bool, StoreError> {
        let found = sqlx::query(DB::sql(statements::HOLDS))
            .bind(gun.as_str())
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(hex::encode(sum))
            .fetch_optional(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        Ok(found.is_some())
    }

    async fn name_of_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<VersionName>, StoreError> {
        let row: Option<HeadRow> = sqlx::query_as(DB::sql(statements::NAME_OF_VERSION))
            .bind(gun.as_str())
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(i64::from(version))
            .fetch_optional(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let sha256 = row.checksum()?;
        Ok(Some(
            sha256.map_or(VersionName::Unknown, VersionName::Sha256),
        ))
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let row: Option<FileRow<DB::Time>> = sqlx::query_as(DB::sql(statements::BY_VERSION))
            .bind(gun.as_str())
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(i64::from(version))
            .fetch_optional(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        Ok(row.map(StoredMetadata::from))
    }

    async fn before_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i64,
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let row: Option<FileRow<DB::Time>> = sqlx::query_as(DB::sql(statements::BEFORE_VERSION))
            .bind(gun.as_str())
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(version)
            .fetch_optional(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        Ok(row.map(StoredMetadata::from))
    }

    async fn role_after(&self, gun: &Gun, role: &Role) -> Result<Option<Role>, StoreError> {
        let mut after = role.as_str().to_owned();
        loop {
            let row: Option<(String, String)> = sqlx::query_as(DB::sql(statements::ROLE_AFTER))
                .bind(gun.as_str())
                .bind(gun.as_str())
                .bind(after.as_str())
                .fetch_optional(&self.pool)
                .await
                .or_else(nothing_of_that_name)?;
            let Some((_, name)) = row else {
                return Ok(None);
            };
            // What is no role here, nobody can ask for.
            if let Ok(role) = Role::parse(&name) {
                return Ok(Some(role));
            }
            after = name;
        }
    }

    async fn publish(
        &self,
        gun: &Gun,
        base: Option<&Head>,
        files: &[File],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let addition = Addition {
            gun,
            base,
            files,
            now,
        };
        if DB::EMBEDDED {
            return self.group.publish(&self.pool, addition).await;
        }
        let mut retries = Retries::default();
        loop {
            let is_strict = self.is_strict.load(Ordering::Relaxed);
            let publish = addition.publish(&self.pool, is_strict);
            match self.pool.watch(publish).await {
                Err(StoreError::Database(error)) if retries.again(&error).await => {}
                Err(StoreError::Database(error))
                    if !is_strict && database::is_isolation_refused(&error) =>
                {
                    tracing::info!("the binary log of the database takes strict isolation only");
                    self.is_strict.store(true, Ordering::Relaxed);
                }
                outcome => return outcome,
            }
        }
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut retries = Retries::default();
        loop {
            match self.pool.watch(self.delete_once(gun, now)).await {
                Err(error) if retries.again(&error).await => {}
                outcome => return outcome.or_else(nothing_of_that_name),
            }
        }
    }

    async fn changes(&self, gun: Option<&Gun>, page: Page) -> Result<Vec<Change>, StoreError> {
        let settled = self.feed.settled(&self.pool).await?;
        let (statement, id, limit, backwards) = match (page, gun) {
            (Page::After { id, limit }, None) => (statements::CHANGES_AFTER, id, limit, false),
            (Page::After { id, limit }, Some(_)) => {
                (statements::GUN_CHANGES_AFTER, id, limit, false)
            }
            (Page::Before { id, limit }, gun) => (
                if gun.is_some() {
                    statements::GUN_CHANGES_BEFORE
                } else {
                    statements::CHANGES_BEFORE
                },
                id.unwrap_or(i32::MAX)
                    .min(i32::try_from(settled.saturating_add(1)).unwrap_or(i32::MAX)),
                limit,
                true,
            ),
        };
        let mut query = sqlx::query_as::<DB, ChangeRow<DB::Time>>(DB::sql(statement));
        if let Some(gun) = gun {
            query = query.bind(gun.as_str()).bind(gun.as_str());
        }
        let rows = query
            .bind(i64::from(id))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .or_else(nothing_of_that_name)?;
        let mut changes: Vec<Change> = rows.into_iter().map(Change::from).collect();
        changes.retain(|change| change.id <= settled);
        if backwards {
            changes.reverse();
        }
        Ok(changes)
    }

    async fn changes_from(&self, from: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let rows: Vec<ChangeRow<DB::Time>> = sqlx::query_as(DB::sql(statements::CHANGES_AFTER))
            .bind(from.saturating_sub(1))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Change::from).collect())
    }

    async fn settled(&self) -> Result<i64, StoreError> {
        if !DB::IN_ORDER {
            return Ok(self.feed.settled(&self.pool).await?);
        }
        let newest: Option<IdRow> = sqlx::query_as(DB::sql(statements::LAST_CHANGE))
            .fetch_optional(&self.pool)
            .await?;
        Ok(newest.map_or(0, |row| row.id.0))
    }

    async fn timestamps(&self, after: &str, limit: u32) -> Result<Vec<Aging>, StoreError> {
        let rows: Vec<AgingRow<DB::Time>> = sqlx::query_as(DB::sql(statements::TIMESTAMPS))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| Aging {
                gun: Gun::parse(&row.gun).ok(),
                name: row.gun,
                created_at: moment(row.created_at),
            })
            .collect())
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.pool.look_for_writes().await;
        sqlx::query(DB::sql(statements::CHECK))
            .fetch_optional(&self.pool)
            .await?;
        Ok(())
    }

    fn condition(&self) -> watch::Receiver<Condition> {
        self.pool.condition()
    }

    fn merges_names(&self) -> bool {
        DB::BACKEND == Backend::MySql
    }

    async fn try_write(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with(DB::BEGIN).await?;
        let outcome = write_trial(&mut transaction, DB::Time::from(now)).await;
        transaction.rollback().await;
        Ok(outcome?)
    }

    fn pool(&self) -> PoolState {
        let (open, idle) = self.pool.connections();
        PoolState { open, idle }
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

impl<DB> SqlStore<DB>
where
    DB: TrustDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    /// A deletion, from beginning to commit.
    async fn delete_once(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, sqlx::Error> {
        let mut transaction = self.pool.begin_with(DB::begin_deletion(gun)).await?;
        let outcome = remove_files(&mut transaction, gun, DB::Time::from(now)).await;
        transaction.finish(outcome).await
    }
}

/// Does what publishes and deletions do, for a name that no client can publish under: it is no
/// path.
async fn write_trial<DB>(
    transaction: &mut Transaction<DB>,
    now: DB::Time,
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    const TRIAL: &str = "countersign doctor: trial";
    let sha256 = "0".repeat(64);
    sqlx::query(DB::sql(statements::ADD_FILES[0]))
        .bind(now)
        .bind(now)
        .bind(TRIAL)
        .bind("timestamp")
        .bind(1_i64)
        .bind(sha256.as_str())
        .bind(&b"{}"[..])
        .execute(transaction.executor())
        .await?;
    sqlx::query(DB::sql(statements::ADD_NO_CHANGE))
        .execute(transaction.executor())
        .await?;
    sqlx::query(DB::sql(statements::DELETE))
        .bind(TRIAL)
        .bind(TRIAL)
        .execute(transaction.executor())
        .await?;
    Ok(())
}

/// Removes every file of `gun`, and tells the changefeed; says whether there was any.
async fn remove_files<DB>(
    transaction: &mut Transaction<DB>,
    gun: &Gun,
    now: DB::Time,
) -> Result<bool, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let gone = sqlx::query(DB::sql(statements::DELETE))
        .bind(gun.as_str())
        .bind(gun.as_str())
        .execute(transaction.executor())
        .await?;
    let any = DB::rows_affected(&gone) > 0;
    if any {
        add_change(transaction, now, gun, 0, "", "deletion").await?;
    }
    Ok(any)
}

/// Names the newest timestamp. Every stored repository is in Notary's format: a column that tells
/// another one would be read here.
fn head(sha256: [u8; 32], version: i64) -> Head {
    Head {
        sha256,
        version,
        format: tuf::MetadataFormat::NOTARY,
    }
}

/// Nothing can be stored under a name that the database has no room for.
fn nothing_of_that_name<T: Default>(error: sqlx::Error) -> Result<T, StoreError> {
    match fault(&error) {
        Fault::Unstorable => Ok(T::default()),
        _ => Err(error.into()),
    }
}

/// The checksum that a file goes by.
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    sum
}

async fn add_change<DB>(
    transaction: &mut Transaction<DB>,
    now: DB::Time,
    gun: &Gun,
    version: i32,
    sha256: &str,
    category: &str,
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    sqlx::query(DB::sql(statements::ADD_CHANGE))
        .bind(now)
        .bind(gun.as_str())
        .bind(i64::from(version))
        .bind(sha256)
        .bind(category)
        .execute(transaction.executor())
        .await?;
    Ok(())
}
