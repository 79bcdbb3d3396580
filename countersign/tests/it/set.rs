//! Backing up and restoring a whole service.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::{FIRST, prepare};

/// The folder of a service that was set up and does not run.
fn service() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    drop(prepare(folder.path(), FIRST).unwrap());
    folder
}

/// The same, with databases that hold nothing.
fn service_with_databases() -> TempDir {
    let folder = service();
    for (program, configuration) in [("server", "server.json"), ("signer", "signer.json")] {
        let migrated = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args([program, "migrate", "-config"])
            .arg(folder.path().join(configuration))
            .output()
            .unwrap();
        assert!(migrated.status.success(), "{}", said(&migrated));
    }
    folder
}

fn countersign(task: &str, set: &Path, data: &Path) -> Output {
    countersign_with(task, set, data, &["--allow-empty"])
}

fn countersign_with(task: &str, set: &Path, data: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args([task.as_ref(), set, "--data".as_ref(), data])
        .args(more)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_set_is_made_with_the_keys_last_verified_and_restored_into_another_service() {
    let (from, to) = (service_with_databases(), service());
    let set = tempfile::tempdir().unwrap();
    let set = set.path().join("monday");
    let backup = countersign("backup", &set, from.path());
    let log = said(&backup);
    assert!(backup.status.success(), "{log}");
    let (server, signer) = (log.find("rows written"), log.find("keys written"));
    assert!(server.is_some() && server < signer, "{log}");
    let verdicts = String::from_utf8_lossy(&backup.stdout).into_owned();
    assert!(verdicts.contains("the backup is whole"), "{verdicts}");
    assert!(verdicts.contains("0 keys open, 0 not"), "{verdicts}");

    let restored = countersign("restore", &set, to.path());
    let log = said(&restored);
    assert!(restored.status.success(), "{log}");
    let (signer, server) = (log.find("keys restored"), log.find("rows restored"));
    assert!(signer.is_some() && signer < server, "{log}");

    let again = countersign("backup", &set, from.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("server.backup is there already"));
}

#[test]
fn a_set_that_is_not_in_order_is_not_restored() {
    let (from, set) = (service_with_databases(), tempfile::tempdir().unwrap());
    assert!(
        countersign("backup", set.path(), from.path())
            .status
            .success()
    );
    fs::write(set.path().join("signer.backup"), "gone").unwrap();
    let restored = countersign("restore", set.path(), from.path());
    assert_eq!(restored.status.code(), Some(1));
    let log = said(&restored);
    assert!(
        log.ends_with("the server could not verify its backup; see above\n"),
        "{log}"
    );
}

#[test]
fn a_folder_without_a_service_is_named() {
    let (nothing, set) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup = countersign("backup", set.path(), nothing.path());
    assert_eq!(backup.status.code(), Some(1));
    assert!(said(&backup).contains("there is no service in"));
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0);
}

#[test]
fn a_backup_without_rows_or_without_a_database_is_an_error() {
    let (from, set) = (service(), tempfile::tempdir().unwrap());
    let backup = countersign("backup", &set.path().join("none"), from.path());
    assert_eq!(backup.status.code(), Some(1));
    assert!(said(&backup).contains("server.db does not exist"));
    assert!(!from.path().join("server.db").exists());

    let from = service_with_databases();
    let backup = countersign_with("backup", &set.path().join("empty"), from.path(), &[]);
    assert_eq!(backup.status.code(), Some(1));
    assert!(said(&backup).contains("0 rows"), "{}", said(&backup));
}

#[test]
fn a_backup_says_what_a_restore_needs_and_a_new_service_is_made_from_that() {
    let (from, new) = (service_with_databases(), tempfile::tempdir().unwrap());
    let set = new.path().join("set");
    let backup = countersign("backup", &set, from.path());
    let log = said(&backup);
    let passphrases = from.path().join("passphrases");
    assert!(log.contains("A restore also needs:"), "{log}");
    assert!(log.contains(passphrases.to_str().unwrap()), "{log}");

    let data = new.path().join("data");
    let restored = countersign("restore", &set, &data);
    let log = said(&restored);
    assert_eq!(restored.status.code(), Some(1), "{log}");
    assert!(
        log.contains("passphrases/development: put the old service's file there"),
        "{log}"
    );
    assert!(!data.exists());

    fs::create_dir_all(data.join("passphrases")).unwrap();
    fs::copy(
        passphrases.join("development"),
        data.join("passphrases/development"),
    )
    .unwrap();
    let restored = countersign("restore", &set, &data);
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(data.join("server.db").exists() && data.join("server.json").exists());
}

#[test]
fn a_sealed_backup_holds_all_that_a_new_service_needs_and_shows_none_of_it() {
    let (from, new) = (service_with_databases(), tempfile::tempdir().unwrap());
    let path = |name: &str| new.path().join(name).to_str().unwrap().to_owned();
    let (private, public) = (path("private.pem"), path("public.pem"));
    let generated = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["signer", "escrow-key", "generate", &private, &public])
        .output()
        .unwrap();
    assert!(generated.status.success(), "{}", said(&generated));
    let edited = fs::read_to_string(from.path().join("server.json"))
        .unwrap()
        .replace("127.0.0.1:4443", "127.0.0.1:5443");
    fs::write(from.path().join("server.json"), &edited).unwrap();
    let (set, data) = (new.path().join("set"), new.path().join("data"));

    let empty = "--allow-empty";
    let backup = countersign_with("backup", &set, from.path(), &["--escrow", &public, empty]);
    assert!(backup.status.success(), "{}", said(&backup));
    let passphrase = fs::read(from.path().join("passphrases/development")).unwrap();
    for file in fs::read_dir(&set).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let hex = hex::encode(&passphrase);
        for secret in [&passphrase[..], hex.as_bytes()] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret));
        }
    }

    let refused = countersign("restore", &set, &data);
    assert!(
        said(&refused).contains("--escrow-key"),
        "{}",
        said(&refused)
    );
    assert!(!data.exists());
    let opened = ["--escrow-key", &private, empty];
    let restored = countersign_with("restore", &set, &data, &opened);
    assert!(restored.status.success(), "{}", said(&restored));
    for name in [
        "passphrases/development",
        "ca.key",
        "ca.crt",
        "server.json",
        "server.key",
    ] {
        let (there, here) = (fs::read(from.path().join(name)), fs::read(data.join(name)));
        assert_eq!(there.unwrap(), here.unwrap(), "{name}");
    }
    assert!(data.join("signer.db").exists());
    let verified = countersign_with("verify-backup", &set, &data, &opened);
    assert!(verified.status.success(), "{}", said(&verified));
}
