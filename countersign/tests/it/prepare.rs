//! What the services of a composition start from.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign::prepare::{Preparation, PrepareError, copy_certificate};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::X509Certificate;

use crate::FIRST;
use crate::certificates::{der, parsed};

fn preparation(folder: &Path) -> Preparation {
    Preparation::new(folder.to_owned(), ["Trust.Example.com", " 192.0.2.1", ""])
}

fn made(now: OffsetDateTime) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    preparation(folder.path()).make(now).unwrap();
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
    let news = preparation(folder.path())
        .make(FIRST + Duration::days(59))
        .unwrap();
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
    let news = preparation(folder.path())
        .make(FIRST + Duration::days(61))
        .unwrap();
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
    preparation(folder.path()).make(now).unwrap();
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
fn a_password_that_is_lost_is_not_replaced_by_one_that_the_database_does_not_know() {
    let folder = made(FIRST);
    fs::remove_file(folder.path().join("database/server-password")).unwrap();
    let error = preparation(folder.path()).make(FIRST).unwrap_err();
    assert!(
        matches!(error, PrepareError::PasswordLost { .. }),
        "{error}"
    );
    assert!(!folder.path().join("database/server-password").exists());
}

#[test]
fn an_edited_url_stays() {
    let folder = made(FIRST);
    let url = folder.path().join("server/mysql-url");
    fs::write(&url, "server:mine@tcp(elsewhere:3306)/trust").unwrap();
    preparation(folder.path()).make(FIRST).unwrap();
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

#[test]
fn a_certificate_is_copied_and_a_key_never() {
    let folder = made(FIRST);
    let file = |name: &str| folder.path().join(name);
    let target = file("copy.crt");
    copy_certificate(&file("public/root-ca.crt"), &target).unwrap();
    assert_eq!(
        fs::read(&target).unwrap(),
        fs::read(file("authority/ca.crt")).unwrap()
    );

    let both = file("both.pem");
    let pem = [file("authority/ca.crt"), file("authority/ca.key")].map(|it| fs::read(it).unwrap());
    fs::write(&both, pem.concat()).unwrap();
    for source in ["authority/ca.key", "signer/passphrase", "both.pem"] {
        let error = copy_certificate(&file(source), &target).unwrap_err();
        assert!(
            matches!(error, PrepareError::NoCertificate(_)),
            "{source}: {error}"
        );
    }
    let error = copy_certificate(&file("nothing"), &target).unwrap_err();
    assert!(matches!(error, PrepareError::Missing(_)), "{error}");
}

#[test]
fn the_command_makes_everything_and_the_check_says_whether_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let command = |task: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["prepare", "--folder"])
            .arg(folder.path())
            .args(task)
            .output()
            .unwrap()
    };
    let checked = command(&["--check"]);
    assert!(!checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stderr).contains("is not there"));

    let made = command(&["--host", "one.example.com,two.example.com"]);
    assert!(made.status.success());
    assert!(command(&["--check"]).status.success());
    let server = der(folder.path(), "server/server.crt");
    assert!(names(&parsed(&server)).contains("two.example.com"));
}

#[test]
fn a_watching_one_ends_at_once_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut watching = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["prepare", "--watch", "--folder"])
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(watching.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().starts_with("everything is there")));

    fs::remove_file(folder.path().join("signer/signer.crt")).unwrap();
    let id = rustix::process::Pid::from_child(&watching);
    rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "made signer.crt");

    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(watching.wait().unwrap().success());
}
