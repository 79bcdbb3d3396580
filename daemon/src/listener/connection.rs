//! One connection, from its first octet to its last.

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, panic::AssertUnwindSafe, pin::pin,
    sync::Arc, time::Duration,
};

use axum::body::Body;
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::{Error as RustlsError, ServerConfig};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use super::{
    Limits, Peer,
    greeting::Greeted,
    watched::{Activity, Answer, Running, Watched},
};

/// How long the head of a request may be, in octets; longer ones are answered with 431.
const MAX_HEAD: u16 = u16::MAX;

/// What a connection is served with.
pub(super) struct Connection<S> {
    /// Present if the client is to speak TLS.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) app: S,
    pub(super) peer: Peer,
    pub(super) limits: Limits,
    /// Cancelled when no further request is to be taken.
    pub(super) shutdown: CancellationToken,
}

impl<S> Connection<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    /// Serves requests until either side has enough.
    pub(super) async fn run(self, tcp: TcpStream) {
        let peer = self.peer.addr;
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the connection was gone before it was served");
            return;
        }
        match self.tls.clone() {
            Some(config) => self.run_tls(tcp, config).await,
            None => self.run_plain(tcp).await,
        }
    }

    async fn run_plain(self, tcp: TcpStream) {
        let greeting = async {
            let Some(mut greeted) = Greeted::wait_for(tcp).await? else {
                return Ok(None);
            };
            let http2 = greeted.is_http2().await?;
            Ok(Some((greeted, http2)))
        };
        let opened = open_within(self.limits.header, self.peer.addr, &self.shutdown, greeting);
        if let Some((stream, http2)) = opened.await {
            self.serve(stream, http2).await;
        }
    }

    async fn run_tls(mut self, tcp: TcpStream, config: Arc<ServerConfig>) {
        let handshake = async {
            match Greeted::wait_for(tcp).await? {
                None => Ok(None),
                Some(greeted) if greeted.is_plain_http() => {
                    greeted.refuse_plain_http().await.map(|()| None)
                }
                Some(greeted) => TlsAcceptor::from(config).accept(greeted).await.map(Some),
            }
        };
        let opened = open_within(
            self.limits.handshake,
            self.peer.addr,
            &self.shutdown,
            handshake,
        );
        let Some(stream) = opened.await else { return };
        let (_, session) = stream.get_ref();
        self.peer.certificates = session
            .peer_certificates()
            .map(|chain| {
                chain
                    .iter()
                    .map(|certificate| certificate.clone().into_owned())
                    .collect()
            })
            .unwrap_or_default();
        let http2 = session.alpn_protocol() == Some(b"h2");
        self.serve::<TlsStream<_>>(stream, http2).await;
    }

    async fn serve<IO>(self, stream: IO, http2: bool)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            app,
            peer,
            limits,
            shutdown,
            ..
        } = self;
        let activity = Arc::new(Activity::default());
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity), &limits, http2));
        let addr = peer.addr;
        let fresh = Arc::clone(&activity);
        let service = hyper::service::service_fn(move |request| {
            answer(app.clone(), request, peer.clone(), activity.begin())
        });
        let builder = builder(http2);
        let mut connection = pin!(builder.serve_connection(stream, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                if !http2 && fresh.is_untouched() {
                    // hyper would wait for a first request.
                    return;
                }
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %addr, %error, "the connection broke");
        }
    }
}

/// What `opening` comes to, unless that takes longer than `limit`, fails, or the program ends.
async fn open_within<T>(
    limit: Duration,
    peer: SocketAddr,
    shutdown: &CancellationToken,
    opening: impl Future<Output = io::Result<Option<T>>>,
) -> Option<T> {
    match shutdown
        .run_until_cancelled(timeout(limit, opening))
        .await?
    {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) if is_refusal(&error) => {
            // The client itself often learns no more than that it was refused.
            tracing::warn!(%peer, %error, "the client's certificate was refused");
            None
        }
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "the connection could not be opened");
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "the client took too long to begin");
            None
        }
    }
}

/// Says that the client is to blame, in a way that its operator should hear of.
fn is_refusal(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(
        cause,
        Some(RustlsError::InvalidCertificate(_) | RustlsError::NoCertificatesPresented)
    )
}

/// hyper for one of the two protocols: left to guess, it would ignore its own limits.
fn builder(http2: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Watched` keeps this limit, and keeps it apart from that on idle connections.
        .header_read_timeout(None)
        .max_buf_size(usize::from(MAX_HEAD));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::from(MAX_HEAD));
    if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    }
}

async fn answer<S>(
    app: S,
    request: Request<Incoming>,
    peer: Peer,
    running: Running,
) -> Result<Response<Answer>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    // Without this a panic would take all other requests of an HTTP/2 connection with it. It was
    // logged where it happened; what it left behind is dropped with the request.
    let answered = AssertUnwindSafe(app.oneshot(request)).catch_unwind().await;
    let response = if let Ok(response) = answered {
        response?
    } else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    };
    Ok(response.map(|body| Answer::new(body, running)))
}
