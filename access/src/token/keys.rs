//! The keys of an issuer.

use std::{collections::BTreeMap, fmt};

use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{
    InvalidJwks,
    algorithm::Algorithm,
    chain::{Root, certificate_key},
    jwks,
    trusted::TrustedKey,
};

/// Whose signatures are believed: keys by their ids, and roots for chains of certificates.
#[derive(Clone, Default)]
pub struct TrustedKeys {
    keys: BTreeMap<String, TrustedKey>,
    roots: Vec<Root>,
}

/// A certificate bundle that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBundle {
    /// No `CERTIFICATE` block.
    #[error("token auth requires at least one token signing root certificate")]
    NoCertificate,
    /// A block that is no certificate, or a file that is no PEM.
    #[error("unable to parse token auth root certificate: {0}")]
    Unparsable(String),
    /// A certificate for a key that nothing can be verified with.
    #[error("token auth root certificate {number} cannot be used: {reason}")]
    Key {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

impl TrustedKeys {
    /// The certificates of a PEM bundle: each is a root for `x5c` chains, and its key is trusted
    /// under its libtrust key id.
    ///
    /// # Errors
    ///
    /// [`InvalidBundle`], in Notary's words where it has some.
    pub fn from_bundle(pem: &[u8]) -> Result<Self, InvalidBundle> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| InvalidBundle::Unparsable(error.to_string()))?;
        let mut trusted = Self::default();
        for (number, der) in (1..).zip(certificates) {
            let root = Root::read(der).map_err(|error| InvalidBundle::Unparsable(error.into()))?;
            let key = certificate_key(root.der())
                .map_err(|reason| InvalidBundle::Key { number, reason })?;
            trusted.keys.insert(key.libtrust_id(), key.into());
            trusted.roots.push(root);
        }
        if trusted.roots.is_empty() {
            return Err(InvalidBundle::NoCertificate);
        }
        Ok(trusted)
    }

    /// The signature keys of a JWK set, under their `kid` (and libtrust key id).
    ///
    /// # Errors
    ///
    /// [`InvalidJwks`] if it is none, or holds no key that tokens could be signed with.
    pub fn from_jwks(json: &[u8]) -> Result<Self, InvalidJwks> {
        Ok(Self {
            keys: jwks::read(json)?,
            roots: Vec::new(),
        })
    }

    /// These and those of `other`; where both have a key of the same id, this one's stays.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for (id, key) in other.keys {
            self.keys.entry(id).or_insert(key);
        }
        self.roots.extend(other.roots);
        self
    }

    /// The ids of the keys, sorted.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.keys.keys().map(String::as_str).collect()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&TrustedKey> {
        self.keys.get(id)
    }

    /// The keys that may sign by `algorithm`, each once however many ids it has.
    pub(crate) fn suiting(&self, algorithm: Algorithm) -> Vec<&TrustedKey> {
        let mut found: Vec<&TrustedKey> = Vec::new();
        for key in self.keys.values().filter(|key| key.is_for(algorithm)) {
            if found.iter().all(|other| other.key != key.key) {
                found.push(key);
            }
        }
        found
    }

    pub(crate) fn roots(&self) -> &[Root] {
        &self.roots
    }

    pub(crate) fn has_roots(&self) -> bool {
        !self.roots.is_empty()
    }
}

impl fmt::Debug for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrustedKeys").field(&self.ids()).finish()
    }
}
