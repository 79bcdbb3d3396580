//! Asks the two programs how they are, as their other clients would.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use daemon::ClientTls;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::address::Address;

/// Whether the signer signs: its gRPC health, over mutual TLS with the server's own certificate.
pub async fn signer(address: &Address, data: &Path) -> Result<(), String> {
    within(async {
        let pair = (data.join("client.crt"), data.join("client.key"));
        let tls = ClientTls::load(Some(&data.join("ca.crt")), Some((&pair.0, &pair.1)))
            .map_err(|error| error.to_string())?;
        let host = address.reachable_host().to_owned();
        let connector = daemon::tls::connector(tls, host, address.port);
        let channel = Endpoint::from_static("http://signer").connect_with_connector_lazy(connector);
        let request = HealthCheckRequest {
            service: SIGNING.to_owned(),
        };
        let answer = HealthClient::new(channel).check(request).await;
        let status = answer
            .map_err(|status| status.message().to_owned())?
            .into_inner()
            .status();
        match status {
            ServingStatus::Serving => Ok(()),
            other => Err(format!("it says {}", other.as_str_name())),
        }
    })
    .await
}

/// Whether the server serves: its health page, over TLS that the development CA vouches for.
pub async fn server(address: &Address, data: &Path) -> Result<(), String> {
    within(async {
        let tls =
            ClientTls::load(Some(&data.join("ca.crt")), None).map_err(|error| error.to_string())?;
        let mut config = (*tls.config()).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let page = get(address, config)
            .await
            .map_err(|error| error.to_string())?;
        match page.split_once("\r\n\r\n") {
            Some((head, _)) if head.starts_with("HTTP/1.1 200 ") => Ok(()),
            Some((_, body)) => Err(format!("it says {}", body.trim())),
            None => Err("its health page is no HTTP".to_owned()),
        }
    })
    .await
}

/// The one service of the signer that everything rests on.
const SIGNING: &str = "grpc.health.v1.Health.Signer";
/// Longer than a signer needs to open a key at its first start in a debug build.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any health page: what comes beyond it is not read.
const PAGE: u64 = 64 * 1024;

async fn within(check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    timeout(PATIENCE, check)
        .await
        .unwrap_or_else(|_| Err("it did not answer".to_owned()))
}

/// One plain HTTP/1.1 request: a client library would be larger than this program.
async fn get(address: &Address, config: rustls::ClientConfig) -> std::io::Result<String> {
    let host = address.reachable_host();
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let stream = TcpStream::connect((host, address.port)).await?;
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    let request = format!(
        "GET /_notary_server/health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        address.shown()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut page = Vec::new();
    // A peer that closes without saying so at the TLS level has still said all there is.
    match stream.take(PAGE).read_to_end(&mut page).await {
        Err(error) if page.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&page).into_owned()),
    }
}
