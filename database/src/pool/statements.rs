//! Statements: one by itself on a pool, or one of several in a transaction.

use std::fmt;

use futures_util::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{Database, Describe, Either, Execute, Executor, SqlStr, error::BoxDynError};

use super::{Pool, idle::Purpose, lease::breaks};
use crate::{Dialect, Fault, fault};

/// What a statement brings: rows, and how many it touched.
type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

impl<DB: Dialect> Pool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Runs one statement to its end; the connection is kept only if everything was answered. If the
    /// connection had died unnoticed, a statement that only reads is run once more, on another one.
    async fn run<'q, E>(self, mut query: E) -> Result<Vec<Step<DB>>, sqlx::Error>
    where
        E: 'q + Execute<'q, DB>,
    {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let kept = Kept {
            statement: query.statement().cloned(),
            is_persistent: query.persistent(),
            arguments,
            sql: query.sql(),
        };
        let mut may_repeat = kept.sql.as_str().starts_with("SELECT ");
        self.watch(async {
            if self.shared.source.local.is_some() {
                let begun = self.begin_unwatched("BEGIN").await?;
                let mut transaction = begun.around_any_statement();
                let steps = transaction.executor().fetch_many(kept).try_collect();
                let outcome = steps.await;
                return transaction.finish(outcome).await;
            }
            loop {
                let mut lease = self.take(Purpose::Statement).await?;
                let outcome = lease.fetch_many(kept.clone()).try_collect().await;
                match outcome {
                    Err(error) if may_repeat && lease.was_idle && fault(&error) == Fault::Away => {
                        may_repeat = false;
                        self.shared.retire_all();
                    }
                    outcome => return lease.end(outcome),
                }
            }
        })
        .await
    }
}

impl<'p, DB: Dialect> Executor<'p> for &Pool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let steps = self.clone().run(query);
        stream::once(steps)
            .map_ok(|steps| stream::iter(steps.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let steps = self.clone().run(query);
        steps
            .map(|steps| Ok(steps?.into_iter().find_map(Either::right)))
            .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move {
            let mut lease = pool.lease().await?;
            let outcome = lease.prepare_with(sql, parameters).await;
            lease.end(outcome)
        }
        .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, sqlx::Error>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move {
            let mut lease = pool.lease().await?;
            let outcome = lease.describe(sql).await;
            lease.end(outcome)
        }
        .boxed()
    }
}

/// Runs one statement of a transaction.
pub struct Runner<'t, DB: Dialect> {
    pub(super) pool: Pool<DB>,
    pub(super) is_broken: &'t mut bool,
    pub(super) has_failed: &'t mut bool,
    pub(super) connection: &'t mut DB::Connection,
}

impl<DB: Dialect> fmt::Debug for Runner<'_, DB> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Runner({:?})", self.pool)
    }
}

impl<'t, DB: Dialect> Executor<'t> for Runner<'t, DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, sqlx::Error>>
    where
        't: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let Self {
            pool,
            is_broken,
            has_failed,
            connection,
        } = self;
        let query = Query {
            query,
            is_named: pool.shared.source.local.is_none(),
        };
        connection
            .fetch_many(query)
            .inspect_err(move |error| {
                *is_broken |= breaks(error);
                *has_failed = true;
                pool.shared.note(error);
            })
            .boxed()
    }

    /// Reads to the end, so that an error behind the first row is not missed.
    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, sqlx::Error>>
    where
        't: 'e,
        E: 'q + Execute<'q, DB>,
    {
        self.fetch_many(query)
            .try_fold(None, async |first, step| Ok(first.or(step.right())))
            .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, sqlx::Error>>
    where
        't: 'e,
    {
        self.connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, sqlx::Error>>
    where
        't: 'e,
    {
        self.connection.describe(sql)
    }
}

/// A statement with its parameters, which can be run again.
struct Kept<DB: Dialect> {
    sql: SqlStr,
    statement: Option<DB::Statement>,
    arguments: Option<DB::Arguments>,
    is_persistent: bool,
}

impl<DB: Dialect> Clone for Kept<DB> {
    fn clone(&self) -> Self {
        Self {
            sql: self.sql.clone(),
            statement: self.statement.clone(),
            arguments: self.arguments.clone(),
            is_persistent: self.is_persistent,
        }
    }
}

impl<DB: Dialect> Execute<'_, DB> for Kept<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.is_persistent
    }
}

/// A statement that a caller made, without a name if there is to be none.
struct Query<E> {
    query: E,
    is_named: bool,
}

impl<'q, DB: Database, E: Execute<'q, DB>> Execute<'q, DB> for Query<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.is_named && self.query.persistent()
    }
}
