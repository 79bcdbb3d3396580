//! The development certificates: one authority, and what it vouches for.
//!
//! A renewed certificate keeps its key. So a renewal is one file put in the place of another, a
//! program that reads certificate and key at any moment finds a pair that belongs together, and a
//! client that trusts the authority goes on trusting it.

mod certificate;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

pub use certificate::{certificates, end, host_name, is_pair, is_valid, to_pem};
use certificate::{has_purpose, hosts_of, is_of, is_within};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};
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
        "{} is missing although {} is there. Put it back, or delete both to make a new \
         development CA (all clients then need its certificate).",
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
        "{} is damaged or was not made by countersign, which renews only its own. Put the original \
         back.",
        path.display()
    )]
    Foreign {
        /// The file in question.
        path: PathBuf,
    },
    /// ring or rcgen refused.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// What became of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was good and is as it was.
    Kept,
    /// There was none.
    Made,
    /// It was about to expire, of a time to come, or lacked a name, and was replaced; its key
    /// stayed.
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
        match (files::read_filled(&crt)?, read_key(&key)?) {
            (None, None) => {
                let pair = new_key(&key)?;
                Ok((Self::issue(name, folder, pair, now)?, Outcome::Made))
            }
            // The key was written and nothing after it. Any certificate of it is as good as
            // another.
            (None, Some(pair)) => Ok((Self::issue(name, folder, pair, now)?, Outcome::Made)),
            (Some(pem), Some(pair)) => {
                let found = ours(&crt, &pem)?;
                if !is_of(&found, &pair) {
                    return Err(PkiError::Foreign { path: crt });
                }
                if !is_within(&found, now, RENEW_CA) {
                    return Ok((Self::issue(name, folder, pair, now)?, Outcome::Renewed));
                }
                let found = Self {
                    name,
                    issuer: Issuer::new(authority_params(name, now)?, pair),
                    pem: String::from_utf8_lossy(&pem).into_owned(),
                    certificate: found,
                    folder: folder.to_owned(),
                };
                Ok((found, Outcome::Kept))
            }
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
        let old = files::read_filled(&crt)?;
        let old = old.map(|pem| ours(&crt, &pem)).transpose()?;
        let outcome = match (&old, &pair) {
            (Some(old), Some(pair)) if is_of(old, pair) && self.is_good(old, leaf, now) => {
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
            && is_within(der, now, RENEW_LEAF)
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

/// The key in `path`, or `None` if there is nothing.
pub(crate) fn read_key(path: &Path) -> Result<Option<KeyPair>, PkiError> {
    let Some(pem) = files::read_filled(path)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    certificate::key(&pem)
        .map(Some)
        .ok_or_else(|| PkiError::Foreign {
            path: path.to_owned(),
        })
}

/// The certificate that was stored, if it is one of ours.
fn ours(path: &Path, pem: &[u8]) -> Result<CertificateDer<'static>, PkiError> {
    let is_ours = |der: &CertificateDer<'_>| {
        X509Certificate::from_der(der).is_ok_and(|(_, it)| {
            it.subject()
                .iter_common_name()
                .any(|name| name.as_str().is_ok_and(|name| name.starts_with(OURS)))
        })
    };
    CertificateDer::from_pem_slice(pem)
        .ok()
        .filter(is_ours)
        .ok_or_else(|| PkiError::Foreign {
            path: path.to_owned(),
        })
}

/// Whether the authority's certificate `pem` is valid, and in the last year in which it is renewed.
#[must_use]
pub fn is_authority_ending(pem: &[u8], now: OffsetDateTime) -> bool {
    is_valid(pem, now) && end(pem).is_some_and(|end| end < now + RENEW_CA)
}
