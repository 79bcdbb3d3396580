//! Repositories without their details, and who may sign for what: what lists are made of.

use database::{Dialect, Int};
use sqlx::{ColumnIndex, Decode, Encode, Executor, Row as _, Type};
use time::OffsetDateTime;

use super::{NEVER, SqlTables, before, behind, count, moment, text};
use crate::{
    Batch, Filter, Health, NextExpiry, Page, Signature, SignatureCursor, Sort, Summary,
    SummaryCursor, statements, sum,
};

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
    /// Looks at `limit` rows, and keeps those that pass the filter.
    pub(super) async fn look(
        &self,
        filter: &Filter,
        sort: Sort,
        after: Option<&SummaryCursor>,
        limit: u32,
    ) -> Result<Batch<Summary, SummaryCursor>, sqlx::Error> {
        let found = match sort {
            Sort::Name => self.by_name(filter, after, limit).await?,
            Sort::Expires => self.by_expiry(filter, after, limit).await?,
            Sort::Published => self.by_published(after, limit).await?,
        };
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let last = found.last().filter(|_| count >= limit);
        let next = last.map(|last| SummaryCursor::behind(last, sort));
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            if self.has_all(filter, sort, &row).await? {
                rows.push(row);
            }
        }
        Ok(Batch { rows, count, next })
    }

    /// Rows by the part of `filter` that lets the fewest pass.
    async fn by_name(
        &self,
        filter: &Filter,
        after: Option<&SummaryCursor>,
        limit: u32,
    ) -> Result<Vec<Summary>, sqlx::Error> {
        let end = behind(&filter.prefix);
        let start = before(&filter.prefix, "");
        let start = match after {
            Some(after) if after.gun > start => after.gun.clone(),
            _ => start,
        };
        let (start, end) = (start.as_slice(), end.as_slice());
        let most = i64::from(limit);
        let rows = match filter {
            Filter {
                digest: Some(digest),
                ..
            } => {
                let digest = digest.as_bytes();
                let statement = statements::SUMMARIES_BY_DIGEST;
                read!(DB, &self.pool, statement, digest, start, end, most)
            }
            Filter { tag: Some(tag), .. } => {
                let (name, statement) = (sum(tag.as_bytes()), statements::SUMMARIES_BY_TAG);
                read!(DB, &self.pool, statement, name, start, end, most)
            }
            Filter {
                signer: Some(key), ..
            } => {
                let (key, statement) = (key.as_bytes(), statements::SUMMARIES_BY_KEY);
                read!(DB, &self.pool, statement, key, start, end, most)
            }
            Filter {
                is_unhealthy: true, ..
            } => return self.unhealthy(start, end, limit).await,
            _ => read!(DB, &self.pool, statements::SUMMARIES, start, end, most),
        };
        rows?.iter().map(summary::<DB>).collect()
    }

    /// Both kinds of repositories with problems, in one order of names.
    async fn unhealthy(
        &self,
        start: &[u8],
        end: &[u8],
        limit: u32,
    ) -> Result<Vec<Summary>, sqlx::Error> {
        let mut found = Vec::new();
        for health in [Health::Warning, Health::Broken] {
            let (health, most) = (health.number(), i64::from(limit));
            let statement = statements::SUMMARIES_BY_HEALTH;
            for row in read!(DB, &self.pool, statement, health, start, end, most)? {
                found.push(summary::<DB>(&row)?);
            }
        }
        found.sort_by(|one, other| one.gun.as_bytes().cmp(other.gun.as_bytes()));
        found.dedup_by(|one, other| one.gun == other.gun);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn by_expiry(
        &self,
        filter: &Filter,
        after: Option<&SummaryCursor>,
        limit: u32,
    ) -> Result<Vec<Summary>, sqlx::Error> {
        let last = match filter.expires_before {
            Some(before) => before.unix_timestamp().saturating_sub(1).min(NEVER - 1),
            None => NEVER,
        };
        let (key, gun) = after.map_or((i64::MIN, &[][..]), |after| {
            (after.key, after.gun.as_slice())
        });
        let rows = read!(
            DB,
            &self.pool,
            statements::SUMMARIES_BY_EXPIRY,
            last,
            key,
            key,
            gun,
            key,
            i64::from(limit)
        );
        rows?.iter().map(summary::<DB>).collect()
    }

    async fn by_published(
        &self,
        after: Option<&SummaryCursor>,
        limit: u32,
    ) -> Result<Vec<Summary>, sqlx::Error> {
        let (key, gun) = after.map_or((i64::MAX, &[][..]), |after| {
            (after.key, after.gun.as_slice())
        });
        let rows = read!(
            DB,
            &self.pool,
            statements::SUMMARIES_BY_PUBLISHED,
            key,
            key,
            gun,
            key,
            i64::from(limit)
        );
        rows?.iter().map(summary::<DB>).collect()
    }

    /// Whether all of `filter` lets `row` pass.
    async fn has_all(
        &self,
        filter: &Filter,
        sort: Sort,
        row: &Summary,
    ) -> Result<bool, sqlx::Error> {
        let expires_in_time =
            |before: OffsetDateTime| row.next.as_ref().is_some_and(|next| next.expires < before);
        if filter.is_unhealthy && row.health == Health::Whole
            || !filter.expires_before.is_none_or(expires_in_time)
            || !row.gun.starts_with(&filter.prefix)
        {
            return Ok(false);
        }
        if sort != Sort::Name {
            return Ok(true);
        }
        let gun = row.gun.as_bytes();
        if let (Some(_), Some(tag)) = (&filter.digest, &filter.tag) {
            let (name, statement) = (sum(tag.as_bytes()), statements::HAS_TAG);
            if read!(DB, &self.pool, statement, name, gun)?.is_empty() {
                return Ok(false);
            }
        }
        if let (true, Some(key)) = (
            filter.digest.is_some() || filter.tag.is_some(),
            &filter.signer,
        ) {
            let (key, statement) = (key.as_bytes(), statements::HAS_KEY);
            if read!(DB, &self.pool, statement, key, gun)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn summary<DB>(row: &DB::Row) -> Result<Summary, sqlx::Error>
where
    DB: Dialect,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let (expires, role) = (int!(row, 6), text(bytes!(row, 7)));
    Ok(Summary {
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
    })
}

/// What `rows` say, of which there were at most `limit`.
pub(super) fn signatures<DB>(
    rows: &[DB::Row],
    limit: u32,
) -> Result<Page<Signature, SignatureCursor>, sqlx::Error>
where
    DB: Dialect,
    for<'r> Vec<u8>: Decode<'r, DB> + Type<DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (name, expires) = (text(bytes!(row, 4)), int!(row, 5));
        let is_certified = expires != NEVER;
        found.push(Signature {
            key_id: text(bytes!(row, 0)),
            gun: text(bytes!(row, 1)),
            role: text(bytes!(row, 2)),
            algorithm: text(bytes!(row, 3)),
            certificate: is_certified.then_some(name),
            expires: is_certified.then(|| moment(expires)),
        });
    }
    let mut next = None;
    if let Some(row) = rows.last().filter(|_| rows.len() >= limit as usize) {
        next = Some(SignatureCursor {
            key_id: bytes!(row, 0),
            gun: bytes!(row, 1),
            role: bytes!(row, 2),
        });
    }
    Ok(Page { rows: found, next })
}
