//! One password's hash: reading, checking and making it.

use secrecy::{ExposeSecret, SecretString};

use super::argon2id::Argon2id;
use super::bcrypt::Bcrypt;
use super::foreign;

/// A way to hash passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// bcrypt, which Apache and the registry read too.
    #[default]
    Bcrypt,
    /// argon2id (RFC 9106), for this server alone.
    Argon2id,
}

/// A password that is not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// There is none.
    #[error("the password is empty")]
    Empty,
    /// It could not be sent: Basic authentication has no place for control characters (RFC 7617), and bcrypt
    /// ends at NUL.
    #[error(
        "there is a control character in the password, such as a newline at its end; \
         such a password cannot be sent"
    )]
    ControlCharacter,
    /// bcrypt would leave out the end of it.
    #[error(
        "the password is longer than the 72 bytes that bcrypt takes notice of: \
         choose a shorter one, or argon2id"
    )]
    TooLong,
    /// The operating system gave no random numbers for a salt, or not the memory that argon2id needs.
    #[error("the password cannot be hashed: random numbers or memory are not to be had")]
    NoResources,
}

/// A hash that no password is checked against. The hash itself is never shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// It is of a kind that is too weak, or not known.
    #[error("is stored as {0}, which is not accepted; {CURE}")]
    Foreign(&'static str),
    /// It looks like one of a kind that is accepted, but is cut off or altered.
    #[error("has a damaged {0} hash; {CURE}")]
    Damaged(&'static str),
    /// A single guess at this bcrypt cost would keep a processor busy for many seconds.
    #[error(
        "has a bcrypt hash of cost {0}; accepted are 4 to 17: `htpasswd -B -C 12 FILE USER` makes one"
    )]
    Cost(u32),
    /// A single guess with these argon2id parameters would keep a processor busy for many seconds, or take
    /// more memory than there is.
    #[error(
        "has an argon2id hash with parameters that are too high or too low; \
         accepted are m up to 1048576 (1 GiB), t up to 20 and p up to 16: \
         `notary-server auth hash USER` makes one"
    )]
    Parameters,
}

const CURE: &str = "hash it anew with `htpasswd -B FILE USER` or `notary-server auth hash USER`";

/// The hash of a password, as it stands in a password file.
///
/// # Errors
///
/// [`InvalidPassword`]: it is empty, holds a control character, or is longer than the 72 bytes that bcrypt
/// takes notice of.
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

/// A salt for one password.
pub(super) fn salt() -> Result<[u8; 16], InvalidPassword> {
    let random = ring::rand::generate(&ring::rand::SystemRandom::new());
    random
        .map(ring::rand::Random::expose)
        .map_err(|_| InvalidPassword::NoResources)
}

/// What a password is checked against.
#[derive(Clone)]
pub(super) enum Hash {
    Bcrypt(Bcrypt),
    Argon2id(Argon2id),
}

/// How much work a check is; what is equal takes equally long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Bcrypt {
        cost: u32,
    },
    Argon2id {
        passes: u32,
        memory: u32,
        lanes: u32,
    },
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
