//! argon2id hashes in PHC form (`$argon2id$v=19$m=19456,t=2,p=1$…$…`).

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    error::{InvalidHash, InvalidPassword},
    work::{Work, salt},
};

/// Kibibytes of memory, passes and lanes up to which a hash is checked: every client may guess, and
/// every guess costs as much.
const MAX_MEMORY: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 20;
const MAX_LANES: u32 = 16;

#[derive(Clone)]
pub(super) struct Argon2id {
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Argon2id {
    /// Reads what follows `$argon2id$`.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHash> {
        let damaged = || InvalidHash::Damaged("argon2id");
        let (numbers, salt, digest) = parts(text).ok_or_else(damaged)?;
        let params = params(numbers).ok_or(InvalidHash::Parameters)?;
        let has_sane_lengths = (8..=64).contains(&salt.len()) && (16..=64).contains(&digest.len());
        has_sane_lengths
            .then_some(Self {
                params,
                salt,
                digest,
            })
            .ok_or_else(damaged)
    }

    pub(super) fn make(password: &[u8]) -> Result<Self, InvalidPassword> {
        let mut made = Self {
            params: Params::DEFAULT,
            salt: salt()?.to_vec(),
            digest: vec![0; Params::DEFAULT_OUTPUT_LEN],
        };
        made.digest = made
            .digest_of(password)
            .ok_or(InvalidPassword::NoResources)?
            .to_vec();
        Ok(made)
    }

    /// Without enough memory nothing is right.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        self.digest_of(password)
            .is_some_and(|digest| self.digest.ct_eq(&digest).into())
    }

    pub(super) fn work(&self) -> Work {
        Work::Argon2id {
            passes: self.params.t_cost(),
            memory: self.params.m_cost(),
            lanes: self.params.p_cost(),
        }
    }

    fn digest_of(&self, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        argon2
            .hash_password_into(password, &self.salt, &mut digest)
            .ok()?;
        Some(digest)
    }
}

impl fmt::Display for Argon2id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (m, t, p) = (
            self.params.m_cost(),
            self.params.t_cost(),
            self.params.p_cost(),
        );
        let (salt, digest) = (
            STANDARD_NO_PAD.encode(&self.salt),
            STANDARD_NO_PAD.encode(&self.digest),
        );
        write!(f, "$argon2id$v=19$m={m},t={t},p={p}${salt}${digest}")
    }
}

fn parts(text: &str) -> Option<([u32; 3], Vec<u8>, Vec<u8>)> {
    let mut fields = text.strip_prefix("v=19$")?.split('$');
    let numbers = numbers(fields.next()?)?;
    let salt = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
    let digest = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
    fields.next().is_none().then_some((numbers, salt, digest))
}

/// The numbers of `m=…,t=…,p=…`. The PHC form has further parameters (a secret's id, associated
/// data), which password files do not use; a hash that has them is refused.
fn numbers(text: &str) -> Option<[u32; 3]> {
    let mut fields = text.split(',');
    let mut number = |name: &str| {
        let digits = fields.next()?.strip_prefix(name)?;
        let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    };
    let numbers = [number("m=")?, number("t=")?, number("p=")?];
    fields.next().is_none().then_some(numbers)
}

fn params([memory, passes, lanes]: [u32; 3]) -> Option<Params> {
    let is_bearable = memory <= MAX_MEMORY && passes <= MAX_PASSES && lanes <= MAX_LANES;
    is_bearable.then(|| Params::new(memory, passes, lanes, None).ok())?
}
