//! Migrations: what is missing, what is too new, and several programs at once.

use std::sync::LazyLock;

use database::{SchemaState, connect_sqlite, is_current, migrate, schema_state};
use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// A migration that cannot be applied twice: the statement fails if the table is there.
fn migration(version: i64, sql: &'static str) -> Migration {
    let kind = MigrationType::Simple;
    Migration::new(version, "test".into(), kind, sql.into_sql_str(), false)
}

static ONE: LazyLock<Migrator> =
    LazyLock::new(|| Migrator::with_migrations(vec![migration(1, "CREATE TABLE a (x)")]));
static TWO: LazyLock<Migrator> = LazyLock::new(|| {
    Migrator::with_migrations(vec![
        migration(1, "CREATE TABLE a (x)"),
        migration(2, "CREATE TABLE b (x)"),
    ])
});
static REWRITTEN: LazyLock<Migrator> =
    LazyLock::new(|| Migrator::with_migrations(vec![migration(1, "CREATE TABLE a (y)")]));
static BROKEN: LazyLock<Migrator> = LazyLock::new(|| {
    Migrator::with_migrations(vec![
        migration(1, "CREATE TABLE a (x)"),
        migration(2, "CREATE TABLE a (x)"),
    ])
});

#[tokio::test]
async fn the_state_follows_what_was_applied() {
    let pool = connect_sqlite("memory").await.unwrap();
    assert_eq!(
        schema_state(&pool, &ONE).await.unwrap(),
        SchemaState::Unmanaged
    );
    migrate(&pool, &ONE).await.unwrap();
    assert!(is_current(&pool, &ONE).await.unwrap());
    assert_eq!(
        schema_state(&pool, &TWO).await.unwrap(),
        SchemaState::Behind(1)
    );
    migrate(&pool, &TWO).await.unwrap();
    assert!(is_current(&pool, &TWO).await.unwrap());
    assert_eq!(
        schema_state(&pool, &ONE).await.unwrap(),
        SchemaState::Ahead(2)
    );
    assert_eq!(
        schema_state(&pool, &REWRITTEN).await.unwrap(),
        SchemaState::Ahead(2)
    );
}

#[tokio::test]
async fn a_migration_that_was_rewritten_is_noticed() {
    let pool = connect_sqlite("memory").await.unwrap();
    migrate(&pool, &ONE).await.unwrap();
    assert_eq!(
        schema_state(&pool, &REWRITTEN).await.unwrap(),
        SchemaState::Changed(1)
    );
    assert!(migrate(&pool, &REWRITTEN).await.is_err());
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_of_the_others() {
    let pool = connect_sqlite("memory").await.unwrap();
    migrate(&pool, &BROKEN).await.unwrap_err();
    assert_eq!(
        schema_state(&pool, &ONE).await.unwrap(),
        SchemaState::Unmanaged
    );
    migrate(&pool, &ONE).await.unwrap();
}

#[tokio::test]
async fn programs_that_start_at_once_migrate_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("x.db").to_str().unwrap().to_owned();
    let starts = (0..6).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { migrate(&connect_sqlite(&url).await.unwrap(), &TWO).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
}
