//! Unusual files.

use std::{
    fs::{self, Permissions},
    io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull},
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
};

use countersign::{
    files::FileError,
    pki::to_pem,
    prepare::{PrepareError, copy_certificate},
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{made, make, preparation};
use crate::{FIRST, certificates::der};

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn what_is_not_a_file_is_not_waited_for() {
    for name in [
        "authority/ca.key",
        "server/server.crt",
        "signer/passphrase",
        "public/root-ca.crt",
    ] {
        let folder = made(FIRST);
        let path = folder.path().join(name);
        for put in [
            make_fifo,
            |path: &Path| drop(UnixListener::bind(path).unwrap()),
            |path: &Path| fs::create_dir(path).unwrap(),
            |path: &Path| {
                let pipe = path.with_extension("pipe");
                make_fifo(&pipe);
                symlink(pipe, path).unwrap();
            },
        ] {
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            put(&path);
            for error in [
                make(&preparation(folder.path()), FIRST).unwrap_err(),
                preparation(folder.path()).check(FIRST).unwrap_err(),
                copy_certificate(&path, &folder.path().join("copy")).unwrap_err(),
            ] {
                let text = error.to_string();
                assert!(
                    text.contains(&format!("{name} is not a regular file")),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn one_line_end_is_no_part_of_a_password_and_any_other_sign_reaches_the_database() {
    for (content, mysql, postgres) in [
        ("secret\n", "secret", "secret"),
        ("secret\r\n", "secret", "secret"),
        (" p@ss/w%rd? ", " p@ss/w%rd? ", "%20p%40ss%2Fw%25rd%3F%20"),
    ] {
        let folder = made(FIRST);
        let file = |name: &str| folder.path().join(name);
        fs::write(file("database/server-password"), content).unwrap();
        for url in ["server/mysql-url", "server/postgres-url"] {
            fs::write(file(url), "").unwrap();
        }
        make(&preparation(folder.path()), FIRST).unwrap();
        assert_eq!(
            fs::read_to_string(file("server/mysql-url")).unwrap(),
            format!("server:{mysql}@tcp(mysql:3306)/notaryserver?parseTime=True")
        );
        assert_eq!(
            fs::read_to_string(file("server/postgres-url")).unwrap(),
            format!("postgres://server:{postgres}@postgres:5432/notaryserver?sslmode=disable")
        );
    }
}

#[test]
fn a_password_of_several_lines_or_of_no_text_is_refused() {
    for content in [&b"one\n\n"[..], b"one\ntwo", b"\xff\xfe"] {
        let folder = made(FIRST);
        fs::write(folder.path().join("database/server-password"), content).unwrap();
        fs::remove_file(folder.path().join("server/mysql-url")).unwrap();
        let error = make(&preparation(folder.path()), FIRST).unwrap_err();
        assert!(matches!(error, PrepareError::NoPassword(_)), "{error}");
    }
}

#[test]
fn a_key_beside_the_certificate_of_another_is_noticed() {
    let folder = made(FIRST);
    let file = |name: &str| folder.path().join(name);
    fs::copy(file("signer/signer.key"), file("server/server.key")).unwrap();
    let error = preparation(folder.path()).check(FIRST).unwrap_err();
    assert!(matches!(error, PrepareError::NoPair { .. }), "{error}");
    make(&preparation(folder.path()), FIRST).unwrap();
    preparation(folder.path()).check(FIRST).unwrap();
}

#[test]
fn what_a_copy_brought_back_gets_the_rights_that_it_had() {
    let folder = made(FIRST);
    for (name, brought, right) in [
        ("database", 0o700, 0o750),
        ("database/server-password", 0o600, 0o640),
        ("database/root-password", 0o644, 0o640),
        ("signer/passphrase", 0o666, 0o660),
        ("server/server.key", 0o604, 0o600),
        ("public/root-ca.crt", 0o600, 0o644),
        // As an operator wants it.
        ("gateway/gateway.key", 0o640, 0o640),
        ("gateway", 0o755, 0o755),
    ] {
        let path = folder.path().join(name);
        fs::set_permissions(&path, Permissions::from_mode(brought)).unwrap();
        let news = make(&preparation(folder.path()), FIRST).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, right, "{name}");
        let is_file = path.is_file() && brought != right;
        let expected = is_file.then(|| format!("set who may read {name}"));
        assert_eq!(news, Vec::from_iter(expected));
    }
}

#[test]
fn the_rights_of_what_a_link_leads_to_stay_as_they_are() {
    let folder = made(FIRST);
    let elsewhere = tempfile::tempdir().unwrap();
    for name in [
        "server/server.key",
        "signer/passphrase",
        "public/root-ca.crt",
    ] {
        let path = folder.path().join(name);
        let file = elsewhere.path().join(path.file_name().unwrap());
        fs::copy(&path, &file).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&file, &path).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o606)).unwrap();
        make(&preparation(folder.path()), FIRST).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o606, "{name}");
    }
}

#[test]
fn certificates_are_copied_and_whatever_is_around_them_never() {
    let folder = made(FIRST);
    let file = |name: &str| folder.path().join(name);
    let read = |name: &str| fs::read_to_string(file(name)).unwrap();
    let (certificate, key) = (read("authority/ca.crt"), read("authority/ca.key"));
    let indented = key.replace('\n', "\n  ");
    for around in [
        String::new(),
        "a remark\n".to_owned(),
        key.clone(),
        format!("  {indented}\n"),
        key.replace('\n', "\r"),
        key.replace('\n', "\r\n"),
    ] {
        for mixed in [
            format!("{around}{certificate}"),
            format!("{certificate}{around}"),
        ] {
            fs::write(file("mixed.pem"), &mixed).unwrap();
            match copy_certificate(&file("mixed.pem"), &file("copy.crt")) {
                Ok(()) => assert_eq!(read("copy.crt"), certificate, "of {around:?}"),
                Err(error) => assert!(matches!(error, PrepareError::NoCertificate(_)), "{error}"),
            }
        }
    }
    copy_certificate(&file("authority/ca.crt"), &file("copy.crt")).unwrap();
    let server = read("server/server.crt");
    fs::write(file("two.pem"), format!("{server}\n{certificate}")).unwrap();
    copy_certificate(&file("two.pem"), &file("copy.crt")).unwrap();
    assert_eq!(read("copy.crt"), format!("{server}{certificate}"));
}

#[test]
fn what_holds_no_certificate_is_not_copied() {
    let folder = made(FIRST);
    let file = |name: &str| folder.path().join(name);
    let cut = fs::read_to_string(file("authority/ca.crt")).unwrap();
    fs::write(file("cut.crt"), &cut[..cut.len() / 2]).unwrap();
    // By their name alone, and with something hidden at the end.
    let key = fs::read_to_string(file("authority/ca.key")).unwrap();
    fs::write(file("named.crt"), key.replace("PRIVATE KEY", "CERTIFICATE")).unwrap();
    let mut longer = der(folder.path(), "authority/ca.crt").to_vec();
    longer.extend_from_slice(b"secret");
    fs::write(file("longer.crt"), to_pem(&[longer.into()])).unwrap();
    for source in [
        "authority/ca.key",
        "signer/passphrase",
        "cut.crt",
        "named.crt",
        "longer.crt",
    ] {
        let error = copy_certificate(&file(source), &file("copy.crt")).unwrap_err();
        assert!(
            matches!(error, PrepareError::NoCertificate(_)),
            "{source}: {error}"
        );
        assert!(!file("copy.crt").exists());
    }
    let error = copy_certificate(&file("nothing"), &file("copy.crt")).unwrap_err();
    assert!(matches!(error, PrepareError::Missing(_)), "{error}");
}

#[test]
fn a_disk_that_is_full_and_one_that_is_read_only_have_cures_of_their_own() {
    let error = |kind: std::io::ErrorKind| {
        let error = FileError::Write {
            path: "/var/lib/prepared/server/server.crt".into(),
            cause: kind.into(),
        };
        error.to_string()
    };
    assert!(error(StorageFull).contains("Make room"));
    assert!(error(ReadOnlyFilesystem).contains("in docker-compose.yml, without `:ro`"));
    assert!(error(PermissionDenied).contains("for user 65532"));
}

#[test]
fn a_reference_is_no_secret_and_a_passphrase_that_may_be_one_is_left_to_the_signer() {
    const REFERENCE: &str = "keeper://UID/field/password\n";
    let folder = tempfile::tempdir().unwrap();
    let passphrase = folder.path().join("signer/passphrase");
    fs::create_dir(folder.path().join("signer")).unwrap();
    fs::write(&passphrase, REFERENCE).unwrap();
    let error = make(&preparation(folder.path()), FIRST).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("signer/passphrase: it is a reference"),
        "{text}"
    );
    assert!(
        text.contains("`ksm exec --`") && !text.contains("UID"),
        "{text}"
    );

    let folder = made(FIRST);
    fs::write(folder.path().join("signer/passphrase"), REFERENCE).unwrap();
    let news = make(&preparation(folder.path()), FIRST).unwrap().join("\n");
    assert!(
        news.contains("signer/passphrase: it is a reference"),
        "{news}"
    );

    let folder = made(FIRST);
    fs::write(folder.path().join("database/root-password"), REFERENCE).unwrap();
    let error = make(&preparation(folder.path()), FIRST).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("root-password: it is a reference"), "{text}");
}
