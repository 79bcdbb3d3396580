//! Publishing: what is taken, what is refused, and that a refusal leaves nothing behind.

use std::sync::{Arc, atomic::Ordering};

use async_trait::async_trait;
use fixtures::{Key, Publisher, lists, resign};
use http::StatusCode;
use serde_json::json;
use trust::signer::{Origin, Signer, SignerError};
use tuf::{Gun, KeyId, PublicKey, Role};

use crate::support::{MoodySigner, TestServer};

const GUN: &str = "docker.io/library/alpine";

#[tokio::test]
async fn a_first_publish_is_vouched_for_by_a_snapshot_and_a_timestamp_of_the_server() {
    let server = TestServer::start().await;
    let mut publisher = server.publisher(GUN).await;
    let parts = publisher.first_publish();

    let answer = server.publish(GUN, &parts).await.ok();

    assert_eq!(answer.text(), "");
    let timestamp = server.file(GUN, "timestamp.json").await.ok().body;
    let snapshot = server.file(GUN, "snapshot.json").await.ok().body;
    assert!(publisher.trusts("timestamp", &timestamp));
    assert!(publisher.trusts("snapshot", &snapshot));
    assert!(lists(&timestamp, "snapshot", &snapshot));
    for (role, bytes) in &parts {
        let current = server.file(GUN, &format!("{role}.json")).await.ok().body;
        assert_eq!(&current, bytes, "{role}");
        assert!(lists(&snapshot, role, bytes), "{role}");
    }
}

#[tokio::test]
async fn bytes_are_hashed_and_served_as_they_came_even_if_oddly_spaced() {
    let server = TestServer::start().await;
    let mut publisher = server.publisher(GUN).await;
    let mut parts = publisher.first_publish();
    for (_, bytes) in &mut parts {
        *bytes = [b" ".as_slice(), bytes, b" \n"].concat();
    }
    server.publish(GUN, &parts).await.ok();

    for (role, bytes) in &parts {
        assert_eq!(
            &server.file(GUN, &format!("{role}.json")).await.ok().body,
            bytes
        );
    }
    // Notary lost sight of such a root, and accepted any other one.
    let mut thief = server.publisher(GUN).await;
    let answer = server.publish(GUN, &thief.first_publish()).await;
    assert_eq!(answer.error().1, "ErrBadRoot");
}

#[tokio::test]
async fn an_update_costs_two_signatures_and_asks_for_no_key() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let before = server.signer.signatures.load(Ordering::SeqCst);
    let lookups = server.signer.lookups.load(Ordering::SeqCst);
    let origins = server.signer.origins.load(Ordering::SeqCst);

    publisher.add_target("targets", "v1", b"content");
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();

    assert_eq!(server.signer.signatures.load(Ordering::SeqCst) - before, 2);
    assert_eq!(server.signer.lookups.load(Ordering::SeqCst), lookups);
    assert_eq!(server.signer.origins.load(Ordering::SeqCst), origins);
}

#[tokio::test]
async fn a_root_may_not_introduce_a_key_that_the_signer_made_for_another_repository_or_role() {
    let server = TestServer::start().await;
    server.published("victim").await;
    let victims: Vec<_> = [
        server.file("victim", "timestamp.key").await.ok().body,
        server.file("victim", "snapshot.key").await.ok().body,
    ]
    .into();
    let own = server.file(GUN, "timestamp.key").await.ok().body;
    for (timestamp, snapshot, refused) in [
        (&victims[0], None, "timestamp"),
        (&own, Some(&victims[1]), "snapshot"),
        (&own, Some(&own), "snapshot"),
    ] {
        let signatures = server.signer.signatures.load(Ordering::SeqCst);
        let mut thief = Publisher::new(GUN).with_server_key_document("timestamp", timestamp);
        if let Some(snapshot) = snapshot {
            thief = thief.with_server_key_document("snapshot", snapshot);
        }

        let answer = server.publish(GUN, &thief.first_publish()).await;

        assert_eq!(answer.error().1, "ErrBadRoot", "{}", answer.text());
        let text = answer.refusal();
        let expected = format!("was not made for the {refused} of {GUN}");
        assert!(text.contains(&expected), "{text}");
        assert!(!text.contains("victim"), "{text}");
        let after = server.signer.signatures.load(Ordering::SeqCst);
        assert_eq!(after, signatures, "nothing was signed");
    }
    let mut owner = server.publisher(GUN).await;
    server.publish(GUN, &owner.first_publish()).await.ok();
}

#[tokio::test]
async fn a_rotation_may_not_introduce_a_key_of_another_repository() {
    let server = TestServer::start().await;
    server.published("victim").await;
    let theirs = server.file("victim", "timestamp.key").await.ok().body;
    let publisher = server.published(GUN).await;
    let mut publisher = publisher.with_server_key_document("timestamp", &theirs);

    let answer = server.publish(GUN, &publisher.next(&["root"])).await;

    assert_eq!(answer.error().1, "ErrBadRoot", "{}", answer.text());
    server.publish(GUN, &[]).await.ok();
}

#[tokio::test]
async fn a_foreign_key_that_the_stored_root_names_stays_usable() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    // The same data on a server that knows another origin of the keys, as an adopted one may.
    let other = TestServer::signed_by(Arc::new(Moved(server.signer.clone()))).await;
    let refused = other.publish(GUN, &publisher.first_publish()).await;
    assert_eq!(refused.error().1, "ErrBadRoot", "{}", refused.text());
    let adopted =
        TestServer::signed_by_on(server.pool.clone(), Arc::new(Moved(server.signer.clone())));

    publisher.add_target("targets", "v1", b"content");
    let parts = publisher.next(&["targets"]);
    adopted.publish(GUN, &parts).await.ok();
    publisher.rotate_root();
    let parts = publisher.next(&["root"]);
    adopted.publish(GUN, &parts).await.ok();
}

/// A signer that says of all its keys that they were made for another repository.
struct Moved(Arc<MoodySigner>);

#[async_trait]
impl Signer for Moved {
    async fn create_key(&self, gun: &Gun, role: &Role) -> Result<PublicKey, SignerError> {
        self.0.create_key(gun, role).await
    }

    async fn public_key(&self, id: &KeyId) -> Result<PublicKey, SignerError> {
        self.0.public_key(id).await
    }

    async fn origins(&self, ids: &[KeyId]) -> Result<Vec<Origin>, SignerError> {
        let mut origins = self.0.origins(ids).await?;
        for origin in &mut origins {
            "elsewhere".clone_into(&mut origin.gun);
        }
        Ok(origins)
    }

    async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(key, message).await
    }

    async fn check(&self) -> Result<(), SignerError> {
        self.0.check().await
    }
}

#[tokio::test]
async fn an_empty_update_makes_a_new_snapshot_and_timestamp() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.publish(GUN, &[]).await.ok();
    assert_eq!(server.version(GUN, "snapshot").await, 2);
    assert_eq!(server.version(GUN, "timestamp").await, 2);
}

#[tokio::test]
async fn a_snapshot_made_by_the_client_is_taken_as_it_is() {
    let server = TestServer::start().await;
    let key = server.file(GUN, "timestamp.key").await.ok().body;
    let mut publisher = fixtures::Publisher::new(GUN)
        .with_server_key_document("timestamp", &key)
        .holds_snapshot(true);
    let parts = publisher.first_publish();
    server.publish(GUN, &parts).await.ok();
    let (_, snapshot) = parts.iter().find(|(role, _)| role == "snapshot").unwrap();
    assert_eq!(&server.file(GUN, "snapshot.json").await.ok().body, snapshot);

    publisher.add_target("targets", "v1", b"content");
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();
    assert_eq!(server.version(GUN, "targets").await, 2);
}

#[tokio::test]
async fn without_the_snapshot_or_its_key_the_update_has_no_hierarchy() {
    let server = TestServer::start().await;
    let key = server.file(GUN, "timestamp.key").await.ok().body;
    let mut publisher = fixtures::Publisher::new(GUN).with_server_key_document("timestamp", &key);

    let answer = server.publish(GUN, &publisher.first_publish()).await;

    assert_eq!(
        answer.json()["errors"][0]["detail"],
        json!({"Name": "ErrBadHierarchy", "Error": {"Missing": "snapshot", "Msg":
            "no snapshot was included in update and server does not hold current snapshot key for repository"}})
    );
    assert_eq!(server.rows("tuf_files").await, 0);
}

#[tokio::test]
async fn a_timestamp_key_of_somebody_else_is_a_bad_root() {
    let server = TestServer::start().await;
    let key = server.file(GUN, "snapshot.key").await.ok().body;
    let mut publisher = fixtures::Publisher::new(GUN).with_server_key_document("snapshot", &key);
    let answer = server.publish(GUN, &publisher.first_publish()).await;
    assert_eq!(
        answer.error(),
        ("INVALID_UPDATE".into(), "ErrBadRoot".into())
    );
    assert_eq!(answer.refusal(), "no  timestamp keys exist on the server");
}

#[tokio::test]
async fn targets_signed_by_a_stranger_are_refused() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let rows = server.rows("tuf_files").await;
    publisher.sign_with("targets", Key::throw_away_ecdsa());

    let answer = server.publish(GUN, &publisher.next(&["targets"])).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.error(),
        ("INVALID_UPDATE".into(), "ErrBadTargets".into())
    );
    let metrics = server.get("/metrics").await.ok().text();
    let counted = "\nnotary_server_refusals_total{reason=\"targets\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
    assert_eq!(
        answer.refusal(),
        "valid signatures did not meet threshold for targets"
    );
    assert_eq!(server.rows("tuf_files").await, rows);
}

#[tokio::test]
async fn other_files_of_the_same_versions_are_a_version_conflict() {
    let server = TestServer::start().await;
    let mut publisher = server.publisher(GUN).await;
    let mut parts = publisher.first_publish();
    server.publish(GUN, &parts).await.ok();
    parts[1].1.push(b'\n');
    let again = server.publish(GUN, &parts).await;
    assert_eq!(again.error().0, "VERSION");
    assert_eq!(
        again.text(),
        "{\"errors\":[{\"code\":\"VERSION\",\"message\":\"A newer version of metadata is already available.\",\"detail\":{}}]}\n"
    );
}

#[tokio::test]
async fn an_older_version_of_targets_cannot_come_back() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let old = publisher.next(&["targets"]);
    let new = publisher.next(&["targets"]);
    server.publish(GUN, &new).await.ok();
    assert_eq!(server.publish(GUN, &old).await.error().0, "VERSION");
}

#[tokio::test]
async fn a_version_that_would_leave_no_room_for_another_is_refused() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    for version in [
        20_000,
        2_147_483_646,
        2_147_483_647,
        2_147_483_648,
        i64::MAX,
    ] {
        publisher.document_mut("targets").set_version(version - 1);
        let answer = server.publish(GUN, &publisher.next(&["targets"])).await;
        assert_eq!(answer.error().1, "ErrBadTargets", "{version}");
    }
    publisher.document_mut("targets").set_version(1);
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();
}

#[tokio::test]
async fn a_member_beside_signed_and_signatures_is_refused() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let mut parts = publisher.next(&["targets"]);
    let text = String::from_utf8(parts[0].1.clone()).unwrap();
    parts[0].1 = text.replacen('{', "{\"extra\":1,", 1).into_bytes();
    let answer = server.publish(GUN, &parts).await;
    assert_eq!(answer.error().1, "ErrBadTargets");
    assert!(answer.refusal().contains("extra"), "{}", answer.refusal());
}

#[tokio::test]
async fn nulls_in_odd_places_are_refused() {
    let server = TestServer::start().await;
    let publisher = server.published(GUN).await;
    let keys = publisher.clone().document_mut("targets").signers.clone();
    let good = publisher.clone().next(&["targets"]);
    let bad = [
        resign(&good[0].1, &keys, |signed| *signed = json!(null)),
        resign(&good[0].1, &keys, |signed| {
            signed["delegations"]["roles"] = json!([null]);
        }),
        resign(&good[0].1, &keys, |signed| signed["_type"] = json!(null)),
        resign(&good[0].1, &keys, |signed| signed["version"] = json!(null)),
        resign(&good[0].1, &keys, |signed| signed["expires"] = json!(null)),
    ];
    for (at, bytes) in bad.into_iter().enumerate() {
        let answer = server.publish(GUN, &[("targets".into(), bytes)]).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "case {at}: {}",
            answer.text()
        );
    }
    server.publish(GUN, &good).await.ok();
}

#[tokio::test]
async fn a_root_is_replaced_only_with_the_word_of_the_old_one() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    publisher.rotate_root();
    server.publish(GUN, &publisher.next(&["root"])).await.ok();
    assert_eq!(server.version(GUN, "root").await, 2);
    for version in 1..=2 {
        server.file(GUN, &format!("{version}.root.json")).await.ok();
    }
    let mut thief = server.publisher(GUN).await;
    thief.document_mut("root").set_version(2);
    let answer = server.publish(GUN, &thief.next(&["root"])).await;
    assert_eq!(
        answer.refusal(),
        "could not rotate trust to a new trusted root: failed to validate data with current trusted certificates"
    );
}

#[tokio::test]
async fn a_delegate_needs_no_key_but_its_own() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let key = Key::throw_away_ecdsa();
    publisher.delegate("targets", "releases", &[key], &[""], 1);
    server
        .publish(GUN, &publisher.next(&["targets", "targets/releases"]))
        .await
        .ok();
    publisher.add_target("targets/releases", "v1", b"content");
    server
        .publish(GUN, &publisher.next(&["targets/releases"]))
        .await
        .ok();
    assert_eq!(server.version(GUN, "targets/releases").await, 2);
    assert_eq!(server.version(GUN, "targets").await, 2);

    publisher.sign_with("targets/releases", Key::throw_away_ecdsa());
    let answer = server
        .publish(GUN, &publisher.next(&["targets/releases"]))
        .await;
    assert_eq!(
        answer.refusal(),
        "valid signatures did not meet threshold for targets/releases"
    );
}

#[tokio::test]
async fn rivals_that_publish_different_roles_both_win() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    for name in ["alice", "bob"] {
        publisher.delegate("targets", name, &[Key::throw_away_ecdsa()], &[""], 1);
    }
    server
        .publish(
            GUN,
            &publisher.next(&["targets", "targets/alice", "targets/bob"]),
        )
        .await
        .ok();
    let sibling = server.sibling();
    let (mut alice, mut bob) = (publisher.clone(), publisher);
    for _ in 0..10 {
        let (one, other) = (alice.next(&["targets/alice"]), bob.next(&["targets/bob"]));
        let (one, other) = tokio::join!(server.publish(GUN, &one), sibling.publish(GUN, &other));
        one.ok();
        other.ok();
    }
    assert_eq!(server.version(GUN, "targets/alice").await, 11);
    assert_eq!(server.version(GUN, "targets/bob").await, 11);
}

#[tokio::test]
async fn of_rivals_for_one_version_exactly_one_wins() {
    let server = TestServer::start().await;
    let publisher = server.published(GUN).await;
    let siblings: Vec<TestServer> = (0..4).map(|_| server.sibling()).collect();
    let attempts = siblings.iter().map(|sibling| {
        let parts = publisher.clone().next(&["targets"]);
        async move { sibling.publish(GUN, &parts).await }
    });
    let answers = futures_util::future::join_all(attempts).await;
    let won = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .count();
    assert_eq!(won, 1);
    for answer in answers
        .iter()
        .filter(|answer| answer.status != StatusCode::OK)
    {
        assert_eq!(answer.error().0, "VERSION");
    }
    assert_eq!(server.rows("changefeed").await, 2);
}

#[tokio::test]
async fn a_signer_that_is_away_is_no_fault_of_the_client() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let rows = server.rows("tuf_files").await;
    server.signer.is_away.store(true, Ordering::SeqCst);
    let parts = publisher.next(&["targets"]);
    let answer = server.publish(GUN, &parts).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.error().0, "UNAVAILABLE");
    assert_eq!(server.rows("tuf_files").await, rows);
    server.signer.is_away.store(false, Ordering::SeqCst);
    server.publish(GUN, &parts).await.ok();
}

#[tokio::test]
async fn a_database_that_fails_halfway_keeps_nothing() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let rows = server.rows("tuf_files").await;
    sqlx::query(
        "CREATE TRIGGER full BEFORE INSERT ON changefeed BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    .execute(&server.pool)
    .await
    .unwrap();
    let parts = publisher.next(&["targets"]);
    let answer = server.publish(GUN, &parts).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        answer.text(),
        "{\"errors\":[{\"code\":\"UPDATING\",\"message\":\"An error has occurred while updating the TUF repository.\"}]}\n"
    );
    assert_eq!(server.rows("tuf_files").await, rows);
    sqlx::query("DROP TRIGGER full")
        .execute(&server.pool)
        .await
        .unwrap();
    server.publish(GUN, &parts).await.ok();
}

#[tokio::test]
async fn a_database_that_is_locked_or_out_of_connections_is_503_until_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.db");
    let limits = database::PoolLimits {
        connections: 1,
        wait: std::time::Duration::from_millis(50),
    };
    let url = database::SqliteUrl::parse(file.to_str().unwrap()).unwrap();
    let may_create = database::OpenMode::MayCreate;
    let pool = url.connect(limits, may_create).await.unwrap();
    database::migrate(&pool, &trust::store::MIGRATIONS)
        .await
        .unwrap();
    let server = TestServer::start().await.moved(pool.clone());
    let mut publisher = server.publisher(GUN).await;
    let parts = publisher.first_publish();

    // Another program that writes, then requests that have all the connections.
    for rival in [url.connect(limits, may_create).await.unwrap(), pool] {
        let held = rival.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let answer = server.publish(GUN, &parts).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.error().0, "UNAVAILABLE");
        drop(held);
    }
    server.publish(GUN, &parts).await.ok();
}

#[tokio::test]
async fn after_a_deletion_versions_start_over() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let sum = {
        use ring::digest;
        let root = server.file(GUN, "root.json").await.ok().body;
        hex::encode(digest::digest(&digest::SHA256, &root))
    };
    server.file(GUN, &format!("root.{sum}.json")).await.ok();
    server
        .request("DELETE", &format!("/v2/{GUN}/_trust/tuf/"))
        .await
        .ok();
    assert_eq!(
        server.file(GUN, "root.json").await.status,
        StatusCode::NOT_FOUND
    );
    let answer = server.file(GUN, &format!("root.{sum}.json")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    server.published(GUN).await;
    assert_eq!(server.version(GUN, "timestamp").await, 1);
}

#[tokio::test]
async fn deletion_takes_exactly_one_gun() {
    let server = TestServer::start().await;
    server.published("a").await;
    server.published("a/b").await;
    server.request("DELETE", "/v2/a/_trust/tuf/").await.ok();
    server.file("a/b", "root.json").await.ok();
    assert_eq!(
        server.file("a", "root.json").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_damaged_root_is_a_fault_and_not_an_invitation() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    sqlx::query("UPDATE tuf_files SET data = 'x' WHERE role = 'root'")
        .execute(&server.pool)
        .await
        .unwrap();
    let fresh = server.sibling();
    let mut thief = fixtures::Publisher::new(GUN);
    let answer = fresh.publish(GUN, &thief.first_publish()).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let answer = fresh.file(GUN, "timestamp.key").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}
