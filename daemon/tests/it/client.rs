//! A program to talk to, and clients that talk to it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router, body::Body, routing::get};
use daemon::{Limits, Peer, ServerTls, listener};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring::default_provider,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

pub(crate) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A listener with a small application behind it.
pub(crate) struct Daemon {
    pub(crate) addr: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) ended: JoinHandle<()>,
    /// Lets requests to `/wait` end.
    pub(crate) go_on: Arc<Notify>,
    /// Told when a request to `/wait` has begun.
    pub(crate) waiting: Arc<Notify>,
}

/// Limits short enough to wait for, and apart enough to be told from one another.
pub(crate) fn short() -> Limits {
    Limits {
        connections: 100,
        handshake: Duration::from_millis(300),
        header: Duration::from_millis(300),
        idle: Duration::from_secs(3),
        write: Duration::from_secs(3),
        drain: Duration::from_secs(10),
        ..Limits::default()
    }
}

impl Daemon {
    pub(crate) async fn start(tls: Option<Arc<ServerTls>>, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (go_on, waiting) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let app = app(Arc::clone(&go_on), Arc::clone(&waiting));
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(listener::serve(
            listener,
            tls,
            app,
            limits,
            shutdown.clone(),
        ));
        Self {
            addr,
            shutdown,
            ended,
            go_on,
            waiting,
        }
    }
}

fn app(go_on: Arc<Notify>, waiting: Arc<Notify>) -> Router {
    let wait = move || async move {
        waiting.notify_one();
        go_on.notified().await;
        "waited"
    };
    Router::new()
        .route("/", get(peer).post(|body: String| async move { body }))
        .route("/wait", get(wait))
        .route("/panic", get(|| async { panic!("on purpose") as String }))
        .route("/huge", get(|| async { "x".repeat(50_000_000) }))
        .route("/large", get(|| async { "x".repeat(2_000_000) }))
}

/// Says how many certificates the client showed.
async fn peer(Extension(peer): Extension<Peer>) -> String {
    assert!(peer.addr.ip().is_loopback());
    peer.certificates.len().to_string()
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) body: String,
}

/// Asks for `path` in HTTP/1.1 or, if `http2`, in HTTP/2.
pub(crate) async fn get_over(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    path: &str,
) -> Result<Answer, AnyError> {
    let request = Request::get(format!("http://localhost{path}")).header("host", "localhost");
    let request = request.body(Body::empty())?;
    let io = TokioIo::new(io);
    let response = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        let connection = tokio::spawn(connection);
        match sender.send_request(request).await {
            Ok(response) => response,
            // The connection knows better than the request why it failed.
            Err(error) => {
                connection.await??;
                return Err(error.into());
            }
        }
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection);
        sender.send_request(request).await?
    };
    read(response).await
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Answer, AnyError> {
    let (head, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    Ok(Answer {
        status: head.status,
        version: head.version,
        body,
    })
}

/// A connection on which one asks several times.
pub(crate) enum Session {
    One(hyper::client::conn::http1::SendRequest<Body>),
    Two(hyper::client::conn::http2::SendRequest<Body>),
}

impl Session {
    pub(crate) async fn open(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        http2: bool,
    ) -> Result<Self, AnyError> {
        let io = TokioIo::new(io);
        Ok(if http2 {
            let shake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
            let (sender, connection) = shake.await?;
            tokio::spawn(connection);
            Self::Two(sender)
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            Self::One(sender)
        })
    }

    /// The status of an answer; an error if the connection has ended.
    pub(crate) async fn get(&mut self) -> Result<StatusCode, AnyError> {
        let request = Request::get("http://localhost/").header("host", "localhost");
        let request = request.body(Body::empty())?;
        let response = match self {
            Self::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        Ok(read(response).await?.status)
    }
}

/// A TLS client that believes any server and shows `identity`.
pub(crate) fn trusting(
    identity: Option<CertifiedKey>,
    version: &'static SupportedProtocolVersion,
    http2: bool,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting));
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![if http2 {
        b"h2".to_vec()
    } else {
        b"http/1.1".to_vec()
    }];
    Arc::new(config)
}

pub(crate) async fn connect(
    addr: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, AnyError> {
    let tcp = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(config).connect(name, tcp).await?)
}

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
