//! Where a running signer is reached.

use std::path::PathBuf;

use daemon::Settings;

use super::{ConfigError, required, required_path, sections::Server};

/// Where the signer can be asked how it is.
#[derive(Clone, Debug)]
pub struct Doors {
    /// Where it listens.
    pub listen: String,
    /// Certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Which client certificates are accepted; none: nobody is asked for one.
    pub client_ca: Option<PathBuf>,
    /// Where metrics are answered.
    pub metrics: Option<String>,
}

impl Doors {
    /// Reads just these of `settings`.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let server = Server::of(settings);
        Ok(Self {
            listen: required(&server.grpc_addr, "grpc listen address required for server")?
                .to_owned(),
            cert: required_path(&server.tls_cert_file)?,
            key: required_path(&server.tls_key_file)?,
            client_ca: server.client_ca_file.path(),
            metrics: server.metrics_addr.text().map(str::to_owned),
        })
    }
}
