//! Every setting of the signer. The doc comments are the manual: `docs/configuration.md` is made of
//! them.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use daemon::{section, settings::Section};
use serde_json::Value;

use crate::{
    custody::encrypted::envelope::{DEFAULT_ROUNDS, MAX_ROUNDS},
    keys::MAX_PENDING,
};

/// Every section of the configuration file.
pub const SECTIONS: &[Section] = &[
    Server::SECTION,
    Logging::SECTION,
    Storage::SECTION,
    Root::SECTION,
    Cache::SECTION,
    Bugsnag::SECTION,
];

section! {
    /// Where the signer listens, and which callers it accepts.
    pub(crate) struct Server at "server" {
        /// The address to listen on, such as `:7899`. Required.
        grpc_addr: String,
        /// Without effect: Notary before 0.2 had it.
        http_addr: String,
        /// The certificate chain of the signer, PEM, leaf first. Required. Read again on SIGHUP and
        /// when the file changes.
        tls_cert_file: PathBuf,
        /// The private key of the certificate, PEM, not encrypted. Required.
        tls_key_file: PathBuf,
        /// Certificates of callers or of their issuers, PEM. Without it, **everyone who reaches the
        /// port can create keys and sign with them**; the signer warns at each start.
        client_ca_file: PathBuf,
        /// If set, only callers whose certificate has one of these subject alternative names are
        /// accepted. Refused without `server.client_ca_file`.
        client_names: Vec<String>,
        /// The address of `/metrics` and `/debug/health` in plain HTTP. If unset, they are not
        /// served.
        metrics_addr: String,
    }
}

section! {
    /// What is logged.
    pub(crate) struct Logging at "logging" {
        /// The least severe lines to log: `panic`, `fatal`, `error`, `warn`, `info`, `debug` or
        /// `trace`. Other words are refused.
        #[setting(default_text("error"))]
        level: String,
    }
}

section! {
    /// Where keys are stored, and how they are encrypted.
    pub(crate) struct Storage at "storage" {
        /// The kind of database: `mysql` (or `mariadb`), `postgres`, `sqlite3`, or `memory`, whose
        /// keys are lost when the signer ends. Required; other words, also `rethinkdb`, are
        /// refused.
        backend: String,
        /// The database: `user:password@tcp(host:3306)/name?parseTime=True`,
        /// `postgres://user:password@host/name?sslmode=verify-full`, or the path of an SQLite file.
        /// Required unless the backend is `memory`. A URL of another kind of database is refused.
        #[setting(secret_inside(database::without_secrets))]
        db_url: String,
        /// The most connections to the database.
        #[setting(default(16), between(1, 1000))]
        max_connections: u32,
        /// The most keys that wait for their first signature; 0 means no limit.
        #[setting(default(MAX_PENDING as i64), between(0, 100_000_000))]
        max_pending_keys: u32,
        /// The alias of the passphrase that encrypts new keys. Required unless the backend is
        /// `memory`.
        default_alias: String,
        /// For each alias, the file that holds its passphrase. The variable `NOTARY_SIGNER_ALIAS`,
        /// `NOTARY_SIGNER_ALIAS_FILE` or `NOTARY_SIGNER_ALIAS_COMMAND` takes precedence, with the
        /// alias in the place of `ALIAS`.
        passphrase_files: BTreeMap<String, Value>,
        /// The rounds of PBKDF2 with which new keys are encrypted. The default is Notary's.
        #[setting(
            default(DEFAULT_ROUNDS.get() as i64),
            between(DEFAULT_ROUNDS.get() as i64, MAX_ROUNDS as i64)
        )]
        kdf_rounds: NonZeroU32,
        /// Without effect: for RethinkDB only.
        tls_ca_file: PathBuf,
        /// Without effect: for RethinkDB only.
        client_cert_file: PathBuf,
        /// Without effect: for RethinkDB only.
        client_key_file: PathBuf,
        /// Without effect: for RethinkDB only.
        database: String,
        /// Without effect: for RethinkDB only.
        username: String,
        /// Without effect: for RethinkDB only.
        #[setting(secret)]
        password: String,
    }
}

section! {
    /// A setting that old files have here.
    pub(crate) struct Root at "" {
        /// The alias of new keys, if `storage.default_alias` is not set.
        default_alias: String,
    }
}

section! {
    /// Which decrypted keys stay in memory.
    pub(crate) struct Cache at "cache" {
        /// The most decrypted keys in memory. When there are as many, keys that have not signed yet
        /// take at most a tenth of them.
        #[setting(default(10_000), between(1, 10_000_000))]
        keys: NonZeroUsize,
        /// How long an unused key stays decrypted in memory.
        #[setting(default(900), between(1, 86_400), unit("seconds"))]
        idle_seconds: u64,
    }
}

section! {
    /// Notary's crash reporter, which is not supported: errors are logged.
    pub(crate) struct Bugsnag at "reporting.bugsnag" {
        /// Without effect.
        #[setting(secret)]
        api_key: String,
        /// Without effect; refused without `reporting.bugsnag.api_key`.
        release_stage: String,
        /// Without effect; refused without `reporting.bugsnag.api_key`.
        endpoint: String,
    }
}
