//! Everything an operator can set, read once into values that mean something.
//!
//! The file is Notary's own, key for key; what Notary did not have has a default. A setting that
//! protects something and makes no sense stops the start: nothing here ever falls back to plaintext
//! or to no authentication.

mod authentication;
mod door;
mod note;
mod sections;
mod webhooks;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use ::webhooks::ReceiverSettings;
use authn::settings::AuthenticationSettings;
use daemon::{Level, Settings, SettingsError};
use database::{Backend, DatabaseUrl, PoolLimits};
pub use door::Doors;
use ipnet::IpNet;
pub use note::AuthenticationNote;
pub use sections::SECTIONS;
use sections::{Api, Bugsnag, Caching, Inventory, Repositories, Server, Ui};
use trust::{
    follower::{Mode, Rules},
    store::Storage,
};

/// Where `NOTARY_SERVER_…` variables get their names from.
pub const ENV_PREFIX: &str = "NOTARY_SERVER";

/// How many files a snapshot may list for each role that a file may delegate to: delegates delegate
/// too.
const META_FILES_PER_ROLE: usize = 10;

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
    /// Whether clients may resume TLS sessions.
    pub session_tickets: bool,
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

/// The pages for browsers.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The CA of the server's certificate, for visitors to download.
    pub ca_file: Option<PathBuf>,
}

/// How long clients and proxies may keep what they read; 0 turns caching off.
#[derive(Clone, Copy, Debug)]
pub struct MaxAge {
    /// Seconds for a role's current version, which the next publish replaces.
    pub current_metadata: u32,
    /// Seconds for a version named by number or checksum, which never changes.
    pub consistent_metadata: u32,
}

impl Default for MaxAge {
    fn default() -> Self {
        Self {
            current_metadata: 300,
            consistent_metadata: 2_592_000,
        }
    }
}

/// When what is remembered may be served.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Who else may write to the database.
    pub mode: Mode,
    /// Why that mode was chosen.
    pub reason: &'static str,
    /// For how long reads go on without the database.
    pub without_database: Duration,
}

impl Reading {
    fn read(caching: &Caching<'_>, backend: Backend) -> Result<Self, SettingsError> {
        let (mode, reason) = match caching.mode.require()? {
            "shared" => (Mode::Shared, "as caching.mode says"),
            "sole" => (Mode::Sole, "as caching.mode says"),
            "auto" if backend.is_embedded() => (Mode::Sole, "the database is in this program"),
            "auto" => (Mode::Shared, "other servers may share the database"),
            _ => return Err(caching.mode.invalid("\"shared\", \"sole\" or \"auto\"")),
        };
        let seconds = caching.serve_without_database_for.get()?;
        Ok(Self {
            mode,
            reason,
            without_database: Duration::from_secs(u64::from(seconds)),
        })
    }

    /// The rules that the changefeed is followed by.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            mode: self.mode,
            without_database: self.without_database,
            ..Rules::default()
        }
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mode = match self.mode {
            Mode::Shared => "shared",
            Mode::Sole => "sole",
        };
        write!(formatter, "reads: {mode} ({})", self.reason)
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
    /// Whether the API for operators is served.
    pub has_v1: bool,
    /// Whether the server keeps the inventory up to date.
    pub inventory: bool,
    /// Who is told what happens to repositories.
    pub webhooks: Vec<ReceiverSettings>,
    /// The pages for browsers; `None`: there are none.
    pub ui: Option<Pages>,
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
    /// When that memory may be served.
    pub reading: Reading,
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
    /// What the server calls itself in events.
    pub(crate) fn event_source(&self) -> &str {
        self.public_url.as_deref().unwrap_or("notary-server")
    }

    /// Reads `settings`.
    ///
    /// # Errors
    ///
    /// The first setting that makes no sense, in the order in which Notary looked at them.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let mut warnings = settings.warnings();
        warnings.extend(settings.variable_warnings(|_| false));
        let logging = sections::Logging::of(settings);
        let level = match logging.level.text() {
            Some(text) => text.parse().map_err(|_| {
                logging
                    .level
                    .invalid("panic, fatal, error, warn, info, debug or trace")
            })?,
            None => Level::default(),
        };
        let authentication = authentication::read(settings, &mut warnings)?;
        let server = Server::of(settings);
        let caching = Caching::of(settings);
        let storage = storage(settings)?;
        let config = Self {
            level,
            gun_prefixes: gun_prefixes(settings)?,
            has_v1: Api::of(settings).enabled.get()?,
            inventory: Inventory::of(settings).enabled.get()?,
            webhooks: webhooks::read(settings)?,
            ui: pages(settings)?,
            trust_service: trust_service(settings)?,
            reading: Reading::read(&caching, storage.url.backend())?,
            storage,
            caching: max_age(settings)?,
            http_addr: http_addr(&server)?,
            tls: tls(&server)?,
            limits: limits(&server)?,
            upload_bytes: server.max_upload_bytes.get()?,
            connections: server.max_connections.get()?,
            connections_per_address: door::connections_per_address(&server)?,
            cache_bytes: caching.memory_bytes.get()?,
            authentication_note: None,
            authentication,
            public_url: door::public_url(&server)?,
            trusted_proxies: door::trusted_proxies(&server)?,
            monitoring_addr: door::monitoring_addr(&server)?,
            key_requests_per_minute: server.key_requests_per_minute.get()?,
            audit_file: logging.audit_file.path(),
            warnings: Vec::new(),
        };
        door::refuse_open(&server, &config.authentication)?;
        let authentication_note = AuthenticationNote::read(&server, &config.authentication)?;
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
        if caching.memory_seconds.is_set() {
            warnings.push(
                "caching.memory_seconds has no effect any more: the server asks for changes of all repositories at once".into(),
            );
        }
        if Bugsnag::of(settings).api_key.is_set() {
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

fn http_addr(server: &Server<'_>) -> Result<String, SettingsError> {
    let address = server.http_addr.require()?;
    if !has_port(address) {
        return Err(server
            .http_addr
            .invalid("HOST:PORT or :PORT, such as 127.0.0.1:4443"));
    }
    Ok(address.to_owned())
}

fn tls(server: &Server<'_>) -> Result<Option<TlsFiles>, SettingsError> {
    let client_ca = server.client_ca_file.path();
    let client_ca_optional = client_ca_optional(server)?;
    match (server.tls_cert_file.path(), server.tls_key_file.path()) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles {
            cert,
            key,
            client_ca,
            client_ca_optional,
            session_tickets: server.tls_session_tickets.get()?,
        })),
        (None, None) if client_ca.is_none() => Ok(None),
        (Some(_), None) => Err(server.tls_key_file.missing()),
        (None, _) => Err(server.tls_cert_file.missing()),
    }
}

fn client_ca_optional(server: &Server<'_>) -> Result<bool, SettingsError> {
    let optional = server.client_ca_optional.get()?;
    if optional && !server.client_ca_file.is_set() {
        return Err(server
            .client_ca_optional
            .refuse("has no effect without server.client_ca_file"));
    }
    Ok(optional)
}

fn trust_service(settings: &Settings) -> Result<TrustService, SettingsError> {
    let section = sections::TrustService::of(settings);
    match section.kind.require()? {
        "local" => Ok(TrustService::Local),
        "remote" => remote(&section),
        _ => Err(section.kind.invalid("\"remote\" or \"local\"")),
    }
}

fn remote(section: &sections::TrustService<'_>) -> Result<TrustService, SettingsError> {
    let key_algorithm = section.key_algorithm.require()?;
    if !matches!(key_algorithm, "ecdsa" | "ed25519") {
        return Err(section
            .key_algorithm
            .invalid("\"ecdsa\" or \"ed25519\" (no signer makes RSA keys)"));
    }
    let port = section.port.require()?.parse();
    let cert = section.tls_client_cert.path();
    let key = section.tls_client_key.path();
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(section.tls_client_key.missing()),
        (None, Some(_)) => return Err(section.tls_client_cert.missing()),
    };
    Ok(TrustService::Remote {
        hostname: section.hostname.require()?.to_owned(),
        port: port.map_err(|_| section.port.invalid("a port such as 7899"))?,
        key_algorithm: key_algorithm.to_owned(),
        ca: section.tls_ca_file.path(),
        client,
    })
}

fn pages(settings: &Settings) -> Result<Option<Pages>, SettingsError> {
    let section = Ui::of(settings);
    Ok(section.enabled.get()?.then(|| Pages {
        ca_file: section.ca_file.path(),
    }))
}

fn storage(settings: &Settings) -> Result<Storage, SettingsError> {
    let section = sections::Storage::of(settings);
    let Some(backend) = Backend::from_name(section.backend.require()?) else {
        return Err(section.backend.invalid(
            "\"mysql\" (or MariaDB), \"postgres\", \"sqlite3\" or \"memory\" (Notary's fifth, \
             RethinkDB, is not supported)",
        ));
    };
    let url = match backend {
        Backend::Memory => DatabaseUrl::MEMORY,
        _ => DatabaseUrl::parse(backend, section.db_url.require()?)
            .and_then(|url| url.within(settings.folder()))
            .map_err(|error| {
                section
                    .db_url
                    .invalid(format_args!("one for {backend} ({error})"))
            })?,
    };
    Ok(Storage {
        url,
        limits: PoolLimits {
            connections: section.max_connections.get()?,
            ..PoolLimits::default()
        },
    })
}

fn max_age(settings: &Settings) -> Result<MaxAge, SettingsError> {
    let section = sections::MaxAge::of(settings);
    Ok(MaxAge {
        current_metadata: section.current_metadata.get()?,
        consistent_metadata: section.consistent_metadata.get()?,
    })
}

fn limits(server: &Server<'_>) -> Result<tuf::Limits, SettingsError> {
    let roles = server.max_roles_per_file.get()?;
    Ok(tuf::Limits {
        verifications: server.max_verifications.get()?,
        role_keys: server.max_keys_per_role.get()?,
        keys: server.max_keys_per_file.get()?,
        roles,
        signatures: server.max_signatures_per_file.get()?,
        meta_files: META_FILES_PER_ROLE * roles,
    })
}

/// Every prefix is a clean relative path with exactly one slash at its end.
fn gun_prefixes(settings: &Settings) -> Result<Vec<String>, SettingsError> {
    let setting = Repositories::of(settings).gun_prefixes;
    let prefixes = setting.get()?;
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
        Some(prefix) => Err(setting.invalid(format_args!(
            "clean paths that end in one slash, such as docker.io/library/; \
             invalid GUN prefix {prefix:?}"
        ))),
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
