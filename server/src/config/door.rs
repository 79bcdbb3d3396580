//! Who stands between the clients and this server, and what is kept from whom.

use std::net::IpAddr;

use authn::settings::{AuthenticationSettings, SchemeSettings};
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

/// How many connections are served at once.
pub(super) fn connections(settings: &Settings, default: i64) -> Result<usize, SettingsError> {
    let number = settings.integer_in("server.max_connections", 1..=1_000_000, default)?;
    Ok(usize::try_from(number).expect("the range is positive"))
}

/// How many of them an address may have while places are scarce: half, unless something else is said.
pub(super) fn connections_per_address(
    settings: &Settings,
    default: i64,
) -> Result<usize, SettingsError> {
    let half = (connections(settings, default)? / 2).max(1);
    let half = i64::try_from(half).expect("the range is small");
    let key = "server.max_connections_per_address";
    let number = settings.integer_in(key, 1..=1_000_000, half)?;
    Ok(usize::try_from(number).expect("the range is positive"))
}

/// Refuses to be open by accident: to let everybody do everything, where the host makes this server reachable
/// for others, has to be written.
pub(super) fn refuse_open(
    settings: &Settings,
    authentication: &AuthenticationSettings,
) -> Result<(), SettingsError> {
    let others = published_addresses(settings)?
        .into_iter()
        .find(|address| !address.to_canonical().is_loopback());
    match (others, &authentication.scheme) {
        (Some(address), SchemeSettings::None { is_written: false }) => Err(settings.refused(
            PUBLISHED,
            format_args!(
                "{address} is reachable from other machines, and the configuration has no authentication: whoever reaches this server there could publish for everybody; set NOTARY_AUTH_FILE (or NOTARY_AUTH), or auth.type \"htpasswd\" or \"token\"; if everybody is meant to, say so with auth.type \"none\" (NOTARY_SERVER_AUTH_TYPE=none)"
            ),
        )),
        _ => Ok(()),
    }
}

const PUBLISHED: &str = "server.published_addresses";

/// Where the host makes this server reachable. Port mappings have IPv6 addresses in brackets.
fn published_addresses(settings: &Settings) -> Result<Vec<IpAddr>, SettingsError> {
    let address = |text: &str| {
        let bracketed = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let address = match bracketed {
            Some(text) => text.parse().map(IpAddr::V6),
            None => text.parse(),
        };
        address.map_err(|_| {
            settings.invalid(
                PUBLISHED,
                format_args!(
                    "IP addresses such as 127.0.0.1, ::1 or 0.0.0.0, parted by commas; {text:?} is none"
                ),
            )
        })
    };
    let entries = settings.list(PUBLISHED)?;
    let parts = entries.iter().flat_map(|entry| entry.split(','));
    let named = parts.map(str::trim).filter(|part| !part.is_empty());
    named.map(address).collect()
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
