//! The embedded database.

use std::{io, path::Path};

use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, Row as _, Sqlite, SqliteConnection,
    migrate::{MigrateError, Migrator},
};

use super::{Dialect, Sql};
use crate::{
    Backend, Pool,
    adopt::{Catalog, FoundColumn},
    time::SqliteTime,
};

impl Dialect for Sqlite {
    const BACKEND: Backend = Backend::Sqlite;
    /// Takes the write lock at once: a transaction that reads first and writes later fails with
    /// `SQLITE_BUSY` whenever another has written in between.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const EMBEDDED: bool = true;
    type Time = SqliteTime;

    fn sql(statement: &'static str) -> Sql {
        AssertSqlSafe(super::without_exact(statement))
    }

    fn rows_affected(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }

    async fn run_script(
        connection: &mut SqliteConnection,
        script: String,
    ) -> Result<(), sqlx::Error> {
        connection.execute(AssertSqlSafe(script)).await?;
        Ok(())
    }

    async fn is_writable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        Self::run_script(connection, "BEGIN IMMEDIATE; ROLLBACK".to_owned()).await?;
        Ok(true)
    }

    async fn table_exists(
        connection: &mut SqliteConnection,
        name: &str,
    ) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT COUNT(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?",
        )
        .bind(name)
        .fetch_one(connection)
        .await
    }

    /// A file that was moved or removed goes on working for those who have it open.
    async fn still_there(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let file: Option<String> =
            sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
                .fetch_one(connection)
                .await?;
        // In memory there is no file to lose.
        match file.filter(|file| !file.is_empty()) {
            Some(file) if !Path::new(&file).exists() => Err(sqlx::Error::Io(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the file {file} was moved or removed"),
            ))),
            _ => Ok(()),
        }
    }

    /// `SQLite` has no lock for migrations, so all of them run in one transaction that holds the
    /// write lock from its beginning; a killed process leaves none of it behind.
    #[expect(
        clippy::disallowed_methods,
        reason = "the migrator makes transactions of its own, which have to be part of this one"
    )]
    async fn apply(pool: &Pool<Sqlite>, migrations: &'static Migrator) -> Result<(), MigrateError> {
        let mut connection = pool.lease().await?;
        let mut transaction = connection.begin_with(Self::BEGIN).await?;
        // `run`, which would do, has a future that the compiler cannot prove to be `Send`.
        migrations
            .run_direct(None, &mut *transaction, false)
            .await?;
        transaction.commit().await?;
        connection.give_back();
        Ok(())
    }

    async fn catalog(connection: &mut SqliteConnection) -> Result<Catalog, sqlx::Error> {
        let columns = sqlx::query(
            "SELECT tables.name, columns.name, columns.type, columns.\"notnull\", \
                    columns.dflt_value IS NOT NULL OR columns.pk > 0 \
             FROM sqlite_schema tables JOIN pragma_table_info(tables.name) columns \
             WHERE tables.type = 'table' ORDER BY tables.name, columns.cid",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut catalog = Catalog::default();
        for row in columns {
            catalog.add_column(
                row.try_get(0)?,
                FoundColumn {
                    name: row.try_get(1)?,
                    kind: row.try_get::<String, _>(2)?.to_ascii_lowercase(),
                    is_required: row.try_get(3)?,
                    has_default: row.try_get(4)?,
                },
            );
        }
        let indexes = sqlx::query(
            "SELECT tables.name, indexes.name, indexes.\"unique\", parts.name \
             FROM sqlite_schema tables JOIN pragma_index_list(tables.name) indexes \
             JOIN pragma_index_info(indexes.name) parts \
             WHERE tables.type = 'table' AND indexes.partial = 0 AND parts.name IS NOT NULL \
             ORDER BY tables.name, indexes.name, parts.seqno",
        )
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

    /// The write lock is the lock: all changes are one transaction.
    async fn lock_schema(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query(Self::BEGIN).execute(connection).await?;
        Ok(())
    }

    /// Indexes are made with the tables.
    async fn prepare_to_index(
        _connection: &mut SqliteConnection,
        _index: &str,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn unlock_schema(
        connection: &mut SqliteConnection,
        done: bool,
    ) -> Result<(), sqlx::Error> {
        let end = if done { "COMMIT" } else { "ROLLBACK" };
        sqlx::query(end).execute(connection).await?;
        Ok(())
    }
}
