//! The table of keys as [`Tables`], by which all keys move out of a database, encrypted as they
//! are, and into an empty one.

use archive::{
    Sink, TransferError,
    sql::{self, Tables},
};
use database::{Int, Pool, Time, Transaction, WholeTable, WholeTables};
use sqlx::{Encode, Executor, FromRow, Type};

use super::{SqlStore, statements};
use crate::keystore::{ArchivedKey, dialect::KeyDialect};

impl<DB> Tables for SqlStore<DB>
where
    DB: KeyDialect + WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Option<DB::Time>: Encode<'q, DB>,
    for<'r> Columns<DB::Time>: FromRow<'r, DB::Row>,
{
    type Db = DB;
    type Row = ArchivedKey;

    const TABLES: &'static [WholeTable] = &[WholeTable {
        name: "private_keys",
        last: statements::LAST,
    }];

    fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    async fn read_all(
        transaction: &mut Transaction<DB>,
        sink: &mut Sink<ArchivedKey>,
    ) -> Result<(), TransferError> {
        sql::read::<DB, Columns<DB::Time>, _>(transaction, statements::EVERYTHING, sink).await
    }

    async fn add_row(
        transaction: &mut Transaction<DB>,
        row: &ArchivedKey,
    ) -> Result<(), TransferError> {
        let time = |time: Option<_>| time.map(DB::Time::from);
        let insertion = sqlx::query(DB::sql(statements::PUT))
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
            .bind(time(row.last_used));
        sql::add(transaction, insertion, || format!("key {}", row.key_id)).await
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
