//! Followers of the changefeed lose nothing: a change that a slow transaction makes appears below changes
//! that others have made meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use database::{Connected, Dialect, Pool};
use sqlx::{AssertSqlSafe, Executor};
use trust::store::{Page, SqlStore, TrustStore};
use tuf::{File, Gun, Role};

use crate::{
    behaviour::publish,
    support::{Server, connect, on_both},
};

on_both!(a_follower_gets_a_slow_change_before_a_fast_one_with_a_higher_id);

fn gun() -> Gun {
    Gun::parse("ex.com/fast").expect("a name")
}

/// A publish through the server, whose transaction is fast.
async fn change(store: &dyn TrustStore, version: i64) -> Result<()> {
    let bytes = format!(r#"{{"signed":{{"version":{version}}}}}"#);
    let timestamp = File::parse(tuf::Dialect::NOTARY, Role::Timestamp, bytes.into())?;
    publish(store, &gun(), &[timestamp], daemon::clock::now()).await?;
    Ok(())
}

/// Somebody who reads the feed to its end and goes on from there.
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

async fn slow_and_fast<DB>(pool: &Pool<DB>, store: impl Fn() -> Arc<dyn TrustStore>) -> Result<()>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    // Another server beside ours, which knows nothing of our locks.
    let slow = |name: &str| {
        AssertSqlSafe(format!(
            "INSERT INTO changefeed (gun, version, sha256, category, created_at) \
             VALUES ('{name}', 1, '', 'update', CURRENT_TIMESTAMP)"
        ))
    };
    let running = store();
    let mut follower = Follower::default();
    change(&*running, 1).await?;
    follower.read(&*running).await?;
    assert_eq!(follower.versions(), [("ex.com/fast", 1)]);

    let mut first = pool.begin_with("BEGIN").await?;
    first.executor().execute(slow("first")).await?;
    change(&*running, 2).await?;
    // A second one begins before the first one ends: there is always somebody writing.
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
