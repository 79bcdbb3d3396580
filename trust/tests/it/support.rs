//! What several tests begin with.

use trust::store::MIGRATIONS;

/// The database of a test: `SQLite` in memory, with the tables of this version.
pub(crate) async fn memory_pool() -> database::Pool<sqlx::Sqlite> {
    let pool = database::connect_sqlite("memory").await.unwrap();
    database::migrate(&pool, &MIGRATIONS).await.unwrap();
    pool
}
