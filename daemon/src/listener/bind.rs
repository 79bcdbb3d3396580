//! Opening a port.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, lookup_host};

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address is not of the form `HOST:PORT`. Go's words, which Notary's operators know.
    #[error(
        "address {0}: missing port in address; accepted: HOST:PORT or :PORT, such as 127.0.0.1:4443"
    )]
    NoPort(String),
    /// What stands for the port is no number from 0 to 65535.
    #[error("address {0}: invalid port; accepted: HOST:PORT or :PORT, such as 127.0.0.1:4443")]
    BadPort(String),
    /// The host has no address.
    #[error("listen tcp {address}: the host is not known: {source}")]
    UnknownHost {
        /// As configured.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Another program, or another one of us, has the port.
    #[error("listen tcp {0}: bind: address already in use; another program listens there")]
    InUse(String),
    /// The port is one of those that only the superuser may open.
    #[error(
        "listen tcp {0}: bind: permission denied; ports below 1024 need the right to open them (CAP_NET_BIND_SERVICE)"
    )]
    Forbidden(String),
    /// Anything else, such as an address of another machine.
    #[error("listen tcp {address}: bind: {source}")]
    Other {
        /// As configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on `address`: `HOST:PORT`, or `:PORT` for all addresses of the machine, of IPv6 and
/// IPv4.
///
/// # Errors
///
/// [`BindError`] says in one sentence what is wrong with the address.
pub async fn bind(address: &str) -> Result<TcpListener, BindError> {
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| BindError::NoPort(address.to_owned()))?;
    let port: u16 = port
        .parse()
        .map_err(|_| BindError::BadPort(address.to_owned()))?;
    let mut failure = None;
    for candidate in candidates(address, host, port).await? {
        match TcpListener::bind(candidate).await {
            Ok(listener) => return Ok(listener),
            // What is wrong with the address that was preferred is what is to be mended.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(explain(
        address,
        failure.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)),
    ))
}

async fn candidates(address: &str, host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    if host.is_empty() {
        // The IPv6 one takes IPv4 as well; the other is for machines without IPv6.
        return Ok(vec![
            SocketAddr::from(([0_u16; 8], port)),
            SocketAddr::from(([0_u8; 4], port)),
        ]);
    }
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let found = lookup_host((host, port)).await;
    let mut found: Vec<_> = found
        .map_err(|source| BindError::UnknownHost {
            address: address.to_owned(),
            source,
        })?
        .collect();
    // As Go does for a name that has both: the older clients only try 127.0.0.1 for localhost.
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

fn explain(address: &str, error: io::Error) -> BindError {
    let address = address.to_owned();
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        io::ErrorKind::PermissionDenied => BindError::Forbidden(address),
        _ => BindError::Other {
            address,
            source: error,
        },
    }
}
