//! How each kind of key verifies signatures.

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use ring::{
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::{
    certificate,
    name::{KeyType, Method},
};
use crate::encoding::pem;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A public key's bytes, read.
pub(crate) enum Material {
    /// An uncompressed point of P-256.
    P256(Vec<u8>),
    /// An uncompressed point of P-384.
    P384(Vec<u8>),
    /// A point of P-521, which ring does not know.
    P521(Box<p521::ecdsa::VerifyingKey>),
    /// An Ed25519 public key.
    Ed25519(Vec<u8>),
    /// A PKCS#1 RSA public key.
    Rsa {
        /// `RSAPublicKey` in DER.
        der: Vec<u8>,
        /// Whether the key came as PEM, which is for [`Method::PyCrypto`] and nothing else.
        was_pem: bool,
    },
}

impl Material {
    /// Reads public bytes as their type says; P-224 is not supported.
    pub(crate) fn read(key_type: &KeyType, public: &[u8]) -> Option<Self> {
        match key_type {
            KeyType::Ecdsa => Self::ec(public),
            KeyType::EcdsaX509 => Self::ec(&certificate::subject_public_key(public)?),
            KeyType::Ed25519 => (public.len() == 32).then(|| Self::Ed25519(public.to_vec())),
            KeyType::Rsa => {
                Self::rsa(public, false).or_else(|| Self::rsa(&pem::first(public)?.contents, true))
            }
            KeyType::RsaX509 => Self::rsa(&certificate::subject_public_key(public)?, false),
            KeyType::Other(_) => None,
        }
    }

    fn ec(spki: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::try_from(spki).ok()?;
        let point = info.subject_public_key.as_bytes()?;
        let is_plain = |width: usize| point.len() == 1 + 2 * width && point[0] == 4;
        if info.algorithm.oid != EC_PUBLIC_KEY {
            return None;
        }
        match info.algorithm.parameters_oid().ok()? {
            P256 if is_plain(32) => Some(Self::P256(point.to_vec())),
            P384 if is_plain(48) => Some(Self::P384(point.to_vec())),
            P521 if is_plain(66) => p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .ok()
                .map(|key| Self::P521(Box::new(key))),
            _ => None,
        }
    }

    fn rsa(spki: &[u8], was_pem: bool) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::try_from(spki).ok()?;
        let has_null = info
            .algorithm
            .parameters
            .is_some_and(spki::der::asn1::AnyRef::is_null);
        let der = info.subject_public_key.as_bytes()?.to_vec();
        (info.algorithm.oid == RSA_ENCRYPTION && has_null).then_some(Self::Rsa { der, was_pem })
    }

    /// What one verification costs, in verifications by P-256: an estimate that is rather too high.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::P256(_) | Self::Ed25519(_) => 1,
            Self::Rsa { der, .. } if der.len() <= 600 => 1,
            Self::Rsa { .. } => 4,
            Self::P384(_) => 6,
            Self::P521(_) => 25,
        }
    }

    /// What makes two keys the same, whatever they are wrapped in.
    pub(crate) fn identity(&self) -> Vec<u8> {
        let (kind, bytes) = match self {
            Self::P256(point) | Self::P384(point) => (0, point.clone()),
            Self::P521(key) => (0, key.to_sec1_point(false).as_bytes().to_vec()),
            Self::Ed25519(key) => (1, key.clone()),
            Self::Rsa { der, .. } => (2, der.clone()),
        };
        let mut identity = vec![kind];
        identity.extend(bytes);
        identity
    }

    pub(super) fn verifies(&self, method: &Method, message: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key)
                .verify(message, signature)
                .is_ok()
        };
        match (method, self) {
            (Method::Ecdsa, Self::P256(point)) => by(&ECDSA_P256_SHA256_FIXED, point),
            (Method::Ecdsa, Self::P384(point)) => verifies_p384(point, message, signature),
            (Method::Ecdsa, Self::P521(key)) => verifies_p521(key, message, signature),
            (Method::EdDsa, Self::Ed25519(key)) => by(&ED25519, key),
            (
                Method::RsaPss,
                Self::Rsa {
                    der,
                    was_pem: false,
                },
            )
            | (Method::PyCrypto, Self::Rsa { der, was_pem: true }) => {
                by(&RSA_PSS_2048_8192_SHA256, der)
            }
            (
                Method::RsaPkcs1v15,
                Self::Rsa {
                    der,
                    was_pem: false,
                },
            ) => by(&RSA_PKCS1_2048_8192_SHA256, der),
            _ => false,
        }
    }
}

/// ring knows P-384 over SHA-256 in DER form alone.
fn verifies_p384(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    if signature.len() != 96 {
        return false;
    }
    let (r, s) = signature.split_at(48);
    let mut body = der_integer(r);
    body.extend(der_integer(s));
    // Two integers of at most 49 bytes stay below 128: the length is one byte.
    let length = u8::try_from(body.len()).expect("two P-384 integers are short");
    let mut der = vec![0x30, length];
    der.extend(body);
    UnparsedPublicKey::new(&ECDSA_P384_SHA256_ASN1, point)
        .verify(message, &der)
        .is_ok()
}

fn verifies_p521(key: &p521::ecdsa::VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = p521::ecdsa::Signature::from_slice(signature) else {
        return false;
    };
    key.verify_prehash(&p521_digest(message), &signature)
        .is_ok()
}

/// SHA-256 widened with zeros in front, which is the same number: the crate wants at least half a
/// field.
pub(crate) fn p521_digest(message: &[u8]) -> [u8; 64] {
    let mut wide = [0; 64];
    wide[32..].copy_from_slice(digest(&SHA256, message).as_ref());
    wide
}

fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len() - 1);
    let magnitude = &bytes[start..];
    let sign = usize::from(magnitude[0] >= 0x80);
    let length = u8::try_from(magnitude.len() + sign).expect("a P-384 integer is short");
    let mut der = vec![2, length];
    der.resize(2 + sign, 0);
    der.extend_from_slice(magnitude);
    der
}
