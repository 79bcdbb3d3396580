//! A registry, and how it lets people in.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{docker::require_installed, process::Daemon, sandbox::Sandbox};

/// How a registry lets people in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryAuth {
    /// Everybody may do everything.
    None,
    /// By the passwords in this file.
    Htpasswd(PathBuf),
    /// By tokens.
    Token {
        /// Where clients get them.
        realm: String,
        /// What they are made out for.
        service: String,
        /// Who makes them.
        issuer: String,
        /// The certificates of those who sign them.
        bundle: PathBuf,
    },
}

impl RegistryAuth {
    /// What the registry's configuration says of it.
    fn section(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Htpasswd(file) => json!({"htpasswd": {"realm": "registry", "path": file}}),
            Self::Token {
                realm,
                service,
                issuer,
                bundle,
            } => json!({"token": {
                "realm": realm,
                "service": service,
                "issuer": issuer,
                "rootcertbundle": bundle,
            }}),
        }
    }
}

/// Starts a registry that keeps its images in `root`.
pub(crate) fn start_registry(
    sandbox: &Sandbox,
    address: SocketAddr,
    root: &Path,
    auth: &RegistryAuth,
) -> Result<Daemon> {
    // JSON is YAML too.
    let config = json!({
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": root}},
        "http": {"addr": address.to_string(), "secret": "test"},
        "auth": auth.section(),
    });
    let config = sandbox.file("registry.yml", config.to_string())?;
    let mut command = require_installed("/usr/bin/docker-registry", "docker-registry")?;
    command.arg("serve").arg(config);
    Daemon::start("docker-registry", &command, &sandbox.log("registry"))?.until_listening(address)
}
