//! Requests to other servers: bounded in time and size, and over TLS where the address says so.
//!
//! Each request has a connection of its own. What programs ask others for is small and rare, and a
//! new connection uses the addresses and certificates as they are now.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
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

/// Which addresses a client connects to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All.
    #[default]
    Anywhere,
    /// Those that [`is_public`] takes for public. It is the address of the connection that counts,
    /// not what a name was resolved to at another time.
    Public,
}

/// Sends requests to other servers.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Option<ClientTls>,
    bounds: Bounds,
    reach: Reach,
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
    /// All addresses of the host are outside of what the client may connect to.
    #[error("{0:?} leads to a private address, to which connections are not allowed")]
    Private(String),
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
        Self {
            tls,
            bounds,
            reach: Reach::default(),
        }
    }

    /// The same client, within `reach`.
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// Sends `request`, whose URI is absolute, and reads the whole answer. Redirects are answers.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        self.send_and_read(request, Wanted::All).await
    }

    /// The same for a caller to whom the status says everything: nothing of the body is read.
    pub async fn send_for_status(&self, request: Request<Bytes>) -> Result<StatusCode, FetchError> {
        let answer = self.send_and_read(request, Wanted::Status).await?;
        Ok(answer.status())
    }

    async fn send_and_read(
        &self,
        request: Request<Bytes>,
        wanted: Wanted,
    ) -> Result<Response<Bytes>, FetchError> {
        let Bounds { time, .. } = self.bounds;
        // Boxed: the state of a TLS handshake and of HTTP is large.
        let answer = timeout(time, Box::pin(self.connect_and_send(request, wanted))).await;
        answer.unwrap_or(Err(FetchError::Slow(time)))
    }

    async fn connect_and_send(
        &self,
        mut request: Request<Bytes>,
        wanted: Wanted,
    ) -> Result<Response<Bytes>, FetchError> {
        let server = Server::of(request.uri())?;
        server.address(&mut request);
        let tcp = self.connect(&server).await?;
        if !server.is_secure {
            return self.exchange(tcp, request, wanted).await;
        }
        let Some(tls) = self.tls.clone() else {
            return Err(FetchError::NoTls(server.host));
        };
        let stream = handshake(tls, server.host, tcp).await;
        self.exchange(stream.map_err(FetchError::Tls)?, request, wanted)
            .await
    }

    /// Connects to the first address of the server that answers, of those within reach.
    async fn connect(&self, server: &Server) -> Result<TcpStream, FetchError> {
        let found = lookup_host((server.host.as_str(), server.port)).await;
        let is_within = |address: &SocketAddr| match self.reach {
            Reach::Anywhere => true,
            Reach::Public => is_public(address.ip()),
        };
        let mut failure = None;
        for address in found.map_err(FetchError::Connect)?.filter(is_within) {
            match TcpStream::connect(address).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => failure = Some(FetchError::Connect(error)),
            }
        }
        Err(failure.unwrap_or_else(|| FetchError::Private(server.host.clone())))
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Bytes>,
        wanted: Wanted,
    ) -> Result<Response<Bytes>, FetchError> {
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(FetchError::Answer)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(request.map(Full::new)).await;
        let (head, body) = answer.map_err(FetchError::Answer)?.into_parts();
        if wanted == Wanted::Status {
            return Ok(Response::from_parts(head, Bytes::new()));
        }
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

/// What is read of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Status,
    All,
}

/// Whether packets to `address` leave the networks of the operator: it is no address of this
/// machine, of a private network, of a link or of a group, and is in no range that is set aside
/// (RFC 6890). Of an IPv6 address that stands for an IPv4 address, the latter counts.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_set_aside = matches!(
        (a, b, c),
        // "This" network, carriers' networks, protocols, 6to4 relays, benchmarks, reserved.
        (0 | 240..=255, ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _)
    );
    !(is_set_aside
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
    };
    match address.segments() {
        // IPv4, mapped or translated.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            inner(high, low)
        }
        // 6to4.
        [0x2002, high, low, ..] => inner(high, low),
        // Protocols (Teredo among them), documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // All that is given out to networks.
        [first, ..] => first & 0xe000 == 0x2000,
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

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn addresses_of_the_operators_own_networks_are_told_from_public_ones() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
