//! The accept loop: TLS or plain, HTTP/1.1 and HTTP/2, limits in number and time, a graceful end.

mod activity;
mod believed;
mod bind;
mod connection;
mod greeting;
mod outgoing;
mod places;
mod reading;
mod watched;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
pub use bind::{BindError, bind};
use connection::Connection;
use http::{Request, Response};
use ipnet::IpNet;
use outgoing::Outgoing;
use places::{Place, Places};
use rustls_pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use crate::tls::ServerTls;

/// Who sent a request; an extension of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The other end of the TCP connection, which may be a proxy.
    pub addr: SocketAddr,
    /// The certificate that was shown and believed, its intermediates after it; empty where none
    /// was asked for.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// What a client may take up of the program.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time; more wait in the queue of the operating system.
    pub connections: usize,
    /// Connections of one address at a time. It counts only while more than four of five places are
    /// taken.
    pub connections_per_address: usize,
    /// Addresses that `connections_per_address` does not count for: behind them are many clients.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests at a time on a connection of HTTP/2.
    pub streams: u32,
    /// Bytes of all answers together that wait to be read, though the largest one may always be
    /// sent.
    pub unread: usize,
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request (or the start of the connection) to the end of its head.
    pub header: Duration,
    /// Without a byte either way; in HTTP/2, without a request that begins, moves on or ends. It
    /// must exceed the longest time that a request may take.
    pub idle: Duration,
    /// In the place of `idle` and `header` from when more than four of five places are taken until
    /// three of ten are free.
    pub crowded_idle: Duration,
    /// For a client that takes nothing of an answer.
    pub write: Duration,
    /// From the signal to end to cutting what still runs.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An idle connection with TLS occupies about 55 KiB.
            connections: 2000,
            connections_per_address: 1000,
            trusted_proxies: Vec::new(),
            streams: 32,
            unread: 64 << 20,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            crowded_idle: Duration::from_secs(5),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Whether many clients are behind `address`.
    fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|net| net.contains(&address))
    }
}

/// How long to wait after the operating system could not give us a connection.
const BACK_OFF: Duration = Duration::from_millis(500);

/// Serves `app` on `listener`, with TLS if there is any, until `shutdown`.
///
/// Then no connection is accepted any more, running requests are let finish, and what still runs
/// after `limits.drain` is cut. Plain HTTP sent to a TLS listener is answered with a hint.
pub async fn serve<S>(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    app: S,
    limits: Limits,
    shutdown: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let running = TaskTracker::new();
    let cut = CancellationToken::new();
    let limits = Arc::new(limits);
    let places = Places::new(Arc::clone(&limits));
    let outgoing = Outgoing::new(limits.unread);
    let next = || shutdown.run_until_cancelled(accept(&listener, &places));
    while let Some((tcp, addr, place)) = next().await {
        let connection = Connection {
            tls: tls.clone(),
            app: app.clone(),
            peer: Peer {
                addr,
                certificates: Vec::new(),
            },
            limits: Arc::clone(&limits),
            outgoing: Arc::clone(&outgoing),
            crowded: places.watch_crowding(),
            shutdown: shutdown.clone(),
        };
        let cut = cut.clone();
        running.spawn(async move {
            cut.run_until_cancelled(connection.run(tcp)).await;
            drop(place);
        });
    }
    drop(listener);
    running.close();
    if timeout(limits.drain, running.wait()).await.is_err() {
        tracing::warn!(connections = running.len(), "cut what was still running");
        cut.cancel();
        running.wait().await;
    }
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Places>) -> (TcpStream, SocketAddr, Place) {
    loop {
        let reserved = places.reserve().await;
        match listener.accept().await {
            Ok((tcp, addr)) => {
                if let Some(place) = places.give(reserved, addr.ip()) {
                    return (tcp, addr, place);
                }
            }
            Err(error) if is_of_the_client(&error) => {
                tracing::debug!(%error, "a client was gone before it was accepted");
            }
            Err(error) => {
                // Out of file descriptors or memory: asking again at once would only burn time.
                tracing::error!(%error, "no connection could be accepted");
                sleep(BACK_OFF).await;
            }
        }
    }
}

/// Whether only this one connection failed, so that the next can be accepted at once.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_file_descriptors_is_not_a_fault_of_the_client() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        assert!(!is_of_the_client(&io::Error::from_raw_os_error(EMFILE)));
        assert!(is_of_the_client(&io::Error::from_raw_os_error(
            ECONNABORTED
        )));
    }
}
