//! The connection to the signer, step by step, so that the step that fails can be named: name, TCP,
//! its certificate, our certificate, health. No key is made.

mod fault;
mod onlooker;

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use daemon::{ClientTls, tls::server_verifier};
use fault::{Fault, explain_health};
use onlooker::Onlooker;
use rustls::{ClientConfig, Error};
use rustls_pki_types::{CertificateDer, ServerName};
use time::OffsetDateTime;
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use trust::signer::{DEADLINE, RemoteSigner, RemoteSignerConfig, Signer as _};

use super::{
    Check, Report, Verdict,
    certificates::{self, Chain},
};
use crate::config::TrustService;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the connection both ways; answers with the signer if it can be asked.
pub(super) async fn check(
    report: &mut Report,
    signer: &TrustService,
    now: OffsetDateTime,
) -> Option<RemoteSigner> {
    let visit = Visit::prepare(signer)?;
    let socket = visit.reach().await;
    let stream = match socket {
        Ok(socket) => visit.greet(report, socket, now).await?,
        Err(fault) => {
            report.wrong(Check::Signer, fault.sentence, fault.cure);
            return None;
        }
    };
    if let Err(fault) = visit.be_let_in(stream).await {
        report.wrong(Check::Signer, fault.sentence, fault.cure);
        return None;
    }
    visit.ask_health(report).await
}

/// What keeps this server from its signer, in a sentence with its cure, if it is a fault that
/// [`check`] finds.
pub(crate) async fn diagnose(signer: &TrustService, now: OffsetDateTime) -> Option<String> {
    let mut report = Report::default();
    check(&mut report, signer, now).await;
    let mut findings = report.findings.into_iter();
    let wrong = findings.find(|finding| finding.verdict == Verdict::Wrong)?;
    Some(match wrong.cure {
        Some(cure) => format!("{}; {cure}", wrong.sentence),
        None => wrong.sentence,
    })
}

/// Everything that a connection to the signer takes.
struct Visit<'c> {
    host: &'c str,
    port: u16,
    key_algorithm: &'c str,
    ca: Option<&'c Path>,
    client: Option<&'c Path>,
    tls: ClientTls,
}

impl<'c> Visit<'c> {
    /// `None` if there is no remote signer, or its files are unusable, which their own check tells.
    fn prepare(signer: &'c TrustService) -> Option<Self> {
        let TrustService::Remote {
            hostname,
            port,
            key_algorithm,
            ca,
            client,
        } = signer
        else {
            return None;
        };
        let pair = client
            .as_ref()
            .map(|(cert, key)| (cert.as_path(), key.as_path()));
        let tls = ClientTls::load(ca.as_deref(), pair).ok()?;
        Some(Self {
            host: hostname,
            port: *port,
            key_algorithm,
            ca: ca.as_deref(),
            client: pair.map(|(cert, _)| cert),
            tls,
        })
    }

    fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Finds the host and opens a TCP connection.
    async fn reach(&self) -> Result<TcpStream, Fault> {
        let found = timeout(PATIENCE, tokio::net::lookup_host((self.host, self.port)));
        let addresses: Vec<SocketAddr> = match found.await {
            Ok(Ok(addresses)) => addresses.collect(),
            _ => Vec::new(),
        };
        if addresses.is_empty() {
            return Err(Fault::new(
                format!("the signer's host name {:?} cannot be resolved", self.host),
                "correct trust_service.hostname, or make the name known (DNS, /etc/hosts)",
            ));
        }
        let place = self.place();
        match timeout(PATIENCE, TcpStream::connect(&addresses[..])).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(Fault::new(
                format!("nothing listens at {place}, where the signer should be"),
                "start notary-signer, or correct trust_service.hostname and trust_service.port",
            )),
            Ok(Err(error)) => Err(Fault::new(
                format!("the signer at {place} cannot be reached: {error}"),
                "see to the network between this machine and the signer",
            )),
            Err(_) => Err(Fault::new(
                format!("the signer at {place} does not answer"),
                "look for a firewall between this machine and the signer, or correct trust_service.hostname and trust_service.port",
            )),
        }
    }

    /// Makes the TLS handshake with all checks, and looks at the dates of what the signer shows.
    async fn greet(
        &self,
        report: &mut Report,
        socket: TcpStream,
        now: OffsetDateTime,
    ) -> Option<TlsStream<TcpStream>> {
        let stream = match self.handshake(self.tls.config(), socket).await {
            Ok(stream) => stream,
            Err(error) => {
                let fault = self.explain(&error, now).await;
                report.wrong(Check::Signer, fault.sentence, fault.cure);
                return None;
            }
        };
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let shown = Chain(
            shown
                .iter()
                .cloned()
                .map(CertificateDer::into_owned)
                .collect(),
        );
        certificates::check_dates(report, "the certificate of the signer", &shown, now);
        Some(stream)
    }

    async fn handshake(
        &self,
        config: Arc<ClientConfig>,
        socket: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.host.to_owned()).map_err(io::Error::other)?;
        let handshake = TlsConnector::from(config).connect(name, socket);
        timeout(PATIENCE, handshake)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// What is behind a handshake that failed.
    async fn explain(&self, error: &io::Error, now: OffsetDateTime) -> Fault {
        match tls_error(error) {
            Some(Error::InvalidCertificate(reason)) => {
                let shown = self.look().await;
                self.explain_certificate(reason, &shown, now)
            }
            Some(Error::AlertReceived(alert)) => self.explain_alert(*alert),
            Some(Error::InvalidMessage(_)) => Fault::new(
                format!("what listens at {} does not speak TLS", self.place()),
                "correct trust_service.port, or give the signer a certificate",
            ),
            _ => Fault::new(
                format!(
                    "the TLS handshake with the signer at {} failed: {error}",
                    self.place()
                ),
                "make sure that a notary-signer listens there, with TLS 1.2 or later",
            ),
        }
    }

    /// What the signer shows when it is called, believed or not. Nothing is sent to it.
    async fn look(&self) -> Chain {
        let onlooker = Arc::new(Onlooker::default());
        let mut config = ClientConfig::clone(&self.tls.config());
        config
            .dangerous()
            .set_certificate_verifier(server_verifier(onlooker.clone()));
        if let Ok(socket) = self.reach().await {
            // Ends in the refusal that the onlooker makes of everything.
            drop(self.handshake(Arc::new(config), socket).await);
        }
        onlooker.chain()
    }

    /// Waits for the first byte from the signer: with TLS 1.3 it looks at our certificate only
    /// after the handshake is over for us.
    async fn be_let_in(&self, mut stream: TlsStream<TcpStream>) -> Result<(), Fault> {
        let mut first = [0];
        match timeout(PATIENCE, stream.read(&mut first)).await {
            Ok(Ok(1)) => Ok(()),
            Ok(Err(error)) => Err(match tls_error(&error) {
                Some(Error::AlertReceived(alert)) => self.explain_alert(*alert),
                _ => self.explain_refusal(None),
            }),
            Ok(Ok(_)) => Err(self.explain_refusal(None)),
            Err(_) => Err(self.explain_stranger()),
        }
    }

    /// Asks the signer how it is, as the server does every few seconds.
    async fn ask_health(&self, report: &mut Report) -> Option<RemoteSigner> {
        let place = self.place();
        let signer = RemoteSigner::new(RemoteSignerConfig {
            hostname: self.host.to_owned(),
            port: self.port,
            key_algorithm: self.key_algorithm.to_owned(),
            tls: self.tls.clone(),
            deadline: DEADLINE,
        });
        let signer = match signer {
            Ok(signer) => signer,
            Err(error) => {
                report.wrong(
                    Check::Signer,
                    format!("{place} is no address: {error}"),
                    "correct trust_service.hostname",
                );
                return None;
            }
        };
        match signer.check().await {
            Ok(()) => {
                report.ok(
                    Check::Signer,
                    format!("the signer at {place} is who it should be, lets this server in and can sign"),
                );
                Some(signer)
            }
            Err(error) => {
                let fault = explain_health(&place, &error);
                report.wrong(Check::Signer, fault.sentence, fault.cure);
                None
            }
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
