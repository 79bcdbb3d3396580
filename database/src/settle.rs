//! Proof that no row will still appear between rows that are there.
//!
//! `PostgreSQL` and `MySQL` give out ids at INSERT and show rows at COMMIT. So a row can appear
//! below one that was seen before, and a reader that goes on "after the last id" would miss it. An
//! id that is missing is either held by a transaction that is still running, or was lost by one
//! that was rolled back. Only the database knows which.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, MySql, Postgres, Sqlite};

use crate::{Dialect, Pool};

/// How long `InnoDB` may take between giving out an id and putting the row there, where a locking
/// read finds it. It is one step within one statement; this leaves room for a machine that is very
/// busy.
const INSERT_TIME: Duration = Duration::from_secs(1);

/// How long a transaction on another Galera node may take from its INSERT into the table to its
/// COMMIT. No node can see the locks of another one.
const REMOTE_TIME: Duration = Duration::from_secs(5);

/// The state of a table at one moment: who could still make a row appear below the highest id.
#[derive(Clone, Debug)]
pub struct Watch {
    since: Instant,
    /// The transactions that were writing to the table; `None` where the database does not tell.
    writers: Option<Vec<String>>,
}

impl Watch {
    /// How long before `now` that moment was.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

/// Finding out whether ids that are missing may still appear.
pub trait Settle: Dialect {
    /// Whether a row can never appear below one that is there.
    const IN_ORDER: bool;

    /// Takes note of who is writing to `table`. `now` is a moment after the ids were read that are
    /// to be settled.
    fn watch(
        pool: &Pool<Self>,
        table: &'static str,
        now: Instant,
    ) -> impl Future<Output = Result<Watch, sqlx::Error>> + Send;

    /// Whether none of those who were writing to `table` when `watch` began, `age` ago, can still
    /// make a row appear whose id is within `ids`. Where the database cannot tell, the answer is
    /// no.
    fn is_settled(
        pool: &Pool<Self>,
        table: &'static str,
        watch: &Watch,
        age: Duration,
        ids: Range<i64>,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;
}

impl Settle for Sqlite {
    /// There is one writer at a time, and a transaction that is rolled back gives its ids back.
    const IN_ORDER: bool = true;

    async fn watch(
        _: &Pool<Sqlite>,
        _: &'static str,
        since: Instant,
    ) -> Result<Watch, sqlx::Error> {
        Ok(Watch {
            since,
            writers: None,
        })
    }

    async fn is_settled(
        _: &Pool<Sqlite>,
        _: &'static str,
        _: &Watch,
        _: Duration,
        _: Range<i64>,
    ) -> Result<bool, sqlx::Error> {
        Ok(true)
    }
}

impl Settle for Postgres {
    const IN_ORDER: bool = false;

    /// A transaction locks the table before it takes an id from the sequence, and holds the lock
    /// until after its rows are visible, or gone. So those that hold it now are all that matter. A
    /// snapshot's
    /// `xmin` would do as well, but it waits for every long transaction of the whole server.
    async fn watch(
        pool: &Pool<Postgres>,
        table: &'static str,
        since: Instant,
    ) -> Result<Watch, sqlx::Error> {
        let writers = postgres_writers(pool, table).await?;
        Ok(Watch { since, writers })
    }

    async fn is_settled(
        pool: &Pool<Postgres>,
        table: &'static str,
        watch: &Watch,
        _: Duration,
        _: Range<i64>,
    ) -> Result<bool, sqlx::Error> {
        let Some(before) = &watch.writers else {
            return Ok(false);
        };
        if before.is_empty() {
            return Ok(true);
        }
        let now = postgres_writers(pool, table).await?;
        Ok(now.is_some_and(|now| before.iter().all(|writer| !now.contains(writer))))
    }
}

/// The transactions that hold a lock for writing to `table`; `None` on a standby, which knows
/// nothing of the locks of the primary.
async fn postgres_writers(
    pool: &Pool<Postgres>,
    table: &'static str,
) -> Result<Option<Vec<String>>, sqlx::Error> {
    if sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(pool)
        .await?
    {
        return Ok(None);
    }
    // A virtual transaction id is of one transaction only; a prepared transaction is named by its
    // own.
    let statement = AssertSqlSafe(format!(
        "SELECT DISTINCT virtualtransaction FROM pg_locks \
         WHERE locktype = 'relation' AND relation = '{table}'::regclass AND granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', \
                      'AccessExclusiveLock')"
    ));
    let writers = sqlx::query_scalar(statement).fetch_all(pool).await?;
    Ok(Some(writers))
}

impl Settle for MySql {
    const IN_ORDER: bool = false;

    async fn watch(_: &Pool<MySql>, _: &'static str, since: Instant) -> Result<Watch, sqlx::Error> {
        Ok(Watch {
            since,
            writers: None,
        })
    }

    /// A row that was inserted and not committed is locked, so a locking read that does not wait
    /// meets it and fails. READ COMMITTED locks rows only: the read itself blocks no writer.
    async fn is_settled(
        pool: &Pool<MySql>,
        table: &'static str,
        _: &Watch,
        age: Duration,
        ids: Range<i64>,
    ) -> Result<bool, sqlx::Error> {
        if age < INSERT_TIME {
            return Ok(false);
        }
        let cluster: Option<(String, String)> =
            sqlx::query_as("SHOW SESSION VARIABLES LIKE 'wsrep_on'")
                .fetch_optional(pool)
                .await?;
        let is_cluster = cluster.is_some_and(|(_, value)| value == "ON");
        if is_cluster && age < REMOTE_TIME {
            return Ok(false);
        }
        let mut transaction = pool
            .begin_with("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION")
            .await?;
        let statement = AssertSqlSafe(format!(
            "SELECT id FROM {table} WHERE id >= ? AND id < ? FOR UPDATE NOWAIT"
        ));
        let read = sqlx::query(statement)
            .bind(ids.start)
            .bind(ids.end)
            .fetch_all(transaction.executor())
            .await;
        transaction.rollback().await;
        match read {
            Ok(_) => Ok(true),
            // Another transaction holds a row there, or this user may not lock rows, or this is a replica.
            Err(sqlx::Error::Database(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
