//! Renewal: a timestamp never runs out under a reader, whichever process renews it.

use std::sync::atomic::Ordering;

use http::StatusCode;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tokio_util::sync::CancellationToken;
use trust::renewal::{self, Pace, Walk};

use crate::support::TestServer;

const GUN: &str = "docker.io/library/alpine";

#[tokio::test]
async fn a_valid_timestamp_is_served_without_the_signer() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.signer.is_away.store(true, Ordering::SeqCst);
    server.advance(Duration::days(13));
    for file in [
        "timestamp.json",
        "snapshot.json",
        "targets.json",
        "root.json",
        "1.root.json",
    ] {
        server.file(GUN, file).await.ok();
    }
    assert_eq!(server.version(GUN, "timestamp").await, 1);
}

#[tokio::test]
async fn an_expired_timestamp_is_renewed_for_the_reader_who_finds_it() {
    let server = TestServer::start().await;
    let publisher = server.published(GUN).await;
    server.advance(Duration::days(15));
    let renewed = server.file(GUN, "timestamp.json").await.ok();
    assert_eq!(renewed.json()["signed"]["version"], 2);
    assert!(publisher.trusts("timestamp", &renewed.body));
    assert_eq!(server.rows("changefeed").await, 2);
    assert_eq!(server.version(GUN, "snapshot").await, 1);
}

#[tokio::test]
async fn many_readers_of_an_expired_timestamp_all_get_the_one_winner() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let servers: Vec<TestServer> = (0..4).map(|_| server.sibling()).collect();
    for server in &servers {
        server.advance(Duration::days(15));
    }
    let reads = (0..16).map(|n| servers[n % 4].file(GUN, "timestamp.json"));
    let answers = futures_util::future::join_all(reads).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(answer.body, answers[0].body);
    }
    assert_eq!(server.rows("changefeed").await, 2);
}

#[tokio::test]
async fn only_reads_of_what_expired_renew_it() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.advance(Duration::days(15));
    for file in ["root.json", "targets.json", "1.timestamp.json"] {
        server.file(GUN, file).await.ok();
    }
    assert_eq!(server.rows("changefeed").await, 1);
}

#[tokio::test]
async fn a_timestamp_that_is_about_to_expire_is_renewed_in_the_background() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    renewal::walk(&server.app.repositories).await;
    assert_eq!(server.version(GUN, "timestamp").await, 1);

    server.advance(Duration::days(10));
    renewal::walk(&server.app.repositories).await;

    assert_eq!(server.version(GUN, "timestamp").await, 2);
    renewal::walk(&server.app.repositories).await;
    assert_eq!(server.version(GUN, "timestamp").await, 2);
}

#[tokio::test]
async fn the_walk_reaches_every_gun() {
    let server = TestServer::start().await;
    for n in 0..5 {
        server.published(&format!("gun/{n}")).await;
    }
    server.advance(Duration::days(10));
    renewal::walk(&server.app.repositories).await;
    for n in 0..5 {
        assert_eq!(server.version(&format!("gun/{n}"), "timestamp").await, 2);
    }
}

#[tokio::test]
async fn one_gun_that_cannot_be_renewed_does_not_stop_the_others() {
    let server = TestServer::start().await;
    server.published("a").await;
    server.published("b").await;
    sqlx::query("UPDATE tuf_files SET data = 'x' WHERE gun = 'a' AND role = 'timestamp'")
        .execute(&server.pool)
        .await
        .unwrap();
    let fresh = server.sibling();
    fresh.advance(Duration::days(10));
    renewal::walk(&fresh.app.repositories).await;
    assert_eq!(fresh.version("b", "timestamp").await, 2);
}

#[tokio::test]
async fn an_expired_snapshot_is_renewed_with_its_timestamp() {
    let server = TestServer::start().await;
    let publisher = server.published(GUN).await;
    server.advance(Duration::days(3 * 365 + 1));
    let snapshot = server.file(GUN, "snapshot.json").await.ok();
    assert_eq!(snapshot.json()["signed"]["version"], 2);
    assert!(publisher.trusts("snapshot", &snapshot.body));
    let timestamp = server.file(GUN, "timestamp.json").await.ok();
    assert!(fixtures::lists(&timestamp.body, "snapshot", &snapshot.body));
    server.file(GUN, "targets.json").await.ok();
}

#[tokio::test]
async fn a_snapshot_never_expires_between_two_looks_at_its_timestamp() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    // Each walk finds a timestamp that has just become due: the snapshot is looked at as rarely as
    // can be.
    for _ in 0..(3 * 365 / 9 + 2) {
        server.advance(Duration::days(9) + Duration::minutes(1));
        renewal::walk(&server.app.repositories).await;
        let snapshot = server.file(GUN, "snapshot.json").await.ok().json();
        let expires = snapshot["signed"]["expires"].as_str().unwrap();
        let expires = OffsetDateTime::parse(expires, &Rfc3339).unwrap();
        assert!(expires > server.now() + Duration::days(14), "{expires}");
    }
    assert_eq!(server.version(GUN, "snapshot").await, 2);
}

#[tokio::test]
async fn an_expired_snapshot_of_a_client_waits_for_the_client() {
    let server = TestServer::start().await;
    let key = server.file(GUN, "timestamp.key").await.ok().body;
    let mut publisher = fixtures::Publisher::new(GUN)
        .with_server_key_document("timestamp", &key)
        .holds_snapshot(true);
    publisher.expire("snapshot", server.now() + Duration::days(30));
    server.publish(GUN, &publisher.first_publish()).await.ok();

    server.advance(Duration::days(28));
    renewal::walk(&server.app.repositories).await;
    assert_eq!(server.version(GUN, "timestamp").await, 2);
    server.advance(Duration::days(3));
    assert_eq!(
        server.file(GUN, "timestamp.json").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );

    publisher.expire("snapshot", server.now() + Duration::days(30));
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();
    server.file(GUN, "timestamp.json").await.ok();
}

#[tokio::test]
async fn an_expired_root_does_not_stop_the_timestamp() {
    let server = TestServer::start().await;
    let mut publisher = server.publisher(GUN).await;
    publisher.expire("root", server.now() + Duration::days(3));
    server.publish(GUN, &publisher.first_publish()).await.ok();
    server.advance(Duration::days(15));
    assert_eq!(server.version(GUN, "timestamp").await, 2);
}

#[tokio::test]
async fn a_repository_outlives_the_certificate_of_its_root() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    server.advance(Duration::days(11 * 365));
    assert_eq!(server.version(GUN, "timestamp").await, 2);

    let now = server.now();
    publisher.expire("targets", now + Duration::days(30));
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();
}

#[tokio::test]
async fn a_reader_is_told_when_nobody_can_renew() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.advance(Duration::days(15));
    server.signer.is_away.store(true, Ordering::SeqCst);
    let away = server.file(GUN, "timestamp.json").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    server.signer.is_away.store(false, Ordering::SeqCst);
    server.signer.is_forgetful.store(true, Ordering::SeqCst);
    let lost = server.file(GUN, "timestamp.json").await;
    assert_eq!(lost.status, StatusCode::INTERNAL_SERVER_ERROR);
    server.signer.is_forgetful.store(false, Ordering::SeqCst);
    server.file(GUN, "timestamp.json").await.ok();
}

/// Notary stored such roots; docker crashes at them.
#[tokio::test]
async fn a_repository_that_clients_cannot_read_is_counted() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.keep_unreadable("example.com/broken").await;
    renewal::walk(&server.app.repositories).await;
    let metrics = server.get("/metrics").await.ok().text();
    assert!(
        metrics.contains("\nnotary_server_unreadable_repositories 1\n"),
        "{metrics}"
    );
}
#[tokio::test]
async fn a_walk_asks_a_signer_that_is_away_once_and_says_that_it_may_succeed_soon() {
    let server = TestServer::start().await;
    for n in 0..5 {
        server.published(&format!("gun/{n}")).await;
    }
    server.advance(Duration::days(10));
    server.signer.is_away.store(true, Ordering::SeqCst);
    let before = server.signer.signatures.load(Ordering::SeqCst);
    assert_eq!(
        renewal::walk(&server.app.repositories).await,
        Walk::Hindered
    );
    let asked = server.signer.signatures.load(Ordering::SeqCst) - before;
    assert_eq!(asked, 1, "the others are not tried in vain");

    server.signer.is_away.store(false, Ordering::SeqCst);
    server.signer.is_forgetful.store(true, Ordering::SeqCst);
    assert_eq!(
        renewal::walk(&server.app.repositories).await,
        Walk::Done,
        "keys that are lost do not come back soon"
    );
}

#[tokio::test]
async fn what_could_not_be_renewed_for_want_of_the_signer_is_renewed_when_it_is_back() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.advance(Duration::days(10));
    server.signer.is_away.store(true, Ordering::SeqCst);
    let pace = Pace {
        rest: std::time::Duration::from_hours(1),
        soon: std::time::Duration::from_millis(20),
    };
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(renewal::run(
        server.app.repositories.clone(),
        pace,
        shutdown.clone(),
    ));
    let asked = server.signer.signatures.load(Ordering::SeqCst);
    while server.signer.signatures.load(Ordering::SeqCst) == asked {
        tokio::task::yield_now().await;
    }
    server.signer.is_away.store(false, Ordering::SeqCst);
    let is_renewed = async {
        while server.version(GUN, "timestamp").await == 1 {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, is_renewed).await.unwrap();
    shutdown.cancel();
    running.await.unwrap();
}
