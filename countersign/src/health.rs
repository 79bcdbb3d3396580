//! Asks the two programs how they are, as their other clients would.

use std::{path::Path, time::Duration};

use daemon::{ClientTls, probe};

use crate::address::Address;

/// Whether the signer signs: its gRPC health, over mutual TLS with the server's own certificate.
pub async fn signer(address: &Address, data: &Path) -> Result<(), String> {
    let pair = (data.join("client.crt"), data.join("client.key"));
    let tls = ClientTls::load(Some(&data.join("ca.crt")), Some((&pair.0, &pair.1)))
        .map_err(|error| error.to_string())?;
    let check = probe::grpc(address, SIGNING, tls);
    let outcome = probe::within(PATIENCE, check).await;
    outcome.map_err(|unwell| unwell.to_string())
}

/// Whether the server serves: its health page, over TLS that the development CA vouches for.
pub async fn server(address: &Address, data: &Path) -> Result<(), String> {
    let tls =
        ClientTls::load(Some(&data.join("ca.crt")), None).map_err(|error| error.to_string())?;
    let check = probe::page(address, "/_notary_server/health", Some(tls));
    let outcome = probe::within(PATIENCE, check).await;
    outcome.map_err(|unwell| unwell.to_string())
}

/// The one service of the signer that everything rests on.
const SIGNING: &str = "grpc.health.v1.Health.Signer";
/// Longer than a signer needs to open a key at its first start in a debug build.
const PATIENCE: Duration = Duration::from_secs(10);
