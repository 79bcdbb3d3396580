//! From a configuration to keys that can be used: the one place that names a concrete store and
//! the custodies of private keys.

use std::{ffi::OsString, sync::Arc};

use anyhow::Context;
use archive::Transfer;
use daemon::logging::STARTUP;
use database::{Connected, DatabaseUrl, OpenMode, PoolLimits, with_pool};

use crate::{
    config::{Config, Storage},
    custody::{
        Report,
        encrypted::{EncryptedRows, passphrases::Passphrases},
        registry::Custodies,
    },
    keys::Keys,
    keystore::{ArchivedKey, KeyStore, schema, sql::SqlStore},
};

/// The alias of keys that are kept in memory.
const MEMORY_ALIAS: &str = "memory";

/// Opens the store that `config` names and gets ready to use its keys. An embedded database is
/// brought up to date on the way.
pub async fn open(
    config: &Config,
    environment: Vec<(OsString, OsString)>,
    mode: OpenMode,
) -> anyhow::Result<Arc<Keys>> {
    let store = open_store(&config.storage, mode).await?;
    let passphrases = match &config.storage {
        Storage::Memory => {
            Passphrases::ephemeral(MEMORY_ALIAS).context("the random number generator failed")?
        }
        storage @ Storage::Database { .. } => passphrases(storage, environment),
    };
    let custodies = custodies(config, passphrases);
    let keys = Keys::new(store, custodies, config.cache, daemon::clock::now);
    Ok(Arc::new(keys.with_max_pending(config.max_pending)))
}

/// Every custody of private keys that this program has: a new one is registered here.
#[must_use]
pub fn custodies(config: &Config, passphrases: Passphrases) -> Custodies {
    let default_alias = match &config.storage {
        Storage::Memory => MEMORY_ALIAS.to_owned(),
        Storage::Database { default_alias, .. } => default_alias.clone(),
    };
    Custodies::new(EncryptedRows::new(
        passphrases,
        default_alias,
        config.rounds,
    ))
}

/// The passphrases that `storage` and `environment` name. None is read yet.
#[must_use]
pub fn passphrases(storage: &Storage, environment: Vec<(OsString, OsString)>) -> Passphrases {
    let files = match storage {
        Storage::Memory => Vec::new(),
        Storage::Database {
            passphrase_files, ..
        } => passphrase_files.clone(),
    };
    Passphrases::new(environment, files)
}

/// Opens the store alone, having made sure that its table is as it must be.
pub async fn open_store(storage: &Storage, mode: OpenMode) -> anyhow::Result<Arc<dyn KeyStore>> {
    let connected = open_pool(storage, mode).await?;
    let is_indexed = with_pool!(&connected, pool => schema::is_complete(pool).await)?;
    Ok(with_pool!(connected, pool => Arc::new(SqlStore::new(pool).with_indexes(is_indexed))))
}

/// As [`open_store`], for callers that need the connections.
pub async fn open_pool(storage: &Storage, mode: OpenMode) -> anyhow::Result<Connected> {
    let (url, limits) = database(storage);
    let missing = url.file().filter(|file| !file.exists());
    let connected = url.connect(limits, mode).await?;
    with_pool!(&connected, pool => schema::make_ready(pool).await)
        .with_context(|| format!("the database {url}"))?;
    if let Some(file) = missing {
        tracing::info!(target: STARTUP, "created the database {}, which is empty", file.display());
    }
    Ok(connected)
}

/// An open database as something to back up, or to restore into.
#[must_use]
pub fn transfer(connected: &Connected) -> Arc<dyn Transfer<ArchivedKey>> {
    with_pool!(connected.clone(), pool => Arc::new(SqlStore::new(pool)))
}

/// Brings the schema up to date, or only says what that would mean if this is to be a `plan`.
/// Answers what was found and what had to be done.
pub async fn migrate_store(storage: &Storage, plan: bool) -> anyhow::Result<String> {
    let (url, limits) = database(storage);
    let mode = if plan {
        OpenMode::MustExist
    } else {
        OpenMode::MayCreate
    };
    let connected = url.connect(limits.for_adoption(), mode).await?;
    let outcome = with_pool!(&connected, pool => schema::migrate(pool, url, plan).await);
    connected.close().await;
    outcome
}

/// Tries every custody of `keys`, so that a wrong passphrase is found at the start and not when a
/// key does not open.
pub async fn check_keys(keys: &Keys) -> anyhow::Result<()> {
    let Report {
        faults,
        warnings,
        keys,
        advice,
    } = keys.check().await?;
    if let Some(fault) = faults.into_iter().next() {
        return Err(fault.into());
    }
    for problem in warnings {
        tracing::error!(target: STARTUP, "some keys cannot be used: {problem}");
    }
    for problem in keys {
        tracing::warn!(
            target: STARTUP,
            "a key cannot be used: {problem}; `notary-signer key check` names all such keys"
        );
    }
    for advice in advice {
        tracing::warn!(target: STARTUP, "{advice}");
    }
    Ok(())
}

/// Where the database is, and how many connections to it there may be.
fn database(storage: &Storage) -> (&DatabaseUrl, PoolLimits) {
    match storage {
        Storage::Memory => (&DatabaseUrl::MEMORY, PoolLimits::default()),
        Storage::Database { url, limits, .. } => (url, *limits),
    }
}
