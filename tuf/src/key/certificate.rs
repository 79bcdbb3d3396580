//! X.509 certificates as root and delegation keys: what stands in them.

use std::sync::Arc;

use x509_parser::{
    certificate::X509Certificate, prelude::FromDer, public_key::PublicKey as Subject,
};

use super::name::KeyType;
use crate::encoding::pem;

/// Signature algorithms over SHA-1: with RSA (two identifiers), DSA and ECDSA.
const SHA1_ALGORITHMS: [&str; 4] = [
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
];

/// What the rules of trust look at in a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    der: Vec<u8>,
    common_name: Arc<str>,
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

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
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
                .into(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            is_ca: constraints.is_some_and(|constraints| constraints.value.ca),
            is_sha1_signed: SHA1_ALGORITHMS.contains(&algorithm.as_str()),
            subject: SubjectKey::of(&parsed),
        })
    }

    /// The bytes that it was read from.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it may sign others.
    pub(super) fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// The type of a key whose public bytes begin with it; `None` if there is none.
    pub(super) fn key_type(&self) -> Option<KeyType> {
        match self.subject {
            SubjectKey::Ec => Some(KeyType::EcdsaX509),
            SubjectKey::Rsa { .. } => Some(KeyType::RsaX509),
            SubjectKey::Other => None,
        }
    }

    /// The GUN that it is for, or the beginning of one followed by `*`.
    pub(crate) fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The same, in memory that all who ask share.
    pub(crate) fn shared_common_name(&self) -> Arc<str> {
        Arc::clone(&self.common_name)
    }

    /// The first and the last second of its validity, in Unix time.
    pub(crate) fn validity(&self) -> [i64; 2] {
        [self.not_before, self.not_after]
    }

    /// Whether its signature is made over SHA-1.
    pub(crate) fn is_sha1_signed(&self) -> bool {
        self.is_sha1_signed
    }

    /// How many bits the modulus of its key has; `None` if it is no RSA key.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        match self.subject {
            SubjectKey::Rsa { bits } => Some(bits),
            SubjectKey::Ec | SubjectKey::Other => None,
        }
    }

    /// The certificate in the first PEM block of a key's public bytes.
    pub(crate) fn of_key(public: &[u8]) -> Option<Self> {
        let block = pem::first(public).filter(|block| block.label == b"CERTIFICATE")?;
        Self::parse(&block.contents)
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
    use super::*;

    #[test]
    fn bits_are_counted_from_the_first_that_is_set() {
        assert_eq!(bit_length(&[0, 0x80, 0]), 16);
        assert_eq!(bit_length(&[0, 1]), 1);
        assert_eq!(bit_length(&[0]), 0);
    }
}
