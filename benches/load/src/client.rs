//! One client: HTTP/1.1 over TLS, as docker and notary speak it.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use fixtures::multipart;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, client::Resumption};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// One for all requests.
    Kept,
    /// A new one for each request, with a full handshake, as docker makes them.
    New,
}

/// A way to one server.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    host: String,
    tls: TlsConnector,
}

/// A client of one server.
pub(crate) struct Client {
    target: Target,
    connections: Connections,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Target {
    /// The server at `address`, whose certificate `authority` vouches for.
    pub(crate) fn new(address: SocketAddr, authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&fs::read(authority)?) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Docker's clients keep no sessions.
        config.resumption = Resumption::disabled();
        Ok(Self {
            address,
            host: format!("localhost:{}", address.port()),
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(crate) fn client(&self, connections: Connections) -> Client {
        Client {
            target: self.clone(),
            connections,
            open: None,
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = self.tls.connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

impl Client {
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        let request = self.request(Method::GET, path).body(Full::default())?;
        self.send(request).await
    }

    /// Sends an upload into the repository `gun`.
    pub(crate) async fn publish(&mut self, gun: &str, upload: Bytes) -> Result<Answer> {
        static BOUNDARY: LazyLock<String> = LazyLock::new(|| multipart(&[]).0);
        let request = self
            .request(Method::POST, &format!("/v2/{gun}/_trust/tuf/"))
            .header(CONTENT_TYPE, BOUNDARY.as_str())
            .body(Full::new(upload))?;
        self.send(request).await
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.target.host)
    }

    /// The open connection, if there is one and the server has not closed it.
    async fn sender(&mut self) -> Result<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.open.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let mut sender = self.target.connect().await.context("cannot connect")?;
        sender.ready().await?;
        Ok(sender)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let mut sender = self.sender().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        if self.connections == Connections::Kept {
            self.open = Some(sender);
        }
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The body of a 200.
    pub(crate) fn ok(self) -> Result<Bytes> {
        ensure!(
            self.status == 200,
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body[..self.body.len().min(300)])
        );
        Ok(self.body)
    }
}
