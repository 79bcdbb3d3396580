//! `MySQL` 8 and `MariaDB` 10.4, and later ones.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, Executor as _, MySql, MySqlConnection, Row as _,
    migrate::{MigrateError, Migrator},
};

use super::{Dialect, Sql};
use crate::{
    Backend, Pool,
    adopt::{Catalog, FoundColumn},
    time::MySqlTime,
};

impl Dialect for MySql {
    const BACKEND: Backend = Backend::MySql;
    /// Under SERIALIZABLE a read locks what it has looked at, gaps included, so that no other puts a
    /// row there before the transaction ends. Two that looked at the same gap both want to write
    /// into it:
    /// `InnoDB` sees the deadlock at once and takes one of them back, which then begins again. The
    /// setting is for the next transaction only.
    const BEGIN: &'static str = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION";
    const EMBEDDED: bool = false;
    type Time = MySqlTime;

    fn sql(statement: &'static str) -> Sql {
        AssertSqlSafe(if statement.contains("EXACT(") {
            Cow::Owned(super::spell_exact(statement, |column| {
                format!("CAST({column} AS BINARY)")
            }))
        } else {
            Cow::Borrowed(statement)
        })
    }

    /// Rows that were found, whether or not they were changed by it, as on the other databases.
    fn rows_affected(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }

    async fn run_script(
        connection: &mut MySqlConnection,
        script: String,
    ) -> Result<(), sqlx::Error> {
        connection.execute(AssertSqlSafe(script)).await?;
        Ok(())
    }

    async fn is_writable(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
        // To a user with SUPER the first says nothing.
        let flag: i64 = sqlx::query_scalar("SELECT CAST(@@GLOBAL.read_only AS SIGNED)")
            .fetch_one(connection)
            .await?;
        Ok(flag == 0)
    }

    async fn table_exists(
        connection: &mut MySqlConnection,
        name: &str,
    ) -> Result<bool, sqlx::Error> {
        let tables: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = ?",
        )
        .bind(name)
        .fetch_one(connection)
        .await?;
        Ok(tables > 0)
    }

    /// A server does not go on without its files.
    async fn still_there(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        connection.execute("SELECT 1").await?;
        Ok(())
    }

    async fn apply(pool: &Pool<MySql>, migrations: &'static Migrator) -> Result<(), MigrateError> {
        let mut connection = pool.lease().await?;
        migrations.run_direct(None, &mut *connection, false).await?;
        connection.give_back();
        Ok(())
    }

    async fn catalog(connection: &mut MySqlConnection) -> Result<Catalog, sqlx::Error> {
        // Some versions give these columns as binary strings.
        let columns = sqlx::query(
            "SELECT CONVERT(table_name USING utf8mb4), CONVERT(column_name USING utf8mb4), \
                    CONVERT(data_type USING utf8mb4), CAST(is_nullable = 'NO' AS SIGNED), \
                    CAST(column_default IS NOT NULL OR extra LIKE '%auto_increment%' AS SIGNED) \
             FROM information_schema.columns WHERE table_schema = DATABASE() \
             ORDER BY table_name, ordinal_position",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut catalog = Catalog::default();
        for row in columns {
            catalog.add_column(
                row.try_get(0)?,
                FoundColumn {
                    name: row.try_get(1)?,
                    kind: row.try_get(2)?,
                    is_required: row.try_get::<i64, _>(3)? != 0,
                    has_default: row.try_get::<i64, _>(4)? != 0,
                },
            );
        }
        let indexes = sqlx::query(
            "SELECT CONVERT(table_name USING utf8mb4), CONVERT(index_name USING utf8mb4), \
                    CAST(non_unique = 0 AS SIGNED), CONVERT(column_name USING utf8mb4) \
             FROM information_schema.statistics \
             WHERE table_schema = DATABASE() AND column_name IS NOT NULL \
             ORDER BY table_name, index_name, seq_in_index",
        )
        .fetch_all(connection)
        .await?;
        for row in indexes {
            catalog.add_index_part(
                row.try_get(0)?,
                row.try_get(1)?,
                row.try_get::<i64, _>(2)? != 0,
                row.try_get(3)?,
            );
        }
        Ok(catalog)
    }

    /// Every change to the schema commits by itself here, so the lock is one by name, of the
    /// connection; each step of a migration is such that it can be done again.
    async fn lock_schema(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let taken: Option<i64> = sqlx::query_scalar(
            "SELECT CAST(GET_LOCK(CONCAT('countersign:', MD5(DATABASE())), 600) AS SIGNED)",
        )
        .fetch_one(connection)
        .await?;
        if taken == Some(1) {
            Ok(())
        } else {
            Err(sqlx::Error::PoolTimedOut)
        }
    }

    /// An interrupted attempt leaves nothing.
    async fn prepare_to_index(
        _connection: &mut MySqlConnection,
        _index: &str,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn unlock_schema(
        connection: &mut MySqlConnection,
        _done: bool,
    ) -> Result<(), sqlx::Error> {
        connection
            .execute("DO RELEASE_LOCK(CONCAT('countersign:', MD5(DATABASE())))")
            .await?;
        Ok(())
    }
}
