//! Fetching one small document from one address, over HTTP/1.1 and TLS, and nothing more: redirects are
//! not followed, and nothing is kept.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use daemon::ClientTls;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Url;

/// From the first packet to the last.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest document taken, in bytes.
const LARGEST: usize = 1 << 20;

/// Where a document is, and whom to believe that it is there.
pub(super) struct Address {
    url: Url,
    host: String,
    port: u16,
    /// `None`: plain HTTP.
    tls: Option<ClientTls>,
}

/// Without the query, in which there may be a token.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(without_query(self.url.as_str()))
    }
}

/// `url` as it may be shown.
#[must_use]
pub fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

impl Address {
    /// The address `url`, whose certificate the authorities in the file `ca` vouch for, or those of
    /// the system.
    pub(super) fn new(url: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let url = Url::parse(url)?;
        let host = url.host_str().context("the address has no host")?;
        let tls = match url.scheme() {
            "https" => Some(ClientTls::load(ca, None)?),
            _ => None,
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url
                .port_or_known_default()
                .context("the address has no port")?,
            url,
            tls,
        })
    }

    /// The document as it is now.
    pub(super) async fn fetch(&self) -> anyhow::Result<Vec<u8>> {
        let fetched = timeout(PATIENCE, self.connect_and_ask()).await;
        fetched.with_context(|| format!("no answer within {} seconds", PATIENCE.as_secs()))?
    }

    async fn connect_and_ask(&self) -> anyhow::Result<Vec<u8>> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await;
        let tcp = tcp.context("connecting failed")?;
        let Some(tls) = &self.tls else {
            return self.ask(tcp).await;
        };
        let tls = tls.clone();
        // Reads files, and may wait for a slow disk.
        let config = tokio::task::spawn_blocking(move || tls.config()).await?;
        let mut config = (*config).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(self.host.clone())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        self.ask(stream.await.context("the TLS handshake failed")?)
            .await
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> anyhow::Result<Vec<u8>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let answer = async {
            let answer = sender.send_request(self.request()?).await?;
            check_status(answer.status())?;
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body =
                body.map_err(|error| anyhow::anyhow!("reading the answer failed: {error}"))?;
            anyhow::Ok(body.to_bytes().to_vec())
        };
        let answer = answer.await;
        connection.abort();
        answer
    }

    fn request(&self) -> anyhow::Result<Request<Empty<Bytes>>> {
        let target = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = Request::get(target)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json, application/jwk-set+json")
            .header(header::USER_AGENT, "notary-server");
        Ok(request.body(Empty::new())?)
    }
}

fn check_status(status: StatusCode) -> anyhow::Result<()> {
    if status.is_redirection() {
        bail!(
            "the answer is a redirect ({status}), which is not followed: write the address it leads to"
        );
    }
    ensure!(status == StatusCode::OK, "the answer is {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use axum::body::Body;
    use axum::response::Response;
    use daemon::{Limits, ServerTls, listener};
    use tempfile::TempDir;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A certificate for `localhost` that vouches for itself, and its key.
    fn pair(folder: &TempDir, name: &str) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let path = |end: &str| folder.path().join(format!("{name}.{end}"));
        fs::write(path("crt"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("crt"), path("key"))
    }

    #[tokio::test]
    async fn a_document_is_taken_only_from_whom_the_authority_vouches_for() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pair(&folder, "provider");
        let (stranger, _) = pair(&folder, "stranger");
        let tls = ServerTls::load(&certificate, &key, None).unwrap();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let host = move |request: Request<Body>| async move {
            let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(host)))
        };
        tokio::spawn(listener::serve(
            socket,
            Some(tls),
            tower::service_fn(host),
            Limits::default(),
            CancellationToken::new(),
        ));

        let url = format!("https://localhost:{port}/keys");
        let address = Address::new(&url, Some(&certificate)).unwrap();
        let document = address.fetch().await.unwrap();
        assert_eq!(document, format!("localhost:{port}").as_bytes());

        let wary = Address::new(&url, Some(&stranger)).unwrap();
        let error = format!("{:#}", wary.fetch().await.unwrap_err());
        assert!(error.contains("the TLS handshake failed"), "{error}");

        let by_address = Address::new(&url.replace("localhost", "127.0.0.1"), Some(&certificate));
        assert!(by_address.unwrap().fetch().await.is_err(), "another name");

        let missing = folder.path().join("missing.crt");
        assert!(Address::new(&url, Some(&missing)).is_err());
    }
}
