//! `PostgreSQL`, 13 and later.

use std::{borrow::Cow, time::Duration};

use sqlx::{
    AssertSqlSafe, Executor as _, PgConnection, Postgres, Row as _,
    migrate::{MigrateError, Migrator},
};

use super::{Dialect, Sql};
use crate::{
    Backend, Pool,
    adopt::{Catalog, FoundColumn},
    time::PostgresTime,
};

/// The key of the advisory lock under which schemas are changed; the one in [`Dialect::BEGIN`] is
/// another, so that a long migration does not look like a hanging publish.
const SCHEMA_LOCK: i64 = 0x636f_756e_7465_7201;

/// How long to wait before the lock is asked for again.
const PAUSE: Duration = Duration::from_millis(200);

impl Dialect for Postgres {
    const BACKEND: Backend = Backend::Postgres;
    /// Writers queue at an advisory lock that ends with the transaction. They are short; queueing
    /// costs less than what serialisable isolation would take back, whose locks on the few pages of
    /// a small table make nearly all writers rivals. The isolation is named since READ COMMITTED
    /// alone sees, after the wait, what the one before has committed.
    const BEGIN: &'static str =
        "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(7165362116443993600)";
    const EMBEDDED: bool = false;
    type Time = PostgresTime;

    fn sql(statement: &'static str) -> Sql {
        let statement = super::without_exact(statement);
        AssertSqlSafe(Cow::Owned(number_parameters(&statement)))
    }

    fn rows_affected(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }

    async fn run_script(connection: &mut PgConnection, script: String) -> Result<(), sqlx::Error> {
        connection.execute(AssertSqlSafe(script)).await?;
        Ok(())
    }

    async fn is_writable(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("SELECT current_setting('transaction_read_only') = 'off'")
            .persistent(false)
            .fetch_one(connection)
            .await
    }

    async fn table_exists(connection: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT COUNT(*) > 0 FROM information_schema.tables \
             WHERE table_schema = CURRENT_SCHEMA() AND table_name = $1",
        )
        .persistent(false)
        .bind(name)
        .fetch_one(connection)
        .await
    }

    /// A server does not go on without its files.
    async fn still_there(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        connection.execute("SELECT 1").await?;
        Ok(())
    }

    async fn apply(
        pool: &Pool<Postgres>,
        migrations: &'static Migrator,
    ) -> Result<(), MigrateError> {
        let mut connection = pool.lease().await?;
        migrations.run_direct(None, &mut *connection, false).await?;
        connection.give_back();
        Ok(())
    }

    async fn catalog(connection: &mut PgConnection) -> Result<Catalog, sqlx::Error> {
        let columns = sqlx::query(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO', \
                    column_default IS NOT NULL OR is_identity = 'YES' \
             FROM information_schema.columns WHERE table_schema = CURRENT_SCHEMA() \
             ORDER BY table_name, ordinal_position",
        )
        .persistent(false)
        .fetch_all(&mut *connection)
        .await?;
        let mut catalog = Catalog::default();
        for row in columns {
            catalog.add_column(
                row.try_get(0)?,
                FoundColumn {
                    name: row.try_get(1)?,
                    kind: row.try_get(2)?,
                    is_required: row.try_get(3)?,
                    has_default: row.try_get(4)?,
                },
            );
        }
        let indexes = sqlx::query(
            "SELECT tables.relname::text, indexes.relname::text, pg_index.indisunique, \
                    pg_attribute.attname::text \
             FROM pg_index \
             JOIN pg_class tables ON tables.oid = pg_index.indrelid \
             JOIN pg_class indexes ON indexes.oid = pg_index.indexrelid \
             JOIN pg_namespace ON pg_namespace.oid = tables.relnamespace \
             CROSS JOIN LATERAL unnest(pg_index.indkey) WITH ORDINALITY AS part(number, place) \
             JOIN pg_attribute ON pg_attribute.attrelid = tables.oid \
                  AND pg_attribute.attnum = part.number \
             WHERE pg_namespace.nspname = CURRENT_SCHEMA() AND pg_index.indpred IS NULL \
                   AND pg_index.indisvalid \
             ORDER BY 1, 2, part.place",
        )
        .persistent(false)
        .fetch_all(connection)
        .await?;
        for row in indexes {
            catalog.add_index_part(
                row.try_get(0)?,
                row.try_get(1)?,
                row.try_get(2)?,
                row.try_get(3)?,
            );
        }
        Ok(catalog)
    }

    /// Changes to the schema are transactional here, and the lock ends with the transaction. It is
    /// asked for again and again instead of waited for: building an index waits for all
    /// transactions, and would wait for one that waits here.
    async fn lock_schema(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        loop {
            connection
                .execute(
                    "BEGIN; SET LOCAL lock_timeout = 0; \
                     SET LOCAL idle_in_transaction_session_timeout = 0",
                )
                .await?;
            let is_taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
                .persistent(false)
                .bind(SCHEMA_LOCK)
                .fetch_one(&mut *connection)
                .await?;
            if is_taken {
                return Ok(());
            }
            connection.execute("ROLLBACK").await?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn prepare_to_index(
        connection: &mut PgConnection,
        index: &str,
    ) -> Result<(), sqlx::Error> {
        for setting in ["lock_timeout", "statement_timeout"] {
            sqlx::query("SELECT set_config($1, '0', false) WHERE current_setting($1) <> '0'")
                .persistent(false)
                .bind(setting)
                .execute(&mut *connection)
                .await?;
        }
        let is_left: bool = sqlx::query_scalar(
            "SELECT COUNT(*) > 0 FROM pg_index \
             JOIN pg_class ON pg_class.oid = pg_index.indexrelid \
             JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace \
             WHERE pg_namespace.nspname = CURRENT_SCHEMA() AND pg_class.relname = $1 \
                   AND NOT pg_index.indisvalid",
        )
        .persistent(false)
        .bind(index)
        .fetch_one(&mut *connection)
        .await?;
        if is_left {
            let drop = format!("DROP INDEX CONCURRENTLY {index}");
            connection.execute(AssertSqlSafe(drop)).await?;
        }
        Ok(())
    }

    async fn unlock_schema(connection: &mut PgConnection, done: bool) -> Result<(), sqlx::Error> {
        let end = if done { "COMMIT" } else { "ROLLBACK" };
        connection.execute(end).await?;
        Ok(())
    }
}

/// `statement` with its `?`, but not those in literals, as `$1`, `$2` and so on.
fn number_parameters(statement: &str) -> String {
    let mut spelled = String::with_capacity(statement.len() + 16);
    let mut number = 0;
    let mut in_literal = false;
    for character in statement.chars() {
        match character {
            '?' if !in_literal => {
                number += 1;
                spelled.push('$');
                spelled.push_str(&number.to_string());
                continue;
            }
            '\'' => in_literal = !in_literal,
            _ => {}
        }
        spelled.push(character);
    }
    spelled
}
