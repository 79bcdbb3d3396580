//! How far the changefeed is settled: up to which id no change will still appear.
//!
//! What is known is kept in memory: an id up to which everything is settled, and one [`Watch`] on
//! what lies above it. A process that has just started takes changes older than [`LATEST`] as
//! settled, and proves the rest again.

use std::time::{Duration, Instant};

use daemon::clock;
use database::{Dialect, Int, Pool, Settle, Time, Watch};
use sqlx::{Encode, Executor, FromRow, Type};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::statements;

/// The table.
const TABLE: &str = "changefeed";

/// When an id that is missing counts as lost without proof.
const LATEST: Duration = Duration::from_mins(5);

/// How many ids a process that has just started looks back over first; as long as what it finds
/// there is too new, it goes twice as far.
const LOOK_BACK: i64 = 1_000;

/// How many ids are read with one statement.
const PAGE: i64 = 1_000;

/// How many pages are read for one caller; the next caller goes on.
const MOST_PAGES: usize = 20;

/// What one process knows.
pub(super) struct Feed {
    known: Mutex<Known>,
    clock: FeedClock,
}

/// What tells the feed how old something is.
pub struct FeedClock {
    /// The time of day, which changes carry.
    pub now: Box<dyn Fn() -> OffsetDateTime + Send + Sync>,
    /// A time that no correction of a clock moves.
    pub steady: Box<dyn Fn() -> Instant + Send + Sync>,
}

impl Default for FeedClock {
    /// The clocks of this machine.
    fn default() -> Self {
        Self {
            now: Box::new(clock::now),
            steady: Box::new(Instant::now),
        }
    }
}

#[derive(Default)]
struct Known {
    /// No change with this id or a lower one will still appear; `None` before the first look.
    settled: Option<i64>,
    /// What is awaited before more is settled.
    awaited: Option<Awaited>,
}

/// The end of those who were writing to the feed when ids were missing.
struct Awaited {
    watch: Watch,
    /// The highest id that was there then.
    newest: i64,
}

/// An id of the feed.
#[derive(FromRow)]
pub(super) struct IdRow {
    pub(super) id: Int,
}

/// An id of the feed, and the time of its change.
#[derive(FromRow)]
pub(super) struct StampRow<T> {
    id: Int,
    created_at: Option<T>,
}

impl Feed {
    pub(super) fn new(clock: FeedClock) -> Self {
        Self {
            known: Mutex::default(),
            clock,
        }
    }

    /// The id up to which the feed is settled, as far as that can be said now. It never waits for a
    /// writer.
    pub(super) async fn settled<DB>(&self, pool: &Pool<DB>) -> Result<i64, sqlx::Error>
    where
        DB: Settle,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
        for<'r> IdRow: FromRow<'r, DB::Row>,
        for<'r> StampRow<DB::Time>: FromRow<'r, DB::Row>,
    {
        if DB::IN_ORDER {
            return Ok(i64::MAX);
        }
        let mut known = self.known.lock().await;
        let mut settled = match known.settled {
            Some(settled) => settled,
            None => first_look::<DB>(pool, (self.clock.now)() - LATEST).await?,
        };
        known.settled = Some(settled);
        for _ in 0..MOST_PAGES {
            let mut ids: Vec<IdRow> = sqlx::query_as(DB::sql(statements::CHANGE_IDS))
                .bind(settled - 1)
                .bind(PAGE)
                .fetch_all(pool)
                .await?;
            let is_end = ids.len() < usize::try_from(PAGE).expect("a page is small");
            let newest = ids.last().map_or(0, |row| row.id.0);
            if is_end
                && known
                    .awaited
                    .as_ref()
                    .is_some_and(|old| newest < old.newest)
            {
                // The line that was the newest is gone: a backup was restored, and its ids may be
                // given out again.
                known.awaited = None;
            }
            match ids.first() {
                Some(row) if row.id.0 == settled => _ = ids.remove(0),
                // Before the first change there is none.
                _ if settled == 0 => {}
                _ => {
                    // The feed is another one: a backup was restored, or lines were removed.
                    known.awaited = None;
                    settled = first_look::<DB>(pool, (self.clock.now)() - LATEST).await?;
                    known.settled = Some(settled);
                    continue;
                }
            }
            for row in &ids {
                if row.id.0 == settled + 1 {
                    settled = row.id.0;
                }
            }
            known.settled = Some(settled);
            let Some(newest) = ids.last().map(|row| row.id.0) else {
                break;
            };
            if newest == settled {
                continue;
            }
            // Something is missing between the two.
            if known
                .awaited
                .as_ref()
                .is_none_or(|old| old.newest <= settled)
            {
                let watch = DB::watch(pool, TABLE, (self.clock.steady)()).await?;
                known.awaited = Some(Awaited { watch, newest });
            }
            // It stays where it is until it is over: a caller may hang up, or the database fail,
            // while it is looked at, and its age must go on counting.
            let awaited = known.awaited.as_ref().expect("it was just put there");
            let (watch, below) = (&awaited.watch, awaited.newest);
            let age = watch.age((self.clock.steady)());
            let ids = settled + 1..below;
            if age < LATEST && !DB::is_settled(pool, TABLE, watch, age, ids).await? {
                tracing::debug!(settled, newest, "a change may still appear in the feed");
                break;
            }
            settled = below;
            known.settled = Some(settled);
            known.awaited = None;
        }
        Ok(settled)
    }
}

/// Where a process begins that knows nothing yet: at a change from before `old`, or before all
/// changes.
///
/// It need not be the newest of those; the table is not searched through for it.
async fn first_look<DB>(pool: &Pool<DB>, old: OffsetDateTime) -> Result<i64, sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'r> StampRow<DB::Time>: FromRow<'r, DB::Row>,
{
    let (mut back, mut most) = (LOOK_BACK, i64::MAX);
    loop {
        let row: Option<StampRow<DB::Time>> = sqlx::query_as(DB::sql(statements::CHANGE_TIME))
            .bind(most)
            .fetch_optional(pool)
            .await?;
        let Some(row) = row else {
            return Ok(0);
        };
        if row.created_at.is_none_or(|at| at.utc() <= old) {
            return Ok(row.id.0);
        }
        most = row.id.0 - back;
        back *= 2;
    }
}
