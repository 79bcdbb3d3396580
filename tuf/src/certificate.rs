//! X.509 certificates as root and delegation keys, with the checks of Notary 0.7.
//!
//! There is no chain to a CA: a certificate binds a key to the repositories that its common name
//! fits.

use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as Subject;

use crate::encoding::{date, pem};
use crate::{Gun, KeyType, PublicKey};

/// The least modulus of an RSA key, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Signature algorithms over SHA-1: with RSA (two identifiers), DSA and ECDSA.
const SHA1_ALGORITHMS: [&str; 4] = [
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
];

/// What a root key's public bytes hold: the certificate of the key and the CAs above it.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    pub(crate) leaf: Certificate,
    intermediates: Vec<Certificate>,
}

/// What the rules of trust look at in a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    der: Vec<u8>,
    common_name: String,
    not_before: i64,
    not_after: i64,
    is_ca: bool,
    is_sha1_signed: bool,
    subject: SubjectKey,
}

/// The kind of key that a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SubjectKey {
    Ec,
    Rsa { bits: usize },
    Other,
}

impl Bundle {
    /// Reads PEM text in which every block is a certificate and the first alone is not a CA's.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut certificates = Vec::new();
        for block in pem::blocks(text) {
            if block.label != b"CERTIFICATE" {
                return None;
            }
            certificates.push(Certificate::parse(&block.contents)?);
        }
        if certificates.is_empty() {
            return None;
        }
        let leaf = certificates.remove(0);
        let fits = !leaf.is_ca && certificates.iter().all(|above| above.is_ca);
        fits.then_some(Self {
            leaf,
            intermediates: certificates,
        })
    }

    /// The key that these certificates make when written again, with the intermediates that `keep`
    /// picks.
    ///
    /// Notary 0.7 checks root signatures against this key, so a root key in any other spelling
    /// never verifies.
    pub(crate) fn key(&self, keep: impl Fn(&Certificate) -> bool) -> Option<PublicKey> {
        let key_type = match self.leaf.subject {
            SubjectKey::Ec => KeyType::EcdsaX509,
            SubjectKey::Rsa { .. } => KeyType::RsaX509,
            SubjectKey::Other => return None,
        };
        let kept = self
            .intermediates
            .iter()
            .filter(|certificate| keep(certificate));
        let text: String = std::iter::once(&self.leaf)
            .chain(kept)
            .map(|certificate| pem::encode("CERTIFICATE", &certificate.der))
            .collect();
        Some(PublicKey::new(key_type, text.into_bytes()))
    }
}

impl Certificate {
    fn parse(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let constraints = parsed.basic_constraints().ok()?;
        let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
        Some(Self {
            der: der.to_vec(),
            // Go keeps the last of several common names.
            common_name: parsed
                .subject()
                .iter_common_name()
                .last()
                .and_then(|name| name.as_str().ok())
                .unwrap_or("")
                .to_owned(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            is_ca: constraints.is_some_and(|constraints| constraints.value.ca),
            is_sha1_signed: SHA1_ALGORITHMS.contains(&algorithm.as_str()),
            subject: SubjectKey::of(&parsed),
        })
    }

    /// Whether the common name covers `gun`: the same text, or a beginning of it followed by `*`.
    pub(crate) fn fits(&self, gun: &Gun) -> bool {
        let name = self.common_name.as_str();
        if name.ends_with('*') {
            gun.as_str().starts_with(name.trim_end_matches('*'))
        } else {
            name == gun.as_str()
        }
    }

    /// The name that [`fits`](Self::fits) compares.
    pub(crate) fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The last second of its validity, in Unix time.
    pub(crate) fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Checks everything about a certificate but its dates; the texts are Notary 0.7's.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.not_before > self.not_after {
            return Err("certificate validity window is invalid".to_owned());
        }
        if self.is_sha1_signed {
            return Err(format!(
                "certificate with CN {} uses invalid SHA1 signature algorithm",
                self.common_name
            ));
        }
        match self.subject {
            SubjectKey::Rsa { bits } if bits < MIN_RSA_BITS => {
                Err("RSA bit length is too short".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// How the dates of one that is not [current](Self::is_current) and the clock differ.
    pub(crate) fn describe_dates(&self, now: OffsetDateTime) -> String {
        let date = |seconds| {
            OffsetDateTime::from_unix_timestamp(seconds)
                .map_or_else(|_| "a year out of range".to_owned(), date::format)
        };
        let dates = if now.unix_timestamp() > self.not_after {
            format!("expired at {}", date(self.not_after))
        } else {
            format!("is not valid before {}", date(self.not_before))
        };
        format!(
            "the certificate {} {dates}, and the clock of the server says {}",
            self.common_name,
            date(now.unix_timestamp())
        )
    }

    /// Whether `now` is within the dates; a certificate that begins within a day counts (clocks
    /// differ).
    pub(crate) fn is_current(&self, now: OffsetDateTime) -> bool {
        let tomorrow = now.saturating_add(Duration::DAY);
        self.not_before <= tomorrow.unix_timestamp() && now.unix_timestamp() <= self.not_after
    }
}

impl SubjectKey {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        match certificate.public_key().parsed() {
            Ok(Subject::EC(_)) => Self::Ec,
            Ok(Subject::RSA(key)) => Self::Rsa {
                bits: bit_length(key.modulus),
            },
            _ => Self::Other,
        }
    }
}

/// The subject public key (DER) of the certificate in the first PEM block, whatever its label says.
pub(crate) fn subject_public_key(text: &[u8]) -> Option<Vec<u8>> {
    let block = pem::first(text)?;
    let (_, certificate) = X509Certificate::from_der(&block.contents)
        .ok()
        .filter(|(rest, _)| rest.is_empty())?;
    Some(certificate.public_key().raw.to_vec())
}

/// Checks a delegation key that is a certificate; keys in any other form pass.
pub(crate) fn check_delegation_key(key: &PublicKey) -> Result<(), String> {
    let block = pem::first(key.public_bytes()).filter(|block| block.label == b"CERTIFICATE");
    match block.and_then(|block| Certificate::parse(&block.contents)) {
        Some(certificate) => certificate.check(),
        None => Ok(()),
    }
}

fn bit_length(magnitude: &[u8]) -> usize {
    let significant = magnitude
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&[][..], |start| &magnitude[start..]);
    significant.first().map_or(0, |first| {
        significant.len() * 8 - first.leading_zeros() as usize
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::*;
    use crate::{File, Role};

    /// SHA-256 with RSA, and the SHA-1 variant that differs in its last byte.
    const RSA_SIGNATURE: [[u8; 9]; 2] = [
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b],
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    ];

    /// The first root key of a recorded root.
    fn root_key(name: &str) -> PublicKey {
        let text = include_str!("../../fixtures/vectors/root_validation.json");
        let cases: Vec<Value> = serde_json::from_str(text).expect("recorded vectors");
        let case = cases.iter().find(|case| case["name"] == name);
        let root = case.and_then(|case| case["root_b64"].as_str());
        let bytes = STANDARD
            .decode(root.expect("a recorded root"))
            .expect("recorded base64");
        let file = File::parse(Role::Root, bytes.into()).expect("recorded JSON");
        let root = crate::wire::notary::check_root(file.envelope()).expect("a whole root");
        root.keys(&Role::Root).remove(0)
    }

    #[test]
    fn a_delegation_key_in_a_sound_certificate_passes_and_so_does_one_in_no_certificate() {
        assert_eq!(check_delegation_key(&root_key("rsa-x509")), Ok(()));
        let plain = PublicKey::new(KeyType::Ed25519, vec![0; 32]);
        assert_eq!(check_delegation_key(&plain), Ok(()));
    }

    #[test]
    fn a_delegation_key_in_a_short_rsa_certificate_is_refused() {
        let refused = check_delegation_key(&root_key("rsa-x509-1024"));
        assert_eq!(refused, Err("RSA bit length is too short".to_owned()));
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
        let text = "certificate with CN example.com/app uses invalid SHA1 signature algorithm";
        assert_eq!(check_delegation_key(&key), Err(text.to_owned()));
    }

    #[test]
    fn bits_are_counted_from_the_first_that_is_set() {
        assert_eq!(bit_length(&[0, 0x80, 0]), 16);
        assert_eq!(bit_length(&[0, 1]), 1);
        assert_eq!(bit_length(&[0]), 0);
    }
}
