//! Ended at any moment, and gone on from there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use countersign::{
    files::FileError,
    pki::PkiError,
    prepare::{Database, Preparation, PrepareError},
};
use time::{Duration, OffsetDateTime};

use super::{files, made, make, preparation};
use crate::{
    FIRST,
    certificates::{der, parsed},
};

fn with_database(folder: &Path) -> Preparation {
    Preparation {
        database: Some(Database::Mysql),
        ..preparation(folder)
    }
}

/// Every file that is ever written. A folder in the place where a file is written first keeps it
/// from being written.
fn hindrance(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.new"))
}

fn all_names() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    make(&with_database(folder.path()), FIRST).unwrap();
    let mut names: Vec<_> = files(folder.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.push("authority/former-ca.crt".to_owned());
    names
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for (name, content) in files_alone(from) {
        let path = to.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    to
}

/// Without what stands in the way of others.
fn files_alone(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for service in fs::read_dir(folder).unwrap() {
        for entry in fs::read_dir(service.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn unwritten(error: PrepareError) -> PathBuf {
    match error {
        PrepareError::File(FileError::Write { path, .. })
        | PrepareError::Pki(PkiError::File(FileError::Write { path, .. })) => path,
        other => panic!("{other}"),
    }
}

/// Lets one file after the other be written, and after each goes on in a copy in which nothing is
/// in the way.
fn interrupt_after_each_write(folder: &Path, now: OffsetDateTime) -> Vec<String> {
    for name in all_names() {
        fs::create_dir_all(hindrance(folder, &name).join("full")).unwrap();
    }
    let mut order = Vec::new();
    loop {
        let state = copy(folder);
        if let Err(error) = make(&with_database(state.path()), now) {
            panic!("after {order:?}: {error}");
        }
        with_database(state.path()).check(now).unwrap();

        let Err(error) = make(&with_database(folder), now) else {
            return order;
        };
        let path = unwritten(error);
        let name = path
            .strip_prefix(folder)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        fs::remove_dir_all(hindrance(folder, &name)).unwrap();
        order.push(name);
    }
}

#[test]
fn a_first_run_goes_on_after_every_single_write() {
    let folder = tempfile::tempdir().unwrap();
    let order = interrupt_after_each_write(folder.path(), FIRST);
    assert_eq!(order.len(), 25, "{order:?}");
    assert_eq!(order[0], "signer/passphrase");
}

#[test]
fn a_renewal_of_everything_goes_on_after_every_single_write() {
    let folder = tempfile::tempdir().unwrap();
    make(&with_database(folder.path()), FIRST).unwrap();
    let before = files_alone(folder.path());
    let order = interrupt_after_each_write(folder.path(), FIRST + Duration::days(3650 - 300));
    assert_eq!(
        order,
        [
            "authority/former-ca.crt",
            "authority/ca.crt",
            "server/ca.crt",
            "signer/ca.crt",
            "gateway/ca.crt",
            "public/root-ca.crt",
            "server/server.crt",
            "server/client.crt",
            "signer/signer.crt",
            "gateway/gateway.crt",
        ]
    );
    let after = files_alone(folder.path());
    assert_eq!(after["authority/former-ca.crt"], before["authority/ca.crt"]);
    assert_eq!(after["authority/ca.key"], before["authority/ca.key"]);
}

#[test]
fn lost_keys_of_services_are_made_again_after_every_single_write() {
    let folder = tempfile::tempdir().unwrap();
    make(&with_database(folder.path()), FIRST).unwrap();
    for name in [
        "server/server.key",
        "server/client.key",
        "signer/signer.key",
        "gateway/gateway.key",
    ] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let order = interrupt_after_each_write(folder.path(), FIRST);
    assert_eq!(order.len(), 8, "{order:?}");
}

#[test]
fn every_single_write_may_fail_and_succeed_the_next_time() {
    for name in all_names() {
        let folder = tempfile::tempdir().unwrap();
        let hindrance = hindrance(folder.path(), &name);
        fs::create_dir_all(hindrance.join("full")).unwrap();
        let first = make(&with_database(folder.path()), FIRST);
        assert_eq!(first.is_err(), name != "authority/former-ca.crt", "{name}");
        fs::remove_dir_all(hindrance).unwrap();
        if let Err(error) = make(&with_database(folder.path()), FIRST) {
            panic!("{name}: {error}");
        }
        with_database(folder.path()).check(FIRST).unwrap();
    }
}

#[test]
fn the_authority_s_certificate_is_issued_again_from_its_key() {
    for left in [None, Some("")] {
        let folder = made(FIRST);
        let former = der(folder.path(), "public/root-ca.crt");
        let key = fs::read(folder.path().join("authority/ca.key")).unwrap();
        let certificate = folder.path().join("authority/ca.crt");
        fs::remove_file(&certificate).unwrap();
        if let Some(content) = left {
            fs::write(&certificate, content).unwrap();
        }

        let news = make(&preparation(folder.path()), FIRST).unwrap();

        assert_eq!(news, ["made ca.crt"], "nothing else changes");
        let new = der(folder.path(), "authority/ca.crt");
        assert_eq!(parsed(&new).subject(), parsed(&former).subject());
        assert_eq!(parsed(&new).public_key(), parsed(&former).public_key());
        assert_eq!(
            fs::read(folder.path().join("authority/ca.key")).unwrap(),
            key
        );
        let server = der(folder.path(), "server/server.crt");
        let signed = parsed(&server).verify_signature(Some(parsed(&former).public_key()));
        assert!(
            signed.is_ok(),
            "clients that have the former one go on trusting it"
        );
        preparation(folder.path()).check(FIRST).unwrap();
    }
}

#[test]
fn what_a_clock_that_was_ahead_has_made_is_made_again() {
    let folder = made(FIRST + Duration::days(3480));
    let key = fs::read(folder.path().join("authority/ca.key")).unwrap();
    assert!(preparation(folder.path()).check(FIRST).is_err());

    let news = make(&preparation(folder.path()), FIRST).unwrap();

    assert!(
        news[0].starts_with("renewed the CA's certificate"),
        "{news:?}"
    );
    assert_eq!(news.len(), 5, "{news:?}");
    preparation(folder.path()).check(FIRST).unwrap();
    assert_eq!(
        fs::read(folder.path().join("authority/ca.key")).unwrap(),
        key
    );
    assert!(!folder.path().join("authority/former-ca.crt").exists());
}

#[test]
fn in_its_last_year_people_are_told_until_when_the_former_certificate_of_the_authority_is_good() {
    let folder = made(FIRST);
    let now = FIRST + Duration::days(3650 - 300);
    let renewed = make(&preparation(folder.path()), now).unwrap();
    let former = der(folder.path(), "authority/former-ca.crt");
    let end = parsed(&former).validity().not_after.to_datetime();
    let expected = format!("stop believing the server on {}, in 300 days", end.date());
    assert!(renewed.last().unwrap().contains(&expected), "{renewed:?}");
    assert!(
        renewed.last().unwrap().contains("docker-compose up -d"),
        "{renewed:?}"
    );

    let again = make(&preparation(folder.path()), now + Duration::days(10)).unwrap();
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].contains("in 290 days"), "{again:?}");
    let after = make(&preparation(folder.path()), end + Duration::days(1)).unwrap();
    assert!(
        !after.iter().any(|it| it.contains("stop believing")),
        "{after:?}"
    );
}
