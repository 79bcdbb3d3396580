//! Where a program listens, and how the same machine reaches it.

use std::{fmt, net::IpAddr, str::FromStr};

/// A listen address as Notary's configuration files spell it: `HOST:PORT`, the host may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name, an IP address without brackets, or empty for all addresses.
    pub host: String,
    /// Never 0: people are told the port before anything listens.
    pub port: u16,
}

/// The text is not `HOST:PORT`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address to listen on; write HOST:PORT, such as 127.0.0.1:4443")]
pub struct InvalidAddress(String);

impl Address {
    /// The host under which this machine reaches the program.
    #[must_use]
    pub fn reachable_host(&self) -> &str {
        match self.ip() {
            _ if self.host.is_empty() => "127.0.0.1",
            Some(ip) if ip.is_unspecified() && ip.is_ipv6() => "::1",
            Some(ip) if ip.is_unspecified() => "127.0.0.1",
            _ => &self.host,
        }
    }

    /// The host that people write: `localhost` for every address that leads back to this machine.
    #[must_use]
    pub fn show_host(&self) -> &str {
        match self.reachable_host().parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => "localhost",
            _ => &self.host,
        }
    }

    /// `HOST:PORT` as people write it, with brackets round an IPv6 address.
    #[must_use]
    pub fn show(&self) -> String {
        with_port(self.show_host(), self.port)
    }

    /// The same port on another host.
    #[must_use]
    pub fn with_host(&self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: self.port,
        }
    }

    /// `HOST:PORT` to connect to from this machine.
    #[must_use]
    pub fn reachable(&self) -> String {
        with_port(self.reachable_host(), self.port)
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_port(&self.host, self.port))
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(invalid)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let valid = match bare {
            Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.bytes().all(plain),
        };
        if valid {
            Ok(Self {
                host: host.to_owned(),
                port,
            })
        } else {
            Err(invalid())
        }
    }
}

fn with_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in [
            "127.0.0.1:4443",
            ":4443",
            "[::1]:4443",
            "localhost:7899",
            "0.0.0.0:1",
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in [
            "foo",
            "foo:",
            "foo:0",
            "foo:70000",
            "::1:4443",
            "[foo]:1",
            "a b:1",
            "x/y:1",
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("127.0.0.1:4443"));
        }
    }

    #[test]
    fn people_read_localhost_wherever_that_is_what_it_is() {
        for (text, shown, reachable) in [
            ("127.0.0.1:4443", "localhost:4443", "127.0.0.1:4443"),
            (":4443", "localhost:4443", "127.0.0.1:4443"),
            ("0.0.0.0:4443", "localhost:4443", "127.0.0.1:4443"),
            ("[::]:4443", "localhost:4443", "[::1]:4443"),
            ("trust.lan:4443", "trust.lan:4443", "trust.lan:4443"),
            ("[fd00::1]:4443", "[fd00::1]:4443", "[fd00::1]:4443"),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(
                (address.show().as_str(), address.reachable().as_str()),
                (shown, reachable)
            );
        }
    }
}
