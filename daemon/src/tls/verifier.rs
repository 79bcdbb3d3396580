//! Certificates and signatures of handshakes, checked as `rustls` asks for it.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use webpki::RawPublicKeyEntity;
use x509_parser::parse_x509_certificate;

use super::{
    provider,
    trust::{Purpose, Trust, verify_name},
};

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insistence {
    /// Clients without one are refused.
    Required,
    /// Clients without one are let in, without an identity.
    Optional,
}

/// Decides which clients are let in. A certificate that is shown must be right in any case.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    trust: Trust,
    insistence: Insistence,
    signatures: Signatures,
}

impl ClientVerifier {
    pub(super) fn new(trust: Trust, insistence: Insistence, provider: &CryptoProvider) -> Self {
        Self {
            trust,
            insistence,
            signatures: Signatures::of(provider),
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.insistence == Insistence::Required
    }

    /// None: Go clients keep their certificate to themselves unless its issuer is among the hints,
    /// which it is not where the file lists the client's own certificate.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let algorithms = self.signatures.0.all;
        self.trust
            .verify(shown, intermediates, algorithms, Purpose::Client, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }
}

/// Decides whether a server is the one that was asked for.
pub trait CheckServer: fmt::Debug + Send + Sync {
    /// Whether its certificate is the right one for a server of this name.
    fn check(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error>;

    /// Called once the server has proved that it has the key of the certificate. An error ends the
    /// handshake.
    fn confirm(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Makes `rustls` ask `check` about certificates; the signatures of handshakes are verified here.
#[must_use]
pub fn server_verifier(check: Arc<dyn CheckServer>) -> Arc<dyn ServerCertVerifier> {
    Arc::new(ServerVerifier {
        check,
        signatures: Signatures::of(&provider()),
    })
}

#[derive(Debug)]
struct ServerVerifier {
    check: Arc<dyn CheckServer>,
    signatures: Signatures,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check.check(shown, intermediates, name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.signatures.verify_tls12(message, shown, signature)?;
        self.check.confirm().map(|()| valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.signatures.verify_tls13(message, shown, signature)?;
        self.check.confirm().map(|()| valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }
}

impl CheckServer for Trust {
    fn check(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = provider().signature_verification_algorithms.all;
        self.verify(shown, intermediates, algorithms, Purpose::Server, now)?;
        verify_name(shown, name)
    }
}

/// Verifies the signatures of handshakes.
#[derive(Debug)]
struct Signatures(WebPkiSupportedAlgorithms);

impl Signatures {
    fn of(provider: &CryptoProvider) -> Self {
        Self(provider.signature_verification_algorithms)
    }

    fn verify_tls13(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &public_key(shown)?, signature, &self.0)
    }

    /// One scheme may stand for several curves in TLS 1.2.
    fn verify_tls12(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = public_key(shown)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let mut schemes = self.0.mapping.iter();
        let (_, candidates) = schemes
            .find(|(scheme, _)| *scheme == signature.scheme)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let verifies = |algorithm| {
            key.verify_signature(algorithm, message, signature.signature())
                .is_ok()
        };
        if candidates.iter().any(|algorithm| verifies(*algorithm)) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

/// The key of `certificate`. The functions of `rustls` that take the whole certificate refuse X.509
/// version 1, which Go lets a listed certificate have.
fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let (_, parsed) =
        parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
    Ok(SubjectPublicKeyInfoDer::from(
        parsed.public_key().raw.to_vec(),
    ))
}
