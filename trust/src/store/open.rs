//! From the configuration to a store whose tables are as they have to be.

use std::sync::Arc;

use archive::Transfer;
use database::{
    Connected, DatabaseError, OpenMode, SchemaError, SchemaState,
    adopt::{self, AdoptError, Survey},
    with_pool,
};

use super::{BLUEPRINT, MIGRATIONS, SqlStore, Storage, TrustRow, TrustStore, chains};

/// Why there is no store to work with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The tables cannot be looked at.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The tables cannot be taken over.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// The tables were made by a program that knows more than this one.
    #[error(
        "the database was migrated to version {0} by a newer notary-server; start that one, or restore the backup made before"
    )]
    Ahead(i64),
    /// Something has to be done that a server does not do by itself where others share the
    /// database.
    #[error(
        "the tables of the database are not those of this version; run `notary-server migrate` (`notary-server migrate --plan` only says what it would do):\n{0}"
    )]
    NotReady(Survey),
}

/// Opens the database, whatever is in it.
///
/// # Errors
///
/// In a sentence that names the place and what is wrong with it.
pub async fn connect(storage: &Storage, mode: OpenMode) -> Result<Connected, DatabaseError> {
    let missing = storage.url.file().filter(|file| !file.exists());
    let connected = storage.url.connect(storage.limits, mode).await?;
    if let Some(file) = missing {
        tracing::info!(target: "startup", "created the database {}, which is empty", file.display());
    }
    Ok(connected)
}

/// Opens the store. An embedded database is migrated on the way: no operator does it.
///
/// # Errors
///
/// [`OpenError::NotReady`] if `notary-server migrate` has to be run first.
pub async fn open(storage: &Storage, mode: OpenMode) -> Result<Arc<dyn TrustStore>, OpenError> {
    Ok(on(&open_pool(storage, mode).await?))
}

/// The store in an open database, which has the tables.
#[must_use]
pub fn on(connected: &Connected) -> Arc<dyn TrustStore> {
    with_pool!(connected.clone(), pool => Arc::new(SqlStore::new(pool)))
}

/// As [`open`], for those who need the pool.
///
/// # Errors
///
/// See [`open`].
pub async fn open_pool(storage: &Storage, mode: OpenMode) -> Result<Connected, OpenError> {
    let connected = connect(storage, mode).await?;
    if storage.url.backend().is_embedded() {
        migrate(&connected).await?;
        if let Err(error) = chains::migrate(&connected).await {
            tracing::warn!(target: "startup", %error, "the table of audit chains cannot be created");
        }
    } else {
        let survey = readiness(&connected).await?;
        for step in survey.steps {
            tracing::warn!(target: "startup", "`notary-server migrate` would {}", step.what);
        }
    }
    Ok(connected)
}

/// An open database as something to copy from or into.
#[must_use]
pub fn transfer(connected: &Connected) -> Arc<dyn Transfer<TrustRow>> {
    with_pool!(connected.clone(), pool => Arc::new(SqlStore::new(pool)))
}

/// What is in the database, and what `migrate` would do.
///
/// # Errors
///
/// If it cannot be read.
pub async fn plan(connected: &Connected) -> Result<Survey, OpenError> {
    Ok(with_pool!(connected, pool => adopt::survey(pool, &BLUEPRINT).await)?)
}

/// Whether a store can work on the database as it is; what `migrate` would do nevertheless is in
/// the answer.
///
/// # Errors
///
/// [`OpenError::NotReady`], [`OpenError::Ahead`], or what keeps it from being read.
pub async fn readiness(connected: &Connected) -> Result<Survey, OpenError> {
    let survey = plan(connected).await?;
    if let Connected::Sqlite(pool) = connected
        // The migrations of another program have other numbers.
        && !survey.is_new
        && let SchemaState::Ahead(version) = database::schema_state(pool, &MIGRATIONS).await?
    {
        return Err(OpenError::Ahead(version));
    }
    if survey.is_ready() {
        Ok(survey)
    } else {
        Err(OpenError::NotReady(survey))
    }
}

/// Makes the tables what they have to be, adding only; says what had to be done.
///
/// # Errors
///
/// Before anything was changed, or in the middle, after which it may be run again.
pub async fn migrate(connected: &Connected) -> Result<Survey, OpenError> {
    if let Connected::Sqlite(pool) = connected {
        let before = adopt::survey(pool, &BLUEPRINT).await?;
        if before.is_new && !before.odd.is_empty() {
            return Err(AdoptError::Odd(before).into());
        }
        match database::schema_state(pool, &MIGRATIONS).await? {
            SchemaState::Ahead(version) => return Err(OpenError::Ahead(version)),
            SchemaState::Unmanaged if !before.is_new => {}
            _ => {
                database::migrate(pool, &MIGRATIONS).await?;
                return Ok(before);
            }
        }
    }
    Ok(with_pool!(connected, pool => adopt::adopt(pool, &BLUEPRINT).await)?)
}
