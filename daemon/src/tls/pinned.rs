//! Asking a program on this machine, which is known by its very certificate.
//!
//! Neither its name nor its dates are looked at: the question is whether the program of this
//! configuration answers, on an address that its certificate need not be made for.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::{CertificateError, ClientConfig, Error, version::TLS13};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{
    ClientTls, Files, Material, Reloading, TlsError, believing, provider,
    trust::Purpose,
    verifier::{CheckServer, server_verifier},
};
use crate::clock;

impl ClientTls {
    /// Believes the one server that shows the first certificate of the PEM file `cert`, whatever
    /// its name and its dates, and shows the certificate chain of `cert_and_key` if asked.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file that is missing, unreadable, encrypted or does not fit.
    pub fn pinned(cert: &Path, cert_and_key: Option<(&Path, &Path)>) -> Result<Self, TlsError> {
        let files = Files::new(cert_and_key, Some(cert));
        Ok(Self(Arc::new(Reloading::load(files, pinned_config)?)))
    }
}

fn pinned_config(material: &Material, files: &Files) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let identity = material.identity(files, &provider)?;
    let check = Pinned {
        certificate: material.first_trusted(files)?,
        met: None,
    };
    Ok(believing(Arc::new(check), identity, provider))
}

/// Whether a listener with the certificate `cert` would let in a client that shows it, going by its
/// own
/// `client_ca`.
///
/// # Errors
///
/// [`TlsError`] names the file that is missing, unreadable, encrypted or does not fit.
pub fn accepts_itself(cert: &Path, key: &Path, client_ca: &Path) -> Result<bool, TlsError> {
    let files = Files::new(Some((cert, key)), Some(client_ca));
    let material = files.read()?;
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms.all;
    let (Some(identity), Some(trust)) = (
        material.identity(&files, &provider)?,
        material.trust(&files)?,
    ) else {
        return Ok(false);
    };
    let Some((leaf, intermediates)) = identity.cert.split_first() else {
        return Ok(false);
    };
    let seconds = u64::try_from(clock::now().unix_timestamp()).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verdict = trust.verify(leaf, intermediates, algorithms, Purpose::Client, now);
    Ok(verdict.is_ok())
}

/// A handshake that goes no further than to know whom it is with, for listeners that let no one in
/// without a certificate that one does not have.
///
/// Such a listener asks for the certificate before it signs. The handshake is broken off after its
/// signature, so that it finds no missing certificate to warn about.
pub struct Glance {
    config: Arc<ClientConfig>,
    met: Arc<AtomicBool>,
}

impl Glance {
    /// A look at the server that shows the first certificate of the PEM file `cert`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if there is none.
    pub fn new(cert: &Path) -> Result<Self, TlsError> {
        let files = Files::new(None, Some(cert));
        let met = Arc::new(AtomicBool::new(false));
        let check = Pinned {
            certificate: files.read()?.first_trusted(&files)?,
            met: Some(met.clone()),
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("ring has suites for TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(server_verifier(Arc::new(check)))
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            met,
        })
    }

    /// Whether it was that server that answered on `stream`; what went wrong otherwise.
    ///
    /// # Errors
    ///
    /// What the connection or the handshake broke off with.
    pub async fn at(self, name: ServerName<'static>, stream: TcpStream) -> std::io::Result<()> {
        match TlsConnector::from(self.config).connect(name, stream).await {
            Err(error) if !self.met.load(Ordering::Relaxed) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Believes one certificate.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    /// If set, is told that the server was met, which then ends the handshake.
    met: Option<Arc<AtomicBool>>,
}

impl CheckServer for Pinned {
    fn check(
        &self,
        shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _now: UnixTime,
    ) -> Result<(), Error> {
        if *shown == self.certificate {
            Ok(())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn confirm(&self) -> Result<(), Error> {
        match &self.met {
            None => Ok(()),
            Some(met) => {
                met.store(true, Ordering::Relaxed);
                Err(Error::General("seen enough".to_owned()))
            }
        }
    }
}
