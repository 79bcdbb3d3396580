//! What every store has to do, and that no statement of the SQL store reads a whole table.

use std::sync::Arc;

use server::store::{Page, SqlStore, StoreError, TrustStore, statements};
use sqlx::{AssertSqlSafe, Row as _};
use time::Duration;
use tuf::{File, Gun, Role};

use crate::support::memory_pool;

fn gun(name: &str) -> Gun {
    Gun::parse(name).unwrap()
}

fn file(role: &Role, version: i64) -> File {
    let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role}"}}}}"#);
    File::parse(role.clone(), bytes.into()).unwrap()
}

async fn store() -> Arc<dyn TrustStore> {
    Arc::new(SqlStore::new(memory_pool().await))
}

#[tokio::test]
async fn a_publish_is_all_or_nothing() {
    let store = store().await;
    let now = fixtures::clock();
    let first = [
        file(&Role::Root, 1),
        file(&Role::Targets, 5),
        file(&Role::Timestamp, 1),
    ];
    store.publish(&gun("a"), &first, now).await.unwrap();

    let second = [
        file(&Role::Root, 2),
        file(&Role::Targets, 5),
        file(&Role::Timestamp, 2),
    ];
    let outcome = store.publish(&gun("a"), &second, now).await;

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

#[tokio::test]
async fn a_lower_version_is_refused_even_if_it_is_free() {
    let store = store().await;
    let now = fixtures::clock();
    store
        .publish(&gun("a"), &[file(&Role::Targets, 5)], now)
        .await
        .unwrap();
    let outcome = store
        .publish(&gun("a"), &[file(&Role::Targets, 3)], now)
        .await;
    assert!(matches!(
        outcome,
        Err(StoreError::VersionExists(Role::Targets))
    ));
}

#[tokio::test]
async fn a_version_beyond_the_column_is_refused() {
    let store = store().await;
    let too_high = [file(&Role::Targets, i64::from(i32::MAX) + 1)];
    let outcome = store.publish(&gun("a"), &too_high, fixtures::clock()).await;
    assert!(matches!(outcome, Err(StoreError::VersionExists(_))));
}

#[tokio::test]
async fn files_come_back_with_their_bytes_and_their_time() {
    let store = store().await;
    let now = fixtures::clock() + Duration::nanoseconds(123_456_789);
    let root = file(&Role::Root, 1);
    store
        .publish(&gun("a"), std::slice::from_ref(&root), now)
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
        assert_eq!(found.created_at, now);
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

#[tokio::test]
async fn a_deletion_is_fed_once() {
    let store = store().await;
    let now = fixtures::clock();
    store
        .publish(&gun("a"), &[file(&Role::Timestamp, 1)], now)
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

#[tokio::test]
async fn guns_are_walked_in_pages_with_the_age_of_their_newest_timestamp() {
    let store = store().await;
    let now = fixtures::clock();
    for name in ["a", "b", "c"] {
        store
            .publish(&gun(name), &[file(&Role::Timestamp, 1)], now)
            .await
            .unwrap();
    }
    let later = now + Duration::days(1);
    store
        .publish(&gun("b"), &[file(&Role::Timestamp, 2)], later)
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

#[tokio::test]
async fn a_row_that_others_marked_deleted_is_not_read_but_keeps_its_version() {
    let pool = memory_pool().await;
    let store = SqlStore::new(pool.clone());
    let now = fixtures::clock();
    store
        .publish(&gun("a"), &[file(&Role::Timestamp, 1)], now)
        .await
        .unwrap();
    sqlx::query("UPDATE tuf_files SET deleted_at = created_at")
        .execute(&pool)
        .await
        .unwrap();
    assert!(store.head(&gun("a")).await.unwrap().is_none());
    let again = store
        .publish(&gun("a"), &[file(&Role::Timestamp, 1)], now)
        .await;
    assert!(matches!(again, Err(StoreError::VersionExists(_))));
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let pool = memory_pool().await;
    for statement in statements::ALL {
        let plan: Vec<String> =
            sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                .fetch_all(&pool)
                .await
                .unwrap()
                .iter()
                .map(|row| row.get("detail"))
                .collect();
        for step in &plan {
            // The page of GUNs that a walk has found is read as a whole; tables never are.
            let reads_a_table = step.starts_with("SCAN") && !step.ends_with("newest");
            assert!(!reads_a_table, "{statement}\n{plan:#?}");
            assert!(!step.contains("TEMP B-TREE"), "{statement}\n{plan:#?}");
        }
    }
}
