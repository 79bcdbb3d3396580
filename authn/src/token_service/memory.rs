//! Keys that exist in the memory of this process alone.

use std::sync::{Arc, Mutex, PoisonError};

use access::token::TrustedKeys;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    certificates::{self, Authority},
    error::TokenServiceError,
    keys::{Keys, Leaf, is_due},
};

/// An authority of this process, and the keys that it vouches for.
pub(super) struct Memory {
    authority: Authority,
    key: Zeroizing<String>,
    trusted: TrustedKeys,
    /// The newest first.
    leafs: Mutex<Vec<Arc<Leaf>>>,
}

impl Memory {
    /// A new authority, without keys.
    pub(super) fn new(now: OffsetDateTime) -> Result<Self, TokenServiceError> {
        let key = certificates::new_key().map_err(making_error)?;
        let pem = certificates::self_signed(&key, now).map_err(making_error)?;
        Ok(Self {
            authority: Authority::parse(pem.as_bytes())
                .ok_or_else(|| making_error("it is of no authority"))?,
            key,
            trusted: TrustedKeys::from_bundle(pem.as_bytes()).map_err(making_error)?,
            leafs: Mutex::default(),
        })
    }

    /// The keys of `now`, of which one is made when it is time.
    pub(super) fn keys(&self, now: OffsetDateTime) -> Result<Keys, TokenServiceError> {
        let mut leafs = self.leafs.lock().unwrap_or_else(PoisonError::into_inner);
        leafs.retain(|leaf| now < leaf.validity.ends);
        if is_due(leafs.first().map(|leaf| &**leaf), now) {
            leafs.insert(0, Arc::new(self.new_leaf(now)?));
        }
        Ok(Keys {
            leafs: leafs.clone(),
            trusted: self.trusted.clone(),
            authority_ends: self.authority.validity.ends,
            warnings: Vec::new(),
        })
    }

    fn new_leaf(&self, now: OffsetDateTime) -> Result<Leaf, TokenServiceError> {
        const STRANGE: &str = "it is of another authority";
        let pair = self
            .authority
            .new_leaf(&self.key, now)
            .map_err(making_error)?;
        let pair = pair.ok_or_else(|| making_error(STRANGE))?;
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes())
            .map_err(|_| making_error("it is no certificate"))?;
        let validity = self.authority.leaf_validity(&certificate);
        let validity = validity.ok_or_else(|| making_error(STRANGE))?;
        Leaf::new(&certificate, validity, &pair.key).map_err(making_error)
    }
}

fn making_error(reason: impl std::fmt::Display) -> TokenServiceError {
    TokenServiceError(format!("a key or certificate could not be made: {reason}"))
}
