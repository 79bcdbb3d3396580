//! One key that is believed.

use super::{algorithm::Algorithm, public_key::PublicKey};

/// A key, and what it may be used for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TrustedKey {
    pub(crate) key: PublicKey,
    /// The one algorithm that its JWK names; without, all that suit it.
    pub(crate) only: Option<Algorithm>,
}

impl TrustedKey {
    /// Whether tokens signed by `algorithm` may be its.
    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.key.suits(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }
}

impl From<PublicKey> for TrustedKey {
    fn from(key: PublicKey) -> Self {
        Self { key, only: None }
    }
}
