//! `notary-signer health`: asks the running signer for its health, for health checks of containers.

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::Context;
use daemon::{
    Address, ClientTls, Settings, flags,
    logging::Causes,
    probe::{self, Unwell},
    tls,
};
use proto::SIGNER_HEALTH;

use crate::config::{ENVIRONMENT, Endpoints, SECTIONS};

/// The name of the command.
pub(crate) const NAME: &str = "health";

/// Where `server.metrics_addr` tells health.
const PAGE: &str = "/debug/health";

/// What the command line says of it.
pub(crate) fn command() -> clap::Command {
    clap::Command::new(NAME).about(
        "Ask the running signer of this configuration for its health; status 0 if it is healthy, 1 if not",
    )
}

/// Asks the signer that the configuration `file` describes.
pub(crate) async fn run(file: Option<&Path>, environment: Vec<(OsString, OsString)>) -> ExitCode {
    let outcome = ask(file, environment).await;
    probe::tell(outcome.map_err(|error| Causes(error.as_ref()).to_string()))
}

/// What was looked at, all being well.
async fn ask(
    file: Option<&Path>,
    environment: Vec<(OsString, OsString)>,
) -> anyhow::Result<String> {
    let file = file.context(flags::NO_CONFIGURATION)?;
    let settings = Settings::load_without_secrets(file, ENVIRONMENT, SECTIONS, environment)?;
    let endpoints = Endpoints::read(&settings)?;
    if let Some(address) = &endpoints.metrics {
        let address: Address = address.parse()?;
        in_time(&address, probe::page(&address, PAGE, None)).await?;
        return Ok(format!("{} answers", address.reachable()));
    }
    let address: Address = endpoints.listen.parse()?;
    let Some(tls) = client_tls(&endpoints)? else {
        in_time(&address, probe::glance(&address, &endpoints.cert)).await?;
        return Ok(format!(
            "{} has its certificate; it tells more only to clients with another: set \
             server.metrics_addr to know more",
            address.reachable()
        ));
    };
    in_time(&address, probe::grpc(&address, SIGNER_HEALTH, tls)).await?;
    Ok(format!("{} is serving", address.reachable()))
}

/// A client that the signer accepts; `None` if its own certificate, the only one here, is not
/// enough.
fn client_tls(endpoints: &Endpoints) -> anyhow::Result<Option<ClientTls>> {
    let (cert, key) = (&endpoints.cert, &endpoints.key);
    let shown = match &endpoints.client_ca {
        Some(ca) if !tls::accepts_itself(cert, key, ca)? => return Ok(None),
        Some(_) => Some((cert.as_path(), key.as_path())),
        None => None,
    };
    Ok(Some(ClientTls::pinned(cert, shown)?))
}

async fn in_time(
    address: &Address,
    check: impl Future<Output = Result<(), Unwell>>,
) -> anyhow::Result<()> {
    let outcome = probe::within(probe::PATIENCE, check).await;
    outcome.with_context(|| address.reachable())
}
