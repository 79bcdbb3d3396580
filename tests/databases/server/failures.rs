//! Databases that go away, cut connections, or run out of them or of room: clear errors meanwhile,
//! recovery without help, nothing half done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use database::{Connected, Dialect, Fault, Pool, fault, is_transient, with_pool};
use harness::Fresh;
use sqlx::{ColumnIndex, Executor};
use trust::store::{Page, SqlStore, StoreError, TrustStore};
use tuf::{File, Gun, Role};

use crate::{
    behaviour::publish,
    recorded::{app, get},
    support::{Server, connect, on_both, storage},
};

on_both!(
    a_restart_is_survived_with_clear_errors_meanwhile,
    cut_connections_lose_no_acknowledged_publish_and_halve_none,
    a_full_disk_refuses_publishes_whole_until_there_is_room,
    an_exhausted_pool_is_told_and_recovers,
    a_deadlock_is_known_as_one_that_may_be_tried_again,
    a_program_that_is_refused_is_told_why,
);

fn gun() -> Gun {
    Gun::parse("ex.com/a").expect("a name")
}

fn set(version: i64) -> Vec<File> {
    [Role::Root, Role::Targets, Role::Timestamp]
        .map(|role| {
            let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role}"}}}}"#);
            File::parse(tuf::MetadataFormat::NOTARY, role, bytes.into()).expect("a file")
        })
        .into()
}

/// A store that waits for little.
async fn impatient(fresh: &Fresh, connections: u32) -> Result<(Connected, Arc<dyn TrustStore>)> {
    let mut storage = storage(fresh);
    storage.limits.connections = connections;
    storage.limits.wait = Duration::from_secs(2);
    let connected = trust::store::connect(&storage, database::OpenMode::MayCreate).await?;
    let store: Arc<dyn TrustStore> =
        with_pool!(connected.clone(), pool => Arc::new(SqlStore::new(pool)));
    Ok((connected, store))
}

fn fault_of(error: &StoreError) -> Option<Fault> {
    match error {
        StoreError::Database(error) => Some(fault(error)),
        _ => None,
    }
}

async fn a_restart_is_survived_with_clear_errors_meanwhile(mut server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let (_, store) = impatient(&fresh, 4).await?;
    let app = app(store.clone());
    let now = fixtures::clock();
    publish(&*store, &gun(), &set(1), now).await?;
    for at_once in [false, true] {
        server.stop(at_once)?;
        let refused = publish(&*store, &gun(), &set(2), now).await;
        let Err(error) = refused else {
            anyhow::bail!("published into nothing")
        };
        assert_eq!(fault_of(&error), Some(Fault::Away), "{error}");
        let (status, _, body) = get(&app, "/v2/ex.com/a/_trust/tuf/timestamp.json").await?;
        assert_eq!(status, http::StatusCode::SERVICE_UNAVAILABLE);
        let body = String::from_utf8_lossy(&body).into_owned();
        ensure!(
            !body.contains("127.0.0.1"),
            "the client learns too much: {body}"
        );
        // No address leads to it while it is down.
        let unreachable = connect(&fresh).await.expect_err("it is down").to_string();
        ensure!(unreachable.contains("127.0.0.1"), "{unreachable}");
        ensure!(!unreachable.contains("ss@w"), "{unreachable}");
        server.resume()?;
        let head = store.head(&gun()).await?.expect("it was acknowledged");
        assert_eq!(head.version, 1);
    }
    publish(&*store, &gun(), &set(2), now).await?;
    Ok(())
}

async fn cut_connections_lose_no_acknowledged_publish_and_halve_none(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let (_, store) = impatient(&fresh, 4).await?;
    let now = fixtures::clock();
    let cutting = Arc::new(AtomicBool::new(true));
    let publisher = {
        let (store, cutting) = (store.clone(), cutting.clone());
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            let mut version = 0;
            while cutting.load(Ordering::Relaxed) {
                version += 1;
                match publish(&*store, &gun(), &set(version), now).await {
                    Ok(()) => acknowledged.push(version),
                    // The commit may have come through although its answer did not.
                    Err(
                        StoreError::VersionExists(_) | StoreError::Moved | StoreError::Database(_),
                    ) => {
                        version = store
                            .head(&gun())
                            .await
                            .map_or(version - 1, |head| head.map_or(0, |head| head.version));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            acknowledged
        })
    };
    for _ in 0..30 {
        cut(&server, &fresh)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cutting.store(false, Ordering::Relaxed);
    let acknowledged = publisher.await?;
    ensure!(!acknowledged.is_empty(), "nothing came through");
    let newest = store
        .head(&gun())
        .await?
        .expect("something was stored")
        .version;
    ensure!(acknowledged.iter().all(|version| *version <= newest));
    for version in 1..=newest {
        for role in [Role::Root, Role::Targets, Role::Timestamp] {
            let stored = store
                .by_version(&gun(), &role, i32::try_from(version)?)
                .await?;
            ensure!(stored.is_some(), "{role} {version} is missing");
        }
    }
    assert_eq!(fed(&*store).await?, (1..=newest).collect::<Vec<_>>());
    Ok(())
}

/// Ends every connection to the database from the side of its server.
fn cut(server: &Server, fresh: &Fresh) -> Result<()> {
    match server {
        Server::Postgres(server) => {
            server.sql(
                "postgres",
                &format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                    fresh.name
                ),
            )?;
        }
        Server::MariaDb(server) => {
            let user = harness::database::USER;
            server.sql("mysql", &format!("KILL USER '{user}'@'127.0.0.1'"))?;
        }
    }
    Ok(())
}

async fn a_full_disk_refuses_publishes_whole_until_there_is_room(mut server: Server) -> Result<()> {
    // MariaDB itself falls when it cannot grow a table that has not a few MiB yet.
    const BEFORE: i64 = 40;
    const REFUSED: usize = 10;
    const AFTERWARDS: i64 = 20;
    let fresh = server.notarys()?;
    server.move_to_small_disk()?;
    let (_, store) = impatient(&fresh, 4).await?;
    let now = fixtures::clock();
    for version in 1..=BEFORE {
        publish(&*store, &gun(), &large(version), now).await?;
    }
    server.fill_disk()?;
    let (newest, error) = until_refused(&*store, BEFORE).await?;
    assert_eq!(fault_of(&error), Some(Fault::Full), "{error}");
    for _ in 0..REFUSED {
        let refused = publish(&*store, &gun(), &large(newest + 1), now).await;
        let error = refused.expect_err("there is still no room");
        assert_eq!(fault_of(&error), Some(Fault::Full), "{error}");
        holds_exactly(&*store, newest).await?;
    }
    server.make_room()?;
    // Not one connection was left in the middle of something.
    for version in newest + 1..=newest + AFTERWARDS {
        publish(&*store, &gun(), &large(version), now).await?;
    }
    holds_exactly(&*store, newest + AFTERWARDS).await
}

/// Without room for its log, `PostgreSQL` gives up; the operator makes room and starts it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_for_the_log_of_postgres_loses_nothing_acknowledged() -> Result<()> {
    let mut postgres = harness::Postgres::start()?;
    postgres.move_to_small_disk("data/pg_wal")?;
    let log = postgres.folder().join("postgres.log");
    let server = Server::Postgres(postgres);
    let fresh = server.notarys()?;
    let (_, store) = impatient(&fresh, 4).await?;
    server.fill_disk()?;
    let (newest, error) = until_refused(&*store, 0).await?;
    ensure!(fault_of(&error).is_some(), "{error}");
    ensure!(std::fs::read_to_string(log)?.contains("PANIC:"), "{error}");
    let mut server = server;
    server.stop(false)?;
    server.make_room()?;
    server.resume()?;
    holds_exactly(&*store, newest).await?;
    publish(&*store, &gun(), &large(newest + 1), fixtures::clock()).await?;
    holds_exactly(&*store, newest + 1).await
}

/// A set that does not fit where others left a little room, and that no database makes smaller.
fn large(version: i64) -> Vec<File> {
    const WORDS: u64 = 4_000;
    let mut state = version.unsigned_abs();
    [Role::Root, Role::Targets, Role::Timestamp]
        .map(|role| {
            let mut salt = String::new();
            for _ in 0..WORDS {
                // Knuth's MMIX generator.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                salt.push_str(&hex::encode(state.to_be_bytes()));
            }
            let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{salt}"}}}}"#);
            File::parse(tuf::MetadataFormat::NOTARY, role, bytes.into()).expect("a file")
        })
        .into()
}

/// Publishes what follows `newest` until one is refused: the newest version then, and the refusal.
async fn until_refused(store: &dyn TrustStore, newest: i64) -> Result<(i64, StoreError)> {
    const MOST: i64 = 1_000;
    for version in newest + 1..MOST {
        let outcome = publish(store, &gun(), &large(version), fixtures::clock()).await;
        if let Err(error) = outcome {
            return Ok((version - 1, error));
        }
    }
    anyhow::bail!("the disk never filled up")
}

/// Every version up to `newest` is there as it was published, and nothing of the next one.
async fn holds_exactly(store: &dyn TrustStore, newest: i64) -> Result<()> {
    let head = store.head(&gun()).await?;
    assert_eq!(head.map_or(0, |head| head.version), newest);
    for version in 1..=newest + 1 {
        for file in large(version) {
            let number = i32::try_from(version)?;
            let stored = store.by_version(&gun(), file.role(), number).await?;
            let published = (version <= newest).then(|| file.bytes().to_vec());
            ensure!(
                stored.map(|stored| stored.bytes.to_vec()) == published,
                "{} {version} is not as it was published",
                file.role()
            );
        }
    }
    assert_eq!(fed(store).await?, (1..=newest).collect::<Vec<_>>());
    Ok(())
}

/// The versions in the feed.
async fn fed(store: &dyn TrustStore) -> Result<Vec<i64>> {
    let page = Page::After {
        id: 0,
        limit: 10_000,
    };
    let changes = store.changes(None, page).await?;
    Ok(changes.iter().map(|change| change.version).collect())
}

async fn an_exhausted_pool_is_told_and_recovers(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let (connected, store) = impatient(&fresh, 1).await?;
    with_pool!(&connected, pool => {
        let held = pool.begin_with("BEGIN").await?;
        let error = store.head(&gun()).await.expect_err("nothing is left");
        assert_eq!(fault_of(&error), Some(Fault::Busy), "{error}");
        drop(held);
    });
    publish(&*store, &gun(), &set(1), fixtures::clock()).await?;
    Ok(())
}

async fn a_deadlock_is_known_as_one_that_may_be_tried_again(server: Server) -> Result<()> {
    let fresh = server.empty()?;
    server.run(
        &fresh,
        "CREATE TABLE t (id INT PRIMARY KEY, x INT); INSERT INTO t VALUES (1, 0), (2, 0)",
    )?;
    match connect(&fresh).await? {
        Connected::Postgres(pool) => cross(&pool).await,
        Connected::MySql(pool) => cross(&pool).await,
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
}

/// Two transactions lock two rows, each the other's first.
async fn cross<DB>(pool: &Pool<DB>) -> Result<()>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut one = pool.begin_with("BEGIN").await?;
    let mut other = pool.begin_with("BEGIN").await?;
    let locks = one.executor().execute("UPDATE t SET x = 1 WHERE id = 1");
    locks.await?;
    let locks = other.executor().execute("UPDATE t SET x = 1 WHERE id = 2");
    locks.await?;
    let (first, second) = tokio::join!(
        one.executor().execute("UPDATE t SET x = 2 WHERE id = 2"),
        other.executor().execute("UPDATE t SET x = 2 WHERE id = 1"),
    );
    let error = first
        .err()
        .or(second.err())
        .expect("one of them is the victim");
    ensure!(is_transient(&error), "{error}");
    assert_eq!(fault(&error), Fault::Busy);
    Ok(())
}

async fn a_program_that_is_refused_is_told_why(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let wrong = |from: &str, to: &str| Fresh {
        url: fresh.url.replace(from, to),
        ..fresh.clone()
    };
    let stranger = wrong("notary:", "stranger:");
    let nowhere = wrong(&fresh.name, "nowhere");
    let refused = connect(&stranger)
        .await
        .expect_err("a stranger")
        .to_string();
    ensure!(
        refused.contains("check user, password and rights"),
        "{refused}"
    );
    // MariaDB does not say whether what one may not see is there.
    let words = server.pick("create it", "check user, password and rights");
    let refused = connect(&nowhere).await.expect_err("nowhere").to_string();
    ensure!(refused.contains(words), "{refused}");

    // A right that is missing later is the server's fault, not the client's.
    let (_, store) = impatient(&fresh, 2).await?;
    store.try_write(fixtures::clock()).await?;
    let of_trial = store.timestamps("", 9).await?;
    ensure!(of_trial.is_empty(), "a trial is taken back: {of_trial:?}");
    let user = harness::database::USER;
    server.rule(
        &fresh,
        &server.pick(
            format!(
                "ALTER TABLE changefeed OWNER TO postgres; REVOKE ALL ON changefeed FROM {user}"
            ),
            format!(
                "REVOKE ALL ON {0}.* FROM '{user}'@'127.0.0.1';
                 GRANT SELECT, INSERT ON {0}.tuf_files TO '{user}'@'127.0.0.1';",
                fresh.name
            ),
        ),
    )?;
    // MariaDB asks for the rights to a database when a session begins to use it.
    let (_, store) = impatient(&fresh, 2).await?;
    let error = publish(&*store, &gun(), &set(1), fixtures::clock()).await;
    let error = error.expect_err("it may not write the feed");
    assert_eq!(fault_of(&error), Some(Fault::Denied), "{error}");
    let error = store.try_write(fixtures::clock()).await;
    let error = error.expect_err("a publish would fail as well");
    assert_eq!(fault_of(&error), Some(Fault::Denied), "{error}");
    ensure!(
        store.head(&gun()).await?.is_none(),
        "half of a publish is stored"
    );
    Ok(())
}
