//! Which certificates are believed.
//!
//! A certificate is believed if it is listed itself, byte for byte, or if it chains to a listed
//! authority. Notary's samples list leaf certificates and self-signed ones with CA:TRUE, which
//! `webpki` refuses; for these the checks that Go makes are made here.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};
use rustls_pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::{
    certificate::{Validity, X509Certificate},
    extensions::ParsedExtension,
    parse_x509_certificate,
    x509::X509Version,
};

use super::TlsError;

/// What a certificate is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be let in.
    Client,
    /// To be talked to.
    Server,
}

/// Certificates to believe, and to believe in others because of.
#[derive(Debug)]
pub(super) struct Trust {
    /// As they stand in the file.
    listed: Vec<CertificateDer<'static>>,
    /// Those that may vouch for others.
    anchors: Vec<TrustAnchor<'static>>,
    /// What limits `anchors`, in the same order: `webpki` does not look at it.
    limits: Vec<Limits>,
}

/// How long, and how far down, an authority may vouch.
#[derive(Clone, Copy, Debug)]
struct Limits {
    valid: Period,
    /// How many authorities there may be between it and the certificate that is shown.
    path_length: Option<u32>,
}

/// The time in which a certificate counts, both ends included, in seconds of Unix time.
#[derive(Clone, Copy, Debug)]
struct Period {
    from: i64,
    to: i64,
}

impl Trust {
    /// Trust in `listed`, leaving out what cannot be parsed; `None` if nothing is left.
    pub(super) fn new(mut listed: Vec<CertificateDer<'static>>) -> Option<Self> {
        listed.retain(|certificate| parse_x509_certificate(certificate).is_ok());
        let (anchors, limits) = listed.iter().filter_map(anchor).unzip();
        (!listed.is_empty()).then_some(Self {
            listed,
            anchors,
            limits,
        })
    }

    /// Trust in the certificate authorities of this machine.
    pub(super) fn of_the_system() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        Self::new(found.certs).ok_or(TlsError::NoSystemCertificates)
    }

    /// Checks that `shown` may be believed at `now`.
    pub(super) fn verify(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        purpose: Purpose,
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.listed.iter().any(|listed| listed == shown) {
            return verify_listed(shown, purpose, now);
        }
        let usage = match purpose {
            Purpose::Client => KeyUsage::client_auth(),
            Purpose::Server => KeyUsage::server_auth(),
        };
        let within_limits = |path: &VerifiedPath<'_>| self.check_limits(path, now);
        EndEntityCert::try_from(shown)
            .and_then(|shown| {
                shown
                    .verify_for_usage(
                        algorithms,
                        &self.anchors,
                        intermediates,
                        now,
                        usage,
                        None,
                        Some(&within_limits),
                    )
                    .map(drop)
            })
            .map_err(refusal)
    }

    /// Checks the dates and the path length of the authority at the end of `path`, as Go does. One
    /// of several with the same name and key (a renewed authority) is enough.
    fn check_limits(&self, path: &VerifiedPath<'_>, now: UnixTime) -> Result<(), webpki::Error> {
        let between = path.intermediate_certificates().count();
        let limits = || {
            let ends = self.anchors.iter().zip(&self.limits);
            ends.filter(|(anchor, _)| *anchor == path.anchor())
                .map(|(_, limits)| limits)
        };
        let far_enough = |limits: &Limits| {
            limits
                .path_length
                .is_none_or(|most| between <= most as usize)
        };
        if !limits().any(|limits| limits.valid.holds(now)) {
            return Err(webpki::Error::UnknownIssuer);
        }
        if !limits().any(|limits| limits.valid.holds(now) && far_enough(limits)) {
            return Err(webpki::Error::PathLenConstraintViolated);
        }
        Ok(())
    }
}

/// Checks that `certificate` is made for the server `name`.
pub(super) fn verify_name(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
) -> Result<(), Error> {
    EndEntityCert::try_from(certificate)
        .and_then(|certificate| certificate.verify_is_valid_for_subject_name(name))
        .map_err(refusal)
}

/// Checks of a listed certificate what Go checks of it: its dates, that every critical extension is
/// understood, and that its extended key usage, if any, allows `purpose`.
fn verify_listed(shown: &CertificateDer<'_>, purpose: Purpose, now: UnixTime) -> Result<(), Error> {
    let (_, certificate) =
        parse_x509_certificate(shown).map_err(|_| CertificateError::BadEncoding)?;
    let period = Period::from(certificate.validity());
    if !period.holds(now) {
        let early = i64::try_from(now.as_secs()).is_ok_and(|now| now < period.from);
        let error = if early {
            CertificateError::NotValidYet
        } else {
            CertificateError::Expired
        };
        return Err(error.into());
    }
    if certificate
        .iter_extensions()
        .any(|e| e.critical && !KNOWN.contains(&e.oid.to_id_string().as_str()))
    {
        return Err(CertificateError::UnhandledCriticalExtension.into());
    }
    if allows(&certificate, purpose) {
        Ok(())
    } else {
        Err(CertificateError::InvalidPurpose.into())
    }
}

/// The extensions that Go understands, so that they may be critical.
const KNOWN: [&str; 10] = [
    "2.5.29.14",         // subject key identifier
    "2.5.29.15",         // key usage
    "2.5.29.17",         // subject alternative name
    "2.5.29.19",         // basic constraints
    "2.5.29.30",         // name constraints
    "2.5.29.31",         // CRL distribution points
    "2.5.29.32",         // certificate policies
    "2.5.29.35",         // authority key identifier
    "2.5.29.37",         // extended key usage
    "1.3.6.1.5.5.7.1.1", // authority information access
];

fn allows(certificate: &X509Certificate<'_>, purpose: Purpose) -> bool {
    match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => {
            let usage = usage.value;
            usage.any
                || match purpose {
                    Purpose::Client => usage.client_auth,
                    Purpose::Server => usage.server_auth,
                }
        }
        Err(_) => false,
    }
}

/// What `certificate` can vouch for others with, if it may at all.
///
/// `webpki` takes whatever it is given for an authority. Go does not, and must not: who holds a
/// listed leaf's key would otherwise be able to make certificates for others.
fn anchor(certificate: &CertificateDer<'static>) -> Option<(TrustAnchor<'static>, Limits)> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let path_length = match parsed.basic_constraints().ok()? {
        Some(constraints) if constraints.value.ca => constraints.value.path_len_constraint,
        // Before version 3 there was no way to say that one is an authority.
        None if parsed.version() != X509Version::V3 => None,
        _ => return None,
    };
    let signs = |extension: &ParsedExtension<'_>| match extension {
        ParsedExtension::KeyUsage(usage) => usage.key_cert_sign(),
        _ => true,
    };
    if !parsed
        .extensions()
        .iter()
        .all(|extension| signs(extension.parsed_extension()))
    {
        return None;
    }
    let limits = Limits {
        valid: parsed.validity().into(),
        path_length,
    };
    let anchor = webpki::anchor_from_trusted_cert(certificate)
        .ok()?
        .to_owned();
    Some((anchor, limits))
}

impl From<&Validity> for Period {
    fn from(validity: &Validity) -> Self {
        Self {
            from: validity.not_before.timestamp(),
            to: validity.not_after.timestamp(),
        }
    }
}

impl Period {
    fn holds(self, now: UnixTime) -> bool {
        i64::try_from(now.as_secs()).is_ok_and(|now| (self.from..=self.to).contains(&now))
    }
}

/// The error that tells the peer by the right TLS alert, and our log in words.
fn refusal(error: webpki::Error) -> Error {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer | E::CaUsedAsEndEntity => CertificateError::UnknownIssuer,
        E::CertExpired { .. } | E::InvalidCertValidity => CertificateError::Expired,
        E::CertNotValidYet { .. } => CertificateError::NotValidYet,
        E::CertNotValidForName(_) => CertificateError::NotValidForName,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        E::UnsupportedCriticalExtension => CertificateError::UnhandledCriticalExtension,
        E::BadDer => CertificateError::BadEncoding,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
    .into()
}
