//! The configuration: Notary's file, its environment variables, and a few settings of our own.

mod sections;

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use daemon::{
    Level, Settings, SettingsError,
    settings::{Entry, Setting},
};
use database::{Backend, DatabaseUrl, PoolLimits};
pub use sections::SECTIONS;

use crate::{
    custody::{custody_name, encrypted::passphrases},
    keys::cache::CacheLimits,
};

/// What the names of environment variables begin with.
pub const ENVIRONMENT: &str = "NOTARY_SIGNER";

/// The backends that Notary's files may name.
const BACKENDS: &str = "[memory mysql sqlite3 rethinkdb postgres]";

/// A configuration that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file, or one value in it.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Something that must be set is not; Notary's sentence comes last.
    #[error("{0} is not set: {1}")]
    Missing(&'static str, String),
    /// An alias that marks keys of another custody, whose passphrase would never be used.
    #[error("{setting}: {alias:?} begins with \"custody:\", which no alias of a passphrase may")]
    ReservedAlias {
        /// Where it stands.
        setting: &'static str,
        /// The alias.
        alias: String,
    },
    /// A backend that this build does not serve.
    #[error("storage.backend: {0}")]
    Backend(String),
    /// A database URL that leads nowhere.
    #[error("storage.db_url: {0}")]
    Url(#[from] database::DatabaseError),
}

/// Everything that an operator can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: String,
    /// Certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Which client certificates are accepted; none: none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Names that a client certificate must carry one of; empty: any will do.
    pub client_names: Vec<String>,
    /// Where metrics are answered.
    pub metrics: Option<String>,
    /// What to log.
    pub level: Level,
    /// Where keys are kept.
    pub storage: Storage,
    /// How many keys may wait for their first signature; 0: any number.
    pub max_pending: u32,
    /// Rounds of PBKDF2 for new envelopes.
    pub rounds: NonZeroU32,
    /// What may stay decrypted.
    pub cache: CacheLimits,
    /// What the operator should know about the settings.
    pub warnings: Vec<String>,
}

/// Where keys are kept.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Nowhere: they go with the process.
    Memory,
    /// In a database.
    Database {
        /// Where it is.
        url: DatabaseUrl,
        /// How many connections to it there may be.
        limits: PoolLimits,
        /// The alias of new keys.
        default_alias: String,
        /// Passphrase files by alias.
        passphrase_files: Vec<(String, PathBuf)>,
    },
}

impl Storage {
    /// Whether the variable `name` may hold the passphrase of an alias, or say where it is. Any
    /// alias may have keys; what looks like a setting does not count as one that the configuration
    /// does not name.
    fn has_passphrase_in(&self, settings: &Settings, name: &str) -> bool {
        let Self::Database {
            default_alias,
            passphrase_files,
            ..
        } = self
        else {
            return !settings.resembles_setting(name);
        };
        let aliases = passphrase_files.iter().map(|(alias, _)| alias);
        let mut variables = aliases
            .chain([default_alias])
            .map(|alias| passphrases::variable(alias));
        !settings.resembles_setting(name)
            || variables.any(|variable| {
                let ending = name.strip_prefix(&variable);
                matches!(ending, Some("" | "_FILE" | "_COMMAND"))
            })
    }
}

impl Config {
    /// Makes sense of `settings`, whose file is in `folder`; what protects is never replaced by
    /// something weaker.
    pub fn read(settings: &Settings, folder: &Path) -> Result<Self, ConfigError> {
        let mut warnings = settings.warnings();
        warnings.extend(bugsnag(settings)?);
        let logging = sections::Logging::of(settings);
        let level = match logging.level.text() {
            None => Level::default(),
            Some(text) => text.parse().map_err(|error| logging.level.invalid(error))?,
        };
        let Endpoints {
            listen,
            cert,
            key,
            client_ca,
            metrics,
        } = Endpoints::read(settings)?;
        let server = sections::Server::of(settings);
        let stored = sections::Storage::of(settings);
        let mut config = Self {
            level,
            listen,
            cert,
            key,
            client_ca,
            client_names: server.client_names.get()?,
            metrics,
            storage: storage(settings, folder)?,
            max_pending: stored.max_pending_keys.get()?,
            rounds: stored.kdf_rounds.get()?,
            cache: cache(settings)?,
            warnings,
        };
        let of_variables =
            settings.variable_warnings(|name| config.storage.has_passphrase_in(settings, name));
        config.warnings.extend(of_variables);
        config.with_security_warnings()
    }

    fn with_security_warnings(mut self) -> Result<Self, ConfigError> {
        if self.client_ca.is_none() {
            if !self.client_names.is_empty() {
                let without = "server.client_names needs certificates that hold names".to_owned();
                return Err(ConfigError::Missing("server.client_ca_file", without));
            }
            self.warnings.push(
                "server.client_ca_file is not set: ANYBODY who reaches this port can create keys \
                 and sign with them"
                    .to_owned(),
            );
        }
        Ok(self)
    }
}

fn missing(entry: &Entry<'_>, notary: &str) -> ConfigError {
    ConfigError::Missing(entry.key(), notary.to_owned())
}

/// Where a running signer is reached, and by whom.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Where it listens.
    pub listen: String,
    /// Certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Which client certificates are accepted; none: none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Where metrics are answered.
    pub metrics: Option<String>,
}

impl Endpoints {
    /// Reads just these of `settings`.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let server = sections::Server::of(settings);
        Ok(Self {
            listen: require(&server.grpc_addr, "grpc listen address required for server")?
                .to_owned(),
            cert: required_path(&server.tls_cert_file)?,
            key: required_path(&server.tls_key_file)?,
            client_ca: server.client_ca_file.path(),
            metrics: server.metrics_addr.text().map(str::to_owned),
        })
    }
}

fn require<'s>(setting: &Setting<'s, String>, notary: &str) -> Result<&'s str, ConfigError> {
    setting.text().ok_or_else(|| missing(setting, notary))
}

fn required_path(setting: &Setting<'_, PathBuf>) -> Result<PathBuf, ConfigError> {
    let notary = "unable to set up TLS: a certificate and its key are required";
    setting.path().ok_or_else(|| missing(setting, notary))
}

/// Notary's check of its crash reporter, and what we make of it.
fn bugsnag(settings: &Settings) -> Result<Option<String>, ConfigError> {
    let bugsnag = sections::Bugsnag::of(settings);
    let key = bugsnag.api_key.text();
    if key.is_none() && (bugsnag.release_stage.is_set() || bugsnag.endpoint.is_set()) {
        return Err(missing(
            &bugsnag.api_key,
            "must provide an API key for bugsnag",
        ));
    }
    Ok(key.map(|_| "reporting.bugsnag has no effect: errors are logged, not sent away".to_owned()))
}

fn storage(settings: &Settings, folder: &Path) -> Result<Storage, ConfigError> {
    let backend = sections::Storage::of(settings).backend;
    let name = backend.text().unwrap_or_default();
    match Backend::from_name(name) {
        Some(Backend::Memory) => Ok(Storage::Memory),
        Some(backend) => database(settings, folder, backend),
        None if name == "rethinkdb" => Err(ConfigError::Backend(
            "RethinkDB is not supported: move the keys to an SQL database; \
             accepted: mysql, mariadb, postgres, sqlite3, memory"
                .to_owned(),
        )),
        None => Err(ConfigError::Backend(format!(
            "{name} is not an allowed backend, must be one of: {BACKENDS}"
        ))),
    }
}

fn database(settings: &Settings, folder: &Path, backend: Backend) -> Result<Storage, ConfigError> {
    let notary = format!("must provide a non-empty database source for {backend}");
    let stored = sections::Storage::of(settings);
    let url = require(&stored.db_url, &notary)?;
    let alias = stored
        .default_alias
        .text()
        .or_else(|| sections::Root::of(settings).default_alias.text());
    let notary = "must provide a default alias for the key DB";
    let alias = alias.ok_or_else(|| missing(&stored.default_alias, notary))?;
    check_alias("storage.default_alias", alias)?;
    Ok(Storage::Database {
        url: DatabaseUrl::parse(backend, url)?.within(folder)?,
        limits: PoolLimits {
            connections: stored.max_connections.get()?,
            ..PoolLimits::default()
        },
        default_alias: alias.to_owned(),
        passphrase_files: passphrase_files(&stored, folder)?,
    })
}

/// Passphrase files by alias; relative paths start at the configuration file, as others do.
fn passphrase_files(
    stored: &sections::Storage<'_>,
    folder: &Path,
) -> Result<Vec<(String, PathBuf)>, ConfigError> {
    let setting = &stored.passphrase_files;
    let files = setting.get().into_iter().map(|(alias, file)| {
        check_alias("storage.passphrase_files", &alias)?;
        match file.as_str() {
            Some(file) if !file.is_empty() => Ok((alias, folder.join(file))),
            _ => Err(setting.invalid("a path for each alias").into()),
        }
    });
    files.collect()
}

/// Refuses an alias that marks the keys of another custody.
fn check_alias(setting: &'static str, alias: &str) -> Result<(), ConfigError> {
    match custody_name(alias) {
        None => Ok(()),
        Some(_) => Err(ConfigError::ReservedAlias {
            setting,
            alias: alias.to_owned(),
        }),
    }
}

fn cache(settings: &Settings) -> Result<CacheLimits, ConfigError> {
    let cache = sections::Cache::of(settings);
    Ok(CacheLimits {
        keys: cache.keys.get()?,
        idle: Duration::from_secs(cache.idle_seconds.get()?),
        ..CacheLimits::default()
    })
}
