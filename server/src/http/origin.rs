//! Where a request comes from, and under which address it reached this server.
//!
//! Any client can send `X-Forwarded-…`. These headers count only on connections from proxies that
//! the operator named, and of a list only what the last of them added.

use std::net::{IpAddr, Ipv4Addr};

use daemon::Peer;
use http::{HeaderMap, HeaderValue, header, request::Parts as Head, uri::Authority};
use ipnet::IpNet;

/// The two ends of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The client's address, trusted proxies seen through. 0.0.0.0 if there was no connection.
    pub(super) address: IpAddr,
    /// Whether a trusted proxy passed the request on, so that the connection is not the client's
    /// own.
    pub(super) is_proxied: bool,
    /// The host that the client named, as it was sent.
    host: Option<Host>,
    /// The scheme that a trusted proxy was reached by, as it says.
    scheme: Option<HeaderValue>,
    /// Whether the listener itself speaks TLS.
    is_tls: bool,
}

/// Where the name of a host stands; shares the memory of the request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// At the end of a list.
    Header(HeaderValue),
    /// In the target of the request.
    Target(Authority),
}

impl Host {
    fn text(&self) -> &str {
        match self {
            Self::Header(list) => last_of(list).unwrap_or_default(),
            Self::Target(authority) => authority.as_str(),
        }
    }
}

/// What an operator says about the way to this server.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Proxies that are believed.
    pub(super) trusted_proxies: &'a [IpNet],
    /// Whether the listener itself speaks TLS.
    pub(super) is_tls: bool,
}

impl Origin {
    pub(super) fn of(head: &Head, around: Surroundings<'_>) -> Self {
        let peer = head
            .extensions
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| {
                peer.addr.ip().to_canonical()
            });
        let is_proxied = is_trusted(peer, around.trusted_proxies);
        let address = is_proxied.then(|| find_forwarded(&head.headers, around.trusted_proxies));
        Self {
            address: address.flatten().unwrap_or(peer),
            is_proxied,
            host: host(head, is_proxied),
            scheme: last_line(&head.headers, "x-forwarded-proto")
                .filter(|_| is_proxied)
                .cloned(),
            is_tls: around.is_tls,
        }
    }

    /// What the client reached this server as, `https://host:port`: `public_url`, or else what the
    /// request says. Empty if it named no host: whatever is made of it then leads nowhere.
    ///
    /// Clients send passwords to where a challenge leads them. So plain HTTP is named only if a
    /// trusted proxy says so, or on this very machine: a proxy that was not configured has taken the
    /// TLS off.
    pub(super) fn site(&self, public_url: Option<&str>) -> String {
        if let Some(url) = public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let host = self.host.as_ref().map(Host::text);
        let Some(host) = host.filter(|host| is_host(host)) else {
            return String::new();
        };
        let is_plain = match self.scheme.as_ref().and_then(last_of) {
            Some(scheme) => scheme.eq_ignore_ascii_case("http"),
            None => !self.is_tls && is_loopback(host),
        };
        let scheme = if is_plain { "http" } else { "https" };
        format!("{scheme}://{host}")
    }
}

fn is_trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|net| net.contains(&address))
}

/// The client that a trusted proxy names: the last in the list that is not such a proxy itself,
/// since what stands before it was written by strangers. `None` if there is none, or the list makes
/// no sense.
fn find_forwarded(headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    if !headers.contains_key("x-forwarded-for") {
        return address(last(headers, "x-real-ip")?);
    }
    let mut nearest = None;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        for entry in line.to_str().ok()?.rsplit(',') {
            let found = address(entry)?;
            if !is_trusted(found, proxies) {
                return Some(found);
            }
            nearest = Some(found);
        }
    }
    nearest
}

/// An address as proxies write it: with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || {
        text.parse()
            .ok()
            .map(|addr: std::net::SocketAddr| addr.ip())
    };
    let address = text.parse().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

/// The host that a request names.
fn host(head: &Head, is_proxied: bool) -> Option<Host> {
    let header = |name| last_line(&head.headers, name).cloned().map(Host::Header);
    let forwarded = is_proxied.then(|| header("x-forwarded-host")).flatten();
    forwarded
        .or_else(|| head.uri.authority().cloned().map(Host::Target))
        .or_else(|| header(header::HOST.as_str()))
}

/// The last value of a list, which the nearest proxy added.
fn last<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    last_of(last_line(headers, name)?)
}

/// The last line of a header, if it is text.
fn last_line<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h HeaderValue> {
    let line = headers.get_all(name).iter().next_back()?;
    line.to_str().is_ok().then_some(line)
}

fn last_of(line: &HeaderValue) -> Option<&str> {
    line.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// Whether this is a host, with or without a port, and nothing that means more in an address.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| !port.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_name = |host: &str| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let is_literal = literal.is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
    text.len() <= 255 && port.is_none_or(is_port) && (is_literal || is_name(host))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn head(peer: &str, headers: &[(&str, &str)]) -> Head {
        let mut request = Request::get("/v2/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        head.extensions.insert(Peer {
            addr: (peer.parse::<IpAddr>().unwrap(), 1).into(),
            certificates: Vec::new(),
        });
        head
    }

    fn behind_proxies(peer: &str, headers: &[(&str, &str)]) -> Origin {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let around = Surroundings {
            trusted_proxies: &proxies,
            is_tls: false,
        };
        Origin::of(&head(peer, headers), around)
    }

    fn address_of(peer: &str, headers: &[(&str, &str)]) -> String {
        behind_proxies(peer, headers).address.to_string()
    }

    #[test]
    fn a_stranger_is_not_believed_what_address_it_has() {
        let headers = [("x-forwarded-for", "1.1.1.1"), ("x-real-ip", "1.1.1.1")];
        assert_eq!(address_of("9.9.9.9", &headers), "9.9.9.9");
    }

    #[test]
    fn of_a_list_the_last_address_counts_that_is_no_proxy() {
        for (list, expected) in [
            ("1.1.1.1, 2.2.2.2, 10.0.0.7", "2.2.2.2"),
            ("1.1.1.1,2.2.2.2", "2.2.2.2"),
            ("nonsense, 2.2.2.2", "2.2.2.2"),
            ("10.0.0.9, 10.0.0.7", "10.0.0.9"),
            ("2.2.2.2:4711", "2.2.2.2"),
            ("[2001:db8::1]:4711, fd00::1", "2001:db8::1"),
            ("::ffff:2.2.2.2, ::ffff:10.0.0.7", "2.2.2.2"),
        ] {
            let found = address_of("10.0.0.1", &[("x-forwarded-for", list)]);
            assert_eq!(found, expected, "{list}");
        }
    }

    #[test]
    fn a_list_in_several_lines_is_one_list() {
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2, 10.0.0.7"),
        ];
        assert_eq!(address_of("10.0.0.1", &lines), "2.2.2.2");
    }

    #[test]
    fn a_list_that_makes_no_sense_counts_for_nothing() {
        for list in ["unknown", "", "2.2.2.2, ", "2.2.2.2, x"] {
            let found = address_of("10.0.0.1", &[("x-forwarded-for", list)]);
            assert_eq!(found, "10.0.0.1", "{list}");
        }
    }

    #[test]
    fn a_proxy_may_name_the_client_as_the_real_one() {
        assert_eq!(
            address_of("fd00::2", &[("x-real-ip", "2.2.2.2")]),
            "2.2.2.2"
        );
        assert_eq!(address_of("fd00::2", &[("x-real-ip", "?")]), "fd00::2");
    }

    #[test]
    fn an_address_of_the_old_kind_is_one_however_it_came_in() {
        assert_eq!(address_of("::ffff:9.9.9.9", &[]), "9.9.9.9");
        let proxied = address_of("::ffff:10.0.0.1", &[("x-real-ip", "2.2.2.2")]);
        assert_eq!(proxied, "2.2.2.2");
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let network = |peer| authn::network(behind_proxies(peer, &[]).address).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("9.9.9.9"), "9.9.9.9");
    }

    fn site_of(peer: &str, headers: &[(&str, &str)]) -> String {
        behind_proxies(peer, headers).site(None)
    }

    #[test]
    fn passwords_are_asked_for_over_tls_unless_it_is_this_machine() {
        for (host, expected) in [
            ("notary.example.com:4443", "https://notary.example.com:4443"),
            ("localhost:4443", "http://localhost:4443"),
            ("127.0.0.1", "http://127.0.0.1"),
            ("[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(site_of("9.9.9.9", &[("host", host)]), expected);
        }
    }

    #[test]
    fn a_trusted_proxy_says_what_the_client_reached() {
        let headers = [
            ("host", "inside:80"),
            ("x-forwarded-host", "evil.example.com, notary.example.com"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(site_of("10.0.0.1", &headers), "https://notary.example.com");
        assert_eq!(site_of("9.9.9.9", &headers), "https://inside:80");
        let plain = [("host", "inside:80"), ("x-forwarded-proto", "http")];
        assert_eq!(site_of("10.0.0.1", &plain), "http://inside:80");
        assert_eq!(site_of("9.9.9.9", &plain), "https://inside:80");
    }

    #[test]
    fn a_host_that_is_none_is_not_passed_on() {
        for host in [
            "",
            "a b",
            "a/b",
            "user@host",
            "a\"b",
            "a:b",
            "a:0",
            "a:99999",
            "[::1",
            "[x]:1",
            "a?b",
        ] {
            assert_eq!(site_of("9.9.9.9", &[("host", host)]), "", "{host}");
        }
    }

    #[test]
    fn what_the_operator_says_beats_everything() {
        let around = Surroundings {
            trusted_proxies: &[],
            is_tls: true,
        };
        let origin = Origin::of(&head("9.9.9.9", &[("host", "other")]), around);
        let site = origin.site(Some("https://notary.example.com/"));
        assert_eq!(site, "https://notary.example.com");
    }

    proptest! {
        #[test]
        fn no_header_panics(list in "[0-9a-f:., \\[\\]]{0,40}", host in "[a-z0-9:.\\[\\]@/ -]{0,20}") {
            let headers = [
                ("x-forwarded-for", list.as_str()),
                ("x-forwarded-host", host.as_str()),
            ];
            let _ = behind_proxies("10.0.0.1", &headers);
        }
    }
}
