//! Moving all trust data out of a database, and into an empty one.

use archive::{Fingerprint, Incoming, Sink, Transfer, TransferError};
use async_trait::async_trait;
use database::{
    Int, Time, Transaction, WholeTable, WholeTables, extent, first_filled, is_unique_violation,
};
use futures_util::TryStreamExt as _;
use sqlx::{Encode, Executor, FromRow, Type};
use tokio::sync::mpsc::{Receiver, Sender};

use super::{SqlStore, statements};
use crate::store::{ChangeRow, FileRow, TrustRow};

/// The tables, in the order of an archive.
const TABLES: [WholeTable; 2] = [
    WholeTable {
        name: "tuf_files",
        last: statements::LAST_FILE,
    },
    WholeTable {
        name: "changefeed",
        last: statements::LAST_CHANGE,
    },
];

#[async_trait]
impl<DB> Transfer<TrustRow> for SqlStore<DB>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> i32: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Option<DB::Time>: Encode<'q, DB>,
    for<'r> (Int,): FromRow<'r, DB::Row>,
    for<'r> FileColumns<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> ChangeColumns<DB::Time>: FromRow<'r, DB::Row>,
{
    async fn extent(&self) -> Result<u64, TransferError> {
        extent(&self.pool, &TABLES).await.map_err(failed)
    }

    async fn export(&self, rows: Sender<TrustRow>) -> Result<(), TransferError> {
        let mut transaction = self.pool.begin_with(DB::SNAPSHOT).await.map_err(failed)?;
        let outcome = read_all(&mut transaction, &mut Sink::Channel(rows)).await;
        transaction.rollback().await;
        outcome
    }

    async fn import(&self, mut rows: Receiver<Incoming<TrustRow>>) -> Result<(), TransferError> {
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
            sha256: row.sha256.map(unpadded),
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
            sha256: row.sha256.map(unpadded),
            category: row.category,
        })
    }
}

/// Without the blanks that fill a fixed width.
fn unpadded(mut sha256: String) -> String {
    sha256.truncate(sha256.trim_end().len());
    sha256
}

/// Hands every row of every table to `sink`, in the order of an archive.
async fn read_all<DB>(
    transaction: &mut Transaction<DB>,
    sink: &mut Sink<TrustRow>,
) -> Result<(), TransferError>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> FileColumns<DB::Time>: FromRow<'r, DB::Row>,
    for<'r> ChangeColumns<DB::Time>: FromRow<'r, DB::Row>,
{
    read::<DB, FileColumns<DB::Time>>(transaction, statements::ALL_FILES, sink).await?;
    read::<DB, ChangeColumns<DB::Time>>(transaction, statements::ALL_CHANGES, sink).await
}

/// Hands the rows of one table to `sink`, as long as it wants them.
async fn read<DB, C>(
    transaction: &mut Transaction<DB>,
    statement: &'static str,
    sink: &mut Sink<TrustRow>,
) -> Result<(), TransferError>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    C: for<'r> FromRow<'r, DB::Row> + Into<TrustRow> + Send + Unpin,
{
    let mut rows = sqlx::query_as::<DB, C>(DB::sql(statement)).fetch(transaction.executor());
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        if !sink.take(row.into()).await {
            break;
        }
    }
    Ok(())
}

async fn add<DB>(transaction: &mut Transaction<DB>, row: &TrustRow) -> Result<(), TransferError>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> i32: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> Option<&'q str>: Encode<'q, DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Option<DB::Time>: Encode<'q, DB>,
{
    let time = |time: Option<_>| time.map(DB::Time::from);
    let query = match row {
        TrustRow::File(row) => sqlx::query(DB::sql(statements::PUT_FILE))
            .bind(row.id)
            .bind(time(row.created_at))
            .bind(time(row.updated_at))
            .bind(time(row.deleted_at))
            .bind(row.gun.as_str())
            .bind(row.role.as_str())
            .bind(row.version)
            .bind(row.sha256.as_deref())
            .bind(row.data.as_slice()),
        TrustRow::Change(row) => sqlx::query(DB::sql(statements::PUT_CHANGE))
            .bind(row.id)
            .bind(time(row.created_at))
            .bind(row.gun.as_str())
            .bind(row.version)
            .bind(row.sha256.as_deref())
            .bind(row.category.as_str()),
    };
    match query.execute(transaction.executor()).await {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => Err(TransferError::Clash(name(row))),
        Err(error) => Err(failed(error)),
    }
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

fn failed(error: sqlx::Error) -> TransferError {
    TransferError::Database(error.into())
}
