//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{
    body::{Body as _, Incoming},
    rt::Executor,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::Error as RustlsError;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use super::{
    Limits, Peer,
    activity::{Activity, Heard},
    believed::Believed,
    greeting::Greeted,
    outgoing::{Answer, Outgoing},
    watched::Watched,
};
use crate::tls::ServerTls;

/// How long the head of a request may be, in bytes; longer ones are answered with 431.
const MAX_HEAD: u16 = u16::MAX;

/// How much of the body of a request in HTTP/2 a client may send before it is read, and of all
/// bodies of a connection, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// How much of an answer is buffered for a stream of HTTP/2 beyond what is being written, in
/// bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How many streams of HTTP/2 a client may reset before they were looked at, and how many we may
/// have to reset because of its errors, before the connection ends.
const RESETS: usize = 20;
const ERROR_RESETS: usize = 100;

tokio::task_local! {
    /// Ends the stream of HTTP/2 that the task serves.
    static STREAM: CancellationToken;
}

/// What a connection is served with.
pub(super) struct Connection<S> {
    /// Present if the client is to speak TLS.
    pub(super) tls: Option<Arc<ServerTls>>,
    pub(super) app: S,
    pub(super) peer: Peer,
    pub(super) limits: Arc<Limits>,
    pub(super) outgoing: Arc<Outgoing>,
    /// Whether places for connections are scarce.
    pub(super) crowded: watch::Receiver<bool>,
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
            Some(tls) => self.run_tls(tcp, tls).await,
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
        let limit = self.hurry(self.limits.header);
        let opened = open_within(limit, self.peer.addr, &self.shutdown, greeting);
        if let Some((stream, http2)) = opened.await {
            self.serve(stream, http2, None).await;
        }
    }

    /// `limit`, or less while places are scarce.
    fn hurry(&self, limit: Duration) -> Duration {
        if *self.crowded.borrow() {
            limit.min(self.limits.crowded_idle)
        } else {
            limit
        }
    }

    async fn run_tls(mut self, tcp: TcpStream, tls: Arc<ServerTls>) {
        let config = tls.config();
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
            self.hurry(self.limits.handshake),
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
        let believed = Believed::new(tls, &self.peer.certificates);
        self.serve::<TlsStream<_>>(stream, http2, believed).await;
    }

    async fn serve<IO>(self, stream: IO, http2: bool, believed: Option<Arc<Believed>>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            app,
            peer,
            limits,
            outgoing,
            crowded,
            shutdown,
            ..
        } = self;
        let activity = Activity::new();
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity), &limits, http2));
        let addr = peer.addr;
        let share = if limits.is_trusted_proxy(addr.ip()) {
            // One client of a proxy must not hold up the others.
            limits.unread
        } else {
            outgoing.share()
        };
        let served = Arc::new(Served {
            peer,
            activity: Arc::clone(&activity),
            believed: believed.clone(),
            outgoing,
            share,
        });
        let service = hyper::service::service_fn(move |request| {
            answer(app.clone(), request, Arc::clone(&served))
        });
        let builder = builder(http2, limits.streams);
        let mut connection = pin!(builder.serve_connection(stream, service));
        let patience = tokio::select! {
            ended = connection.as_mut() => return tell_end(addr, ended),
            () = activity.cut.cancelled() => return,
            () = shutdown.cancelled() => None,
            () = wait_until_crowded_out(crowded, limits.crowded_idle, &activity) => {
                Some(limits.crowded_idle)
            }
            () = Believed::wait_until_lost(believed.as_ref()) => Some(limits.drain),
        };
        if !http2 && activity.is_untouched() {
            // hyper would wait for a first request.
            return;
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => tell_end(addr, ended),
            () = activity.cut.cancelled() => {}
            () = after(patience) => {}
        }
    }
}

fn tell_end(peer: SocketAddr, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "the connection broke");
    }
}

async fn after(patience: Option<Duration>) {
    match patience {
        Some(patience) => sleep(patience).await,
        None => pending().await,
    }
}

/// Waits until places are scarce and the connection has had no request for `limit`.
async fn wait_until_crowded_out(
    mut crowded: watch::Receiver<bool>,
    limit: Duration,
    activity: &Activity,
) {
    loop {
        if crowded.wait_for(|crowded| *crowded).await.is_err() {
            return pending().await;
        }
        match activity.idle_since() {
            Some(since) if since.elapsed() >= limit => return,
            Some(since) => sleep_until(since + limit).await,
            None => sleep(limit).await,
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
fn builder(http2: bool, streams: u32) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Watched` keeps this limit, and keeps it apart from that on idle connections.
        .header_read_timeout(None)
        .max_buf_size(usize::from(MAX_HEAD));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .max_header_list_size(u32::from(MAX_HEAD));
    if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    }
}

/// Runs the streams of an HTTP/2 connection, each so that it can be ended alone.
#[derive(Clone, Copy)]
struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = CancellationToken::new();
        tokio::spawn(STREAM.scope(cut.clone(), async move {
            // Dropping it resets the stream.
            cut.run_until_cancelled(stream).await;
        }));
    }
}

/// What all requests of a connection are answered with.
struct Served {
    peer: Peer,
    activity: Arc<Activity>,
    believed: Option<Arc<Believed>>,
    outgoing: Arc<Outgoing>,
    /// How many bytes may wait to be read before the next request is looked at.
    share: usize,
}

async fn answer<S>(
    app: S,
    request: Request<Incoming>,
    served: Arc<Served>,
) -> Result<Response<Answer>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let running = served.activity.begin();
    served.activity.until_read_to(served.share).await;
    let response = match refusal(&request, &served) {
        Some(refusal) => refusal,
        None => call(app, request, &served).await?,
    };
    let (head, body) = response.into_parts();
    let cut = STREAM.try_with(Clone::clone);
    let cut = cut.unwrap_or_else(|_| served.activity.cut.clone());
    Ok(match served.outgoing.admit(body, running, cut).await {
        Ok(answer) => Response::from_parts(head, answer),
        Err(running) => {
            tracing::debug!(peer = %served.peer.addr, "there was no room for an answer");
            let mut response = Response::new(Answer::empty(running));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
            response
        }
    })
}

async fn call<S>(
    app: S,
    request: Request<Incoming>,
    served: &Served,
) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let heard = |body: Incoming| {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Heard::new(body, Arc::clone(&served.activity)))
    };
    let mut request = request.map(heard);
    request.extensions_mut().insert(served.peer.clone());
    // Without this a panic would take all other requests of an HTTP/2 connection with it. It was
    // logged where it happened; what it left behind is dropped with the request.
    let answered = AssertUnwindSafe(app.oneshot(request)).catch_unwind().await;
    if let Ok(response) = answered {
        return response;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    Ok(response)
}

/// What to answer to a request that no program is to see.
fn refusal(request: &Request<Incoming>, served: &Served) -> Option<Response<Body>> {
    if !names_one_host(request.version(), request.headers()) {
        let text = "400 Bad Request: a request has exactly one valid Host header\n";
        return Some(closing(StatusCode::BAD_REQUEST, text));
    }
    if served
        .believed
        .as_ref()
        .is_some_and(|believed| !believed.holds())
    {
        let text = "401 Unauthorized: the client certificate is no longer accepted\n";
        return Some(closing(StatusCode::UNAUTHORIZED, text));
    }
    None
}

/// An answer after which nothing more is read, where the protocol allows to say so.
fn closing(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether it is clear which host a request is for (RFC 9112, 3.2): with two answers, a proxy
/// before this server may have taken another one. HTTP/2 names it elsewhere, and HTTP/1.0 need not.
fn names_one_host(version: Version, headers: &HeaderMap) -> bool {
    // What Go's server takes.
    let is_valid = |host: &HeaderValue| {
        let is_fine = |b: &u8| b.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(b);
        host.as_bytes().iter().all(is_fine)
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version != Version::HTTP_11,
        (Some(host), None) => is_valid(host),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_host() {
        let names = |version, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            names_one_host(version, &headers)
        };
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            assert!(names(version, &["example.com:4443"]), "{version:?}");
            assert!(names(version, &["[::1]:4443"]), "{version:?}");
            for hosts in [&["a", "a"][..], &["a", "b"], &["a b"], &["a/b"], &["a@b"]] {
                assert!(!names(version, hosts), "{version:?} {hosts:?}");
            }
            assert_eq!(names(version, &[]), version != Version::HTTP_11);
        }
    }
}
