//! What stands in a certificate.

use std::{collections::BTreeSet, net::IpAddr};

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::Purpose;

/// `text`, a host name or an IP address, as it stands in a certificate.
#[must_use]
pub fn host_name(text: &str) -> String {
    text.parse::<IpAddr>()
        .map_or_else(|_| text.to_lowercase(), |ip| ip.to_string())
}

/// The certificates in `pem`, whatever else is between them; `None` if there is none, or one that
/// is damaged.
#[must_use]
pub fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    // Bytes behind a certificate could be anything.
    let is_one = |der: &CertificateDer<'_>| {
        X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
    };
    (!found.is_empty() && found.iter().all(is_one)).then_some(found)
}

/// `certificates` in PEM, as they are written everywhere: lines of 64 characters, without comments.
#[must_use]
pub fn to_pem(certificates: &[CertificateDer<'_>]) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let blocks = certificates
        .iter()
        .map(|der| Pem::new("CERTIFICATE", der.to_vec()));
    blocks
        .map(|block| pem::encode_config(&block, lines))
        .collect()
}

/// Whether `pem` is a certificate that is valid at `now`.
#[must_use]
pub fn is_valid(pem: &[u8], now: OffsetDateTime) -> bool {
    CertificateDer::from_pem_slice(pem).is_ok_and(|der| is_within(&der, now, Duration::ZERO))
}

/// When the certificate `pem` ends.
#[must_use]
pub fn end(pem: &[u8]) -> Option<OffsetDateTime> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Some(certificate.validity().not_after.to_datetime())
}

/// Whether the certificate `pem` is of the private key `key`, in PEM too.
#[must_use]
pub fn is_pair(pem: &[u8], key: &[u8]) -> bool {
    CertificateDer::from_pem_slice(pem)
        .is_ok_and(|der| self::key(key).is_some_and(|key| is_of(&der, &key)))
}

/// The private key in `pem`.
pub(super) fn key(pem: &[u8]) -> Option<KeyPair> {
    let pem = std::str::from_utf8(pem).ok()?;
    KeyPair::from_pem(pem).ok()
}

/// Whether `der` has begun at `now`, and goes on for another `rest`.
pub(super) fn is_within(der: &CertificateDer<'_>, now: OffsetDateTime, rest: Duration) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| {
        let validity = certificate.validity();
        validity.not_before.timestamp() <= now.unix_timestamp()
            && (now + rest).unix_timestamp() <= validity.not_after.timestamp()
    })
}

/// Whether `der` speaks of `pair`.
pub(super) fn is_of(der: &CertificateDer<'_>, pair: &KeyPair) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, it)| it.public_key().raw == pair.subject_public_key_info())
}

pub(super) fn hosts_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let names = certificate.extensions().iter().filter_map(|extension| {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        }
    });
    names.flatten().filter_map(host).collect()
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|ip| IpAddr::from(ip).to_string()),
            _ => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|ip| IpAddr::from(ip).to_string()),
        },
        _ => None,
    }
}

pub(super) fn has_purpose(certificate: &X509Certificate<'_>, purpose: Purpose) -> bool {
    certificate.extended_key_usage().is_ok_and(|usage| {
        usage.is_some_and(|usage| match purpose {
            Purpose::Listen => usage.value.server_auth,
            Purpose::Connect => usage.value.client_auth,
        })
    })
}
