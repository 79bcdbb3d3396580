//! The classic faults of a connection to the signer, in sentences.

use rustls::{AlertDescription, CertificateError};
use time::OffsetDateTime;
use trust::signer::SignerError;

use super::Visit;
use crate::doctor::{
    Report,
    certificates::{self, Chain},
    words,
};

/// One thing that is wrong, and its cure.
pub(super) struct Fault {
    /// What is wrong.
    pub(super) sentence: String,
    /// What to do about it.
    pub(super) cure: String,
}

impl Fault {
    /// Puts both into words.
    pub(super) fn new(sentence: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            cure: cure.into(),
        }
    }
}

impl Visit<'_> {
    /// What is wrong with a certificate that was shown and refused for `reason`.
    pub(super) fn explain_certificate(
        &self,
        reason: &CertificateError,
        shown: &Chain,
        now: OffsetDateTime,
    ) -> Fault {
        match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                self.explain_name(shown)
            }
            CertificateError::UnknownIssuer => self.explain_issuer(shown),
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                let mut dates = Report::default();
                certificates::check_dates(&mut dates, "the certificate of the signer", shown, now);
                let first = dates.findings.into_iter().next();
                first.map_or_else(
                    || Fault::new(
                        "an authority that vouches for the signer's certificate has expired",
                        "renew that authority, and put its new certificate into trust_service.tls_ca_file",
                    ),
                    |found| Fault::new(found.sentence, found.cure.unwrap_or_default()),
                )
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Fault::new(
                    "the certificate of the signer is not made for servers: its extended key usage says otherwise",
                    "issue the signer's certificate again for servers",
                )
            }
            // Another key under the name of a listed authority makes a wrong signature.
            _ if self.lists_namesake(shown) => self.explain_issuer(shown),
            other => Fault::new(
                format!("the certificate of the signer cannot be believed: {other:?}"),
                "issue the signer's certificate again",
            ),
        }
    }

    fn explain_name(&self, shown: &Chain) -> Fault {
        let (host, names) = (self.host, shown.names());
        let (instead, remedy) = if names.is_empty() {
            let text = "it has no subject alternative name, and a common name does not count";
            (text.to_owned(), "")
        } else {
            let text = format!("it names {}", words::list(&names));
            (text, ", or set trust_service.hostname to a name it has")
        };
        Fault::new(
            format!(
                "the certificate of the signer does not name {host}, which trust_service.hostname says it is: {instead}"
            ),
            format!(
                "issue the signer's certificate again with {host} as subject alternative name{remedy}"
            ),
        )
    }

    fn explain_issuer(&self, shown: &Chain) -> Fault {
        let issuer = shown.issuer();
        let Some(file) = self.ca else {
            return Fault::new(
                format!(
                    "the certificate of the signer was issued by {issuer}, which this machine does not trust"
                ),
                "set trust_service.tls_ca_file to the certificate of that authority",
            );
        };
        let file = file.display();
        let fault = if self.lists_namesake(shown) {
            format!(
                "the certificate of the signer was issued by {issuer}, and the authority of that name in trust_service.tls_ca_file ({file}) is another one, with another key"
            )
        } else {
            format!(
                "the certificate of the signer was issued by {issuer}, which is not in trust_service.tls_ca_file ({file})"
            )
        };
        Fault::new(
            fault,
            "put the certificate of the authority that issued the signer's certificate into trust_service.tls_ca_file",
        )
    }

    /// Whether the file of authorities has one of the name that issued what is shown.
    fn lists_namesake(&self, shown: &Chain) -> bool {
        let issuer = shown.issuer();
        self.ca.is_some_and(|file| {
            Chain::read(file)
                .parse()
                .any(|listed| listed.subject().to_string() == issuer)
        })
    }

    /// Why the signer ended the handshake with this alert.
    pub(super) fn explain_alert(&self, alert: AlertDescription) -> Fault {
        use AlertDescription as A;
        match alert {
            A::NoApplicationProtocol => self.explain_stranger(),
            A::ProtocolVersion | A::InsufficientSecurity | A::InternalError => Fault::new(
                format!(
                    "the signer at {} ended the TLS handshake: it says {alert:?}",
                    self.place()
                ),
                "make sure that a notary-signer listens there, with TLS 1.2 or later",
            ),
            _ => self.explain_refusal(Some(alert)),
        }
    }

    /// Something else than a signer is there.
    pub(super) fn explain_stranger(&self) -> Fault {
        Fault::new(
            format!("what listens at {} speaks TLS, but no gRPC", self.place()),
            "correct trust_service.hostname and trust_service.port",
        )
    }

    /// Why the signer hung up on us, with the TLS alert it sent if it did.
    pub(super) fn explain_refusal(&self, alert: Option<AlertDescription>) -> Fault {
        let Some(file) = self.client else {
            return Fault::new(
                "the signer lets in only who shows a certificate, and this server has none to show",
                "set trust_service.tls_client_cert and trust_service.tls_client_key to a certificate that the signer's server.client_ca_file vouches for",
            );
        };
        let said = alert.map_or_else(String::new, |alert| format!(" (it says {alert:?})"));
        let issuer = Chain::read(file).issuer();
        Fault::new(
            format!(
                "the signer refuses the certificate that this server shows it{said}: {}, issued by {issuer}",
                file.display()
            ),
            format!(
                "put the certificate of {issuer} into the signer's server.client_ca_file, or show the signer a current certificate of an authority that is in there"
            ),
        )
    }
}

/// Why a signer that lets us in is no use.
pub(super) fn explain_health(place: &str, error: &SignerError) -> Fault {
    let text = error.to_string();
    if text.contains("NOT_SERVING") {
        return Fault::new(
            format!("the signer at {place} is there but cannot sign: {text}"),
            "see the signer's log: its database is away, or the passphrase of a key alias is missing or wrong (NOTARY_SIGNER_ALIAS in its environment)",
        );
    }
    Fault::new(
        format!("what listens at {place} does not answer as a signer: {text}"),
        "make sure that a notary-signer listens there",
    )
}
