//! What the databases do not agree on.

mod mysql;
mod postgres;
mod sqlite;

use std::{borrow::Cow, future::Future};

use sqlx::{
    AssertSqlSafe, Database, Decode, Encode, IntoArguments, Type,
    database::HasStatementCache,
    migrate::{Migrate, MigrateError, Migrator},
};

use crate::{Backend, Pool, adopt::Catalog, time::Time};

/// A statement as one database reads it; every `sqlx::query*` function takes it.
pub type Sql = AssertSqlSafe<Cow<'static, str>>;

/// The whole difference between the databases that a store is written for.
///
/// Adding a database is implementing this beside the others; stores stay as they are.
pub trait Dialect:
    Database<Arguments: IntoArguments<Self> + Clone, Connection: Migrate> + HasStatementCache
{
    /// Which database this is.
    const BACKEND: Backend;
    /// Begins a transaction that will write, and that keeps out others of its kind until it ends
    /// (by a lock, or by serialisable isolation): what it has read stays true until it commits.
    ///
    /// Where isolation does it, a rival may end with an error that [`crate::is_transient`] knows;
    /// [`crate::Retries`] tells when to begin such a transaction again.
    const BEGIN: &'static str;
    /// Whether the database lives inside the program, so that its schema is kept up to date at
    /// start, without an operator and without another program that could be surprised by it.
    const EMBEDDED: bool;
    /// What the time columns hold.
    type Time: Time + for<'q> Encode<'q, Self> + for<'r> Decode<'r, Self> + Type<Self>;

    /// `statement`, spelled as this database reads it.
    ///
    /// Parameters are written `?`. `EXACT(column)` is the column for comparisons byte by byte:
    /// write `gun = ? AND EXACT(gun) = ?`, so that the first finds the rows by their index even
    /// where the collation takes `Ex.com` for `ex.com`, and the second keeps those that are meant.
    fn sql(statement: &'static str) -> Sql;

    /// Runs `script`, one statement or several, none of them prepared.
    fn run_script(
        connection: &mut Self::Connection,
        script: String,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Whether the database takes writes, as far as it can tell.
    fn is_writable(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

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

    /// The tables there are in the part of the database that unqualified names mean.
    fn catalog(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<Catalog, sqlx::Error>> + Send;

    /// Takes the lock under which the schema is changed, waiting while another program holds it.
    /// It goes with the connection if that is lost.
    fn lock_schema(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Makes ready for building the index called `index`: takes away what an interrupted attempt
    /// left of it, and waits for other transactions as long as it takes.
    fn prepare_to_index(
        connection: &mut Self::Connection,
        index: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Gives that lock back; `done` says whether everything went well (where changes to the schema
    /// are part of a transaction, they are taken back if not).
    fn unlock_schema(
        connection: &mut Self::Connection,
        done: bool,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// `statement` for a database whose comparisons are exact anyway.
fn without_exact(statement: &'static str) -> Cow<'static, str> {
    if statement.contains("EXACT(") {
        Cow::Owned(spell_exact(statement, str::to_owned))
    } else {
        Cow::Borrowed(statement)
    }
}

/// `statement` with every `EXACT(column)` as `spelling` has it.
fn spell_exact(statement: &str, spelling: impl Fn(&str) -> String) -> String {
    let mut pieces = statement.split("EXACT(");
    let mut spelled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (column, rest) = piece
            .split_once(')')
            .expect("statements are constants, and every EXACT( in them is closed");
        spelled.push_str(&spelling(column));
        spelled.push_str(rest);
    }
    spelled
}

#[cfg(test)]
mod tests {
    use sqlx::{MySql, Postgres, SqlSafeStr as _, Sqlite};

    use super::*;

    const STATEMENT: &str = "SELECT 'a?' FROM t WHERE gun = ? AND EXACT(gun) = ?";

    fn spelled<DB: Dialect>() -> String {
        DB::sql(STATEMENT).into_sql_str().as_str().to_owned()
    }

    #[test]
    fn every_database_reads_the_one_statement_in_its_own_spelling() {
        assert_eq!(
            spelled::<Sqlite>(),
            "SELECT 'a?' FROM t WHERE gun = ? AND gun = ?"
        );
        assert_eq!(
            spelled::<Postgres>(),
            "SELECT 'a?' FROM t WHERE gun = $1 AND gun = $2"
        );
        assert_eq!(
            spelled::<MySql>(),
            "SELECT 'a?' FROM t WHERE gun = ? AND CAST(gun AS BINARY) = ?"
        );
    }
}
