//! What the services of a composition start from.

mod command;
mod database;
mod interrupted;
mod lost;
mod odd;

use std::{cell::RefCell, collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use countersign::prepare::{Permitted, Preparation, PrepareError};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::X509Certificate;

use crate::{
    FIRST,
    certificates::{der, parsed},
};

fn preparation(folder: &Path) -> Preparation {
    Preparation {
        folder: folder.to_owned(),
        names: ["Trust.Example.com", " 192.0.2.1"]
            .map(|name| name.parse().unwrap())
            .into(),
        database: None,
        permitted: Permitted::default(),
    }
}

/// What came of it: the news, or the error and what was said besides.
fn make(preparation: &Preparation, now: OffsetDateTime) -> Result<Vec<String>, PrepareError> {
    let said = RefCell::new(Vec::new());
    preparation.make(now, &|text| said.borrow_mut().push(text.to_owned()))?;
    Ok(said.into_inner())
}

fn made(now: OffsetDateTime) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    make(&preparation(folder.path()), now).unwrap();
    folder
}

/// Every file below `folder`, with what is in it.
fn files(folder: &Path) -> BTreeSet<(String, Vec<u8>)> {
    let services = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = services.flat_map(|service| {
        fs::read_dir(service)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    });
    files
        .map(|path| {
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

fn is_certificate(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|it| it == "crt")
}

fn names(certificate: &X509Certificate<'_>) -> String {
    format!(
        "{:?}",
        certificate
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
    )
}

#[test]
fn each_service_has_its_own_files_and_no_others() {
    let folder = made(FIRST);
    let names: Vec<_> = files(folder.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "authority/ca.crt",
            "authority/ca.key",
            "database/root-password",
            "database/server-password",
            "database/signer-password",
            "gateway/ca.crt",
            "gateway/gateway.crt",
            "gateway/gateway.key",
            "public/root-ca.crt",
            "server/ca.crt",
            "server/client.crt",
            "server/client.key",
            "server/mysql-url",
            "server/postgres-url",
            "server/server.crt",
            "server/server.key",
            "server/sqlite-url",
            "signer/ca.crt",
            "signer/mysql-url",
            "signer/passphrase",
            "signer/postgres-url",
            "signer/signer.crt",
            "signer/signer.key",
            "signer/sqlite-url",
        ]
    );
}

#[test]
fn no_secret_can_be_read_by_strangers_and_only_the_database_s_by_the_group() {
    let folder = made(FIRST);
    for (name, _) in files(folder.path()) {
        let mode = fs::metadata(folder.path().join(&name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        let expected = match &name {
            name if name.starts_with("database/") => 0o640,
            name if is_certificate(name) => 0o644,
            _ => 0o600,
        };
        assert_eq!(mode, expected, "{name}");
    }
    for (service, expected) in [("authority", 0o700), ("signer", 0o700), ("database", 0o750)] {
        let mode = fs::metadata(folder.path().join(service))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, expected, "{service}");
    }
}

#[test]
fn a_second_time_everything_stays_as_it_is() {
    let folder = made(FIRST);
    let before = files(folder.path());
    let news = make(&preparation(folder.path()), FIRST + Duration::days(59)).unwrap();
    assert_eq!(news, Vec::<String>::new());
    assert_eq!(files(folder.path()), before);
}

#[test]
fn two_set_ups_share_no_secret() {
    let (one, other) = (files(made(FIRST).path()), files(made(FIRST).path()));
    let shared: Vec<_> = one
        .intersection(&other)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(shared, ["server/sqlite-url", "signer/sqlite-url"]);
}

#[test]
fn certificates_carry_the_names_of_clients_and_of_containers_and_a_purpose_each() {
    let folder = made(FIRST);
    let authority = der(folder.path(), "authority/ca.crt");
    assert_eq!(
        parsed(&authority).subject().to_string(),
        "CN=Countersign CA"
    );
    for (file, expected, serves) in [
        (
            "server/server.crt",
            &["notaryserver", "trust.example.com"][..],
            true,
        ),
        ("gateway/gateway.crt", &["trust.example.com"], true),
        ("signer/signer.crt", &["notarysigner"], true),
        ("server/client.crt", &["server"], false),
    ] {
        let leaf = der(folder.path(), file);
        let leaf = parsed(&leaf);
        assert!(
            leaf.verify_signature(Some(parsed(&authority).public_key()))
                .is_ok(),
            "{file}"
        );
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert_eq!(
            (usage.server_auth, usage.client_auth),
            (serves, !serves),
            "{file}"
        );
        let names = names(&leaf);
        for name in expected {
            assert!(
                names.contains(&format!("DNSName(\"{name}\")")),
                "{file}: {names}"
            );
        }
    }
    assert!(
        !names(&parsed(&der(folder.path(), "signer/signer.crt"))).contains("trust.example.com")
    );
}

#[test]
fn certificates_are_renewed_when_30_days_are_left_with_their_keys_kept() {
    let folder = made(FIRST);
    let before = files(folder.path());
    let news = make(&preparation(folder.path()), FIRST + Duration::days(61)).unwrap();
    assert_eq!(
        news,
        [
            "renewed server.crt",
            "renewed client.crt",
            "renewed signer.crt",
            "renewed gateway.crt"
        ]
    );
    let after = files(folder.path());
    let changed: Vec<_> = after
        .difference(&before)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        changed,
        [
            "gateway/gateway.crt",
            "server/client.crt",
            "server/server.crt",
            "signer/signer.crt"
        ]
    );
}

#[test]
fn the_authority_s_new_certificate_reaches_every_service() {
    let folder = made(FIRST);
    let now = FIRST + Duration::days(3650 - 300);
    make(&preparation(folder.path()), now).unwrap();
    let authority = fs::read(folder.path().join("authority/ca.crt")).unwrap();
    for copy in [
        "server/ca.crt",
        "signer/ca.crt",
        "gateway/ca.crt",
        "public/root-ca.crt",
    ] {
        assert_eq!(
            fs::read(folder.path().join(copy)).unwrap(),
            authority,
            "{copy}"
        );
    }
    preparation(folder.path()).check(now).unwrap();
}

#[test]
fn both_programs_and_the_database_know_the_same_password() {
    let folder = made(FIRST);
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    for program in ["server", "signer"] {
        let password = text(&format!("database/{program}-password"));
        assert_eq!(password.len(), 64);
        assert_eq!(
            text(&format!("{program}/mysql-url")),
            format!("{program}:{password}@tcp(mysql:3306)/notary{program}?parseTime=True")
        );
        assert_eq!(
            text(&format!("{program}/postgres-url")),
            format!(
                "postgres://{program}:{password}@postgres:5432/notary{program}?sslmode=disable"
            )
        );
    }
}

#[test]
fn an_edited_url_stays() {
    let folder = made(FIRST);
    let url = folder.path().join("server/mysql-url");
    fs::write(&url, "server:mine@tcp(elsewhere:3306)/trust").unwrap();
    make(&preparation(folder.path()), FIRST).unwrap();
    assert_eq!(
        fs::read_to_string(url).unwrap(),
        "server:mine@tcp(elsewhere:3306)/trust"
    );
}

#[test]
fn all_is_well_only_while_every_file_is_there_and_every_certificate_valid() {
    let folder = made(FIRST);
    let preparation = preparation(folder.path());
    preparation.check(FIRST).unwrap();
    for late in [Duration::days(91), Duration::days(-1)] {
        let error = preparation.check(FIRST + late).unwrap_err();
        assert!(matches!(error, PrepareError::NotValid(_)), "{error}");
    }
    for (name, content) in files(folder.path()) {
        let path = folder.path().join(&name);
        fs::write(&path, "").unwrap();
        assert!(preparation.check(FIRST).is_err(), "{name} is empty");
        fs::remove_file(&path).unwrap();
        assert!(preparation.check(FIRST).is_err(), "{name} is gone");
        fs::write(&path, content).unwrap();
    }
    preparation.check(FIRST).unwrap();
}
