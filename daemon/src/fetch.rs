//! Requests to other servers: bounded in time and size, and over TLS where the address says so.
//!
//! Each request has a connection of its own. What programs ask others for is small and rare, and a
//! new connection uses the addresses and certificates as they are now.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::task::AbortOnDropHandle;

use crate::{logging::Causes, tls::ClientTls};

/// What one request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The time from the first packet to the last.
    pub time: Duration,
    /// The size of the answer's body, in bytes.
    pub body: usize,
}

/// Sends requests to other servers.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Option<ClientTls>,
    bounds: Bounds,
}

/// Why a request has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The request does not say whom to ask.
    #[error("{0:?} is not the address of a server; write http://HOST/PATH or https://HOST/PATH")]
    Address(String),
    /// It says `https`, and the client was made without TLS.
    #[error("certificates to check {0:?} with are missing; name a file of authorities")]
    NoTls(String),
    /// There is no TCP connection.
    #[error("connecting failed: {0}; check the address, and that this machine may reach it")]
    Connect(io::Error),
    /// The server is not the one that was asked, or speaks another protocol.
    #[error(
        "the TLS handshake failed: {0}; check that an authority which is trusted here signed the \
         certificate, and that it is made for the name in the address"
    )]
    Tls(io::Error),
    /// The connection broke, or what came back is not HTTP.
    #[error("reading the answer failed: {}", Causes(.0))]
    Answer(hyper::Error),
    /// The body exceeds [`Bounds::body`].
    #[error("the answer has more than {0} bytes; check that the address is the right one")]
    TooLarge(usize),
    /// The server took longer than [`Bounds::time`].
    #[error("no answer within {} seconds", .0.as_secs())]
    Slow(Duration),
    /// The answer sends the client elsewhere.
    #[error("the answer is a redirect ({0}), which is not followed: write the address it leads to")]
    Redirect(StatusCode),
    /// The answer is not the document.
    #[error("the answer is {0}")]
    Status(StatusCode),
}

impl Client {
    /// A client that is ready for `https` if it has `tls`.
    #[must_use]
    pub fn new(tls: Option<ClientTls>, bounds: Bounds) -> Self {
        Self { tls, bounds }
    }

    /// Sends `request`, whose URI is absolute, and reads the whole answer. Redirects are answers.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let Bounds { time, .. } = self.bounds;
        // Boxed: the state of a TLS handshake and of HTTP is large.
        let answer = timeout(time, Box::pin(self.connect_and_send(request))).await;
        answer.unwrap_or(Err(FetchError::Slow(time)))
    }

    async fn connect_and_send(
        &self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        let server = Server::of(request.uri())?;
        server.address(&mut request);
        let tcp = TcpStream::connect((server.host.as_str(), server.port)).await;
        let tcp = tcp.map_err(FetchError::Connect)?;
        if !server.is_secure {
            return self.exchange(tcp, request).await;
        }
        let Some(tls) = self.tls.clone() else {
            return Err(FetchError::NoTls(server.host));
        };
        let stream = handshake(tls, server.host, tcp).await;
        self.exchange(stream.map_err(FetchError::Tls)?, request)
            .await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(FetchError::Answer)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(request.map(Full::new)).await;
        let (head, body) = answer.map_err(FetchError::Answer)?.into_parts();
        let body = Limited::new(body, self.bounds.body).collect().await;
        let body = body.map_err(|error| self.body_error(error))?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    fn body_error(&self, error: Box<dyn std::error::Error + Send + Sync>) -> FetchError {
        match error.downcast::<hyper::Error>() {
            Ok(error) => FetchError::Answer(*error),
            Err(other) => {
                debug_assert!(other.is::<LengthLimitError>(), "{other}");
                FetchError::TooLarge(self.bounds.body)
            }
        }
    }
}

/// The body of an answer that says 200.
pub fn document(answer: Response<Bytes>) -> Result<Bytes, FetchError> {
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        status if status.is_redirection() => Err(FetchError::Redirect(status)),
        status => Err(FetchError::Status(status)),
    }
}

async fn handshake(
    tls: ClientTls,
    host: String,
    tcp: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    // Reads files, and may wait for a slow disk.
    let config = tokio::task::spawn_blocking(move || tls.config()).await?;
    let mut config = (*config).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// The server that a URI names.
struct Server {
    is_secure: bool,
    /// Without brackets.
    host: String,
    port: u16,
    /// As it stands in the URI, without credentials.
    header: HeaderValue,
}

impl Server {
    fn of(uri: &Uri) -> Result<Self, FetchError> {
        // The path and the query are left out: there may be a token in them.
        let unusable = || FetchError::Address(uri.authority().map_or(String::new(), host_and_port));
        let authority = uri.authority().ok_or_else(unusable)?;
        let (is_secure, default_port) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(unusable()),
        };
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(unusable());
        }
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(default_port),
            header: HeaderValue::try_from(host_and_port(authority)).map_err(|_| unusable())?,
        })
    }

    /// Writes the request as this server expects it: a path, and a `Host`.
    fn address(&self, request: &mut Request<Bytes>) {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.unwrap_or(PathAndQuery::from_static("/")).into();
        let headers = request.headers_mut();
        let host = headers.entry(header::HOST);
        host.or_insert_with(|| self.header.clone());
    }
}

fn host_and_port(authority: &http::uri::Authority) -> String {
    let text = authority.as_str();
    let place = text.rsplit_once('@').map_or(text, |(_, place)| place);
    place.to_owned()
}
