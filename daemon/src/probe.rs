//! Asking a running program how it is, as health checks of containers do.

use std::{fmt, future::Future, io, path::Path, process::ExitCode, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    address::Address,
    fetch::{Bounds, Client, FetchError},
    tls::{ClientTls, Glance, connector},
};

/// How long a health check takes at most: less than container engines are told to wait, so that
/// there is time to say what is wrong.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// More than any health page needs.
const BOUNDS: Bounds = Bounds {
    time: PATIENCE,
    body: 64 * 1024,
};

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
    let scheme = if tls.is_some() { "https" } else { "http" };
    let request = Request::get(format!("{scheme}://{}{path}", address.reachable()))
        .header(header::HOST, address.show())
        .body(Bytes::new())
        .map_err(Unwell::because)?;
    let answer = Client::new(tls, BOUNDS).send(request).await?;
    if answer.status() == StatusCode::OK {
        return Ok(());
    }
    let (status, body) = (answer.status(), String::from_utf8_lossy(answer.body()));
    Err(Unwell(format!("it answers {status} {}", body.trim())))
}

impl From<FetchError> for Unwell {
    /// Without the cures: the address is that of a program of this machine.
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Connect(cause) | FetchError::Tls(cause) => Self::because(cause),
            FetchError::Slow(_) => Self("it did not answer".to_owned()),
            other => Self::because(other),
        }
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

/// Whether the program at `address` has the first certificate of the PEM file `cert`, and its key.
/// Nothing more can be asked of a program that wants a certificate which one does not have.
///
/// # Errors
///
/// [`Unwell`] if it has not.
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
