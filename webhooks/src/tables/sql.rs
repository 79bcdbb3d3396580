//! The one implementation of [`Tables`].

use async_trait::async_trait;
use database::{
    Backend, Dialect, Int, Pool, Retries, Transaction,
    adopt::{self, AdoptError, Survey},
    is_unique_violation,
};
use sqlx::{ColumnIndex, Decode, Encode, Executor, Row as _, Type};
use trust::store::StoreError;

use super::{Deadline, Delay, Item, Position, Progress, Row, Scans, Tables};
use crate::{schema::BLUEPRINT, statements};

/// The tables in an SQL database.
#[derive(Debug)]
pub struct SqlTables<DB: Dialect> {
    pool: Pool<DB>,
}

impl<DB: Dialect> SqlTables<DB> {
    /// The tables in the database that `pool` leads to, if they are there.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }
}

/// Begins a transaction whose first statement locks the row of the webhook.
fn begin<DB: Dialect>() -> &'static str {
    match DB::BACKEND {
        Backend::Sqlite | Backend::Memory => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        Backend::MySql => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION",
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

macro_rules! bytes {
    ($row:expr, $index:literal) => {
        $row.try_get::<Vec<u8>, _>($index)?
    };
}
macro_rules! int {
    ($row:expr, $index:literal) => {
        $row.try_get::<Int, _>($index)?.0
    };
}

/// Runs a statement that changes rows; how many.
macro_rules! change {
    ($db:ty, $executor:expr, $statement:expr $(, $parameter:expr)*) => {
        <$db>::rows_affected(
            &sqlx::query(<$db>::sql($statement))
                $(.bind($parameter))*
                .execute($executor)
                .await?,
        )
    };
}

#[async_trait]
impl<DB> Tables for SqlTables<DB>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    async fn survey(&self) -> Result<Survey, StoreError> {
        match adopt::survey(&self.pool, &BLUEPRINT).await {
            Ok(survey) | Err(AdoptError::Odd(survey)) => Ok(survey),
            Err(AdoptError::Unreadable(error) | AdoptError::Step { error, .. }) => {
                Err(error.into())
            }
        }
    }

    async fn find(&self, name: &str) -> Result<Option<Row>, StoreError> {
        let found = sqlx::query(DB::sql(statements::FIND))
            .bind(name.as_bytes())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = found else {
            return Ok(None);
        };
        Ok(Some(Row {
            fence: int!(row, 1),
            beat: int!(row, 2),
            holder: bytes!(row, 3),
            position: Position {
                line: int!(row, 4),
                line_sum: bytes!(row, 5),
                line_at: int!(row, 6),
            },
            scans: Scans {
                publishers: int!(row, 7),
                server: int!(row, 8),
            },
            wake: int!(row, 9),
            delivered_at: int!(row, 10),
        }))
    }

    async fn begin(
        &self,
        name: &str,
        holder: &[u8],
        position: &Position,
    ) -> Result<bool, StoreError> {
        let added = sqlx::query(DB::sql(statements::BEGIN))
            .bind(name.as_bytes())
            .bind(holder)
            .bind(position.line)
            .bind(position.line_sum.as_slice())
            .bind(position.line_at)
            .execute(&self.pool)
            .await;
        match added {
            Ok(_) => Ok(true),
            Err(error) if is_unique_violation(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn take(&self, name: &str, holder: &[u8], seen: &Row) -> Result<bool, StoreError> {
        let name = name.as_bytes();
        let taken = change!(
            DB,
            &self.pool,
            statements::TAKE,
            holder,
            name,
            seen.fence,
            seen.beat
        );
        Ok(taken > 0)
    }

    async fn beat(&self, name: &str, fence: i64) -> Result<bool, StoreError> {
        let name = name.as_bytes();
        Ok(change!(DB, &self.pool, statements::BEAT, name, fence) > 0)
    }

    async fn release(&self, name: &str, fence: i64) -> Result<(), StoreError> {
        let (none, name) = (&b""[..], name.as_bytes());
        change!(DB, &self.pool, statements::RELEASE, none, name, fence);
        Ok(())
    }

    async fn save(&self, name: &str, fence: i64, progress: &Progress) -> Result<bool, StoreError> {
        let mut retries = Retries::default();
        loop {
            let mut transaction = self.pool.begin_with(begin::<DB>()).await?;
            let outcome = save_once(&mut transaction, name, fence, progress).await;
            match transaction.finish(outcome).await {
                Err(error) if retries.again(&error).await => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn delays(
        &self,
        name: &str,
        after: &(String, String),
        limit: u32,
    ) -> Result<Vec<Delay>, StoreError> {
        let (gun, role) = after;
        let rows = sqlx::query(DB::sql(statements::DELAYS))
            .bind(name.as_bytes())
            .bind(gun.as_bytes())
            .bind(gun.as_bytes())
            .bind(role.as_bytes())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().map(delay::<DB>).collect::<Result<_, _>>()?)
    }

    async fn wake(&self, name: &str) -> Result<bool, StoreError> {
        let mut retries = Retries::default();
        loop {
            let mut transaction = self.pool.begin_with(begin::<DB>()).await?;
            let outcome = wake_once(&mut transaction, name.as_bytes()).await;
            match transaction.finish(outcome).await {
                Err(error) if retries.again(&error).await => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}

fn delay<DB>(row: &DB::Row) -> Result<Delay, sqlx::Error>
where
    DB: Dialect,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let role = text(bytes!(row, 1));
    let item = if role.is_empty() {
        Item::Lines {
            line: int!(row, 2),
            part: u32::try_from(int!(row, 3)).unwrap_or(0),
        }
    } else {
        Item::Expiry(Deadline {
            role,
            version: int!(row, 4),
            days: u16::try_from(int!(row, 5)).unwrap_or(0),
            expires: int!(row, 6),
        })
    };
    Ok(Delay {
        gun: text(bytes!(row, 0)),
        item,
        happened: int!(row, 7),
        tries: u32::try_from(int!(row, 8)).unwrap_or(u32::MAX),
        failing: int!(row, 9),
        due: int!(row, 10),
        is_parked: int!(row, 11) != 0,
        error: text(bytes!(row, 12)),
    })
}

async fn save_once<DB>(
    transaction: &mut Transaction<DB>,
    name: &str,
    fence: i64,
    progress: &Progress,
) -> Result<bool, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let name = name.as_bytes();
    let moved = change!(
        DB,
        transaction.executor(),
        statements::MOVE,
        progress.position.line,
        progress.position.line_sum.as_slice(),
        progress.position.line_at,
        progress.scans.publishers,
        progress.scans.server,
        progress.delivered_at,
        name,
        fence
    );
    if moved == 0 {
        return Ok(false);
    }
    let keys = progress.delays.iter().map(Delay::key);
    for (gun, role) in keys.chain(progress.done.iter().cloned()) {
        let (gun, role) = (gun.as_bytes(), role.as_bytes());
        change!(
            DB,
            transaction.executor(),
            statements::REMOVE,
            name,
            gun,
            role
        );
    }
    for delay in &progress.delays {
        let (gun, role) = delay.key();
        let (line, part, version, days, expires) = match &delay.item {
            Item::Lines { line, part } => (*line, i64::from(*part), 0, 0, 0),
            Item::Expiry(deadline) => (
                0,
                0,
                deadline.version,
                i64::from(deadline.days),
                deadline.expires,
            ),
        };
        change!(
            DB,
            transaction.executor(),
            statements::ADD,
            name,
            gun.as_bytes(),
            role.as_bytes(),
            line,
            part,
            version,
            days,
            expires,
            delay.happened,
            i64::from(delay.tries),
            delay.failing,
            delay.due,
            i64::from(delay.is_parked),
            delay.error.as_bytes()
        );
    }
    Ok(true)
}

async fn wake_once<DB>(transaction: &mut Transaction<DB>, name: &[u8]) -> Result<bool, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
{
    let is_there = change!(DB, transaction.executor(), statements::WAKE, name) > 0;
    change!(DB, transaction.executor(), statements::UNPARK, name);
    Ok(is_there)
}
