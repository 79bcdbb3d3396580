//! From a configuration to keys that can be used: the one place that names a concrete store.

use std::{ffi::OsString, sync::Arc};

use anyhow::Context;
use daemon::logging::STARTUP;
use database::{Dialect, PoolLimits, SchemaState, SqliteUrl, migrate, schema_state};
use sqlx::{Pool, Sqlite};

use crate::{
    config::{Config, Storage},
    health,
    keys::Keys,
    keystore::{
        KeyStore,
        sql::{SQLITE, SqlStore},
    },
    passphrases::Passphrases,
    vault::Vault,
};

/// The alias of keys that are kept in memory.
const MEMORY_ALIAS: &str = "memory";

/// Opens the store that `config` names and gets ready to use its keys. The embedded database is
/// brought up to date on the way.
pub async fn open(
    config: &Config,
    environment: Vec<(OsString, OsString)>,
) -> anyhow::Result<Arc<Keys>> {
    let store = open_store(&config.storage).await?;
    let (passphrases, alias) = match &config.storage {
        Storage::Memory => {
            let passphrases = Passphrases::ephemeral(MEMORY_ALIAS);
            (
                passphrases.context("no random numbers are to be had")?,
                MEMORY_ALIAS.to_owned(),
            )
        }
        Storage::Sqlite {
            default_alias,
            passphrase_files,
            ..
        } => {
            let passphrases = Passphrases::new(environment, passphrase_files.clone());
            (passphrases, default_alias.clone())
        }
    };
    let vault = Vault::new(Arc::new(passphrases), config.rounds);
    Ok(Arc::new(Keys::new(
        store,
        vault,
        config.cache,
        alias,
        daemon::clock::now,
    )))
}

/// Opens the store alone, its schema up to date.
pub async fn open_store(storage: &Storage) -> anyhow::Result<Arc<dyn KeyStore>> {
    let pool = connect(storage).await?;
    Ok(Arc::new(SqlStore::new(pool)))
}

/// Brings the schema up to date and says what had to be done.
pub async fn migrate_store(storage: &Storage) -> anyhow::Result<String> {
    let url = url_of(storage);
    let pool = url.connect(PoolLimits::default()).await?;
    let before = schema_state(&pool, &SQLITE).await?;
    migrate(&pool, &SQLITE).await?;
    Ok(match before {
        SchemaState::Current => format!("the database {url} is up to date"),
        _ => format!("the database {url} was brought up to date"),
    })
}

/// Tries the passphrase of every alias in use, so that a wrong one is found now and not with the
/// first key that does not open, or with the first that nobody can open later.
pub async fn test_passphrases(keys: &Keys) -> anyhow::Result<()> {
    let default = keys.default_alias();
    for problem in health::unopenable(keys).await? {
        if health::is_fatal(&problem, default) {
            return Err(problem.into());
        }
        tracing::warn!(target: STARTUP, "some keys cannot be used: {problem}");
    }
    let mut aliases = keys.store().aliases().await?;
    aliases.push(default.to_owned());
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

async fn connect(storage: &Storage) -> anyhow::Result<Pool<Sqlite>> {
    let url = url_of(storage);
    let pool = url.connect(PoolLimits::default()).await?;
    if Sqlite::EMBEDDED {
        migrate(&pool, &SQLITE)
            .await
            .with_context(|| format!("the database {url}"))?;
    }
    Ok(pool)
}

fn url_of(storage: &Storage) -> &SqliteUrl {
    match storage {
        Storage::Memory => &SqliteUrl::MEMORY,
        Storage::Sqlite { url, .. } => url,
    }
}
