//! The keys that sign, as they are at a moment, and when it is time for the next.

use std::sync::Arc;

use access::token::{Mint, TrustedKeys};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::certificates::{SKEW, Validity};

/// A key signs for this long, and then a new one takes over.
const SIGNS_FOR: Duration = Duration::days(30);
/// Or earlier, if it ends.
const SPARE: Duration = Duration::days(10);

/// A key that signs, or did.
pub(super) struct Leaf {
    pub(super) mint: Mint,
    pub(super) validity: Validity,
}

impl Leaf {
    /// The key in `pem`, which `certificate` is of; else what is wrong with it.
    pub(super) fn new(
        certificate: &CertificateDer<'_>,
        validity: Validity,
        pem: &str,
    ) -> Result<Self, String> {
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "its key is not PKCS#8 in PEM".to_owned())?;
        let pkcs8 = Zeroizing::new(pkcs8);
        let mint = Mint::new(pkcs8.secret_pkcs8_der(), vec![certificate.to_vec()])
            .map_err(|error| error.to_string())?;
        Ok(Self { mint, validity })
    }
}

/// What signs, and what is believed.
pub(super) struct Keys {
    /// All that are valid now, the newest first; there is one.
    pub(super) leafs: Vec<Arc<Leaf>>,
    pub(super) trusted: TrustedKeys,
    pub(super) authority_ends: OffsetDateTime,
    /// What an operator should see to.
    pub(super) warnings: Vec<String>,
}

impl Keys {
    /// The one that signs.
    pub(super) fn signing(&self) -> &Arc<Leaf> {
        &self.leafs[0]
    }

    /// The certificate chains of all that are valid at `now`.
    pub(super) fn chains(&self, now: OffsetDateTime) -> Vec<Vec<Vec<u8>>> {
        let valid = self.leafs.iter().filter(|leaf| leaf.validity.ends > now);
        valid.map(|leaf| leaf.mint.chain().to_vec()).collect()
    }
}

/// How it stands with the keys of the token service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// When the certificate ends that registries trust.
    pub ca_expires: OffsetDateTime,
    /// When the key ends that signs; `None` if there is none at the moment.
    pub key_expires: Option<OffsetDateTime>,
    /// What an operator should see to.
    pub warnings: Vec<String>,
}

/// Whether it is time for a new key, after the one that signs.
pub(super) fn is_due(signing: Option<&Leaf>, now: OffsetDateTime) -> bool {
    let is_fresh = |leaf: &Leaf| {
        now < leaf.validity.begins + SKEW + SIGNS_FOR && now + SPARE < leaf.validity.ends
    };
    !signing.is_some_and(is_fresh)
}
