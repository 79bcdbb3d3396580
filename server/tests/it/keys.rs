//! The key endpoints.

use std::sync::atomic::Ordering;

use fixtures::{Named, Part};
use http::StatusCode;
use trust::signer::MAX_ASKED;
use tuf::{File, Gun, MetadataFormat, Role};

use crate::support::TestServer;

const GUN: &str = "docker.io/library/alpine";

#[tokio::test]
async fn the_key_in_force_is_the_one_that_root_names() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let root = server.file(GUN, "root.json").await.ok().json();
    for role in ["timestamp", "snapshot"] {
        let id = root["signed"]["roles"][role]["keyids"][0].as_str().unwrap();
        let named = &root["signed"]["keys"][id]["keyval"]["public"];
        let key = server.file(GUN, &format!("{role}.key")).await.ok();
        assert_eq!(&key.json()["keyval"]["public"], named, "{role}");
        assert_eq!(key.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_rotation_hands_out_another_key_and_leaves_the_one_in_force() {
    let server = TestServer::start().await;
    let publisher = server.published(GUN).await;
    let old = server.file(GUN, "timestamp.key").await.ok().body;
    let new = server
        .request("POST", &format!("/v2/{GUN}/_trust/tuf/timestamp.key"))
        .await
        .ok()
        .body;
    assert_ne!(old, new);
    assert_eq!(server.file(GUN, "timestamp.key").await.ok().body, old);

    let mut publisher = publisher.with_server_key_document("timestamp", &new);
    server.publish(GUN, &publisher.next(&["root"])).await.ok();

    assert_eq!(server.file(GUN, "timestamp.key").await.ok().body, new);
    let timestamp = server.file(GUN, "timestamp.json").await.ok();
    assert!(publisher.trusts("timestamp", &timestamp.body));
}

#[tokio::test]
async fn an_outage_of_the_signer_never_exchanges_a_key() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let made = server.signer.creations.load(Ordering::SeqCst);
    server.signer.is_away.store(true, Ordering::SeqCst);
    let answer = server.file(GUN, "timestamp.key").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.signer.creations.load(Ordering::SeqCst), made);
}

#[tokio::test]
async fn a_key_that_the_signer_does_not_hold_is_replaced() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let old = server.file(GUN, "timestamp.key").await.ok().body;
    server.signer.is_forgetful.store(true, Ordering::SeqCst);
    let new = server.file(GUN, "timestamp.key").await.ok().body;
    assert_ne!(old, new);
}

/// The bytes of an Ed25519 public key without a private one.
fn stranger(number: u8) -> Named {
    Named {
        keytype: "ed25519".to_owned(),
        public: vec![number; 32],
    }
}

#[tokio::test]
async fn the_signer_is_asked_about_a_bounded_number_of_keys() {
    let server = TestServer::start().await;
    let mut publisher = server.publisher(GUN).await;
    let strangers: Vec<Named> = (0..150).map(stranger).collect();
    let named: Vec<&Named> = strangers.iter().collect();
    publisher.name_keys("timestamp", &named, 1);
    let mut parts = publisher.first_publish();
    parts.extend(publisher.as_server());
    let file = |(role, bytes): Part| {
        File::parse(
            MetadataFormat::NOTARY,
            Role::parse(&role).unwrap(),
            bytes.into(),
        )
    };
    let files: Vec<File> = parts.into_iter().map(|part| file(part).unwrap()).collect();
    let gun = Gun::parse(GUN).unwrap();
    let now = server.now();
    server
        .app
        .repositories
        .store
        .publish(&gun, None, &files, now)
        .await
        .unwrap();
    let made = server.signer.creations.load(Ordering::SeqCst);

    let answer = server.file(GUN, "timestamp.key").await;

    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(server.signer.lookups.load(Ordering::SeqCst), MAX_ASKED);
    assert_eq!(server.signer.creations.load(Ordering::SeqCst), made);
    server.publish(GUN, &publisher.next(&["targets"])).await;
    assert!(server.signer.signatures.load(Ordering::SeqCst) <= MAX_ASKED + 1);
}

#[tokio::test]
async fn the_id_of_a_request_reaches_the_signer() {
    let server = TestServer::start().await;
    let request = http::Request::get("/v2/a/_trust/tuf/timestamp.key")
        .header("x-request-id", "from-the-client")
        .body(axum::body::Body::empty())
        .unwrap();
    server.send(request).await.ok();
    let ids = server.signer.request_ids.lock().unwrap().clone();
    assert_eq!(ids, ["from-the-client"]);
}

#[tokio::test]
async fn a_signer_that_makes_no_more_keys_is_told_to_the_client_in_a_sentence() {
    let server = TestServer::start().await;
    server.signer.is_full.store(true, Ordering::SeqCst);
    let answer = server.file("a", "timestamp.key").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let text = answer.text();
    assert!(text.contains("begun and not published"), "{text}");
}
