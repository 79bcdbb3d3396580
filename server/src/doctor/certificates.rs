//! The certificates in files: names, dates, purposes, chains, and the keys that belong to them.

use std::path::Path;

use daemon::{ClientTls, ServerTls, regular};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use time::{Duration, OffsetDateTime};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{ExtendedKeyUsage, GeneralName},
    parse_x509_certificate,
};

use super::{Check, NOTICE, Report, words};
use crate::config::{TlsFiles, TrustService};

/// How far ahead of ours the clock may be that a certificate was made with.
const TOLERANCE: Duration = Duration::minutes(5);

/// Looks at what this server shows its clients, and whose clients it lets in.
pub(super) fn check_listener(report: &mut Report, files: Option<&TlsFiles>, now: OffsetDateTime) {
    let Some(files) = files else {
        return;
    };
    let what = format!("the certificate of this server ({})", files.cert.display());
    if let Err(error) = ServerTls::load(&files.cert, &files.key, files.client_ca.as_deref()) {
        let cure = "correct server.tls_cert_file, server.tls_key_file or server.client_ca_file, or what they name";
        return report.wrong(Check::Certificates, error.to_string(), cure);
    }
    let chain = Chain::read(&files.cert);
    let mut well = check_dates(report, &what, &chain, now);
    well &= check_order(report, &what, &chain);
    let server_auth: fn(&ExtendedKeyUsage<'_>) -> bool = |usage| usage.server_auth;
    well &= check_purpose(report, &what, &chain, "servers", server_auth);
    let names = chain.names();
    if names.is_empty() {
        report.wrong(
            Check::Certificates,
            format!("{what} names no host: it has no subject alternative name, and clients ignore its common name"),
            "issue it again with the host that clients use as subject alternative name",
        );
    } else if well {
        let text = format!(
            "{what} fits its key, names {}{}",
            words::list(&names),
            chain.end()
        );
        report.ok(Check::Certificates, text);
    }
    if let Some(file) = &files.client_ca {
        check_authorities(report, "server.client_ca_file", file, now);
    }
}

/// Looks at what this server shows the signer, and by whom it lets the signer be vouched for.
pub(super) fn check_signers(report: &mut Report, signer: &TrustService, now: OffsetDateTime) {
    let TrustService::Remote { ca, client, .. } = signer else {
        return;
    };
    let pair = client
        .as_ref()
        .map(|(cert, key)| (cert.as_path(), key.as_path()));
    if let Err(error) = ClientTls::load(ca.as_deref(), pair) {
        let cure = "correct trust_service.tls_ca_file, trust_service.tls_client_cert or trust_service.tls_client_key, or what they name";
        return report.wrong(Check::Certificates, error.to_string(), cure);
    }
    if let Some(file) = ca {
        check_authorities(report, "trust_service.tls_ca_file", file, now);
    }
    if let Some((file, _)) = pair {
        let what = format!("the certificate shown to the signer ({})", file.display());
        let chain = Chain::read(file);
        let client_auth: fn(&ExtendedKeyUsage<'_>) -> bool = |usage| usage.client_auth;
        if check_dates(report, &what, &chain, now)
            & check_purpose(report, &what, &chain, "clients", client_auth)
        {
            report.ok(
                Check::Certificates,
                format!("{what} fits its key{}", chain.end()),
            );
        }
    }
}

/// Certificates as they stand in a file or were shown, the leaf first.
pub(super) struct Chain(pub(super) Vec<CertificateDer<'static>>);

impl Chain {
    /// The certificates of a PEM file; none if it cannot be read.
    pub(super) fn read(file: &Path) -> Self {
        let pem = regular::read(file).unwrap_or_default();
        let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
        Self(certificates.collect())
    }

    /// Those that can be read, in the same order.
    pub(super) fn parse(&self) -> impl Iterator<Item = X509Certificate<'_>> {
        self.0
            .iter()
            .filter_map(|der| parse_x509_certificate(der).ok().map(|(_, parsed)| parsed))
    }

    /// The hosts that the leaf names.
    pub(super) fn names(&self) -> Vec<String> {
        let leaf = self.parse().next();
        let Some(Ok(Some(names))) = leaf.as_ref().map(|leaf| leaf.subject_alternative_name())
        else {
            return Vec::new();
        };
        names.value.general_names.iter().filter_map(host).collect()
    }

    /// When the first of them expires, as the end of a sentence.
    fn end(&self) -> String {
        let ends = self.parse();
        ends.map(|one| one.validity().not_after.to_datetime())
            .min()
            .map_or_else(String::new, |end| {
                format!(" and expires on {}", words::day(end))
            })
    }

    /// Who issued the last one.
    pub(super) fn issuer(&self) -> String {
        self.parse()
            .last()
            .map_or_else(String::new, |last| last.issuer().to_string())
    }
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// Looks at the dates of a certificate and of those above it; says whether they are current.
pub(super) fn check_dates(
    report: &mut Report,
    what: &str,
    chain: &Chain,
    now: OffsetDateTime,
) -> bool {
    let before = report.findings.len();
    for (position, certificate) in chain.parse().enumerate() {
        let what = match position {
            0 => what.to_owned(),
            _ => format!("the authority {} above {what}", certificate.subject()),
        };
        check_date(report, &what, &certificate, now);
    }
    report.findings.len() == before
}

fn check_date(
    report: &mut Report,
    what: &str,
    certificate: &X509Certificate<'_>,
    now: OffsetDateTime,
) {
    let validity = certificate.validity();
    let (from, to) = (
        validity.not_before.to_datetime(),
        validity.not_after.to_datetime(),
    );
    let renew = "replace it by a new one; programs take it up while they run";
    if to < now {
        let text = format!("{what} expired on {}", words::day(to));
        report.wrong(Check::Certificates, text, renew);
    } else if from > now + TOLERANCE {
        report.wrong(
            Check::Certificates,
            format!(
                "{what} is not valid before {}, and this machine says it is {}",
                words::day(from),
                words::day(now)
            ),
            "set the clock of this machine, or wait",
        );
    } else if to - now < NOTICE {
        let text = format!(
            "{what} expires in {} ({})",
            words::span(to - now),
            words::day(to)
        );
        report.warn(Check::Certificates, text, renew);
    }
}

/// Looks at whether each certificate was issued by the next one.
fn check_order(report: &mut Report, what: &str, chain: &Chain) -> bool {
    let parsed: Vec<_> = chain.parse().collect();
    let broken = parsed.windows(2).any(|pair| {
        pair[0].issuer() != pair[1].subject()
            || pair[0]
                .verify_signature(Some(pair[1].public_key()))
                .is_err()
    });
    if broken {
        report.wrong(
            Check::Certificates,
            format!("the file of {what} does not hold a chain: a certificate in it is not issued by the one behind it"),
            "put the server's own certificate first, then the one that issued it, and so on",
        );
    }
    !broken
}

/// Looks at whether the leaf may be shown by such a peer at all.
fn check_purpose(
    report: &mut Report,
    what: &str,
    chain: &Chain,
    whose: &str,
    allows: fn(&ExtendedKeyUsage<'_>) -> bool,
) -> bool {
    let leaf = chain.parse().next();
    let Some(Ok(Some(usage))) = leaf.as_ref().map(|leaf| leaf.extended_key_usage()) else {
        return true;
    };
    let allowed = usage.value.any || allows(usage.value);
    if !allowed {
        report.wrong(
            Check::Certificates,
            format!("{what} is not made for {whose}: its extended key usage says otherwise"),
            format!("issue it again for {whose}"),
        );
    }
    allowed
}

/// Looks at the dates of a file of authorities. One that has expired harms only those who need it,
/// so that it is for the connection to tell; with none left, no client is trusted.
fn check_authorities(report: &mut Report, key: &str, file: &Path, now: OffsetDateTime) {
    let chain = Chain::read(file);
    let place = format!("{key} ({})", file.display());
    let end = |one: &X509Certificate<'_>| one.validity().not_after.to_datetime();
    let ending = chain.parse().filter(|one| end(one) < now + NOTICE);
    let ending: Vec<String> = ending
        .map(|one| {
            let tense = if end(&one) < now {
                "expired"
            } else {
                "expires"
            };
            format!("{} {tense} on {}", one.subject(), words::day(end(&one)))
        })
        .collect();
    let renew = "add the authority's new certificate to the file";
    if chain.parse().all(|one| end(&one) < now) {
        let text = format!("all authorities in {place} have expired: {}", some(ending));
        report.wrong(Check::Certificates, text, renew);
    } else if ending.is_empty() {
        let text = match chain.parse().map(|one| end(&one)).min() {
            Some(first) => format!(
                "the authorities in {place} are current; the first expires on {}",
                words::day(first)
            ),
            None => format!("the authorities in {place} are current"),
        };
        report.ok(Check::Certificates, text);
    } else {
        let text = format!("of the authorities in {place}, {}", some(ending));
        report.warn(Check::Certificates, text, renew);
    }
}

/// The first few of what may be many.
fn some(mut names: Vec<String>) -> String {
    const FEW: usize = 3;
    if names.len() > FEW {
        let others = names.len() - FEW;
        names.truncate(FEW);
        names.push(format!("{others} more are like that"));
    }
    words::list(&names)
}
