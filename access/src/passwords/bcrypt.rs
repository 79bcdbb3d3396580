//! bcrypt hashes (`$2y$12$…`).

use std::{fmt, ops::RangeInclusive};

use base64::{
    Engine as _,
    alphabet::BCRYPT,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    error::{InvalidHash, InvalidPassword},
    work::{Work, salt},
};

/// Above, a single guess would keep a processor busy for many seconds, and every client may guess.
const COSTS: RangeInclusive<u32> = 4..=17;

/// The cost of hashes that are made here.
const COST: u32 = 12;

/// What bcrypt takes notice of in a password.
const MAX_LENGTH: usize = 72;

#[derive(Clone)]
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    /// The last byte that the algorithm gives is left out in the files of everybody.
    digest: [u8; 23],
}

impl Bcrypt {
    /// Reads what follows `$2y$`: the cost, and salt and digest in bcrypt's own base64.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHash> {
        let (cost, salt, digest) = parts(text).ok_or(InvalidHash::Damaged("bcrypt"))?;
        if !COSTS.contains(&cost) {
            return Err(InvalidHash::Cost(cost));
        }
        Ok(Self { cost, salt, digest })
    }

    pub(super) fn make(password: &[u8]) -> Result<Self, InvalidPassword> {
        if password.len() > MAX_LENGTH {
            return Err(InvalidPassword::TooLong);
        }
        let salt = salt()?;
        let digest = digest(COST, salt, password);
        Ok(Self {
            cost: COST,
            salt,
            digest,
        })
    }

    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        let digest = digest(self.cost, self.salt, password);
        // bcrypt repeats the password with a NUL at its end until it has 72 bytes: with NUL inside,
        // several passwords would be one.
        bool::from(self.digest.ct_eq(&digest)) && !password.contains(&0)
    }

    pub(super) fn work(&self) -> Work {
        Work::Bcrypt { cost: self.cost }
    }
}

impl fmt::Display for Bcrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, digest) = (BASE64.encode(self.salt), BASE64.encode(self.digest));
        write!(f, "$2y${:02}${salt}{digest}", self.cost)
    }
}

fn parts(text: &str) -> Option<(u32, [u8; 16], [u8; 23])> {
    let (cost, encoded) = text.split_once('$')?;
    let is_number = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
    let (salt, digest) = encoded.split_at_checked(22)?;
    Some((
        is_number.then(|| cost.parse().ok())??,
        BASE64.decode(salt).ok()?.try_into().ok()?,
        BASE64.decode(digest).ok()?.try_into().ok()?,
    ))
}

fn digest(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 23] {
    let mut key = Zeroizing::new([0; MAX_LENGTH]);
    let length = password.len().min(MAX_LENGTH);
    key[..length].copy_from_slice(&password[..length]);
    // The NUL that ends the password is part of it, if there is room.
    let key = &key[..MAX_LENGTH.min(length + 1)];
    let mut digest = [0; 23];
    digest.copy_from_slice(&::bcrypt::bcrypt(cost, salt, key)[..23]);
    digest
}

/// Two and four bits of the last characters of salt and digest mean nothing, and some programs set
/// them.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);
