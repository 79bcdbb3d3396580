//! Escrow keys: who may open a sealed archive. The public half stays with the signer, the private
//! half in a safe. Both are PEM as other tools write it (`openssl genpkey -algorithm EC -pkeyopt
//! ec_paramgen_curve:P-521`).

use std::{fs, io, path::Path};

use p521::{
    SecretKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding},
};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// Bytes of a private number of P-521.
const SCALAR: usize = 66;

/// Why a key cannot be used or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EscrowError {
    /// Not `PUBLIC KEY`, or not on P-521.
    #[error("this is not a public escrow key: `PUBLIC KEY` in PEM, on the curve P-521")]
    NotPublic,
    /// Not `PRIVATE KEY`, encrypted, or not on P-521.
    #[error(
        "this is not a private escrow key: unencrypted `PRIVATE KEY` in PEM (PKCS #8), on the curve \
         P-521"
    )]
    NotPrivate,
    /// The operating system gave no random bytes.
    #[error("the system has no random numbers")]
    NoRandom,
    /// The file with the key cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

/// Seals archives.
#[derive(Clone)]
pub struct PublicKey(pub(crate) p521::PublicKey);

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    pub fn from_pem(text: &str) -> Result<Self, EscrowError> {
        let key = p521::PublicKey::from_public_key_pem(text);
        key.map(Self).map_err(|_| EscrowError::NotPublic)
    }

    /// Reads it from a file.
    pub fn read(file: &Path) -> Result<Self, EscrowError> {
        Self::from_pem(&text_of(file)?)
    }

    /// Writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0
            .to_public_key_pem(LineEnding::LF)
            .expect("a point of P-521 fits its encoding")
    }
}

/// Opens sealed archives. Wiped when dropped; has no `Debug`.
pub struct PrivateKey(pub(crate) SecretKey);

impl PrivateKey {
    /// A new one.
    pub fn generate() -> Result<Self, EscrowError> {
        random_secret().map(Self)
    }

    /// Reads `-----BEGIN PRIVATE KEY-----`.
    pub fn from_pem(text: &str) -> Result<Self, EscrowError> {
        let key = SecretKey::from_pkcs8_pem(text);
        key.map(Self).map_err(|_| EscrowError::NotPrivate)
    }

    /// Reads it from a file.
    pub fn read(file: &Path) -> Result<Self, EscrowError> {
        Self::from_pem(&text_of(file)?)
    }

    /// Writes it, unencrypted.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a number of P-521 fits its encoding")
    }

    /// The half that seals.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key())
    }
}

fn text_of(file: &Path) -> Result<Zeroizing<String>, EscrowError> {
    let text = fs::read_to_string(file);
    text.map(Zeroizing::new)
        .map_err(|error| EscrowError::Unreadable(error.kind()))
}

/// A private key by rejection: numbers that are no private keys are thrown away, so that all others
/// are equally likely.
pub(crate) fn random_secret() -> Result<SecretKey, EscrowError> {
    let random = SystemRandom::new();
    let mut bytes = Zeroizing::new([0; SCALAR]);
    loop {
        random
            .fill(bytes.as_mut_slice())
            .map_err(|_| EscrowError::NoRandom)?;
        // 521 bits are one in the first byte and all of the others.
        bytes[0] &= 1;
        if let Ok(secret) = SecretKey::from_slice(bytes.as_slice()) {
            return Ok(secret);
        }
    }
}
