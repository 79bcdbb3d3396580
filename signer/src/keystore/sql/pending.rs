//! Making the one key of a purpose that is handed out until it signs.

use database::{Dialect, Fault, Pool, Transaction};
use sqlx::{Encode, Executor, FromRow, Type};
use time::OffsetDateTime;
use tuf::{KeyType, PublicKey};

use super::{precondition, statements};
use crate::keystore::{
    NewKey, Purpose, StoreError, algorithm_name,
    dialect::{KeyDialect, Lock},
};

/// What became of an attempt to insert a key.
pub(super) enum Inserted {
    /// This one is pending now.
    Pending(PublicKey),
    /// The row that was inserted read as another, and was taken back.
    Altered,
    /// Nothing is pending, and nothing was inserted: the precondition is not met.
    PreconditionFailed,
}

/// Inserts `key` unless its purpose has a pending key, or its precondition is not met.
pub(super) async fn insert_unless_pending<DB>(
    pool: &Pool<DB>,
    key: &NewKey,
    now: OffsetDateTime,
) -> Result<Inserted, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> PendingRow: FromRow<'r, DB::Row>,
    for<'r> WrittenRow: FromRow<'r, DB::Row>,
    for<'r> (String,): FromRow<'r, DB::Row>,
{
    let mut transaction = pool.begin_with(DB::BEGIN_LOCKED).await?;
    let outcome = insert_locked(&mut transaction, key, now).await;
    if let Ok(Inserted::Altered | Inserted::PreconditionFailed) = outcome {
        transaction.rollback().await;
        return outcome;
    }
    transaction.finish(outcome).await
}

/// Inserts `key` when no other signer is doing the same.
async fn insert_locked<DB>(
    transaction: &mut Transaction<DB>,
    key: &NewKey,
    now: OffsetDateTime,
) -> Result<Inserted, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> PendingRow: FromRow<'r, DB::Row>,
    for<'r> WrittenRow: FromRow<'r, DB::Row>,
    for<'r> (String,): FromRow<'r, DB::Row>,
{
    let locks: Vec<_> = [Lock::for_purpose(&key.purpose)]
        .into_iter()
        .chain(precondition::lock_for(&key.holding))
        .collect();
    DB::lock(transaction, &locks).await?;
    if let Some(winner) = choose(rivals(transaction, key).await?, &key.purpose) {
        return Ok(Inserted::Pending(winner));
    }
    if !precondition::is_met(transaction, &key.holding).await? {
        return Ok(Inserted::PreconditionFailed);
    }
    insert(transaction, key, now).await?;
    // By its id: without an index, reading the purpose again would read the whole table.
    let written = read_back(transaction, key.public.id().as_str()).await?;
    Ok(match written {
        Some(written) if written.is_as_made(key) => Inserted::Pending(key.public.clone()),
        _ => Inserted::Altered,
    })
}

/// Columns of [`statements::WRITTEN`].
#[derive(FromRow)]
pub(super) struct WrittenRow {
    key_id: String,
    encryption_alg: String,
    keywrap_alg: String,
    algorithm: String,
    passphrase_alias: String,
    public: Vec<u8>,
    private: Vec<u8>,
    gun: String,
    role: String,
}

impl WrittenRow {
    /// Whether it holds all that the row of `key` is to hold, to the letter. The key will be used
    /// without being read again, for as long as this signer runs.
    fn is_as_made(&self, key: &NewKey) -> bool {
        let NewKey {
            public,
            purpose,
            holding,
        } = key;
        self.key_id == public.id().as_str()
            && self.encryption_alg == holding.encryption
            && self.keywrap_alg == holding.wrapping
            && self.algorithm == algorithm_name(purpose.algorithm)
            && self.passphrase_alias == holding.alias
            && self.public == public.public_bytes()
            && self.private == holding.private
            && self.gun == purpose.gun
            && self.role == purpose.role
    }
}

/// Columns of [`statements::PENDING`].
#[derive(FromRow)]
pub(super) struct PendingRow {
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
            tracing::error!(key_id = self.key_id, "a pending key does not match its id");
            return None;
        }
        Some(key)
    }
}

/// Of the stored keys that are for `purpose`, the one with the smallest id.
pub(super) fn choose(mut rows: Vec<PendingRow>, purpose: &Purpose) -> Option<PublicKey> {
    // Here, because a database without the index might go through all keys in this order.
    rows.sort_unstable_by(|one, other| one.key_id.cmp(&other.key_id));
    rows.into_iter().find_map(|row| row.into_key_for(purpose))
}

/// The rows of `key`'s purpose as a transaction sees them.
async fn rivals<DB>(
    transaction: &mut Transaction<DB>,
    key: &NewKey,
) -> Result<Vec<PendingRow>, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'r> PendingRow: FromRow<'r, DB::Row>,
{
    sqlx::query_as(DB::sql(statements::PENDING))
        .bind(key.purpose.gun.as_str())
        .bind(key.purpose.role.as_str())
        .bind(algorithm_name(key.purpose.algorithm))
        .fetch_all(transaction.executor())
        .await
}

/// The row of the new key called `id` as a transaction sees it.
async fn read_back<DB>(
    transaction: &mut Transaction<DB>,
    id: &str,
) -> Result<Option<WrittenRow>, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'r> WrittenRow: FromRow<'r, DB::Row>,
{
    sqlx::query_as(DB::sql(statements::WRITTEN))
        .bind(id)
        .bind(id)
        .fetch_optional(transaction.executor())
        .await
}

/// Inserts `key` in a transaction.
async fn insert<DB>(
    transaction: &mut Transaction<DB>,
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
        .bind(key.holding.encryption)
        .bind(key.holding.wrapping)
        .bind(algorithm_name(key.purpose.algorithm))
        .bind(key.holding.alias.as_str())
        .bind(key.public.public_bytes())
        .bind(key.holding.private.as_slice())
        .bind(key.purpose.gun.as_str())
        .bind(key.purpose.role.as_str())
        .execute(transaction.executor())
        .await?;
    Ok(())
}

/// The error for a row that was just inserted and reads as another.
pub(super) fn alteration_error() -> StoreError {
    StoreError {
        fault: Fault::Unstorable,
        error: sqlx::Error::Protocol("the key did not come back as it was written".to_owned()),
    }
}
