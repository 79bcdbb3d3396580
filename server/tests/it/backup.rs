//! Backups: nothing is lost by them, nothing half restored, and whether they are worth something is
//! found out before they are needed.

mod command;
mod verification;

use std::path::{Path, PathBuf};

use archive::{Emptiness, Header, Kind, RestoreError, Transfer as _, TransferError, Writer};
use database::Pool;
use sqlx::{AssertSqlSafe, Row as _, Sqlite};
use tempfile::TempDir;
use time::Duration;
use tokio::sync::mpsc::channel;
use trust::store::{SqlStore, TrustRow};

use crate::support::{TestServer, memory_pool};

const GUN: &str = "example.com/team/app";

pub(crate) fn header(kind: Kind) -> Header {
    Header {
        kind,
        taken_at: fixtures::clock() + Duration::hours(1),
        program: "test".to_owned(),
    }
}

/// A folder and an archive in it of all that is in `pool`.
pub(crate) async fn backed_up(pool: &Pool<Sqlite>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.backup");
    let store = SqlStore::new(pool.clone());
    archive::backup(
        &store,
        &file,
        header(Kind::TrustData),
        None,
        Emptiness::Allowed,
    )
    .await
    .unwrap();
    (folder, file)
}

async fn restored(pool: &Pool<Sqlite>, file: &Path) -> Result<u64, RestoreError> {
    let (reader, size) = archive::open(file, None)?;
    let store = SqlStore::new(pool.clone());
    archive::restore(&store, reader, size).await
}

/// Everything in the tables, as text, in the order of ids.
async fn dump(pool: &Pool<Sqlite>) -> Vec<Vec<Option<String>>> {
    let mut all = Vec::new();
    for table in ["tuf_files", "changefeed"] {
        let statement = AssertSqlSafe(format!("SELECT * FROM {table} ORDER BY id"));
        for row in sqlx::query(statement).fetch_all(pool).await.unwrap() {
            let columns = (0..row.len()).map(|column| {
                let text: Option<Vec<u8>> = row.try_get_unchecked(column).unwrap();
                text.map(hex::encode)
            });
            all.push(columns.collect());
        }
    }
    all
}

async fn execute(pool: &Pool<Sqlite>, statement: &'static str) {
    sqlx::query(statement).execute(pool).await.unwrap();
}

/// A server with two repositories, one deleted, and rows as old databases have them.
async fn eventful() -> TestServer {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    server.published("example.com/gone").await;
    server
        .request("DELETE", "/v2/example.com/gone/_trust/tuf/")
        .await
        .ok();
    server.advance(Duration::minutes(1));
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();
    execute(
        &server.pool,
        "INSERT INTO tuf_files (created_at, deleted_at, gun, role, version, data) \
         VALUES ('2016-01-02 03:04:05.678000000+00:00', '2017-01-02 03:04:05.000000000+00:00', \
         'old', 'targets', 3, x'00ff')",
    )
    .await;
    server
}

#[tokio::test]
async fn a_restored_database_holds_every_row_as_it_was() {
    let server = eventful().await;
    let (_folder, file) = backed_up(&server.pool).await;
    let other = memory_pool().await;
    let rows = restored(&other, &file).await.unwrap();
    let expected = dump(&server.pool).await;
    assert_eq!(dump(&other).await, expected);
    assert_eq!(rows, expected.len() as u64);
}

#[tokio::test]
async fn clients_go_on_where_they_were_and_the_feed_never_gives_an_id_twice() {
    let server = TestServer::start().await;
    let mut publisher = server.published(GUN).await;
    server.published("example.com/gone").await;
    execute(
        &server.pool,
        "DELETE FROM tuf_files WHERE gun = 'example.com/gone'",
    )
    .await;
    let (_folder, file) = backed_up(&server.pool).await;
    let other = memory_pool().await;
    restored(&other, &file).await.unwrap();

    let moved = server.moved(other);
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let name = format!("{role}.json");
        let before = server.file(GUN, &name).await.ok();
        let after = moved.file(GUN, &name).await.ok();
        assert_eq!(after.body, before.body, "{role}");
        assert_eq!(
            after.header("last-modified"),
            before.header("last-modified")
        );
    }
    moved.publish(GUN, &publisher.next(&["targets"])).await.ok();
    let feed = moved
        .get("/v2/_trust/changefeed?change_id=0&records=9")
        .await;
    let feed = feed.ok().json();
    let ids: Vec<&str> = feed["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["ID"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_database_that_has_rows_is_left_as_it_is() {
    let server = eventful().await;
    let (_folder, file) = backed_up(&server.pool).await;
    let before = dump(&server.pool).await;
    let error = restored(&server.pool, &file).await.unwrap_err();
    assert!(
        error.to_string().contains("the database is not empty"),
        "{error}"
    );
    assert_eq!(dump(&server.pool).await, before);

    let only_fed = memory_pool().await;
    execute(
        &only_fed,
        "INSERT INTO changefeed (gun, version, category) VALUES ('a', 0, 'deletion')",
    )
    .await;
    let error = restored(&only_fed, &file).await.unwrap_err();
    assert!(error.to_string().contains("rows in changefeed"), "{error}");
}

#[tokio::test]
async fn an_archive_that_is_cut_off_or_damaged_restores_nothing() {
    let server = eventful().await;
    let (_folder, file) = backed_up(&server.pool).await;
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let place = whole.len() - 300;
    damaged[place] ^= 1;
    for broken in [&whole[..whole.len() - 10], &damaged] {
        std::fs::write(&file, broken).unwrap();
        let other = memory_pool().await;
        let error = restored(&other, &file).await.unwrap_err();
        assert!(matches!(error, RestoreError::Archive(_)), "{error}");
        assert!(dump(&other).await.is_empty());
    }
}

#[tokio::test]
async fn a_backup_shows_one_moment_however_long_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("server.db");
    let pool = database::connect_sqlite(url.to_str().unwrap())
        .await
        .unwrap();
    database::migrate(&pool, &trust::store::MIGRATIONS)
        .await
        .unwrap();
    let server = TestServer::start().await.moved(pool.clone());
    let mut publisher = server.published(GUN).await;
    let expected = dump(&pool).await.len();

    let store = SqlStore::new(pool.clone());
    let (sender, mut rows) = channel(1);
    let export = tokio::spawn(async move { store.export(sender).await });
    let mut seen = vec![rows.recv().await.unwrap()];
    server
        .publish(GUN, &publisher.next(&["targets"]))
        .await
        .ok();
    while let Some(row) = rows.recv().await {
        seen.push(row);
    }
    export.await.unwrap().unwrap();

    assert_eq!(seen.len(), expected);
    let changes = seen.iter().filter(|row| matches!(row, TrustRow::Change(_)));
    assert_eq!(changes.count(), 1);
    assert!(dump(&pool).await.len() > expected);
}

#[tokio::test]
async fn a_database_that_alters_what_it_is_given_is_found_out() {
    let server = eventful().await;
    let (_folder, file) = backed_up(&server.pool).await;
    let other = memory_pool().await;
    // As one that cuts off what is too long for its column.
    execute(
        &other,
        "CREATE TRIGGER cut AFTER INSERT ON tuf_files BEGIN \
         UPDATE tuf_files SET gun = substr(gun, 1, 5) WHERE id = new.id; END",
    )
    .await;
    let error = restored(&other, &file).await.unwrap_err();
    let altered = RestoreError::Transfer(TransferError::Altered).to_string();
    assert_eq!(error.to_string(), altered);
    assert!(dump(&other).await.is_empty());
}

#[tokio::test]
async fn names_that_the_database_takes_for_one_are_refused() {
    let server = eventful().await;
    let (_folder, file) = backed_up(&server.pool).await;
    let other = memory_pool().await;
    execute(
        &other,
        "CREATE UNIQUE INDEX coarse ON tuf_files (substr(gun, 1, 1), version)",
    )
    .await;
    let error = restored(&other, &file).await.unwrap_err().to_string();
    assert!(error.starts_with("version 1 of"), "{error}");
    assert!(
        error.contains("taken for one that is there already"),
        "{error}"
    );
    assert!(dump(&other).await.is_empty());
}

#[tokio::test]
async fn keys_have_no_place_among_trust_data() {
    let mut writer = Writer::new(Vec::new(), &header(Kind::TrustData)).unwrap();
    writer.write(&verification::Key::new(1, "00")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.backup");
    std::fs::write(&file, writer.finish().unwrap()).unwrap();
    let other = memory_pool().await;
    let error = restored(&other, &file).await.unwrap_err().to_string();
    assert!(error.contains("a record is of an unknown kind"), "{error}");
    assert!(dump(&other).await.is_empty());
}
