//! The way to the signer: TCP and TLS, each in bounded time, with certificates as they are now.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::Service;

use super::ClientTls;

/// How long the TCP connection may take, and then the TLS handshake.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long bytes may stay unacknowledged, or probes unanswered, before the connection counts as
/// lost. A machine that vanishes closes nothing, and the system would wait for a quarter of an
/// hour.
const SILENCE: Duration = Duration::from_secs(5);

/// Connects to one host with TLS, whatever address it is called with.
///
/// Made for tonic's `Endpoint::connect_with_connector_lazy`. The endpoint's own URI must say
/// `http`: with `https` tonic would want to do TLS itself.
#[derive(Clone, Debug)]
pub struct SignerConnector {
    tls: ClientTls,
    host: String,
    port: u16,
}

/// A connector to `host`, whose certificate must be made for that name (or address).
#[must_use]
pub fn connector(tls: ClientTls, host: String, port: u16) -> SignerConnector {
    SignerConnector { tls, host, port }
}

impl SignerConnector {
    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let Self { tls, host, port } = self;
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{host:?} is not a host name"),
            )
        })?;
        // Reads files, and may wait for a slow disk.
        let config = tokio::task::spawn_blocking(move || tls.config()).await?;
        let tcp = in_time("connecting", TcpStream::connect((host.as_str(), port))).await?;
        tcp.set_nodelay(true)?;
        notice_silence(&tcp)?;
        let tls = TlsConnector::from(config).connect(name, tcp);
        Ok(TokioIo::new(in_time("the TLS handshake", tls).await?))
    }
}

/// Has the system find out within seconds that the other end is gone, be the connection idle or
/// not. HTTP/2 pings are no way to that: a Notary 0.7 signer hangs up on clients that send them.
fn notice_silence(tcp: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    let probes = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(SILENCE / 5)
        .with_retries(5);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(SILENCE))
}

async fn in_time<T>(what: &str, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, step).await.unwrap_or_else(|_| {
        let text = format!("{what} took longer than {} seconds", PATIENCE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

impl Service<http::Uri> for SignerConnector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_is_noticed_on_an_idle_connection_and_on_a_busy_one() {
        let listener = tokio::net::TcpListener::bind("localhost:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        notice_silence(&tcp).unwrap();
        let socket = SockRef::from(&tcp);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), SILENCE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), SILENCE / 5);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 5);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(SILENCE));
    }
}
