//! Configuration: Notary's files work, and what makes no sense stops the start.

mod auth;
mod noted;
mod published;
mod variables;

use std::{ffi::OsString, path::Path};

use serde_json::json;
use server::config::{self, Config, TrustService};

fn read(json: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.json");
    std::fs::write(&file, json).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let settings = config::load(&file, env).map_err(|error| error.to_string())?;
    Config::read(&settings).map_err(|error| error.to_string())
}

/// The file of a test, with one member of one section set to something else.
fn with(section: &str, key: &str, value: serde_json::Value) -> String {
    let mut json: serde_json::Value = serde_json::from_str(MINIMAL).unwrap();
    json[section][key] = value;
    json.to_string()
}

const MINIMAL: &str = r#"{"server":{"http_addr":"127.0.0.1:4443"},"trust_service":{"type":"local"},"storage":{"backend":"memory"}}"#;

const NOTARYS_OWN: &str = r#"{
  "server": {"http_addr": ":4443", "tls_key_file": "./notary-server.key", "tls_cert_file": "./notary-server.crt"},
  "trust_service": {"type": "remote", "hostname": "notarysigner", "port": 7899, "key_algorithm": "ecdsa",
    "tls_ca_file": "./root-ca.crt", "tls_client_cert": "./notary-server.crt", "tls_client_key": "./notary-server.key"},
  "logging": {"level": "INFO"},
  "storage": {"backend": "sqlite3", "db_url": "/var/lib/notary/server.db"},
  "caching": {"max_age": {"current_metadata": "60", "consistent_metadata": 31536000}},
  "repositories": {"gun_prefixes": ["docker.io/", "my-own-registry.com/"]}
}"#;

#[test]
fn notarys_smallest_file_is_enough() {
    let config = read(MINIMAL, &[]).unwrap();
    assert!(matches!(config.trust_service, TrustService::Local));
    assert_eq!(config.caching.current_metadata, 300);
    assert_eq!(config.caching.consistent_metadata, 2_592_000);
    assert!(config.tls.is_none());
}

#[test]
fn who_else_writes_to_the_database_is_known_from_its_kind_or_said() {
    let shown = |backend: &str, mode: &str| {
        let storage = match backend {
            "memory" => json!({"backend": "memory"}),
            _ => json!({"backend": backend, "db_url": "server@tcp(localhost:3306)/notary"}),
        };
        let mut json: serde_json::Value = serde_json::from_str(MINIMAL).unwrap();
        json["storage"] = storage;
        json["caching"] = json!({"mode": mode, "memory_seconds": 60});
        read(&json.to_string(), &[]).map(|config| {
            assert_eq!(config.reading.without_database.as_secs(), 3_600);
            let warnings = config.warnings.join("\n");
            assert!(warnings.contains("caching.memory_seconds"), "{warnings}");
            config.reading.to_string()
        })
    };
    for (backend, mode, expected) in [
        (
            "memory",
            "auto",
            "reads: sole (the database is in this program)",
        ),
        (
            "mysql",
            "auto",
            "reads: shared (other servers may share the database)",
        ),
        ("mysql", "sole", "reads: sole (as caching.mode says)"),
        ("memory", "shared", "reads: shared (as caching.mode says)"),
    ] {
        assert_eq!(shown(backend, mode).unwrap(), expected);
    }
    let error = shown("memory", "alone").unwrap_err();
    assert!(error.contains("caching.mode"), "{error}");
}

#[test]
fn notarys_full_file_means_what_it_meant() {
    let config = read(NOTARYS_OWN, &[]).unwrap();
    let TrustService::Remote {
        hostname,
        port,
        ca,
        client,
        ..
    } = &config.trust_service
    else {
        panic!("{config:?}")
    };
    assert_eq!((hostname.as_str(), *port), ("notarysigner", 7899));
    let ends_with = |path: &Path, name: &str| path.is_absolute() && path.ends_with(name);
    assert!(ends_with(ca.as_ref().unwrap(), "root-ca.crt"));
    assert!(ends_with(&client.as_ref().unwrap().1, "notary-server.key"));
    assert_eq!(config.caching.current_metadata, 60);
    assert_eq!(config.gun_prefixes, ["docker.io/", "my-own-registry.com/"]);
    assert_eq!(config.connections, 2000);
    assert_eq!(config.connections_per_address, 1000);
}

#[test]
fn variables_beat_the_file() {
    let env = [
        ("NOTARY_SERVER_SERVER_HTTP_ADDR", "127.0.0.1:5"),
        ("NOTARY_SERVER_CACHING_MAX_AGE_CURRENT_METADATA", "7"),
        ("NOTARY_SERVER_REPOSITORIES_GUN_PREFIXES", "a/ b/"),
        ("NOTARY_SERVER_STORAGE_BACKEND", ""),
    ];
    let config = read(MINIMAL, &env).unwrap();
    assert_eq!(config.http_addr, "127.0.0.1:5");
    assert_eq!(config.caching.current_metadata, 7);
    assert_eq!(config.gun_prefixes, ["a/", "b/"]);
}

#[test]
fn an_unknown_key_is_a_warning_that_names_it() {
    let config = read(&with("server", "http_adr", "x".into()), &[]).unwrap();
    assert!(
        config
            .warnings
            .iter()
            .any(|warning| warning.contains("server.http_adr"))
    );
}

#[test]
fn what_makes_no_sense_is_named_with_its_key() {
    for (section, key, value, expected) in [
        ("server", "http_addr", "foo".into(), "server.http_addr"),
        (
            "server",
            "tls_cert_file",
            "a.crt".into(),
            "server.tls_key_file",
        ),
        (
            "server",
            "client_ca_file",
            "a.crt".into(),
            "server.tls_cert_file",
        ),
        (
            "trust_service",
            "type",
            "remot".into(),
            "trust_service.type",
        ),
        ("storage", "backend", "oracle".into(), "storage.backend"),
        ("storage", "backend", "sqlite3".into(), "storage.db_url"),
        ("logging", "level", "verbose".into(), "logging.level"),
        (
            "repositories",
            "gun_prefixes",
            serde_json::json!(["a//"]),
            "invalid GUN prefix \"a//\"",
        ),
        (
            "repositories",
            "gun_prefixes",
            serde_json::json!(["../a/"]),
            "invalid GUN prefix",
        ),
        (
            "caching",
            "max_age",
            serde_json::json!({"current_metadata": 31_536_001}),
            "current_metadata",
        ),
        (
            "caching",
            "max_age",
            serde_json::json!({"current_metadata": 1.5}),
            "current_metadata",
        ),
    ] {
        let error = read(&with(section, key, value), &[]).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn a_signer_needs_an_address_and_keys_it_can_make() {
    for (key, value) in [
        ("key_algorithm", "rsa"),
        ("port", "many"),
        ("hostname", ""),
        ("tls_client_key", ""),
    ] {
        let mut json: serde_json::Value = serde_json::from_str(NOTARYS_OWN).unwrap();
        json["trust_service"][key] = value.into();
        let error = read(&json.to_string(), &[]).unwrap_err();
        assert!(error.contains(&format!("trust_service.{key}")), "{error}");
    }
}

#[test]
fn every_database_is_accepted_in_notarys_own_words_and_rethinkdb_is_refused() {
    for (backend, url, place) in [
        (
            "mysql",
            "server:pa:ss@w/rd@tcp(mysql:3306)/notaryserver?parseTime=True",
            "notaryserver at mysql:3306",
        ),
        (
            "postgres",
            "postgres://server@postgresql:5432/notaryserver?sslmode=verify-ca&sslrootcert=/ca.pem",
            "notaryserver at postgresql:5432",
        ),
        (
            "sqlite3",
            "/var/lib/notary/server.db",
            "/var/lib/notary/server.db",
        ),
    ] {
        let storage = serde_json::json!({"backend": backend, "db_url": url, "max_connections": 3});
        let mut json: serde_json::Value = serde_json::from_str(MINIMAL).unwrap();
        json["storage"] = storage;
        let config = read(&json.to_string(), &[]).unwrap();
        assert_eq!(config.storage.url.to_string(), place);
        assert_eq!(config.storage.limits.connections, 3);
    }
    for backend in ["rethinkdb", "postgresql", "MySQL"] {
        let error = read(&with("storage", "backend", backend.into()), &[]).unwrap_err();
        assert!(error.contains("storage.backend"), "{error}");
    }
    let mut json: serde_json::Value = serde_json::from_str(MINIMAL).unwrap();
    json["storage"] =
        serde_json::json!({"backend": "mysql", "db_url": "me:hunter2@tcp(db:99999)/x"});
    let error = read(&json.to_string(), &[]).unwrap_err();
    assert!(
        error.contains("storage.db_url") && !error.contains("hunter2"),
        "{error}"
    );
}
