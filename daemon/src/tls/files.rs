//! PEM files, and what is made of them, kept up to date.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use ring::digest::{self, SHA256};
use rustls::{crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use time::OffsetDateTime;
use tokio::sync::watch;
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use super::{TlsError, trust::Trust};
use crate::regular;

/// Where certificates and keys come from.
#[derive(Debug)]
pub(super) struct Files {
    /// The own certificate chain, and its key.
    pair: Option<(PathBuf, PathBuf)>,
    /// The certificates to trust.
    ca: Option<PathBuf>,
}

impl Files {
    pub(super) fn new(pair: Option<(&Path, &Path)>, ca: Option<&Path>) -> Self {
        let pair = pair.map(|(cert, key)| (cert.to_owned(), key.to_owned()));
        Self {
            pair,
            ca: ca.map(Path::to_owned),
        }
    }

    /// The file of certificates to trust, if one is named.
    pub(super) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// The file of the own certificate chain, if one is named.
    pub(super) fn certificate(&self) -> Option<&Path> {
        self.pair.as_ref().map(|(cert, _)| &**cert)
    }

    pub(super) fn read(&self) -> Result<Material, TlsError> {
        let pair = match &self.pair {
            None => None,
            Some((cert, key)) => Some((
                regular::read(cert).map_err(|error| self.pair_error(&reason(cert, &error)))?,
                Zeroizing::new(
                    regular::read(key).map_err(|error| self.pair_error(&reason(key, &error)))?,
                ),
            )),
        };
        let read_ca = |file: &PathBuf| {
            regular::read(file).map_err(|source| TlsError::UnreadableCa {
                file: file.clone(),
                source,
            })
        };
        Ok(Material {
            pair,
            ca: self.ca.as_ref().map(read_ca).transpose()?,
        })
    }

    fn pair_error(&self, reason: &impl fmt::Display) -> TlsError {
        let (cert, key) = self.pair.clone().unwrap_or_default();
        TlsError::KeyPair {
            cert,
            key,
            reason: reason.to_string(),
        }
    }
}

fn reason(file: &Path, error: &io::Error) -> String {
    format!("open {}: {error}", file.display())
}

/// The contents of [`Files`], read in one go.
pub(super) struct Material {
    pair: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    ca: Option<Vec<u8>>,
}

impl Material {
    /// The own certificate chain and key.
    ///
    /// Only that they belong together is checked: whether the certificate pleases is for the peer
    /// to say, and Go peers are pleased by more of them than `rustls` would have us show.
    pub(super) fn identity(
        &self,
        files: &Files,
        provider: &CryptoProvider,
    ) -> Result<Option<CertifiedKey>, TlsError> {
        let Some((cert, key)) = &self.pair else {
            return Ok(None);
        };
        let fail = |reason: &str| files.pair_error(&reason);
        let chain: Vec<_> = certificates(cert);
        let leaf = chain
            .first()
            .ok_or_else(|| fail("the certificate file holds no PEM certificate"))?;
        let (_, parsed) = parse_x509_certificate(leaf)
            .map_err(|_| fail("the certificate file does not start with an X.509 certificate"))?;
        let key = private_key(key).map_err(|reason| fail(&reason))?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| {
                fail(&format!(
                    "the key is of no kind that TLS can use here: {error}"
                ))
            })?;
        if key
            .public_key()
            .is_some_and(|public| public.as_ref() != parsed.public_key().raw)
        {
            return Err(fail("the key does not belong to the (first) certificate"));
        }
        Ok(Some(CertifiedKey::new(chain, key)))
    }

    /// The certificates to trust, if a file of them was named.
    pub(super) fn trust(&self, files: &Files) -> Result<Option<Trust>, TlsError> {
        let (Some(pem), Some(file)) = (&self.ca, &files.ca) else {
            return Ok(None);
        };
        let trust = Trust::new(certificates(pem));
        trust
            .map(Some)
            .ok_or_else(|| TlsError::NoCertificates(file.clone()))
    }

    /// The first of the certificates to trust.
    pub(super) fn first_trusted(&self, files: &Files) -> Result<CertificateDer<'static>, TlsError> {
        let first = self
            .ca
            .as_deref()
            .and_then(|pem| certificates(pem).into_iter().next());
        first.ok_or_else(|| TlsError::NoCertificates(files.ca.clone().unwrap_or_default()))
    }

    fn fingerprint(&self) -> Fingerprint {
        let part = |bytes: Option<&[u8]>| {
            let digest = digest::digest(&SHA256, bytes.unwrap_or_default());
            digest.as_ref().to_vec()
        };
        let (cert, key) = self
            .pair
            .as_ref()
            .map(|(cert, key)| (&cert[..], &key[..]))
            .unzip();
        Fingerprint([part(cert), part(key), part(self.ca.as_deref())].concat())
    }
}

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    /// Its `notBefore`.
    pub(crate) from: OffsetDateTime,
    /// Its `notAfter`.
    pub(crate) until: OffsetDateTime,
}

/// From when until when the first certificate in `file` is valid; `None` if there is none to read.
pub(crate) fn validity(file: &Path) -> Option<Validity> {
    let chain = certificates(&regular::read(file).ok()?);
    let (_, leaf) = parse_x509_certificate(chain.first()?).ok()?;
    let validity = leaf.validity();
    Some(Validity {
        from: validity.not_before.to_datetime(),
        until: validity.not_after.to_datetime(),
    })
}

/// The certificates of a PEM file; blocks of another kind and unreadable ones are skipped, as Go
/// does.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect()
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    // Both PKCS #8 ("ENCRYPTED PRIVATE KEY") and the older form ("Proc-Type: 4,ENCRYPTED") say so.
    if pem
        .windows(b"ENCRYPTED".len())
        .any(|word| word == b"ENCRYPTED")
    {
        return Err("the key is encrypted. Make sure the key is not encrypted.".to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "the key file holds no PEM private key".to_owned())
}

/// Tells whether files changed, without keeping what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint(Vec<u8>);

/// What the files were when they were last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Contents(Fingerprint),
    Unreadable(String),
}

/// What is to be made of files.
type Make<T> = Box<dyn Fn(&Material, &Files) -> Result<T, TlsError> + Send + Sync>;

/// Something made of [`Files`], made again when they change.
pub(super) struct Reloading<T> {
    files: Files,
    make: Make<T>,
    current: ArcSwap<T>,
    seen: Mutex<Seen>,
    /// Grows with every change that was taken up.
    pub(super) generation: watch::Sender<u64>,
}

impl<T> Reloading<T> {
    pub(super) fn load(
        files: Files,
        make: impl Fn(&Material, &Files) -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let material = files.read()?;
        let current = ArcSwap::from_pointee(make(&material, &files)?);
        let seen = Mutex::new(Seen::Contents(material.fingerprint()));
        Ok(Self {
            files,
            make: Box::new(make),
            current,
            seen,
            generation: watch::Sender::new(0),
        })
    }

    /// Where it comes from.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// What was made of the files when they last made sense.
    pub(super) fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Looks at the files. They are read each time: links and coarse clocks hide changes otherwise.
    pub(super) fn reload_if_changed(&self) {
        let read = self.files.read();
        let now = match &read {
            Ok(material) => Seen::Contents(material.fingerprint()),
            Err(error) => Seen::Unreadable(error.to_string()),
        };
        // Held to the end, so that two of us cannot swap in the wrong order.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        match read.and_then(|material| (self.make)(&material, &self.files)) {
            Ok(made) => {
                self.current.store(Arc::new(made));
                self.generation.send_modify(|generation| *generation += 1);
                tracing::info!(files = ?self.files, "took up changed certificates");
            }
            Err(error) => {
                tracing::error!("{error}; the certificates in use until now stay in use");
            }
        }
    }
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reloading").field(&self.files).finish()
    }
}
