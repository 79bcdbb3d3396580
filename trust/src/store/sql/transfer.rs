//! The tables of trust data as [`Tables`], by which all of it moves out of a database and into an
//! empty one.

use archive::{
    Sink, TransferError,
    sql::{self, Tables},
};
use database::{Int, Pool, Time, Transaction, WholeTable, WholeTables};
use sqlx::{Encode, Executor, FromRow, Type};

use super::{SqlStore, statements};
use crate::store::{ChangeRow, FileRow, TrustRow};

impl<DB> Tables for SqlStore<DB>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Option<DB::Time>: Encode<'q, DB>,
    for<'r> FileColumns<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> ChangeColumns<DB::Time>: FromRow<'r, DB::Row>,
{
    type Db = DB;
    type Row = TrustRow;

    const TABLES: &'static [WholeTable] = &[
        WholeTable {
            name: "tuf_files",
            last: statements::LAST_FILE,
        },
        WholeTable {
            name: "changefeed",
            last: statements::LAST_CHANGE,
        },
    ];

    fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    async fn read_all(
        transaction: &mut Transaction<DB>,
        sink: &mut Sink<TrustRow>,
    ) -> Result<(), TransferError> {
        let (files, changes) = (statements::ALL_FILES, statements::ALL_CHANGES);
        sql::read::<DB, FileColumns<DB::Time>, _>(transaction, files, sink).await?;
        sql::read::<DB, ChangeColumns<DB::Time>, _>(transaction, changes, sink).await
    }

    async fn add_row(
        transaction: &mut Transaction<DB>,
        row: &TrustRow,
    ) -> Result<(), TransferError> {
        let time = |time: Option<_>| time.map(DB::Time::from);
        let insertion = match row {
            TrustRow::File(row) => sqlx::query(DB::sql(statements::PUT_FILE))
                .bind(row.id)
                .bind(time(row.created_at))
                .bind(time(row.updated_at))
                .bind(time(row.deleted_at))
                .bind(row.gun.as_str())
                .bind(row.role.as_str())
                .bind(i64::from(row.version))
                .bind(row.sha256.as_deref())
                .bind(row.data.as_slice()),
            TrustRow::Change(row) => sqlx::query(DB::sql(statements::PUT_CHANGE))
                .bind(row.id)
                .bind(time(row.created_at))
                .bind(row.gun.as_str())
                .bind(i64::from(row.version))
                .bind(row.sha256.as_deref())
                .bind(row.category.as_str()),
        };
        sql::add(transaction, insertion, || name(row)).await
    }
}

/// Columns of [`statements::ALL_FILES`].
#[derive(FromRow)]
struct FileColumns<T> {
    id: Int,
    created_at: Option<T>,
    updated_at: Option<T>,
    deleted_at: Option<T>,
    gun: String,
    role: String,
    version: i32,
    sha256: Option<String>,
    data: Vec<u8>,
}

impl<T: Time> From<FileColumns<T>> for TrustRow {
    fn from(row: FileColumns<T>) -> Self {
        Self::File(FileRow {
            id: row.id.0,
            created_at: row.created_at.map(Time::utc),
            updated_at: row.updated_at.map(Time::utc),
            deleted_at: row.deleted_at.map(Time::utc),
            gun: row.gun,
            role: row.role,
            version: row.version,
            sha256: row.sha256.map(strip_padding),
            data: row.data,
        })
    }
}

/// Columns of [`statements::ALL_CHANGES`].
#[derive(FromRow)]
struct ChangeColumns<T> {
    id: Int,
    created_at: Option<T>,
    gun: String,
    version: i32,
    sha256: Option<String>,
    category: String,
}

impl<T: Time> From<ChangeColumns<T>> for TrustRow {
    fn from(row: ChangeColumns<T>) -> Self {
        Self::Change(ChangeRow {
            id: row.id.0,
            created_at: row.created_at.map(Time::utc),
            gun: row.gun,
            version: row.version,
            sha256: row.sha256.map(strip_padding),
            category: row.category,
        })
    }
}

/// Without the blanks that fill a fixed width.
fn strip_padding(mut sha256: String) -> String {
    sha256.truncate(sha256.trim_end().len());
    sha256
}

/// What an operator can find a row by.
fn name(row: &TrustRow) -> String {
    match row {
        TrustRow::File(row) => {
            let (gun, role) = (row.gun.escape_debug(), row.role.escape_debug());
            format!("version {} of {role} of {gun}", row.version)
        }
        TrustRow::Change(row) => format!("row {}", row.id),
    }
}
