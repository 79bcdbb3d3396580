//! Reading: which file answers which request, and what proxies are told about it.

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use ring::digest;
use server::config::MaxAge;

use crate::support::{Settings, TestServer};

const GUN: &str = "docker.io/library/alpine";

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

#[tokio::test]
async fn what_is_current_may_be_kept_for_minutes_and_what_is_named_by_checksum_for_long() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let current = server.file(GUN, "targets.json").await.ok();
    assert_eq!(
        current.header("cache-control"),
        "public, max-age=300, s-maxage=300, must-revalidate"
    );
    assert_eq!(current.header("content-type"), "text/plain; charset=utf-8");
    assert!(current.header("last-modified").ends_with(" GMT"));
    assert_eq!(current.header("pragma"), "");
    for file in [
        format!("targets.{}.json", sha256(&current.body)),
        "1.targets.json".into(),
    ] {
        let named = server.file(GUN, &file).await.ok();
        assert_eq!(
            named.header("cache-control"),
            "public, max-age=2592000, s-maxage=2592000"
        );
        assert_eq!(named.body, current.body);
    }
}

#[tokio::test]
async fn caching_can_be_turned_off() {
    let caching = MaxAge {
        current_metadata: 0,
        consistent_metadata: 0,
    };
    let server = TestServer::with(Settings {
        caching,
        ..Settings::default()
    })
    .await;
    server.published(GUN).await;
    for file in ["timestamp.json", "1.root.json"] {
        let answer = server.file(GUN, file).await.ok();
        assert_eq!(
            answer.header("cache-control"),
            "max-age=0, no-cache, no-store"
        );
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_ne!(answer.header("last-modified"), "");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_not_to_be_kept() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let absent = "ab".repeat(32);
    for file in [
        "targets/nope.json".into(),
        "0.root.json".into(),
        "2.root.json".into(),
        "2147483648.root.json".into(),
        format!("root.{absent}.json"),
    ] {
        let answer = server.file(GUN, &file).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{file}");
        assert_eq!(answer.error().0, "METADATA_NOT_FOUND");
        assert_eq!(answer.header("cache-control"), "");
    }
}

#[tokio::test]
async fn a_version_may_have_leading_zeros() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.file(GUN, "001.root.json").await.ok();
}

#[tokio::test]
async fn a_checksum_opens_only_the_gun_and_role_it_belongs_to() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.published("other").await;
    let root = sha256(&server.file(GUN, "root.json").await.ok().body);
    server.file(GUN, &format!("root.{root}.json")).await.ok();
    server
        .file(GUN, &format!("root.{}.json", root.to_uppercase()))
        .await
        .ok();
    for (gun, file) in [
        ("other", format!("root.{root}.json")),
        (GUN, format!("targets.{root}.json")),
    ] {
        assert_eq!(server.file(gun, &file).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn every_old_version_stays_readable() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let mut sums = vec![sha256(&server.file(GUN, "targets.json").await.ok().body)];
    for n in 0..5 {
        publisher.add_target("targets", &format!("v{n}"), b"content");
        server
            .publish(GUN, &publisher.next(&["targets"]))
            .await
            .ok();
        sums.push(sha256(&server.file(GUN, "targets.json").await.ok().body));
    }
    for (at, sum) in sums.iter().enumerate() {
        let by_sum = server.file(GUN, &format!("targets.{sum}.json")).await.ok();
        let by_version = server
            .file(GUN, &format!("{}.targets.json", at + 1))
            .await
            .ok();
        assert_eq!(by_sum.body, by_version.body);
    }
}

#[tokio::test]
async fn another_server_on_the_same_database_sees_a_publish_at_once() {
    let server = TestServer::start().await;
    let sibling = server.sibling();
    let mut publisher = server.published(GUN).await;
    assert_eq!(sibling.version(GUN, "targets").await, 1);
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();
    assert_eq!(sibling.version(GUN, "targets").await, 2);
    assert_eq!(sibling.version(GUN, "timestamp").await, 2);
}

#[tokio::test]
async fn a_deletion_by_another_server_is_seen_at_once() {
    let server = TestServer::start().await;
    let sibling = server.sibling();
    server.published(GUN).await;
    let sum = sha256(&sibling.file(GUN, "root.json").await.ok().body);
    let by_sum = format!("root.{sum}.json");
    sibling.file(GUN, &by_sum).await.ok();

    server
        .request("DELETE", &format!("/v2/{GUN}/_trust/tuf/"))
        .await
        .ok();

    for file in ["root.json", "1.root.json", &by_sum] {
        let answer = sibling.file(GUN, file).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{file}");
    }
}

#[tokio::test]
async fn a_role_newer_than_its_snapshot_is_not_current() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    sqlx::query(
        "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
         SELECT created_at, updated_at, gun, role, 9, 'x', data FROM tuf_files WHERE role = 'targets'",
    )
    .execute(&server.pool)
    .await
    .unwrap();
    assert_eq!(server.version(GUN, "targets").await, 1);
}

#[tokio::test]
async fn bytes_that_rotted_in_the_database_are_never_served() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    let sum = sha256(&server.file(GUN, "targets.json").await.ok().body);
    sqlx::query("UPDATE tuf_files SET data = CAST(data AS TEXT) || ' ' WHERE role = 'targets'")
        .execute(&server.pool)
        .await
        .unwrap();
    let fresh = server.sibling();
    for file in ["targets.json".into(), format!("targets.{sum}.json")] {
        let answer = fresh.file(GUN, &file).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{file}");
        assert_eq!(
            answer.text(),
            "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"unknown error\",\"detail\":{}}]}\n"
        );
    }
}

#[tokio::test]
async fn versions_are_served_from_one_copy_in_memory() {
    let server = TestServer::start().await;
    server.published("ex/app").await;
    // With the first poll a server forgets what it read before.
    server.file("ex/app", "timestamp.json").await.ok();
    let bytes_of = async |name: &str| {
        let path = format!("/v2/ex/app/_trust/tuf/{name}.json");
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = server::http::Endpoint::main(server.app.clone()).answer(request);
        let body = response.await.unwrap().into_body().collect().await.unwrap();
        body.to_bytes()
    };
    let targets = bytes_of("1.targets").await;
    assert!(targets.starts_with(b"{"));
    for name in ["1.targets", "targets"] {
        assert_eq!(bytes_of(name).await.as_ptr(), targets.as_ptr(), "{name}");
    }
    // A version from before checksums were written down is served all the same.
    sqlx::query("UPDATE tuf_files SET sha256 = NULL WHERE role = 'root'")
        .execute(&server.pool)
        .await
        .unwrap();
    assert!(bytes_of("1.root").await.starts_with(b"{"));
    let unknown = server.file("ex/app", "2.root.json").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn guns_outside_the_prefixes_do_not_exist() {
    let gun_prefixes = vec!["good/".to_owned(), "ok/sub/".to_owned()];
    let server = TestServer::with(Settings {
        gun_prefixes,
        ..Settings::default()
    })
    .await;
    server.published("good/app").await;
    for gun in ["bad/app", "good", "ok/app"] {
        let upload = server.publish(gun, &[]).await;
        assert_eq!(
            upload.text(),
            "{\"errors\":[{\"code\":\"INVALID_GUN\",\"message\":\"The server does not support actions on images of this name.\",\"detail\":\"Require GUNs with prefix: [good/ ok/sub/]\"}]}\n"
        );
        for (method, file) in [("GET", "root.json"), ("DELETE", "")] {
            let answer = server
                .request(method, &format!("/v2/{gun}/_trust/tuf/{file}"))
                .await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {gun}");
            let error = &answer.json()["errors"][0];
            assert_eq!(error["code"], "METADATA_NOT_FOUND");
            assert_eq!(error["detail"], "Require GUNs with prefix: [good/ ok/sub/]");
        }
        // Clients ask for a key before their first publish, and show the text of such a detail.
        for method in ["GET", "POST"] {
            let answer = server
                .request(method, &format!("/v2/{gun}/_trust/tuf/timestamp.key"))
                .await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {gun}");
            let expected = ("INVALID_GUN".to_owned(), "ErrValidation".to_owned());
            assert_eq!(answer.error(), expected);
            assert_eq!(
                answer.refusal(),
                "this server only accepts names that begin with [good/ ok/sub/]"
            );
        }
    }
    server.get("/v2/_trust/changefeed?records=1").await.ok();
    server.get("/v2/").await.ok();
}

#[tokio::test]
async fn a_gun_that_no_database_could_hold_is_not_found_and_cannot_be_written() {
    let server = TestServer::start().await;
    let long = "a".repeat(256);
    for gun in [long.as_str(), "nul%00byte"] {
        assert_eq!(
            server.file(gun, "root.json").await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(server.publish(gun, &[]).await.error().0, "INVALID_GUN");
        assert_eq!(
            server.file(gun, "timestamp.key").await.error().0,
            "INVALID_GUN"
        );
    }
}
