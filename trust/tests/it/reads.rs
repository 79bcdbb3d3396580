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

use access::{Caller, Policy};
use fixtures::Publisher;
use model::{Bound, Go as _};
use observed::{Dice, Observed};
use sqlx::Sqlite;
use trust::{
    Repositories,
    cache::{CONFIRMATION, MetadataCache, SIGHT},
    deletion,
    events::Requester,
    follower::{MOMENT, Mode, Rules},
    memory::MemoryLimits,
    publish::{self, Authority, PublishError},
    reading,
    repository::{self, ReadError},
    signer::LocalSigner,
    store::{MIGRATIONS, Page, SqlStore, StoreError, StoredMetadata},
};
use tuf::{Gun, Role, Update};

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

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_what_is_older_than_a_moment_where_a_server_takes_itself_for_the_only_one() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool_in(folder.path()).await;
    let store = || Arc::new(SqlStore::new(pool.clone())) as _;
    let bound = Bound { foreign: MOMENT };
    let go = Arc::new(pool.clone());
    let sole = |repositories: Repositories| {
        repositories.following_by(Rules {
            mode: Mode::Sole,
            ..Rules::default()
        })
    };
    let time = Duration::from_secs(4);
    model::nobody_reads_what_is_older_than_allowed(store, go, sole, bound, time).await;
}

/// One server whose questions are counted, and whose clock stands still until the test moves it.
struct Stage {
    pool: database::Pool<Sqlite>,
    store: Arc<Observed>,
    repositories: Repositories,
    milliseconds: Arc<AtomicU64>,
}

/// However busy the machine is.
fn rules(mode: Mode) -> Rules {
    Rules {
        mode,
        patience: Duration::from_mins(10),
        // Tests poll for themselves.
        rest: Duration::from_mins(10),
        ..Rules::default()
    }
}

impl Stage {
    async fn new() -> Self {
        Self::following_by(rules(Mode::Shared)).await
    }

    async fn following_by(rules: Rules) -> Self {
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
        let repositories = repositories.following_by(rules);
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

    /// Publishes as a client of this server does.
    async fn try_publish(&self, name: &str, update: Update) -> Result<(), PublishError> {
        let authority = Authority::new(Caller::anonymous(), Arc::new(Policy::Open));
        publish::publish(
            &self.repositories,
            &gun(name),
            &Requester::PROGRAM,
            &Arc::new(authority),
            update,
            fixtures::clock(),
        )
        .await
    }

    async fn try_delete(&self, name: &str) -> Result<(), StoreError> {
        let (requester, now) = (Requester::PROGRAM, fixtures::clock());
        deletion::delete(&self.repositories, &gun(name), &requester, now).await
    }

    async fn current(&self, name: &str, role: &Role) -> Option<StoredMetadata> {
        reading::current(&self.repositories, &gun(name), role, fixtures::clock())
            .await
            .unwrap()
    }

    async fn try_current(&self, name: &str) -> Result<Option<StoredMetadata>, ReadError> {
        let now = self.repositories.now();
        reading::current(&self.repositories, &gun(name), &Role::Timestamp, now).await
    }

    async fn version(&self, name: &str) -> Option<i64> {
        let file = self.current(name, &Role::Timestamp).await?;
        let content: serde_json::Value = serde_json::from_slice(&file.bytes).unwrap();
        content["signed"]["version"].as_i64()
    }

    async fn named(&self, name: &str, role: &Role, sum: &[u8; 32]) -> Option<StoredMetadata> {
        repository::by_supplied_checksum(&self.repositories, &gun(name), role, sum)
            .await
            .unwrap()
    }

    /// From now on the database is away, or is not.
    fn set_away(&self, is_away: bool) {
        self.store.condition.send_modify(|condition| {
            condition.failing = is_away.then(|| "it is away".to_owned());
        });
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

/// Whether a caller is told to come back a little later.
fn is_temporary<T>(answer: Result<T, ReadError>) -> bool {
    matches!(answer, Err(ReadError::Store(error)) if error.is_temporary())
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

#[tokio::test]
async fn a_feed_of_which_too_much_is_unsettled_is_not_read_again_and_again() {
    let stage = Stage::new().await;
    stage.published("app").await;
    *stage.store.settled.lock().unwrap() = Some(1);
    stage.pull("app").await;
    let sums = stage.pull("app").await;
    // As a Galera cluster of three gives out ids.
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 2501) \
         INSERT INTO changefeed (id, gun, version, sha256, category, created_at) \
         SELECT 3 * i, 'busy', i, '', 'update', CURRENT_TIMESTAMP FROM n",
    )
    .execute(&stage.pool)
    .await
    .unwrap();
    stage.store.take();
    for _ in 0..5 {
        assert_eq!(stage.version("app").await, Some(1));
    }
    // Three pages once, and then one line for each poll.
    let asked = stage.store.take()["changes_from"];
    assert!(asked < 15, "{asked}");
    let cache = &stage.repositories.cache;
    for (role, sum) in &sums {
        assert!(cache.file(&gun("app"), role, sum).is_some(), "{role}");
    }
    // Once it is settled, one poll serves all that is remembered.
    *stage.store.settled.lock().unwrap() = Some(3 * 2501);
    let begun = Instant::now();
    loop {
        stage.store.take();
        stage.pull("app").await;
        if !stage.store.take().contains_key("head") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_by_itself_asks_nothing_for_a_warm_pull() {
    let stage = Stage::following_by(rules(Mode::Sole)).await;
    stage.published("app").await;
    for _ in 0..3 {
        stage.pull("app").await;
        assert_eq!(stage.version("absent").await, None);
    }
    stage.store.take();
    for _ in 0..3 {
        stage.pull("app").await;
        assert_eq!(stage.version("absent").await, None);
    }
    stage.asked(&[]);
    // After a rest, one poll serves all that follow.
    stage.advance(MOMENT);
    stage.pull("app").await;
    stage.pull("app").await;
    stage.asked(&[("changes_from", 1)]);
}

#[tokio::test]
async fn what_a_server_by_itself_deletes_is_gone_at_once_and_no_work_of_another() {
    let stage = Stage::following_by(rules(Mode::Sole)).await;
    stage.published("app").await;
    stage.pull("app").await;
    let sums = stage.pull("app").await;
    stage.try_delete("app").await.unwrap();
    assert_eq!(stage.version("app").await, None);
    let (role, sum) = &sums[0];
    assert!(stage.named("app", role, sum).await.is_none());
    stage.advance(MOMENT);
    assert_eq!(stage.version("app").await, None);
    stage.store.take();
    assert_eq!(stage.version("app").await, None);
    stage.asked(&[]);
}

#[tokio::test]
async fn the_first_write_of_another_program_is_seen_in_a_moment_and_ends_being_by_itself() {
    let stage = Stage::following_by(rules(Mode::Sole)).await;
    let mut publisher = stage.published("app").await;
    stage.pull("app").await;
    stage.pull("app").await;
    stage.update(&mut publisher).await;
    stage.advance(MOMENT);
    assert_eq!(stage.version("app").await, Some(2));
    stage.pull("app").await;
    stage.store.take();
    stage.pull("app").await;
    stage.asked(&[("changes_from", 1)]);
    stage.update(&mut publisher).await;
    assert_eq!(stage.version("app").await, Some(3));
}

#[tokio::test]
async fn while_the_database_is_away_what_was_confirmed_is_served_for_a_while() {
    let without_database = Duration::from_mins(5);
    let stage = Stage::following_by(Rules {
        without_database,
        ..rules(Mode::Shared)
    })
    .await;
    stage.published("app").await;
    let mut other = stage.published("other").await;
    stage.pull("other").await;
    assert_eq!(stage.version("absent").await, None);
    stage.pull("app").await;
    // Longer ago than the database would have to be asked again.
    stage.pull("app").await;
    stage.advance(CONFIRMATION);
    stage.pull("app").await;
    stage.update(&mut other).await;
    let sums = stage.pull("app").await;

    stage.set_away(true);
    stage.advance(Duration::from_secs(299));
    assert_eq!(stage.version("app").await, Some(1));
    stage.store.take();
    assert_eq!(stage.version("app").await, Some(1));
    for (role, sum) in &sums {
        assert!(stage.named("app", role, sum).await.is_some(), "{role}");
    }
    // What had changed, is missing or was never read is an error, and at once.
    for name in ["other", "absent", "unknown"] {
        assert!(is_temporary(stage.try_current(name).await), "{name}");
    }
    let (app, role, sum) = (gun("app"), Role::Root, [0; 32]);
    let named = repository::by_supplied_checksum(&stage.repositories, &app, &role, &sum);
    assert!(is_temporary(named.await));
    let by_version = repository::by_version(&stage.repositories, &app, &role, 1);
    assert!(is_temporary(by_version.await));
    let page = Page::After { id: 0, limit: 1 };
    assert!(stage.repositories.changes(None, page).await.is_err());
    assert!(stage.try_delete("other").await.is_err());
    let asked = stage.store.take();
    // Only the probe asks.
    assert!(
        asked.keys().all(|name| *name == "changes_from"),
        "{asked:?}"
    );

    stage.advance(Duration::from_secs(1));
    assert!(is_temporary(stage.try_current("app").await));
    let (role, sum) = &sums[0];
    let named = repository::by_supplied_checksum(&stage.repositories, &app, role, sum);
    assert!(is_temporary(named.await));
}

#[tokio::test]
async fn writes_that_are_refused_while_the_database_is_away_void_nothing() {
    let stage = Stage::new().await;
    stage.published("app").await;
    stage.pull("app").await;
    let sums = stage.pull("app").await;
    stage.set_away(true);
    assert_eq!(stage.version("app").await, Some(1));
    assert!(stage.try_publish("app", Update::default()).await.is_err());
    assert!(stage.try_delete("app").await.is_err());
    // As many as share all the counters of changes.
    for n in 0..20_000 {
        let name = format!("other{n}");
        assert!(stage.try_publish(&name, Update::default()).await.is_err());
    }
    assert_eq!(stage.version("app").await, Some(1));
    for (role, sum) in &sums {
        assert!(stage.named("app", role, sum).await.is_some(), "{role}");
    }
}

#[tokio::test]
async fn a_write_that_the_database_may_have_done_voids_what_is_remembered() {
    let stage = Stage::new().await;
    stage.published("app").await;
    stage.pull("app").await;
    let sums = stage.pull("app").await;
    *stage.store.fails_at.lock().unwrap() = "delete";
    assert!(stage.try_delete("app").await.is_err());
    *stage.store.fails_at.lock().unwrap() = "";
    let cache = &stage.repositories.cache;
    assert!(cache.undoubted(&gun("app")).is_none());
    let (role, sum) = &sums[0];
    assert!(cache.file(&gun("app"), role, sum).is_none());
}

#[tokio::test]
async fn what_another_server_deletes_takes_nothing_else_from_an_outage() {
    let stage = Stage::new().await;
    for name in ["app", "other"] {
        stage.published(name).await;
        stage.pull(name).await;
        stage.pull(name).await;
    }
    stage.delete("other").await;
    assert_eq!(stage.version("other").await, None);
    stage.set_away(true);
    assert_eq!(stage.version("app").await, Some(1));
}

#[tokio::test]
async fn once_the_database_is_back_nothing_is_served_before_it_was_asked() {
    let stage = Stage::new().await;
    let mut publisher = stage.published("app").await;
    stage.pull("app").await;
    stage.pull("app").await;
    stage.set_away(true);
    assert_eq!(stage.version("app").await, Some(1));
    stage.update(&mut publisher).await;
    assert_eq!(stage.version("app").await, Some(1));
    stage.set_away(false);
    assert_eq!(stage.version("app").await, Some(2));
}

#[tokio::test]
async fn nothing_expired_is_served_while_the_database_is_away() {
    let stage = Stage::new().await;
    let mut publisher = Publisher::new("app");
    publisher.expire("timestamp", fixtures::clock() - time::Duration::SECOND);
    let parts = publisher.first_publish();
    stage.write(&mut publisher, parts).await;
    let (gun, role, now) = (gun("app"), Role::Root, fixtures::clock());
    let read = || reading::current(&stage.repositories, &gun, &role, now);
    for _ in 0..3 {
        assert!(read().await.unwrap().is_some());
    }
    stage.set_away(true);
    assert!(is_temporary(read().await));
}

#[tokio::test]
async fn nothing_is_served_without_the_database_if_that_is_switched_off() {
    let stage = Stage::following_by(Rules {
        without_database: Duration::ZERO,
        ..rules(Mode::Shared)
    })
    .await;
    stage.published("app").await;
    stage.pull("app").await;
    stage.pull("app").await;
    stage.set_away(true);
    assert!(is_temporary(stage.try_current("app").await));
}

#[tokio::test]
async fn who_goes_on_to_write_sees_what_another_program_wrote_a_moment_ago() {
    let stage = Stage::following_by(rules(Mode::Sole)).await;
    for _ in 0..3 {
        assert_eq!(stage.version("app").await, None);
    }
    stage.published("app").await;
    stage.store.take();
    assert_eq!(
        stage.version("app").await,
        None,
        "readers wait for the next poll"
    );
    stage.asked(&[]);
    let root = repository::root(&stage.repositories, &gun("app")).await;
    assert!(root.unwrap().is_some(), "no key may be made for it");
}

#[tokio::test]
async fn a_file_of_a_repository_that_was_replaced_is_not_served_for_the_new_one() {
    let stage = Stage::new().await;
    stage.published("app").await;
    stage.pull("app").await;
    let sums = stage.pull("app").await;
    // Another server deletes it, and another one begins again.
    stage.delete("app").await;
    let mut publisher = Publisher::new("app");
    publisher.add_target("targets", "other", b"other");
    let parts = publisher.first_publish();
    stage.write(&mut publisher, parts).await;
    // This server finds the new one by a question of its own, without a poll.
    stage.advance(CONFIRMATION);
    assert!(stage.version("app").await.is_some());
    let (role, sum) = sums
        .iter()
        .find(|(role, _)| *role == Role::Targets)
        .unwrap();
    assert!(stage.named("app", role, sum).await.is_none());
}
