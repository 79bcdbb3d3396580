//! The accept loop: TLS or plain, HTTP/1.1 and HTTP/2, limits in number and time, a graceful end.

mod bind;
mod connection;
mod greeting;
mod watched;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{Request, Response};
use rustls_pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use crate::tls::ServerTls;

pub use bind::{BindError, bind};

use connection::Connection;

/// Who sent a request; an extension of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The other end of the TCP connection, which may be a proxy.
    pub addr: SocketAddr,
    /// The certificate that was shown and believed, its intermediates after it; empty where none was
    /// asked for.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// What a client may take up of the program.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more wait in the queue of the operating system.
    pub connections: usize,
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// From the first octet of a request (or the start of the connection) to the end of its head.
    pub header: Duration,
    /// Without an octet either way. It must exceed the longest time that a request may take.
    pub idle: Duration,
    /// From the signal to end to cutting what still runs.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            drain: Duration::from_secs(30),
        }
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
    let places = Arc::new(Semaphore::new(limits.connections));
    let next = || shutdown.run_until_cancelled(accept(&listener, &places));
    while let Some((tcp, addr, place)) = next().await {
        let connection = Connection {
            tls: tls.as_ref().map(|tls| tls.config()),
            app: app.clone(),
            peer: Peer {
                addr,
                certificates: Vec::new(),
            },
            limits,
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
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((tcp, addr)) => return (tcp, addr, place),
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
