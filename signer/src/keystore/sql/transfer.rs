//! Moving all keys out of a database, encrypted as they are, and into an empty one.

use archive::{Fingerprint, Incoming, Sink, Transfer, TransferError};
use async_trait::async_trait;
use database::{
    Int, Time, Transaction, WholeTable, WholeTables, extent, first_filled, is_unique_violation,
};
use futures_util::TryStreamExt as _;
use sqlx::{Encode, Executor, FromRow, Type};
use tokio::sync::mpsc::{Receiver, Sender};

use super::{SqlStore, statements};
use crate::keystore::{ArchivedKey, dialect::KeyDialect};

/// The only table.
const TABLES: [WholeTable; 1] = [WholeTable {
    name: "private_keys",
    last: statements::LAST,
}];

#[async_trait]
impl<DB> Transfer<ArchivedKey> for SqlStore<DB>
where
    DB: KeyDialect + WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Option<DB::Time>: Encode<'q, DB>,
    for<'r> (Int,): FromRow<'r, DB::Row>,
    for<'r> Columns<DB::Time>: FromRow<'r, DB::Row>,
{
    async fn extent(&self) -> Result<u64, TransferError> {
        extent(&self.pool, &TABLES).await.map_err(failed)
    }

    async fn export(&self, rows: Sender<ArchivedKey>) -> Result<(), TransferError> {
        let mut transaction = self.pool.begin_with(DB::SNAPSHOT).await.map_err(failed)?;
        let outcome = read_all(&mut transaction, &mut Sink::Channel(rows)).await;
        transaction.rollback().await;
        outcome
    }

    async fn import(&self, mut rows: Receiver<Incoming<ArchivedKey>>) -> Result<(), TransferError> {
        let mut transaction = self.pool.begin_with(DB::BEGIN).await.map_err(failed)?;
        let filled = first_filled(&mut transaction, &TABLES).await;
        if let Some(table) = filled.map_err(failed)? {
            return Err(TransferError::NotEmpty(table));
        }
        let mut given = Fingerprint::default();
        while let Incoming::Row(row) = rows.recv().await.ok_or(TransferError::Interrupted)? {
            given.add(&*row);
            add(&mut transaction, &row).await?;
        }
        for table in TABLES {
            let continued = DB::continue_ids(&mut transaction, table.name).await;
            continued.map_err(failed)?;
        }
        let mut kept = Sink::Fingerprint(Fingerprint::default());
        read_all(&mut transaction, &mut kept).await?;
        kept.compare(&given)?;
        transaction.commit().await.map_err(failed)
    }
}

/// Columns of [`statements::EVERYTHING`].
#[derive(FromRow)]
struct Columns<T> {
    id: Int,
    created_at: Option<T>,
    updated_at: Option<T>,
    deleted_at: Option<T>,
    key_id: String,
    encryption_alg: String,
    keywrap_alg: String,
    algorithm: String,
    passphrase_alias: String,
    public: Vec<u8>,
    private: Vec<u8>,
    gun: String,
    role: String,
    last_used: Option<T>,
}

impl<T: Time> From<Columns<T>> for ArchivedKey {
    fn from(row: Columns<T>) -> Self {
        Self {
            id: row.id.0,
            created_at: row.created_at.map(Time::utc),
            updated_at: row.updated_at.map(Time::utc),
            deleted_at: row.deleted_at.map(Time::utc),
            key_id: row.key_id,
            encryption_alg: row.encryption_alg,
            keywrap_alg: row.keywrap_alg,
            algorithm: row.algorithm,
            passphrase_alias: row.passphrase_alias,
            public: row.public,
            gun: row.gun,
            role: row.role,
            last_used: row.last_used.map(Time::utc),
            private: row.private,
        }
    }
}

/// Hands every row to `sink`, as long as it wants them.
async fn read_all<DB>(
    transaction: &mut Transaction<DB>,
    sink: &mut Sink<ArchivedKey>,
) -> Result<(), TransferError>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Columns<DB::Time>: FromRow<'r, DB::Row>,
{
    let statement = DB::sql(statements::EVERYTHING);
    let mut rows = sqlx::query_as::<DB, Columns<DB::Time>>(statement).fetch(transaction.executor());
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        if !sink.take(row.into()).await {
            break;
        }
    }
    Ok(())
}

async fn add<DB>(transaction: &mut Transaction<DB>, row: &ArchivedKey) -> Result<(), TransferError>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Option<DB::Time>: Encode<'q, DB>,
{
    let time = |time: Option<_>| time.map(DB::Time::from);
    let added = sqlx::query(DB::sql(statements::PUT))
        .bind(row.id)
        .bind(time(row.created_at))
        .bind(time(row.updated_at))
        .bind(time(row.deleted_at))
        .bind(row.key_id.as_str())
        .bind(row.encryption_alg.as_str())
        .bind(row.keywrap_alg.as_str())
        .bind(row.algorithm.as_str())
        .bind(row.passphrase_alias.as_str())
        .bind(row.public.as_slice())
        .bind(row.private.as_slice())
        .bind(row.gun.as_str())
        .bind(row.role.as_str())
        .bind(time(row.last_used))
        .execute(transaction.executor())
        .await;
    match added {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => {
            Err(TransferError::Clash(format!("key {}", row.key_id)))
        }
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: sqlx::Error) -> TransferError {
    TransferError::Database(error.into())
}
