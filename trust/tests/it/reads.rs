//! What is remembered is served as if it had been read at that moment, and costs next to nothing.

mod model;
mod observed;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fixtures::Publisher;
use model::{Bound, Go as _};
use observed::{Dice, Observed};
use sqlx::Sqlite;
use trust::{
    Repositories,
    cache::{CONFIRMATION, MetadataCache, SIGHT},
    follower::Rules,
    memory::MemoryLimits,
    reading, repository,
    signer::LocalSigner,
    store::{MIGRATIONS, SqlStore, StoredMetadata},
};
use tuf::{Gun, Role};

use crate::support::memory_pool;

/// A database in a file, which has more than one connection.
async fn pool_in(folder: &std::path::Path) -> database::Pool<Sqlite> {
    let file = folder.join("server.db");
    let pool = database::connect_sqlite(file.to_str().unwrap())
        .await
        .unwrap();
    database::migrate(&pool, &MIGRATIONS).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_what_is_older_than_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool_in(folder.path()).await;
    let store = || Arc::new(SqlStore::new(pool.clone())) as _;
    let bound = Bound {
        foreign: Duration::ZERO,
    };
    let go = Arc::new(pool.clone());
    let time = Duration::from_secs(4);
    model::nobody_reads_what_is_older_than_allowed(store, go, |same| same, bound, time).await;
}

/// One server whose questions are counted, and whose clock stands still until the test moves it.
struct Stage {
    pool: database::Pool<Sqlite>,
    store: Arc<Observed>,
    repositories: Repositories,
    milliseconds: Arc<AtomicU64>,
}

impl Stage {
    async fn new() -> Self {
        let pool = memory_pool().await;
        let store = Observed::new(Arc::new(SqlStore::new(pool.clone())));
        let milliseconds = Arc::<AtomicU64>::default();
        let (start, ahead) = (Instant::now(), Arc::clone(&milliseconds));
        let cache = MetadataCache::new(1 << 20)
            .with_clock(move || start + Duration::from_millis(ahead.load(Ordering::SeqCst)));
        let repositories = Repositories::new(
            Arc::clone(&store) as _,
            Arc::new(LocalSigner::default()),
            cache,
            MemoryLimits::new(1 << 20),
            fixtures::clock,
        );
        // However busy the machine is.
        let patience = Duration::from_mins(10);
        let repositories = repositories.following_by(Rules { patience });
        Self {
            pool,
            store,
            repositories,
            milliseconds,
        }
    }

    fn advance(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap();
        self.milliseconds.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Stores a repository, or its next version, as a server of Notary does.
    async fn write(&self, publisher: &mut Publisher, parts: Vec<(String, Vec<u8>)>) {
        let mut files = Vec::new();
        for (role, bytes) in parts.into_iter().chain(publisher.as_server()) {
            let content: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let version = content["signed"]["version"].as_i64().unwrap();
            let role = Role::parse(&role).unwrap();
            files.push((role, i32::try_from(version).unwrap(), bytes));
        }
        let gun = gun(publisher.gun());
        self.pool.store(&gun, &files, &Dice::new(0)).await;
    }

    async fn published(&self, name: &str) -> Publisher {
        let mut publisher = Publisher::new(name);
        let parts = publisher.first_publish();
        self.write(&mut publisher, parts).await;
        publisher
    }

    async fn update(&self, publisher: &mut Publisher) {
        publisher.add_target("targets", "latest", b"content");
        let parts = publisher.next(&["targets"]);
        self.write(publisher, parts).await;
    }

    async fn delete(&self, name: &str) {
        self.pool.delete(&gun(name), &Dice::new(0)).await;
    }

    async fn current(&self, name: &str, role: &Role) -> Option<StoredMetadata> {
        reading::current(&self.repositories, &gun(name), role, fixtures::clock())
            .await
            .unwrap()
    }

    async fn version(&self, name: &str) -> Option<i64> {
        let file = self.current(name, &Role::Timestamp).await?;
        let content: serde_json::Value = serde_json::from_slice(&file.bytes).unwrap();
        content["signed"]["version"].as_i64()
    }

    async fn named(&self, name: &str, role: &Role, sum: &[u8; 32]) -> Option<StoredMetadata> {
        repository::named(&self.repositories, &gun(name), role, sum)
            .await
            .unwrap()
    }

    /// What a client reads that has nothing yet; the checksums of what it got.
    async fn pull(&self, name: &str) -> Vec<(Role, [u8; 32])> {
        self.version(name).await.expect("it is there");
        let (what, _) = self.repositories.cache.confirmed(&gun(name)).unwrap();
        let mut sums = Vec::new();
        for role in [Role::Snapshot, Role::Targets, Role::Root] {
            let sum = what.view().unwrap().checksum(&role).unwrap();
            assert!(self.named(name, &role, &sum).await.is_some(), "{role}");
            sums.push((role, sum));
        }
        sums
    }

    /// That exactly these questions were asked since the last time.
    #[track_caller]
    fn asked(&self, questions: &[(&str, usize)]) {
        let asked: Vec<(&str, usize)> = self.store.take().into_iter().collect();
        assert_eq!(asked, questions);
    }
}

fn gun(name: &str) -> Gun {
    Gun::parse(name).unwrap()
}

#[tokio::test]
async fn a_warm_pull_asks_one_question() {
    let stage = Stage::new().await;
    stage.published("app").await;
    // Before the first poll nothing is known of the feed.
    stage.pull("app").await;
    stage.pull("app").await;
    stage.pull("app").await;
    stage.store.take();
    for _ in 0..5 {
        stage.pull("app").await;
        stage.asked(&[("changes_from", 1)]);
        stage.advance(Duration::from_millis(1_900));
    }
}

#[tokio::test]
async fn only_the_repository_that_changed_is_asked_for_again() {
    let stage = Stage::new().await;
    let mut publisher = stage.published("a").await;
    stage.published("b").await;
    for name in ["a", "b", "a", "b"] {
        stage.pull(name).await;
    }
    stage.update(&mut publisher).await;
    stage.store.take();
    assert_eq!(stage.version("b").await, Some(1));
    stage.asked(&[("changes_from", 1)]);
    assert_eq!(stage.version("a").await, Some(2));
    // The timestamp, its snapshot, and nothing else: what voids it is known already.
    stage.asked(&[("by_checksum", 2), ("head", 1)]);
    assert_eq!(stage.version("a").await, Some(2));
    stage.asked(&[("changes_from", 1)]);
}

#[tokio::test]
async fn a_missing_repository_is_asked_for_once_and_seen_as_soon_as_it_is_there() {
    let stage = Stage::new().await;
    assert_eq!(stage.version("app").await, None);
    assert_eq!(stage.version("app").await, None);
    assert_eq!(stage.version("app").await, None);
    stage.store.take();
    assert_eq!(stage.version("app").await, None);
    stage.asked(&[("changes_from", 1)]);
    stage.published("app").await;
    assert_eq!(stage.version("app").await, Some(1));
}

#[tokio::test]
async fn readers_who_come_while_a_poll_runs_share_the_next_one() {
    let stage = Arc::new(Stage::new().await);
    let mut publisher = stage.published("app").await;
    stage.pull("app").await;
    stage.pull("app").await;
    stage.store.take();

    let closed = stage.store.gate.write().await;
    let read = || {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.version("app").await })
    };
    let first = read();
    let wait = async || {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    wait().await;
    let others: Vec<_> = (0..50).map(|_| read()).collect();
    wait().await;
    drop(closed);
    assert_eq!(first.await.unwrap(), Some(1));
    for other in others {
        assert_eq!(other.await.unwrap(), Some(1));
    }
    stage.asked(&[("changes_from", 2)]);

    // The one that runs may have asked before the publish.
    let closed = stage.store.after.write().await;
    let early = read();
    while stage.store.answers.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stage.update(&mut publisher).await;
    let late = read();
    wait().await;
    drop(closed);
    assert_eq!(late.await.unwrap(), Some(2));
    assert!(early.await.unwrap().is_some());
}

#[tokio::test]
async fn a_poll_that_fails_is_none_and_the_reader_asks_for_itself() {
    let stage = Stage::new().await;
    let mut publisher = stage.published("app").await;
    stage.pull("app").await;
    stage.pull("app").await;
    *stage.store.fails_at.lock().unwrap() = "changes_from";
    stage.update(&mut publisher).await;
    stage.store.take();
    assert_eq!(stage.version("app").await, Some(2));
    stage.asked(&[("by_checksum", 2), ("changes_from", 1), ("head", 1)]);
    stage.advance(SIGHT);
    let (role, sum) = (Role::Root, [0; 32]);
    assert!(stage.named("app", &role, &sum).await.is_none());
}

#[tokio::test]
async fn what_was_changed_by_hand_is_seen_within_ten_seconds() {
    let stage = Stage::new().await;
    stage.published("app").await;
    assert_eq!(stage.version("new").await, None);
    stage.pull("app").await;
    stage.pull("app").await;
    for statement in [
        "UPDATE tuf_files SET gun = 'new'",
        "UPDATE changefeed SET created_at = created_at",
    ] {
        sqlx::query(statement).execute(&stage.pool).await.unwrap();
    }
    assert_eq!(stage.version("app").await, Some(1));
    stage.advance(CONFIRMATION);
    assert_eq!(stage.version("app").await, None);
    assert_eq!(stage.version("new").await, Some(1));
}

#[tokio::test]
async fn a_deletion_by_another_server_is_seen_within_a_second_by_those_who_know_a_checksum() {
    let stage = Stage::new().await;
    stage.published("app").await;
    stage.pull("app").await;
    let sums = stage.pull("app").await;
    stage.delete("app").await;
    stage.store.take();
    stage.advance(SIGHT);
    for (role, sum) in &sums {
        assert!(stage.named("app", role, sum).await.is_none(), "{role}");
    }
    assert_eq!(stage.version("app").await, None);

    // Made again with other files, it does not bring the old ones back.
    stage.published("app").await;
    assert_eq!(stage.version("app").await, Some(1));
    for (role, sum) in &sums {
        assert!(stage.named("app", role, sum).await.is_none(), "{role}");
    }
}

#[tokio::test]
async fn a_database_that_was_restored_is_read_again() {
    let stage = Stage::new().await;
    let mut publisher = stage.published("app").await;
    stage.update(&mut publisher).await;
    assert_eq!(stage.version("app").await, Some(2));
    let sums = stage.pull("app").await;
    // As from a backup that was made before the update.
    for statement in [
        "DELETE FROM changefeed WHERE version = 2",
        "DELETE FROM tuf_files WHERE version = 2",
    ] {
        sqlx::query(statement).execute(&stage.pool).await.unwrap();
    }
    assert_eq!(stage.version("app").await, Some(1));
    let (role, sum) = &sums[0];
    assert!(stage.named("app", role, sum).await.is_none());
    // The feed is followed from there on.
    stage.pull("app").await;
    stage.pull("app").await;
    stage.store.take();
    stage.pull("app").await;
    stage.asked(&[("changes_from", 1)]);
}
