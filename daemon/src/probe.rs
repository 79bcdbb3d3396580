//! Asking a running program how it is, as health checks of containers do.

use std::{fmt, future::Future, io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    address::Address,
    tls::{ClientTls, Glance, connector},
};

/// How long a health check takes at most: less than container engines are told to wait, so that there is
/// time to say what is wrong.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// More than any health page: what comes beyond it is not read.
const PAGE: u64 = 64 * 1024;

/// Why a program is not well, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unwell(String);

impl Unwell {
    fn because(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// What `check` finds within `patience`.
///
/// # Errors
///
/// [`Unwell`] if it finds something wrong, or nothing in that time.
pub async fn within(
    patience: Duration,
    check: impl Future<Output = Result<(), Unwell>>,
) -> Result<(), Unwell> {
    timeout(patience, check)
        .await
        .unwrap_or_else(|_| Err(Unwell("it did not answer".to_owned())))
}

/// Whether `GET path` at `address` is answered with 200; over TLS, if there is `tls`.
///
/// # Errors
///
/// [`Unwell`] with what was answered instead.
pub async fn page(address: &Address, path: &str, tls: Option<ClientTls>) -> Result<(), Unwell> {
    let page = get(address, path, tls).await.map_err(Unwell::because)?;
    let parts = page.strip_prefix("HTTP/1.1 ");
    match parts.and_then(|page| page.split_once("\r\n\r\n")) {
        Some((head, _)) if head.starts_with("200 ") => Ok(()),
        Some((head, body)) => {
            let status = head.lines().next().unwrap_or_default();
            Err(Unwell(format!("it answers {status} {}", body.trim())))
        }
        None => Err(Unwell("its health page is no HTTP".to_owned())),
    }
}

/// One plain HTTP/1.1 request: a client library would be larger than what asks.
async fn get(address: &Address, path: &str, tls: Option<ClientTls>) -> io::Result<String> {
    let host = address.shown();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let stream = connect(address).await?;
    let Some(tls) = tls else {
        return exchange(stream, &request).await;
    };
    let mut config = (*tls.config()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name(address)?, stream).await?;
    exchange(stream, &request).await
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut page = Vec::new();
    // A peer that closes without saying so at the TLS level has still said all there is.
    match stream.take(PAGE).read_to_end(&mut page).await {
        Err(error) if page.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&page).into_owned()),
    }
}

/// Whether the gRPC `service` at `address` says that it is serving.
///
/// # Errors
///
/// [`Unwell`] with what it says instead.
pub async fn grpc(address: &Address, service: &str, tls: ClientTls) -> Result<(), Unwell> {
    let host = address.reachable_host().to_owned();
    let connector = connector(tls, host, address.port);
    let channel = Endpoint::from_static("http://health").connect_with_connector_lazy(connector);
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel).check(request).await;
    let status = answer
        .map_err(|status| Unwell::because(status.message()))?
        .into_inner()
        .status();
    match status {
        ServingStatus::Serving => Ok(()),
        other => Err(Unwell(format!("it says {}", other.as_str_name()))),
    }
}

/// Whether somebody at `address` has the first certificate of the PEM file `cert`, and its key. Nothing more
/// can be asked of a program that wants a certificate which one does not have.
///
/// # Errors
///
/// [`Unwell`] if nobody has.
pub async fn glance(address: &Address, cert: &Path) -> Result<(), Unwell> {
    let glance = Glance::new(cert).map_err(Unwell::because)?;
    let look = async { glance.at(name(address)?, connect(address).await?).await };
    look.await.map_err(Unwell::because)
}

async fn connect(address: &Address) -> io::Result<TcpStream> {
    TcpStream::connect((address.reachable_host(), address.port)).await
}

fn name(address: &Address) -> io::Result<ServerName<'static>> {
    ServerName::try_from(address.reachable_host().to_owned()).map_err(io::Error::other)
}

/// Says how a program is, in one line, and ends with status 0 if it is well and 1 if it is not.
pub fn tell(outcome: Result<String, impl fmt::Display>) -> ExitCode {
    match outcome {
        Ok(looked_at) => {
            println!("healthy: {looked_at}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("unhealthy: {reason:#}");
            ExitCode::FAILURE
        }
    }
}
