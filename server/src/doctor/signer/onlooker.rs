//! Looking at a certificate that is not believed, without ever talking to who shows it.

use std::sync::{Mutex, PoisonError};

use daemon::ClientTls;
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::doctor::certificates::Chain;

/// Remembers what a server shows, and refuses it whatever it is.
#[derive(Debug)]
pub(super) struct Onlooker {
    seen: Mutex<Vec<CertificateDer<'static>>>,
    schemes: Vec<SignatureScheme>,
}

impl Onlooker {
    /// An onlooker that takes part in handshakes as `tls` would.
    pub(super) fn new(tls: &ClientTls) -> Self {
        let algorithms = tls
            .config()
            .crypto_provider()
            .signature_verification_algorithms;
        Self {
            seen: Mutex::default(),
            schemes: algorithms.supported_schemes(),
        }
    }

    /// What the last server showed, leaf first.
    pub(super) fn seen(&self) -> Chain {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Chain(seen.clone())
    }

    fn refuse<T>() -> Result<T, Error> {
        Err(Error::General("only looking".to_owned()))
    }
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(shown).chain(above);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            all.map(|one| one.clone().into_owned()).collect();
        Self::refuse()
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::refuse()
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::refuse()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
