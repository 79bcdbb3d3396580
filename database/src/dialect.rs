//! What the databases do not agree on.

use std::{borrow::Cow, future::Future, io, path::Path};

use sqlx::{
    AssertSqlSafe, Database, Decode, Encode, IntoArguments, Pool, Sqlite, SqliteConnection, Type,
    migrate::{Migrate, MigrateError, Migrator},
};

use crate::time::{SqliteTime, Time};

/// A statement as one database reads it; every `sqlx::query*` function takes it.
pub type Sql = AssertSqlSafe<Cow<'static, str>>;

/// The whole difference between the databases that a store is written for.
///
/// Adding a database is implementing this beside the others; stores stay as they are.
pub trait Dialect: Database<Arguments: IntoArguments<Self>, Connection: Migrate> {
    /// Begins a transaction that will write, and that keeps out others of its kind until it ends
    /// (by a lock, or by serialisable isolation): what it has read stays true until it commits.
    const BEGIN: &'static str;
    /// Whether the database lives inside the program, so that its schema is kept up to date at
    /// start, without an operator and without another program that could be surprised by it.
    const EMBEDDED: bool;
    /// What the time columns hold.
    type Time: Time + for<'q> Encode<'q, Self> + for<'r> Decode<'r, Self> + Type<Self>;

    /// `statement`, with its `?` parameters spelled as this database reads them.
    fn sql(statement: &'static str) -> Sql;

    /// How many rows a statement touched.
    fn rows_affected(result: &Self::QueryResult) -> u64;

    /// Whether the database the connection is in has a table called `name`.
    fn table_exists(
        connection: &mut Self::Connection,
        name: &str,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// Fails if the database that the connection is in is no longer the one that a restart would
    /// find: what is written would be lost.
    fn still_there(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Applies what is missing of `migrations`, so that of several programs starting at once one
    /// does the work and the others find it done.
    fn apply(
        pool: &Pool<Self>,
        migrations: &'static Migrator,
    ) -> impl Future<Output = Result<(), MigrateError>> + Send;
}

impl Dialect for Sqlite {
    /// Takes the write lock at once: a transaction that reads first and writes later fails with
    /// `SQLITE_BUSY` whenever another has written in between.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const EMBEDDED: bool = true;
    type Time = SqliteTime;

    fn sql(statement: &'static str) -> Sql {
        AssertSqlSafe(Cow::Borrowed(statement))
    }

    fn rows_affected(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
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
    async fn apply(pool: &Pool<Sqlite>, migrations: &'static Migrator) -> Result<(), MigrateError> {
        let mut transaction = pool.begin_with(Self::BEGIN).await?;
        // `run`, which would do, has a future that the compiler cannot prove to be `Send`.
        migrations
            .run_direct(None, &mut *transaction, false)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
