//! Backing up and restoring a whole service.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{FIRST, prepare};

/// The folder of a service that was set up and does not run.
fn service() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    drop(prepare(folder.path(), FIRST).unwrap());
    folder
}

fn countersign(task: &str, set: &Path, data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args([task.as_ref(), set, "--data".as_ref(), data])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_set_is_made_with_the_keys_last_verified_and_restored_into_another_service() {
    let (from, to, set) = (service(), service(), tempfile::tempdir().unwrap());
    let set = set.path().join("monday");
    let backup = countersign("backup", &set, from.path());
    let log = said(&backup);
    assert!(backup.status.success(), "{log}");
    let (server, signer) = (log.find("rows were written"), log.find("keys were written"));
    assert!(server.is_some() && server < signer, "{log}");
    let verdicts = String::from_utf8_lossy(&backup.stdout).into_owned();
    assert!(verdicts.contains("the backup is whole"), "{verdicts}");
    assert!(verdicts.contains("0 keys open, 0 do not"), "{verdicts}");

    let restored = countersign("restore", &set, to.path());
    let log = said(&restored);
    assert!(restored.status.success(), "{log}");
    let (signer, server) = (
        log.find("keys were restored"),
        log.find("rows were restored"),
    );
    assert!(signer.is_some() && signer < server, "{log}");

    let again = countersign("backup", &set, from.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("server.backup is there already"));
}

#[test]
fn a_set_that_is_not_in_order_is_not_restored() {
    let (from, set) = (service(), tempfile::tempdir().unwrap());
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
        log.ends_with("the server did not find its backup in order; see above\n"),
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
