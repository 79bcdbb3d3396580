//! Publishes that wait for the one writer of an embedded database: those that wait at the same time
//! are committed together, each within a savepoint of its own. One that waits alone needs none.
//!
//! No one is answered before the commit. A publish that is refused takes back its own savepoint. If
//! the database fails within a publish, everything is taken back, that publish is answered, and the
//! others begin again: their commit was not sent.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use database::{Pool, Transaction};
use sqlx::{Encode, Executor, FromRow, Type};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use tuf::{File, Gun};

use super::{
    FileRow, HeadRow,
    addition::{Addition, Failure},
};
use crate::store::{Head, StoreError, dialect::TrustDialect};

/// How many publishes are committed together at most.
const MOST_JOBS: usize = 64;

/// How many bytes they may have together, unless one has more.
const MOST_BYTES: usize = 4 << 20;

/// The publishes that wait.
#[derive(Default)]
pub(super) struct Group {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Whether a task is at work on them.
    has_writer: bool,
}

/// One publish that waits.
struct Job {
    gun: Gun,
    base: Option<Head>,
    files: Vec<File>,
    now: OffsetDateTime,
    /// Since when it waits.
    since: Instant,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Job {
    fn addition(&self) -> Addition<'_> {
        Addition {
            gun: &self.gun,
            base: self.base.as_ref(),
            files: &self.files,
            now: self.now,
        }
    }

    fn bytes(&self) -> usize {
        self.files.iter().map(|file| file.bytes().len()).sum()
    }

    fn answer(self, outcome: Result<(), StoreError>) {
        // A caller that hung up does not hear of it.
        let _ = self.answer.send(outcome);
    }
}

impl Group {
    /// Has `addition` stored together with what else waits.
    pub(super) async fn publish<DB>(
        self: &Arc<Self>,
        pool: &Pool<DB>,
        addition: Addition<'_>,
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
        let (answer, answered) = oneshot::channel();
        let job = Job {
            gun: addition.gun.clone(),
            base: addition.base.cloned(),
            files: addition.files.to_vec(),
            now: addition.now,
            since: Instant::now(),
            answer,
        };
        if self.push(job) {
            // A task of its own: a caller that hangs up takes no other's publish with it.
            tokio::spawn(write(Writer(Some(Arc::clone(self))), pool.clone()));
        }
        answered
            .await
            .unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }

    /// Adds `job`; says whether it takes a task to write it.
    fn push(&self, job: Job) -> bool {
        let mut waiting = self.lock();
        waiting.jobs.push_back(job);
        !mem::replace(&mut waiting.has_writer, true)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that writes. When it is given up, those who wait are told.
struct Writer(Option<Arc<Group>>);

impl Writer {
    /// What is to be committed next; nothing if the work is done.
    fn next(&mut self) -> Option<VecDeque<Job>> {
        let group = self.0.take()?;
        let mut jobs = VecDeque::new();
        {
            let mut waiting = group.lock();
            let mut bytes = 0;
            while jobs.len() < MOST_JOBS
                && let Some(job) = waiting.jobs.pop_front()
            {
                if job.answer.is_closed() {
                    continue;
                }
                bytes += job.bytes();
                if bytes > MOST_BYTES && !jobs.is_empty() {
                    waiting.jobs.push_front(job);
                    break;
                }
                jobs.push_back(job);
            }
            if jobs.is_empty() {
                waiting.has_writer = false;
                return None;
            }
        }
        self.0 = Some(group);
        Some(jobs)
    }

    /// Takes out all that have waited since `moment` or longer.
    fn waiting_since(&self, moment: Instant) -> VecDeque<Job> {
        let Some(group) = &self.0 else {
            return VecDeque::new();
        };
        let mut waiting = group.lock();
        let (old, new) = mem::take(&mut waiting.jobs)
            .into_iter()
            .partition(|job| job.since <= moment);
        waiting.jobs = new;
        old
    }

    /// Puts `jobs` back to where they were.
    fn put_back(&self, jobs: impl DoubleEndedIterator<Item = Job>) {
        if let Some(group) = &self.0 {
            let mut waiting = group.lock();
            for job in jobs.rev() {
                waiting.jobs.push_front(job);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            let mut waiting = group.lock();
            waiting.has_writer = false;
            waiting.jobs.clear();
        }
    }
}

/// Commits what waits, until nothing does.
async fn write<DB>(mut writer: Writer, pool: Pool<DB>)
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
    while let Some(mut jobs) = writer.next() {
        let begun = Instant::now();
        match pool.begin_with(DB::BEGIN).await {
            Ok(transaction) if jobs.len() == 1 => {
                if let Some(job) = jobs.pop_front() {
                    let outcome = job.addition().publish_in(&pool, transaction).await;
                    job.answer(outcome);
                }
            }
            Ok(transaction) => write_together(&writer, transaction, jobs).await,
            Err(error) => {
                let error = StoreError::from(error);
                // Those behind them have waited for the same, and as long.
                for job in jobs.into_iter().chain(writer.waiting_since(begun)) {
                    job.answer(Err(error.clone()));
                }
            }
        }
    }
}

/// Commits `jobs`, and answers them.
async fn write_together<DB>(
    writer: &Writer,
    mut transaction: Transaction<DB>,
    mut jobs: VecDeque<Job>,
) where
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
    let mut written = Vec::new();
    while let Some(job) = jobs.pop_front() {
        match add_apart(&job.addition(), &mut transaction).await {
            Err(error @ StoreError::Database(_)) => {
                // The database may have taken everything back by itself.
                transaction.rollback().await;
                job.answer(Err(error));
                writer.put_back(written.into_iter().map(|(job, _)| job).chain(jobs));
                return;
            }
            outcome => written.push((job, outcome)),
        }
    }
    let is_worth_it = written.iter().any(|(_, outcome)| outcome.is_ok());
    let committed = if is_worth_it {
        transaction.commit().await.map_err(StoreError::from)
    } else {
        transaction.rollback().await;
        Ok(())
    };
    for (job, outcome) in written {
        job.answer(committed.clone().and(outcome));
    }
}

/// Adds the files of one publish; if they are refused, none of them is left in the transaction.
async fn add_apart<DB>(
    addition: &Addition<'_>,
    transaction: &mut Transaction<DB>,
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
    transaction.executor().execute("SAVEPOINT publish").await?;
    let refusal = match addition.add(transaction).await {
        Ok(()) => {
            transaction.executor().execute("RELEASE publish").await?;
            return Ok(());
        }
        Err(Failure::Store(error @ StoreError::Database(_))) => return Err(error),
        Err(Failure::Store(error)) => Some(error),
        Err(Failure::Collision) => None,
    };
    for statement in ["ROLLBACK TO publish", "RELEASE publish"] {
        transaction.executor().execute(statement).await?;
    }
    Err(match refusal {
        Some(refusal) => refusal,
        None => addition.explain_collision(transaction).await,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_who_have_waited_as_long_as_an_attempt_that_failed_are_answered_with_it() {
        let group = Arc::new(Group::default());
        let start = Instant::now();
        let jobs = ["a", "b", "c"].into_iter().zip(0..).map(|(name, seconds)| {
            let (answer, answered) = oneshot::channel();
            // They are not given up.
            mem::forget(answered);
            Job {
                gun: Gun::parse(name).expect("a name"),
                base: None,
                files: Vec::new(),
                now: OffsetDateTime::UNIX_EPOCH,
                since: start + Duration::from_secs(seconds),
                answer,
            }
        });
        let is_first: Vec<bool> = jobs.map(|job| group.push(job)).collect();
        assert_eq!(is_first, [true, false, false], "one task writes for all");

        let mut writer = Writer(Some(group));
        let old = writer.waiting_since(start + Duration::from_secs(1));
        let names = |jobs: VecDeque<Job>| -> Vec<String> {
            jobs.iter().map(|job| job.gun.as_str().to_owned()).collect()
        };
        assert_eq!(names(old), ["a", "b"]);
        assert_eq!(names(writer.next().expect("one is left")), ["c"]);
        assert!(writer.next().is_none());
    }
}
