//! Which certificates may speak for a repository.
//!
//! There is no chain to a CA: a certificate binds a key to the repositories that its common name
//! fits.

use time::{Duration, OffsetDateTime};

use crate::{
    fault::{CertificateDates, CertificateFault, MIN_RSA_BITS},
    gun::Gun,
    key::Certificate,
};

/// Whether the common name covers `gun`: the same text, or a beginning of it followed by `*`.
pub(crate) fn fits(certificate: &Certificate, gun: &Gun) -> bool {
    let name = certificate.common_name();
    if name.ends_with('*') {
        gun.as_str().starts_with(name.trim_end_matches('*'))
    } else {
        name == gun.as_str()
    }
}

/// Checks everything about a certificate but its dates.
pub(crate) fn check(certificate: &Certificate) -> Result<(), CertificateFault> {
    let [not_before, not_after] = certificate.validity();
    if not_before > not_after {
        return Err(CertificateFault::Validity);
    }
    if certificate.is_sha1_signed() {
        return Err(CertificateFault::Sha1 {
            common_name: certificate.common_name().to_owned(),
        });
    }
    if certificate
        .rsa_bits()
        .is_some_and(|bits| bits < MIN_RSA_BITS)
    {
        return Err(CertificateFault::ShortRsaKey);
    }
    Ok(())
}

/// Whether `now` is within the dates; a certificate that begins within a day counts (clocks
/// differ).
pub(crate) fn is_current(certificate: &Certificate, now: OffsetDateTime) -> bool {
    let tomorrow = now.saturating_add(Duration::DAY);
    let [not_before, not_after] = certificate.validity();
    not_before <= tomorrow.unix_timestamp() && now.unix_timestamp() <= not_after
}

/// What is wrong with the dates of a certificate that is not current.
pub(super) fn describe_dates(certificate: &Certificate, now: OffsetDateTime) -> CertificateDates {
    let [not_before, not_after] = certificate.validity();
    CertificateDates {
        common_name: certificate.common_name().to_owned(),
        not_before,
        not_after,
        now: now.unix_timestamp(),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::Value;

    use super::*;
    use crate::{
        encoding::pem,
        files::File,
        key::{KeyType, PublicKey},
        role::Role,
        wire::MetadataFormat,
    };

    /// SHA-256 with RSA, and the SHA-1 variant that differs in its last byte.
    const RSA_SIGNATURE: [[u8; 9]; 2] = [
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b],
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    ];

    fn verdict(key: &PublicKey) -> Result<(), CertificateFault> {
        key.certificate().map_or(Ok(()), check)
    }

    /// The first root key of a recorded root.
    fn root_key(name: &str) -> PublicKey {
        let text = include_str!("../../../fixtures/vectors/root_validation.json");
        let cases: Vec<Value> = serde_json::from_str(text).expect("recorded vectors");
        let case = cases.iter().find(|case| case["name"] == name);
        let root = case.and_then(|case| case["root_b64"].as_str());
        let bytes = STANDARD
            .decode(root.expect("a recorded root"))
            .expect("recorded base64");
        let file =
            File::parse(MetadataFormat::NOTARY, Role::Root, bytes.into()).expect("recorded JSON");
        let root = file.root().expect("a whole root");
        root.keys(&Role::Root).remove(0)
    }

    #[test]
    fn a_delegation_key_in_a_sound_certificate_passes_and_so_does_one_in_no_certificate() {
        assert_eq!(verdict(&root_key("rsa-x509")), Ok(()));
        let plain = PublicKey::new(KeyType::Ed25519, vec![0; 32]);
        assert_eq!(verdict(&plain), Ok(()));
    }

    #[test]
    fn a_delegation_key_in_a_short_rsa_certificate_is_refused() {
        let refused = verdict(&root_key("rsa-x509-1024"));
        assert_eq!(refused, Err(CertificateFault::ShortRsaKey));
    }

    #[test]
    fn a_delegation_key_in_a_certificate_signed_over_sha1_is_refused() {
        let key = root_key("rsa-x509");
        let mut der = pem::first(key.public_bytes())
            .expect("a certificate")
            .contents;
        let [sha256, sha1] = RSA_SIGNATURE;
        for at in 0..der.len() - 9 {
            if der[at..at + 9] == sha256 {
                der[at..at + 9].copy_from_slice(&sha1);
            }
        }
        let key = PublicKey::new(
            KeyType::RsaX509,
            pem::encode("CERTIFICATE", &der).into_bytes(),
        );
        let common_name = "example.com/app".to_owned();
        assert_eq!(verdict(&key), Err(CertificateFault::Sha1 { common_name }));
    }
}
