//! Private keys: making them, signing with them, and the form in which a signer keeps them.

use std::fmt;

use p521::ecdsa::signature::hazmat::PrehashSigner;
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PSS_SHA256,
        RsaKeyPair,
    },
};
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use super::{
    material::{Material, P256, P384, P521, p521_digest},
    name::KeyType,
    public::PublicKey,
};

/// What kinds of keys can be made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256, the only curve that Notary 0.7 makes keys on.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

/// A private key together with its public half.
///
/// The stored form is wiped on drop. ring keeps a copy of its own to sign with and offers no way to
/// wipe that.
pub struct PrivateKey {
    public: PublicKey,
    stored: Zeroizing<Vec<u8>>,
    signer: Signer,
}

enum Signer {
    P256(EcdsaKeyPair),
    P384(Box<p384::ecdsa::SigningKey>),
    P521(Box<p521::ecdsa::SigningKey>),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// The system gave no randomness, or the key refused to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key could not be made or could not sign: no randomness")]
pub struct SigningError;

/// Why stored bytes are no private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredKeyError {
    /// Keys of this type cannot sign here.
    #[error("keys of type {0:?} cannot sign")]
    Algorithm(String),
    /// The private bytes are not in the encoding that Notary 0.7 keeps for the algorithm, or on a
    /// curve unknown here.
    #[error("the private key is malformed")]
    Private,
    /// The public bytes are not in the encoding that the algorithm asks for.
    #[error("the public key is malformed")]
    Public,
    /// The two halves do not belong together; Notary 0.7 would sign with the wrong key.
    #[error("the private key does not belong to the public key")]
    Mismatch,
}

impl PrivateKey {
    /// Makes a new key.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, SigningError> {
        match algorithm {
            KeyAlgorithm::Ecdsa => generate_p256(),
            KeyAlgorithm::Ed25519 => generate_ed25519(),
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message` by the key's [`PublicKey::signature_method`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.signer.sign(message).ok_or(SigningError)
    }

    /// Reads a key as Notary 0.7 keeps it: SEC 1 DER for `ecdsa`, public, seed and public again (96
    /// bytes) for `ed25519`, PKCS#1 DER for `rsa`; public bytes as in metadata.
    ///
    /// Both halves are checked against each other, which Notary 0.7 does not do.
    pub fn from_stored(
        algorithm: &str,
        private: &[u8],
        public: &[u8],
    ) -> Result<Self, StoredKeyError> {
        let key_type = KeyType::from(algorithm);
        if matches!(key_type, KeyType::Other(_)) {
            return Err(StoredKeyError::Algorithm(algorithm.to_owned()));
        }
        let public = PublicKey::new(key_type, public.to_vec());
        let signer = Signer::read(private, public.material().ok_or(StoredKeyError::Public)?)?;
        Ok(Self {
            public,
            stored: Zeroizing::new(private.to_vec()),
            signer,
        })
    }

    /// The private half in the form that [`PrivateKey::from_stored`] reads, wiped when dropped.
    #[must_use]
    pub fn to_stored(&self) -> Zeroizing<Vec<u8>> {
        self.stored.clone()
    }
}

/// Names the public half only.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// ECDSA is over SHA-256 on every curve, in fixed width; RSA is PSS.
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::P256(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::P384(key) => sign_p384(key, message),
            Self::P521(key) => sign_p521(key, message),
            Self::Ed25519(key) => Some(key.sign(message).as_ref().to_vec()),
            Self::Rsa(key) => {
                let mut made = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PSS_SHA256, &random, message, &mut made)
                    .ok()?;
                Some(made)
            }
        }
    }

    /// Reads the private half of the key that `public` is the other half of.
    fn read(private: &[u8], public: &Material) -> Result<Self, StoredKeyError> {
        match public {
            Material::P256(point) => p256(private, point),
            Material::P384(point) => p384(private, point),
            Material::P521(key) => p521(private, key),
            Material::Ed25519(public) => ed25519(private, public),
            Material::Rsa { der, .. } => rsa(private, der),
        }
    }
}

fn sign_p384(key: &p384::ecdsa::SigningKey, message: &[u8]) -> Option<Vec<u8>> {
    let made: p384::ecdsa::Signature = key.sign_prehash(digest(&SHA256, message).as_ref()).ok()?;
    Some(made.to_bytes().to_vec())
}

fn sign_p521(key: &p521::ecdsa::SigningKey, message: &[u8]) -> Option<Vec<u8>> {
    let made: p521::ecdsa::Signature = key.sign_prehash(&p521_digest(message)).ok()?;
    Some(made.to_bytes().to_vec())
}

fn p256(private: &[u8], point: &[u8]) -> Result<Signer, StoredKeyError> {
    let scalar = scalar(private, P256, 32)?;
    let random = SystemRandom::new();
    EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &scalar,
        point,
        &random,
    )
    .map(Signer::P256)
    .map_err(rejection)
}

fn p384(private: &[u8], point: &[u8]) -> Result<Signer, StoredKeyError> {
    let key = p384::ecdsa::SigningKey::from_slice(&scalar(private, P384, 48)?)
        .map_err(|_| StoredKeyError::Private)?;
    let belongs = key.verifying_key().to_sec1_point(false).as_bytes() == point;
    if belongs {
        Ok(Signer::P384(Box::new(key)))
    } else {
        Err(StoredKeyError::Mismatch)
    }
}

fn p521(private: &[u8], public: &p521::ecdsa::VerifyingKey) -> Result<Signer, StoredKeyError> {
    let key = p521::ecdsa::SigningKey::from_slice(&scalar(private, P521, 66)?)
        .map_err(|_| StoredKeyError::Private)?;
    let belongs = key.verifying_key() == public;
    if belongs {
        Ok(Signer::P521(Box::new(key)))
    } else {
        Err(StoredKeyError::Mismatch)
    }
}

fn ed25519(private: &[u8], public: &[u8]) -> Result<Signer, StoredKeyError> {
    let [first, seed, last] = [0, 32, 64].map(|start| private.get(start..start + 32));
    let seed = seed
        .filter(|_| private.len() == 96)
        .ok_or(StoredKeyError::Private)?;
    if first != Some(public) || last != Some(public) {
        return Err(StoredKeyError::Mismatch);
    }
    Ed25519KeyPair::from_seed_and_public_key(seed, public)
        .map(Signer::Ed25519)
        .map_err(rejection)
}

fn rsa(private: &[u8], public: &[u8]) -> Result<Signer, StoredKeyError> {
    let key = RsaKeyPair::from_der(private).map_err(rejection)?;
    let belongs = key.public_key().as_ref() == public;
    if belongs {
        Ok(Signer::Rsa(Box::new(key)))
    } else {
        Err(StoredKeyError::Mismatch)
    }
}

/// The private number of a SEC 1 key on `curve`, as wide as its field.
fn scalar(
    private: &[u8],
    curve: spki::ObjectIdentifier,
    width: usize,
) -> Result<Zeroizing<Vec<u8>>, StoredKeyError> {
    let key = EcPrivateKey::try_from(private).map_err(|_| StoredKeyError::Private)?;
    let named = key.parameters.and_then(sec1::EcParameters::named_curve);
    if named != Some(curve) {
        return Err(StoredKeyError::Private);
    }
    let start = key
        .private_key
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(key.private_key.len());
    let number = &key.private_key[start..];
    let mut scalar = Zeroizing::new(vec![0; width]);
    let padding = width
        .checked_sub(number.len())
        .ok_or(StoredKeyError::Private)?;
    scalar[padding..].copy_from_slice(number);
    Ok(scalar)
}

fn rejection(why: ring::error::KeyRejected) -> StoredKeyError {
    if why.to_string() == "InconsistentComponents" {
        StoredKeyError::Mismatch
    } else {
        StoredKeyError::Private
    }
}

fn generate_ed25519() -> Result<PrivateKey, SigningError> {
    let seed = random_seed()?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(|_| SigningError)?;
    let public = pair.public_key().as_ref().to_vec();
    let stored = Zeroizing::new([&public, seed.as_slice(), &public].concat());
    Ok(PrivateKey {
        public: PublicKey::new(KeyType::Ed25519, public),
        stored,
        signer: Signer::Ed25519(pair),
    })
}

fn random_seed() -> Result<Zeroizing<[u8; 32]>, SigningError> {
    let mut seed = Zeroizing::new([0; 32]);
    ring::rand::SecureRandom::fill(&SystemRandom::new(), seed.as_mut())
        .map_err(|_| SigningError)?;
    Ok(seed)
}

/// A subject public key info for P-256, up to the point.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// A SEC 1 private key on P-256, up to the private number.
const P256_SEC1: [u8; 7] = [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
/// What stands between the private number and the point: the curve, and the beginning of the bit
/// string.
const P256_SEC1_CURVE: [u8; 17] = [
    0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42,
    0x00,
];

fn generate_p256() -> Result<PrivateKey, SigningError> {
    // ring hands out its keys as PKCS#8 only; the document itself cannot be wiped.
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
        .map_err(|_| SigningError)?;
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
            .map_err(|_| SigningError)?;
    let outer =
        p384::pkcs8::PrivateKeyInfoRef::try_from(document.as_ref()).map_err(|_| SigningError)?;
    let inner = EcPrivateKey::try_from(outer.private_key.as_bytes()).map_err(|_| SigningError)?;
    let point = pair.public_key().as_ref();
    let stored = Zeroizing::new([&P256_SEC1, inner.private_key, &P256_SEC1_CURVE, point].concat());
    let public = PublicKey::new(KeyType::Ecdsa, [&P256_SPKI, point].concat());
    Ok(PrivateKey {
        public,
        stored,
        signer: Signer::P256(pair),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A subject public key info for P-521, up to the point.
    const P521_SPKI: &str = "30819b301006072a8648ce3d020106052b8104002303818600";
    /// A SEC 1 private key on P-521 up to its private number, and the curve that follows it.
    const P521_SEC1: [&str; 2] = ["30500201010442", "a00706052b81040023"];

    #[test]
    fn keys_on_p521_sign_and_keep_their_halves_together() {
        let scalar = [vec![0; 2], vec![7; 64]].concat();
        let spki = |scalar: &[u8]| {
            let key =
                p521::ecdsa::SigningKey::from_slice(scalar).expect("a number below the order");
            let point = key.verifying_key().to_sec1_point(false);
            [&hex::decode(P521_SPKI).expect("hex"), point.as_bytes()].concat()
        };
        let [head, curve] = P521_SEC1;
        let private = hex::decode(format!("{head}{}{curve}", hex::encode(&scalar)));
        let private = private.expect("hex");
        let key = PrivateKey::from_stored("ecdsa", &private, &spki(&scalar)).expect("a good key");
        let signature = key.sign(b"message").expect("a signature");
        assert_eq!(signature.len(), 132);
        assert!(
            key.public()
                .verifies(&key.public().signature_method(), b"message", &signature)
        );
        assert!(
            !key.public()
                .verifies(&key.public().signature_method(), b"massage", &signature)
        );
        let other = spki(&[vec![0; 2], vec![8; 64]].concat());
        let refused = PrivateKey::from_stored("ecdsa", &private, &other);
        assert_eq!(refused.err(), Some(StoredKeyError::Mismatch));
    }
}
