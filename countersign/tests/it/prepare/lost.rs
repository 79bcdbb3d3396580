//! What was there once and is gone is not made again without a word.

use std::{fs, path::Path};

use countersign::prepare::{Permitted, Preparation, PrepareError};
use time::Duration;

use super::{files, made, make, preparation};
use crate::{
    FIRST,
    certificates::{der, parsed},
};

const COPIES: [&str; 4] = [
    "server/ca.crt",
    "signer/ca.crt",
    "gateway/ca.crt",
    "public/root-ca.crt",
];

fn permitted(folder: &Path, permitted: Permitted) -> Preparation {
    Preparation {
        permitted,
        ..preparation(folder)
    }
}

fn with_new_authority(folder: &Path) -> Preparation {
    let new_authority = true;
    permitted(
        folder,
        Permitted {
            new_authority,
            ..Permitted::default()
        },
    )
}

fn with_new_passphrase(folder: &Path) -> Preparation {
    let new_passphrase = true;
    permitted(
        folder,
        Permitted {
            new_passphrase,
            ..Permitted::default()
        },
    )
}

/// As a volume that is lost and was made again.
fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

fn assert_belongs_together(folder: &Path) {
    preparation(folder).check(FIRST).unwrap();
    let authority = der(folder, "authority/ca.crt");
    for leaf in [
        "server/server.crt",
        "server/client.crt",
        "signer/signer.crt",
        "gateway/gateway.crt",
    ] {
        let leaf = der(folder, leaf);
        let signed = parsed(&leaf).verify_signature(Some(parsed(&authority).public_key()));
        assert!(signed.is_ok());
    }
    for copy in COPIES {
        assert_eq!(der(folder, copy), authority, "{copy}");
    }
}

#[test]
fn an_authority_that_is_lost_is_not_replaced_while_anybody_knows_it() {
    let folder = made(FIRST);
    for copy in COPIES {
        empty(&folder.path().join("authority"));
        for other in COPIES.iter().filter(|it| **it != copy) {
            fs::write(folder.path().join(other), "").unwrap();
        }
        let before = files(folder.path());

        let error = make(&preparation(folder.path()), FIRST).unwrap_err();

        assert!(
            matches!(error, PrepareError::AuthorityLost { .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains("authority/ca.key is missing"), "{text}");
        assert!(text.contains(copy), "{text}");
        assert!(text.contains("of the volume `authority`"), "{text}");
        let typed = format!(
            "`docker-compose run --rm prepare prepare --folder={} --host=192.0.2.1,trust.example.com --new-authority`",
            folder.path().display()
        );
        assert!(text.contains(&typed), "{text}");
        assert_eq!(files(folder.path()), before);
        let pem = fs::read(folder.path().join(copy)).unwrap();
        for other in COPIES {
            fs::write(folder.path().join(other), &pem).unwrap();
        }
    }
}

#[test]
fn an_authority_without_its_key_is_lost_too() {
    let folder = made(FIRST);
    fs::write(folder.path().join("authority/ca.key"), "").unwrap();
    for copy in COPIES {
        fs::remove_file(folder.path().join(copy)).unwrap();
    }
    let error = make(&preparation(folder.path()), FIRST).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("ca.key is missing although"), "{text}");
    assert!(text.contains("authority/ca.crt is there"), "{text}");
}

#[test]
fn an_authority_of_another_set_up_does_not_take_its_place() {
    let (folder, other) = (made(FIRST), made(FIRST));
    for name in ["authority/ca.crt", "authority/ca.key"] {
        fs::copy(other.path().join(name), folder.path().join(name)).unwrap();
    }
    let before = files(folder.path());
    let preparation = preparation(folder.path());

    let error = make(&preparation, FIRST).unwrap_err();

    assert!(
        matches!(error, PrepareError::AuthorityChanged { .. }),
        "{error}"
    );
    let checked = preparation.check(FIRST).unwrap_err();
    assert!(
        matches!(checked, PrepareError::AuthorityChanged { .. }),
        "{checked}"
    );
    assert_eq!(files(folder.path()), before);

    make(&with_new_authority(folder.path()), FIRST).unwrap();
    assert_belongs_together(folder.path());
    assert_eq!(
        der(folder.path(), COPIES[3]),
        der(other.path(), "authority/ca.crt")
    );
}

#[test]
fn with_permission_a_new_authority_takes_the_place_of_the_lost_one_and_then_stays() {
    let folder = made(FIRST);
    let former = der(folder.path(), "public/root-ca.crt");
    empty(&folder.path().join("authority"));
    let anew = with_new_authority(folder.path());

    let news = make(&anew, FIRST).unwrap();

    assert!(
        news[0].contains("give its root-ca.crt to all clients"),
        "{news:?}"
    );
    assert_belongs_together(folder.path());
    let authority = der(folder.path(), "authority/ca.crt");
    assert_ne!(authority, former);

    let news = make(&anew, FIRST).unwrap();
    assert!(news[0].starts_with("the CA is there and stays"), "{news:?}");
    assert_eq!(der(folder.path(), "authority/ca.crt"), authority);
    make(&preparation(folder.path()), FIRST).unwrap();
}

#[test]
fn a_new_authority_that_was_interrupted_is_still_refused_or_goes_on_by_itself() {
    let folder = made(FIRST);
    empty(&folder.path().join("authority"));
    // In the order in which the copies are removed.
    for removed in COPIES {
        let error = make(&preparation(folder.path()), FIRST).unwrap_err();
        assert!(
            matches!(error, PrepareError::AuthorityLost { .. }),
            "{error}"
        );
        fs::remove_file(folder.path().join(removed)).unwrap();
    }
    make(&preparation(folder.path()), FIRST).unwrap();
    assert_belongs_together(folder.path());
}

#[test]
fn a_passphrase_that_is_lost_is_not_replaced_while_other_secrets_are_there() {
    for lost in [None, Some(""), Some("\n"), Some("\r\n")] {
        let folder = made(FIRST);
        let passphrase = folder.path().join("signer/passphrase");
        fs::remove_file(&passphrase).unwrap();
        if let Some(content) = lost {
            fs::write(&passphrase, content).unwrap();
        }
        let before = files(folder.path());

        let error = make(&preparation(folder.path()), FIRST).unwrap_err();

        assert!(
            matches!(error, PrepareError::PassphraseLost { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("--new-passphrase"), "{error}");
        assert!(preparation(folder.path()).check(FIRST).is_err());
        assert_eq!(files(folder.path()), before);

        make(&with_new_passphrase(folder.path()), FIRST).unwrap();
        assert_eq!(fs::read(&passphrase).unwrap().len(), 64);
        preparation(folder.path()).check(FIRST).unwrap();
    }
}

#[test]
fn a_passphrase_that_is_there_is_never_replaced() {
    let folder = made(FIRST);
    let before = files(folder.path());
    make(&with_new_passphrase(folder.path()), FIRST).unwrap();
    assert_eq!(files(folder.path()), before);
}

#[test]
fn the_signer_s_whole_volume_is_missed_by_the_secrets_of_the_others() {
    let folder = made(FIRST);
    empty(&folder.path().join("signer"));
    let error = make(&preparation(folder.path()), FIRST).unwrap_err();
    assert!(
        matches!(error, PrepareError::PassphraseLost { .. }),
        "{error}"
    );
    assert!(!folder.path().join("signer/passphrase").exists());
}

#[test]
fn a_password_that_is_lost_is_not_replaced_by_one_that_the_database_does_not_know() {
    for (name, content) in [
        ("root-password", None),
        ("server-password", None),
        ("server-password", Some("")),
        ("signer-password", Some("\n")),
    ] {
        let folder = made(FIRST);
        let password = folder.path().join("database").join(name);
        fs::remove_file(&password).unwrap();
        if let Some(content) = content {
            fs::write(&password, content).unwrap();
        }
        let error = make(&preparation(folder.path()), FIRST).unwrap_err();
        assert!(
            matches!(error, PrepareError::PasswordLost { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("`database-secrets`"), "{error}");
        assert_eq!(fs::read_to_string(&password).ok().as_deref(), content);
    }
}

#[test]
fn no_password_is_made_when_the_whole_volume_of_them_is_lost() {
    let folder = made(FIRST);
    empty(&folder.path().join("database"));
    let error = make(&preparation(folder.path()), FIRST).unwrap_err();
    assert!(
        matches!(error, PrepareError::PasswordLost { .. }),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(folder.path().join("database"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn what_is_lost_of_one_service_does_not_let_the_certificates_of_others_expire() {
    let folder = made(FIRST);
    fs::remove_file(folder.path().join("database/root-password")).unwrap();
    fs::write(folder.path().join("server/server.crt"), "mine").unwrap();
    let now = FIRST + Duration::days(61);
    assert!(make(&preparation(folder.path()), now).is_err());
    for name in [
        "signer/signer.crt",
        "gateway/gateway.crt",
        "server/client.crt",
    ] {
        let leaf = der(folder.path(), name);
        let end = parsed(&leaf).validity().not_after.to_datetime();
        assert_eq!(end, now + Duration::days(90), "{name}");
    }
}
