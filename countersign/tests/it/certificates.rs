//! The development certificates: what is in them, and when they are made again.

use std::{fs, path::Path};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{FIRST, prepare};

pub(crate) fn der(folder: &Path, name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(folder.join(name)).unwrap()
}

pub(crate) fn parsed<'a>(der: &'a CertificateDer<'_>) -> X509Certificate<'a> {
    X509Certificate::from_der(der).unwrap().1
}

fn until(der: &CertificateDer<'_>) -> OffsetDateTime {
    parsed(der).validity().not_after.to_datetime()
}

#[test]
fn every_certificate_is_signed_by_the_ca_and_fits_its_purpose() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let ca = der(folder.path(), "ca.crt");
    assert!(parsed(&ca).is_ca());
    assert_eq!(
        parsed(&ca).subject().to_string(),
        "CN=Countersign development CA"
    );
    assert_eq!(until(&ca), FIRST + Duration::days(3650));

    for (name, serves) in [("server", true), ("signer", true), ("client", false)] {
        let leaf = der(folder.path(), &format!("{name}.crt"));
        let leaf = parsed(&leaf);
        assert!(
            leaf.verify_signature(Some(parsed(&ca).public_key()))
                .is_ok()
        );
        assert!(!leaf.is_ca());
        assert_eq!(
            leaf.subject().to_string(),
            format!("CN=Countersign development {name}")
        );
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert_eq!((usage.server_auth, usage.client_auth), (serves, !serves));
        let names = format!(
            "{:?}",
            leaf.subject_alternative_name().unwrap().unwrap().value
        );
        assert!(names.contains(r#"DNSName("localhost")"#), "{names}");
        assert!(
            names.contains("[127, 0, 0, 1]") || names.contains("7f:00:00:01"),
            "{names}"
        );
    }
}

#[test]
fn a_certificate_is_renewed_when_30_days_are_left_and_keeps_its_key() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let (ca, old) = (
        der(folder.path(), "ca.crt"),
        der(folder.path(), "server.crt"),
    );
    let key = fs::read(folder.path().join("server.key")).unwrap();
    assert_eq!(until(&old), FIRST + Duration::days(90));

    let setup = prepare(folder.path(), FIRST + Duration::days(60)).unwrap();
    assert_eq!(setup.news, Vec::<String>::new());
    let now = FIRST + Duration::days(61);
    let news = setup.certify(now).unwrap();

    assert_eq!(
        news,
        [
            "renewed server.crt",
            "renewed signer.crt",
            "renewed client.crt"
        ]
    );
    let new = der(folder.path(), "server.crt");
    assert_eq!(until(&new), now + Duration::days(90));
    assert_ne!(parsed(&new).raw_serial(), parsed(&old).raw_serial());
    assert_eq!(fs::read(folder.path().join("server.key")).unwrap(), key);
    assert_eq!(der(folder.path(), "ca.crt"), ca);
}

#[test]
fn an_old_ca_is_renewed_with_its_key_and_handed_out_again() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let old = der(folder.path(), "ca.crt");

    let now = FIRST + Duration::days(3300);
    let setup = prepare(folder.path(), now).unwrap();

    assert!(
        setup.news[0].starts_with("renewed the development CA"),
        "{:?}",
        setup.news
    );
    let new = der(folder.path(), "root-ca.crt");
    assert_eq!(until(&new), now + Duration::days(3650));
    assert_eq!(parsed(&new).public_key().raw, parsed(&old).public_key().raw);
    let server = der(folder.path(), "server.crt");
    assert!(
        parsed(&server)
            .verify_signature(Some(parsed(&old).public_key()))
            .is_ok()
    );
}

#[test]
fn half_an_authority_is_not_replaced_behind_the_clients_backs() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    fs::remove_file(folder.path().join("ca.key")).unwrap();
    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();
    assert!(error.contains("ca.key is missing although"), "{error}");
    assert!(!folder.path().join("ca.key").exists());
}

#[test]
fn a_new_authority_gets_all_certificates_issued_anew() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    for name in ["ca.crt", "ca.key"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let setup = prepare(folder.path(), FIRST).unwrap();
    assert_eq!(setup.news.len(), 4, "{:?}", setup.news);
    let (ca, leaf) = (
        der(folder.path(), "root-ca.crt"),
        der(folder.path(), "client.crt"),
    );
    assert!(
        parsed(&leaf)
            .verify_signature(Some(parsed(&ca).public_key()))
            .is_ok()
    );
}

#[test]
fn an_authority_whose_key_alone_was_written_goes_on_from_it() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let old = der(folder.path(), "ca.crt");
    fs::remove_file(folder.path().join("ca.crt")).unwrap();
    let setup = prepare(folder.path(), FIRST).unwrap();
    assert_eq!(setup.news, ["made ca.crt"]);
    let new = der(folder.path(), "root-ca.crt");
    assert_eq!(parsed(&new).public_key(), parsed(&old).public_key());
}

#[test]
fn certificates_of_a_time_to_come_are_made_again_with_their_keys_kept() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST + Duration::days(3650)).unwrap();
    let old = der(folder.path(), "ca.crt");
    let setup = prepare(folder.path(), FIRST).unwrap();
    assert_eq!(setup.news.len(), 4, "{:?}", setup.news);
    let new = der(folder.path(), "ca.crt");
    assert_eq!(until(&new), FIRST + Duration::days(3650));
    assert_eq!(parsed(&new).public_key(), parsed(&old).public_key());
}

#[test]
fn a_certificate_from_elsewhere_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), FIRST).unwrap();
    let mine = rcgen::generate_simple_self_signed(["trust.example.com".to_owned()]).unwrap();
    let path = folder.path().join("server.crt");
    fs::write(&path, mine.cert.pem()).unwrap();
    fs::write(
        folder.path().join("server.key"),
        mine.signing_key.serialize_pem(),
    )
    .unwrap();

    let error = prepare(folder.path(), FIRST).unwrap_err().to_string();

    assert!(
        error.contains("server.crt is damaged or was not made by countersign"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), mine.cert.pem());
}
