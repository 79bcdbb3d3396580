//! Taking whole tables out of a database, and putting them into another.

use std::future::Future;

use sqlx::{AssertSqlSafe, MySql, Postgres, Sqlite};

use crate::{Dialect, Transaction};

/// What moving whole tables needs of a database, beyond [`Dialect`].
pub trait WholeTables: Dialect {
    /// Begins a transaction that only reads, and in which every table is as it was in one moment,
    /// however long reading takes and whatever others write meanwhile.
    const SNAPSHOT: &'static str;

    /// Makes the next row of `table` get an `id` above the highest there is. To be called after rows
    /// were inserted with ids of their own, in the same transaction.
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
    /// Without the isolation being named, a server configured for another one would take no snapshot.
    const SNAPSHOT: &'static str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
         START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

    /// The next id always follows the highest.
    async fn continue_ids(_: &mut Transaction<Self>, _: &'static str) -> Result<(), sqlx::Error> {
        Ok(())
    }
}
