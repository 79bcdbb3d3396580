//! Whether a database has the tables that a program expects, and making it so.

use std::collections::BTreeMap;

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::{Dialect, Pool};

/// How a database relates to the migrations that a program carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Nothing was ever migrated: a new database, or one set up by Notary's own migrations.
    Unmanaged,
    /// Everything is applied.
    Current,
    /// This many migrations are still to be applied.
    Behind(usize),
    /// A newer program has applied a migration that this one does not know.
    Ahead(i64),
    /// A migration was applied whose text was another then.
    Changed(i64),
}

/// Why the schema could not be read or brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database failed.
    #[error("the database schema cannot be read: {0}")]
    Unreadable(#[source] sqlx::Error),
    /// A migration failed, or does not fit what was applied before.
    #[error("the database schema cannot be brought up to date: {0}")]
    Refused(#[from] MigrateError),
}

/// Applies what is missing of `migrations`. Running it again, or from several programs at once,
/// does no harm.
pub async fn migrate<DB: Dialect>(
    pool: &Pool<DB>,
    migrations: &'static Migrator,
) -> Result<(), SchemaError> {
    Ok(DB::apply(pool, migrations).await?)
}

/// Whether everything in `migrations` is applied.
pub async fn is_current<DB: Dialect>(
    pool: &Pool<DB>,
    migrations: &'static Migrator,
) -> Result<bool, SchemaError> {
    Ok(schema_state(pool, migrations).await? == SchemaState::Current)
}

/// How the database relates to `migrations`. Reads only.
pub async fn schema_state<DB: Dialect>(
    pool: &Pool<DB>,
    migrations: &'static Migrator,
) -> Result<SchemaState, SchemaError> {
    let mut connection = pool.lease().await.map_err(SchemaError::Unreadable)?;
    let managed = DB::table_exists(&mut connection, &migrations.table_name)
        .await
        .map_err(SchemaError::Unreadable)?;
    if !managed {
        connection.give_back();
        return Ok(SchemaState::Unmanaged);
    }
    let applied = connection
        .list_applied_migrations(&migrations.table_name)
        .await?;
    connection.give_back();
    let applied = applied
        .into_iter()
        .map(|one| (one.version, one.checksum))
        .collect();
    Ok(compare(&applied, migrations))
}

/// The state, from version and checksum of what was applied.
fn compare(
    applied: &BTreeMap<i64, std::borrow::Cow<'static, [u8]>>,
    migrations: &Migrator,
) -> SchemaState {
    if let Some(version) = applied
        .keys()
        .find(|version| !migrations.version_exists(**version))
    {
        return SchemaState::Ahead(*version);
    }
    let mut missing = 0;
    for migration in migrations.iter() {
        match applied.get(&migration.version) {
            None => missing += 1,
            Some(checksum) if *checksum != migration.checksum => {
                return SchemaState::Changed(migration.version);
            }
            Some(_) => {}
        }
    }
    if missing == 0 {
        SchemaState::Current
    } else {
        SchemaState::Behind(missing)
    }
}
