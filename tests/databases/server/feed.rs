//! Followers of the changefeed lose nothing: a change that a slow transaction makes appears below
//! changes that others have made meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use database::{Connected, Dialect, Pool};
use sqlx::{AssertSqlSafe, Executor};
use trust::store::{FeedClock, Page, SqlStore, TrustStore};
use tuf::{File, Gun, Role};

use crate::{
    behaviour::publish,
    support::{Server, connect, on_both},
};

on_both!(
    a_follower_gets_a_slow_change_before_a_fast_one_with_a_higher_id,
    a_change_that_takes_too_long_is_waited_for_no_longer_than_five_minutes,
    after_a_restore_a_follower_passes_no_change_that_may_still_appear,
    however_many_changes_are_new_a_server_that_starts_passes_none_that_may_still_appear,
);

fn gun() -> Gun {
    Gun::parse("ex.com/fast").expect("a name")
}

/// A publish through the server, whose transaction is fast.
async fn change(store: &dyn TrustStore, version: i64) -> Result<()> {
    let bytes = format!(r#"{{"signed":{{"version":{version}}}}}"#);
    let timestamp = File::parse(tuf::MetadataFormat::NOTARY, Role::Timestamp, bytes.into())?;
    publish(store, &gun(), &[timestamp], daemon::clock::now()).await?;
    Ok(())
}

/// A reader that goes to the end of the feed, and on from there.
#[derive(Default)]
struct Follower {
    last: i32,
    seen: Vec<(String, i64)>,
}

impl Follower {
    async fn read(&mut self, store: &dyn TrustStore) -> Result<()> {
        let page = Page::After {
            id: self.last,
            limit: 100,
        };
        for change in store.changes(None, page).await? {
            ensure!(change.id > i64::from(self.last), "out of order");
            self.last = i32::try_from(change.id)?;
            self.seen.push((change.gun, change.version));
        }
        Ok(())
    }

    /// Reads until `changes` were seen.
    async fn read_until(&mut self, store: &dyn TrustStore, changes: usize) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(30);
        let started = Instant::now();
        while self.seen.len() < changes {
            ensure!(started.elapsed() < PATIENCE, "only {:?}", self.seen);
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.read(store).await?;
        }
        Ok(())
    }

    fn versions(&self) -> Vec<(&str, i64)> {
        self.seen
            .iter()
            .map(|(gun, version)| (gun.as_str(), *version))
            .collect()
    }
}

async fn a_follower_gets_a_slow_change_before_a_fast_one_with_a_higher_id(
    server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    match connect(&fresh).await? {
        Connected::Postgres(pool) => {
            let store = || Arc::new(SqlStore::new(pool.clone())) as Arc<dyn TrustStore>;
            slow_and_fast(&pool, store).await
        }
        Connected::MySql(pool) => {
            let store = || Arc::new(SqlStore::new(pool.clone())) as Arc<dyn TrustStore>;
            slow_and_fast(&pool, store).await
        }
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
}

/// Another server beside ours, which knows nothing of our locks.
fn slow(name: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "INSERT INTO changefeed (gun, version, sha256, category, created_at) \
         VALUES ('{name}', 1, '', 'update', CURRENT_TIMESTAMP)"
    ))
}

async fn slow_and_fast<DB>(pool: &Pool<DB>, store: impl Fn() -> Arc<dyn TrustStore>) -> Result<()>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let running = store();
    let mut follower = Follower::default();
    change(&*running, 1).await?;
    follower.read(&*running).await?;
    assert_eq!(follower.versions(), [("ex.com/fast", 1)]);

    let mut first = pool.begin_with("BEGIN").await?;
    first.executor().execute(slow("first")).await?;
    change(&*running, 2).await?;
    // A second one begins before the first one ends: there is always one that writes.
    let mut second = pool.begin_with("BEGIN").await?;
    second.executor().execute(slow("second")).await?;
    change(&*running, 3).await?;
    // Neither a server that runs nor one that has just started shows what is above the first.
    let started = store();
    for _ in 0..8 {
        for store in [&running, &started] {
            follower.read(&**store).await?;
            assert_eq!(follower.versions(), [("ex.com/fast", 1)]);
            let page = Page::Before { id: None, limit: 1 };
            let newest = store.changes(Some(&gun()), page).await?;
            assert_eq!(newest[0].version, 1);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    first.commit().await?;
    let through_first = [("ex.com/fast", 1), ("first", 1), ("ex.com/fast", 2)];
    follower.read_until(&*running, through_first.len()).await?;
    assert_eq!(follower.versions(), through_first);

    // An id that is lost is skipped as soon as that is certain.
    second.rollback().await;
    let begun = Instant::now();
    follower.read_until(&*running, 4).await?;
    follower.read_until(&*started, 4).await?;
    assert_eq!(follower.versions()[3], ("ex.com/fast", 3));
    ensure!(
        begun.elapsed() < Duration::from_secs(20),
        "it took too long"
    );
    Ok(())
}

/// A clock that runs ahead by as much as is said.
#[derive(Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl Ahead {
    fn set(&self, ahead: Duration) {
        self.0.store(ahead.as_secs(), Ordering::Relaxed);
    }

    fn clock(&self) -> FeedClock {
        let (by_day, steadily) = (self.0.clone(), self.0.clone());
        let ahead = |by: &AtomicU64| Duration::from_secs(by.load(Ordering::Relaxed));
        FeedClock {
            now: Box::new(move || daemon::clock::now() + ahead(&by_day)),
            steady: Box::new(move || Instant::now() + ahead(&steadily)),
        }
    }
}

async fn a_change_that_takes_too_long_is_waited_for_no_longer_than_five_minutes(
    server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    match connect(&fresh).await? {
        Connected::Postgres(pool) => {
            let store = |clock| Arc::new(SqlStore::new(pool.clone()).with_clock(clock)) as _;
            far_too_slow(&pool, store).await
        }
        Connected::MySql(pool) => {
            let store = |clock| Arc::new(SqlStore::new(pool.clone()).with_clock(clock)) as _;
            far_too_slow(&pool, store).await
        }
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
}

/// The slow transaction is there all the time, so no database gives proof.
async fn far_too_slow<DB>(
    pool: &Pool<DB>,
    store: impl Fn(FeedClock) -> Arc<dyn TrustStore>,
) -> Result<()>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let ahead = Ahead::default();
    let running = store(ahead.clock());
    let mut follower = Follower::default();
    let mut hanging = pool.begin_with("BEGIN").await?;
    hanging.executor().execute(slow("hanging")).await?;
    change(&*running, 1).await?;

    for minutes in [0, 1, 4] {
        ahead.set(Duration::from_secs(minutes * 60 + 50));
        follower.read(&*running).await?;
        ensure!(follower.seen.is_empty(), "{minutes}: {:?}", follower.seen);
        let mut newcomer = Follower::default();
        newcomer.read(&*store(ahead.clock())).await?;
        ensure!(newcomer.seen.is_empty(), "{minutes}: {:?}", newcomer.seen);
    }
    ahead.set(Duration::from_mins(6));
    follower.read(&*running).await?;
    assert_eq!(follower.versions(), [("ex.com/fast", 1)]);
    let mut newcomer = Follower::default();
    newcomer.read(&*store(ahead.clock())).await?;
    assert_eq!(newcomer.versions(), [("ex.com/fast", 1)]);
    hanging.rollback().await;
    Ok(())
}

async fn after_a_restore_a_follower_passes_no_change_that_may_still_appear(
    server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    match connect(&fresh).await? {
        Connected::Postgres(pool) => {
            let store = |clock| Arc::new(SqlStore::new(pool.clone()).with_clock(clock)) as _;
            restored_while_waiting(&pool, store).await
        }
        Connected::MySql(pool) => {
            let store = |clock| Arc::new(SqlStore::new(pool.clone()).with_clock(clock)) as _;
            restored_while_waiting(&pool, store).await
        }
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
}

/// The restored feed has the line up to which the old one was settled, and ends before the line
/// that was the newest when the wait began.
async fn restored_while_waiting<DB>(
    pool: &Pool<DB>,
    store: impl Fn(FeedClock) -> Arc<dyn TrustStore>,
) -> Result<()>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let ahead = Ahead::default();
    let store = store(ahead.clock());
    let mut follower = Follower::default();
    change(&*store, 1).await?;
    follower.read(&*store).await?;
    let settled = follower.last;
    let mut hanging = pool.begin_with("BEGIN").await?;
    hanging.executor().execute(slow("hanging")).await?;
    for version in 2..=5 {
        change(&*store, version).await?;
    }
    follower.read(&*store).await?;
    assert_eq!(follower.versions(), [("ex.com/fast", 1)]);
    hanging.rollback().await;

    let remove = format!("DELETE FROM changefeed WHERE id > {settled}");
    let mut restore = pool.begin_with("BEGIN").await?;
    restore.executor().execute(AssertSqlSafe(remove)).await?;
    restore.commit().await?;
    let with_id = |id: i32, name: &str| {
        AssertSqlSafe(format!(
            "INSERT INTO changefeed (id, gun, version, sha256, category, created_at) \
             VALUES ({id}, '{name}', 1, '', 'update', CURRENT_TIMESTAMP)"
        ))
    };
    let mut first = pool.begin_with("BEGIN").await?;
    first
        .executor()
        .execute(with_id(settled + 1, "first"))
        .await?;
    let mut second = pool.begin_with("BEGIN").await?;
    second
        .executor()
        .execute(with_id(settled + 2, "second"))
        .await?;
    second.commit().await?;
    ahead.set(Duration::from_mins(6));
    follower.read(&*store).await?;
    assert_eq!(follower.versions(), [("ex.com/fast", 1)]);
    first.commit().await?;
    follower.read_until(&*store, 3).await?;
    assert_eq!(follower.versions()[1..], [("first", 1), ("second", 1)]);
    Ok(())
}

async fn however_many_changes_are_new_a_server_that_starts_passes_none_that_may_still_appear(
    server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    let numbers = server.pick("generate_series(1, 12000)", "seq_1_to_12000");
    let many = AssertSqlSafe(format!(
        "INSERT INTO changefeed (gun, version, sha256, category, created_at) \
         SELECT 'many', 1, '', 'update', CURRENT_TIMESTAMP FROM {numbers}"
    ));
    match connect(&fresh).await? {
        Connected::Postgres(pool) => {
            let store = || Arc::new(SqlStore::new(pool.clone())) as Arc<dyn TrustStore>;
            slow_and_many(&pool, many, store).await
        }
        Connected::MySql(pool) => {
            let store = || Arc::new(SqlStore::new(pool.clone())) as Arc<dyn TrustStore>;
            slow_and_many(&pool, many, store).await
        }
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
}

async fn slow_and_many<DB>(
    pool: &Pool<DB>,
    many: AssertSqlSafe<String>,
    store: impl Fn() -> Arc<dyn TrustStore>,
) -> Result<()>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut first = pool.begin_with("BEGIN").await?;
    first.executor().execute(slow("first")).await?;
    let mut others = pool.begin_with("BEGIN").await?;
    others.executor().execute(many).await?;
    others.commit().await?;

    let started = store();
    let mut follower = Follower::default();
    follower.read(&*started).await?;
    ensure!(follower.seen.is_empty(), "it went past the slow change");
    first.commit().await?;
    follower.read_until(&*started, 1).await?;
    assert_eq!(follower.versions()[0], ("first", 1));
    follower.read_until(&*started, 12_001).await
}
