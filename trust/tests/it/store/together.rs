//! Publishes that wait for the one writer of an embedded database are committed together.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use trust::store::{Page, StoreError, TrustStore};
use tuf::{File, Gun, Role};

use super::{file, gun, store_in};

/// How many transactions the write-ahead log of the store in `folder` holds: frames that say how
/// large the database is after them (<https://sqlite.org/fileformat2.html#walformat>).
fn commits(folder: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24;
    let log = std::fs::read(folder.join("server.db-wal")).unwrap();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let page = number(&log[8..12]) as usize;
    log[HEADER..]
        .chunks_exact(FRAME + page)
        .filter(|frame| frame[8..16] == log[16..24])
        .filter(|frame| number(&frame[4..8]) != 0)
        .count()
}

fn set(version: i64) -> Vec<File> {
    [Role::Root, Role::Targets, Role::Timestamp]
        .map(|role| file(&role, version))
        .into()
}

#[tokio::test]
async fn publishes_that_wait_at_the_same_time_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path()).await;
    let guns: Vec<Gun> = (0..40)
        .map(|number| gun(&format!("ex.com/{number}")))
        .collect();
    let (now, files) = (fixtures::clock(), set(1));
    // The first write may begin the log again, without the transactions that made the tables.
    let first = gun("ex.com/first");
    store.publish(&first, None, &files, now).await.unwrap();
    let before = commits(folder.path());

    let all = guns.iter().map(|gun| store.publish(gun, None, &files, now));
    let outcomes = join_all(all).await;

    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(commits(folder.path()) - before, 1);
    let page = Page::After { id: 0, limit: 99 };
    assert_eq!(store.changes(None, page).await.unwrap().len(), 41);
}

#[tokio::test]
async fn one_that_is_refused_takes_back_its_own_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_in(folder.path()).await;
    let now = fixtures::clock();
    let taken = gun("ex.com/taken");
    store.publish(&taken, None, &set(1), now).await.unwrap();
    let base = store.head(&taken).await.unwrap();
    // The store finds out about its second file after it has added none, or the first.
    let late = [
        file(&Role::Root, 2),
        file(&Role::Targets, 1),
        file(&Role::Timestamp, 2),
    ];
    let (before, after) = (gun("ex.com/before"), gun("ex.com/later"));
    let (files, rival) = (set(1), set(2));

    let (first, refused, won, beaten, latest) = tokio::join!(
        store.publish(&before, None, &files, now),
        store.publish(&taken, base.as_ref(), &late, now),
        store.publish(&taken, base.as_ref(), &rival, now),
        store.publish(&taken, base.as_ref(), &rival, now),
        store.publish(&after, None, &files, now),
    );

    assert!(first.is_ok() && won.is_ok() && latest.is_ok());
    for refused in [refused, beaten] {
        assert!(
            matches!(refused, Err(StoreError::VersionExists(_))),
            "{refused:?}"
        );
    }
    for (gun, version) in [(&before, 1), (&taken, 2), (&after, 1)] {
        assert_eq!(store.head(gun).await.unwrap().unwrap().version, version);
        let root = store.by_version(gun, &Role::Root, i32::try_from(version).unwrap());
        assert_eq!(root.await.unwrap().unwrap().bytes, set(version)[0].bytes());
    }
    let page = Page::After { id: 0, limit: 99 };
    assert_eq!(store.changes(None, page).await.unwrap().len(), 4);
}

/// How many repositories the program below publishes at a time.
const WRITERS: usize = 8;

#[tokio::test]
async fn a_killed_program_loses_no_publish_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::together::publishes_until_it_is_killed"])
        .args(["--ignored", "--nocapture"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let acknowledged: Vec<(String, i64)> = lines
        .filter_map(|line| {
            let line = line.unwrap();
            let (gun, version) = line.strip_prefix("published ")?.split_once(' ')?;
            Some((gun.to_owned(), version.parse().unwrap()))
        })
        .take(200)
        .collect();
    program.kill().unwrap();
    program.wait().unwrap();

    assert_eq!(acknowledged.len(), 200);
    let store = store_in(folder.path()).await;
    for (name, version) in acknowledged {
        let newest = store.head(&gun(&name)).await.unwrap().unwrap().version;
        assert!(newest >= version, "{name} {version}");
    }
    for writer in 0..WRITERS {
        let gun = gun(&format!("ex.com/{writer}"));
        let head = store.head(&gun).await.unwrap();
        for version in 1..=head.map_or(0, |head| head.version) {
            for file in set(version) {
                let number = i32::try_from(version).unwrap();
                let stored = store.by_version(&gun, file.role(), number).await.unwrap();
                assert_eq!(&stored.unwrap().bytes, file.bytes(), "a half publish");
            }
        }
    }
}

#[tokio::test]
#[ignore = "it is the program that another test kills"]
async fn publishes_until_it_is_killed() {
    let store = store_in(Path::new(".")).await;
    let now = fixtures::clock();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store: Arc<dyn TrustStore> = Arc::clone(&store);
        writers.spawn(async move {
            let gun = gun(&format!("ex.com/{writer}"));
            for version in 1..1000 {
                let base = store.head(&gun).await.unwrap();
                let files = set(version);
                store
                    .publish(&gun, base.as_ref(), &files, now)
                    .await
                    .unwrap();
                println!("published {gun} {version}");
            }
        });
    }
    writers.join_all().await;
}
