//! Keys in Notary's table `private_keys`, on any database that has a [`Dialect`].

use async_trait::async_trait;
use database::{Dialect, Time, fault, record_pool};
use sqlx::{
    ColumnIndex, Decode, Encode, Executor, FromRow, Pool, Transaction, Type, migrate::Migrator,
};
use time::OffsetDateTime;
use tuf::{KeyType, PublicKey};

use super::{KeyId, KeyStore, ListedKey, NewKey, Purpose, StoreError, StoredKey, algorithm_name};
use crate::{
    envelope::{ENCRYPTION, KEY_WRAPPING},
    metrics,
};

/// The table as `SQLite` has it.
pub static SQLITE: Migrator = sqlx::migrate!("../migrations/signer/sqlite");

/// Every statement, by what it is for. Tests look at the plan of each.
pub mod statements {
    /// Keys of one purpose that never signed.
    pub const PENDING: &str = "SELECT key_id, algorithm, public, gun, role FROM private_keys \
         WHERE gun = ? AND role = ? AND algorithm = ? AND last_used IS NULL AND deleted_at IS NULL \
         ORDER BY key_id, id";
    /// A new key; `last_used` stays NULL.
    pub const INSERT: &str = "INSERT INTO private_keys (created_at, updated_at, key_id, \
         encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    /// One key.
    pub const FIND: &str = "SELECT key_id, algorithm, passphrase_alias, public, private, gun, \
         role, last_used FROM private_keys WHERE key_id = ? AND deleted_at IS NULL";
    /// A key has signed.
    pub const MARK_USED: &str = "UPDATE private_keys SET last_used = ?, updated_at = ? \
         WHERE key_id = ? AND deleted_at IS NULL";
    /// A key goes; its row stays and keeps the id taken.
    pub const DELETE: &str =
        "UPDATE private_keys SET deleted_at = ? WHERE key_id = ? AND deleted_at IS NULL";
    /// Another passphrase for one key.
    pub const RESEAL: &str = "UPDATE private_keys SET passphrase_alias = ?, private = ?, \
         updated_at = ? WHERE key_id = ? AND passphrase_alias = ? AND deleted_at IS NULL";
    /// A page of all keys.
    pub const LIST: &str = "SELECT id, key_id, gun, role, algorithm, passphrase_alias, last_used \
         FROM private_keys WHERE id > ? AND deleted_at IS NULL ORDER BY id LIMIT ?";
    /// The alias that follows one: asked again and again, it costs a step for each alias, where
    /// `DISTINCT` would look at each key.
    pub const NEXT_ALIAS: &str = "SELECT passphrase_alias FROM private_keys \
         WHERE passphrase_alias > ? AND deleted_at IS NULL ORDER BY passphrase_alias LIMIT 1";
    /// Some keys of one alias.
    pub const UNDER_ALIAS: &str = "SELECT key_id, algorithm, passphrase_alias, public, private, \
         gun, role, last_used FROM private_keys \
         WHERE passphrase_alias = ? AND deleted_at IS NULL ORDER BY id LIMIT ?";
    /// Nothing, but it fails when keys cannot be read.
    pub const PROBE: &str = "SELECT id FROM private_keys WHERE key_id = ''";

    /// All of them.
    pub const ALL: [&str; 10] = [
        PENDING,
        INSERT,
        FIND,
        MARK_USED,
        DELETE,
        RESEAL,
        LIST,
        NEXT_ALIAS,
        UNDER_ALIAS,
        PROBE,
    ];
}

/// The key store in an SQL database.
pub struct SqlStore<DB: Dialect> {
    pool: Pool<DB>,
}

impl<DB: Dialect> SqlStore<DB> {
    /// Keeps keys in the database behind `pool`, whose table must be there.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }
}

/// Columns of [`statements::PENDING`].
#[derive(FromRow)]
struct PendingRow {
    key_id: String,
    algorithm: String,
    public: Vec<u8>,
    gun: String,
    role: String,
}

impl PendingRow {
    /// The key, if it is for `purpose` letter by letter (Notary's collation on MySQL ignores case
    /// and accents) and is the one its id names.
    fn into_key_for(self, purpose: &Purpose) -> Option<PublicKey> {
        let exact = self.gun == purpose.gun
            && self.role == purpose.role
            && self.algorithm == algorithm_name(purpose.algorithm);
        let key =
            exact.then(|| PublicKey::new(KeyType::from(self.algorithm.as_str()), self.public))?;
        if key.id().as_str() != self.key_id {
            tracing::error!(
                key_id = self.key_id,
                "a pending key is not the one its id names"
            );
            return None;
        }
        Some(key)
    }
}

/// Columns of [`statements::FIND`] and [`statements::UNDER_ALIAS`].
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
            envelope: row.private,
            gun: row.gun,
            role: row.role,
            used: row.last_used.is_some(),
        }
    }
}

/// Columns of [`statements::LIST`].
#[derive(FromRow)]
struct ListRow<T> {
    id: i64,
    key_id: String,
    gun: String,
    role: String,
    algorithm: String,
    passphrase_alias: String,
    last_used: Option<T>,
}

impl<T: Time> From<ListRow<T>> for ListedKey {
    fn from(row: ListRow<T>) -> Self {
        Self {
            row: row.id,
            id: row.key_id,
            gun: row.gun,
            role: row.role,
            algorithm: row.algorithm,
            alias: row.passphrase_alias,
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

/// The first of the stored keys that is for `purpose`.
fn choose(rows: Vec<PendingRow>, purpose: &Purpose) -> Option<PublicKey> {
    rows.into_iter().find_map(|row| row.into_key_for(purpose))
}

/// Inserts `key` in a transaction.
async fn insert<DB>(
    transaction: &mut Transaction<'_, DB>,
    key: &NewKey,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
{
    let now = DB::Time::from(now);
    sqlx::query(DB::sql(statements::INSERT))
        .bind(now)
        .bind(now)
        .bind(key.public.id().as_str())
        .bind(ENCRYPTION)
        .bind(KEY_WRAPPING)
        .bind(algorithm_name(key.purpose.algorithm))
        .bind(key.alias.as_str())
        .bind(key.public.public_bytes())
        .bind(key.envelope.as_bytes())
        .bind(key.purpose.gun.as_str())
        .bind(key.purpose.role.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

#[async_trait]
impl<DB> KeyStore for SqlStore<DB>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> String: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
    for<'r> PendingRow: FromRow<'r, DB::Row>,
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

    async fn insert_pending(
        &self,
        key: &NewKey,
        now: OffsetDateTime,
    ) -> Result<PublicKey, StoreError> {
        let mut transaction = self.pool.begin_with(DB::BEGIN).await?;
        let rows = sqlx::query_as(DB::sql(statements::PENDING))
            .bind(key.purpose.gun.as_str())
            .bind(key.purpose.role.as_str())
            .bind(algorithm_name(key.purpose.algorithm))
            .fetch_all(&mut *transaction)
            .await?;
        if let Some(winner) = choose(rows, &key.purpose) {
            return Ok(winner);
        }
        insert(&mut transaction, key, now).await?;
        transaction.commit().await?;
        Ok(key.public.clone())
    }

    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, StoreError> {
        let row: Option<KeyRow<DB::Time>> = sqlx::query_as(DB::sql(statements::FIND))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(StoredKey::from))
    }

    async fn mark_used(&self, uses: &[(KeyId, OffsetDateTime)]) -> Result<Vec<KeyId>, StoreError> {
        let mut gone = Vec::new();
        let mut transaction = self.pool.begin_with(DB::BEGIN).await?;
        for (id, at) in uses {
            let at = DB::Time::from(*at);
            let result = sqlx::query(DB::sql(statements::MARK_USED))
                .bind(at)
                .bind(at)
                .bind(id.as_str())
                .execute(&mut *transaction)
                .await?;
            if DB::rows_affected(&result) == 0 {
                gone.push(id.clone());
            }
        }
        transaction.commit().await?;
        Ok(gone)
    }

    async fn delete(&self, id: &KeyId, now: OffsetDateTime) -> Result<bool, StoreError> {
        let result = sqlx::query(DB::sql(statements::DELETE))
            .bind(DB::Time::from(now))
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        Ok(DB::rows_affected(&result) > 0)
    }

    async fn reseal(
        &self,
        key: &StoredKey,
        alias: &str,
        envelope: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let result = sqlx::query(DB::sql(statements::RESEAL))
            .bind(alias)
            .bind(envelope.as_bytes())
            .bind(DB::Time::from(now))
            .bind(key.id.as_str())
            .bind(key.alias.as_str())
            .execute(&self.pool)
            .await?;
        Ok(DB::rows_affected(&result) > 0)
    }

    async fn list(&self, after: i64, limit: u16) -> Result<Vec<ListedKey>, StoreError> {
        let rows: Vec<ListRow<DB::Time>> = sqlx::query_as(DB::sql(statements::LIST))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(ListedKey::from).collect())
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
                Some((alias,)) => aliases.push(alias),
                None => return Ok(aliases),
            }
        }
    }

    async fn under_alias(&self, alias: &str, limit: u16) -> Result<Vec<StoredKey>, StoreError> {
        let rows: Vec<KeyRow<DB::Time>> = sqlx::query_as(DB::sql(statements::UNDER_ALIAS))
            .bind(alias)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(StoredKey::from).collect())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        DB::still_there(&mut connection).await?;
        sqlx::query(DB::sql(statements::PROBE))
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    fn record_metrics(&self) {
        record_pool(&self.pool);
    }
}
