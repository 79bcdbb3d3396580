//! The binary, as it is run from a shell.

use std::{
    fs,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::pki::{Pki, ServerAuth};

/// A folder with a configuration file.
struct Setup {
    folder: TempDir,
    _pki: Pki,
}

impl Setup {
    fn new() -> Self {
        let (folder, pki) = (tempfile::tempdir().unwrap(), Pki::new());
        let server = pki.issued("signer", &[ServerAuth]);
        let text = serde_json::json!({
            "server": {"grpc_addr": "127.0.0.1:0", "tls_cert_file": server.cert,
                       "tls_key_file": server.key,
                       "client_ca_file": pki.file("ca.crt", &pki.ca_pem)},
            "logging": {"level": "info"},
            "storage": {"backend": "sqlite3", "db_url": folder.path().join("signer.db"),
                        "default_alias": "one"}
        });
        assert!(pki.path().exists());
        fs::write(folder.path().join("signer.json"), text.to_string()).unwrap();
        Self { folder, _pki: pki }
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-signer"));
        command.env_clear().envs(variables.iter().copied());
        command
            .arg("-config")
            .arg(self.folder.path().join("signer.json"));
        command.args(arguments).output().unwrap()
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

#[test]
fn a_start_that_cannot_succeed_ends_with_one_fatal_line() {
    let setup = Setup::new();
    let output = setup.run(&[], &[]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "fatal");
    let message = last["msg"].as_str().unwrap();
    assert!(
        message.contains("alias one: set NOTARY_SIGNER_ONE"),
        "{message}"
    );
}

#[test]
fn a_damaged_database_is_named_in_the_last_line() {
    let setup = Setup::new();
    fs::write(
        setup.folder.path().join("signer.db"),
        "Dear Sir or Madam, ".repeat(100),
    )
    .unwrap();
    let output = setup.run(&[], &[("NOTARY_SIGNER_ONE", "pass")]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        log.lines()
            .last()
            .unwrap()
            .contains("signer.db is not an SQLite database"),
        "{log}"
    );
}

#[test]
fn migrate_and_key_commands_work_on_the_configured_database() {
    let setup = Setup::new();
    let migrated = setup.run(&["migrate"], &[]);
    assert!(
        text(&migrated.stdout).contains("was brought up to date"),
        "{}",
        text(&migrated.stderr)
    );
    assert!(text(&setup.run(&["migrate"], &[]).stdout).contains("is up to date"));
    let listed = setup.run(&["key", "list"], &[]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    assert_eq!(
        text(&listed.stdout),
        "KEY ID\tROLE\tGUN\tALGORITHM\tALIAS\tLAST USED\n"
    );
    let rotated = setup.run(
        &["key", "rotate-passphrase", "--to", "two", "--all"],
        &[("NOTARY_SIGNER_TWO", "pass")],
    );
    assert_eq!(
        text(&rotated.stdout),
        "0 keys moved to two, 0 left alone, 0 failed\n"
    );
    let nowhere = setup.run(&["key", "rotate-passphrase", "--to", "three", "--all"], &[]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("NOTARY_SIGNER_THREE"));
    assert_eq!(
        setup
            .run(&["key", "rotate-passphrase", "--to", "two"], &[])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn config_check_prints_what_is_in_force_and_no_secret() {
    let setup = Setup::new();
    let variables = [
        ("NOTARY_SIGNER_ONE", "hunter2"),
        ("NOTARY_SIGNER_LOGGING_LEVEL", "debug"),
    ];
    let output = setup.run(&["config", "check"], &variables);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        shown.contains("logging.level") && shown.contains("debug"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn bootstrap_is_refused_as_notary_refused_it() {
    let output = Setup::new().run(&["-bootstrap"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("store does not support bootstrapping"));
}
