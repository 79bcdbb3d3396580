//! One password's hash: reading, checking and making it.

use secrecy::{ExposeSecret, SecretString};

use super::{
    argon2id::Argon2id,
    bcrypt::Bcrypt,
    error::{InvalidHash, InvalidPassword},
    foreign,
    work::Work,
};

/// A way to hash passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// bcrypt, which Apache and the registry read too.
    #[default]
    Bcrypt,
    /// argon2id (RFC 9106), for this server alone.
    Argon2id,
}

/// The hash of a password, as it stands in a password file.
///
/// # Errors
///
/// [`InvalidPassword`]: it is empty, holds a control character, or is longer than the 72 bytes that
/// bcrypt takes notice of.
pub fn hash(password: &SecretString, hashing: Hashing) -> Result<String, InvalidPassword> {
    let password = password.expose_secret();
    if password.is_empty() {
        return Err(InvalidPassword::Empty);
    }
    if password.contains(char::is_control) {
        return Err(InvalidPassword::ControlCharacter);
    }
    match hashing {
        Hashing::Bcrypt => Ok(Bcrypt::make(password.as_bytes())?.to_string()),
        Hashing::Argon2id => Ok(Argon2id::make(password.as_bytes())?.to_string()),
    }
}

/// What a password is checked against.
#[derive(Clone)]
pub(super) enum Hash {
    Bcrypt(Bcrypt),
    Argon2id(Argon2id),
}

impl Hash {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHash> {
        if let Some(rest) = text.strip_prefix("$argon2id$") {
            return Argon2id::parse(rest).map(Self::Argon2id);
        }
        let mut bcrypt = ["$2y$", "$2b$", "$2a$"].into_iter();
        match bcrypt.find_map(|prefix| text.strip_prefix(prefix)) {
            Some(rest) => Bcrypt::parse(rest).map(Self::Bcrypt),
            None => Err(InvalidHash::Foreign(foreign::kind(text))),
        }
    }

    /// Whether it is that of `password`; takes as long whatever the answer is.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.is_of(password),
            Self::Argon2id(hash) => hash.is_of(password),
        }
    }

    pub(super) fn work(&self) -> Work {
        match self {
            Self::Bcrypt(hash) => hash.work(),
            Self::Argon2id(hash) => hash.work(),
        }
    }
}
