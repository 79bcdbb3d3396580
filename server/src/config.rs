//! Everything an operator can set, read once into values that mean something.
//!
//! The file is Notary's own, key for key; what Notary did not have has a default. A setting that
//! protects something and makes no sense stops the start: nothing here ever falls back to plaintext or
//! to no authentication.

mod authentication;
mod door;
mod keys;
mod note;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use authn::settings::AuthenticationSettings;
use daemon::{Level, Settings, SettingsError};
use database::{Backend, DatabaseUrl, PoolLimits};
use ipnet::IpNet;
use trust::store::Storage;

pub use door::Doors;
pub use keys::SECTIONS;
pub use note::AuthenticationNote;

/// Where `NOTARY_SERVER_…` variables get their names from.
pub const ENV_PREFIX: &str = "NOTARY_SERVER";

/// One year, the longest that answers may be kept.
const LONGEST_MAX_AGE: i64 = 31_536_000;

/// The largest upload taken unless the operator says otherwise: room for more than 100,000 tags in
/// one file.
const DEFAULT_UPLOAD_BYTES: i64 = 32 << 20;

/// Memory for metadata unless the operator says otherwise.
const DEFAULT_CACHE_BYTES: i64 = 64 << 20;

/// How many files a snapshot may list for each role that a file may delegate to: delegates delegate
/// too.
const PINS_PER_ROLE: usize = 10;

/// Connections unless the operator says otherwise.
const DEFAULT_CONNECTIONS: i64 = 2000;

/// The certificate that makes the listener speak HTTPS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate chain, leaf first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// If set, clients are asked for a certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether they may do without one.
    pub client_ca_optional: bool,
}

/// Who holds the keys of timestamps and snapshots.
#[derive(Clone, Debug)]
pub enum TrustService {
    /// This process, in memory.
    Local,
    /// A signer.
    Remote {
        /// Its host.
        hostname: String,
        /// Its port.
        port: u16,
        /// The kind of keys asked for.
        key_algorithm: String,
        /// The CA of its certificate; `None`: the system's.
        ca: Option<PathBuf>,
        /// Certificate and key shown to it.
        client: Option<(PathBuf, PathBuf)>,
    },
}

/// How long clients and proxies may keep what they read; 0 turns caching off.
#[derive(Clone, Copy, Debug)]
pub struct MaxAge {
    /// Seconds for a role's current version, which the next publish replaces.
    pub current_metadata: u32,
    /// Seconds for a version named by number or checksum, which never changes.
    pub consistent_metadata: u32,
    /// Seconds for which this process itself serves a file by checksum from memory without asking the
    /// database whether it is still there; 0: it always asks.
    pub memory: u32,
}

impl MaxAge {
    /// How long a file is served from memory without asking the database.
    #[must_use]
    pub fn memory(&self) -> Duration {
        Duration::from_secs(u64::from(self.memory))
    }
}

impl Default for MaxAge {
    fn default() -> Self {
        Self {
            current_metadata: 300,
            consistent_metadata: 2_592_000,
            memory: 0,
        }
    }
}

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on.
    pub http_addr: String,
    /// HTTPS, or plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Who signs.
    pub trust_service: TrustService,
    /// Where trust data is kept.
    pub storage: Storage,
    /// How talkative the log is.
    pub level: Level,
    /// What proxies are told.
    pub caching: MaxAge,
    /// The only GUNs served, by prefix; empty: all.
    pub gun_prefixes: Vec<String>,
    /// Largest upload in bytes.
    pub upload_bytes: u64,
    /// What the files of an upload may ask for.
    pub limits: tuf::Limits,
    /// Most connections at once.
    pub connections: usize,
    /// Most connections of one address while places are scarce.
    pub connections_per_address: usize,
    /// Memory for metadata, in bytes.
    pub cache_bytes: u64,
    /// Who is let in, and to what.
    pub authentication: AuthenticationSettings,
    /// Where it is noted that authentication is on; `None`: nowhere.
    pub authentication_note: Option<AuthenticationNote>,
    /// What clients call this server, `https://host[:port]`; `None`: the Host that they send.
    pub public_url: Option<String>,
    /// Whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where health and metrics are, if not with the rest.
    pub monitoring_addr: Option<String>,
    /// How many keys one address may have made in a minute; 0: any number.
    pub key_requests_per_minute: u32,
    /// Where the audit log goes; `None`: with the rest.
    pub audit_file: Option<PathBuf>,
    /// What the operator should know although it does not stop the start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `settings`.
    ///
    /// # Errors
    ///
    /// The first setting that makes no sense, in the order in which Notary looked at them.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let mut warnings = settings.warnings();
        warnings.extend(settings.variable_warnings(|_| false));
        let level = match settings.text("logging.level") {
            Some(text) => text.parse().map_err(|_| {
                settings.invalid(
                    "logging.level",
                    "panic, fatal, error, warn, info, debug or trace",
                )
            })?,
            None => Level::default(),
        };
        let authentication = authentication::read(settings, &mut warnings)?;
        let config = Self {
            level,
            gun_prefixes: gun_prefixes(settings)?,
            trust_service: trust_service(settings)?,
            storage: storage(settings)?,
            caching: max_age(settings)?,
            http_addr: http_addr(settings)?,
            tls: tls(settings)?,
            limits: limits(settings)?,
            upload_bytes: size(
                settings,
                "server.max_upload_bytes",
                1 << 10,
                DEFAULT_UPLOAD_BYTES,
            )?,
            connections: door::connections(settings, DEFAULT_CONNECTIONS)?,
            connections_per_address: door::connections_per_address(settings, DEFAULT_CONNECTIONS)?,
            cache_bytes: size(settings, "caching.memory_bytes", 0, DEFAULT_CACHE_BYTES)?,
            authentication_note: None,
            authentication,
            public_url: door::public_url(settings)?,
            trusted_proxies: door::trusted_proxies(settings)?,
            monitoring_addr: door::monitoring_addr(settings)?,
            key_requests_per_minute: door::key_requests_per_minute(settings)?,
            audit_file: settings.path("logging.audit_file"),
            warnings: Vec::new(),
        };
        door::refuse_open(settings, &config.authentication)?;
        let authentication_note = AuthenticationNote::read(settings, &config.authentication)?;
        if config.sends_passwords_in_the_clear() {
            warnings.push(
                "passwords cross the network unencrypted: this server speaks plain HTTP and neither server.public_url nor server.trusted_proxies says that a proxy in front of it speaks HTTPS".into(),
            );
        }
        if config.tls.is_none() {
            warnings.push(
                "server.tls_cert_file is not set: this server speaks plain HTTP, which the docker client refuses".into(),
            );
        }
        if settings.text("reporting.bugsnag.api_key").is_some() {
            warnings.push("reporting.bugsnag has no effect: nothing is reported to anybody".into());
        }
        Ok(Self {
            authentication_note,
            warnings,
            ..config
        })
    }

    fn sends_passwords_in_the_clear(&self) -> bool {
        self.authentication.takes_passwords()
            && self.tls.is_none()
            && self.public_url.is_none()
            && self.trusted_proxies.is_empty()
    }
}

fn has_port(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

fn http_addr(settings: &Settings) -> Result<String, SettingsError> {
    let address = settings.required_text("server.http_addr")?;
    if !has_port(address) {
        return Err(settings.invalid(
            "server.http_addr",
            "HOST:PORT or :PORT, such as 127.0.0.1:4443",
        ));
    }
    Ok(address.to_owned())
}

fn tls(settings: &Settings) -> Result<Option<TlsFiles>, SettingsError> {
    let client_ca = settings.path("server.client_ca_file");
    let client_ca_optional = client_ca_optional(settings, client_ca.is_some())?;
    match (
        settings.path("server.tls_cert_file"),
        settings.path("server.tls_key_file"),
    ) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles {
            cert,
            key,
            client_ca,
            client_ca_optional,
        })),
        (None, None) if client_ca.is_none() => Ok(None),
        (Some(_), None) => Err(settings.missing_at("server.tls_key_file")),
        (None, _) => Err(settings.missing_at("server.tls_cert_file")),
    }
}

fn client_ca_optional(settings: &Settings, has_ca: bool) -> Result<bool, SettingsError> {
    const KEY: &str = "server.client_ca_optional";
    let optional = settings.boolean(KEY)?.unwrap_or(false);
    if optional && !has_ca {
        return Err(settings.refused(KEY, "has no effect without server.client_ca_file"));
    }
    Ok(optional)
}

fn trust_service(settings: &Settings) -> Result<TrustService, SettingsError> {
    match settings.required_text("trust_service.type")? {
        "local" => Ok(TrustService::Local),
        "remote" => remote(settings),
        _ => Err(settings.invalid("trust_service.type", "\"remote\" or \"local\"")),
    }
}

fn remote(settings: &Settings) -> Result<TrustService, SettingsError> {
    const ALGORITHM: &str = "trust_service.key_algorithm";
    let key_algorithm = settings.required_text(ALGORITHM)?;
    if !matches!(key_algorithm, "ecdsa" | "ed25519") {
        return Err(settings.invalid(
            ALGORITHM,
            "\"ecdsa\" or \"ed25519\" (no signer makes RSA keys)",
        ));
    }
    let port = settings.required_text("trust_service.port")?.parse();
    let cert = settings.path("trust_service.tls_client_cert");
    let key = settings.path("trust_service.tls_client_key");
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(settings.missing_at("trust_service.tls_client_key")),
        (None, Some(_)) => return Err(settings.missing_at("trust_service.tls_client_cert")),
    };
    Ok(TrustService::Remote {
        hostname: settings.required_text("trust_service.hostname")?.to_owned(),
        port: port.map_err(|_| settings.invalid("trust_service.port", "a port such as 7899"))?,
        key_algorithm: key_algorithm.to_owned(),
        ca: settings.path("trust_service.tls_ca_file"),
        client,
    })
}

fn storage(settings: &Settings) -> Result<Storage, SettingsError> {
    const BACKEND: &str = "storage.backend";
    const URL: &str = "storage.db_url";
    let Some(backend) = Backend::named(settings.required_text(BACKEND)?) else {
        return Err(settings.invalid(
            BACKEND,
            "\"mysql\" (or MariaDB), \"postgres\", \"sqlite3\" or \"memory\" (Notary's fifth, RethinkDB, is gone for good)",
        ));
    };
    let url = match backend {
        Backend::Memory => DatabaseUrl::MEMORY,
        _ => DatabaseUrl::parse(backend, settings.required_text(URL)?)
            .and_then(|url| url.within(settings.folder()))
            .map_err(|error| settings.invalid(URL, format_args!("one for {backend} ({error})")))?,
    };
    let default = PoolLimits::default();
    let connections = settings.integer_in(
        "storage.max_connections",
        1..=1000,
        i64::from(default.connections),
    )?;
    Ok(Storage {
        url,
        limits: PoolLimits {
            connections: u32::try_from(connections).expect("the range fits"),
            ..default
        },
    })
}

fn max_age(settings: &Settings) -> Result<MaxAge, SettingsError> {
    let seconds = |key, default: u32| {
        let number = settings.integer_in(key, 0..=LONGEST_MAX_AGE, i64::from(default))?;
        Ok(u32::try_from(number).expect("the range fits"))
    };
    let default = MaxAge::default();
    Ok(MaxAge {
        current_metadata: seconds("caching.max_age.current_metadata", default.current_metadata)?,
        consistent_metadata: seconds(
            "caching.max_age.consistent_metadata",
            default.consistent_metadata,
        )?,
        memory: seconds("caching.memory_seconds", default.memory)?,
    })
}

fn size(settings: &Settings, key: &str, least: i64, default: i64) -> Result<u64, SettingsError> {
    let number = settings.integer_in(key, least..=1 << 40, default)?;
    Ok(u64::try_from(number).expect("the range is not negative"))
}

fn limits(settings: &Settings) -> Result<tuf::Limits, SettingsError> {
    let most = |key, default: u32| {
        let number = settings.integer_in(key, 1..=1_000_000, i64::from(default))?;
        Ok(u32::try_from(number).expect("the range fits"))
    };
    let count = |key, default: usize| {
        let default = u32::try_from(default).expect("the defaults are small");
        most(key, default).map(|number| number as usize)
    };
    let default = tuf::Limits::default();
    Ok(tuf::Limits {
        verifications: most("server.max_verifications", default.verifications)?,
        role_keys: count("server.max_keys_per_role", default.role_keys)?,
        keys: count("server.max_keys_per_file", default.keys)?,
        roles: count("server.max_roles_per_file", default.roles)?,
        signatures: count("server.max_signatures_per_file", default.signatures)?,
        pins: PINS_PER_ROLE * count("server.max_roles_per_file", default.roles)?,
    })
}

/// Every prefix is a clean relative path with exactly one slash at its end.
fn gun_prefixes(settings: &Settings) -> Result<Vec<String>, SettingsError> {
    const PREFIXES: &str = "repositories.gun_prefixes";
    let prefixes = settings.list(PREFIXES)?;
    let is_clean = |prefix: &String| {
        prefix.strip_suffix('/').is_some_and(|path| {
            prefix.trim() == prefix
                && path
                    .split('/')
                    .all(|segment| !matches!(segment, "" | "." | ".."))
        })
    };
    match prefixes.iter().find(|prefix| !is_clean(prefix)) {
        None => Ok(prefixes),
        Some(prefix) => Err(settings.invalid(
            PREFIXES,
            format_args!("clean paths that end in one slash, such as docker.io/library/; invalid GUN prefix {prefix:?}"),
        )),
    }
}

/// Reads the file at `path`, with the variables of `env` over it.
///
/// # Errors
///
/// If the file cannot be read, or holds something that makes no sense.
pub fn load(
    path: &Path,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings, SettingsError> {
    Settings::load(path, ENV_PREFIX, SECTIONS, env)
}

/// The same, without secrets that are in files or printed by commands.
///
/// # Errors
///
/// If the file cannot be read, or holds something that makes no sense.
pub fn load_without_secrets(
    path: &Path,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings, SettingsError> {
    Settings::load_without_secrets(path, ENV_PREFIX, SECTIONS, env)
}
