//! Keys in Notary's table `private_keys`, on any database that has a
//! [`Dialect`](database::Dialect).

mod pending;
mod precondition;
pub mod statements;
mod transfer;

use async_trait::async_trait;
use database::{Condition, Int, Pool, Retries, Time, Transaction, fault};
use sqlx::{ColumnIndex, Decode, Encode, Executor, FromRow, Type};
use time::OffsetDateTime;
use tokio::sync::watch;
use tuf::PublicKey;

use self::pending::{
    Inserted, PendingRow, WrittenRow, alteration_error, choose, insert_unless_pending,
};
use super::{
    Holding, KeyId, KeyStore, ListedKey, NewKey, Origin, Purpose, Resealed, StoreError, StoredKey,
    algorithm_name, dialect::KeyDialect,
};
use crate::metrics;

/// The key store in an SQL database.
pub struct SqlStore<DB: KeyDialect> {
    pool: Pool<DB>,
    is_indexed: bool,
}

impl<DB: KeyDialect> SqlStore<DB> {
    /// The same, on a table with or without the indexes that finding keys by alias needs.
    #[must_use]
    pub fn with_indexes(self, is_indexed: bool) -> Self {
        Self { is_indexed, ..self }
    }

    /// Keeps keys in the database behind `pool`, whose table must be there.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self {
            pool,
            is_indexed: true,
        }
    }
}

/// Columns of [`statements::FIND`] and of the keys of an alias.
#[derive(FromRow)]
struct KeyRow<T> {
    key_id: String,
    algorithm: String,
    passphrase_alias: String,
    public: Vec<u8>,
    private: Vec<u8>,
    gun: String,
    role: String,
    last_used: Option<T>,
}

impl<T> From<KeyRow<T>> for StoredKey {
    fn from(row: KeyRow<T>) -> Self {
        Self {
            id: row.key_id,
            algorithm: row.algorithm,
            alias: row.passphrase_alias,
            public: row.public,
            private: row.private,
            gun: row.gun,
            role: row.role,
            used: row.last_used.is_some(),
        }
    }
}

/// Columns of [`statements::LIST`].
#[derive(FromRow)]
struct ListRow<T> {
    id: Int,
    key_id: String,
    gun: String,
    role: String,
    algorithm: String,
    passphrase_alias: String,
    created_at: Option<T>,
    last_used: Option<T>,
}

impl<T: Time> From<ListRow<T>> for ListedKey {
    fn from(row: ListRow<T>) -> Self {
        Self {
            row: row.id.0,
            id: row.key_id,
            gun: row.gun,
            role: row.role,
            algorithm: row.algorithm,
            alias: row.passphrase_alias,
            created: row.created_at.map(Time::utc),
            last_used: row.last_used.map(Time::utc),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        metrics::database_error();
        Self {
            fault: fault(&error),
            error,
        }
    }
}

/// Notes `uses` of the keys that are there, and answers those that are gone. One use, and two at
/// the same time, are noted by a statement that commits by itself. Where one of two keys is gone,
/// the other may therefore be noted even after an error.
async fn note_uses<DB>(
    pool: &Pool<DB>,
    uses: &[(KeyId, OffsetDateTime)],
) -> Result<Vec<KeyId>, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
{
    if let [(id, at)] = uses {
        let is_there = mark_one(pool, id, *at).await?;
        return Ok(if is_there { vec![] } else { vec![id.clone()] });
    }
    if let [(one, at), (other, later)] = uses
        && at == later
        && mark_both(pool, [one, other], *at).await?
    {
        return Ok(Vec::new());
    }
    let mut transaction = pool.begin_with(DB::BEGIN_LOCKED).await?;
    let outcome = mark_all(&mut transaction, uses).await;
    transaction.finish(outcome).await
}

async fn mark_all<DB>(
    transaction: &mut Transaction<DB>,
    uses: &[(KeyId, OffsetDateTime)],
) -> Result<Vec<KeyId>, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
{
    let mut gone = Vec::new();
    for (id, at) in uses {
        if !mark_one(transaction.executor(), id, *at).await? {
            gone.push(id.clone());
        }
    }
    Ok(gone)
}

/// Notes when two keys were used; answers whether both are there.
async fn mark_both<DB>(
    pool: &Pool<DB>,
    ids: [&KeyId; 2],
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
{
    let (at, [one, other]) = (DB::Time::from(at), ids.map(KeyId::as_str));
    let result = sqlx::query(DB::sql(statements::MARK_BOTH_USED))
        .bind(at)
        .bind(at)
        .bind(one)
        .bind(other)
        .bind(one)
        .bind(other)
        .execute(pool)
        .await?;
    Ok(DB::rows_affected(&result) == 2)
}

/// Notes when the key called `id` was used; answers whether it is there.
async fn mark_one<'e, DB>(
    executor: impl Executor<'e, Database = DB>,
    id: &KeyId,
    at: OffsetDateTime,
) -> Result<bool, sqlx::Error>
where
    DB: KeyDialect,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
{
    let at = DB::Time::from(at);
    let result = sqlx::query(DB::sql(statements::MARK_USED))
        .bind(at)
        .bind(at)
        .bind(id.as_str())
        .bind(id.as_str())
        .execute(executor)
        .await?;
    Ok(DB::rows_affected(&result) > 0)
}

/// Replaces what is held of `key` in one transaction.
async fn reseal_once<DB>(
    pool: &Pool<DB>,
    key: &StoredKey,
    holding: &Holding,
    now: OffsetDateTime,
) -> Result<Resealed, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> (String,): FromRow<'r, DB::Row>,
{
    let mut transaction = pool.begin_with(DB::BEGIN_LOCKED).await?;
    let outcome = reseal_in(&mut transaction, key, holding, now).await;
    transaction.finish(outcome).await
}

async fn reseal_in<DB>(
    transaction: &mut Transaction<DB>,
    key: &StoredKey,
    holding: &Holding,
    now: OffsetDateTime,
) -> Result<Resealed, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> (String,): FromRow<'r, DB::Row>,
{
    if let Some(lock) = precondition::lock_for(holding) {
        DB::lock(transaction, &[lock]).await?;
    }
    if !precondition::is_met(transaction, holding).await? {
        return Ok(Resealed::PreconditionFailed);
    }
    let result = sqlx::query(DB::sql(statements::RESEAL))
        .bind(holding.alias.as_str())
        .bind(holding.private.as_slice())
        .bind(DB::Time::from(now))
        .bind(key.id.as_str())
        .bind(key.id.as_str())
        .bind(key.alias.as_str())
        .execute(transaction.executor())
        .await?;
    Ok(match DB::rows_affected(&result) {
        0 => Resealed::Stale,
        _ => Resealed::Done,
    })
}

#[async_trait]
impl<DB> KeyStore for SqlStore<DB>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Decode<'q, DB> + Type<DB>,
    for<'r> String: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
    for<'r> PendingRow: FromRow<'r, DB::Row>,
    for<'r> WrittenRow: FromRow<'r, DB::Row>,
    for<'r> KeyRow<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> ListRow<DB::Time>: FromRow<'r, DB::Row>,
{
    async fn pending(&self, purpose: &Purpose) -> Result<Option<PublicKey>, StoreError> {
        let rows = sqlx::query_as(DB::sql(statements::PENDING))
            .bind(purpose.gun.as_str())
            .bind(purpose.role.as_str())
            .bind(algorithm_name(purpose.algorithm))
            .fetch_all(&self.pool)
            .await?;
        Ok(choose(rows, purpose))
    }

    async fn still_pending(
        &self,
        id: &KeyId,
        purpose: &Purpose,
    ) -> Result<Option<PublicKey>, StoreError> {
        let rows = sqlx::query_as(DB::sql(statements::STILL_PENDING))
            .bind(id.as_str())
            .bind(id.as_str())
            .fetch_all(&self.pool)
            .await?;
        Ok(choose(rows, purpose))
    }

    async fn count_pending(&self, most: u32) -> Result<u64, StoreError> {
        let (count,): (i64,) = sqlx::query_as(DB::sql(statements::COUNT_PENDING))
            .bind(i64::from(most))
            .fetch_one(&self.pool)
            .await?;
        Ok(count.unsigned_abs())
    }

    async fn insert_pending(
        &self,
        key: &NewKey,
        now: OffsetDateTime,
    ) -> Result<Option<PublicKey>, StoreError> {
        let mut retries = Retries::default();
        loop {
            match self
                .pool
                .watch(insert_unless_pending(&self.pool, key, now))
                .await
            {
                Err(error) if retries.again(&error).await => {}
                outcome => {
                    return match outcome? {
                        Inserted::Pending(key) => Ok(Some(key)),
                        Inserted::PreconditionFailed => Ok(None),
                        Inserted::Altered => Err(alteration_error()),
                    };
                }
            }
        }
    }

    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, StoreError> {
        let row: Option<KeyRow<DB::Time>> = sqlx::query_as(DB::sql(statements::FIND))
            .bind(id.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(StoredKey::from))
    }

    async fn origin(&self, id: &KeyId) -> Result<Option<Origin>, StoreError> {
        let row: Option<(String, String)> = sqlx::query_as(DB::sql(statements::ORIGIN))
            .bind(id.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|(gun, role)| Origin { gun, role }))
    }

    async fn mark_used(&self, uses: &[(KeyId, OffsetDateTime)]) -> Result<Vec<KeyId>, StoreError> {
        let mut retries = Retries::default();
        loop {
            match self.pool.watch(note_uses(&self.pool, uses)).await {
                Err(error) if retries.again(&error).await => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn delete(&self, id: &KeyId, now: OffsetDateTime) -> Result<bool, StoreError> {
        let result = sqlx::query(DB::sql(statements::DELETE))
            .bind(DB::Time::from(now))
            .bind(id.as_str())
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        Ok(DB::rows_affected(&result) > 0)
    }

    async fn reseal(
        &self,
        key: &StoredKey,
        holding: &Holding,
        now: OffsetDateTime,
    ) -> Result<Resealed, StoreError> {
        let mut retries = Retries::default();
        loop {
            match self
                .pool
                .watch(reseal_once(&self.pool, key, holding, now))
                .await
            {
                Err(error) if retries.again(&error).await => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn list(&self, after: i64, limit: u16) -> Result<Vec<ListedKey>, StoreError> {
        let rows: Vec<ListRow<DB::Time>> = sqlx::query_as(DB::sql(statements::LIST))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(ListedKey::from).collect())
    }

    async fn count(&self) -> Result<u64, StoreError> {
        let (count,): (i64,) = sqlx::query_as(DB::sql(statements::COUNT))
            .fetch_one(&self.pool)
            .await?;
        Ok(count.unsigned_abs())
    }

    async fn aliases(&self) -> Result<Vec<String>, StoreError> {
        let mut aliases: Vec<String> = Vec::new();
        loop {
            let last = aliases.last().map_or("", String::as_str);
            let next: Option<(String,)> = sqlx::query_as(DB::sql(statements::NEXT_ALIAS))
                .bind(last)
                .fetch_optional(&self.pool)
                .await?;
            match next {
                // An alias that follows itself is in a character set that cannot be gone through.
                Some((alias,)) if aliases.last() != Some(&alias) => aliases.push(alias),
                _ => return Ok(aliases),
            }
        }
    }

    async fn under_alias(&self, alias: &str, limit: u16) -> Result<Vec<StoredKey>, StoreError> {
        let mut keys = Vec::new();
        for statement in [
            statements::OLDEST_UNDER_ALIAS,
            statements::NEWEST_UNDER_ALIAS,
        ] {
            let rows: Vec<KeyRow<DB::Time>> = sqlx::query_as(DB::sql(statement))
                .bind(alias)
                .bind(alias)
                .bind(i64::from(limit))
                .fetch_all(&self.pool)
                .await?;
            keys.extend(rows.into_iter().map(StoredKey::from));
        }
        Ok(keys)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.pool.look_for_writes().await;
        self.pool.still_there().await?;
        sqlx::query(DB::sql(statements::PROBE))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    fn condition(&self) -> watch::Receiver<Condition> {
        self.pool.condition()
    }

    fn is_indexed(&self) -> bool {
        self.is_indexed
    }

    fn record_metrics(&self) {
        self.pool.record();
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
