//! Root keys that hold several certificates.

use super::{certificate::Certificate, public::PublicKey};
use crate::encoding::pem;

/// What a root key's public bytes hold: the certificate of the key and the CAs above it.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    pub(crate) leaf: Certificate,
    intermediates: Vec<Certificate>,
}

impl Bundle {
    /// Reads PEM text in which every block is a certificate and the first alone is not a CA's.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut certificates = Vec::new();
        for block in pem::blocks(text) {
            if block.label != b"CERTIFICATE" {
                return None;
            }
            certificates.push(Certificate::parse(&block.contents)?);
        }
        if certificates.is_empty() {
            return None;
        }
        let leaf = certificates.remove(0);
        let fits = !leaf.is_ca() && certificates.iter().all(Certificate::is_ca);
        fits.then_some(Self {
            leaf,
            intermediates: certificates,
        })
    }

    /// The key that these certificates make when written again, with the intermediates that `keep`
    /// picks.
    ///
    /// Notary 0.7 checks root signatures against this key, so a root key in any other spelling
    /// never verifies.
    pub(crate) fn key(&self, keep: impl Fn(&Certificate) -> bool) -> Option<PublicKey> {
        let key_type = self.leaf.key_type()?;
        let kept = self
            .intermediates
            .iter()
            .filter(|certificate| keep(certificate));
        let text: String = std::iter::once(&self.leaf)
            .chain(kept)
            .map(|certificate| pem::encode("CERTIFICATE", certificate.der()))
            .collect();
        Some(PublicKey::new(key_type, text.into_bytes()))
    }
}
