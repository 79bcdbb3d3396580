//! What a caller may see of the inventory: what the API and the pages for browsers are made of.
//!
//! An [`Overview`] is the only way from HTTP to the tables, and each of its questions takes a
//! [`Sight`], so nothing is answered that the caller may not see. Rows that are hidden are skipped
//! while they are read. Only so many rows are looked at for one answer: a page may be short, or
//! empty, and still name the next one. Nothing here knows HTTP.

mod calendar;
mod changes;
mod cursor;
mod due;
mod keys;
mod sessions;
mod sight;
mod status;
mod versions;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use changes::Waiting;
pub use changes::{ChangesPage, SeenChange};
pub use cursor::BadCursor;
use cursor::{Manner, Seal};
pub use due::{Due, calendar, deadline, quote, who};
use inventory::{
    Batch, Filter, Follower, Freshness, Row, Signer, Sort, Summary, SummaryCursor, Tables, Tag,
    TagCursor,
};
pub use keys::{KeyRoles, KeySummary};
pub use sight::Sight;
pub use status::{Counts, Status};
use tokio::{
    sync::{OnceCell, Semaphore, SemaphorePermit},
    time::timeout,
};
use trust::store::{StoreError, TrustStore};
pub use versions::Version;

/// The longest page.
pub const MOST_ROWS: u32 = 500;

/// How many answers are made at once. The others wait, and leave connections to the readers of
/// trust data.
const MOST_AT_ONCE: usize = 4;

/// How long an answer waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How many rows are looked at for one page.
const MOST_LOOKED_AT: u32 = 5_000;

/// How many rows a statement counts for at least.
const STATEMENT: u32 = 20;

/// How many rows are read with one statement.
const BATCH: u32 = 500;

/// The same, if each row takes statements of its own.
const SMALL_BATCH: u32 = 100;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OverviewError {
    /// `inventory.enabled` is false.
    #[error("this server keeps no inventory: `inventory.enabled` is false in its configuration")]
    Off,
    /// The tables are missing.
    #[error("the tables of the inventory are missing: run `notary-server migrate`")]
    NoTables,
    /// The tables were never filled.
    #[error(
        "the inventory is being computed for the first time; `notary-server overview rebuild` \
         shows the progress of doing it at once"
    )]
    NotReady,
    /// Others are being answered.
    #[error("too many requests for the inventory at once")]
    Busy,
    /// As many callers wait for changes as may.
    #[error("too many requests wait for changes; ask without waiting, or later")]
    TooManyWaiting,
    /// The line that a cursor names is not in the changefeed any more.
    #[error(
        "the changefeed is another one than before, as after a backup was restored: read the \
         repositories again, and begin without a cursor"
    )]
    OtherFeed,
    /// What a page begins behind is no cursor of this question.
    #[error("{0}")]
    Cursor(#[from] BadCursor),
    /// A filter that does not go with an order.
    #[error("sort takes name alone beside signer, tag and digest")]
    Sort,
    /// This program's own fault.
    #[error("{0}")]
    Internal(&'static str),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Which repositories are asked for, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Those to which all of this applies.
    pub filter: Filter,
    /// How they come.
    pub sort: Sort,
}

/// A page of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// In order; there may be none although more follow.
    pub rows: Vec<T>,
    /// What to ask for the next page with; `None` at the end. It tells nothing.
    pub next: Option<String>,
}

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What is known of it.
    pub row: Row,
    /// The keys that may sign for its roles.
    pub signers: Vec<Signer>,
}

/// The inventory; cheap to clone.
#[derive(Clone)]
pub struct Overview(Option<Arc<Inner>>);

struct Inner {
    tables: Arc<dyn Tables>,
    follower: Follower,
    store: Arc<dyn TrustStore>,
    waiting: Waiting,
    /// Whether the tables were ever filled.
    is_filled: AtomicBool,
    seal: OnceCell<Seal>,
    turns: Semaphore,
}

/// The turn of one answer.
struct Turn<'o> {
    inner: &'o Inner,
    tables: &'o dyn Tables,
    _permit: SemaphorePermit<'o>,
}

impl Overview {
    /// The inventory in `tables`, of the repositories in `store`.
    #[must_use]
    pub fn new(tables: Arc<dyn Tables>, store: Arc<dyn TrustStore>) -> Self {
        let follower = Follower::new(Arc::clone(&store), Arc::clone(&tables), daemon::clock::now);
        Self(Some(Arc::new(Inner {
            tables,
            follower,
            store,
            waiting: Waiting::default(),
            is_filled: AtomicBool::new(false),
            seal: OnceCell::new(),
            turns: Semaphore::new(MOST_AT_ONCE),
        })))
    }

    /// No inventory.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Waits for the turn of an answer.
    async fn turn(&self) -> Result<Turn<'_>, OverviewError> {
        let inner = self.0.as_deref().ok_or(OverviewError::Off)?;
        let Ok(Ok(permit)) = timeout(LONGEST_WAIT, inner.turns.acquire()).await else {
            return Err(OverviewError::Busy);
        };
        let turn = Turn {
            inner,
            tables: inner.tables.as_ref(),
            _permit: permit,
        };
        if !inner.is_filled.load(Ordering::Relaxed) {
            let position = inner.tables.position().await;
            if turn.settle(position).await?.is_none() {
                return Err(OverviewError::NotReady);
            }
            inner.is_filled.store(true, Ordering::Relaxed);
        }
        Ok(turn)
    }

    /// A page of the repositories that `sight` shows, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn repositories(
        &self,
        sight: &Sight,
        question: &Question,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Listed<Summary>, OverviewError> {
        if question.sort != Sort::Name && question.has_picks() {
            return Err(OverviewError::Sort);
        }
        let turn = self.turn().await?;
        let about = question.describe();
        let at = turn.open(&about, after).await?;
        let (rows, next) = turn.walk(sight, question, at, limit).await?;
        let next = turn.seal(&about, next).await?;
        Ok(Listed { rows, next })
    }

    /// One repository, if `sight` shows it and there is one.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn repository(
        &self,
        sight: &Sight,
        gun: &str,
    ) -> Result<Option<Repository>, OverviewError> {
        let turn = self.turn().await?;
        if !sight.sees(gun) {
            return Ok(None);
        }
        let row = turn.settle(turn.tables.repository(gun).await).await?;
        let Some(row) = row else { return Ok(None) };
        let signers = turn.settle(turn.tables.signers(gun).await).await?;
        Ok(Some(Repository { row, signers }))
    }

    /// A page of the tags of a repository, if `sight` shows it and there is one.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn tags(
        &self,
        sight: &Sight,
        gun: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Listed<Tag>>, OverviewError> {
        let turn = self.turn().await?;
        let about = format!("tags {gun:?}");
        let at: Option<TagCursor> = turn.open(&about, after).await?;
        if !sight.sees(gun) {
            return Ok(None);
        }
        let mark = turn.tables.mark(gun.as_bytes()).await;
        if turn.settle(mark).await?.is_none() {
            return Ok(None);
        }
        let limit = limit.clamp(1, MOST_ROWS);
        let at = at.unwrap_or_default();
        let page = turn.tables.tags(gun, &at, limit).await;
        let page = turn.settle(page).await?;
        let next = page.next.map(|next| (next, Manner::Same));
        Ok(Some(Listed {
            rows: page.rows,
            next: turn.seal(&about, next).await?,
        }))
    }

    /// Whether the tables say what the files say.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn freshness(&self) -> Result<Freshness, OverviewError> {
        let turn = self.turn().await?;
        turn.settle(turn.inner.follower.freshness().await).await
    }
}

impl Question {
    /// Whether repositories are picked by something that they are not sorted by.
    fn has_picks(&self) -> bool {
        let filter = &self.filter;
        filter.signer.is_some() || filter.tag.is_some() || filter.digest.is_some()
    }

    /// What a cursor has to be of. Times are left out: they move on from page to page.
    fn describe(&self) -> String {
        let Filter {
            prefix,
            signer,
            tag,
            digest,
            expires_before,
            is_unhealthy,
        } = &self.filter;
        let (sort, is_limited) = (self.sort, expires_before.is_some());
        format!("{sort:?} {prefix:?} {signer:?} {tag:?} {digest:?} {is_limited} {is_unhealthy}")
    }
}

impl Turn<'_> {
    /// Says what is behind a failure: the tables may be missing.
    async fn settle<T>(&self, outcome: Result<T, StoreError>) -> Result<T, OverviewError> {
        match outcome {
            Err(error) if !error.is_temporary() => match self.tables.survey().await {
                Ok(survey) if !survey.is_ready() => Err(OverviewError::NoTables),
                _ => Err(error.into()),
            },
            outcome => Ok(outcome?),
        }
    }

    async fn sealer(&self) -> Result<&Seal, OverviewError> {
        let make = async || Ok::<_, StoreError>(Seal::new(&self.tables.secret().await?));
        self.settle(self.inner.seal.get_or_try_init(make).await)
            .await
    }

    /// The place that a cursor names.
    async fn open<C: serde::de::DeserializeOwned>(
        &self,
        about: &str,
        after: Option<&str>,
    ) -> Result<Option<C>, OverviewError> {
        let Some(after) = after else { return Ok(None) };
        Ok(Some(self.sealer().await?.open(about, after)?))
    }

    /// A cursor that names a place.
    async fn seal<C: serde::Serialize>(
        &self,
        about: &str,
        next: Option<(C, Manner)>,
    ) -> Result<Option<String>, OverviewError> {
        let Some((place, manner)) = next else {
            return Ok(None);
        };
        Ok(Some(self.sealer().await?.seal(about, &place, manner)?))
    }

    /// Rows that `sight` shows, at most `limit`, and where the next page begins.
    async fn walk(
        &self,
        sight: &Sight,
        question: &Question,
        mut at: Option<SummaryCursor>,
        limit: u32,
    ) -> Result<(Vec<Summary>, Option<(SummaryCursor, Manner)>), OverviewError> {
        let Question { filter, sort } = question;
        let limit = limit.clamp(1, MOST_ROWS) as usize;
        let ranges = match sort {
            Sort::Name => sight.ranges(&filter.prefix),
            Sort::Expires | Sort::Published => vec![filter.prefix.clone()],
        };
        let mut rows: Vec<Summary> = Vec::new();
        let mut looked_at = 0_u32;
        for range in ranges {
            if *sort == Sort::Name && at.as_ref().is_some_and(|at| at.is_behind_all(&range)) {
                continue;
            }
            let filter = Filter {
                prefix: range.clone(),
                ..filter.clone()
            };
            loop {
                if looked_at >= MOST_LOOKED_AT {
                    return Ok((rows, at.map(|at| (at, Manner::Unlike))));
                }
                let size = batch_size(sight, question, limit + 1 - rows.len());
                let batch = self
                    .tables
                    .summaries(&filter, *sort, at.as_ref(), size)
                    .await;
                let Batch {
                    rows: found,
                    count,
                    next,
                } = self.settle(batch).await?;
                looked_at += count.max(STATEMENT);
                for row in found.into_iter().filter(|row| sight.sees(&row.gun)) {
                    if rows.len() == limit {
                        let last = rows.last().map(|last| SummaryCursor::behind(last, *sort));
                        return Ok((rows, last.map(|last| (last, Manner::Same))));
                    }
                    rows.push(row);
                }
                let Some(next) = next else { break };
                at = Some(next);
            }
            if *sort == Sort::Name {
                at = Some(SummaryCursor::behind_all(&range));
            }
        }
        Ok((rows, None))
    }
}

/// How many rows are looked at with one statement, if `wanted` more are needed.
fn batch_size(sight: &Sight, question: &Question, wanted: usize) -> u32 {
    let filter = &question.filter;
    let picks = [&filter.signer, &filter.tag, &filter.digest];
    if picks.iter().filter(|pick| pick.is_some()).count() > 1 {
        return SMALL_BATCH;
    }
    let is_exact = !filter.is_unhealthy && filter.expires_before.is_none();
    if sight.is_everything()
        && is_exact
        && (question.sort == Sort::Name || filter.prefix.is_empty())
    {
        return u32::try_from(wanted).unwrap_or(BATCH).min(BATCH);
    }
    BATCH
}
