//! Webhooks on SQLite, and receivers that misbehave.

mod behaviour;

use std::{sync::Arc, time::Instant};

use behaviour::{Listener, clock, each_behaviour, settings};
use database::{Backend, Connected, DatabaseUrl, OpenMode, PoolLimits};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};
use tokio_util::sync::CancellationToken;
use trust::{
    Clock,
    store::{self, Storage},
};
use webhooks::{Event, Kind, Receiver, Refusal, refusals, statements};

macro_rules! on_sqlite {
    ($behaviour:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() {
            let folder = tempfile::tempdir().unwrap();
            behaviour::$behaviour(database_in(folder.path()).await).await;
        }
    };
}

each_behaviour!(on_sqlite);

async fn database_in(folder: &std::path::Path) -> Connected {
    let file = folder.join("server.db");
    let storage = Storage {
        url: DatabaseUrl::parse(Backend::Sqlite, file.to_str().unwrap()).unwrap(),
        limits: PoolLimits::default(),
    };
    store::open_pool(&storage, OpenMode::MayCreate)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let connected = database_in(folder.path()).await;
    webhooks::migrate(&connected).await.unwrap();
    let Connected::Sqlite(pool) = &connected else {
        unreachable!("it is in a file");
    };
    for statement in [statements::FIND, statements::DELAYS, statements::REMOVE] {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        for step in sqlx::query(explain).fetch_all(pool).await.unwrap() {
            let detail: String = step.get("detail");
            assert!(!detail.starts_with("SCAN"), "{statement}\n{detail}");
        }
    }
}

fn event() -> Event {
    Event {
        id: "1".to_owned(),
        kind: Kind::Test,
        gun: String::new(),
        time: fixtures::clock(),
        data: json!({}),
    }
}

/// Sends one event to a receiver that answers with these bytes and stays silent then; what the
/// sender makes of it.
async fn outcome_of(answer: Vec<u8>) -> Result<(), String> {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let _serving = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        let mut streams = Vec::new();
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            stream.write_all(&answer).await.unwrap();
            streams.push(stream);
        }
    }));
    let receiver = Receiver::new(settings("r", port), "test").unwrap();
    let delivery = receiver.deliver(&event(), fixtures::clock()).await;
    delivery.map_err(|error| error.to_string())
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Listener::start(|_| 200).await;
    let location = format!("http://127.0.0.1:{}/", target.port);
    let answer = format!("HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let error = outcome_of(answer.into()).await.unwrap_err();
    assert!(error.contains("redirect (307"), "{error}");
    assert!(target.received().is_empty());
}

#[tokio::test]
async fn neither_huge_nor_endless_answers_are_read() {
    let mut huge = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    huge.extend([b'x'; 1000]);
    let began = Instant::now();
    assert_eq!(outcome_of(huge).await, Ok(()));
    let endless = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    assert_eq!(outcome_of(endless).await, Ok(()));
    let mut headers = b"HTTP/1.1 200 OK\r\n".to_vec();
    for number in 0..10_000 {
        headers.extend(format!("x-{number}: {}\r\n", "y".repeat(200)).into_bytes());
    }
    assert!(outcome_of(headers).await.is_err());
    // None of it waited for the end of an answer.
    assert!(began.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_receiver_that_stays_silent_is_given_up() {
    let error = outcome_of(Vec::new()).await.unwrap_err();
    assert!(error.contains("no answer within 10 seconds"), "{error}");
}

#[tokio::test]
async fn private_addresses_are_refused_unless_they_are_allowed() {
    let target = Listener::start(|_| 200).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
    ] {
        let mut settings = settings("r", target.port);
        settings.url = format!("http://{host}:{}/", target.port).parse().unwrap();
        settings.allow_private_addresses = false;
        let receiver = Receiver::new(settings.clone(), "test").unwrap();
        let refused = receiver.deliver(&event(), fixtures::clock()).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("private address"), "{host}: {error}");
    }
    assert!(target.received().is_empty());
    let receiver = Receiver::new(settings("r", target.port), "test").unwrap();
    receiver.deliver(&event(), fixtures::clock()).await.unwrap();
    assert_eq!(target.received().len(), 1);
}

#[tokio::test]
async fn refusals_are_told_at_a_bounded_rate_and_by_prefix() {
    let target = Listener::start(|_| 200).await;
    let mut only_ours = settings("r", target.port);
    only_ours.prefixes = vec!["ours/".to_owned()];
    let receivers = [Arc::new(Receiver::new(only_ours, "test").unwrap())];
    let clock: Clock = Arc::new(clock);
    let (refusals, sender) = refusals(&receivers, &clock);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(sender.run(shutdown.clone()));
    let refusal = |gun| Refusal {
        gun,
        action: "publish",
        user: "alice",
        address: "192.0.2.1",
        reason: "INVALID_UPDATE",
        request_id: "7",
    };
    refusals.tell(&refusal("theirs/app"));
    for _ in 0..1000 {
        refusals.tell(&refusal("ours/app"));
    }
    target.wait_for(10).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let received = target.received();
    assert_eq!(received.len(), 10, "the rest of the second is dropped");
    let data = &received[0].event["data"];
    assert_eq!(received[0].event["type"], "countersign.refused");
    assert_eq!(received[0].event["subject"], "ours/app");
    assert_eq!(data["user"], "alice");
    assert_eq!(data["reason"], "INVALID_UPDATE");
    shutdown.cancel();
    running.await.unwrap();
}
