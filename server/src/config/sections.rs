//! Every setting of the server. The doc comments are the manual: `docs/configuration.md` is made of
//! them.

use std::{collections::BTreeMap, path::PathBuf};

use daemon::{section, settings::Section};
use serde_json::Value;

/// Every section of the configuration file.
pub const SECTIONS: &[Section] = &[
    Server::SECTION,
    TrustService::SECTION,
    Storage::SECTION,
    Auth::SECTION,
    Logging::SECTION,
    MaxAge::SECTION,
    Caching::SECTION,
    Repositories::SECTION,
    Inventory::SECTION,
    Api::SECTION,
    Webhooks::SECTION,
    Ui::SECTION,
    Bugsnag::SECTION,
];

section! {
    /// Where the server listens, who stands between it and its clients, and how much it accepts.
    pub(crate) struct Server at "server" {
        /// The address to listen on, `HOST:PORT` or `:PORT`. Required.
        http_addr: String,
        /// The certificate chain of the server, PEM, leaf first. With `server.tls_key_file`, it
        /// switches HTTPS on; without either, the server speaks plain HTTP, which the docker client
        /// refuses. Either without the other is refused.
        tls_cert_file: PathBuf,
        /// The private key of the certificate, PEM, not encrypted.
        tls_key_file: PathBuf,
        /// Certificates of clients or of their issuers, PEM. If set, clients must present a
        /// certificate that one of these vouches for; see `server.client_ca_optional`. Refused
        /// without `server.tls_cert_file`.
        client_ca_file: PathBuf,
        /// Whether clients may come without a certificate. They are still asked for one, and a
        /// wrong one is refused. Refused without `server.client_ca_file`.
        client_ca_optional: bool,
        /// Whether clients may resume their TLS sessions, which spares a part of the next handshake.
        /// Without it, the server keeps no secrets of past sessions, and makes no tickets for
        /// clients that take them and never come back. docker and the notary command never ask for
        /// tickets. Where clients are asked for certificates, sessions are never resumed.
        #[setting(on_by_default)]
        tls_session_tickets: bool,
        /// What clients call this server, `https://HOST` or `https://HOST:PORT`, if that is not the
        /// `Host` header that they send. A path, a query or a user in it is refused.
        public_url: String,
        /// Addresses or networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-…` headers are
        /// believed.
        trusted_proxies: Vec<String>,
        /// IP addresses at which the host makes this server reachable, as the port mapping of a
        /// container or proxy does, separated by commas. If one of them is not loopback, the server
        /// does not start without `auth.type` or `NOTARY_AUTH`.
        published_addresses: Vec<String>,
        /// A file in which the server notes that authentication is on. While the file exists, the
        /// server starts without authentication only if `auth.type` is `none`. If unset, nothing is
        /// noted.
        authentication_note: PathBuf,
        /// The address of a separate listener for health and metrics, plain HTTP. If unset, they
        /// are on `server.http_addr`.
        monitoring_addr: String,
        /// How many keys one address may have created per minute, at most 60 of them at once; 0
        /// means no limit.
        #[setting(default(600), between(0, 1_000_000))]
        key_requests_per_minute: u32,
        /// The largest update accepted. The default has room for more than 100,000 tags in one
        /// file.
        #[setting(default(32 << 20), between(1 << 10, 1 << 40), unit("bytes"))]
        max_upload_bytes: u64,
        /// The most keys that an uploaded file may name for one role.
        #[setting(default(100), between(1, 1_000_000))]
        max_keys_per_role: usize,
        /// The most keys that an uploaded file may define.
        #[setting(default(1_000), between(1, 1_000_000))]
        max_keys_per_file: usize,
        /// The most roles that an uploaded file may delegate to.
        #[setting(default(1_000), between(1, 1_000_000))]
        max_roles_per_file: usize,
        /// The most signatures that an uploaded file may have.
        #[setting(default(1_000), between(1, 1_000_000))]
        max_signatures_per_file: usize,
        /// How much work the signatures of one update may take to verify, as a number of
        /// verifications with P-256.
        #[setting(default(10_000), between(1, 1_000_000))]
        max_verifications: u32,
        /// The most connections served at once. The default may occupy 110 MiB when all are idle.
        #[setting(default(2_000), between(1, 1_000_000))]
        max_connections: usize,
        /// The most connections of one address. It counts only while more than 80 % of
        /// `server.max_connections` are taken, and never for `server.trusted_proxies`.
        #[setting(default_is("half of `server.max_connections`"), between(1, 1_000_000))]
        max_connections_per_address: Option<usize>,
    }
}

section! {
    /// Who signs timestamps and snapshots.
    pub(crate) struct TrustService at "trust_service" {
        /// The signer: `remote` (a `notary-signer`), or `local` (keys in memory that are lost when
        /// the server ends, for trying it out). Required; other words are refused.
        kind as "type": String,
        /// The host of the signer, as its certificate names it. Required with type `remote`.
        hostname: String,
        /// The port of the signer, 7899 by convention. Required with type `remote`.
        port: String,
        /// The kind of keys to ask for, `ecdsa` or `ed25519`. Required with type `remote`; other
        /// words are refused.
        key_algorithm: String,
        /// The CA of the signer's certificate, PEM. If unset, the system's CAs count.
        tls_ca_file: PathBuf,
        /// The certificate that the server presents to the signer, PEM. Refused without
        /// `trust_service.tls_client_key`.
        tls_client_cert: PathBuf,
        /// The private key of that certificate, PEM, not encrypted.
        tls_client_key: PathBuf,
    }
}

section! {
    /// Where trust data is stored.
    pub(crate) struct Storage at "storage" {
        /// The kind of database: `mysql` (or `mariadb`), `postgres`, `sqlite3`, or `memory`, whose
        /// content is lost when the server ends. Required; other words, also `rethinkdb`, are
        /// refused.
        backend: String,
        /// The database: a DSN of Go's MySQL driver or `mysql://…`, a libpq URL or `key=value`
        /// words, or the path of an SQLite file. Required unless the backend is `memory`. A URL of
        /// another kind of database is refused.
        #[setting(secret_inside(database::without_secrets))]
        db_url: String,
        /// The most connections to the database.
        #[setting(default(16), between(1, 1000))]
        max_connections: u32,
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
    /// How callers prove who they are, and what they may do. Unlike elsewhere, an unknown name in
    /// this section stops the start, as does a setting that has no effect with this `auth.type`.
    pub(crate) struct Auth at "auth" {
        /// How callers prove who they are: `htpasswd` (or `basic`) by a password, `token` by a
        /// token of another service, `none` not at all. Other words are refused.
        #[setting(default_is("`basic` if the administrator is set, else `none`, with a warning"))]
        kind as "type": String,
        /// For type `token`: `realm`, `service`, `issuer`, `rootcertbundle` (relative to the
        /// working directory), `autoredirect`, `jwks`, `jwks_ca_file`, and `issuers`, a list of
        /// sections with the same names. The section is refused with another type, as is a name
        /// close to one of these.
        #[setting(
            secret,
            members(&[
                "realm",
                "issuer",
                "service",
                "rootcertbundle",
                "autoredirect",
                "jwks",
                "jwks_ca_file",
            ])
        )]
        options: BTreeMap<String, Value>,
        /// Users and the bcrypt or argon2id hashes of their passwords, as `htpasswd -B` writes
        /// them. Read again when the file changes.
        htpasswd_file: PathBuf,
        /// The administrator, who may do everything, as base64 of `user:password`.
        #[setting(secret, variable("NOTARY_AUTH"))]
        administrator: String,
        /// What clients show people as the purpose of the password, where `auth.token_service` is
        /// false.
        #[setting(default_text("notary-server"))]
        realm: String,
        /// A file with the rules that say who may do what, `.yaml`, `.json` or `.toml`. Read again
        /// when it changes. If unset, users may do everything, and others nothing.
        rules_file: PathBuf,
        /// Whether a client certificate says who its holder is. Refused without
        /// `server.client_ca_file`.
        client_certificates: bool,
        /// Whether clients exchange passwords for tokens at `/auth/token`, without which the notary
        /// command cannot read. For type `htpasswd`.
        #[setting(on_by_default)]
        token_service: bool,
        /// The issuer (`iss`) of the tokens of the token service.
        #[setting(default_text("notary-server"))]
        token_issuer: String,
        /// The audience (`aud`) of tokens for this server.
        #[setting(default_text("notary-server"))]
        token_audience: String,
        /// The folder of the token service's keys, which are created there. Several servers share
        /// it. If unset, the keys are in memory, and tokens end with the process.
        token_folder: PathBuf,
        /// How long a token is valid.
        #[setting(default(300), between(60, 3600), unit("seconds"))]
        token_seconds: u64,
        /// Registries that use the token service: by the name that they call themselves, the prefix
        /// that makes GUNs of their names. A prefix that does not end in a slash is refused, as is
        /// the section without `auth.token_folder`.
        #[setting(keeping_case)]
        token_registries: BTreeMap<String, Value>,
    }
}

section! {
    /// What is logged, and where.
    pub(crate) struct Logging at "logging" {
        /// The least severe lines to log: `panic`, `fatal`, `error`, `warn`, `info`, `debug` or
        /// `trace`. Other words are refused.
        #[setting(default_text("error"))]
        level: String,
        /// The file of the audit log, a JSON object per line. If unset, it goes to standard error
        /// with the rest, and each start begins a chain of its own.
        audit_file: PathBuf,
    }
}

section! {
    /// How long clients and proxies may keep what they read.
    pub(crate) struct MaxAge at "caching.max_age" {
        /// For a role's current version, which the next publish replaces; 0 turns caching off.
        #[setting(default(300), between(0, YEAR), unit("seconds"))]
        current_metadata: u32,
        /// For a version named by number or checksum, which never changes; 0 turns caching off.
        #[setting(default(2_592_000), between(0, YEAR), unit("seconds"))]
        consistent_metadata: u32,
    }
}

section! {
    /// What the server keeps in memory, and when it asks the database.
    pub(crate) struct Caching at "caching" {
        /// Which programs write to the database. `shared`: other servers may, so each read asks the
        /// database what has changed; readers who wait share one query. `sole`: this server alone,
        /// so a query of the last 50 milliseconds is enough. The first change by another program
        /// switches to `shared` until the server ends. `auto`: `sole` with SQLite, else `shared`.
        /// Other words are refused.
        #[setting(default_text("auto"))]
        mode: String,
        /// For how long what was last confirmed is served while the database is away, never beyond
        /// its expiry; 0 means not at all. Health fails meanwhile.
        #[setting(default(3_600), between(0, 604_800), unit("seconds"))]
        serve_without_database_for: u32,
        /// Has no effect any more. In earlier versions, the server asked the database less often
        /// whether another server had deleted a repository.
        #[setting(default(0), between(0, YEAR), unit("seconds"))]
        memory_seconds: u32,
        /// The memory for metadata that was read before.
        #[setting(default(64 << 20), between(0, 1 << 40), unit("bytes"))]
        memory_bytes: u64,
    }
}

section! {
    /// Which repositories are served.
    pub(crate) struct Repositories at "repositories" {
        /// The prefixes of the GUNs that are served, such as `docker.io/library/`. A prefix that is
        /// no clean path with one slash at its end is refused. If unset, all GUNs are served.
        gun_prefixes: Vec<String>,
    }
}

section! {
    /// What operators see of all repositories: what is stored, who signs it, what expires when.
    pub(crate) struct Inventory at "inventory" {
        /// Whether the server keeps the inventory up to date, in tables of its own beside Notary's
        /// (`notary-server migrate` makes them). Several servers on one database may. If false,
        /// nothing is written, and no tables are needed; `notary-server inventory` then brings them
        /// up to date itself.
        #[setting(on_by_default)]
        enabled: bool,
    }
}

section! {
    /// The API for operators, at `/api/v1/`.
    pub(crate) struct Api at "api" {
        /// Whether the API is served, on `server.http_addr`. It only reads. Callers see what the
        /// rules let them pull or see; while authentication is off, everybody sees everything but
        /// the audit log. If false, its paths do not exist.
        #[setting(on_by_default)]
        enabled: bool,
    }
}

section! {
    /// Which programs are told what happens to repositories: see `docs/webhooks.md`.
    pub(crate) struct Webhooks at "webhooks" {
        /// The receivers of events: by a name of your choice, a section with `url`, `secret` (or
        /// `secret_file`, `secret_command`), and if wanted `previous_secret` (in the same three
        /// ways), `events`, `prefixes`, `allow_private_addresses` and `ca_file`. Other names are
        /// refused, as are addresses that are not `https`, except with `allow_private_addresses`.
        #[setting(secret)]
        receivers: BTreeMap<String, Value>,
    }
}

section! {
    /// Pages for people, in a browser: what is stored, what is wrong, what expires.
    pub(crate) struct Ui at "ui" {
        /// Whether the server has pages for browsers, at `/ui/`, and greets browsers at `/`. They
        /// only read, and show callers what the API answers them. They need the inventory. If
        /// false, neither path has anything.
        #[setting(on_by_default)]
        enabled: bool,
        /// The CA of the server's certificate, PEM, for visitors to download. A file that holds
        /// anything but certificates is refused, a private key above all. If unset, none is offered.
        ca_file: PathBuf,
    }
}

section! {
    /// Notary's crash reporter, which is not supported: errors are logged.
    pub(crate) struct Bugsnag at "reporting.bugsnag" {
        /// Without effect.
        #[setting(secret)]
        api_key: String,
        /// Without effect.
        release_stage: String,
        /// Without effect.
        endpoint: String,
    }
}

/// The longest that answers may be kept, in seconds.
const YEAR: i64 = 31_536_000;
