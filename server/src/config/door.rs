//! Who stands between the clients and this server, and what is kept from whom.

use std::net::IpAddr;

use authn::settings::{AuthenticationSettings, SchemeSettings};
use daemon::{Settings, SettingsError};
use ipnet::IpNet;
use url::Url;

use super::{TlsFiles, sections::Server};

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
        let server = Server::of(settings);
        Ok(Self {
            http_addr: super::http_addr(&server)?,
            tls: super::tls(&server)?,
            monitoring_addr: monitoring_addr(&server)?,
        })
    }
}

/// What clients call this server: `https://host[:port]`, without a slash at its end.
pub(super) fn public_url(server: &Server<'_>) -> Result<Option<String>, SettingsError> {
    let Some(text) = server.public_url.text() else {
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
        None => Err(server
            .public_url
            .invalid("https://HOST or https://HOST:PORT, without a path")),
    }
}

/// The proxies that are believed.
pub(super) fn trusted_proxies(server: &Server<'_>) -> Result<Vec<IpNet>, SettingsError> {
    let network = |text: String| {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| text.parse()).map_err(|_| {
            server.trusted_proxies.invalid(format_args!(
                "addresses such as 10.0.0.7 and networks such as 10.0.0.0/8; {text:?} is neither"
            ))
        })
    };
    let proxies = server.trusted_proxies.get()?;
    proxies.into_iter().map(network).collect()
}

/// How many connections an address may have while they are scarce: half, unless configured.
pub(super) fn connections_per_address(server: &Server<'_>) -> Result<usize, SettingsError> {
    let half = (server.max_connections.get()? / 2).max(1);
    Ok(server.max_connections_per_address.get()?.unwrap_or(half))
}

/// Refuses to be open by accident: to let everybody do everything, where the host makes this server
/// reachable for others, has to be written.
pub(super) fn refuse_open(
    server: &Server<'_>,
    authentication: &AuthenticationSettings,
) -> Result<(), SettingsError> {
    let others = published_addresses(server)?
        .into_iter()
        .find(|address| !address.to_canonical().is_loopback());
    match (others, &authentication.scheme) {
        (Some(address), SchemeSettings::None { is_written: false }) => Err(server.published_addresses.refuse(
            format_args!(
                "{address} is reachable from other machines, and the configuration has no authentication: everyone who reaches this server there could publish for everybody; set NOTARY_AUTH_FILE (or NOTARY_AUTH), or auth.type \"htpasswd\" or \"token\"; if everybody is meant to, say so with auth.type \"none\" (NOTARY_SERVER_AUTH_TYPE=none)"
            ),
        )),
        _ => Ok(()),
    }
}

/// Where the host makes this server reachable. Port mappings have IPv6 addresses in brackets.
fn published_addresses(server: &Server<'_>) -> Result<Vec<IpAddr>, SettingsError> {
    let address = |text: &str| {
        let bracketed = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let address = match bracketed {
            Some(text) => text.parse().map(IpAddr::V6),
            None => text.parse(),
        };
        address.map_err(|_| {
            server.published_addresses.invalid(format_args!(
                "IP addresses such as 127.0.0.1, ::1 or 0.0.0.0, parted by commas; {text:?} is none"
            ))
        })
    };
    let entries = server.published_addresses.get()?;
    let parts = entries.iter().flat_map(|entry| entry.split(','));
    let named = parts.map(str::trim).filter(|part| !part.is_empty());
    named.map(address).collect()
}

/// Where health and metrics are served apart from the rest.
pub(super) fn monitoring_addr(server: &Server<'_>) -> Result<Option<String>, SettingsError> {
    match server.monitoring_addr.text() {
        None => Ok(None),
        Some(address) if super::has_port(address) => Ok(Some(address.to_owned())),
        Some(_) => Err(server
            .monitoring_addr
            .invalid("HOST:PORT or :PORT, such as 127.0.0.1:9090")),
    }
}
