//! Fetching one small document from one address.

use std::{fmt, path::Path, time::Duration};

use bytes::Bytes;
use daemon::{
    ClientTls,
    fetch::{Bounds, Client, document},
};
use http::{Request, header};
use url::Url;

/// What one document may cost.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(5),
    body: 1 << 20,
};

/// Where a document is.
pub(super) struct Address {
    url: Url,
    client: Client,
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
        let tls = match url.scheme() {
            "https" => Some(ClientTls::load(ca, None)?),
            _ => None,
        };
        let client = Client::new(tls, BOUNDS);
        Ok(Self { url, client })
    }

    /// The document as it is now.
    pub(super) async fn fetch(&self) -> anyhow::Result<Bytes> {
        let request = Request::get(self.url.as_str())
            .header(header::ACCEPT, "application/json, application/jwk-set+json")
            .header(header::USER_AGENT, "notary-server")
            .body(Bytes::new())?;
        Ok(document(self.client.send(request).await?)?)
    }
}
