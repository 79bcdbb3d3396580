//! The identity in a client certificate.

use access::Identity;
use rustls_pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate};

/// The identity of the chain's leaf. The chain was verified when the connection was made. `None`
/// without a certificate, or without a name in it.
pub(crate) fn identity(chain: &[CertificateDer<'_>]) -> Option<Identity> {
    let (_, leaf) = parse_x509_certificate(chain.first()?).ok()?;
    let mut names = alternative_names(&leaf);
    if names.is_empty() {
        names.extend(common_name(&leaf));
    }
    (!names.is_empty()).then_some(Identity::Certificate(names))
}

/// The DNS names, mail addresses and URIs of the subject alternative name.
fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        _ => None,
    };
    names
        .filter_map(name)
        .filter(|name| !name.is_empty())
        .collect()
}

/// The common name, if there is exactly one: with several, none of them is reliable.
fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    (names.next().is_none() && !name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn names(common: &[&str], alternative: Vec<SanType>) -> Option<Vec<String>> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.subject_alt_names = alternative;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        match identity(&[certificate.der().clone()])? {
            Identity::Certificate(names) => Some(names),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_alternative_names_count_and_the_common_name_only_without_them() {
        let alternative = vec![
            SanType::DnsName("ci.example.com".try_into().unwrap()),
            SanType::Rfc822Name("ci@example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/ci".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
        ];
        assert_eq!(
            names(&["root"], alternative).unwrap(),
            [
                "ci.example.com",
                "ci@example.com",
                "spiffe://example.com/ci"
            ]
        );
        assert_eq!(names(&["ci"], Vec::new()).unwrap(), ["ci"]);
    }

    #[test]
    fn a_certificate_without_a_name_has_no_identity() {
        assert_eq!(names(&[], Vec::new()), None);
        assert_eq!(names(&[""], Vec::new()), None);
        assert_eq!(identity(&[]), None);
        assert_eq!(identity(&[CertificateDer::from(vec![1, 2, 3])]), None);
    }
}
