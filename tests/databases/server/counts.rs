//! What a publish costs: round trips to the database and commits, and that those of different
//! repositories do not wait for each other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use axum::body::Body;
use database::with_pool;
use fixtures::Publisher;
use harness::{Fresh, Wiretap};
use http::{Request, StatusCode};
use server::App;
use sqlx::Executor as _;
use trust::store::TrustStore;
use tuf::{File, Gun, MetadataFormat, Role};

use crate::{
    behaviour::publish,
    recorded::{app, get},
    support::{Server, connect, on_both, open},
};

on_both!(
    an_update_takes_five_round_trips_and_one_commit,
    publishes_of_different_repositories_are_under_way_at_the_same_time,
    a_rival_is_told_which_role_it_lost,
);

/// A server whose conversations with its database are counted.
async fn counted(server: &Server, fresh: &Fresh) -> Result<(Wiretap, App)> {
    let database = match server {
        Server::Postgres(server) => server.address(),
        Server::MariaDb(server) => server.address(),
    };
    let tap = Wiretap::to(database, fresh.backend)?;
    let way = tap.address().to_string();
    let fresh = Fresh {
        url: fresh.url.replace(&database.to_string(), &way),
        ..fresh.clone()
    };
    Ok((tap, app(open(&fresh).await?)))
}

/// The round trips and commits that `work` takes.
async fn cost_of(tap: &Wiretap, work: impl Future<Output = Result<()>>) -> Result<[u64; 2]> {
    let before = tap.talk();
    work.await?;
    let cost = tap.talk() - before;
    Ok([cost.round_trips, cost.commits])
}

/// Publishes `parts`.
async fn post(app: &App, gun: &str, parts: &[(String, Vec<u8>)]) -> Result<()> {
    let (content_type, body) = fixtures::multipart(parts);
    let request = Request::post(format!("/v2/{gun}/_trust/tuf/"))
        .header("content-type", content_type)
        .body(Body::from(body))?;
    let answer = server::http::Endpoint::main(app.clone())
        .answer(request)
        .await
        .expect("it always answers");
    assert_eq!(answer.status(), StatusCode::OK);
    Ok(())
}

/// A publisher whose root names keys of the server.
async fn publisher(app: &App, gun: &str) -> Result<Publisher> {
    let mut publisher = Publisher::new(gun);
    for role in ["timestamp", "snapshot"] {
        let path = format!("/v2/{gun}/_trust/tuf/{role}.key");
        let (_, _, key) = get(app, &path).await?;
        publisher = publisher.with_server_key_document(role, &key);
    }
    Ok(publisher)
}

async fn an_update_takes_five_round_trips_and_one_commit(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let (tap, app) = counted(&server, &fresh).await?;
    let update = |publisher: &mut Publisher, tag: &str| {
        publisher.add_target("targets", tag, tag.as_bytes());
        publisher.next(&["targets"])
    };
    // Statements are prepared when a connection first runs them.
    let mut first = publisher(&app, "ex.com/first").await?;
    post(&app, "ex.com/first", &first.first_publish()).await?;
    post(&app, "ex.com/first", &update(&mut first, "v1")).await?;

    let mut second = publisher(&app, "ex.com/second").await?;
    let parts = second.first_publish();
    let cost = cost_of(&tap, Box::pin(post(&app, "ex.com/second", &parts))).await?;
    assert_eq!(cost, [6, 1], "a new repository");
    for tag in ["v1", "v2", "v3"] {
        let parts = update(&mut second, tag);
        let cost = cost_of(&tap, Box::pin(post(&app, "ex.com/second", &parts))).await?;
        assert_eq!(cost, [5, 1], "an update");
    }
    // What is remembered is what a reader is given.
    for name in ["timestamp", "snapshot", "targets", "root"] {
        let path = format!("/v2/ex.com/second/_trust/tuf/{name}.json");
        let (status, headers, body) = get(&app, &path).await?;
        assert_eq!(status, StatusCode::OK);
        let from_rows = get(&self::app(open(&fresh).await?), &path).await?;
        assert_eq!(headers["last-modified"], from_rows.1["last-modified"]);
        assert_eq!(body, from_rows.2);
    }
    Ok(())
}

fn gun(name: &str) -> Gun {
    Gun::parse(name).expect("a name")
}

fn files(roles: &[Role], version: i64) -> Vec<File> {
    let file = |role: &Role| {
        let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role}"}}}}"#);
        File::parse(MetadataFormat::NOTARY, role.clone(), bytes.into()).expect("a file")
    };
    roles.iter().map(file).collect()
}

/// How long to wait between two questions for what waits. `InnoDB` answers from a copy for as long
/// as it is asked again within 100 ms.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(150);

/// How many transactions wait for a lock.
fn waiting(server: &Server, fresh: &Fresh) -> Result<usize> {
    let count = server.pick(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    );
    let answer = server.rule(fresh, count)?;
    Ok(answer
        .split_whitespace()
        .next_back()
        .unwrap_or("0")
        .parse()?)
}

async fn publishes_of_different_repositories_are_under_way_at_the_same_time(
    server: Server,
) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(20);
    let fresh = server.notarys()?;
    let store = open(&fresh).await?;
    let (now, roles) = (fixtures::clock(), [Role::Targets, Role::Timestamp]);
    let guns = ["ex.com/a", "ex.com/b"].map(gun);
    for gun in &guns {
        publish(&*store, gun, &files(&roles, 1), now).await?;
    }
    let connected = connect(&fresh).await?;
    with_pool!(&connected, pool => {
        // Another transaction stands in the way of both, in the middle of their work.
        let mut other = pool.begin_with("BEGIN").await?;
        let rows = "SELECT id FROM tuf_files WHERE role = 'timestamp' FOR UPDATE";
        other.executor().execute(rows).await?;
        let publishes = guns.clone().map(|gun| {
            let store: Arc<dyn TrustStore> = Arc::clone(&store);
            tokio::spawn(async move { publish(&*store, &gun, &files(&roles_of_next(), 2), now).await })
        });
        let start = Instant::now();
        while waiting(&server, &fresh)? < 2 {
            ensure!(start.elapsed() < PATIENCE, "one waits for the other");
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
        other.rollback().await;
        for publish in publishes {
            publish.await??;
        }
    });
    for gun in &guns {
        assert_eq!(store.head(gun).await?.map(|head| head.version), Some(2));
    }
    Ok(())
}

fn roles_of_next() -> [Role; 2] {
    [Role::Targets, Role::Timestamp]
}

/// The role of the rival's file, and not that of the timestamp, which every rival adds too.
async fn a_rival_is_told_which_role_it_lost(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let store = open(&fresh).await?;
    let (now, gun) = (fixtures::clock(), gun("ex.com/a"));
    let first = files(&[Role::Root, Role::Targets, Role::Timestamp], 1);
    publish(&*store, &gun, &first, now).await?;
    let base = store.head(&gun).await?;
    let connected = connect(&fresh).await?;
    with_pool!(&connected, pool => {
        // A program that does not claim the timestamp, as Notary: the key decides.
        let mut rival = pool.begin_with("BEGIN").await?;
        let rows = "INSERT INTO tuf_files (gun, role, version, data, sha256) VALUES \
             ('ex.com/a', 'targets', 2, 'x', 'x'), ('ex.com/a', 'timestamp', 2, 'x', 'x')";
        rival.executor().execute(rows).await?;
        let publish = {
            let (store, gun, base) = (Arc::clone(&store), gun.clone(), base.clone());
            let update = files(&roles_of_next(), 2);
            tokio::spawn(async move { store.publish(&gun, base.as_ref(), &update, now).await })
        };
        let start = Instant::now();
        while waiting(&server, &fresh)? < 1 {
            ensure!(start.elapsed() < Duration::from_secs(20), "it does not wait");
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
        rival.commit().await?;
        let lost = publish.await?;
        ensure!(
            matches!(lost, Err(trust::store::StoreError::VersionExists(Role::Targets))),
            "{lost:?}"
        );
    });
    Ok(())
}

/// A binary log that repeats statements takes no writes at the level of isolation that publishes
/// otherwise have.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_a_log_of_statements_takes_publishes() -> Result<()> {
    let mut server = Server::mariadb()?;
    let fresh = server.notarys()?;
    let Server::MariaDb(mariadb) = &mut server else {
        unreachable!("it was just made");
    };
    mariadb.restart_with(vec!["--log-bin".into(), "--binlog-format=STATEMENT".into()])?;
    let store = open(&fresh).await?;
    let roles = [Role::Root, Role::Targets, Role::Timestamp];
    for version in 1..=3 {
        publish(
            &*store,
            &gun("ex.com/a"),
            &files(&roles, version),
            fixtures::clock(),
        )
        .await?;
    }
    Ok(())
}
