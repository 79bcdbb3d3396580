//! `x5c`: a key that a chain of certificates vouches for.
//!
//! Path building is webpki's; what it leaves out of roots, Go does not: a root must be valid at
//! the time, be allowed to sign certificates, and its path length counts.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    UnixTime, alg_id,
};
use time::OffsetDateTime;
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, x509::X509Version};

use super::{TokenError, error::make_harmless, public_key::PublicKey};

/// A certificate that chains may end at.
#[derive(Clone)]
pub(crate) struct Root {
    der: CertificateDer<'static>,
    not_before: i64,
    not_after: i64,
    may_sign: bool,
    path_length: Option<u32>,
}

impl Root {
    pub(crate) fn read(der: CertificateDer<'static>) -> Result<Self, &'static str> {
        let certificate = parse(&der)?;
        let constraints = certificate
            .basic_constraints()
            .map_err(|_| "its basic constraints cannot be read")?
            .map(|extension| extension.value);
        let usage = certificate
            .key_usage()
            .map_err(|_| "its key usage cannot be read")?;
        let is_ca = constraints.map_or(certificate.version() != X509Version::V3, |found| found.ca);
        let root = Self {
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            may_sign: is_ca && usage.is_none_or(|usage| usage.value.key_cert_sign()),
            path_length: constraints.and_then(|found| found.path_len_constraint),
            der: CertificateDer::from(Vec::new()),
        };
        Ok(Self { der, ..root })
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    fn is_valid(&self, now: OffsetDateTime) -> bool {
        (self.not_before..=self.not_after).contains(&now.unix_timestamp())
    }

    /// Whether a chain from `leaf` ends here.
    fn vouches_for(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let anchors = [anchor_from_trusted_cert(&self.der)?];
        let leaf = EndEntityCert::try_from(leaf)?;
        let algorithms: Vec<_> = webpki::ALL_VERIFICATION_ALGS
            .iter()
            .copied()
            .chain([&P521_SHA512 as &dyn SignatureVerificationAlgorithm])
            .collect();
        let within_length = |path: &webpki::VerifiedPath<'_>| {
            let length = u32::try_from(path.intermediate_certificates().count()).ok();
            match self.path_length {
                Some(most) if length.is_none_or(|length| length > most) => {
                    Err(webpki::Error::PathLenConstraintViolated)
                }
                _ => Ok(()),
            }
        };
        leaf.verify_for_usage(
            &algorithms,
            &anchors,
            intermediates,
            now,
            AnyUsage,
            None,
            Some(&within_length),
        )
        .map(drop)
    }
}

/// The key of the first of `certificates` (standard base64 of DER), if they lead to one of
/// `roots` at `now` or the first is one of them.
pub(crate) fn verify(
    certificates: &[String],
    roots: &[Root],
    now: OffsetDateTime,
) -> Result<PublicKey, TokenError> {
    let chain: Vec<CertificateDer<'static>> = certificates
        .iter()
        .map(|text| STANDARD.decode(text).map(CertificateDer::from))
        .collect::<Result<_, _>>()
        .map_err(|_| TokenError::Malformed("x5c"))?;
    let (leaf, intermediates) = chain
        .split_first()
        .ok_or_else(|| chain_error("it is empty"))?;
    let mut valid = roots.iter().filter(|root| root.is_valid(now)).peekable();
    if valid.peek().is_none() {
        return Err(chain_error("no root certificate is valid now"));
    }
    let at = unix_time(now);
    let mut reason = None;
    for root in valid {
        if root.der == *leaf {
            return certificate_key(leaf).map_err(chain_error);
        }
        if !root.may_sign {
            continue;
        }
        match root.vouches_for(leaf, intermediates, at) {
            Ok(()) => return certificate_key(leaf).map_err(chain_error),
            Err(error) => reason = Some(most_telling(reason, error)),
        }
    }
    Err(chain_error(&reason.map_or_else(
        || "no root certificate may sign others".to_owned(),
        |error| error.to_string(),
    )))
}

/// With several roots, that one of them did not sign says nothing if another did.
fn most_telling(known: Option<webpki::Error>, error: webpki::Error) -> webpki::Error {
    match known {
        Some(known) if known != webpki::Error::UnknownIssuer => known,
        _ => error,
    }
}

/// The key of a certificate.
pub(crate) fn certificate_key(der: &[u8]) -> Result<PublicKey, &'static str> {
    PublicKey::from_spki(parse(der)?.public_key().raw)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, &'static str> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err("it is not an X.509 certificate"),
    }
}

fn chain_error(reason: &str) -> TokenError {
    TokenError::Chain(make_harmless(reason))
}

/// Before 1970 no certificate is valid, so that 1970 will do.
fn unix_time(now: OffsetDateTime) -> UnixTime {
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// Any extended key usage will do, as for Notary.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, mut purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        purposes.try_for_each(|purpose| purpose.map(drop))
    }
}

/// Certificates signed on P-521, which webpki's ring does not know.
#[derive(Debug)]
struct P521Sha512;

static P521_SHA512: P521Sha512 = P521Sha512;

impl SignatureVerificationAlgorithm for P521Sha512 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        super::public_key::verifies_p521_der(public_key, message, signature)
            .then_some(())
            .ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA512
    }
}
