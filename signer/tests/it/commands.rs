//! The binary, as it is run from a shell.

use std::{
    fs,
    process::{Command, Output},
    sync::Arc,
};

use signer::{
    custody::{
        encrypted::{EncryptedRows, envelope::DEFAULT_ROUNDS, passphrases::Passphrases},
        registry::Custodies,
    },
    keys::{Keys, cache::CacheLimits},
    keystore::{Purpose, sql::SqlStore},
};
use tempfile::TempDir;
use tuf::KeyAlgorithm;

use crate::{
    pki::{Pki, ServerAuth},
    support::{environment, now},
};

/// A folder with a configuration file.
struct Setup {
    folder: TempDir,
    _pki: Pki,
}

impl Setup {
    fn new() -> Self {
        let (folder, pki) = (tempfile::tempdir().unwrap(), Pki::new());
        let server = pki.issue("signer", &[ServerAuth]);
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

    /// Puts keys for these GUNs into the configured database, and answers their ids.
    async fn make_keys(&self, guns: &[&str]) -> Vec<String> {
        let file = self.folder.path().join("signer.db");
        let pool = database::connect_sqlite(file.to_str().unwrap())
            .await
            .unwrap();
        let passphrases = Passphrases::new(environment(&[("NOTARY_SIGNER_ONE", "pass")]), []);
        let encrypted = EncryptedRows::new(passphrases, "one".to_owned(), DEFAULT_ROUNDS);
        let keys = Keys::new(
            Arc::new(SqlStore::new(pool)),
            Custodies::new(encrypted),
            CacheLimits::default(),
            now,
        );
        let mut ids = Vec::new();
        for gun in guns {
            let purpose = Purpose {
                algorithm: KeyAlgorithm::Ecdsa,
                gun: (*gun).to_owned(),
                role: "timestamp".to_owned(),
            };
            ids.push(keys.create(purpose).await.unwrap().id().to_string());
        }
        ids
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
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
fn a_command_speaks_to_people_and_not_in_json() {
    let setup = Setup::new();
    let refused = setup.run(&["key", "check"], &[("NOTARY_SIGNER_ONE", "pass")]);
    let said = text(&refused.stderr);
    assert!(!refused.status.success());
    assert!(said.starts_with("error: "), "{said}");
    assert!(said.contains("signer.db does not exist"), "{said}");
    assert!(!said.contains("\\n") && !said.contains('{'), "{said}");
    let mistake = setup.run(&["kye", "check"], &[]);
    assert_eq!(mistake.status.code(), Some(2));
    let said = text(&mistake.stderr);
    assert!(
        said.contains("Usage:") && said.contains("try '--help'"),
        "{said}"
    );
    assert!(said.lines().count() < 12, "{said}");
    for word in ["help", "version"] {
        assert!(setup.run(&[word], &[]).status.success(), "{word}");
    }
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
        "GUN\tROLE\tKEY ID\tALGORITHM\tALIAS\tCREATED\tLAST USED\n"
    );
    let rotated = setup.run(
        &["key", "rotate-passphrase", "--to", "two", "--all"],
        &[("NOTARY_SIGNER_TWO", "pass")],
    );
    assert_eq!(
        text(&rotated.stdout),
        "0 keys moved to two, 0 left alone, 0 failed\nno key needs another passphrase now\n"
    );
    assert!(text(&rotated.stderr).contains("set storage.default_alias to two"));
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

#[tokio::test]
async fn keys_are_listed_checked_and_moved_to_another_passphrase() {
    let setup = Setup::new();
    assert!(setup.run(&["migrate"], &[]).status.success());
    let ids = setup.make_keys(&["a", "b\n"]).await;

    let listed = text(&setup.run(&["key", "list"], &[]).stdout);
    let line = listed.lines().nth(2).unwrap();
    let expected = format!(
        "b\\n\ttimestamp\t{}\tecdsa\tone\t2026-11-22T12:00:00Z\tpending",
        ids[1]
    );
    assert_eq!(line, expected);

    let one = ("NOTARY_SIGNER_ONE", "pass");
    let checked = setup.run(&["key", "check"], &[one]);
    assert_eq!(text(&checked.stdout), "all 2 keys open\n");
    let wrong = setup.run(&["key", "check"], &[("NOTARY_SIGNER_ONE", "other")]);
    assert_eq!(wrong.status.code(), Some(1));
    let named = text(&wrong.stdout);
    for id in &ids {
        assert!(
            named.contains(&format!("key {id} (timestamp of ")),
            "{named}"
        );
    }
    assert!(named.contains("NOTARY_SIGNER_ONE"), "{named}");
    assert!(text(&wrong.stderr).contains("2 keys do not open, of 2"));

    // The new passphrase from a file.
    fs::write(setup.folder.path().join("two"), "new pass\n").unwrap();
    let file = setup.folder.path().join("two").to_str().unwrap().to_owned();
    let two = ("NOTARY_SIGNER_TWO_FILE", file.as_str());
    let to_two = ["key", "rotate-passphrase", "--to", "two"];
    let first = setup.run(&[&to_two[..], &["--key", &ids[0]]].concat(), &[one, two]);
    assert_eq!(
        text(&first.stdout),
        "1 key moved\n",
        "{}",
        text(&first.stderr)
    );
    let both = setup.run(&["key", "check"], &[one, two]);
    assert!(
        both.status.success(),
        "the old alias is readable until all are moved"
    );
    let rest = setup.run(&[&to_two[..], &["--all"]].concat(), &[one, two]);
    assert_eq!(
        text(&rest.stdout),
        "1 key moved to two, 1 left alone, 0 failed\nno key needs another passphrase now\n"
    );
    let without_default = setup.run(&["key", "check"], &[two]);
    assert!(
        text(&without_default.stderr).contains("alias one"),
        "new keys would need it"
    );
    let switched = [two, ("NOTARY_SIGNER_STORAGE_DEFAULT_ALIAS", "two")];
    assert_eq!(
        text(&setup.run(&["key", "check"], &switched).stdout),
        "all 2 keys open\n"
    );
}

#[test]
fn a_plan_says_what_would_be_done_and_does_nothing() {
    let setup = Setup::new();
    fs::write(setup.folder.path().join("signer.db"), "").unwrap();
    let plan = setup.run(&["migrate", "--plan"], &[]);
    assert!(plan.status.success(), "{}", text(&plan.stderr));
    assert!(
        text(&plan.stdout).contains("private_keys"),
        "{}",
        text(&plan.stdout)
    );
    assert!(text(&setup.run(&["migrate"], &[]).stdout).contains("was brought up to date"));
    let plan = setup.run(&["migrate", "--plan"], &[]);
    assert!(
        text(&plan.stdout).contains("is up to date"),
        "{}",
        text(&plan.stdout)
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

#[test]
fn commands_that_only_read_make_no_database() {
    let setup = Setup::new();
    let one = ("NOTARY_SIGNER_ONE", "pass");
    for arguments in [
        &["backup", "file"][..],
        &["migrate", "--plan"],
        &["key", "list"],
        &["key", "check"],
    ] {
        let output = setup.run(arguments, &[one]);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains("signer.db does not exist"), "{said}");
    }
    let files = fs::read_dir(setup.folder.path()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["signer.json"]);
}

#[test]
fn a_database_without_keys_is_backed_up_only_if_that_is_asked_for() {
    let setup = Setup::new();
    assert!(setup.run(&["migrate"], &[]).status.success());
    let file = setup.folder.path().join("file");
    let file = file.to_str().unwrap();
    let refused = setup.run(&["backup", file], &[]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("0 rows") && said.contains("--allow-empty"),
        "{said}"
    );
    let asked = setup.run(&["backup", file, "--allow-empty"], &[]);
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    let verified = setup.run(&["verify-backup", file], &[]);
    assert_eq!(
        verified.status.code(),
        Some(1),
        "an empty backup is no proof"
    );
    let verified = setup.run(&["verify-backup", file, "--allow-empty"], &[]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    let files = fs::read_dir(setup.folder.path()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["file", "signer.db", "signer.json"],
        "no log is left behind"
    );
}

#[tokio::test]
async fn the_database_of_a_server_is_refused_and_left_alone() {
    let setup = Setup::new();
    let url = setup.folder.path().join("signer.db");
    let pool = database::connect_sqlite(url.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("CREATE TABLE tuf_files (id INTEGER PRIMARY KEY)")
        .execute(&pool)
        .await
        .unwrap();
    let one = ("NOTARY_SIGNER_ONE", "pass");
    for arguments in [
        &["migrate"][..],
        &["migrate", "--plan"],
        &[],
        &["key", "list"],
    ] {
        let output = setup.run(arguments, &[one]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("this is a notary-server database"), "{said}");
    }
}
