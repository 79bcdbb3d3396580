//! The development certificates: one authority, and what it vouches for.
//!
//! A renewed certificate keeps its key. So a renewal is one file put in the place of another, a
//! program that reads certificate and key at any moment finds a pair that belongs together, and a
//! client that trusts the authority goes on trusting it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use zeroize::Zeroizing;

use crate::files::{self, Access, FileError};

/// Why there is no certificate to go on with.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// One half of the authority is gone. A new one is not made by itself: every client would
    /// have to be told to trust it.
    #[error(
        "{} is missing although {} is there. Put it back, or delete both to start with a new \
         development CA (clients then need its certificate).",
        missing.display(),
        present.display()
    )]
    Half {
        /// The file that is gone.
        missing: PathBuf,
        /// The file that is there.
        present: PathBuf,
    },
    /// The file is not what this program wrote.
    #[error(
        "{} is damaged or was not made by countersign, which runs development certificates only. \
         Put the original back, or move it away to have a new one made.",
        path.display()
    )]
    Foreign {
        /// The file in question.
        path: PathBuf,
    },
    /// ring or rcgen refused.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
}

/// What became of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was good and is as it was.
    Kept,
    /// There was none.
    Made,
    /// It was about to expire, or lacked a name, and was replaced; its key stayed.
    Renewed,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be shown by a program that listens.
    Listen,
    /// To be shown by a program that connects.
    Connect,
}

/// A certificate that the authority issues.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Names the files, `NAME.crt` and `NAME.key`, and ends the certificate's common name.
    pub name: &'static str,
    /// The one extended key usage it gets.
    pub purpose: Purpose,
    /// Host names and IP addresses it is valid for.
    pub hosts: BTreeSet<String>,
}

/// The development CA: `ca.crt` and `ca.key` of a data folder.
pub struct Authority {
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    certificate: CertificateDer<'static>,
    folder: PathBuf,
}

impl Authority {
    /// Reads the authority in `folder`, or makes it. In the last of its ten years its certificate
    /// is renewed; clients that trust the old one have until its end to take the new one.
    pub fn open(folder: &Path, now: OffsetDateTime) -> Result<(Self, Outcome), PkiError> {
        Self::open_as(DEVELOPMENT, folder, now)
    }

    /// As [`Authority::open`]; all names in certificates begin with `name`, which begins with
    /// "Countersign".
    pub fn open_as(
        name: &'static str,
        folder: &Path,
        now: OffsetDateTime,
    ) -> Result<(Self, Outcome), PkiError> {
        let (crt, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        match (files::read(&crt)?, read_key(&key)?) {
            (None, None) => {
                let pair = new_key(&key)?;
                Ok((Self::issue(name, folder, pair, now)?, Outcome::Made))
            }
            (Some(pem), Some(pair)) => {
                let old = stored(&crt, &pem, &pair)?;
                if expires_within(&old, RENEW_CA, now) {
                    return Ok((Self::issue(name, folder, pair, now)?, Outcome::Renewed));
                }
                let issuer = Issuer::new(authority_params(name, now)?, pair);
                let pem = String::from_utf8_lossy(&pem).into_owned();
                let folder = folder.to_owned();
                Ok((
                    Self {
                        name,
                        issuer,
                        pem,
                        certificate: old,
                        folder,
                    },
                    Outcome::Kept,
                ))
            }
            (None, Some(_)) => Err(PkiError::Half {
                missing: crt,
                present: key,
            }),
            (Some(_), None) => Err(PkiError::Half {
                missing: key,
                present: crt,
            }),
        }
    }

    /// The authority's certificate in PEM: what clients have to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Sees to it that `leaf` is there and good for another 30 days.
    pub fn ensure(&self, leaf: &Leaf, now: OffsetDateTime) -> Result<Outcome, PkiError> {
        self.ensure_in(&self.folder, leaf, now)
    }

    /// As [`Authority::ensure`], for a program whose files are in `folder`.
    pub fn ensure_in(
        &self,
        folder: &Path,
        leaf: &Leaf,
        now: OffsetDateTime,
    ) -> Result<Outcome, PkiError> {
        let crt = folder.join(format!("{}.crt", leaf.name));
        let key = folder.join(format!("{}.key", leaf.name));
        let pair = read_key(&key)?;
        let outcome = match (files::read(&crt)?, &pair) {
            (Some(pem), Some(pair)) if self.is_good(&stored(&crt, &pem, pair)?, leaf, now) => {
                return Ok(Outcome::Kept);
            }
            (Some(_), Some(_)) => Outcome::Renewed,
            _ => Outcome::Made,
        };
        let pair = pair.map_or_else(|| new_key(&key), Ok)?;
        let certificate = leaf_params(self.name, leaf, now)?.signed_by(&pair, &self.issuer)?;
        files::write(&crt, certificate.pem().as_bytes(), Access::All)?;
        Ok(outcome)
    }

    fn issue(
        name: &'static str,
        folder: &Path,
        pair: KeyPair,
        now: OffsetDateTime,
    ) -> Result<Self, PkiError> {
        let params = authority_params(name, now)?;
        let certificate = params.self_signed(&pair)?;
        files::write(
            &folder.join("ca.crt"),
            certificate.pem().as_bytes(),
            Access::All,
        )?;
        Ok(Self {
            name,
            issuer: Issuer::new(params, pair),
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            folder: folder.to_owned(),
        })
    }

    /// Whether `der`, issued earlier, still says all that a new one would say.
    fn is_good(&self, der: &CertificateDer<'_>, leaf: &Leaf, now: OffsetDateTime) -> bool {
        let (Ok((_, ours)), Ok((_, it))) = (
            X509Certificate::from_der(&self.certificate),
            X509Certificate::from_der(der),
        ) else {
            return false;
        };
        it.verify_signature(Some(ours.public_key())).is_ok()
            && it.validity().not_before.timestamp() <= now.unix_timestamp()
            && !expires_within(der, RENEW_LEAF, now)
            && hosts_of(&it) == leaf.hosts
            && has_purpose(&it, leaf.purpose)
    }
}

/// The authority serves as long as a development set-up plausibly lives.
const CA_LIFE: Duration = Duration::days(3650);
/// Renewed with a year to go, so that clients have that long to take the new certificate.
const RENEW_CA: Duration = Duration::days(365);
/// Short enough for renewal to be something that happens, and so works.
const LEAF_LIFE: Duration = Duration::days(90);
/// A computer that is switched on once a month never meets an expired certificate.
const RENEW_LEAF: Duration = Duration::days(30);
/// Certificates begin in the past, for containers and machines whose clock is behind.
const SKEW: Duration = Duration::hours(1);
const DEVELOPMENT: &str = "Countersign development";
/// Begins the common name of whatever was issued here.
const OURS: &str = "Countersign";

fn authority_params(name: &str, now: OffsetDateTime) -> Result<CertificateParams, PkiError> {
    let mut params = params(&format!("{name} CA"), CA_LIFE, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(
    name: &str,
    leaf: &Leaf,
    now: OffsetDateTime,
) -> Result<CertificateParams, PkiError> {
    let mut params = params(&format!("{name} {}", leaf.name), LEAF_LIFE, now)?;
    let names = CertificateParams::new(leaf.hosts.iter().cloned().collect::<Vec<_>>())?;
    params.subject_alt_names = names.subject_alt_names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match leaf.purpose {
        Purpose::Listen => ExtendedKeyUsagePurpose::ServerAuth,
        Purpose::Connect => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    Ok(params)
}

fn params(
    name: &str,
    life: Duration,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    // rcgen makes serial numbers from the key, which is kept: renewed certificates would share one.
    let mut serial = [0; 16];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| rcgen::Error::RingUnspecified)?;
    serial[0] &= 0x7f;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    (params.not_before, params.not_after) = (now - SKEW, now + life);
    Ok(params)
}

fn new_key(path: &Path) -> Result<KeyPair, PkiError> {
    let pair = KeyPair::generate()?;
    let pem = Zeroizing::new(pair.serialize_pem());
    files::write(path, pem.as_bytes(), Access::Owner)?;
    Ok(pair)
}

fn read_key(path: &Path) -> Result<Option<KeyPair>, PkiError> {
    let Some(pem) = files::read(path)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    std::str::from_utf8(&pem)
        .ok()
        .and_then(|pem| KeyPair::from_pem(pem).ok())
        .map(Some)
        .ok_or_else(|| PkiError::Foreign {
            path: path.to_owned(),
        })
}

/// The certificate that was stored, if it is one of ours and belongs to `pair`.
fn stored(path: &Path, pem: &[u8], pair: &KeyPair) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem)
        .ok()
        .filter(|der| {
            X509Certificate::from_der(der).is_ok_and(|(_, it)| {
                it.subject()
                    .iter_common_name()
                    .any(|name| name.as_str().is_ok_and(|name| name.starts_with(OURS)))
                    && it.public_key().raw == pair.subject_public_key_info()
            })
        })
        .ok_or_else(|| PkiError::Foreign {
            path: path.to_owned(),
        })
}

/// `text`, a host name or an IP address, as it stands in a certificate.
#[must_use]
pub fn host_name(text: &str) -> String {
    text.parse::<IpAddr>()
        .map_or_else(|_| text.to_lowercase(), |ip| ip.to_string())
}

/// Whether `pem` holds certificates, and nothing else.
#[must_use]
pub fn are_certificates(pem: &[u8]) -> bool {
    let blocks = pem.split(|byte| *byte == b'\n');
    let begins = blocks
        .filter(|line| line.starts_with(b"-----BEGIN "))
        .count();
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let is_one = |der: &CertificateDer<'_>| X509Certificate::from_der(der).is_ok();
    begins > 0 && found.is_ok_and(|found| found.len() == begins && found.iter().all(is_one))
}

/// Whether `pem` is a certificate that is valid at `now`.
#[must_use]
pub fn is_valid(pem: &[u8], now: OffsetDateTime) -> bool {
    CertificateDer::from_pem_slice(pem).is_ok_and(|der| {
        X509Certificate::from_der(&der).is_ok_and(|(_, certificate)| {
            let (validity, now) = (certificate.validity(), now.unix_timestamp());
            (validity.not_before.timestamp()..validity.not_after.timestamp()).contains(&now)
        })
    })
}

fn expires_within(der: &CertificateDer<'_>, span: Duration, now: OffsetDateTime) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| {
        certificate.validity().not_after.timestamp() < (now + span).unix_timestamp()
    })
}

fn hosts_of(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
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

fn has_purpose(certificate: &X509Certificate<'_>, purpose: Purpose) -> bool {
    certificate.extended_key_usage().is_ok_and(|usage| {
        usage.is_some_and(|usage| match purpose {
            Purpose::Listen => usage.value.server_auth,
            Purpose::Connect => usage.value.client_auth,
        })
    })
}
