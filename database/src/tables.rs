//! Taking whole tables out of a database, and putting them into another.

use std::future::Future;

use sqlx::{AssertSqlSafe, Executor, FromRow, MySql, Postgres, Sqlite};

use crate::{Dialect, Int, Pool, Transaction};

/// A table that is moved as a whole.
#[derive(Clone, Copy, Debug)]
pub struct WholeTable {
    /// What it is called.
    pub name: &'static str,
    /// The statement that finds the id of its last row.
    pub last: &'static str,
}

impl WholeTable {
    /// The id of its last row, if there is any row.
    async fn last_id<DB>(
        self,
        transaction: &mut Transaction<DB>,
    ) -> Result<Option<i64>, sqlx::Error>
    where
        DB: WholeTables,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'r> (Int,): FromRow<'r, DB::Row>,
    {
        let last: Option<(Int,)> = sqlx::query_as(DB::sql(self.last))
            .fetch_optional(transaction.executor())
            .await?;
        Ok(last.map(|(id,)| id.0))
    }
}

/// About how high the ids of `tables` go, all together.
///
/// # Errors
///
/// What the database says.
pub async fn extent<DB>(pool: &Pool<DB>, tables: &[WholeTable]) -> Result<u64, sqlx::Error>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> (Int,): FromRow<'r, DB::Row>,
{
    let mut transaction = pool.begin_with(DB::SNAPSHOT).await?;
    let mut extent = 0;
    for table in tables {
        let last = table.last_id(&mut transaction).await?.unwrap_or(0);
        extent += u64::try_from(last).unwrap_or(0);
    }
    transaction.rollback().await;
    Ok(extent)
}

/// The first of `tables` that holds a row, if one does.
///
/// # Errors
///
/// What the database says.
pub async fn first_filled<DB>(
    transaction: &mut Transaction<DB>,
    tables: &[WholeTable],
) -> Result<Option<&'static str>, sqlx::Error>
where
    DB: WholeTables,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> (Int,): FromRow<'r, DB::Row>,
{
    for table in tables {
        if table.last_id(transaction).await?.is_some() {
            return Ok(Some(table.name));
        }
    }
    Ok(None)
}

/// What moving whole tables needs of a database, beyond [`Dialect`].
pub trait WholeTables: Dialect {
    /// Begins a transaction that only reads, and in which every table is as it was in one moment,
    /// however long reading takes and whatever others write meanwhile.
    const SNAPSHOT: &'static str;

    /// Makes the next row of `table` get an `id` above the highest there is. To be called after
    /// rows were inserted with ids of their own, in the same transaction.
    fn continue_ids(
        transaction: &mut Transaction<Self>,
        table: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

impl WholeTables for Sqlite {
    /// The first statement that reads fixes the moment; a writer goes on beside it (WAL).
    const SNAPSHOT: &'static str = "BEGIN";

    /// The next id always follows the highest.
    async fn continue_ids(_: &mut Transaction<Self>, _: &'static str) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

impl WholeTables for Postgres {
    const SNAPSHOT: &'static str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

    /// A sequence knows nothing of rows that did not ask it for their id.
    async fn continue_ids(
        transaction: &mut Transaction<Self>,
        table: &'static str,
    ) -> Result<(), sqlx::Error> {
        let statement = AssertSqlSafe(format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), highest) \
             FROM (SELECT MAX(id)::bigint AS highest FROM {table}) ids WHERE highest IS NOT NULL"
        ));
        let set: Option<Option<i64>> = sqlx::query_scalar(statement)
            .fetch_optional(transaction.executor())
            .await?;
        match set {
            Some(None) => Err(sqlx::Error::Protocol(format!(
                "the ids of {table} come from no sequence of its own"
            ))),
            _ => Ok(()),
        }
    }
}

impl WholeTables for MySql {
    /// Without the isolation being named, a server configured for another one would take no
    /// snapshot.
    const SNAPSHOT: &'static str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
         START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

    /// The next id always follows the highest.
    async fn continue_ids(_: &mut Transaction<Self>, _: &'static str) -> Result<(), sqlx::Error> {
        Ok(())
    }
}
