//! What an operator may write, and what is said about it.

use std::{fs, path::Path};

use daemon::{Level, Settings};
use signer::config::{Config, ENVIRONMENT, SECTIONS, Storage};

use crate::support::environment;

pub(crate) const GOOD: &str = r#"{
    "server": {"grpc_addr": ":7899", "tls_cert_file": "s.crt", "tls_key_file": "s.key",
               "client_ca_file": "ca.crt"},
    "logging": {"level": "Info"},
    "storage": {"backend": "sqlite3", "db_url": "/var/lib/signer.db", "default_alias": "one",
                "passphrase_files": {"one": "one.pass", "two": "/etc/two.pass"}}
}"#;

/// Reads `text` as a file in a folder of its own.
pub(crate) fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signer.json");
    fs::write(&file, text).unwrap();
    let settings = Settings::load(&file, ENVIRONMENT, SECTIONS, environment(variables))
        .map_err(|error| error.to_string())?;
    Config::read(&settings, Path::new("/etc/notary")).map_err(|error| error.to_string())
}

fn refusal(of: &str, by: &str) -> String {
    read(&GOOD.replace(of, by), &[]).expect_err(by)
}

#[test]
fn a_good_file_is_read_with_paths_from_its_folder() {
    let config = read(GOOD, &[]).unwrap();
    assert_eq!(config.listen, ":7899");
    assert_eq!(config.level, Level::Info);
    assert_eq!(config.warnings, Vec::<String>::new());
    let Storage::Database {
        url,
        limits,
        default_alias,
        passphrase_files,
    } = config.storage
    else {
        panic!("another storage");
    };
    assert_eq!(url.to_string(), "/var/lib/signer.db");
    assert_eq!(limits.connections, 16);
    assert_eq!(default_alias, "one");
    let files: Vec<_> = passphrase_files
        .iter()
        .map(|(_, file)| file.to_str().unwrap())
        .collect();
    assert_eq!(files, ["/etc/notary/one.pass", "/etc/two.pass"]);
}

#[test]
fn an_alias_that_marks_keys_of_another_custody_is_refused() {
    for variable in ["STORAGE_DEFAULT_ALIAS", "DEFAULT_ALIAS"] {
        let text = GOOD.replace(r#""default_alias": "one","#, "");
        let variable = format!("NOTARY_SIGNER_{variable}");
        let error = read(&text, &[(&variable, "custody:device")]).unwrap_err();
        assert!(error.contains("storage.default_alias"), "{error}");
        assert!(error.contains("custody:device"), "{error}");
    }
}

#[test]
fn no_passphrase_is_named_by_an_alias_that_marks_keys_of_another_custody() {
    let with = r#""passphrase_files": {"custody:device": "device.pass","#;
    let text = GOOD.replace(r#""passphrase_files": {"#, with);
    assert_ne!(text, GOOD);
    let error = read(&text, &[]).unwrap_err();
    assert!(error.contains("storage.passphrase_files"), "{error}");
    assert!(error.contains("custody:device"), "{error}");
}

#[test]
fn the_environment_and_the_old_place_of_the_default_alias_count() {
    let without = GOOD.replace(r#""default_alias": "one","#, "");
    let alias = |variables: &[(&str, &str)], text: &str| match read(text, variables)?.storage {
        Storage::Database { default_alias, .. } => Ok(default_alias),
        Storage::Memory => panic!("another storage"),
    };
    let old = [("NOTARY_SIGNER_DEFAULT_ALIAS", "old")];
    assert_eq!(alias(&old, &without).as_deref(), Ok("old"));
    assert_eq!(alias(&old, GOOD).as_deref(), Ok("one"));
    let new = [("NOTARY_SIGNER_STORAGE_DEFAULT_ALIAS", "new")];
    assert_eq!(alias(&new, GOOD).as_deref(), Ok("new"));
    let error: String = alias(&[], &without).unwrap_err();
    assert!(
        error.ends_with("must provide a default alias for the key DB"),
        "{error}"
    );
}

#[test]
fn memory_needs_neither_url_nor_alias() {
    let text = GOOD
        .replace("sqlite3", "memory")
        .replace("default_alias", "unused");
    let storage = read(&text, &[]).unwrap().storage;
    assert!(matches!(storage, Storage::Memory), "{storage:?}");
}

#[test]
fn what_is_missing_is_named_in_notarys_words() {
    let error = refusal(r#""grpc_addr": ":7899","#, "");
    assert_eq!(
        error,
        "server.grpc_addr is not set: grpc listen address required for server"
    );
    let error = refusal("/var/lib/signer.db", "");
    assert!(
        error.ends_with("must provide a non-empty database source for sqlite3"),
        "{error}"
    );
    assert!(refusal(r#""tls_key_file": "s.key","#, "").contains("server.tls_key_file"));
}

#[test]
fn databases_are_named_as_notary_names_them_and_their_passwords_not_shown() {
    for (backend, url) in [
        ("mysql", "u:hunter2@tcp(db:3306)/signer?parseTime=True"),
        (
            "postgres",
            "postgres://u:hunter2@db:5432/signer?sslmode=require",
        ),
    ] {
        let text = GOOD
            .replace("sqlite3", backend)
            .replace("/var/lib/signer.db", url);
        let few = [("NOTARY_SIGNER_STORAGE_MAX_CONNECTIONS", "3")];
        let Storage::Database { url, limits, .. } = read(&text, &few).unwrap().storage else {
            panic!("{backend} is a database");
        };
        assert_eq!(url.backend().name(), backend);
        let shown = format!("{url} {url:?}");
        assert!(
            shown.contains("db") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert_eq!(limits.connections, 3);
    }
}

#[test]
fn backends_that_are_not_served_are_refused_and_say_why() {
    for (backend, part) in [
        ("rethinkdb", "RethinkDB is not supported"),
        (
            "Memory",
            "must be one of: [memory mysql sqlite3 rethinkdb postgres]",
        ),
        ("", "must be one of"),
    ] {
        let error = refusal("sqlite3", backend);
        assert!(error.contains(part), "{backend}: {error}");
    }
}

#[test]
fn nonsense_is_refused_with_what_is_accepted() {
    let error = refusal("Info", "2");
    assert!(
        error.contains("logging.level") && error.contains("not a valid logrus Level"),
        "{error}"
    );
    let error = refusal("/var/lib/signer.db", "mysql://u:hunter2@db/x");
    assert!(
        error.starts_with("storage.db_url: ") && !error.contains("hunter2"),
        "{error}"
    );
    let rounds = |count: &str| {
        refusal(
            r#""backend""#,
            &format!(r#""kdf_rounds": {count}, "backend""#),
        )
    };
    for count in ["1000", "1000001", "\"many\""] {
        assert!(rounds(count).contains("storage.kdf_rounds"), "{count}");
    }
    let error = refusal("\"one.pass\"", "[]");
    assert!(error.contains("storage.passphrase_files"), "{error}");
    let bugsnag = GOOD.replace(
        "\"logging\"",
        r#""reporting": {"bugsnag": {"endpoint": "x"}}, "logging""#,
    );
    let error = read(&bugsnag, &[]).unwrap_err();
    assert!(
        error.ends_with("must provide an API key for bugsnag"),
        "{error}"
    );
}

#[test]
fn an_open_door_is_warned_about_and_names_without_certificates_are_refused() {
    let open = GOOD.replace(r#""client_ca_file": "ca.crt""#, r#""http_addr": """#);
    let warnings = read(&open, &[]).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("ANYBODY"),
        "{warnings:?}"
    );
    let names = GOOD.replace(r#""client_ca_file": "ca.crt""#, r#""client_names": ["a"]"#);
    assert!(
        read(&names, &[])
            .unwrap_err()
            .contains("server.client_ca_file")
    );
}

#[test]
fn a_misspelt_key_is_a_warning() {
    let warnings = read(&GOOD.replace("client_ca_file", "client_ca_fil"), &[])
        .unwrap()
        .warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("client_ca_fil")),
        "{warnings:?}"
    );
}

#[test]
fn a_misspelt_variable_is_named_and_a_passphrase_is_not_taken_for_one() {
    let variables = [
        ("NOTARY_SIGNER_ONE", "pass"),
        ("NOTARY_SIGNER_TIMESTAMPS_2026_FILE", "passphrase"),
        ("NOTARY_SIGNER_STORAGE_DEFAULT_ALAIS", "one"),
        ("NOTARY_SIGNER_LOGGING_LEVL", "info"),
        ("NOTARY_SIGNER_SERVICE_HOST", "10.0.0.1"),
    ];
    let warnings = read(GOOD, &variables).unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, meant) in warnings
        .iter()
        .zip(["LOGGING_LEVEL", "STORAGE_DEFAULT_ALIAS"])
    {
        let meant = format!("did you mean NOTARY_SIGNER_{meant}?");
        assert!(warning.ends_with(&meant), "{warning}");
    }
    let alias = GOOD.replace(
        r#""default_alias": "one""#,
        r#""default_alias": "storage_2026""#,
    );
    let passphrase = ("NOTARY_SIGNER_STORAGE_2026_COMMAND", "true");
    assert_eq!(
        read(&alias, &[passphrase]).unwrap().warnings,
        Vec::<String>::new()
    );
}
