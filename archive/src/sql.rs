//! Moving the tables of an SQL database: the same for every store, but for what its tables are.

use async_trait::async_trait;
use database::{
    Int, Pool, Transaction, WholeTable, WholeTables, extent, first_filled, is_unique_violation,
};
use futures_util::TryStreamExt as _;
use sqlx::{Executor, FromRow, query::Query};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::{Fingerprint, Incoming, Row, Sink, Transfer, TransferError};

/// A store whose tables are moved as a whole, which makes it a [`Transfer`].
pub trait Tables: Send + Sync {
    /// The kind of database.
    type Db: WholeTables;
    /// A row of any of its tables.
    type Row: Row + Sync;

    /// All its tables, in the order of an archive.
    const TABLES: &'static [WholeTable];

    /// Where the tables are.
    fn pool(&self) -> &Pool<Self::Db>;

    /// Hands every row of every table to `sink`, by [`read`] for each.
    fn read_all(
        transaction: &mut Transaction<Self::Db>,
        sink: &mut Sink<Self::Row>,
    ) -> impl Future<Output = Result<(), TransferError>> + Send;

    /// Adds `row` with all its columns, by [`add`].
    fn add_row(
        transaction: &mut Transaction<Self::Db>,
        row: &Self::Row,
    ) -> impl Future<Output = Result<(), TransferError>> + Send;
}

#[async_trait]
impl<S, DB> Transfer<S::Row> for S
where
    S: Tables<Db = DB>,
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> (Int,): FromRow<'r, DB::Row>,
{
    async fn extent(&self) -> Result<u64, TransferError> {
        extent(self.pool(), S::TABLES).await.map_err(failure)
    }

    async fn export(&self, rows: Sender<S::Row>) -> Result<(), TransferError> {
        let mut transaction = self
            .pool()
            .begin_with(DB::SNAPSHOT)
            .await
            .map_err(failure)?;
        let outcome = S::read_all(&mut transaction, &mut Sink::Channel(rows)).await;
        transaction.rollback().await;
        outcome
    }

    async fn import(&self, mut rows: Receiver<Incoming<S::Row>>) -> Result<(), TransferError> {
        let mut transaction = self.pool().begin_with(DB::BEGIN).await.map_err(failure)?;
        let filled = first_filled(&mut transaction, S::TABLES).await;
        if let Some(table) = filled.map_err(failure)? {
            return Err(TransferError::NotEmpty(table));
        }
        let mut given = Fingerprint::default();
        while let Incoming::Row(row) = rows.recv().await.ok_or(TransferError::Interrupted)? {
            given.add(&*row);
            S::add_row(&mut transaction, &row).await?;
        }
        for table in S::TABLES {
            let continued = DB::continue_ids(&mut transaction, table.name).await;
            continued.map_err(failure)?;
        }
        let mut kept = Sink::Fingerprint(Fingerprint::default());
        S::read_all(&mut transaction, &mut kept).await?;
        kept.compare(&given)?;
        transaction.commit().await.map_err(failure)
    }
}

/// Hands the rows that `statement` reads, with columns `C`, to `sink`, as long as it wants them.
pub async fn read<DB, C, R>(
    transaction: &mut Transaction<DB>,
    statement: &'static str,
    sink: &mut Sink<R>,
) -> Result<(), TransferError>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    C: for<'r> FromRow<'r, DB::Row> + Into<R> + Send + Unpin,
    R: Row,
{
    let mut rows = sqlx::query_as::<DB, C>(DB::sql(statement)).fetch(transaction.executor());
    while let Some(row) = rows.try_next().await.map_err(failure)? {
        if !sink.take(row.into()).await {
            break;
        }
    }
    Ok(())
}

/// Runs the `insertion` of a row that an operator knows by its `name`.
///
/// # Errors
///
/// [`TransferError::Clash`] if the database takes the row for another one.
pub async fn add<DB>(
    transaction: &mut Transaction<DB>,
    insertion: Query<'_, DB, DB::Arguments>,
    name: impl FnOnce() -> String + Send,
) -> Result<(), TransferError>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    match insertion.execute(transaction.executor()).await {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => Err(TransferError::Clash(name())),
        Err(error) => Err(failure(error)),
    }
}

fn failure(error: sqlx::Error) -> TransferError {
    TransferError::Database(error.into())
}
