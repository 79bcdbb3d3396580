//! TLS for both ends of a connection: certificates from files, taken up again when the files
//! change.
//!
//! Whom to believe is decided in `trust`, which is as lenient as Go's TLS towards certificates
//! that are listed themselves (Notary's sample set-ups depend on it) and as strict otherwise.

mod connector;
mod error;
mod files;
mod pinned;
#[cfg(test)]
mod tests;
mod trust;
mod verifier;

use std::{path::Path, sync::Arc, time::Duration};

pub use connector::{SignerConnector, connector};
pub use error::{HALF_PAIR, TlsError};
use files::{Files, Material, Reloading};
pub(crate) use files::{Validity, validity};
pub use pinned::{Glance, accepts_itself};
use rustls::{
    CipherSuite, ClientConfig, Error, ServerConfig,
    client::Resumption,
    crypto::CryptoProvider,
    server::{NoClientAuth, NoServerSessionStorage, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::watch;
use trust::Trust;
pub use verifier::{CheckServer, server_verifier};
use verifier::{ClientVerifier, Insistence};

/// The certificate of a listener, and whose clients it lets in.
#[derive(Debug)]
pub struct ServerTls(Reloading<Listening>);

/// What is made of the files of a listener.
#[derive(Debug)]
struct Listening {
    config: Arc<ServerConfig>,
    /// Whose clients are let in; `None` if no certificate is asked for.
    clients: Option<Arc<ClientVerifier>>,
}

/// How a listener treats its clients.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether clients must show a certificate, where one is asked for.
    pub insists: bool,
    /// Whether clients may resume their sessions. Those that are asked for a certificate never
    /// may.
    pub resumes: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            insists: true,
            resumes: true,
        }
    }
}

impl ServerTls {
    /// TLS 1.2 and 1.3 with the certificate chain and key of these PEM files.
    ///
    /// With `client_ca`, clients must show a certificate that the file vouches for; without it,
    /// none is asked for.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file that is missing, unreadable, encrypted or does not fit.
    pub fn load(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Arc<Self>, TlsError> {
        Self::load_as(cert, key, client_ca, Manner::default())
    }

    /// The same, but clients may do without a certificate; a wrong one is refused all the same.
    ///
    /// # Errors
    ///
    /// As [`ServerTls::load`].
    pub fn load_asking(
        cert: &Path,
        key: &Path,
        client_ca: Option<&Path>,
    ) -> Result<Arc<Self>, TlsError> {
        let manner = Manner {
            insists: false,
            ..Manner::default()
        };
        Self::load_as(cert, key, client_ca, manner)
    }

    /// The same, in the manner that is asked for.
    ///
    /// # Errors
    ///
    /// As [`ServerTls::load`].
    pub fn load_as(
        cert: &Path,
        key: &Path,
        client_ca: Option<&Path>,
        manner: Manner,
    ) -> Result<Arc<Self>, TlsError> {
        let files = Files::new(Some((cert, key)), client_ca);
        let make = move |material: &Material, files: &Files| listening(material, files, manner);
        Ok(Arc::new(Self(Reloading::load(files, make)?)))
    }

    /// Takes up the files if they changed since they were last looked at.
    ///
    /// If they make no sense, what was in use stays in use, and one error is logged. Connections go
    /// on, but those of clients whose certificates are no longer accepted end.
    pub fn reload_if_changed(&self) {
        self.0.reload_if_changed();
    }

    /// The file with the own certificate, leaf first.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        self.0.files().certificate().unwrap_or(Path::new(""))
    }

    /// What the next connection is to use.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current().config)
    }

    /// Whether a client that shows `chain`, leaf first, is to be let in at `now`, in Unix time, by
    /// the files as they are in use.
    pub(crate) fn verify_client(
        &self,
        chain: &[CertificateDer<'_>],
        now: i64,
    ) -> Result<(), Error> {
        let listening = self.0.current();
        let (Some(clients), [shown, intermediates @ ..]) = (&listening.clients, chain) else {
            return Ok(());
        };
        let now = Duration::from_secs(u64::try_from(now).unwrap_or_default());
        let now = UnixTime::since_unix_epoch(now);
        clients
            .verify_client_cert(shown, intermediates, now)
            .map(drop)
    }

    /// A number that changes when changed files are taken up.
    pub(crate) fn generation(&self) -> u64 {
        *self.0.generation.borrow()
    }

    /// Tells when changed files were taken up.
    pub(crate) fn reloads(&self) -> watch::Receiver<u64> {
        self.0.generation.subscribe()
    }
}

/// Whom a client believes, and the certificate it shows.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<Reloading<ClientConfig>>);

impl ClientTls {
    /// Believes servers that the PEM file `ca` vouches for, or else the system's certificate
    /// authorities, and shows the certificate chain of `cert_and_key` if asked.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file that is missing, unreadable, encrypted or does not fit.
    pub fn load(ca: Option<&Path>, cert_and_key: Option<(&Path, &Path)>) -> Result<Self, TlsError> {
        let files = Files::new(cert_and_key, ca);
        Ok(Self(Arc::new(Reloading::load(files, client_config)?)))
    }

    /// What the next connection is to use: the files as they are now or, if those make no sense, as
    /// they were when they last did (which is logged).
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.0.reload_if_changed();
        self.0.current()
    }
}

/// The one implementation of cryptography that the programs use.
///
/// Its suites are ring's. Those with AES-128 come first: no attack on it is in reach, and AES-256
/// brings SHA-384 with it, for which most processors have no instructions. A handshake hashes much
/// and encrypts little.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| (suite.tls13().is_none(), !has_aes_128(suite.suite())));
    Arc::new(provider)
}

fn has_aes_128(suite: CipherSuite) -> bool {
    use CipherSuite as Is;
    matches!(
        suite,
        Is::TLS13_AES_128_GCM_SHA256
            | Is::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | Is::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

fn listening(material: &Material, files: &Files, manner: Manner) -> Result<Listening, TlsError> {
    let insistence = if manner.insists {
        Insistence::Required
    } else {
        Insistence::Optional
    };
    let provider = provider();
    let identity = material
        .identity(files, &provider)?
        .expect("a listener has a certificate");
    let clients = material
        .trust(files)?
        .map(|trust| Arc::new(ClientVerifier::new(trust, insistence, &provider)));
    let verifier: Arc<dyn ClientCertVerifier> = match &clients {
        Some(clients) => Arc::clone(clients) as Arc<dyn ClientCertVerifier>,
        None => Arc::new(NoClientAuth),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has suites for TLS 1.2 and 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Clients that would do otherwise, as OpenSSL's do, do not mind.
    config.ignore_client_order = true;
    // A resumed session would let a client in whose certificate has expired since.
    if files.ca().is_some() || !manner.resumes {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Without a place to store them, they would be made and not sent.
        config.send_tls13_tickets = 0;
    }
    Ok(Listening {
        config: Arc::new(config),
        clients,
    })
}

fn client_config(material: &Material, files: &Files) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let identity = material.identity(files, &provider)?;
    let trust = match material.trust(files)? {
        Some(trust) => trust,
        None => Trust::of_the_system()?,
    };
    Ok(believing(Arc::new(trust), identity, provider))
}

/// A client that believes the servers that `check` believes, and shows `identity` if asked.
fn believing(
    check: Arc<dyn CheckServer>,
    identity: Option<CertifiedKey>,
    provider: Arc<CryptoProvider>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(server_verifier(check));
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    // One connection lives for days: looking at the certificate each time costs nothing.
    config.resumption = Resumption::disabled();
    config
}
