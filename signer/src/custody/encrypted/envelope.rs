//! A private key at rest: encrypted under a passphrase, as JWE compact serialization.
//!
//! The form is that of Notary 0.7, so that either program opens what the other stored: PBES2
//! derives a key from the passphrase, which wraps a random key, which encrypts with AES-GCM.
//!
//! Deriving is slow on purpose, and gives the same key for the same passphrase, salt and rounds: so
//! envelopes that share a `Derivation` need it once.

use std::{num::NonZeroU32, sync::Arc};

use aes_kw::{KwAes128, KwAes192, KwAes256, cipher::KeyInit};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    pbkdf2,
    rand::{SecureRandom, SystemRandom},
};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Key wrapping of what is written, and what the column `keywrap_alg` says.
pub const KEY_WRAPPING: &str = "PBES2-HS256+A128KW";
/// Content encryption of what is written, and what the column `encryption_alg` says.
pub const ENCRYPTION: &str = "A256GCM";
/// Rounds of PBKDF2 that Notary 0.7 writes.
pub const DEFAULT_ROUNDS: NonZeroU32 = NonZeroU32::new(8192).expect("not zero");
/// The most rounds that are read: the number comes from the database, and each costs time.
pub const MAX_ROUNDS: u32 = 1_000_000;
/// The fewest rounds that are read (RFC 7518, 4.8.1.2).
pub const MIN_ROUNDS: u32 = 1000;

/// Bytes of random salt in what is written. Notary 0.7 writes 12, and reads any number.
const SALT: usize = 16;
/// Bytes of the key that encrypts the content in what is written.
const CONTENT_KEY: usize = 32;
/// Bytes that AES key wrapping adds (RFC 3394).
const WRAPPING: usize = 8;
/// Bytes of AES-GCM's tag.
const TAG: usize = 16;

/// Why an envelope does not open, or cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not five parts of base64url with a header that makes sense.
    #[error("the stored key is not a well-formed envelope: {0}")]
    Malformed(&'static str),
    /// An algorithm outside the explicit list.
    #[error("the stored key is encrypted in a way that is not accepted: {0}")]
    Unaccepted(&'static str),
    /// The passphrase is another one.
    #[error("the passphrase does not open the stored key")]
    WrongPassphrase,
    /// The passphrase is right and the content is not what was encrypted.
    #[error("the stored key was altered")]
    Altered,
    /// The operating system gave no random bytes.
    #[error("the random number generator failed")]
    NoRandom,
}

/// Encrypts `plaintext` under `passphrase`, with a salt of its own.
pub fn seal(
    plaintext: &[u8],
    passphrase: &[u8],
    rounds: NonZeroU32,
) -> Result<String, EnvelopeError> {
    let derivation = Derivation::generate(rounds)?;
    let key = derivation.derive(passphrase);
    seal_by(plaintext, &derivation, &key)
}

/// Decrypts what [`seal`], or Notary 0.7, made.
pub fn open(envelope: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    open_by(envelope, |derivation| derivation.derive(passphrase))
}

/// Encrypts `plaintext` with `key`, which `derivation` gave.
pub(super) fn seal_by(
    plaintext: &[u8],
    derivation: &Derivation,
    key: &WrappingKey,
) -> Result<String, EnvelopeError> {
    let fresh = Fresh::generate().ok_or(EnvelopeError::NoRandom)?;
    Ok(fresh.seal(plaintext, derivation, key))
}

/// Decrypts an envelope with the key that `find` has for its derivation.
pub(super) fn open_by(
    envelope: &[u8],
    find: impl FnOnce(&Derivation) -> Arc<WrappingKey>,
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let text = std::str::from_utf8(envelope).map_err(|_| EnvelopeError::Malformed("not text"))?;
    let parts = Parts::read(text)?;
    let content_key = parts.unwrap_content_key(find)?;
    parts.decrypt(&content_key)
}

/// The key that wraps content keys, wiped when its last owner drops it. It has no `Debug`.
pub(super) struct WrappingKey(Zeroizing<Vec<u8>>);

/// How a wrapping key comes from a passphrase.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Derivation {
    wrapping: Wrapping,
    rounds: NonZeroU32,
    salt: Vec<u8>,
}

impl Derivation {
    /// What new envelopes use, with a random salt.
    pub(super) fn generate(rounds: NonZeroU32) -> Result<Self, EnvelopeError> {
        let mut salt = vec![0; SALT];
        let filled = SystemRandom::new().fill(&mut salt);
        filled.map_err(|_| EnvelopeError::NoRandom)?;
        Ok(Self::with_salt(salt, rounds))
    }

    /// What new envelopes use, with this salt.
    pub(super) fn with_salt(salt: Vec<u8>, rounds: NonZeroU32) -> Self {
        Self {
            wrapping: Wrapping::Hs256,
            rounds,
            salt,
        }
    }

    /// Bytes of the salt; a row may hold any number.
    pub(super) fn salt_length(&self) -> usize {
        self.salt.len()
    }

    /// The wrapping key of `passphrase`. This is what takes long.
    pub(super) fn derive(&self, passphrase: &[u8]) -> Arc<WrappingKey> {
        let key = self.wrapping.derive(passphrase, &self.salt, self.rounds);
        Arc::new(WrappingKey(key))
    }
}

/// What must be new for every envelope, whatever it shares with others.
struct Fresh {
    content_key: Zeroizing<[u8; CONTENT_KEY]>,
    nonce: [u8; NONCE_LEN],
}

impl Fresh {
    fn generate() -> Option<Self> {
        let random = SystemRandom::new();
        let mut fresh = Self {
            content_key: Zeroizing::new([0; CONTENT_KEY]),
            nonce: [0; NONCE_LEN],
        };
        random.fill(fresh.content_key.as_mut_slice()).ok()?;
        random.fill(&mut fresh.nonce).ok()?;
        Some(fresh)
    }

    fn seal(self, plaintext: &[u8], derivation: &Derivation, key: &WrappingKey) -> String {
        let Derivation {
            wrapping,
            rounds,
            salt,
        } = derivation;
        let (algorithm, salt) = (wrapping.name(), URL_SAFE_NO_PAD.encode(salt));
        // Members in the order of Notary's library, which is how its rows look.
        let header = format!(
            r#"{{"alg":"{algorithm}","enc":"{ENCRYPTION}","p2c":{rounds},"p2s":"{salt}"}}"#
        );
        let header = URL_SAFE_NO_PAD.encode(header);
        let mut wrapped = [0; CONTENT_KEY + WRAPPING];
        wrapping
            .wrap(&key.0, self.content_key.as_slice(), &mut wrapped)
            .expect("the sizes fit each other");
        let mut content = plaintext.to_vec();
        let tag = content_cipher(&AES_256_GCM, self.content_key.as_slice())
            .expect("the key is as long as the algorithm wants")
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(self.nonce),
                Aad::from(&header),
                &mut content,
            )
            .expect("a private key is shorter than AES-GCM's limit");
        let parts = [wrapped.as_slice(), &self.nonce, &content, tag.as_ref()];
        parts.iter().fold(header, |text, part| {
            text + "." + &URL_SAFE_NO_PAD.encode(part)
        })
    }
}

/// An envelope taken apart.
struct Parts<'a> {
    /// The first part as it stands: it is authenticated along with the content.
    header_text: &'a str,
    derivation: Derivation,
    encryption: &'static Algorithm,
    wrapped_key: Vec<u8>,
    nonce: [u8; NONCE_LEN],
    /// Ciphertext and tag, in place of which the plaintext will stand.
    content: Zeroizing<Vec<u8>>,
}

/// The header. Members that would change the meaning of the rest (`crit`, `zip`) are refused
/// along with everything else that is not known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    enc: String,
    p2c: u64,
    p2s: String,
    #[serde(default, rename = "typ")]
    _type: Option<String>,
    #[serde(default, rename = "cty")]
    _content_type: Option<String>,
    #[serde(default, rename = "kid")]
    _key_id: Option<String>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Self, EnvelopeError> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header_text, wrapped_key, nonce, content, tag] = parts[..] else {
            return Err(EnvelopeError::Malformed("not five parts"));
        };
        let header: Header = serde_json::from_slice(&decode(header_text)?)
            .map_err(|_| EnvelopeError::Malformed("the header is not as expected"))?;
        let nonce = decode(nonce)?.try_into();
        let tag = decode(tag)?;
        if tag.len() != TAG {
            return Err(EnvelopeError::Malformed("the tag has the wrong length"));
        }
        let mut content = decode(content)?;
        content.extend_from_slice(&tag);
        Ok(Self {
            header_text,
            derivation: Derivation {
                wrapping: Wrapping::find(&header.alg)?,
                rounds: rounds(header.p2c)?,
                salt: salt(&header.p2s)?,
            },
            encryption: find_encryption(&header.enc)?,
            wrapped_key: decode(wrapped_key)?,
            nonce: nonce.map_err(|_| EnvelopeError::Malformed("the nonce has the wrong length"))?,
            content: Zeroizing::new(content),
        })
    }

    fn unwrap_content_key(
        &self,
        find: impl FnOnce(&Derivation) -> Arc<WrappingKey>,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let length = self.encryption.key_len();
        if self.wrapped_key.len() != length + WRAPPING {
            return Err(EnvelopeError::Malformed(
                "the wrapped key has the wrong length",
            ));
        }
        let key = find(&self.derivation);
        let mut content_key = Zeroizing::new(vec![0; length]);
        self.derivation
            .wrapping
            .unwrap(&key.0, &self.wrapped_key, &mut content_key)?;
        Ok(content_key)
    }

    fn decrypt(mut self, content_key: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let cipher = content_cipher(self.encryption, content_key)?;
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let length = cipher
            .open_in_place(nonce, Aad::from(self.header_text), &mut self.content)
            .map_err(|_| EnvelopeError::Altered)?
            .len();
        self.content.truncate(length);
        Ok(self.content)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| EnvelopeError::Malformed("a part is not base64url"))
}

fn rounds(count: u64) -> Result<NonZeroU32, EnvelopeError> {
    u32::try_from(count)
        .ok()
        .filter(|count| (MIN_ROUNDS..=MAX_ROUNDS).contains(count))
        .and_then(NonZeroU32::new)
        .ok_or(EnvelopeError::Unaccepted(
            "its rounds are not between 1000 and 1000000",
        ))
}

fn salt(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    let salt = decode(text)?;
    if salt.len() < 8 {
        return Err(EnvelopeError::Unaccepted(
            "its salt is shorter than 8 bytes",
        ));
    }
    Ok(salt)
}

fn find_encryption(name: &str) -> Result<&'static Algorithm, EnvelopeError> {
    match name {
        "A128GCM" => Ok(&AES_128_GCM),
        ENCRYPTION => Ok(&AES_256_GCM),
        _ => Err(EnvelopeError::Unaccepted(
            "its `enc` is neither A128GCM nor A256GCM",
        )),
    }
}

fn content_cipher(algorithm: &'static Algorithm, key: &[u8]) -> Result<LessSafeKey, EnvelopeError> {
    let key = UnboundKey::new(algorithm, key);
    Ok(LessSafeKey::new(key.map_err(|_| {
        EnvelopeError::Malformed("the key has the wrong length")
    })?))
}

/// How a passphrase protects the content key (RFC 7518, 4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wrapping {
    Hs256,
    Hs384,
    Hs512,
}

impl Wrapping {
    fn find(name: &str) -> Result<Self, EnvelopeError> {
        [Self::Hs256, Self::Hs384, Self::Hs512]
            .into_iter()
            .find(|wrapping| wrapping.name() == name)
            .ok_or(EnvelopeError::Unaccepted(
                "its `alg` is none of the three PBES2 algorithms",
            ))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hs256 => KEY_WRAPPING,
            Self::Hs384 => "PBES2-HS384+A192KW",
            Self::Hs512 => "PBES2-HS512+A256KW",
        }
    }

    /// The key that wraps the content key. The name of the algorithm is part of the salt.
    fn derive(self, passphrase: &[u8], salt: &[u8], rounds: NonZeroU32) -> Zeroizing<Vec<u8>> {
        let (algorithm, length) = match self {
            Self::Hs256 => (pbkdf2::PBKDF2_HMAC_SHA256, 16),
            Self::Hs384 => (pbkdf2::PBKDF2_HMAC_SHA384, 24),
            Self::Hs512 => (pbkdf2::PBKDF2_HMAC_SHA512, 32),
        };
        let salt = [self.name().as_bytes(), &[0], salt].concat();
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(algorithm, rounds, &salt, passphrase, &mut key);
        key
    }

    fn wrap(self, key: &[u8], content_key: &[u8], out: &mut [u8]) -> Result<(), EnvelopeError> {
        let done = match self {
            Self::Hs256 => kek::<KwAes128>(key)?.wrap_key(content_key, out),
            Self::Hs384 => kek::<KwAes192>(key)?.wrap_key(content_key, out),
            Self::Hs512 => kek::<KwAes256>(key)?.wrap_key(content_key, out),
        };
        done.map(|_| ())
            .map_err(|_| EnvelopeError::Malformed("the key has the wrong length"))
    }

    fn unwrap(self, key: &[u8], wrapped: &[u8], out: &mut [u8]) -> Result<(), EnvelopeError> {
        let done = match self {
            Self::Hs256 => kek::<KwAes128>(key)?.unwrap_key(wrapped, out),
            Self::Hs384 => kek::<KwAes192>(key)?.unwrap_key(wrapped, out),
            Self::Hs512 => kek::<KwAes256>(key)?.unwrap_key(wrapped, out),
        };
        done.map(|_| ()).map_err(|_| EnvelopeError::WrongPassphrase)
    }
}

fn kek<K: KeyInit>(key: &[u8]) -> Result<K, EnvelopeError> {
    K::new_from_slice(key).map_err(|_| EnvelopeError::Malformed("the key has the wrong length"))
}

#[cfg(test)]
mod tests;
