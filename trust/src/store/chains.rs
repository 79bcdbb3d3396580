//! What the database knows of chains of audit lines: the number and the checksum of the newest line
//! of each, in a table of our own, which Notary's server does not know.
//!
//! The table is optional. An embedded database gets it at the start, others by `migrate`, and trust
//! data is served without it.

use std::sync::Arc;

use async_trait::async_trait;
use database::{
    Connected, Dialect, Int, Pool, Time,
    adopt::{self, AdoptError, Blueprint, Column, Kind, Spelled, Survey, Table},
    with_pool,
};
use sqlx::{Encode, Executor, FromRow, Type};
use time::OffsetDateTime;

use super::{StoreError, statements};

/// The table of chains.
pub static BLUEPRINT: Blueprint = Blueprint {
    program: "notary-server",
    tables: &[CHAINS],
    fills: &[],
    makers: &[],
    of_others: &[],
    leftovers: &[],
};

const CHAINS: Table = Table {
    name: "countersign_audit_chains",
    create: Spelled {
        sqlite: include_str!("../../../migrations/server/own/audit_chains.sqlite.sql"),
        postgres: include_str!("../../../migrations/server/own/audit_chains.postgres.sql"),
        mysql: include_str!("../../../migrations/server/own/audit_chains.mysql.sql"),
    },
    is_required: false,
    columns: &[
        Column::new("chain_id", Kind::Text),
        Column::new("log_name", Kind::Text),
        Column::new("line_count", Kind::Integer),
        Column::new("sha256", Kind::Text),
        Column::new("updated_at", Kind::Time),
    ],
    unique: &[&["chain_id"]],
    indexes: &[],
};

/// The most characters of [`ChainRow::log`] that the column holds.
const LONGEST_LOG: usize = 255;

/// The newest line of a chain, as its server stored it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRow {
    /// Which chain.
    pub chain: String,
    /// The log that the lines are written to: host and path.
    pub log: String,
    /// The number of the line; lines are counted from 1.
    pub line: u64,
    /// The SHA-256 of the line, in lower-case hex.
    pub sha256: String,
    /// When the row was stored.
    pub stored_at: OffsetDateTime,
}

impl ChainRow {
    /// Whether both tell of the same line.
    #[must_use]
    pub fn is_same_line(&self, other: &Self) -> bool {
        (&self.chain, self.line, &self.sha256) == (&other.chain, other.line, &other.sha256)
    }
}

/// The rows of the table.
#[async_trait]
pub trait AuditChains: Send + Sync + 'static {
    /// All chains, by their ids.
    async fn all(&self) -> Result<Vec<ChainRow>, StoreError>;

    /// One chain.
    async fn find(&self, chain: &str) -> Result<Option<ChainRow>, StoreError>;

    /// Stores `row` in the place of `before`, or as the first row of its chain; says whether it
    /// did. It does not if the row is another one than `before` says.
    async fn put(&self, before: Option<&ChainRow>, row: &ChainRow) -> Result<bool, StoreError>;
}

/// The table in an open database.
#[must_use]
pub fn open(connected: &Connected) -> Arc<dyn AuditChains> {
    with_pool!(connected.clone(), pool => Arc::new(SqlChains { pool }))
}

/// What `migrate` would do to the table.
///
/// # Errors
///
/// If the database cannot be read.
pub async fn plan(connected: &Connected) -> Result<Survey, AdoptError> {
    with_pool!(connected, pool => adopt::survey(pool, &BLUEPRINT).await)
}

/// Makes the table if it is not there.
///
/// # Errors
///
/// If the database does not let this user, or a table of that name is another one.
pub async fn migrate(connected: &Connected) -> Result<Survey, AdoptError> {
    with_pool!(connected, pool => adopt::adopt(pool, &BLUEPRINT).await)
}

struct SqlChains<DB: Dialect> {
    pool: Pool<DB>,
}

#[derive(FromRow)]
struct Columns<T> {
    chain_id: String,
    log_name: String,
    line_count: Int,
    sha256: String,
    updated_at: Option<T>,
}

impl<T: Time> From<Columns<T>> for ChainRow {
    fn from(row: Columns<T>) -> Self {
        Self {
            chain: row.chain_id,
            log: row.log_name,
            // No line has a number below 0, so that it is found out.
            line: u64::try_from(row.line_count.0).unwrap_or_default(),
            sha256: row.sha256,
            stored_at: row.updated_at.map_or(OffsetDateTime::UNIX_EPOCH, Time::utc),
        }
    }
}

#[async_trait]
impl<DB> AuditChains for SqlChains<DB>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> Columns<DB::Time>: FromRow<'r, DB::Row>,
{
    async fn all(&self) -> Result<Vec<ChainRow>, StoreError> {
        let rows: Vec<Columns<DB::Time>> = sqlx::query_as(DB::sql(statements::ALL_CHAINS))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(ChainRow::from).collect())
    }

    async fn find(&self, chain: &str) -> Result<Option<ChainRow>, StoreError> {
        let row: Option<Columns<DB::Time>> = sqlx::query_as(DB::sql(statements::CHAIN))
            .bind(chain)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(ChainRow::from))
    }

    async fn put(&self, before: Option<&ChainRow>, row: &ChainRow) -> Result<bool, StoreError> {
        let log: String = row.log.chars().take(LONGEST_LOG).collect();
        let now = DB::Time::from(row.stored_at);
        let line = number(row.line);
        let Some(before) = before else {
            let insertion = sqlx::query(DB::sql(statements::ADD_CHAIN))
                .bind(row.chain.as_str())
                .bind(log)
                .bind(line)
                .bind(row.sha256.as_str())
                .bind(now)
                .execute(&self.pool)
                .await;
            return match insertion {
                Ok(_) => Ok(true),
                Err(error) if database::is_unique_violation(&error) => Ok(false),
                Err(error) => Err(error.into()),
            };
        };
        let update = sqlx::query(DB::sql(statements::MOVE_CHAIN))
            .bind(log)
            .bind(line)
            .bind(row.sha256.as_str())
            .bind(now)
            .bind(before.chain.as_str())
            .bind(number(before.line))
            .bind(before.sha256.as_str())
            .execute(&self.pool)
            .await?;
        Ok(DB::rows_affected(&update) > 0)
    }
}

fn number(line: u64) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}
