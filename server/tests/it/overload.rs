//! What happens when more is asked for than the database can do.

use std::{sync::Arc, time::Duration};

use database::{Lane, OpenMode, PoolLimits, SqliteUrl};
use http::StatusCode;
use tokio::{task::JoinHandle, time::sleep};
use trust::store::MIGRATIONS;

use crate::support::{Answer, TestServer};

/// The connections to the database, and how many of them one kind of requests may use.
const CONNECTIONS: u32 = 16;
const OF_A_LANE: usize = 12;

/// How many requests of one kind may wait for each of those.
const QUEUE: usize = 64;

type Pool = database::Pool<sqlx::Sqlite>;

async fn start(folder: &tempfile::TempDir) -> (Arc<TestServer>, Pool) {
    let file = folder.path().join("trust.db");
    let limits = PoolLimits {
        connections: CONNECTIONS,
        // Nothing here ends because time has passed.
        wait: Duration::from_mins(10),
    };
    let url = SqliteUrl::parse(file.to_str().unwrap()).unwrap();
    let pool = url.connect(limits, OpenMode::MayCreate).await.unwrap();
    database::migrate(&pool, &MIGRATIONS).await.unwrap();
    (Arc::new(TestServer::stored_in(pool.clone())), pool)
}

/// Stands for what holds all connections of a lane: statements that the database does not answer.
async fn stall(pool: &Pool, lane: Lane) -> Vec<database::Transaction<sqlx::Sqlite>> {
    let mut stalled = Vec::new();
    for _ in 0..OF_A_LANE {
        let transaction = lane.within(pool.begin_with("BEGIN"));
        stalled.push(transaction.await.unwrap());
    }
    stalled
}

/// Sends `count` requests, and waits until each waits in its lane or is answered.
async fn send(
    server: &Arc<TestServer>,
    (pool, lane): (&Pool, Lane),
    count: usize,
    method: &'static str,
    path: &'static str,
) -> Vec<JoinHandle<Answer>> {
    let before = pool.waiting(lane);
    let ask = |_| {
        let server = Arc::clone(server);
        tokio::spawn(async move { server.request(method, path).await })
    };
    let asked: Vec<_> = (0..count).map(ask).collect();
    let answered = || asked.iter().filter(|request| request.is_finished()).count();
    while pool.waiting(lane) - before + answered() < count {
        sleep(Duration::from_millis(1)).await;
    }
    asked
}

/// A read that no memory answers.
const CHANGES: &str = "/v2/a/_trust/changefeed?change_id=0&records=10";

#[tokio::test]
async fn reads_that_wait_for_the_database_do_not_hold_up_a_publish_and_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (server, pool) = start(&folder).await;
    let mut publisher = server.published("a").await;
    let stalled = stall(&pool, Lane::Read).await;

    let waiting = send(&server, (&pool, Lane::Read), 500, "GET", CHANGES).await;
    let answer = server.publish("a", &publisher.next(&["targets"])).await;
    answer.ok();
    assert!(waiting.iter().all(|read| !read.is_finished()));

    let full = OF_A_LANE * QUEUE - waiting.len();
    let more = send(&server, (&pool, Lane::Read), full + 30, "GET", CHANGES).await;
    let (refused, more): (Vec<_>, Vec<_>) = more.into_iter().partition(JoinHandle::is_finished);
    assert_eq!(refused.len(), 30, "at once, while the others still wait");
    for answer in refused {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "1");
    }
    server
        .publish("a", &publisher.next(&["targets"]))
        .await
        .ok();

    drop(stalled);
    for read in waiting.into_iter().chain(more) {
        read.await.unwrap().ok();
    }
}

#[tokio::test]
async fn writes_that_wait_for_the_database_do_not_hold_up_a_read_and_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (server, pool) = start(&folder).await;
    server.published("a").await;
    let stalled = stall(&pool, Lane::Write).await;

    let deletions = OF_A_LANE * QUEUE;
    let waiting = send(
        &server,
        (&pool, Lane::Write),
        deletions,
        "DELETE",
        "/v2/b/_trust/tuf/",
    )
    .await;
    server.get(CHANGES).await.ok();
    assert!(waiting.iter().all(|write| !write.is_finished()));
    let refused = server.request("DELETE", "/v2/b/_trust/tuf/").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), "1");

    drop(stalled);
    for write in waiting {
        write.await.unwrap().ok();
    }
}
