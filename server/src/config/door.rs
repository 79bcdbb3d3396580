//! Who stands between the clients and this server, and what is kept from whom.

use std::net::IpAddr;

use daemon::{Settings, SettingsError};
use ipnet::IpNet;
use url::Url;

use super::TlsFiles;

/// Where this server can be asked how it is.
#[derive(Clone, Debug)]
pub struct Doors {
    /// Where it listens.
    pub http_addr: String,
    /// HTTPS, or plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Where health and metrics are, if not with the rest.
    pub monitoring_addr: Option<String>,
}

impl Doors {
    /// Reads just these of `settings`.
    ///
    /// # Errors
    ///
    /// The first of them that makes no sense.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            http_addr: super::http_addr(settings)?,
            tls: super::tls(settings)?,
            monitoring_addr: monitoring_addr(settings)?,
        })
    }
}

/// What clients call this server: `https://host[:port]`, without a slash at its end.
pub(super) fn public_url(settings: &Settings) -> Result<Option<String>, SettingsError> {
    const KEY: &str = "server.public_url";
    let Some(text) = settings.text(KEY) else {
        return Ok(None);
    };
    let origin = Url::parse(text).ok().filter(|url| {
        url.scheme() == "https"
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    match origin {
        Some(url) => Ok(Some(url.origin().ascii_serialization())),
        None => Err(settings.invalid(KEY, "https://HOST or https://HOST:PORT, without a path")),
    }
}

/// The proxies that are believed.
pub(super) fn trusted_proxies(settings: &Settings) -> Result<Vec<IpNet>, SettingsError> {
    const KEY: &str = "server.trusted_proxies";
    let network = |text: String| {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse()).map_err(|_| {
            settings.invalid(
                KEY,
                format_args!("addresses such as 10.0.0.7 and networks such as 10.0.0.0/8; {text:?} is neither"),
            )
        })
    };
    settings.list(KEY)?.into_iter().map(network).collect()
}

/// Where health and metrics are served apart from the rest.
pub(super) fn monitoring_addr(settings: &Settings) -> Result<Option<String>, SettingsError> {
    const KEY: &str = "server.monitoring_addr";
    match settings.text(KEY) {
        None => Ok(None),
        Some(address) if super::has_port(address) => Ok(Some(address.to_owned())),
        Some(_) => Err(settings.invalid(KEY, "HOST:PORT or :PORT, such as 127.0.0.1:9090")),
    }
}

/// How many keys one address may have made in a minute; 0: any number.
pub(super) fn key_requests_per_minute(settings: &Settings) -> Result<u32, SettingsError> {
    let number = settings.integer_in("server.key_requests_per_minute", 0..=1_000_000, 600)?;
    Ok(u32::try_from(number).expect("the range fits"))
}
