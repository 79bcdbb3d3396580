//! What every store does, whatever the database behind it. Shared with the tests that have
//! PostgreSQL and MariaDB at hand.

use std::{sync::Arc, time::Instant};

use fixtures::hang_up;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;
use trust::store::{Head, Page, StoreError, TrustStore};
use tuf::{File, Gun, MetadataFormat, Role};

/// Makes a test of each behaviour by the macro named, which is given its name.
macro_rules! each_behaviour {
    ($test:ident) => {
        $test!(a_publish_is_all_or_nothing);
        $test!(a_lower_version_is_refused_even_if_it_is_free);
        $test!(a_version_beyond_the_column_is_refused);
        $test!(files_come_back_with_their_bytes_and_their_time);
        $test!(a_deletion_is_fed_once);
        $test!(guns_are_walked_in_pages_with_the_age_of_their_newest_timestamp);
        $test!(the_feed_is_read_in_pages_both_ways);
        $test!(those_who_ask_for_the_same_take_turns);
        $test!(names_are_told_apart_letter_by_letter);
        $test!(names_of_every_kind_are_kept_or_refused_but_never_altered);
        $test!(of_rivals_for_a_version_exactly_one_wins);
        $test!(publishes_of_different_guns_do_not_hinder_each_other);
        $test!(a_publish_that_builds_on_what_was_deleted_is_refused);
        $test!(a_publish_that_builds_on_another_timestamp_than_the_newest_is_refused);
        $test!(versions_are_found_by_the_one_after_them);
        $test!(a_deletion_beside_a_publish_leaves_no_half_of_it);
        $test!(a_caller_that_hangs_up_leaves_nothing_behind);
    };
}
pub(crate) use each_behaviour;

fn gun(name: &str) -> Gun {
    Gun::parse(name).unwrap()
}

fn file(role: &Role, version: i64) -> File {
    let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role}"}}}}"#);
    File::parse(MetadataFormat::NOTARY, role.clone(), bytes.into()).unwrap()
}

/// Publishes on top of whatever is the newest timestamp.
pub(crate) async fn publish(
    store: &dyn TrustStore,
    gun: &Gun,
    files: &[File],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let base = store.head(gun).await?;
    store.publish(gun, base.as_ref(), files, now).await
}

/// Root, targets and timestamp of one version.
fn set(version: i64) -> Vec<File> {
    [Role::Root, Role::Targets, Role::Timestamp]
        .map(|role| file(&role, version))
        .into()
}

/// What is fed about a GUN, or about all: version and category.
async fn fed(store: &Arc<dyn TrustStore>, about: Option<&Gun>) -> Vec<(i64, String)> {
    let page = Page::After { id: 0, limit: 99 };
    let changes = store.changes(about, page).await.unwrap();
    changes
        .into_iter()
        .map(|change| (change.version, change.category))
        .collect()
}

/// Whether a time came back as exactly as the database keeps it: whole seconds at least, and never
/// later than it was.
fn is_about(found: OffsetDateTime, written: OffsetDateTime) -> bool {
    found <= written && written - found < Duration::SECOND
}

pub(crate) async fn a_publish_is_all_or_nothing(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    let first = [
        file(&Role::Root, 1),
        file(&Role::Targets, 5),
        file(&Role::Timestamp, 1),
    ];
    publish(&*store, &gun("a"), &first, now).await.unwrap();

    let second = [
        file(&Role::Root, 2),
        file(&Role::Targets, 5),
        file(&Role::Timestamp, 2),
    ];
    let outcome = publish(&*store, &gun("a"), &second, now).await;

    assert!(matches!(
        outcome,
        Err(StoreError::VersionExists(Role::Targets))
    ));
    assert!(
        store
            .by_version(&gun("a"), &Role::Root, 2)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.head(&gun("a")).await.unwrap().unwrap().version, 1);
    assert_eq!(
        store
            .changes(None, Page::After { id: 0, limit: 9 })
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(crate) async fn a_lower_version_is_refused_even_if_it_is_free(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    publish(&*store, &gun("a"), &[file(&Role::Targets, 5)], now)
        .await
        .unwrap();
    let outcome = publish(&*store, &gun("a"), &[file(&Role::Targets, 3)], now).await;
    assert!(matches!(
        outcome,
        Err(StoreError::VersionExists(Role::Targets))
    ));
}

pub(crate) async fn a_version_beyond_the_column_is_refused(store: Arc<dyn TrustStore>) {
    let too_high = [file(&Role::Targets, i64::from(i32::MAX) + 1)];
    let outcome = publish(&*store, &gun("a"), &too_high, fixtures::clock()).await;
    assert!(matches!(outcome, Err(StoreError::VersionExists(_))));
}

pub(crate) async fn files_come_back_with_their_bytes_and_their_time(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock() + Duration::nanoseconds(123_456_789);
    let root = file(&Role::Root, 1);
    publish(&*store, &gun("a"), std::slice::from_ref(&root), now)
        .await
        .unwrap();
    let sum = root.checksums().sha256;
    for found in [
        store
            .by_checksum(&gun("a"), &Role::Root, &sum)
            .await
            .unwrap()
            .unwrap(),
        store
            .by_version(&gun("a"), &Role::Root, 1)
            .await
            .unwrap()
            .unwrap(),
    ] {
        assert_eq!(&found.bytes, root.bytes());
        assert!(is_about(found.created_at, now), "{}", found.created_at);
    }
    assert!(
        store
            .by_checksum(&gun("b"), &Role::Root, &sum)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .by_checksum(&gun("a"), &Role::Targets, &sum)
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn a_deletion_is_fed_once(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    publish(&*store, &gun("a"), &[file(&Role::Timestamp, 1)], now)
        .await
        .unwrap();
    assert!(store.delete(&gun("a"), now).await.unwrap());
    assert!(!store.delete(&gun("a"), now).await.unwrap());
    let fed = store
        .changes(Some(&gun("a")), Page::After { id: 0, limit: 9 })
        .await
        .unwrap();
    let categories: Vec<&str> = fed.iter().map(|change| change.category.as_str()).collect();
    assert_eq!(categories, ["update", "deletion"]);
    assert!(store.head(&gun("a")).await.unwrap().is_none());
}

pub(crate) async fn guns_are_walked_in_pages_with_the_age_of_their_newest_timestamp(
    store: Arc<dyn TrustStore>,
) {
    let now = fixtures::clock();
    for name in ["a", "b", "c"] {
        publish(&*store, &gun(name), &[file(&Role::Timestamp, 1)], now)
            .await
            .unwrap();
    }
    let later = now + Duration::days(1);
    publish(&*store, &gun("b"), &[file(&Role::Timestamp, 2)], later)
        .await
        .unwrap();
    let first = store.timestamps("", 2).await.unwrap();
    let seen: Vec<_> = first
        .iter()
        .map(|aging| (aging.name.as_str(), aging.created_at))
        .collect();
    assert_eq!(seen, [("a", now), ("b", later)]);
    let rest = store.timestamps("b", 2).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].gun, Some(gun("c")));
}

/// Questions that differ in nothing but who asks share their prepared statements.
pub(crate) async fn those_who_ask_for_the_same_take_turns(store: Arc<dyn TrustStore>) {
    let (now, name) = (fixtures::clock(), gun("a"));
    let timestamp = [file(&Role::Timestamp, 1)];
    publish(&*store, &name, &timestamp, now).await.unwrap();
    for _ in 0..3 {
        let page = Page::After { id: 0, limit: 9 };
        let lines = store.changes(None, page).await.unwrap();
        assert_eq!(store.changes_from(1, 9).await.unwrap(), lines);
        let found = store.by_version(&name, &Role::Timestamp, 1).await.unwrap();
        let before = store.before_version(&name, &Role::Timestamp, 2).await;
        assert_eq!(before.unwrap().unwrap().bytes, found.unwrap().bytes);
    }
}

pub(crate) async fn the_feed_is_read_in_pages_both_ways(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    for version in 1..=3 {
        for name in ["a", "b"] {
            let timestamp = [file(&Role::Timestamp, version)];
            publish(&*store, &gun(name), &timestamp, now).await.unwrap();
        }
    }
    let all = store
        .changes(None, Page::After { id: 0, limit: 99 })
        .await
        .unwrap();
    let ids: Vec<i64> = all.iter().map(|change| change.id).collect();
    assert!(ids.is_sorted() && ids.len() == 6, "{ids:?}");
    let third = i32::try_from(ids[2]).unwrap();
    let page = async |about: Option<&str>, page| -> Vec<i64> {
        let about = about.map(gun);
        let changes = store.changes(about.as_ref(), page).await.unwrap();
        changes.into_iter().map(|change| change.id).collect()
    };
    let after = |limit| Page::After { id: third, limit };
    let before = |id, limit| Page::Before { id, limit };
    assert_eq!(page(None, after(2)).await, ids[3..5]);
    assert_eq!(page(Some("b"), after(9)).await, [ids[3], ids[5]]);
    assert_eq!(page(None, before(Some(third), 1)).await, [ids[1]]);
    assert_eq!(page(None, before(None, 2)).await, ids[4..]);
    assert_eq!(page(Some("a"), before(None, 2)).await, [ids[2], ids[4]]);
}

pub(crate) async fn names_are_told_apart_letter_by_letter(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    let (stored, twin) = (gun("ex.com/a"), gun("Ex.com/A"));
    publish(&*store, &stored, &set(1), now).await.unwrap();
    let sum = file(&Role::Root, 1).checksums().sha256;
    assert!(store.head(&twin).await.unwrap().is_none());
    assert!(
        store
            .by_checksum(&twin, &Role::Root, &sum)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .by_version(&twin, &Role::Root, 1)
            .await
            .unwrap()
            .is_none()
    );
    assert!(fed(&store, Some(&twin)).await.is_empty());
    assert!(!store.delete(&twin, now).await.unwrap());

    // A database whose unique key takes one for the other says so instead of mixing them.
    match publish(&*store, &twin, &set(1), now).await {
        Ok(()) => assert_eq!(fed(&store, Some(&twin)).await.len(), 1),
        Err(StoreError::OtherSpelling(name)) => {
            assert_eq!(name, "ex.com/a");
            assert!(store.head(&twin).await.unwrap().is_none());
        }
        Err(error) => panic!("{error}"),
    }
    assert_eq!(store.head(&stored).await.unwrap().unwrap().version, 1);
    assert_eq!(fed(&store, Some(&stored)).await.len(), 1);
}

pub(crate) async fn names_of_every_kind_are_kept_or_refused_but_never_altered(
    store: Arc<dyn TrustStore>,
) {
    let now = fixtures::clock();
    let long = "é".repeat(255);
    for name in ["ünïcode/Größe", "emoji/🐳", "a/b ", "a\\b'c\"d%_e", &long] {
        let gun = gun(name);
        match publish(&*store, &gun, &set(1), now).await {
            Ok(()) => {
                assert_eq!(
                    store.head(&gun).await.unwrap().unwrap().version,
                    1,
                    "{name}"
                );
                let walked = store.timestamps("", 99).await.unwrap();
                assert!(walked.iter().any(|aging| aging.name == name), "{name}");
                assert!(store.delete(&gun, now).await.unwrap(), "{name}");
            }
            Err(StoreError::Unstorable) => {
                assert!(store.head(&gun).await.unwrap().is_none(), "{name}");
                assert!(!store.delete(&gun, now).await.unwrap(), "{name}");
                assert!(store.timestamps("", 99).await.unwrap().is_empty(), "{name}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

pub(crate) async fn of_rivals_for_a_version_exactly_one_wins(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    publish(&*store, &gun("a"), &set(1), now).await.unwrap();
    let mut rivals = JoinSet::new();
    for rival in 0..12 {
        let store = store.clone();
        rivals.spawn(async move {
            let targets = format!(r#"{{"signed":{{"version":2,"rival":{rival}}}}}"#);
            let targets =
                File::parse(MetadataFormat::NOTARY, Role::Targets, targets.into()).unwrap();
            let files = [targets, file(&Role::Timestamp, 2)];
            publish(&*store, &gun("a"), &files, now).await
        });
    }
    let outcomes = rivals.join_all().await;
    let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(winners, 1, "{outcomes:?}");
    for outcome in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(outcome, StoreError::VersionExists(_)), "{outcome}");
    }
    assert_eq!(fed(&store, Some(&gun("a"))).await.len(), 2);
}

pub(crate) async fn publishes_of_different_guns_do_not_hinder_each_other(
    store: Arc<dyn TrustStore>,
) {
    let now = fixtures::clock();
    let mut publishes = JoinSet::new();
    for number in 0..12 {
        let store = store.clone();
        publishes.spawn(async move {
            for version in 1..=3 {
                let gun = gun(&format!("ex.com/{number}"));
                publish(&*store, &gun, &set(version), now).await.unwrap();
            }
        });
    }
    publishes.join_all().await;
    assert_eq!(fed(&store, None).await.len(), 36);
}

pub(crate) async fn a_publish_that_builds_on_what_was_deleted_is_refused(
    store: Arc<dyn TrustStore>,
) {
    let now = fixtures::clock();
    publish(&*store, &gun("a"), &set(1), now).await.unwrap();
    let base = store.head(&gun("a")).await.unwrap();
    store.delete(&gun("a"), now).await.unwrap();
    let late = [file(&Role::Targets, 2), file(&Role::Timestamp, 2)];
    let outcome = store.publish(&gun("a"), base.as_ref(), &late, now).await;
    assert!(matches!(outcome, Err(StoreError::Moved)), "{outcome:?}");
    assert!(store.head(&gun("a")).await.unwrap().is_none());
}

pub(crate) async fn a_publish_that_builds_on_another_timestamp_than_the_newest_is_refused(
    store: Arc<dyn TrustStore>,
) {
    let now = fixtures::clock();
    publish(&*store, &gun("a"), &set(1), now).await.unwrap();
    let first = store.head(&gun("a")).await.unwrap();
    let of_late = [file(&Role::Targets, 2), file(&Role::Timestamp, 2)];
    let late = async |base: Option<&Head>| store.publish(&gun("a"), base, &of_late, now).await;

    // One of the same version, in a repository that was made again.
    store.delete(&gun("a"), now).await.unwrap();
    let other = br#"{"signed":{"version":1,"salt":"other"}}"#;
    let other = File::parse(
        MetadataFormat::NOTARY,
        Role::Timestamp,
        other.as_slice().into(),
    )
    .unwrap();
    publish(&*store, &gun("a"), &[file(&Role::Root, 1), other], now)
        .await
        .unwrap();
    let second = store.head(&gun("a")).await.unwrap();
    let outcome = late(first.as_ref()).await;
    assert!(matches!(outcome, Err(StoreError::Moved)), "{outcome:?}");

    // None at all.
    let outcome = late(None).await;
    assert!(matches!(outcome, Err(StoreError::Moved)), "{outcome:?}");

    // One that is no longer the newest, although every version is free.
    let renewed = [file(&Role::Timestamp, 2)];
    publish(&*store, &gun("a"), &renewed, now).await.unwrap();
    let late = [file(&Role::Targets, 2), file(&Role::Timestamp, 3)];
    let outcome = store.publish(&gun("a"), second.as_ref(), &late, now).await;
    assert!(matches!(outcome, Err(StoreError::Moved)), "{outcome:?}");

    assert_eq!(store.head(&gun("a")).await.unwrap().unwrap().version, 2);
    let targets = store.by_version(&gun("a"), &Role::Targets, 2).await;
    assert!(targets.unwrap().is_none());
}

pub(crate) async fn versions_are_found_by_the_one_after_them(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    for version in [1, 4] {
        publish(&*store, &gun("a"), &set(version), now)
            .await
            .unwrap();
    }
    let before = async |version| {
        let found = store
            .before_version(&gun("a"), &Role::Targets, version)
            .await;
        found.unwrap().map(|file| file.bytes)
    };
    assert_eq!(before(1).await, None);
    assert_eq!(
        before(4).await.as_ref(),
        Some(file(&Role::Targets, 1).bytes())
    );
    assert_eq!(
        before(i64::MAX).await.as_ref(),
        Some(file(&Role::Targets, 4).bytes())
    );
}

pub(crate) async fn a_deletion_beside_a_publish_leaves_no_half_of_it(store: Arc<dyn TrustStore>) {
    let now = fixtures::clock();
    for round in 0..8 {
        let gun = gun(&format!("ex.com/{round}"));
        publish(&*store, &gun, &set(1), now).await.unwrap();
        let base = store.head(&gun).await.unwrap();
        let update = [file(&Role::Targets, 2), file(&Role::Timestamp, 2)];
        let (published, deleted) = tokio::join!(
            store.publish(&gun, base.as_ref(), &update, now),
            store.delete(&gun, now)
        );
        assert!(deleted.unwrap());
        assert!(
            matches!(&published, Ok(()) | Err(StoreError::Moved)),
            "{published:?}"
        );
        assert!(store.head(&gun).await.unwrap().is_none());
        assert!(
            store
                .by_version(&gun, &Role::Targets, 2)
                .await
                .unwrap()
                .is_none()
        );
    }
}

pub(crate) async fn a_caller_that_hangs_up_leaves_nothing_behind(store: Arc<dyn TrustStore>) {
    // How often they have to be polled depends on how fast the database is.
    let mut met = 0;
    for pass in 0..4 {
        met += hang_up_at_every_point(&*store, pass).await;
    }
    assert!(met > 2, "only {met} await points were met");
}

/// Gives up publishes, reads and deletions at ever later await points; says how many there were.
async fn hang_up_at_every_point(store: &dyn TrustStore, pass: usize) -> usize {
    let now = fixtures::clock();
    let mut left = 0;
    loop {
        let gun = gun(&format!("hung-up/{pass}/{left}"));
        let start = Instant::now();
        let published = hang_up(store.publish(&gun, None, &set(1), now), left).await;
        let read = hang_up(store.head(&gun), left).await;
        let page = Page::After { id: 0, limit: 9 };
        let listed = hang_up(store.changes(None, page), left).await;
        match publish(store, &gun, &set(1), now).await {
            // The first may have been done although its answer was lost.
            Ok(()) | Err(StoreError::VersionExists(_)) => {}
            Err(error) => panic!("await point {left}: {error}"),
        }
        let deleted = hang_up(store.delete(&gun, now), left).await;
        // Either it is gone, or all of it is there. The database may still commit the deletion that
        // its caller gave up, so the root counts only between two equal answers about the head.
        let is_there = loop {
            let before = store.head(&gun).await.unwrap().is_some();
            let root = store.by_version(&gun, &Role::Root, 1).await.unwrap();
            if store.head(&gun).await.unwrap().is_some() == before {
                assert_eq!(root.is_some(), before, "half a deletion");
                break before;
            }
        };
        if !is_there {
            publish(store, &gun, &set(1), now).await.unwrap();
        }
        let elapsed = start.elapsed();
        assert!(elapsed.as_secs() < 8, "it waited for a lock: {elapsed:?}");
        if published.is_some() && read.is_some() && listed.is_some() && deleted.is_some() {
            return left;
        }
        left += 1;
    }
}
