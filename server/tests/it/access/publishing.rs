//! Who may publish may not publish everything.

use std::sync::atomic::Ordering;

use fixtures::{Key, Publisher};
use http::StatusCode;

use super::callers::{Stage, rules};

/// A server with a repository in which `targets/releases` is delegated; the server holds the
/// snapshot key.
async fn published() -> (Stage, Publisher) {
    let stage = Stage::with_token_service(Some(rules())).await;
    let mut publisher = stage.publisher("alice", "app").await;
    let key = Key::throw_away_ecdsa();
    publisher.delegate("targets", "releases", &[key], &[""], 1);
    let parts = publisher.first_publish();
    stage.publish("alice", "app", &parts).await.ok();
    (stage, publisher)
}

#[tokio::test]
async fn a_first_publish_takes_the_right_to_say_who_signs() {
    let stage = Stage::with_token_service(Some(rules())).await;
    let mut publisher = stage.publisher("ci", "app").await;
    let parts = publisher.first_publish();
    let answer = stage.publish("ci", "app", &parts).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.server.rows("tuf_files").await, 0);
    stage.publish("alice", "app", &parts).await.ok();
}

#[tokio::test]
async fn a_role_is_published_by_who_may_push_to_it() {
    let (stage, mut publisher) = published().await;
    publisher.add_target("targets/releases", "v1", b"content");
    let parts = publisher.next(&["targets/releases"]);
    stage.publish("ci", "app", &parts).await.ok();

    publisher.add_target("targets", "v1", b"content");
    let parts = publisher.next(&["targets"]);
    let answer = stage.publish("ci", "app", &parts).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    stage.publish("alice", "app", &parts).await.ok();
}

#[tokio::test]
async fn a_signer_is_added_only_by_who_may_say_who_signs() {
    let (stage, mut publisher) = published().await;
    let key = Key::throw_away_ecdsa();
    publisher.delegate("targets/releases", "mine", &[key], &[""], 1);
    let parts = publisher.next(&["targets/releases"]);
    let signatures = stage.server.signer.signatures.load(Ordering::SeqCst);

    let answer = stage.publish("ci", "app", &parts).await;

    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.error().0, "UNAUTHORIZED");
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"https://notary.example.com/auth/token\",service=\"notary-server\",\
         scope=\"repository:app:push,pull\""
    );
    let after = stage.server.signer.signatures.load(Ordering::SeqCst);
    assert_eq!(
        after, signatures,
        "nothing is signed for an update that is refused"
    );
    stage.publish("alice", "app", &parts).await.ok();
}

#[tokio::test]
async fn an_update_is_repeated_only_by_those_who_may_publish_it() {
    let (stage, mut publisher) = published().await;
    let key = Key::throw_away_ecdsa();
    publisher.delegate("targets/releases", "mine", &[key], &[""], 1);
    let parts = publisher.next(&["targets/releases"]);
    stage.publish("alice", "app", &parts).await.ok();
    stage.publish("alice", "app", &parts).await.ok();
    let answer = stage.publish("ci", "app", &parts).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);

    publisher.add_target("targets/releases", "v1", b"content");
    let parts = publisher.next(&["targets/releases"]);
    stage.publish("ci", "app", &parts).await.ok();
    stage.publish("ci", "app", &parts).await.ok();
}

#[tokio::test]
async fn an_update_is_refused_whole_for_one_change_too_many() {
    let (stage, mut publisher) = published().await;
    let rows = stage.server.rows("tuf_files").await;
    publisher.add_target("targets/releases", "v1", b"content");
    let parts = publisher.next(&["targets/releases", "targets"]);
    let answer = stage.publish("ci", "app", &parts).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.server.rows("tuf_files").await, rows);
}

#[tokio::test]
async fn the_root_in_force_may_be_sent_along() {
    let (stage, mut publisher) = published().await;
    let root = stage
        .ask("ci", "GET", "/v2/app/_trust/tuf/root.json")
        .await
        .ok();
    publisher.add_target("targets/releases", "v1", b"content");
    let mut parts = publisher.next(&["targets/releases"]);
    parts.push(("root".to_owned(), root.body));
    let answer = stage.publish("ci", "app", &parts).await;
    // It is there already, which is all that is wrong with it.
    assert_eq!(answer.error().0, "VERSION");
}

#[tokio::test]
async fn a_token_that_lists_push_is_enough_for_everything_in_an_update() {
    let (stage, mut publisher) = published().await;
    let key = Key::throw_away_ecdsa();
    publisher.delegate("targets", "other", &[key], &[""], 1);
    let parts = publisher.next(&["targets"]);
    stage.publish("t-push", "app", &parts).await.ok();
}

#[tokio::test]
async fn what_is_no_valid_update_is_told_so_whoever_sends_it() {
    let (stage, mut publisher) = published().await;
    publisher.sign_with("targets", Key::throw_away_ecdsa());
    let parts = publisher.next(&["targets"]);
    let answer = stage.publish("ci", "app", &parts).await;
    assert_eq!(answer.error().1, "ErrBadTargets");
}

/// The same where everybody who publishes has the snapshot key.
async fn published_with_snapshots() -> (Stage, Publisher) {
    let stage = Stage::with_token_service(Some(rules())).await;
    let path = "/v2/app/_trust/tuf/timestamp.key";
    let timestamp = stage.ask("alice", "GET", path).await.ok().body;
    let mut publisher = Publisher::new("app")
        .with_server_key_document("timestamp", &timestamp)
        .holds_snapshot(true);
    let key = Key::throw_away_ecdsa();
    publisher.delegate("targets", "releases", &[key], &[""], 1);
    let parts = publisher.first_publish();
    stage.publish("alice", "app", &parts).await.ok();
    (stage, publisher)
}

#[tokio::test]
async fn a_role_is_published_with_a_snapshot_by_who_may_push_to_it() {
    let (stage, mut publisher) = published_with_snapshots().await;
    publisher.add_target("targets/releases", "v1", b"content");
    let parts = publisher.next(&["targets/releases"]);
    stage.publish("ci", "app", &parts).await.ok();
}

#[tokio::test]
async fn a_snapshot_takes_back_what_others_published_only_for_who_may_say_who_signs() {
    let (stage, mut publisher) = published_with_snapshots().await;
    let before = publisher.clone();
    publisher.add_target("targets", "v2", b"content");
    let parts = publisher.next(&["targets", "targets/releases"]);
    stage.publish("alice", "app", &parts).await.ok();
    let rows = stage.server.rows("tuf_files").await;

    publisher.snapshot.signed["meta"]["targets/releases"] =
        before.snapshot.signed["meta"]["targets/releases"].clone();
    publisher
        .snapshot
        .set_version(publisher.snapshot.version() + 1);
    let parts = [("snapshot".to_owned(), publisher.snapshot.seal())];
    let answer = stage.publish("ci", "app", &parts).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.server.rows("tuf_files").await, rows);
    stage.publish("alice", "app", &parts).await.ok();
}
