//! Bodies that are too much, too little, or not what they say.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use fixtures::{Key, Part};
use http::{Request, StatusCode};
use http_body_util::StreamBody;
use tuf::{File, Gun, Limits, MetadataFormat, Role};

use crate::support::{Settings, TestServer};

const FORM: &str = "multipart/form-data; boundary=XX";

fn part(filename: &str, content: &str) -> String {
    format!(
        "--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{filename}\"\r\n\r\n{content}\r\n"
    )
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_with_a_reason_that_clients_show() {
    let server = TestServer::with(Settings {
        upload_bytes: 1000,
        ..Settings::default()
    })
    .await;
    let body = part("root", &" ".repeat(2000)) + "--XX--";
    let declared = server
        .post("a", Some(FORM), body.clone().into_bytes())
        .await;
    assert_eq!(declared.refusal(), "the body has more than 1000 bytes");
    let chunks = body
        .into_bytes()
        .chunks(100)
        .map(Bytes::copy_from_slice)
        .collect::<Vec<_>>();
    let stream = futures_util::stream::iter(
        chunks
            .into_iter()
            .map(|chunk| Ok::<_, std::io::Error>(http_body::Frame::data(chunk))),
    );
    let request = Request::post("/v2/a/_trust/tuf/")
        .header("content-type", FORM)
        .body(Body::new(StreamBody::new(stream)))
        .unwrap();
    let streamed = server.send(request).await;
    assert_eq!(streamed.status, StatusCode::BAD_REQUEST);
    assert_eq!(streamed.refusal(), "the body has more than 1000 bytes");
}

#[tokio::test]
async fn a_body_without_its_end_is_malformed() {
    let server = TestServer::start().await;
    for body in ["", "hello", "--XX\r\n", &(part("root", "{}") + "--XX\r\n")] {
        let answer = server.post("a", Some(FORM), body.as_bytes().to_vec()).await;
        assert_eq!(answer.error().0, "MALFORMED_UPLOAD", "{body:?}");
    }
}

#[tokio::test]
async fn too_many_parts_are_refused() {
    let server = TestServer::start().await;
    let mut body: String = (0..1001)
        .map(|n| part(&format!("targets/a{n}"), "{}"))
        .collect();
    body.push_str("--XX--");
    let answer = server.post("a", Some(FORM), body.into_bytes()).await;
    assert_eq!(answer.refusal(), "the update has more than 1000 parts");
}

#[tokio::test]
async fn deep_json_is_malformed_and_the_server_lives() {
    let server = TestServer::start().await;
    for open in ["[", "{\"a\":"] {
        let body = part("targets", &open.repeat(100_000)) + "--XX--";
        let answer = server.post("a", Some(FORM), body.into_bytes()).await;
        assert_eq!(answer.error().0, "MALFORMED_JSON");
    }
    server.get("/v2/").await.ok();
}

#[tokio::test]
async fn of_two_parts_for_one_role_the_last_counts() {
    let server = TestServer::start().await;
    let mut publisher = server.published("a").await;
    let good = publisher.next(&["targets"]);
    let junk = ("targets".to_owned(), b"{}".to_vec());
    let refused = server.publish("a", &[good[0].clone(), junk.clone()]).await;
    assert_eq!(refused.error().1, "ErrBadTargets");
    server.publish("a", &[junk, good[0].clone()]).await.ok();
}

#[tokio::test]
async fn an_uploaded_timestamp_is_looked_at_and_left_out() {
    let server = TestServer::start().await;
    let mut publisher = server.published("a").await;
    let mut parts = publisher.next(&["targets"]);
    parts.push((
        "timestamp".into(),
        b"{\"signed\":{\"version\":99}}".to_vec(),
    ));
    server.publish("a", &parts).await.ok();
    assert_eq!(server.version("a", "timestamp").await, 2);
}

#[tokio::test]
async fn a_targets_file_of_megabytes_is_taken() {
    let server = TestServer::with(Settings {
        upload_bytes: 16 << 20,
        ..Settings::default()
    })
    .await;
    let mut publisher = server.publisher("a").await;
    publisher.big_targets(10_000);
    server.publish("a", &publisher.first_publish()).await.ok();
    let current = server.file("a", "targets.json").await.ok();
    assert!(current.body.len() > 1 << 20);
}

#[tokio::test]
async fn a_file_beyond_the_limits_may_be_replaced_by_one_that_is_no_larger() {
    let limits = Limits {
        keys: 3,
        ..Limits::default()
    };
    let server = TestServer::with(Settings {
        limits,
        ..Settings::default()
    })
    .await;
    let mut publisher = server.publisher("a").await;
    let mut parts = publisher.first_publish();
    let refused = server.publish("a", &parts).await.refusal();
    let text = "root metadata cannot be published: signed.keys";
    assert!(
        refused.starts_with(text) && refused.ends_with("has more than 3 keys"),
        "{refused}"
    );
    parts.extend(publisher.as_server());
    let file = |(role, bytes): Part| {
        File::parse(
            MetadataFormat::NOTARY,
            Role::parse(&role).unwrap(),
            bytes.into(),
        )
    };
    let files: Vec<File> = parts.into_iter().map(|part| file(part).unwrap()).collect();
    let gun = Gun::parse("a").unwrap();
    let stored = server
        .app
        .repositories
        .store
        .publish(&gun, None, &files, server.now());
    stored.await.unwrap();

    server.publish("a", &publisher.next(&["root"])).await.ok();

    let more = Key::throw_away_ecdsa();
    let own = publisher.targets.signers[0].public().clone();
    publisher.name_keys("targets", &[&own, more.public()], 1);
    let refused = server.publish("a", &publisher.next(&["root"])).await;
    assert!(refused.refusal().ends_with("has more than 4 keys"));
}

#[tokio::test]
async fn a_snapshot_lists_a_bounded_number_of_files() {
    let limits = Limits {
        meta_files: 3,
        ..Limits::default()
    };
    let server = TestServer::with(Settings {
        limits,
        ..Settings::default()
    })
    .await;
    let mut publisher = server.published("a").await;
    for name in ["one", "two"] {
        publisher.delegate("targets", name, &[Key::throw_away_ecdsa()], &[""], 1);
    }
    server
        .publish("a", &publisher.next(&["targets", "targets/one"]))
        .await
        .ok();
    let refused = server.publish("a", &publisher.next(&["targets/two"])).await;
    assert_eq!(
        refused.refusal(),
        "the snapshot would list more than 3 files"
    );
    server
        .publish("a", &publisher.next(&["targets/one"]))
        .await
        .ok();
}

/// An upload of which nothing comes after these bytes.
fn stalled(path: &str, beginning: &'static [u8]) -> Request<Body> {
    let started = futures_util::stream::iter([Ok::<_, std::io::Error>(http_body::Frame::data(
        Bytes::from_static(beginning),
    ))]);
    let body = StreamBody::new(futures_util::StreamExt::chain(
        started,
        futures_util::stream::pending(),
    ));
    Request::post(path)
        .header("content-type", FORM)
        .body(Body::new(body))
        .unwrap()
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_given_up() {
    let server = TestServer::with(Settings {
        slow_start: Duration::from_millis(100),
        ..Settings::default()
    })
    .await;
    let answer = server.send(stalled("/v2/a/_trust/tuf/", b"--XX")).await;
    assert_eq!(answer.error().0, "MALFORMED_UPLOAD");
}

#[tokio::test]
async fn bodies_that_never_end_hold_up_others_only_by_what_they_have_sent() {
    let server = TestServer::start().await;
    let stalled = (0..16).map(|_| server.send(stalled("/v2/a/_trust/tuf/", b"--XX")));
    let stalled = futures_util::future::join_all(stalled);
    let honest = async {
        let mut publisher = server.published("b").await;
        server
            .publish("b", &publisher.next(&["targets"]))
            .await
            .ok();
    };
    tokio::select! {
        _ = stalled => panic!("a body that does not end was answered"),
        () = honest => {}
    }
}
