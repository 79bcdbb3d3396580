//! What all kinds of hashes have: a salt, and an amount of work.

use super::error::InvalidPassword;

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

/// A salt for one password.
pub(super) fn salt() -> Result<[u8; 16], InvalidPassword> {
    let random = ring::rand::generate(&ring::rand::SystemRandom::new());
    random
        .map(ring::rand::Random::expose)
        .map_err(|_| InvalidPassword::NoResources)
}
