//! The configuration: Notary's file, its environment variables, and a few settings of our own.

mod doors;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use daemon::{
    Level, Settings, SettingsError,
    settings::{Key, Kind, Section},
};
use database::{Backend, DatabaseUrl, PoolLimits};

pub use doors::Doors;

use crate::{
    custody::encrypted::{
        envelope::{DEFAULT_ROUNDS, MAX_ROUNDS},
        passphrases,
    },
    keys::{MAX_PENDING, cache::CacheLimits},
};

/// What the names of environment variables begin with.
pub const ENVIRONMENT: &str = "NOTARY_SIGNER";

/// What [`Settings`](daemon::Settings) are loaded with.
pub const SECTIONS: &[Section] = &[Section {
    path: "",
    about: "",
    keys: KEYS,
}];

/// Every setting. Those of `RethinkDB` and the crash reporter are known so that an old file draws
/// no warning about spelling; each says what becomes of it.
const KEYS: &[Key] = &[
    Key::new(
        "server.grpc_addr",
        Kind::Text,
        "where to listen, such as :7899",
    ),
    Key::new(
        "server.http_addr",
        Kind::Text,
        "without effect; Notary before 0.2 had it",
    ),
    Key::new(
        "server.tls_cert_file",
        Kind::Path,
        "certificate chain in PEM, leaf first",
    ),
    Key::new(
        "server.tls_key_file",
        Kind::Path,
        "private key of the certificate in PEM, not encrypted",
    ),
    Key::new(
        "server.client_ca_file",
        Kind::Path,
        "certificates in PEM of callers or their issuers; without it anybody may sign",
    ),
    Key::new(
        "server.client_names",
        Kind::List,
        "if given, only callers with one of these subject alternative names",
    ),
    Key::new(
        "server.metrics_addr",
        Kind::Text,
        "where to answer /metrics and /debug/health over plain HTTP; not at all by default",
    ),
    Key::new(
        "logging.level",
        Kind::Text,
        "panic, fatal, error (default), warn, info, debug or trace",
    ),
    Key::new(
        "storage.backend",
        Kind::Text,
        "mysql (or mariadb), postgres, sqlite3 or memory",
    ),
    Key::new(
        "storage.db_url",
        Kind::Text,
        "the database: user:password@tcp(host:3306)/name?parseTime=True, \
         postgres://user:password@host/name?sslmode=verify-full, or a file",
    )
    .secret_inside(),
    Key::new(
        "storage.max_connections",
        Kind::Integer,
        "the most connections to the database, 16 by default",
    ),
    Key::new(
        "storage.max_pending_keys",
        Kind::Integer,
        "the most keys that wait for their first signature, 10000 by default; 0: any number",
    ),
    Key::new(
        "storage.default_alias",
        Kind::Text,
        "the passphrase alias of new keys",
    ),
    Key::new(
        "storage.passphrase_files",
        Kind::Map,
        "by alias, a file that holds its passphrase; NOTARY_SIGNER_ALIAS, …_FILE or …_COMMAND comes first",
    ),
    Key::new(
        "storage.kdf_rounds",
        Kind::Integer,
        "PBKDF2 rounds for new envelopes, 8192 (default, as Notary) to 1000000",
    ),
    Key::new(
        "storage.tls_ca_file",
        Kind::Path,
        "RethinkDB only: without effect",
    ),
    Key::new(
        "storage.client_cert_file",
        Kind::Path,
        "RethinkDB only: without effect",
    ),
    Key::new(
        "storage.client_key_file",
        Kind::Path,
        "RethinkDB only: without effect",
    ),
    Key::new(
        "storage.database",
        Kind::Text,
        "RethinkDB only: without effect",
    ),
    Key::new(
        "storage.username",
        Kind::Text,
        "RethinkDB only: without effect",
    ),
    Key::new(
        "storage.password",
        Kind::Text,
        "RethinkDB only: without effect",
    )
    .secret(),
    Key::new(
        "default_alias",
        Kind::Text,
        "used where storage.default_alias is not set",
    ),
    Key::new(
        "cache.keys",
        Kind::Integer,
        "the most decrypted keys in memory, 10000 by default",
    ),
    Key::new(
        "cache.idle_seconds",
        Kind::Integer,
        "how long an unused key stays decrypted in memory, 900 by default",
    ),
    Key::new(
        "reporting.bugsnag.api_key",
        Kind::Text,
        "without effect: nothing is reported",
    )
    .secret(),
    Key::new(
        "reporting.bugsnag.release_stage",
        Kind::Text,
        "without effect: nothing is reported",
    ),
    Key::new(
        "reporting.bugsnag.endpoint",
        Kind::Text,
        "without effect: nothing is reported",
    ),
];

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
    /// Which client certificates are accepted; none: nobody is asked for one.
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
    /// Settings that the operator should look at.
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
        let level = match settings.text("logging.level") {
            None => Level::default(),
            Some(text) => text
                .parse()
                .map_err(|error| settings.invalid("logging.level", error))?,
        };
        let Doors {
            listen,
            cert,
            key,
            client_ca,
            metrics,
        } = Doors::read(settings)?;
        let mut config = Self {
            level,
            listen,
            cert,
            key,
            client_ca,
            client_names: settings.list("server.client_names")?,
            metrics,
            storage: storage(settings, folder)?,
            max_pending: max_pending(settings)?,
            rounds: rounds(settings)?,
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
                let without = "server.client_names needs certificates to look at".to_owned();
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

fn required<'a>(
    settings: &'a Settings,
    path: &'static str,
    notary: &str,
) -> Result<&'a str, ConfigError> {
    settings
        .text(path)
        .ok_or_else(|| ConfigError::Missing(path, notary.to_owned()))
}

fn required_path(settings: &Settings, path: &'static str) -> Result<PathBuf, ConfigError> {
    let notary = "unable to set up TLS: a certificate and its key are required".to_owned();
    settings
        .path(path)
        .ok_or(ConfigError::Missing(path, notary))
}

/// Notary's check of its crash reporter, and what we make of it.
fn bugsnag(settings: &Settings) -> Result<Option<String>, ConfigError> {
    let [key, stage, endpoint] = [
        "reporting.bugsnag.api_key",
        "reporting.bugsnag.release_stage",
        "reporting.bugsnag.endpoint",
    ]
    .map(|path| settings.text(path));
    if key.is_none() && (stage.is_some() || endpoint.is_some()) {
        let notary = "must provide an API key for bugsnag".to_owned();
        return Err(ConfigError::Missing("reporting.bugsnag.api_key", notary));
    }
    Ok(key.map(|_| "reporting.bugsnag has no effect: errors are logged, not sent away".to_owned()))
}

fn storage(settings: &Settings, folder: &Path) -> Result<Storage, ConfigError> {
    let name = settings.text("storage.backend").unwrap_or_default();
    match Backend::named(name) {
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
    let url = required(settings, "storage.db_url", &notary)?;
    let alias = settings
        .text("storage.default_alias")
        .or_else(|| settings.text("default_alias"));
    let notary = "must provide a default alias for the key DB".to_owned();
    let alias = alias.ok_or(ConfigError::Missing("storage.default_alias", notary))?;
    Ok(Storage::Database {
        url: DatabaseUrl::parse(backend, url)?.within(folder)?,
        limits: pool_limits(settings)?,
        default_alias: alias.to_owned(),
        passphrase_files: passphrase_files(settings, folder)?,
    })
}

fn pool_limits(settings: &Settings) -> Result<PoolLimits, ConfigError> {
    let limits = PoolLimits::default();
    let most = settings.integer_in(
        "storage.max_connections",
        1..=1000,
        i64::from(limits.connections),
    )?;
    Ok(PoolLimits {
        connections: u32::try_from(most).expect("the range leaves only numbers that fit"),
        ..limits
    })
}

fn max_pending(settings: &Settings) -> Result<u32, ConfigError> {
    let range = 0..=100_000_000;
    let most = settings.integer_in("storage.max_pending_keys", range, i64::from(MAX_PENDING))?;
    Ok(u32::try_from(most).expect("the range leaves only numbers that fit"))
}

/// Passphrase files by alias; relative paths start at the configuration file, as others do.
fn passphrase_files(
    settings: &Settings,
    folder: &Path,
) -> Result<Vec<(String, PathBuf)>, ConfigError> {
    let path = "storage.passphrase_files";
    let files = settings
        .map(path)
        .into_iter()
        .map(|(alias, file)| match file.as_str() {
            Some(file) if !file.is_empty() => Ok((alias, folder.join(file))),
            _ => Err(settings.invalid(path, "a path for each alias").into()),
        });
    files.collect()
}

fn rounds(settings: &Settings) -> Result<NonZeroU32, ConfigError> {
    let (least, most) = (i64::from(DEFAULT_ROUNDS.get()), i64::from(MAX_ROUNDS));
    let rounds = settings.integer_in("storage.kdf_rounds", least..=most, least)?;
    let rounds = u32::try_from(rounds).ok().and_then(NonZeroU32::new);
    Ok(rounds.expect("the range leaves only numbers that fit"))
}

fn cache(settings: &Settings) -> Result<CacheLimits, ConfigError> {
    let keys = settings.integer_in("cache.keys", 1..=10_000_000, 10_000)?;
    let idle = settings.integer_in("cache.idle_seconds", 1..=86_400, 900)?;
    let keys = usize::try_from(keys).ok().and_then(NonZeroUsize::new);
    Ok(CacheLimits {
        keys: keys.expect("the range leaves only numbers that fit"),
        idle: Duration::from_secs(idle.unsigned_abs()),
        ..CacheLimits::default()
    })
}
