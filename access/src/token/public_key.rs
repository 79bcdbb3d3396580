//! Public keys that tokens are signed with, whatever they were read from.

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use ring::{
    agreement::{self, EphemeralPrivateKey},
    digest::{SHA256, SHA512, digest},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};
use rustls_pki_types::alg_id;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_parser::{prelude::FromDer, public_key::RSAPublicKey};

use super::algorithm::Algorithm;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The sizes of RSA modulus that ring verifies with, in bytes.
const RSA_SIZES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key that signatures can be verified with: a point that is on its curve, or an RSA key of a
/// decent size.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
    /// A point of the curve that ring does not know.
    P521(Box<p521::ecdsa::VerifyingKey>),
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ed25519(Vec<u8>),
}

/// A curve of NIST's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, &'static str> {
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| "its key cannot be read")?;
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or("its key cannot be read")?;
        match info.algorithm.oid {
            EC_PUBLIC_KEY => match info.algorithm.parameters_oid().ok() {
                Some(P256) => Self::ec(Curve::P256, key),
                Some(P384) => Self::ec(Curve::P384, key),
                Some(P521) => Self::ec(Curve::P521, key),
                _ => Err("its key is on a curve other than P-256, P-384 and P-521"),
            },
            RSA_ENCRYPTION => Self::rsa_from_der(key),
            ID_ED25519 => Self::ed25519(key),
            _ => Err("its key is of an unknown kind"),
        }
    }

    /// A point in its uncompressed form (SEC 1 §2.3.3).
    pub(crate) fn ec(curve: Curve, point: &[u8]) -> Result<Self, &'static str> {
        let wrong = "its key is not an uncompressed point of its curve";
        if point.len() != 1 + 2 * curve.width() || point[0] != 4 {
            return Err(wrong);
        }
        match curve {
            Curve::P256 if is_point(&agreement::ECDH_P256, point) => Ok(Self::P256(point.into())),
            Curve::P384 if is_point(&agreement::ECDH_P384, point) => Ok(Self::P384(point.into())),
            Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .map(|key| Self::P521(Box::new(key)))
                .map_err(|_| wrong),
            _ => Err(wrong),
        }
    }

    /// Modulus and exponent, big-endian, without leading zeros.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, &'static str> {
        let is_number = |bytes: &[u8]| bytes.first().is_some_and(|byte| *byte != 0);
        let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
        if !is_number(n) || !is_odd(n) {
            return Err("its RSA modulus is none");
        }
        if !RSA_SIZES.contains(&n.len()) || (n.len() == 256 && n[0] < 0x80) {
            return Err("its RSA key does not have 2048 to 8192 bits");
        }
        if !is_number(e) || !is_odd(e) || e == [1] || e.len() > 4 {
            return Err("its RSA exponent is none");
        }
        Ok(Self::Rsa {
            n: n.into(),
            e: e.into(),
        })
    }

    fn rsa_from_der(der: &[u8]) -> Result<Self, &'static str> {
        let (rest, key) = RSAPublicKey::from_der(der).map_err(|_| "its RSA key cannot be read")?;
        if !rest.is_empty() {
            return Err("its RSA key cannot be read");
        }
        let magnitude = |number: &'_ [u8]| number.strip_prefix(&[0]).unwrap_or(number).to_vec();
        Self::rsa(&magnitude(key.modulus), &magnitude(key.exponent))
    }

    pub(crate) fn ed25519(key: &[u8]) -> Result<Self, &'static str> {
        if key.len() == 32 {
            Ok(Self::Ed25519(key.into()))
        } else {
            Err("its Ed25519 key does not have 32 bytes")
        }
    }

    /// Whether a key of this kind can sign by `algorithm` (RFC 7518 §3.1 ties curve to hash).
    pub(crate) fn suits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
            Self::P521(_) => algorithm == Algorithm::Es512,
            Self::Rsa { .. } => rsa_parameters(algorithm).is_some(),
            Self::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    /// Whether `signature` is this key's over `message`, made by `algorithm`; never if that does
    /// not suit the key.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let by = |verification: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(verification, key)
                .verify(message, signature)
                .is_ok()
        };
        match (algorithm, self) {
            (Algorithm::Es256, Self::P256(point)) => by(&ECDSA_P256_SHA256_FIXED, point),
            (Algorithm::Es384, Self::P384(point)) => by(&ECDSA_P384_SHA384_FIXED, point),
            (Algorithm::Es512, Self::P521(key)) => verifies_p521(key, message, signature),
            (Algorithm::EdDsa, Self::Ed25519(key)) => by(&ED25519, key),
            (_, Self::Rsa { n, e }) => rsa_parameters(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, message, signature)
                    .is_ok()
            }),
            _ => false,
        }
    }

    /// The key id of libtrust: 240 bits of a SHA-256 over the `SubjectPublicKeyInfo`, in base32,
    /// in twelve groups of four.
    pub(crate) fn libtrust_id(&self) -> String {
        let hash = digest(&SHA256, &self.spki());
        let groups: Vec<_> = hash.as_ref()[..30].chunks(5).map(base32).collect();
        groups.join(":")
    }

    /// The `SubjectPublicKeyInfo` in DER as Go writes it, whatever form the key came in.
    pub(crate) fn spki(&self) -> Vec<u8> {
        let (algorithm, key) = match self {
            Self::P256(point) => (alg_id::ECDSA_P256, point.clone()),
            Self::P384(point) => (alg_id::ECDSA_P384, point.clone()),
            Self::P521(key) => (
                alg_id::ECDSA_P521,
                key.to_sec1_point(false).as_bytes().into(),
            ),
            Self::Rsa { n, e } => (
                alg_id::RSA_ENCRYPTION,
                der(0x30, &[integer(n), integer(e)].concat()),
            ),
            Self::Ed25519(key) => (alg_id::ED25519, key.clone()),
        };
        let bits = [&[0], key.as_slice()].concat();
        der(0x30, &[der(0x30, &algorithm), der(0x03, &bits)].concat())
    }
}

impl Curve {
    /// Bytes of a coordinate.
    pub(crate) const fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// Whether `point` is on its curve. ring only tells those who agree on a key with it.
fn is_point(curve: &'static agreement::Algorithm, point: &[u8]) -> bool {
    EphemeralPrivateKey::generate(curve, &SystemRandom::new()).is_ok_and(|key| {
        let point = agreement::UnparsedPublicKey::new(curve, point);
        agreement::agree_ephemeral(key, &point, |_| ()).is_ok()
    })
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn verifies_p521(key: &p521::ecdsa::VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    p521::ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
        key.verify_prehash(digest(&SHA512, message).as_ref(), &signature)
            .is_ok()
    })
}

/// The same for a signature in DER and a key in either form of a point, as certificates have them.
pub(crate) fn verifies_p521_der(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = p521::ecdsa::VerifyingKey::from_sec1_bytes(point) else {
        return false;
    };
    p521::ecdsa::Signature::from_der(signature)
        .is_ok_and(|signature| verifies_p521(&key, message, &signature.to_bytes()))
}

/// Five bytes as eight characters (RFC 4648 §6), with a colon in the middle.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = bytes
        .iter()
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let character = |index: u32| char::from(ALPHABET[(bits >> (35 - 5 * index) & 31) as usize]);
    let (first, second): (String, String) = (
        (0..4).map(character).collect(),
        (4..8).map(character).collect(),
    );
    format!("{first}:{second}")
}

/// A positive INTEGER of these big-endian bytes, which have no leading zeros.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
    der(0x02, &[sign, bytes].concat())
}

/// One DER element (X.690 §8.1, §10.1); no key is too long for a length of two bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len())
        .expect("an RSA key of 8192 bits has 1 KiB")
        .to_be_bytes();
    let header = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header.as_slice(), content].concat()
}
