//! The one implementation of [`TrustStore`]: SQL that all databases share, in the tables of Notary.

use async_trait::async_trait;
use bytes::Bytes;
use database::{Dialect, Time as _};
use sqlx::{Decode, Encode, Executor, FromRow, Pool, Row, Type};
use time::OffsetDateTime;
use tuf::{File, Gun, Role};

use super::{
    Aging, Change, Head, Page, PoolState, StoreError, StoredMetadata, TrustStore, statements,
};

/// Trust data in an SQL database.
pub struct SqlStore<DB: Dialect> {
    pool: Pool<DB>,
}

impl<DB: Dialect> SqlStore<DB> {
    /// Keeps trust data in the database that `pool` leads to, which has the tables.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }
}

struct FileRow<T> {
    data: Vec<u8>,
    created_at: T,
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
            created_at: row.created_at.utc(),
        }
    }
}

#[derive(FromRow)]
struct HeadRow {
    version: i32,
    sha256: Option<String>,
}

#[derive(FromRow)]
struct AgingRow<T> {
    gun: String,
    created_at: T,
}

#[derive(FromRow)]
struct ChangeRow<T> {
    id: i32,
    created_at: T,
    gun: String,
    version: i32,
    sha256: Option<String>,
    category: String,
}

impl<T: database::Time> From<ChangeRow<T>> for Change {
    fn from(row: ChangeRow<T>) -> Self {
        Self {
            id: i64::from(row.id),
            created_at: row.created_at.utc(),
            gun: row.gun,
            version: i64::from(row.version),
            // A fixed-width column pads the empty checksum of a deletion with blanks.
            sha256: row.sha256.unwrap_or_default().trim_end().to_owned(),
            category: row.category,
        }
    }
}

#[async_trait]
impl<DB> TrustStore for SqlStore<DB>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Decode<'q, DB> + Type<DB>,
    for<'q> Option<String>: Decode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Decode<'q, DB> + Type<DB>,
    for<'q> i32: Encode<'q, DB> + Decode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Option<i32>: Encode<'q, DB>,
    &'static str: sqlx::ColumnIndex<DB::Row>,
    for<'r> HeadRow: FromRow<'r, DB::Row>,
    for<'r> FileRow<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> ChangeRow<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> AgingRow<DB::Time>: FromRow<'r, DB::Row>,
{
    async fn head(&self, gun: &Gun) -> Result<Option<Head>, StoreError> {
        let row: Option<HeadRow> = sqlx::query_as(DB::sql(statements::HEAD))
            .bind(gun.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            let mut sha256 = [0; 32];
            hex::decode_to_slice(row.sha256.unwrap_or_default(), &mut sha256)
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok(Head {
                sha256,
                version: i64::from(row.version),
            })
        })
        .transpose()
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &Role,
        sha256: &[u8; 32],
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let row: Option<FileRow<DB::Time>> = sqlx::query_as(DB::sql(statements::BY_CHECKSUM))
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(hex::encode(sha256))
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(StoredMetadata::from))
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &Role,
        version: i32,
    ) -> Result<Option<StoredMetadata>, StoreError> {
        let row: Option<FileRow<DB::Time>> = sqlx::query_as(DB::sql(statements::BY_VERSION))
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(version)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(StoredMetadata::from))
    }

    async fn publish(
        &self,
        gun: &Gun,
        files: &[File],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let now = DB::Time::from(now);
        let mut transaction = self.pool.begin_with(DB::BEGIN).await?;
        for file in files {
            let role = file.role();
            // A version that does not fit the column is one that no other could follow.
            let version = i32::try_from(file.version())
                .map_err(|_| StoreError::VersionExists(role.clone()))?;
            let overtaken = sqlx::query(DB::sql(statements::IS_OVERTAKEN))
                .bind(gun.as_str())
                .bind(role.as_str())
                .bind(version)
                .fetch_optional(&mut *transaction)
                .await?;
            if overtaken.is_some() {
                return Err(StoreError::VersionExists(role.clone()));
            }
            let sha256 = hex::encode(file.checksums().sha256);
            sqlx::query(DB::sql(statements::ADD_FILE))
                .bind(now)
                .bind(now)
                .bind(gun.as_str())
                .bind(role.as_str())
                .bind(version)
                .bind(sha256.as_str())
                .bind(&file.bytes()[..])
                .execute(&mut *transaction)
                .await
                .map_err(|error| lost_race(role, error))?;
            if *role == Role::Timestamp {
                add_change(&mut transaction, now, gun, version, &sha256, "update").await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin_with(DB::BEGIN).await?;
        let gone = sqlx::query(DB::sql(statements::DELETE))
            .bind(gun.as_str())
            .execute(&mut *transaction)
            .await?;
        let any = DB::rows_affected(&gone) > 0;
        if any {
            add_change(
                &mut transaction,
                DB::Time::from(now),
                gun,
                0,
                "",
                "deletion",
            )
            .await?;
        }
        transaction.commit().await?;
        Ok(any)
    }

    async fn changes(&self, gun: Option<&Gun>, page: Page) -> Result<Vec<Change>, StoreError> {
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
                id.unwrap_or(i32::MAX),
                limit,
                true,
            ),
        };
        let mut query = sqlx::query_as::<DB, ChangeRow<DB::Time>>(DB::sql(statement));
        if let Some(gun) = gun {
            query = query.bind(gun.as_str());
        }
        let rows = query
            .bind(id)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        let mut changes: Vec<Change> = rows.into_iter().map(Change::from).collect();
        if backwards {
            changes.reverse();
        }
        Ok(changes)
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
                created_at: row.created_at.utc(),
            })
            .collect())
    }

    async fn check(&self) -> Result<(), StoreError> {
        sqlx::query(DB::sql(statements::CHECK))
            .fetch_optional(&self.pool)
            .await?;
        Ok(())
    }

    fn pool(&self) -> PoolState {
        PoolState {
            open: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
        }
    }
}

/// A unique key that is taken means that a rival committed between our look and our insert.
fn lost_race(role: &Role, error: sqlx::Error) -> StoreError {
    if database::is_unique_violation(&error) {
        StoreError::VersionExists(role.clone())
    } else {
        error.into()
    }
}

async fn add_change<DB>(
    transaction: &mut sqlx::Transaction<'_, DB>,
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
    for<'q> i32: Encode<'q, DB> + Type<DB>,
{
    sqlx::query(DB::sql(statements::ADD_CHANGE))
        .bind(now)
        .bind(gun.as_str())
        .bind(version)
        .bind(sha256)
        .bind(category)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
