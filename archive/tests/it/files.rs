//! Files that appear when they are whole.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::PathBuf};

use archive::{Output, escrow::PrivateKey, sealed::Sealer};
use tempfile::TempDir;

use crate::{TestRow, rows, written};

fn target() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    (folder, path)
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_file_has_its_name_only_when_it_is_whole() {
    let (folder, path) = target();
    let mut output = Output::create(&path).unwrap();
    output.write_all(b"half").unwrap();
    assert!(!path.exists());
    output.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"half");
    assert_eq!(names(&folder), ["backup"]);
}

#[test]
fn only_its_owner_can_read_it() {
    let (_folder, path) = target();
    Output::create(&path).unwrap().commit().unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_not_completed_leaves_nothing_behind() {
    let (folder, path) = target();
    let mut output = Output::create(&path).unwrap();
    output.write_all(b"half").unwrap();
    drop(output);
    assert!(names(&folder).is_empty());
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    let (_folder, path) = target();
    fs::write(&path, "older").unwrap();
    let error = Output::create(&path).err().unwrap().to_string();
    assert!(error.ends_with("backup is there already"), "{error}");

    let late = path.with_file_name("late");
    let output = Output::create(&late).unwrap();
    fs::write(&late, "meanwhile").unwrap();
    output.commit().unwrap_err();
    assert_eq!(fs::read(&late).unwrap(), b"meanwhile");
}

#[test]
fn a_sealed_file_is_opened_with_its_key_and_refused_without() {
    let (_folder, path) = target();
    let key = PrivateKey::generate().unwrap();
    let mut sealer = Sealer::new(Vec::new(), &key.public()).unwrap();
    sealer.write_all(&written(&rows())).unwrap();
    fs::write(&path, sealer.finish().unwrap()).unwrap();

    let (mut reader, size) = archive::open(&path, Some(&key)).unwrap();
    assert_eq!(size, Some(fs::metadata(&path).unwrap().len()));
    let mut found: Vec<TestRow> = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        found.push(row);
    }
    assert_eq!(found, rows());
    assert!(matches!(
        archive::open(&path, None),
        Err(archive::ArchiveError::Sealed)
    ));
}

#[test]
fn a_key_opens_nothing_that_is_not_sealed() {
    let (_folder, path) = target();
    fs::write(&path, written(&rows())).unwrap();
    let key = PrivateKey::generate().unwrap();
    let error = archive::open(&path, Some(&key)).err().unwrap();
    assert!(matches!(error, archive::ArchiveError::NotSealed));
    assert!(archive::open(&path, None).is_ok());
}

#[test]
fn two_at_once_do_not_write_the_same_file() {
    let (folder, path) = target();
    let mut first = Output::create(&path).unwrap();
    first.write_all(b"first").unwrap();
    let second = Output::create(&path).err().unwrap().to_string();
    assert!(second.contains("another program is writing"), "{second}");
    first.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(names(&folder), ["backup"]);
}

#[test]
fn what_an_interrupted_attempt_has_left_is_no_hindrance() {
    let (folder, path) = target();
    fs::write(
        path.with_file_name("backup.partial"),
        "longer than what comes",
    )
    .unwrap();
    let mut output = Output::create(&path).unwrap();
    output.write_all(b"whole").unwrap();
    output.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert_eq!(names(&folder), ["backup"]);
}
