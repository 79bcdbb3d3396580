//! From a configuration to keys that can be used: the one place that names a concrete store.

use std::{ffi::OsString, sync::Arc};

use anyhow::Context;
use archive::Transfer;
use daemon::logging::STARTUP;
use database::{Connected, DatabaseUrl, OpenMode, PoolLimits, with_pool};

use crate::{
    config::{Config, Storage},
    custody::encrypted::aliases::{Survey, survey},
    custody::encrypted::cipher::Vault,
    custody::encrypted::passphrases::Passphrases,
    keys::Keys,
    keystore::schema,
    keystore::{KeyStore, sql::SqlStore},
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
    let (passphrases, alias) = match &config.storage {
        Storage::Memory => {
            let passphrases = Passphrases::ephemeral(MEMORY_ALIAS);
            (
                passphrases.context("no random numbers are to be had")?,
                MEMORY_ALIAS.to_owned(),
            )
        }
        Storage::Database {
            default_alias,
            passphrase_files,
            ..
        } => {
            let passphrases = Passphrases::new(environment, passphrase_files.clone());
            (passphrases, default_alias.clone())
        }
    };
    let vault = Vault::new(Arc::new(passphrases), config.rounds);
    let keys = Keys::new(store, vault, config.cache, alias, daemon::clock::now);
    Ok(Arc::new(keys.with_max_pending(config.max_pending)))
}

/// Opens the store alone, having made sure that its table is as it must be.
pub async fn open_store(storage: &Storage, mode: OpenMode) -> anyhow::Result<Arc<dyn KeyStore>> {
    let connected = open_pool(storage, mode).await?;
    let is_indexed = with_pool!(&connected, pool => schema::is_complete(pool).await)?;
    Ok(with_pool!(connected, pool => Arc::new(SqlStore::new(pool).indexed(is_indexed))))
}

/// As [`open_store`], for callers that need the connections.
pub async fn open_pool(storage: &Storage, mode: OpenMode) -> anyhow::Result<Connected> {
    let (url, limits) = place(storage);
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
pub fn transfer(connected: &Connected) -> Arc<dyn Transfer> {
    with_pool!(connected.clone(), pool => Arc::new(SqlStore::new(pool)))
}

/// Brings the schema up to date, or only says what that would mean if this is to be a `plan`.
/// Answers what was found and what had to be done.
pub async fn migrate_store(storage: &Storage, plan: bool) -> anyhow::Result<String> {
    let (url, limits) = place(storage);
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

/// Tries the passphrase of every alias in use, so that a wrong one is found now and not with the
/// first key that does not open, or with the first that nobody can open later.
pub async fn test_passphrases(keys: &Keys) -> anyhow::Result<()> {
    let Survey {
        faults,
        aliases,
        keys: odd,
    } = survey(keys).await?;
    if let Some(fault) = faults.into_iter().next() {
        return Err(fault.into());
    }
    for problem in aliases {
        tracing::error!(target: STARTUP, "an alias is not in order: {problem}");
    }
    for problem in odd {
        tracing::warn!(
            target: STARTUP,
            "a key cannot be used: {problem}; `notary-signer key check` names all such keys"
        );
    }
    let mut aliases = keys.aliases().await?;
    aliases.push(keys.default_alias().to_owned());
    aliases.sort();
    aliases.dedup();
    for warning in aliases
        .iter()
        .flat_map(|alias| keys.vault().passphrases().warnings(alias))
    {
        tracing::warn!(target: STARTUP, "{warning}");
    }
    Ok(())
}

/// Where the database is, and how many connections to it there may be.
fn place(storage: &Storage) -> (&DatabaseUrl, PoolLimits) {
    match storage {
        Storage::Memory => (&DatabaseUrl::MEMORY, PoolLimits::default()),
        Storage::Database { url, limits, .. } => (url, *limits),
    }
}
