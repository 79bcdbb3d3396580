//! Taking over databases that Notary 0.7, its migration tool or its operators made.
//!
//! What a program needs is described by a [`Blueprint`]; what there is, by the database's own
//! [`Catalog`]. The difference is a list of steps that only ever add: tables, indexes, columns that
//! may be NULL, values where there were none. The tables are recognised by what they are, not by
//! what a table of versions claims, so each step can be interrupted and done again; nothing is
//! recorded. What does not fit is refused with a sentence, never guessed at.

mod catalog;
mod survey;

pub use catalog::{Catalog, FoundColumn, FoundIndex, FoundTable};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Executor, Type};
pub use survey::{Step, Survey};

use crate::{Backend, Dialect, Fault, Int, Pool, fault};

/// SQL that every database spells in its own way; empty where it has nothing to do.
#[derive(Clone, Copy, Debug)]
pub struct Spelled {
    /// For `SQLite`.
    pub sqlite: &'static str,
    /// For `PostgreSQL`.
    pub postgres: &'static str,
    /// For `MySQL` and `MariaDB`.
    pub mysql: &'static str,
}

impl Spelled {
    /// The same for all.
    #[must_use]
    pub const fn alike(sql: &'static str) -> Self {
        Self {
            sqlite: sql,
            postgres: sql,
            mysql: sql,
        }
    }

    /// As `backend` has it.
    #[must_use]
    pub fn on(&self, backend: Backend) -> &'static str {
        match backend {
            Backend::Sqlite | Backend::Memory => self.sqlite,
            Backend::Postgres => self.postgres,
            Backend::MySql => self.mysql,
        }
    }
}

/// What a program needs of its database.
#[derive(Clone, Copy, Debug)]
pub struct Blueprint {
    /// The program whose `migrate` does the steps.
    pub program: &'static str,
    /// Its tables, each after those it refers to; the first tells a new database from an old one.
    pub tables: &'static [Table],
    /// What to put into them once they are there.
    pub fills: &'static [Fill],
    /// Who makes an index of this name on the first table, in the words of the plan.
    pub makers: &'static [(&'static str, &'static str)],
    /// Tables of other programs, with the program's name: a database that has one of them but none
    /// of
    /// `tables` belongs to that program.
    pub of_others: &'static [(&'static str, &'static str)],
    /// Tables that old versions of Notary left behind, now unused.
    pub leftovers: &'static [&'static str],
}

/// A table that a program needs.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The statement that makes it, in the form Notary's own migrations give it.
    pub create: Spelled,
    /// Whether the program cannot run without it.
    pub is_required: bool,
    /// The columns that are read or written.
    pub columns: &'static [Column],
    /// Columns that together must be unique, since a race is decided by it.
    pub unique: &'static [&'static [&'static str]],
    /// Indexes that it is slow without.
    pub indexes: &'static [Index],
}

/// A column that a program reads or writes.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it has to hold.
    pub kind: Kind,
    /// The statement that adds it, if older tables may be without it.
    pub add: Option<Spelled>,
}

impl Column {
    /// A column that every version of the table has.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            add: None,
        }
    }
}

/// What a column holds, whatever its type is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Characters.
    Text,
    /// A point in time.
    Time,
    /// Bytes.
    Bytes,
}

/// An index that makes lookups fast.
#[derive(Clone, Copy, Debug)]
pub struct Index {
    /// The columns it has to begin with.
    pub columns: &'static [&'static str],
    /// The statement that makes it; empty where it is not worth it.
    pub create: Spelled,
}

/// Values that older tables lack.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// What is done, as a sentence without its end, for the plan.
    pub what: &'static str,
    /// The table it is about; nothing is counted before it is there.
    pub table: &'static str,
    /// The column it is about, if older tables may be without it.
    pub column: Option<&'static str>,
    /// Counts what is missing: 0 once nothing is to do.
    pub missing: Spelled,
    /// Adds what is missing; empty where the database cannot.
    pub add: Spelled,
}

/// Why a database was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The database failed.
    #[error("the tables of the database cannot be looked at: {0}")]
    Unreadable(#[from] sqlx::Error),
    /// There is something in it that is not understood.
    #[error("this database is not one that can be taken over; nothing was changed:\n{0}")]
    Odd(Survey),
    /// One of the steps failed; those before it hold.
    #[error("could not {what}: {error}{}", cure(error))]
    Step {
        /// The step.
        what: String,
        /// What the database says.
        error: sqlx::Error,
    },
}

/// What to do about a step that failed.
fn cure(error: &sqlx::Error) -> &'static str {
    match fault(error) {
        Fault::Denied => {
            "; run `migrate` as a user who may create and alter tables, with that user's URL in the \
             variable for storage.db_url"
        }
        _ => "",
    }
}

/// Compares the database with `blueprint`; reads only, and asks for no rights but those to read.
///
/// # Errors
///
/// [`AdoptError::Unreadable`]
pub async fn survey<DB>(pool: &Pool<DB>, blueprint: &Blueprint) -> Result<Survey, AdoptError>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut transaction = pool.begin_with("BEGIN").await?;
    let survey = look::<DB>(transaction.connection(), blueprint).await?;
    transaction.rollback().await;
    if survey.odd.is_empty() || DB::EMBEDDED {
        return Ok(survey);
    }
    // A catalog takes several statements to read, and a table that another program is just making
    // may show up in the middle of them. What is odd counts only if it still is when nobody is at
    // it.
    let mut connection = pool.lease().await?;
    DB::lock_schema(&mut connection).await?;
    let survey = look::<DB>(&mut connection, blueprint).await;
    DB::unlock_schema(&mut connection, survey.is_ok()).await?;
    Ok(survey?)
}

/// Does whatever [`survey`] says is to do, under a lock that keeps out others who do the same; says
/// what that was. If there is nothing to do, it does nothing that needs rights. Indexes are built
/// while other programs read and write rows; that takes two connections.
///
/// # Errors
///
/// [`AdoptError::Odd`] before anything was changed, [`AdoptError::Step`] if a step failed: doing it
/// again goes on from there.
pub async fn adopt<DB>(pool: &Pool<DB>, blueprint: &Blueprint) -> Result<Survey, AdoptError>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let before = survey(pool, blueprint).await?;
    if !before.odd.is_empty() {
        return Err(AdoptError::Odd(before));
    }
    if before.steps.is_empty() {
        return Ok(before);
    }
    // However this ends, the connection ends with it, and the lock with the connection.
    let mut connection = pool.lease().await?;
    DB::lock_schema(&mut connection).await?;
    let outcome = perform::<DB>(&mut connection, blueprint).await;
    let unlocked = DB::unlock_schema(&mut connection, outcome.is_ok()).await;
    outcome?;
    unlocked?;
    if !DB::EMBEDDED {
        build_indexes(pool, blueprint).await?;
    }
    Ok(before)
}

/// Builds the indexes that are missing while other programs go on working. No transaction can do
/// that, so one connection keeps out others who do the same, and another one builds.
async fn build_indexes<DB>(pool: &Pool<DB>, blueprint: &Blueprint) -> Result<(), AdoptError>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut guard = pool.lease().await?;
    DB::lock_schema(&mut guard).await?;
    let outcome = build_in_turn(pool, &mut guard, blueprint).await;
    let unlocked = DB::unlock_schema(&mut guard, outcome.is_ok()).await;
    outcome?;
    unlocked?;
    Ok(())
}

async fn build_in_turn<DB>(
    pool: &Pool<DB>,
    guard: &mut DB::Connection,
    blueprint: &Blueprint,
) -> Result<(), AdoptError>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut last = None;
    loop {
        let survey = look::<DB>(guard, blueprint).await?;
        let missing = survey
            .steps
            .into_iter()
            .find_map(|step| step.index.map(|index| (index, step)));
        let Some((index, step)) = missing else {
            return Ok(());
        };
        let failed = |error| AdoptError::Step {
            what: step.what.clone(),
            error,
        };
        if last == Some(index) {
            return Err(failed(hide_error()));
        }
        let mut builder = pool.lease().await?;
        DB::prepare_to_index(&mut builder, index)
            .await
            .map_err(failed)?;
        builder
            .execute(AssertSqlSafe(step.statement.clone()))
            .await
            .map_err(failed)?;
        last = Some(index);
    }
}

fn hide_error() -> sqlx::Error {
    sqlx::Error::Protocol("it was done, but the database does not show it".to_owned())
}

/// Does one step after the other, looking again after each: a step may make the next one possible,
/// or another program may have done it.
async fn perform<DB>(
    connection: &mut DB::Connection,
    blueprint: &Blueprint,
) -> Result<(), AdoptError>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut last = None;
    loop {
        let survey = look::<DB>(connection, blueprint).await?;
        if !survey.odd.is_empty() {
            return Err(AdoptError::Odd(survey));
        }
        // Indexes of tables that others are working with come later.
        let is_now = |step: &Step| DB::EMBEDDED || step.index.is_none();
        let Some(step) = survey.steps.into_iter().find(is_now) else {
            return Ok(());
        };
        let failed = |error| AdoptError::Step {
            what: step.what.clone(),
            error,
        };
        if last.as_ref() == Some(&step.statement) {
            return Err(failed(hide_error()));
        }
        connection
            .execute(AssertSqlSafe(step.statement.clone()))
            .await
            .map_err(failed)?;
        last = Some(step.statement);
    }
}

/// What there is, and what is to do.
async fn look<DB>(
    connection: &mut DB::Connection,
    blueprint: &Blueprint,
) -> Result<Survey, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let catalog = DB::catalog(connection).await?;
    let mut survey = Survey::of(DB::BACKEND, blueprint, &catalog);
    if catalog.is_version_table("schema_migrations") {
        let row: Option<(Int, Int)> = sqlx::query_as(
            "SELECT version, CASE WHEN dirty THEN 1 ELSE 0 END FROM schema_migrations",
        )
        .persistent(false)
        .fetch_optional(&mut *connection)
        .await?;
        survey.note_version(row.map(|(version, dirty)| (version.0, dirty.0 != 0)));
    }
    if !survey.odd.is_empty() {
        // Nothing will be done, and what is to be counted may not be there.
        return Ok(survey);
    }
    for fill in blueprint.fills {
        let add = fill.add.on(DB::BACKEND);
        if add.is_empty() {
            continue;
        }
        if !catalog.has(fill.table, fill.column) {
            // In a new database there is nothing yet to fill from; what is needed is seen once the
            // tables are there.
            if !survey.is_new {
                survey.will_fill(fill, add);
            }
            continue;
        }
        let missing: Int = sqlx::query_scalar(fill.missing.on(DB::BACKEND))
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
        if missing.0 > 0 {
            survey.will_fill(fill, add);
        }
    }
    Ok(survey)
}
