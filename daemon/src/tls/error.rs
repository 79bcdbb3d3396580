//! Why certificates cannot be used, in one sentence that names the file.

use std::path::PathBuf;

/// What Notary says of a certificate without its key, or a client CA without either: see
/// `server.tls_cert_file`.
pub const HALF_PAIR: &str =
    "either include both a cert and key file, or no TLS information at all to disable TLS";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate and its key cannot be used. As Notary has it, both are named, since the fault
    /// of one is often the other's (a key that belongs elsewhere).
    #[error("Could not load X509 key pair (cert: {cert:?}, key: {key:?}): {reason}")]
    KeyPair {
        /// The file with the certificate chain.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What is wrong with which of them.
        reason: String,
    },
    /// The file of trusted certificates cannot be read.
    #[error("could not read CA certificate {file:?}: {source}")]
    UnreadableCa {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of trusted certificates holds none: every client would be refused.
    #[error("failed to append certificates from PEM file: {0:?}: it holds no usable certificate")]
    NoCertificates(PathBuf),
    /// No CA file was named, and the system has no certificate authorities.
    #[error("the system has no certificate authorities to trust; name a CA file")]
    NoSystemCertificates,
}
