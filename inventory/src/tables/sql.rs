//! The one implementation of [`Tables`].

use std::collections::HashMap;

use async_trait::async_trait;
use database::{
    Backend, Dialect, Int, Pool, Retries, Transaction,
    adopt::{self, AdoptError, Survey},
    is_unique_violation,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use sqlx::{ColumnIndex, Decode, Encode, Executor, Row as _, Type};
use time::{Duration, OffsetDateTime};
use trust::store::StoreError;

use super::{Tables, Written};
use crate::{
    Batch, Expiry, ExpiryCursor, ExpiryTally, Filter, Owner, Page, Position, Row, Signature,
    SignatureCursor, Signer, Sort, Summary, SummaryCursor, Tag, TagCursor, Tally,
    rows::{Detail, Entry, Health, Mark, NextExpiry},
    schema::BLUEPRINT,
    statements::{self, Addition, MANY},
    sum,
};

/// The name of the only position.
const FOLLOWER: &[u8] = b"overview";
/// The name of the row that holds the secret, in the place of a checksum.
const SECRET: &[u8] = b"secret";
/// How long the secret is.
const SECRET_BYTES: usize = 32;
/// How many rows without details are read with one statement.
const MOST_LIGHT: u32 = 2_000;
/// How many bytes of a name tags are sorted by.
const NAME_START: usize = 512;
/// How many rows are read with one statement.
const BATCH: u32 = 500;
/// How many such statements are made for one page whose filter lets few rows pass.
const MOST_BATCHES: u32 = 20;
/// How many repositories of one health are counted.
const MOST_COUNTED: i64 = 1_000_000;
/// Stands for "never".
pub(crate) const NEVER: i64 = i64::MAX;

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

/// Begins a transaction that changes one repository's rows, and waits for no publish. The first
/// statement locks the row that all the others belong to.
fn begin<DB: Dialect>() -> &'static str {
    match DB::BACKEND {
        Backend::Sqlite | Backend::Memory => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        Backend::MySql => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION",
    }
}

/// A value of a row that is added.
enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn name_start(name: &str) -> &[u8] {
    &name.as_bytes()[..name.len().min(NAME_START)]
}

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The first name behind all that begin with `prefix`.
fn behind(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // No name is UTF-8 and as high as that.
    vec![u8::MAX]
}

/// The last name before all that begin with `prefix`, or `after`, if that is behind it.
fn before(prefix: &str, after: &str) -> Vec<u8> {
    if after >= prefix || prefix.is_empty() {
        return after.as_bytes().to_vec();
    }
    // No name ends like this, so none is between this and the prefix.
    let mut start = prefix.as_bytes().to_vec();
    match start.pop() {
        Some(last) if last > 0 => start.extend([last - 1, u8::MAX, u8::MAX]),
        _ => {}
    }
    start
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

/// Runs a statement that brings rows, with its parameters.
macro_rules! read {
    ($db:ty, $executor:expr, $statement:expr $(, $parameter:expr)*) => {
        sqlx::query(<$db>::sql($statement))
            $(.bind($parameter))*
            .fetch_all($executor)
            .await
    };
}

/// Runs a statement that changes rows; how many.
macro_rules! change {
    ($db:ty, $transaction:expr, $statement:expr $(, $parameter:expr)*) => {
        <$db>::rows_affected(
            &sqlx::query(<$db>::sql($statement))
                $(.bind($parameter))*
                .execute($transaction.executor())
                .await?,
        )
    };
}

mod pages;

#[async_trait]
impl<DB> Tables for SqlTables<DB>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Encode<'q, DB>,
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

    async fn mark(&self, gun: &[u8]) -> Result<Option<Mark>, StoreError> {
        let rows = read!(DB, &self.pool, statements::MARK, gun)?;
        Ok(rows.first().map(mark::<DB>).transpose()?)
    }

    async fn marks(&self, after: &[u8], limit: u32) -> Result<Vec<Mark>, StoreError> {
        let rows = read!(DB, &self.pool, statements::MARKS, after, i64::from(limit))?;
        Ok(rows.iter().map(mark::<DB>).collect::<Result<_, _>>()?)
    }

    async fn put(&self, entry: &Entry, revision: Option<i64>) -> Result<Written, StoreError> {
        let mut retries = Retries::default();
        loop {
            let mut transaction = self.pool.begin_with(begin::<DB>()).await?;
            match put_once(&mut transaction, entry, revision).await {
                Ok(Written::Done) => match transaction.commit().await {
                    Ok(()) => return Ok(Written::Done),
                    Err(error) if retries.again(&error).await => {}
                    Err(error) => return Err(error.into()),
                },
                Ok(Written::Overtaken) => {
                    transaction.rollback().await;
                    return Ok(Written::Overtaken);
                }
                Err(error) => {
                    transaction.rollback().await;
                    if is_unique_violation(&error) {
                        return Ok(Written::Overtaken);
                    }
                    if !retries.again(&error).await {
                        return Err(error.into());
                    }
                }
            }
        }
    }

    async fn remove(&self, mark: &Mark) -> Result<Written, StoreError> {
        let mut retries = Retries::default();
        loop {
            let mut transaction = self.pool.begin_with(begin::<DB>()).await?;
            let outcome = remove_once(&mut transaction, mark).await;
            match transaction.finish(outcome).await {
                Err(error) if retries.again(&error).await => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn position(&self) -> Result<Option<Position>, StoreError> {
        let rows = read!(DB, &self.pool, statements::POSITION, FOLLOWER)?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Position {
            line: int!(row, 0),
            line_sum: bytes!(row, 1),
            reached_at: int!(row, 2),
            walked_at: int!(row, 3),
        }))
    }

    async fn set_position(&self, position: Option<&Position>) -> Result<(), StoreError> {
        let Some(position) = position else {
            sqlx::query(DB::sql(statements::FORGET))
                .bind(FOLLOWER)
                .execute(&self.pool)
                .await?;
            return Ok(());
        };
        for statement in [statements::MOVE, statements::BEGIN] {
            let outcome = sqlx::query(DB::sql(statement))
                .bind(position.line)
                .bind(position.line_sum.as_slice())
                .bind(position.reached_at)
                .bind(position.walked_at)
                .bind(FOLLOWER)
                .execute(&self.pool)
                .await;
            match outcome {
                Ok(result) if DB::rows_affected(&result) > 0 => return Ok(()),
                Ok(_) => {}
                // Another follower began at the same moment.
                Err(error) if is_unique_violation(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn repositories(
        &self,
        filter: &Filter,
        after: &str,
        limit: u32,
    ) -> Result<Page<Row>, StoreError> {
        let end = behind(&filter.prefix);
        let mut from = before(&filter.prefix, after);
        let wanted = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let mut page = Vec::new();
        for _ in 0..MOST_BATCHES {
            let batch = if filter.is_coarse() {
                BATCH
            } else {
                limit.clamp(1, BATCH)
            };
            let rows = self.batch(filter, &from, &end, batch).await?;
            let is_end = rows.len() < batch as usize;
            for row in rows {
                from = row.gun.as_bytes().to_vec();
                if self.passes(filter, &row).await? {
                    page.push(row);
                }
                if page.len() == wanted {
                    return Ok(Page {
                        rows: page,
                        next: Some(text(from)),
                    });
                }
            }
            if is_end {
                return Ok(Page {
                    rows: page,
                    next: None,
                });
            }
        }
        Ok(Page {
            rows: page,
            next: Some(text(from)),
        })
    }

    async fn summaries(
        &self,
        filter: &Filter,
        sort: Sort,
        after: Option<&SummaryCursor>,
        limit: u32,
    ) -> Result<Batch<Summary, SummaryCursor>, StoreError> {
        Ok(self
            .look(filter, sort, after, limit.clamp(1, BATCH))
            .await?)
    }

    async fn count_by_health(&self) -> Result<Vec<(Health, u64)>, StoreError> {
        let mut counts = Vec::new();
        for health in Health::ALL {
            let (number, most) = (health.number(), MOST_COUNTED);
            let rows = read!(DB, &self.pool, statements::COUNT_BY_HEALTH, number, most)?;
            if let Some(row) = rows.first() {
                counts.push((health, count(int!(row, 0))));
            }
        }
        Ok(counts)
    }

    async fn repository(&self, gun: &str) -> Result<Option<Row>, StoreError> {
        let rows = read!(DB, &self.pool, statements::ONE, gun.as_bytes())?;
        Ok(rows.first().map(repository::<DB>).transpose()?)
    }

    async fn tags(
        &self,
        gun: &str,
        after: &TagCursor,
        limit: u32,
    ) -> Result<Page<Tag, TagCursor>, StoreError> {
        let limit = limit.clamp(1, BATCH);
        let rows = read!(
            DB,
            &self.pool,
            statements::TAGS,
            gun.as_bytes(),
            after.role.as_slice(),
            after.role.as_slice(),
            after.name_start.as_slice(),
            after.name_start.as_slice(),
            after.name_sum.as_slice(),
            i64::from(limit)
        )?;
        let mut next = None;
        if let Some(row) = rows.last().filter(|_| rows.len() == limit as usize) {
            next = Some(TagCursor {
                role: bytes!(row, 0),
                name_start: bytes!(row, 1),
                name_sum: bytes!(row, 2),
            });
        }
        let mut tags = Vec::with_capacity(rows.len());
        for row in rows {
            tags.push(Tag {
                role: text(bytes!(row, 0)),
                name: text(bytes!(row, 3)),
                digest: text(bytes!(row, 4)),
                length: int!(row, 5),
            });
        }
        Ok(Page { rows: tags, next })
    }

    async fn signers(&self, gun: &str) -> Result<Vec<Signer>, StoreError> {
        let mut signers = Vec::new();
        for row in read!(DB, &self.pool, statements::SIGNERS, gun.as_bytes())? {
            let (name, expires) = (text(bytes!(row, 3)), int!(row, 4));
            let is_certified = expires != NEVER;
            signers.push(Signer {
                role: text(bytes!(row, 0)),
                key_id: text(bytes!(row, 1)),
                algorithm: text(bytes!(row, 2)),
                certificate: is_certified.then_some(name),
                expires: is_certified.then(|| moment(expires)),
            });
        }
        Ok(signers)
    }

    async fn signatures(
        &self,
        after: &SignatureCursor,
        limit: u32,
    ) -> Result<Page<Signature, SignatureCursor>, StoreError> {
        let limit = limit.clamp(1, MOST_LIGHT);
        let rows = read!(
            DB,
            &self.pool,
            statements::SIGNATURES,
            after.key_id.as_slice(),
            after.key_id.as_slice(),
            after.gun.as_slice(),
            after.gun.as_slice(),
            after.role.as_slice(),
            after.key_id.as_slice(),
            i64::from(limit)
        )?;
        Ok(pages::signatures::<DB>(&rows, limit)?)
    }

    async fn signatures_of(
        &self,
        key_id: &str,
        prefix: &str,
        after: &SignatureCursor,
        limit: u32,
    ) -> Result<Page<Signature, SignatureCursor>, StoreError> {
        let limit = limit.clamp(1, MOST_LIGHT);
        let (gun, role) = match after.gun.as_slice() {
            gun if gun < prefix.as_bytes() => (prefix.as_bytes(), &[][..]),
            gun => (gun, after.role.as_slice()),
        };
        let rows = read!(
            DB,
            &self.pool,
            statements::SIGNATURES_OF,
            key_id.as_bytes(),
            gun,
            gun,
            role,
            gun,
            behind(prefix),
            i64::from(limit)
        )?;
        Ok(pages::signatures::<DB>(&rows, limit)?)
    }

    async fn secret(&self) -> Result<Vec<u8>, StoreError> {
        let mut made = vec![0; SECRET_BYTES];
        SystemRandom::new()
            .fill(&mut made)
            .map_err(|_| sqlx::Error::Protocol("the random number generator failed".to_owned()))?;
        // Another server may be first.
        for _ in 0..2 {
            let rows = read!(DB, &self.pool, statements::POSITION, SECRET)?;
            if let Some(row) = rows.first() {
                return Ok(bytes!(row, 1));
            }
            let outcome = sqlx::query(DB::sql(statements::BEGIN))
                .bind(0_i64)
                .bind(made.as_slice())
                .bind(0_i64)
                .bind(0_i64)
                .bind(SECRET)
                .execute(&self.pool)
                .await;
            match outcome {
                Ok(_) => return Ok(made),
                Err(error) if is_unique_violation(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(sqlx::Error::RowNotFound.into())
    }

    async fn expiring(
        &self,
        owner: Owner,
        before: OffsetDateTime,
        after: Option<&ExpiryCursor>,
        limit: u32,
    ) -> Result<Page<Expiry, ExpiryCursor>, StoreError> {
        let limit = limit.clamp(1, BATCH);
        let (expires, gun, role) = after.map_or((i64::MIN, &[][..], &[][..]), |after| {
            (after.expires, after.gun.as_slice(), after.role.as_slice())
        });
        let rows = read!(
            DB,
            &self.pool,
            statements::EXPIRING,
            owner.number(),
            before.unix_timestamp(),
            expires,
            expires,
            gun,
            gun,
            role,
            expires,
            i64::from(limit)
        )?;
        let mut next = None;
        if let Some(row) = rows.last().filter(|_| rows.len() == limit as usize) {
            next = Some(ExpiryCursor {
                gun: bytes!(row, 0),
                role: bytes!(row, 1),
                expires: int!(row, 3),
            });
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.push(Expiry {
                gun: text(bytes!(row, 0)),
                role: text(bytes!(row, 1)),
                version: int!(row, 2),
                expires: moment(int!(row, 3)),
                owner: Owner::from_number(int!(row, 4)),
            });
        }
        Ok(Page { rows: found, next })
    }

    async fn tally(&self, now: OffsetDateTime) -> Result<Tally, StoreError> {
        let mut tally = Tally {
            repositories: self.count_by_health().await?.into_iter().collect(),
            ..Tally::default()
        };
        let [now, week, month, quarter] =
            Tally::DAYS.map(|days| (now + Duration::days(i64::from(days))).unix_timestamp());
        for owner in Owner::ALL {
            let within = read!(
                DB,
                &self.pool,
                statements::COUNT_EXPIRING,
                now,
                week,
                month,
                owner.number(),
                quarter
            )?;
            let first = read!(DB, &self.pool, statements::FIRST_EXPIRY, owner.number())?;
            let mut expiring = ExpiryTally::default();
            if let Some(row) = within.first() {
                let counted = [int!(row, 0), int!(row, 1), int!(row, 2), int!(row, 3)];
                expiring.within = counted.map(count);
            }
            if let Some(row) = first.first() {
                expiring.first = Some(moment(int!(row, 0)));
            }
            tally.expiring.insert(owner, expiring);
        }
        Ok(tally)
    }
}

impl Filter {
    /// Whether rows have to be looked at one by one.
    fn is_coarse(&self) -> bool {
        let picks = [&self.signer, &self.tag, &self.digest];
        let picks = picks.into_iter().filter(|pick| pick.is_some()).count();
        picks > 1 || self.is_unhealthy || self.expires_before.is_some()
    }
}

impl<DB> SqlTables<DB>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Encode<'q, DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    /// Rows by the part of `filter` that lets the fewest pass.
    async fn batch(
        &self,
        filter: &Filter,
        from: &[u8],
        end: &[u8],
        limit: u32,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let limit = i64::from(limit);
        let rows = match filter {
            Filter {
                digest: Some(digest),
                ..
            } => {
                let digest = digest.as_bytes();
                read!(
                    DB,
                    &self.pool,
                    statements::BY_DIGEST,
                    digest,
                    from,
                    end,
                    limit
                )
            }
            Filter { tag: Some(tag), .. } => {
                let name = sum(tag.as_bytes());
                read!(DB, &self.pool, statements::BY_TAG, name, from, end, limit)
            }
            Filter {
                signer: Some(key), ..
            } => {
                let key = key.as_bytes();
                read!(DB, &self.pool, statements::BY_KEY, key, from, end, limit)
            }
            _ => read!(DB, &self.pool, statements::BY_NAME, from, end, limit),
        };
        rows?.iter().map(repository::<DB>).collect()
    }

    /// Whether the rest of `filter` lets `row` pass as well.
    async fn passes(&self, filter: &Filter, row: &Row) -> Result<bool, sqlx::Error> {
        if filter.is_unhealthy && row.health == Health::Whole {
            return Ok(false);
        }
        if let Some(before) = filter.expires_before
            && row.next.as_ref().is_none_or(|next| next.expires >= before)
        {
            return Ok(false);
        }
        let gun = row.gun.as_bytes();
        if let (Some(_), Some(tag)) = (&filter.digest, &filter.tag)
            && read!(
                DB,
                &self.pool,
                statements::HAS_TAG,
                sum(tag.as_bytes()),
                gun
            )?
            .is_empty()
        {
            return Ok(false);
        }
        if let (true, Some(key)) = (
            filter.digest.is_some() || filter.tag.is_some(),
            &filter.signer,
        ) && read!(DB, &self.pool, statements::HAS_KEY, key.as_bytes(), gun)?.is_empty()
        {
            return Ok(false);
        }
        Ok(true)
    }
}

fn mark<DB>(row: &DB::Row) -> Result<Mark, sqlx::Error>
where
    DB: Dialect,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    Ok(Mark {
        gun: bytes!(row, 0),
        revision: int!(row, 1),
        edition: int!(row, 2),
        version: int!(row, 3),
        sha256: bytes!(row, 4),
        stale_at: int!(row, 5),
    })
}

fn repository<DB>(row: &DB::Row) -> Result<Row, sqlx::Error>
where
    DB: Dialect,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let (expires, role) = (int!(row, 6), text(bytes!(row, 7)));
    let detail: Detail = serde_json::from_slice(&bytes!(row, 12))
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Row {
        gun: text(bytes!(row, 0)),
        version: int!(row, 1),
        sha256: bytes!(row, 2),
        format: text(bytes!(row, 3)),
        published_at: moment(int!(row, 4)),
        computed_at: moment(int!(row, 5)),
        next: (expires != NEVER).then(|| NextExpiry {
            expires: moment(expires),
            role,
        }),
        health: Health::of(int!(row, 8)),
        tags: count(int!(row, 9)),
        signers: count(int!(row, 10)),
        bytes: count(int!(row, 11)),
        detail,
    })
}

async fn put_once<DB>(
    transaction: &mut Transaction<DB>,
    entry: &Entry,
    revision: Option<i64>,
) -> Result<Written, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Encode<'q, DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    if !put_row(transaction, entry, revision).await? {
        return Ok(Written::Overtaken);
    }
    let gun = entry.row.gun.as_bytes();
    change!(DB, transaction, statements::DELETE_ROLES, gun);
    let roles: Vec<_> = entry
        .row
        .detail
        .roles
        .iter()
        .filter(|role| !role.is_skipped)
        .collect();
    let roles = roles.iter().map(|role| {
        vec![
            Value::Bytes(gun),
            Value::Bytes(role.role.as_bytes()),
            Value::Number(role.version),
            Value::Number(role.expires.unwrap_or(0)),
            Value::Number(Owner::of(&role.role).number()),
        ]
    });
    add(transaction, &statements::ADD_ROLES, roles.collect()).await?;
    change!(DB, transaction, statements::DELETE_SIGNERS, gun);
    let signers = entry.signers.iter().map(|signer| {
        let name = signer.certificate.as_deref().unwrap_or_default();
        let expires = signer.expires.map_or(NEVER, OffsetDateTime::unix_timestamp);
        vec![
            Value::Bytes(gun),
            Value::Bytes(signer.role.as_bytes()),
            Value::Bytes(signer.key_id.as_bytes()),
            Value::Bytes(signer.algorithm.as_bytes()),
            Value::Bytes(name.as_bytes()),
            Value::Number(expires),
        ]
    });
    add(transaction, &statements::ADD_SIGNERS, signers.collect()).await?;
    put_tags(transaction, gun, &entry.tags).await?;
    Ok(Written::Done)
}

/// The row itself; whether it was the one that was read.
async fn put_row<DB>(
    transaction: &mut Transaction<DB>,
    entry: &Entry,
    revision: Option<i64>,
) -> Result<bool, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Encode<'q, DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let row = &entry.row;
    let detail =
        serde_json::to_vec(&row.detail).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let (expires, role) = row.next.as_ref().map_or((NEVER, ""), |next| {
        (next.expires.unix_timestamp(), next.role.as_str())
    });
    let statement = if revision.is_some() {
        statements::UPDATE
    } else {
        statements::INSERT
    };
    // A row that is removed and made again must not get a number that it had.
    let first = i64::try_from(row.computed_at.unix_timestamp_nanos()).unwrap_or(0);
    let next = revision.map_or(first, |revision| revision.wrapping_add(1));
    let query = sqlx::query(DB::sql(statement))
        .bind(next)
        .bind(crate::EDITION)
        .bind(row.version)
        .bind(row.sha256.as_slice())
        .bind(row.format.as_bytes())
        .bind(row.published_at.unix_timestamp())
        .bind(row.computed_at.unix_timestamp())
        .bind(entry.stale_at)
        .bind(expires)
        .bind(role.as_bytes())
        .bind(row.health.number())
        .bind(number(row.tags))
        .bind(number(row.signers))
        .bind(number(row.bytes))
        .bind(detail.as_slice())
        .bind(row.gun.as_bytes());
    let query = match revision {
        Some(revision) => query.bind(revision),
        None => query,
    };
    let done = query.execute(transaction.executor()).await?;
    Ok(DB::rows_affected(&done) > 0)
}

/// Changes the tags that are not as they should be, and no others.
async fn put_tags<DB>(
    transaction: &mut Transaction<DB>,
    gun: &[u8],
    tags: &[Tag],
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Encode<'q, DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut wanted: HashMap<(Vec<u8>, Vec<u8>), &Tag> = tags
        .iter()
        .map(|tag| {
            let key = (tag.role.as_bytes().to_vec(), sum(tag.name.as_bytes()));
            (key, tag)
        })
        .collect();
    for row in read!(DB, transaction.executor(), statements::TAG_MARKS, gun)? {
        let (key, start) = ((bytes!(row, 0), bytes!(row, 2)), bytes!(row, 1));
        let (digest, length) = (bytes!(row, 3), int!(row, 4));
        let is_same = wanted
            .get(&key)
            .is_some_and(|tag| tag.digest.as_bytes() == digest && tag.length == length);
        if is_same {
            wanted.remove(&key);
        } else {
            let (role, start, sum) = (key.0.as_slice(), start.as_slice(), key.1.as_slice());
            change!(
                DB,
                transaction,
                statements::DELETE_TAG,
                gun,
                role,
                start,
                sum
            );
        }
    }
    let mut rows: Vec<Vec<Value<'_>>> = Vec::with_capacity(wanted.len());
    for ((role, sum), tag) in &wanted {
        rows.push(vec![
            Value::Bytes(gun),
            Value::Bytes(role),
            Value::Bytes(name_start(&tag.name)),
            Value::Bytes(sum),
            Value::Bytes(tag.name.as_bytes()),
            Value::Bytes(tag.digest.as_bytes()),
            Value::Number(tag.length),
        ]);
    }
    add(transaction, &statements::ADD_TAGS, rows).await
}

/// Adds rows, many with one statement as long as there are so many.
async fn add<DB>(
    transaction: &mut Transaction<DB>,
    addition: &'static Addition,
    rows: Vec<Vec<Value<'_>>>,
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    for chunk in rows.chunks(MANY) {
        if chunk.len() == MANY {
            insert(transaction, addition.many.as_str(), chunk).await?;
        } else {
            for row in chunk {
                insert(transaction, addition.one, std::slice::from_ref(row)).await?;
            }
        }
    }
    Ok(())
}

async fn insert<DB>(
    transaction: &mut Transaction<DB>,
    statement: &'static str,
    rows: &[Vec<Value<'_>>],
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let mut query = sqlx::query(DB::sql(statement));
    for value in rows.iter().flatten() {
        query = match value {
            Value::Bytes(bytes) => query.bind(bytes.to_vec()),
            Value::Number(number) => query.bind(*number),
        };
    }
    query.execute(transaction.executor()).await?;
    Ok(())
}

async fn remove_once<DB>(
    transaction: &mut Transaction<DB>,
    mark: &Mark,
) -> Result<Written, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let gun = mark.gun.as_slice();
    if change!(DB, transaction, statements::DELETE, gun, mark.revision) == 0 {
        return Ok(Written::Overtaken);
    }
    for statement in [
        statements::DELETE_ROLES,
        statements::DELETE_SIGNERS,
        statements::DELETE_TAGS,
    ] {
        change!(DB, transaction, statement, gun);
    }
    Ok(Written::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_exactly_the_names_that_begin_with_it() {
        let names = [
            "",
            "a",
            "a/",
            "a/b",
            "a/\u{10ffff}",
            "a0",
            "b",
            "é",
            "\u{10ffff}",
        ];
        for prefix in ["", "a", "a/", "é", "\u{10ffff}", "a/b"] {
            let (from, end) = (before(prefix, ""), behind(prefix));
            for name in names {
                let bytes = name.as_bytes();
                let is_found = bytes > from.as_slice() && bytes < end.as_slice();
                assert_eq!(
                    is_found,
                    name.starts_with(prefix) && !name.is_empty(),
                    "{name} {prefix}"
                );
            }
        }
    }
}
