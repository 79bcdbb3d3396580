//! Publishes, renewals and deletions that meet each other, at the moments that matter.

mod interrupted;

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use audit_trail::Audit;
use fixtures::{Key, Publisher};
use http::StatusCode;
use interrupted::{Hold, Interrupted, Moment};
use time::Duration;

use crate::support::{Part, Settings, TestServer};

const GUN: &str = "docker.io/library/alpine";

/// Deletes the repository through `server`, and publishes one of other keys in its place.
async fn delete_and_make_again(server: &TestServer) -> Publisher {
    delete(server).await;
    server.published(GUN).await
}

async fn delete(server: &TestServer) {
    let path = format!("/v2/{GUN}/_trust/tuf/");
    server.request("DELETE", &path).await.ok();
}

/// That clients can follow the repository of `publisher`, to which nothing was added.
async fn is_untouched(server: &TestServer, publisher: &Publisher) {
    assert_eq!(server.version(GUN, "timestamp").await, 1);
    for role in ["timestamp", "snapshot"] {
        let file = server.file(GUN, &format!("{role}.json")).await.ok();
        assert!(publisher.trusts(role, &file.body), "{role}");
    }
    server.file(GUN, "root.json").await.ok();
    server.file(GUN, "targets.json").await.ok();
}

#[tokio::test]
async fn an_update_in_flight_does_not_reach_a_repository_that_was_made_again() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let sibling = server.sibling();
    publisher.add_target("targets", "v1", b"content");
    let parts = publisher.next(&["targets"]);

    server.signer.holds_next.store(true, Ordering::SeqCst);
    let meanwhile = async {
        server.signer.until_held().await;
        let second = delete_and_make_again(&sibling).await;
        server.signer.release();
        second
    };
    let (answer, second) = tokio::join!(server.publish(GUN, &parts), meanwhile);

    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert_eq!(answer.error().1, "ErrBadTargets");
    is_untouched(&sibling, &second).await;
}

#[tokio::test]
async fn a_publish_goes_on_to_its_end_when_its_client_hangs_up() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    publisher.add_target("targets", "v1", b"content");
    let parts = publisher.next(&["targets"]);

    server.signer.holds_next.store(true, Ordering::SeqCst);
    tokio::select! {
        answer = server.publish(GUN, &parts) => panic!("the signer holds it: {}", answer.text()),
        () = server.signer.until_held() => {}
    }
    server.signer.release();

    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.version(GUN, "targets").await != 2 {
        assert!(tokio::time::Instant::now() < deadline, "it was given up");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// A server that writes its audit log into `file`, and waits after each deletion.
fn audited(server: &TestServer, file: &Path, hold: &Arc<Hold>) -> TestServer {
    let settings = Settings {
        audit: Audit::to_file(file).unwrap(),
        ..Settings::default()
    };
    server.sibling_with(settings, Interrupted::hold_deletions(hold.clone()))
}

/// Waits until the audit log in `file` has a line about `event`.
async fn await_line(file: &Path, event: &str) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while !std::fs::read_to_string(file).unwrap().contains(event) {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{event} is not told"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_deletion_is_written_down_though_its_client_hung_up() {
    let (folder, server) = (tempfile::tempdir().unwrap(), TestServer::start().await);
    let (file, hold) = (folder.path().join("audit.log"), Arc::default());
    server.published(GUN).await;
    let sibling = audited(&server, &file, &hold);

    tokio::select! {
        () = delete(&sibling) => panic!("the store holds it"),
        () = hold.until_held() => {}
    }
    hold.release();

    await_line(&file, r#""event":"delete""#).await;
}

#[tokio::test]
async fn a_key_is_written_down_though_its_client_hung_up() {
    let (folder, server) = (tempfile::tempdir().unwrap(), TestServer::start().await);
    let file = folder.path().join("audit.log");
    let sibling = audited(&server, &file, &Arc::default());
    server.signer.holds_next.store(true, Ordering::SeqCst);

    tokio::select! {
        answer = sibling.file(GUN, "timestamp.key") => panic!("it is held: {}", answer.text()),
        () = server.signer.until_held() => {}
    }
    server.signer.release();

    await_line(&file, r#""event":"key.create""#).await;
}

#[tokio::test]
async fn a_renewal_is_written_down_though_its_reader_hung_up() {
    let (folder, server) = (tempfile::tempdir().unwrap(), TestServer::start().await);
    let file = folder.path().join("audit.log");
    server.published(GUN).await;
    server.advance(Duration::days(15));
    let sibling = audited(&server, &file, &Arc::default());
    sibling.advance(Duration::days(15));
    server.signer.holds_next.store(true, Ordering::SeqCst);

    tokio::select! {
        answer = sibling.file(GUN, "timestamp.json") => panic!("it is held: {}", answer.text()),
        () = server.signer.until_held() => {}
    }
    server.signer.release();

    await_line(&file, r#""event":"renew""#).await;
}

#[tokio::test]
async fn what_a_server_remembers_is_confirmed_before_an_update_is_refused() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let sibling = server.sibling();
    publisher.rotate("targets");
    let rotated = publisher.next(&["root", "targets"]);
    sibling.publish(GUN, &rotated).await.ok();

    // To the root that this server remembers, the new key is a stranger's.
    publisher.add_target("targets", "v1", b"content");
    let update = publisher.next(&["targets"]);
    server.publish(GUN, &update).await.ok();

    assert_eq!(sibling.version(GUN, "targets").await, 3);
}

#[tokio::test]
async fn what_a_server_remembers_is_confirmed_before_an_update_counts_as_stored() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    publisher.add_target("targets", "v1", b"content");
    let update = publisher.next(&["targets"]);
    for _ in 0..2 {
        server.publish(GUN, &update).await.ok();
    }
    delete(&server.sibling()).await;

    let answer = server.publish(GUN, &update).await;

    assert_eq!(answer.error().1, "ErrValidation", "{}", answer.text());
}

#[tokio::test]
async fn a_renewal_in_flight_does_not_reach_a_repository_that_was_made_again() {
    let server = TestServer::start().await;
    server.published(GUN).await;
    server.advance(Duration::days(15));
    let sibling = server.sibling();

    server.signer.holds_next.store(true, Ordering::SeqCst);
    let meanwhile = async {
        server.signer.until_held().await;
        let second = delete_and_make_again(&sibling).await;
        server.signer.release();
        second
    };
    let (answer, second) = tokio::join!(server.file(GUN, "timestamp.json"), meanwhile);

    assert!(second.trusts("timestamp", &answer.ok().body));
    is_untouched(&sibling, &second).await;
}

#[tokio::test]
async fn a_repository_that_goes_between_two_reads_of_it_is_a_new_one() {
    for moment in [
        Moment::File("timestamp"),
        Moment::File("snapshot"),
        Moment::File("root"),
        Moment::File("targets"),
    ] {
        let server = TestServer::start().await;
        let mut publisher = server.published(GUN).await;
        let update = publisher.next(&["targets"]);
        let reader = server.sibling_behind(Interrupted::once(moment));
        let answer = reader.publish(GUN, &update).await;
        assert_eq!(answer.error().1, "ErrValidation", "{}", answer.text());
        assert_eq!(
            answer.refusal(),
            "no pre-existing root and no root provided in update."
        );

        let server = TestServer::start().await;
        let mut publisher = server.published(GUN).await;
        let whole: Vec<Part> = publisher.next(&["root", "targets"]);
        let reader = server.sibling_behind(Interrupted::once(moment));
        reader.publish(GUN, &whole).await.ok();
        assert_eq!(server.version(GUN, "timestamp").await, 1);
    }
}

#[tokio::test]
async fn readers_of_a_repository_that_goes_find_nothing_and_no_fault() {
    for moment in [
        Moment::File("timestamp"),
        Moment::File("snapshot"),
        Moment::File("root"),
    ] {
        for file in ["timestamp.json", "snapshot.json", "root.json"] {
            let server = TestServer::start().await;
            server.published(GUN).await;
            let reader = server.sibling_behind(Interrupted::once(moment));
            let answer = reader.file(GUN, file).await;
            let is_read = matches!(
                (moment, file),
                (Moment::File("root"), "timestamp.json" | "snapshot.json")
            );
            let expected = if is_read {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            };
            assert_eq!(answer.status, expected, "{moment:?} {file}");
        }
        let server = TestServer::start().await;
        server.published(GUN).await;
        let reader = server.sibling_behind(Interrupted::once(moment));
        reader.file(GUN, "timestamp.key").await.ok();

        let server = TestServer::start().await;
        server.published(GUN).await;
        let reader = server.sibling_behind(Interrupted::once(moment));
        reader.advance(Duration::days(15));
        let answer = reader.file(GUN, "timestamp.json").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{moment:?}");
    }
}

#[tokio::test]
async fn an_update_that_always_comes_second_is_told_to_come_back() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let late = server.sibling_behind(Interrupted::always(Moment::Publish));
    let mut update = publisher.next(&["targets"]);
    // The server makes the timestamp even if the client sends one: its version is none of the
    // client's.
    update.push((
        "timestamp".into(),
        server.file(GUN, "timestamp.json").await.body,
    ));

    let answer = late.publish(GUN, &update).await;

    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.error().0, "UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), "1");
    server.publish(GUN, &update).await.ok();
}

#[tokio::test]
async fn delegates_on_several_servers_all_win() {
    const DELEGATES: usize = 8;
    const ROUNDS: usize = 4;
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let names: Vec<String> = (0..DELEGATES).map(|n| format!("d{n}")).collect();
    let roles: Vec<String> = names.iter().map(|name| format!("targets/{name}")).collect();
    for name in &names {
        publisher.delegate("targets", name, &[Key::throw_away_ecdsa()], &[""], 1);
    }
    let first: Vec<&str> = ["targets"]
        .into_iter()
        .chain(roles.iter().map(String::as_str))
        .collect();
    server.publish(GUN, &publisher.next(&first)).await.ok();
    let servers: Vec<TestServer> = (0..3).map(|_| server.sibling()).collect();
    let delegates = roles.iter().enumerate().map(|(at, role)| {
        let (server, mut publisher) = (&servers[at % servers.len()], publisher.clone());
        async move {
            for _ in 0..ROUNDS {
                server.publish(GUN, &publisher.next(&[role])).await.ok();
            }
        }
    });
    futures_util::future::join_all(delegates).await;
    let made = 2 + DELEGATES * ROUNDS;
    assert_eq!(usize::try_from(server.rows("changefeed").await), Ok(made));
}

#[tokio::test]
async fn the_same_update_again_is_no_conflict_while_it_is_current() {
    let server = TestServer::start().await;
    let mut publisher = server.publisher(GUN).await;
    let first = publisher.first_publish();
    server.publish(GUN, &first).await.ok();
    server.publish(GUN, &first).await.ok();
    let second = publisher.next(&["targets"]);
    server.publish(GUN, &second).await.ok();
    let signatures = server.signer.signatures.load(Ordering::SeqCst);
    server.sibling().publish(GUN, &second).await.ok();
    assert_eq!(server.signer.signatures.load(Ordering::SeqCst), signatures);
    assert_eq!(server.rows("changefeed").await, 2);

    // A file that was replaced since is a conflict, even beside one that is current.
    let answer = server.publish(GUN, &first).await;
    assert_eq!(answer.error().0, "VERSION");
    let root_again = [first[0].clone(), second[0].clone()];
    server.publish(GUN, &root_again).await.ok();
    // So are other bytes of the same version.
    let mut spaced = second;
    spaced[0].1.push(b' ');
    let answer = server.publish(GUN, &spaced).await;
    assert_eq!(answer.error().0, "VERSION");
    assert_eq!(server.rows("changefeed").await, 2);
}

#[tokio::test]
async fn the_same_update_at_two_servers_at_once_is_stored_once() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    let sibling = server.sibling();
    let parts = publisher.next(&["targets"]);
    server.signer.holds_next.store(true, Ordering::SeqCst);
    let meanwhile = async {
        server.signer.until_held().await;
        sibling.publish(GUN, &parts).await.ok();
        server.signer.release();
    };
    let (answer, ()) = tokio::join!(server.publish(GUN, &parts), meanwhile);
    answer.ok();
    assert_eq!(server.rows("changefeed").await, 2);
}
