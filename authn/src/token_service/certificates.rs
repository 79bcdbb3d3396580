//! The certificates of the token service: an authority for registries to trust, and leafs of it
//! that sign.

use std::fmt::Write as _;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::{Duration, OffsetDateTime};
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

/// An operator has to put the authority's certificate on each registry, so it lives long.
const AUTHORITY_LIFE: Duration = Duration::days(30 * 365);
/// A leaf signs for 30 days, refresh tokens are good for another 90, and ten are left for a server
/// that was switched off when its turn came.
const LEAF_LIFE: Duration = Duration::days(130);
/// Certificates begin in the past, for registries whose clock is behind.
pub(super) const SKEW: Duration = Duration::hours(1);
/// Begins the common names, and tells certificates made here from others.
const NAME: &str = "notary-server token service";

/// When a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    pub(super) begins: OffsetDateTime,
    pub(super) ends: OffsetDateTime,
}

/// The certificate of the authority.
pub(super) struct Authority {
    pub(super) pem: String,
    pub(super) validity: Validity,
    der: CertificateDer<'static>,
}

/// A key and its certificate, new.
pub(super) struct NewPair {
    pub(super) key: Zeroizing<String>,
    pub(super) certificate: String,
}

/// A new private key, in PEM.
pub(super) fn new_key() -> Result<Zeroizing<String>, rcgen::Error> {
    let key = Zeroizing::new(KeyPair::generate()?);
    Ok(Zeroizing::new(key.serialize_pem()))
}

/// A self-signed certificate for `key`, in PEM.
pub(super) fn self_signed(key: &str, now: OffsetDateTime) -> Result<String, rcgen::Error> {
    let key = Zeroizing::new(KeyPair::from_pem(key)?);
    let certificate = authority_params(now + AUTHORITY_LIFE, now)?.self_signed(&*key)?;
    Ok(certificate.pem())
}

impl Authority {
    /// Reads a certificate; `None` if it is not of an authority.
    pub(super) fn parse(pem: &[u8]) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem).ok()?;
        let (_, certificate) = parse_x509_certificate(&der).ok()?;
        if !certificate.is_ca() {
            return None;
        }
        Some(Self {
            pem: str::from_utf8(pem).ok()?.to_owned(),
            validity: validity(&der)?,
            der,
        })
    }

    /// A new leaf; `None` if `key` is not this authority's, or if it was not made here.
    pub(super) fn new_leaf(
        &self,
        key: &str,
        now: OffsetDateTime,
    ) -> Result<Option<NewPair>, rcgen::Error> {
        let authority = Zeroizing::new(KeyPair::from_pem(key)?);
        let params = authority_params(self.validity.ends, now)?;
        let issuer = Issuer::from_params(&params, &*authority);
        let leaf = Zeroizing::new(KeyPair::generate()?);
        let ends = self.validity.ends.min(now + LEAF_LIFE);
        let certificate = leaf_params(ends, now)?.signed_by(&*leaf, &issuer)?;
        if self.leaf_validity(certificate.der()).is_none() {
            return Ok(None);
        }
        Ok(Some(NewPair {
            key: Zeroizing::new(leaf.serialize_pem()),
            certificate: certificate.pem(),
        }))
    }

    /// When a certificate of this authority is valid; `None` if another issued it.
    pub(super) fn leaf_validity(&self, leaf: &CertificateDer<'_>) -> Option<Validity> {
        let (_, ours) = parse_x509_certificate(&self.der).ok()?;
        let (_, it) = parse_x509_certificate(leaf).ok()?;
        let is_ours = it.issuer() == ours.subject()
            && !it.is_ca()
            && it.verify_signature(Some(ours.public_key())).is_ok();
        is_ours.then(|| validity(leaf)).flatten()
    }
}

/// 16 random bytes in hexadecimal digits.
pub(super) fn random_name() -> Result<String, rcgen::Error> {
    let mut name = String::with_capacity(32);
    for byte in random()? {
        write!(name, "{byte:02x}").expect("a String takes everything");
    }
    Ok(name)
}

pub(super) fn validity(der: &CertificateDer<'_>) -> Option<Validity> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    Some(Validity {
        begins: certificate.validity().not_before.to_datetime(),
        ends: certificate.validity().not_after.to_datetime(),
    })
}

fn authority_params(
    ends: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params("authority", ends, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(
    ends: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params("key", ends, now)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn params(
    what: &str,
    ends: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut serial = random()?;
    serial[0] &= 0x7f;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("{NAME} {what}"));
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    (params.not_before, params.not_after) = (now - SKEW, ends);
    Ok(params)
}

fn random() -> Result<[u8; 16], rcgen::Error> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| rcgen::Error::RingUnspecified)?;
    Ok(bytes)
}
