//! Whether what a holding rests on is still so.

use database::Transaction;
use sqlx::{Encode, Executor, FromRow, Type};

use super::statements;
use crate::keystore::{
    Holding, Precondition,
    dialect::{KeyDialect, Lock},
};

/// The lock that keeps other signers from putting a first key under the alias of `holding`, if that
/// is what this one is about to do.
pub(super) fn lock_for(holding: &Holding) -> Option<Lock> {
    matches!(holding.precondition, Precondition::NoKeyUnderAliasBut(_))
        .then(|| Lock::for_alias(&holding.alias))
}

/// Whether the precondition of `holding` is met at this moment.
pub(super) async fn is_met<DB>(
    transaction: &mut Transaction<DB>,
    holding: &Holding,
) -> Result<bool, sqlx::Error>
where
    DB: KeyDialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> (String,): FromRow<'r, DB::Row>,
{
    let alias = holding.alias.as_str();
    match &holding.precondition {
        Precondition::None => Ok(true),
        Precondition::KeyUnderAlias(id) => {
            let found: Option<(String,)> = sqlx::query_as(DB::sql(statements::ALIAS))
                .bind(id.as_str())
                .bind(id.as_str())
                .fetch_optional(transaction.executor())
                .await?;
            Ok(found.is_some_and(|(found,)| found == alias))
        }
        Precondition::NoKeyUnderAliasBut(ids) => {
            // One more than there may be.
            let most = i64::try_from(ids.len()).unwrap_or(i64::MAX - 1) + 1;
            let found: Vec<(String,)> = sqlx::query_as(DB::sql(statements::IDS_UNDER_ALIAS))
                .bind(alias)
                .bind(alias)
                .bind(most)
                .fetch_all(transaction.executor())
                .await?;
            Ok(found.iter().all(|(id,)| ids.contains(id)))
        }
    }
}
