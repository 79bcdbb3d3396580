//! `notary-server health`: asks the running server how it is, for health checks of containers.

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use daemon::{
    Address, ClientTls, flags,
    logging::Causes,
    probe::{self, Unwell},
    tls,
};

use crate::config::{self, Doors, TlsFiles};

/// The name of the command.
pub(crate) const NAME: &str = "health";

/// Where health is told.
const PAGE: &str = "/_notary_server/health";

/// What the command line says of it.
pub(crate) fn command() -> clap::Command {
    clap::Command::new(NAME).about(
        "Ask the running server of this configuration for its health; status 0 if it is healthy, 1 if not",
    )
}

/// Asks the server that the configuration `file` describes.
pub(crate) async fn run(file: Option<&Path>, environment: Vec<(OsString, OsString)>) -> ExitCode {
    let outcome = ask(file, environment).await;
    probe::tell(outcome.map_err(|error| Causes(error.as_ref()).to_string()))
}

/// What was looked at, all being well.
pub(crate) async fn ask(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
) -> Result<String> {
    let file = file.context(flags::NO_CONFIGURATION)?;
    let doors = Doors::read(&config::load_without_secrets(file, environment)?)?;
    if let Some(address) = &doors.monitoring_addr {
        return page(&address.parse()?, None).await;
    }
    let address: Address = doors.http_addr.parse()?;
    let Some(files) = &doors.tls else {
        return page(&address, None).await;
    };
    match client_tls(files)? {
        Some(tls) => page(&address, Some(tls)).await,
        None => handshake(&address, files).await,
    }
}

/// What the server lets in; `None` if the server's own certificate, the only one at hand, is not
/// enough.
fn client_tls(files: &TlsFiles) -> Result<Option<ClientTls>> {
    let (cert, key) = (&files.cert, &files.key);
    let shown = match &files.client_ca {
        Some(ca) if !files.client_ca_optional => {
            if !tls::accepts_itself(cert, key, ca)? {
                return Ok(None);
            }
            Some((cert.as_path(), key.as_path()))
        }
        _ => None,
    };
    Ok(Some(ClientTls::pinned(cert, shown)?))
}

async fn page(address: &Address, tls: Option<ClientTls>) -> Result<String> {
    let check = probe::page(address, PAGE, tls);
    in_time(address, check).await?;
    Ok(format!("{} answers", address.reachable()))
}

async fn handshake(address: &Address, files: &TlsFiles) -> Result<String> {
    in_time(address, probe::glance(address, &files.cert)).await?;
    Ok(format!(
        "{} has its certificate; it tells more only to clients with another: set server.monitoring_addr to know more",
        address.reachable()
    ))
}

async fn in_time(address: &Address, check: impl Future<Output = Result<(), Unwell>>) -> Result<()> {
    let outcome = probe::within(probe::PATIENCE, check).await;
    outcome.with_context(|| address.reachable())
}
