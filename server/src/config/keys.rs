//! The names of everything an operator can set.

use daemon::settings::{Key, Kind, Section};

/// What [`Settings`](daemon::Settings) are loaded with.
pub const SECTIONS: &[Section] = &[Section {
    path: "",
    about: "",
    keys: KEYS,
}];

/// Every key of the configuration file.
const KEYS: &[Key] = &[
    Key::new(
        "server.http_addr",
        Kind::Text,
        "address to listen on, HOST:PORT or :PORT (required)",
    ),
    Key::new(
        "server.tls_cert_file",
        Kind::Path,
        "certificate chain of this server, PEM, leaf first; with server.tls_key_file switches HTTPS on",
    ),
    Key::new(
        "server.tls_key_file",
        Kind::Path,
        "private key of this server, PEM, not encrypted",
    ),
    Key::new(
        "server.client_ca_file",
        Kind::Path,
        "if set, clients must show a certificate that one of these vouches for (see server.client_ca_optional)",
    ),
    Key::new(
        "server.client_ca_optional",
        Kind::Boolean,
        "whether clients may do without that certificate: they are asked for one, and a wrong one is refused; default false",
    ),
    Key::new(
        "server.public_url",
        Kind::Text,
        "what clients call this server, https://HOST[:PORT], if that is not the Host they send",
    ),
    Key::new(
        "server.trusted_proxies",
        Kind::List,
        "addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-… headers are believed; default: none",
    ),
    Key::new(
        "server.published_addresses",
        Kind::List,
        "addresses at which the host makes this server reachable, where a container's or proxy's port mapping does; if one is not loopback, the server does not start without an auth.type or NOTARY_AUTH; default: none",
    ),
    Key::new(
        "server.authentication_note",
        Kind::Path,
        "file in which the server notes that authentication is on; while it is there, the server starts without authentication only if auth.type is \"none\"; default: nothing is noted",
    ),
    Key::new(
        "server.monitoring_addr",
        Kind::Text,
        "address of a listener of its own for health and metrics, plain HTTP; default: they are on server.http_addr",
    ),
    Key::new(
        "server.key_requests_per_minute",
        Kind::Integer,
        "how many keys one address may have made in a minute, at most 60 of them at once; 0: any number; default 600",
    ),
    Key::new(
        "server.max_upload_bytes",
        Kind::Integer,
        "largest update taken, in bytes; default 33554432",
    ),
    Key::new(
        "server.max_keys_per_role",
        Kind::Integer,
        "most keys that an uploaded file may name for one role; default 100",
    ),
    Key::new(
        "server.max_keys_per_file",
        Kind::Integer,
        "most keys that an uploaded file may define; default 1000",
    ),
    Key::new(
        "server.max_roles_per_file",
        Kind::Integer,
        "most roles that an uploaded file may delegate to; default 1000",
    ),
    Key::new(
        "server.max_signatures_per_file",
        Kind::Integer,
        "most signatures that an uploaded file may have; default 1000",
    ),
    Key::new(
        "server.max_verifications",
        Kind::Integer,
        "how much work the signatures of one update may take to verify, in verifications by P-256; default 10000",
    ),
    Key::new(
        "server.max_connections",
        Kind::Integer,
        "most connections served at once; default 2000, which may occupy 110 MiB when idle",
    ),
    Key::new(
        "server.max_connections_per_address",
        Kind::Integer,
        "most connections of one address; counts only while more than 80 % of server.max_connections are taken, and never for server.trusted_proxies; default: half of server.max_connections",
    ),
    Key::new(
        "trust_service.type",
        Kind::Text,
        "who signs timestamps and snapshots: \"remote\" (a notary-signer) or \"local\" (keys in memory, lost at the end; for trying out); required",
    ),
    Key::new(
        "trust_service.hostname",
        Kind::Text,
        "host of the signer, as its certificate names it",
    ),
    Key::new(
        "trust_service.port",
        Kind::Text,
        "port of the signer, 7899 by convention",
    ),
    Key::new(
        "trust_service.key_algorithm",
        Kind::Text,
        "kind of the keys asked for: \"ecdsa\" or \"ed25519\"",
    ),
    Key::new(
        "trust_service.tls_ca_file",
        Kind::Path,
        "CA of the signer's certificate, PEM; default: the system's",
    ),
    Key::new(
        "trust_service.tls_client_cert",
        Kind::Path,
        "certificate shown to the signer, PEM",
    ),
    Key::new(
        "trust_service.tls_client_key",
        Kind::Path,
        "its private key, PEM, not encrypted",
    ),
    Key::new(
        "storage.backend",
        Kind::Text,
        "\"mysql\" (or \"mariadb\"), \"postgres\", \"sqlite3\" or \"memory\" (required)",
    ),
    Key::new(
        "storage.db_url",
        Kind::Text,
        "where the database is: a Go MySQL DSN or mysql://…, a libpq URL or key=value words, or the path of the SQLite file",
    )
    .secret_inside(),
    Key::new(
        "storage.max_connections",
        Kind::Integer,
        "most connections to the database; default 16",
    ),
    Key::new(
        "storage.tls_ca_file",
        Kind::Path,
        "without effect (RethinkDB)",
    ),
    Key::new(
        "storage.client_cert_file",
        Kind::Path,
        "without effect (RethinkDB)",
    ),
    Key::new(
        "storage.client_key_file",
        Kind::Path,
        "without effect (RethinkDB)",
    ),
    Key::new("storage.database", Kind::Text, "without effect (RethinkDB)"),
    Key::new("storage.username", Kind::Text, "without effect (RethinkDB)"),
    Key::new("storage.password", Kind::Text, "without effect (RethinkDB)").secret(),
    Key::new(
        "auth.type",
        Kind::Text,
        "how callers prove who they are: \"htpasswd\" (or \"basic\"), \"token\" or \"none\"; default: \"basic\" if NOTARY_AUTH (or NOTARY_AUTH_FILE, NOTARY_AUTH_COMMAND) is set, else \"none\", with a warning",
    ),
    Key::new(
        "auth.options",
        Kind::Map,
        "for type token: realm, service, issuer, rootcertbundle (relative to the working directory), autoredirect, jwks, jwks_ca_file, issuers; all but the last also by NOTARY_SERVER_AUTH_OPTIONS_REALM and so on",
    )
    .secret()
    .members(&[
        "realm",
        "issuer",
        "service",
        "rootcertbundle",
        "autoredirect",
        "jwks",
        "jwks_ca_file",
    ]),
    Key::new(
        "auth.htpasswd_file",
        Kind::Path,
        "users and the bcrypt or argon2id hashes of their passwords, as `htpasswd -B` writes them; read again when it changes",
    ),
    Key::new(
        "auth.administrator",
        Kind::Text,
        "who may do everything: base64(\"user:password\")",
    )
    .secret()
    .variable("NOTARY_AUTH"),
    Key::new(
        "auth.realm",
        Kind::Text,
        "what people are told that the password is for, where auth.token_service is false; default notary-server",
    ),
    Key::new(
        "auth.rules_file",
        Kind::Path,
        "who may do what, .yaml, .json or .toml; read again when it changes; default: users everything, others nothing",
    ),
    Key::new(
        "auth.client_certificates",
        Kind::Boolean,
        "whether a client certificate makes its holder somebody; needs server.client_ca_file; default false",
    ),
    Key::new(
        "auth.token_service",
        Kind::Boolean,
        "whether clients exchange passwords for tokens at /auth/token, without which the notary command cannot read; default true, for type htpasswd",
    ),
    Key::new(
        "auth.token_issuer",
        Kind::Text,
        "what tokens of the token service have in iss; default notary-server",
    ),
    Key::new(
        "auth.token_audience",
        Kind::Text,
        "what tokens for this server have in aud; default notary-server",
    ),
    Key::new(
        "auth.token_folder",
        Kind::Path,
        "where the keys of the token service are, and are made; several servers share it; default: in memory, so that tokens end with the process",
    ),
    Key::new(
        "auth.token_seconds",
        Kind::Integer,
        "how long a token is valid, 60 to 3600; default 300",
    ),
    Key::new(
        "auth.token_registries",
        Kind::Map,
        "registries that use the token service: what they call themselves, and the prefix, ending in a slash, that makes GUNs of their names; needs auth.token_folder",
    )
    .keeping_case(),
    Key::new(
        "logging.level",
        Kind::Text,
        "panic, fatal, error, warn, info, debug or trace; default error",
    ),
    Key::new(
        "logging.audit_file",
        Kind::Path,
        "where the audit log goes, a JSON object a line; default: to standard error with the rest",
    ),
    Key::new(
        "reporting.bugsnag.api_key",
        Kind::Text,
        "without effect: nothing is reported to anybody",
    )
    .secret(),
    Key::new(
        "reporting.bugsnag.release_stage",
        Kind::Text,
        "without effect",
    ),
    Key::new("reporting.bugsnag.endpoint", Kind::Text, "without effect"),
    Key::new(
        "caching.max_age.current_metadata",
        Kind::Integer,
        "seconds for which proxies may keep a role's current version; 0 turns caching off, at most 31536000; default 300",
    ),
    Key::new(
        "caching.max_age.consistent_metadata",
        Kind::Integer,
        "seconds for which proxies may keep what never changes; 0 turns caching off, at most 31536000; default 2592000",
    ),
    Key::new(
        "caching.memory_seconds",
        Kind::Integer,
        "seconds for which a file is served by checksum from memory without asking the database whether its repository was deleted by another server; default 0: it always asks",
    ),
    Key::new(
        "caching.memory_bytes",
        Kind::Integer,
        "memory for metadata read before, in bytes; default 67108864",
    ),
    Key::new(
        "repositories.gun_prefixes",
        Kind::List,
        "only GUNs that start with one of these are served; each ends in a slash; default: all",
    ),
];
