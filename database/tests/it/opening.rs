//! From a URL to a pool, and what is said when that fails.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use database::{
    DatabaseError, Dialect, Fault, OpenMode, Pool, PoolLimits, SqliteUrl, connect_sqlite, fault,
    is_unique_violation,
};
use sqlx::{AssertSqlSafe, Sqlite};
use tokio::time::timeout;

async fn text(pool: &Pool<Sqlite>, statement: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(statement.to_owned()))
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn number(pool: &Pool<Sqlite>, statement: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(statement.to_owned()))
        .fetch_one(pool)
        .await
        .unwrap()
}

#[test]
fn every_spelling_of_a_file_leads_to_it() {
    for url in [
        "/tmp/a b.db",
        "sqlite:///tmp/a%20b.db",
        "sqlite:/tmp/a%20b.db",
        "file:/tmp/a%20b.db",
    ] {
        let parsed = SqliteUrl::parse(url).unwrap();
        assert_eq!(parsed.file(), Some(Path::new("/tmp/a b.db")), "{url}");
    }
    let parsed = SqliteUrl::parse("file:notary.db?cache=shared&_busy_timeout=5000").unwrap();
    assert_eq!(parsed.file(), Some(Path::new("notary.db")));
    for url in [
        "memory",
        ":memory:",
        "sqlite::memory:",
        "file:x?mode=memory&cache=shared",
    ] {
        assert_eq!(SqliteUrl::parse(url).unwrap(), SqliteUrl::MEMORY, "{url}");
    }
}

#[test]
fn a_url_for_another_database_is_refused_without_repeating_its_password() {
    for url in [
        "postgres://signer:hunter2@db/signer",
        "",
        "sqlite://",
        "sqlite:/tmp/%zz",
        "file:a%2",
    ] {
        let error = SqliteUrl::parse(url).unwrap_err().to_string();
        assert!(
            error.starts_with("the database URL is not usable: "),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_new_file_is_durable_and_readable_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    let pool = connect_sqlite(file.to_str().unwrap()).await.unwrap();
    sqlx::query("CREATE TABLE t (x)")
        .execute(&pool)
        .await
        .unwrap();

    assert_eq!(text(&pool, "PRAGMA journal_mode").await, "wal");
    assert_eq!(number(&pool, "PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(number(&pool, "PRAGMA foreign_keys").await, 1);
    for name in ["new.db", "new.db-wal"] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn memory_is_one_database_that_outlives_a_dropped_transaction() {
    let pool = connect_sqlite("memory").await.unwrap();
    sqlx::query("CREATE TABLE t (x)")
        .execute(&pool)
        .await
        .unwrap();
    let writers = (0..8).map(|x| {
        let pool = pool.clone();
        tokio::spawn(async move {
            sqlx::query("INSERT INTO t VALUES (?)")
                .bind(x)
                .execute(&pool)
                .await
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(number(&pool, "SELECT COUNT(*) FROM t").await, 8);
    let mut transaction = pool.begin_with(Sqlite::BEGIN).await.unwrap();
    sqlx::query("DELETE FROM t")
        .execute(transaction.executor())
        .await
        .unwrap();
    drop(transaction);
    assert_eq!(number(&pool, "SELECT COUNT(*) FROM t").await, 8);
}

#[tokio::test]
async fn of_a_file_the_connection_that_writes_is_left_to_writers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.db");
    let pool = connect_sqlite(file.to_str().unwrap()).await.unwrap();
    // A temporary table is there for its own connection alone.
    let look = "SELECT COUNT(*) FROM temp.sqlite_schema WHERE name = 'mine'";
    let mut transaction = pool.begin_with(Sqlite::BEGIN).await.unwrap();
    sqlx::query("CREATE TEMP TABLE mine (x)")
        .execute(transaction.executor())
        .await
        .unwrap();
    assert_eq!(number(&pool, look).await, 0, "it has another connection");
    transaction.commit().await.unwrap();

    assert_eq!(number(&pool, look).await, 0, "the other one is used again");
    let mut transaction = pool.begin_with(Sqlite::BEGIN).await.unwrap();
    let found: i64 = sqlx::query_scalar(look)
        .fetch_one(transaction.executor())
        .await
        .unwrap();
    assert_eq!(found, 1);
    transaction.rollback().await;
    assert_eq!(pool.connections(), (2, 2));
}

#[tokio::test]
async fn a_statement_that_is_given_up_leaves_nothing_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.db");
    let pool = connect_sqlite(file.to_str().unwrap()).await.unwrap();
    let count = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2000000) \
                 SELECT COUNT(*) FROM n";
    let counting = timeout(Duration::from_millis(20), number(&pool, count)).await;
    assert!(counting.is_err(), "it takes longer");
    pool.close().await;
    let names = fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = names.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["server.db"]);
}

#[tokio::test]
async fn what_a_statement_may_take_back_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.db");
    let pool = connect_sqlite(file.to_str().unwrap()).await.unwrap();
    assert_eq!(number(&pool, "PRAGMA temp_store").await, 2, "2 is memory");
}

#[tokio::test]
async fn a_file_that_is_something_else_is_named_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.db");
    fs::write(&file, "Dear Sir or Madam, ".repeat(100)).unwrap();
    let error = connect_sqlite(file.to_str().unwrap()).await.unwrap_err();
    let sentence = error.to_string();
    assert!(
        matches!(
            error,
            DatabaseError::Failed {
                fault: Fault::NotADatabase,
                ..
            }
        ),
        "{sentence}"
    );
    assert!(
        sentence.contains("letter.db is not an SQLite database"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_told_from_a_foreign_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.db");
    let url = file.to_str().unwrap();
    let pool = connect_sqlite(url).await.unwrap();
    sqlx::query("CREATE TABLE t (x)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let mut bytes = fs::read(&file).unwrap();
    bytes[100..].fill(0xff); // behind the header: the page that lists the tables
    fs::write(&file, bytes).unwrap();

    let sentence = connect_sqlite(url).await.unwrap_err().to_string();
    assert!(
        sentence.contains("damaged.db is damaged: restore it from a backup"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_missing_folder_and_one_that_takes_no_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder
        .path()
        .join("nowhere/x.db")
        .to_str()
        .unwrap()
        .to_owned();
    let sentence = connect_sqlite(&url).await.unwrap_err().to_string();
    assert!(sentence.ends_with("nowhere does not exist"), "{sentence}");
    let sentence = connect_sqlite("/proc/x.db").await.unwrap_err().to_string();
    assert!(
        sentence.starts_with("the database /proc/x.db cannot be created: "),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_leaves_nothing_behind() {
    let pool = connect_sqlite("memory").await.unwrap();
    sqlx::query("CREATE TABLE t (x)")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("PRAGMA max_page_count = 3")
        .execute(&pool)
        .await
        .unwrap();
    let mut transaction = pool.begin_with(Sqlite::BEGIN).await.unwrap();
    sqlx::query("INSERT INTO t VALUES (1)")
        .execute(transaction.executor())
        .await
        .unwrap();
    let error = sqlx::query("INSERT INTO t VALUES (zeroblob(100000))")
        .execute(transaction.executor())
        .await
        .unwrap_err();
    drop(transaction);
    assert_eq!(fault(&error), Fault::Full);
    assert!(
        SqliteUrl::MEMORY
            .explain(error)
            .to_string()
            .contains("the disk is full")
    );
    assert_eq!(number(&pool, "SELECT COUNT(*) FROM t").await, 0);
}

#[tokio::test]
async fn a_commit_that_finds_the_disk_full_is_no_hindrance_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let pool = connect_sqlite(folder.path().join("x.db").to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("CREATE TABLE t (x)")
        .execute(&pool)
        .await
        .unwrap();
    let mut transaction = pool.begin_with(Sqlite::BEGIN).await.unwrap();
    // What SQLite does of itself when there is no room.
    sqlx::query("ROLLBACK")
        .execute(transaction.executor())
        .await
        .unwrap();
    transaction.commit().await.unwrap_err();
    let mut transaction = pool.begin_with(Sqlite::BEGIN).await.unwrap();
    sqlx::query("INSERT INTO t VALUES (1)")
        .execute(transaction.executor())
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(number(&pool, "SELECT COUNT(*) FROM t").await, 1);
}

#[tokio::test]
async fn a_second_writer_waits_and_then_hears_that_the_database_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let url = SqliteUrl::parse(folder.path().join("x.db").to_str().unwrap()).unwrap();
    let limits = PoolLimits {
        connections: 2,
        wait: Duration::from_millis(50),
    };
    let pool = url.connect(limits, OpenMode::MayCreate).await.unwrap();
    let _first = pool.begin_with(Sqlite::BEGIN).await.unwrap();
    let error = pool.begin_with(Sqlite::BEGIN).await.unwrap_err();
    assert_eq!(fault(&error), Fault::Busy, "{error}");
}

#[tokio::test]
async fn a_taken_unique_key_is_recognised_and_other_refusals_are_not() {
    let pool = connect_sqlite("memory").await.unwrap();
    sqlx::query("CREATE TABLE t (x UNIQUE, y NOT NULL)")
        .execute(&pool)
        .await
        .unwrap();
    let insert = || sqlx::query(Sqlite::sql("INSERT INTO t VALUES (?, ?)"));
    let first = insert().bind(1).bind(1).execute(&pool).await.unwrap();
    assert_eq!(Sqlite::rows_affected(&first), 1);
    let again = insert().bind(1).bind(2).execute(&pool).await.unwrap_err();
    assert!(is_unique_violation(&again));
    let null = insert()
        .bind(2)
        .bind(None::<i32>)
        .execute(&pool)
        .await
        .unwrap_err();
    assert!(!is_unique_violation(&null));
    assert_eq!(fault(&null), Fault::Other);
}

#[tokio::test]
async fn a_file_that_was_removed_is_noticed_though_it_goes_on_working() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.db");
    let pool = connect_sqlite(file.to_str().unwrap()).await.unwrap();
    pool.still_there().await.unwrap();
    fs::remove_file(&file).unwrap();
    let error = pool.still_there().await.unwrap_err();
    assert_eq!(fault(&error), Fault::Away);
    assert!(
        error.to_string().contains("x.db was moved or removed"),
        "{error}"
    );

    let memory = connect_sqlite("memory").await.unwrap();
    memory.still_there().await.unwrap();
}
