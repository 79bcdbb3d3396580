//! The files of one publish, and the transaction that stores them.
//!
//! A publish takes five round trips: BEGIN; one UPDATE of the timestamp that it builds on, which
//! is its look and what a Galera cluster certifies; one INSERT of all files; one of the changefeed;
//! COMMIT. Where the UPDATE finds no row, the store looks more closely: at rows that lack a
//! checksum, and for the reason.

use database::{Dialect, Fault, Pool, Transaction, fault};
use sqlx::{Encode, Executor, FromRow, Type};
use time::{Duration, OffsetDateTime};
use tuf::{File, Gun, Role};

use super::{FileRow, HeadRow, add_change, head, sha256};
use crate::store::{
    Head, StoreError,
    dialect::TrustDialect,
    statements::{self, MOST_FILES},
};

/// How many bytes of files are handed to the database at once, unless one file has more. Each of
/// the bytes is in memory twice until the database has them.
const MOST_BYTES: usize = 256 << 10;

/// What one publish stores.
#[derive(Clone, Copy)]
pub(super) struct Addition<'a> {
    pub(super) gun: &'a Gun,
    /// The newest timestamp that the files were made for.
    pub(super) base: Option<&'a Head>,
    pub(super) files: &'a [File],
    pub(super) now: OffsetDateTime,
}

/// Why files were not added.
pub(super) enum Failure {
    /// The store knows why.
    Store(StoreError),
    /// A unique key is taken: a rival added a version of the same role meanwhile.
    Collision,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<'a> Addition<'a> {
    /// A publish, from beginning to commit. With `is_strict`, what it reads stays true until then,
    /// on every database.
    pub(super) async fn publish<DB>(
        &self,
        pool: &Pool<DB>,
        is_strict: bool,
    ) -> Result<(), StoreError>
    where
        DB: TrustDialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> String: Encode<'q, DB> + Type<DB>,
        for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> (String, String): FromRow<'r, DB::Row>,
        for<'r> HeadRow: FromRow<'r, DB::Row>,
        for<'r> FileRow<DB::Time>: FromRow<'r, DB::Row>,
    {
        let begin = if is_strict || !self.follows_directly() {
            DB::BEGIN.into()
        } else {
            DB::begin_publish(self.gun)
        };
        let transaction = pool.begin_with(begin).await?;
        self.publish_in(pool, transaction).await
    }

    /// The same, in a transaction that has begun and has nothing in it yet.
    pub(super) async fn publish_in<DB>(
        &self,
        pool: &Pool<DB>,
        mut transaction: Transaction<DB>,
    ) -> Result<(), StoreError>
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> String: Encode<'q, DB> + Type<DB>,
        for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> (String, String): FromRow<'r, DB::Row>,
        for<'r> HeadRow: FromRow<'r, DB::Row>,
        for<'r> FileRow<DB::Time>: FromRow<'r, DB::Row>,
    {
        let outcome = self.add(&mut transaction).await;
        match transaction.finish(outcome).await {
            Ok(()) => Ok(()),
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Collision) => {
                // A database may allow no more statements after one that failed.
                let mut transaction = pool.begin_with("BEGIN").await?;
                let reason = self.explain_collision(&mut transaction).await;
                transaction.rollback().await;
                Err(reason)
            }
        }
    }

    /// Whether the version of the timestamp is the one after that of the base. Of two publishes
    /// like that on one base, the unique key of files lets one through.
    fn follows_directly(&self) -> bool {
        let next = self.base.map_or(1, |base| base.version.saturating_add(1));
        let mut timestamps = self
            .files
            .iter()
            .filter(|file| *file.role() == Role::Timestamp);
        timestamps.next().is_some_and(|file| file.version() == next)
    }

    /// Adds the files, and what the changefeed tells of them, if the base is the newest timestamp.
    pub(super) async fn add<DB>(&self, transaction: &mut Transaction<DB>) -> Result<(), Failure>
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> String: Encode<'q, DB> + Type<DB>,
        for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> (String, String): FromRow<'r, DB::Row>,
        for<'r> HeadRow: FromRow<'r, DB::Row>,
        for<'r> FileRow<DB::Time>: FromRow<'r, DB::Row>,
    {
        let rows = self.rows()?;
        match self.base {
            Some(base) if self.follows_directly() && rows.len() <= MOST_FILES => {
                if !self.claim(transaction, base, &rows).await? {
                    self.look_closely(transaction, &rows).await?;
                }
            }
            // The look for overtaken files finds every timestamp there is.
            None if self.follows_directly() => self.refuse_overtaken(transaction, &rows).await?,
            _ => self.look_closely(transaction, &rows).await?,
        }
        self.insert(transaction, &rows).await
    }

    /// The files as rows.
    ///
    /// # Errors
    ///
    /// A version that the column cannot hold is one that no other could follow.
    fn rows(&self) -> Result<Vec<NewRow<'a>>, StoreError> {
        let row = |file: &'a File| {
            let role = file.role();
            Ok(NewRow {
                role,
                version: i32::try_from(file.version())
                    .map_err(|_| StoreError::VersionExists(role.clone()))?,
                sha256: hex::encode(file.checksums().sha256),
                data: file.bytes(),
            })
        };
        self.files.iter().map(row).collect()
    }

    /// Writes to the row of the base if it is the newest timestamp and no file is overtaken. From
    /// here on no rival can build on it, or delete it, before this transaction ends. A Galera
    /// cluster, where locks hold on one node only, lets one of two transactions commit that write
    /// to one row.
    ///
    /// A base that was stored without its checksum is not found.
    async fn claim<DB>(
        &self,
        transaction: &mut Transaction<DB>,
        base: &Head,
        rows: &[NewRow<'_>],
    ) -> Result<bool, sqlx::Error>
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> String: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
    {
        let (moment, next) = self.moments::<DB>();
        let gun = self.gun.as_str();
        let mut statement = sqlx::query(DB::sql(statements::CLAIM_NEWEST[rows.len() - 1]))
            .bind(moment)
            .bind(next)
            .bind(moment)
            .bind(gun)
            .bind(gun)
            .bind(base.version)
            .bind(hex::encode(base.sha256));
        for row in rows {
            statement = statement
                .bind(gun)
                .bind(row.role.as_str())
                .bind(i64::from(row.version));
        }
        let claimed = statement.execute(transaction.executor()).await?;
        Ok(DB::rows_affected(&claimed) == 1)
    }

    /// This moment and the one to put in its place where it is stored already.
    fn moments<DB: Dialect>(&self) -> (DB::Time, DB::Time) {
        let next = self.now + Duration::SECOND;
        (DB::Time::from(self.now), DB::Time::from(next))
    }

    /// Claims the base by its version, and looks step by step whether it is the newest timestamp
    /// and which file is overtaken.
    async fn look_closely<DB>(
        &self,
        transaction: &mut Transaction<DB>,
        rows: &[NewRow<'_>],
    ) -> Result<(), StoreError>
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> (String, String): FromRow<'r, DB::Row>,
        for<'r> HeadRow: FromRow<'r, DB::Row>,
        for<'r> FileRow<DB::Time>: FromRow<'r, DB::Row>,
    {
        if let Some(base) = self.base {
            // First of all, so that rivals in one database queue up here instead of in a deadlock.
            let (moment, next) = self.moments::<DB>();
            sqlx::query(DB::sql(statements::CLAIM_BASE))
                .bind(moment)
                .bind(next)
                .bind(moment)
                .bind(self.gun.as_str())
                .bind(self.gun.as_str())
                .bind(base.version)
                .execute(transaction.executor())
                .await?;
        }
        self.refuse_overtaken(transaction, rows).await?;
        if self.newest_timestamp(transaction).await?.as_ref() == self.base {
            Ok(())
        } else {
            Err(StoreError::Moved)
        }
    }

    /// Fails if the version of a file is not above all there are, or if the unique key takes
    /// another name for this one. Names the first such role.
    async fn refuse_overtaken<DB>(
        &self,
        transaction: &mut Transaction<DB>,
        rows: &[NewRow<'_>],
    ) -> Result<(), StoreError>
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> (String, String): FromRow<'r, DB::Row>,
    {
        for some in rows.chunks(MOST_FILES) {
            let mut statement = sqlx::query_as(DB::sql(statements::OVERTAKEN[some.len() - 1]));
            for row in some {
                statement = statement
                    .bind(self.gun.as_str())
                    .bind(row.role.as_str())
                    .bind(i64::from(row.version));
            }
            let stored: Vec<(String, String)> = statement
                .fetch_all(transaction.executor())
                .await
                .map_err(refusal)?;
            let is_of = |row: &NewRow<'_>| {
                let role = row.role.as_str();
                stored.iter().find(move |(_, stored)| stored == role)
            };
            if let Some((row, (name, _))) = some
                .iter()
                .find_map(|row| is_of(row).map(|stored| (row, stored)))
            {
                return Err(if name == self.gun.as_str() {
                    StoreError::VersionExists(row.role.clone())
                } else {
                    StoreError::OtherSpelling(name.clone())
                });
            }
        }
        Ok(())
    }

    /// The newest timestamp of the GUN. Rows from before Notary wrote checksums down may lack
    /// theirs; it is computed then.
    async fn newest_timestamp<DB>(
        &self,
        transaction: &mut Transaction<DB>,
    ) -> Result<Option<Head>, sqlx::Error>
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> HeadRow: FromRow<'r, DB::Row>,
        for<'r> FileRow<DB::Time>: FromRow<'r, DB::Row>,
    {
        let gun = self.gun.as_str();
        let row: Option<HeadRow> = sqlx::query_as(DB::sql(statements::HEAD))
            .bind(gun)
            .bind(gun)
            .fetch_optional(transaction.executor())
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let version = row.version.0;
        if let Some(sha256) = row.checksum()? {
            return Ok(Some(head(sha256, version)));
        }
        let file: Option<FileRow<DB::Time>> = sqlx::query_as(DB::sql(statements::BY_VERSION))
            .bind(gun)
            .bind(gun)
            .bind(Role::Timestamp.as_str())
            .bind(version)
            .fetch_optional(transaction.executor())
            .await?;
        Ok(file.map(|file| head(sha256(&file.data), version)))
    }

    /// Adds the rows, and tells the changefeed.
    async fn insert<DB>(
        &self,
        transaction: &mut Transaction<DB>,
        rows: &[NewRow<'_>],
    ) -> Result<(), Failure>
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
    {
        let (gun, now) = (self.gun.as_str(), DB::Time::from(self.now));
        for some in batches(rows) {
            let mut statement = sqlx::query(DB::sql(statements::ADD_FILES[some.len() - 1]));
            for row in some {
                statement = statement
                    .bind(now)
                    .bind(now)
                    .bind(gun)
                    .bind(row.role.as_str())
                    .bind(i64::from(row.version))
                    .bind(row.sha256.as_str())
                    .bind(row.data);
            }
            let inserted = statement.execute(transaction.executor()).await;
            inserted.map_err(|error| {
                if database::is_unique_violation(&error) {
                    Failure::Collision
                } else {
                    Failure::Store(refusal(error))
                }
            })?;
        }
        for row in rows.iter().filter(|row| *row.role == Role::Timestamp) {
            let (version, sha256) = (row.version, row.sha256.as_str());
            add_change(transaction, now, self.gun, version, sha256, "update").await?;
        }
        Ok(())
    }

    /// Which file a rival came first with. If that is gone again, the repository was deleted.
    pub(super) async fn explain_collision<DB>(
        &self,
        transaction: &mut Transaction<DB>,
    ) -> StoreError
    where
        DB: Dialect,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> &'q str: Encode<'q, DB> + Type<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> (String, String): FromRow<'r, DB::Row>,
    {
        match self.rows() {
            Ok(rows) => match self.refuse_overtaken(transaction, &rows).await {
                Ok(()) => StoreError::Moved,
                Err(error) => error,
            },
            Err(error) => error,
        }
    }
}

/// A file as a row.
struct NewRow<'a> {
    role: &'a Role,
    version: i32,
    sha256: String,
    data: &'a [u8],
}

/// `rows` in their order, as many at a time as one statement takes.
fn batches<'r, 'a>(rows: &'r [NewRow<'a>]) -> impl Iterator<Item = &'r [NewRow<'a>]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |row: &NewRow<'_>| {
            bytes += row.data.len();
            bytes <= MOST_BYTES
        };
        let count = rest
            .iter()
            .take(MOST_FILES)
            .map(fits)
            .take_while(|fits| *fits);
        let count = count.count().max(1).min(rest.len());
        let (batch, after) = rest.split_at(count);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// What a failed look or insert means.
fn refusal(error: sqlx::Error) -> StoreError {
    if fault(&error) == Fault::Unstorable {
        StoreError::Unstorable
    } else {
        error.into()
    }
}
