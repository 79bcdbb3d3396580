//! Whether there is still a reason to put a key under an alias.

use database::Transaction;
use sqlx::{Encode, Executor, FromRow, Type};

use super::statements;
use crate::keystore::{
    Basis,
    dialect::{KeyDialect, Turn},
};

/// Keeps other signers from putting a first key under `alias`, if that is what this one is about to do.
pub(super) async fn take_turn<DB: KeyDialect>(
    transaction: &mut Transaction<DB>,
    alias: &str,
    basis: &Basis,
) -> Result<(), sqlx::Error> {
    match basis {
        Basis::First { .. } => DB::take_turn(transaction, &Turn::at_alias(alias)).await,
        Basis::Opens(_) => Ok(()),
    }
}

/// Whether `basis` holds for `alias` at this moment.
pub(super) async fn holds<DB>(
    transaction: &mut Transaction<DB>,
    alias: &str,
    basis: &Basis,
) -> Result<bool, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> (String,): FromRow<'r, DB::Row>,
{
    match basis {
        Basis::Opens(id) => {
            let found: Option<(String,)> = sqlx::query_as(DB::sql(statements::ALIAS))
                .bind(id.as_str())
                .bind(id.as_str())
                .fetch_optional(transaction.executor())
                .await?;
            Ok(found.is_some_and(|(found,)| found == alias))
        }
        Basis::First { beside } => {
            // One more than there may be.
            let most = i64::try_from(beside.len()).unwrap_or(i64::MAX - 1) + 1;
            let found: Vec<(String,)> = sqlx::query_as(DB::sql(statements::IDS_UNDER_ALIAS))
                .bind(alias)
                .bind(alias)
                .bind(most)
                .fetch_all(transaction.executor())
                .await?;
            Ok(found.iter().all(|(id,)| beside.contains(id)))
        }
    }
}
