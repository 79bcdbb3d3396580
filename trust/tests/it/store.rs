//! The behaviour of stores on `SQLite`, what it shares with none, and that no statement of the SQL
//! store reads a whole table.

mod behaviour;
mod chains;
mod together;

use std::sync::Arc;

use behaviour::{each_behaviour, publish};
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _};
use time::Duration;
use trust::store::{self, Head, SqlStore, Storage, StoreError, TrustStore, statements};
use tuf::{File, Gun, MetadataFormat, Role};

use crate::support::memory_pool;

fn gun(name: &str) -> Gun {
    Gun::parse(name).unwrap()
}

fn file(role: &Role, version: i64) -> File {
    let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role}"}}}}"#);
    File::parse(MetadataFormat::NOTARY, role.clone(), bytes.into()).unwrap()
}

macro_rules! on_sqlite {
    ($behaviour:ident) => {
        #[tokio::test]
        async fn $behaviour() {
            let folder = tempfile::tempdir().unwrap();
            behaviour::$behaviour(store_in(folder.path()).await).await;
        }
    };
}

each_behaviour!(on_sqlite);

#[tokio::test]
async fn a_chain_is_moved_on_only_from_the_line_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage_in(folder.path());
    let connected = store::open_pool(&storage, database::OpenMode::MayCreate).await;
    let connected = connected.unwrap();
    assert!(store::chains::plan(&connected).await.unwrap().is_complete());
    chains::a_chain_is_moved_on_only_from_the_line_that_is_known(&connected).await;
}

/// A store in a file, which has more than one connection.
async fn store_in(folder: &std::path::Path) -> Arc<dyn TrustStore> {
    store::open(&storage_in(folder), database::OpenMode::MayCreate)
        .await
        .unwrap()
}

fn storage_in(folder: &std::path::Path) -> Storage {
    let file = folder.join("server.db");
    Storage {
        url: database::DatabaseUrl::parse(database::Backend::Sqlite, file.to_str().unwrap())
            .unwrap(),
        limits: database::PoolLimits::default(),
    }
}

#[tokio::test]
async fn times_are_kept_to_the_nanosecond() {
    let store = SqlStore::new(memory_pool().await);
    let now = fixtures::clock() + Duration::nanoseconds(123_456_789);
    let root = [file(&Role::Root, 1)];
    publish(&store, &gun("a"), &root, now).await.unwrap();
    let found = store.by_version(&gun("a"), &Role::Root, 1).await.unwrap();
    assert_eq!(found.unwrap().created_at, now);
}

#[tokio::test]
async fn missing_checksums_and_times_are_made_up_for() {
    let pool = memory_pool().await;
    let store = SqlStore::new(pool.clone());
    let now = fixtures::clock();
    let timestamp = [file(&Role::Timestamp, 1)];
    publish(&store, &gun("a"), &timestamp, now).await.unwrap();
    let sum = timestamp[0].checksums().sha256;
    for statement in [
        "UPDATE tuf_files SET sha256 = '', created_at = NULL",
        "UPDATE tuf_files SET sha256 = NULL",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
        assert_eq!(store.head(&gun("a")).await.unwrap().unwrap().sha256, sum);
        let found = store.by_checksum(&gun("a"), &Role::Timestamp, &sum).await;
        assert_eq!(&found.unwrap().unwrap().bytes, timestamp[0].bytes());
    }
    let other = store
        .by_checksum(&gun("a"), &Role::Timestamp, &[7; 32])
        .await;
    assert!(other.unwrap().is_none());
    assert_eq!(store.timestamps("", 9).await.unwrap().len(), 1);

    let next = [file(&Role::Timestamp, 2)];
    for (sha256, is_right) in [([7; 32], false), (sum, true)] {
        let base = Head {
            sha256,
            version: 1,
            format: MetadataFormat::NOTARY,
        };
        let outcome = store.publish(&gun("a"), Some(&base), &next, now).await;
        assert_eq!(outcome.is_ok(), is_right, "{outcome:?}");
        assert!(is_right || matches!(outcome, Err(StoreError::Moved)));
    }
}

#[tokio::test]
async fn a_database_that_gorm_made_is_taken_over_with_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("server.db");
    let pool = database::connect_sqlite(url.to_str().unwrap())
        .await
        .unwrap();
    for statement in [
        r#"CREATE TABLE "tuf_files" ("id" integer primary key autoincrement,"created_at" datetime,"updated_at" datetime,"deleted_at" datetime,"gun" varchar(255) NOT NULL,"role" varchar(255) NOT NULL,"version" integer NOT NULL,"sha256" varchar(64),"data" longblob NOT NULL )"#,
        r#"CREATE INDEX idx_tuf_files_deleted_at ON "tuf_files"(deleted_at)"#,
        r#"CREATE UNIQUE INDEX idx_gun ON "tuf_files"("gun", "role", "version")"#,
        r#"CREATE TABLE "changefeed" ("id" integer primary key autoincrement NOT NULL,"created_at" datetime,"gun" varchar(255) NOT NULL,"version" integer NOT NULL,"sha256" varchar(64),"category" varchar(20) NOT NULL )"#,
        "INSERT INTO tuf_files (created_at, gun, role, version, data) VALUES ('2026-11-21 23:24:24.874950146+00:00', 'a', 'timestamp', 1, x'7b7d')",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
    // The second time there is nothing left to take over.
    for newest in 1..=2 {
        let store = store_in(folder.path()).await;
        let head = store.head(&gun("a")).await.unwrap().unwrap();
        assert_eq!(head.version, newest);
        let next = [file(&Role::Timestamp, newest + 1)];
        let now = fixtures::clock();
        publish(&*store, &gun("a"), &next, now).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_that_others_marked_deleted_is_not_read_but_keeps_its_version() {
    let pool = memory_pool().await;
    let store = SqlStore::new(pool.clone());
    let now = fixtures::clock();
    publish(&store, &gun("a"), &[file(&Role::Timestamp, 1)], now)
        .await
        .unwrap();
    sqlx::query("UPDATE tuf_files SET deleted_at = created_at")
        .execute(&pool)
        .await
        .unwrap();
    assert!(store.head(&gun("a")).await.unwrap().is_none());
    let again = publish(&store, &gun("a"), &[file(&Role::Timestamp, 1)], now).await;
    assert!(matches!(again, Err(StoreError::VersionExists(_))));
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let pool = memory_pool().await;
    for statement in statements::ALL {
        let plan: Vec<String> = sqlx::query(AssertSqlSafe(format!(
            "EXPLAIN QUERY PLAN {}",
            spelled(statement)
        )))
        .fetch_all(&pool)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get("detail"))
        .collect();
        for step in &plan {
            // What another part of the statement has found is read as a whole; tables never are.
            let is_found = ["newest", "overtaken", "VALUES CLAUSE"];
            let is_found = is_found.iter().any(|end| step.ends_with(end));
            let reads_a_table = step.starts_with("SCAN") && !is_found;
            assert!(!reads_a_table, "{statement}\n{plan:#?}");
            assert!(!step.contains("TEMP B-TREE"), "{statement}\n{plan:#?}");
        }
    }
}

/// The statement in `SQLite`'s spelling.
fn spelled(statement: &'static str) -> String {
    let sql = <sqlx::Sqlite as database::Dialect>::sql(statement);
    sql.into_sql_str().as_str().to_owned()
}
