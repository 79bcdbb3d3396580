//! The forms in which servers of databases are named.

mod mysql;
mod postgres;
mod shown;

use std::{borrow::Cow, fs::File, path::PathBuf};

pub(crate) use mysql::MySqlUrl;
use percent_encoding::percent_decode_str;
pub(crate) use postgres::PostgresUrl;
pub use shown::without_secrets;

use crate::{Backend, DatabaseError};

/// Whether `url` has the address of a DSN of Go's `MySQL` driver.
fn has_go_address(url: &str) -> bool {
    ["tcp(", "tcp4(", "tcp6(", "unix("].iter().any(|net| {
        url.starts_with(net) || url.contains(&format!("@{net}")) || url.contains(&format!("/{net}"))
    })
}

/// A file that a URL names, and the parameter that names it.
#[derive(Clone, Debug)]
pub(crate) struct NamedFile {
    pub(crate) parameter: &'static str,
    pub(crate) path: PathBuf,
}

impl NamedFile {
    /// Checks that the file can be read: the drivers say neither which one it is nor that it is a
    /// file.
    pub(crate) fn check(&self) -> Result<(), DatabaseError> {
        let opened = File::open(&self.path);
        opened.map(drop).map_err(|error| DatabaseError::Unreadable {
            parameter: self.parameter,
            file: self.path.clone(),
            error,
        })
    }
}

/// Says what is wrong with a URL.
fn wrong(backend: Backend, problem: impl Into<String>) -> DatabaseError {
    DatabaseError::ServerUrl {
        backend,
        problem: problem.into(),
    }
}

/// The parts of a `scheme://user:password@host:port/name?key=value` URL, `%XX` undone. It has no
/// `Debug`: the password is one of them.
#[derive(Default)]
struct Parts {
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    name: String,
    parameters: Vec<(String, String)>,
}

impl Parts {
    /// Takes `rest`, what follows `scheme://`, apart.
    fn parse(backend: Backend, rest: &str) -> Result<Self, DatabaseError> {
        let text = |text: &str| decode(text).map_err(|problem| wrong(backend, problem));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        let is_place = !authority.contains(':') || host_and_port(authority).is_some();
        if query.contains('@') && !authority.contains('@') && !(is_place && rest.contains('/')) {
            // Half of the password would be taken for the address.
            return Err(wrong(backend, "a `?` in user or password is written `%3F`"));
        }
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        if name.contains('@') {
            // Half of the password would be taken for the name, and be in every message.
            return Err(wrong(backend, "a `/` in user or password is written `%2F`"));
        }
        let mut parts = Self {
            name: text(name)?,
            ..Self::default()
        };
        if let Some(credentials) = credentials {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (credentials, None),
            };
            parts.user = Some(text(user)?).filter(|user| !user.is_empty());
            parts.password = password.map(text).transpose()?;
        }
        let (host, port) = host_and_port(place)
            .ok_or_else(|| wrong(backend, "its port is not a number below 65536"))?;
        parts.host = text(host)?;
        parts.port = port;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            parts.parameters.push((text(key)?, text(value)?));
        }
        Ok(parts)
    }
}

/// `host:port`, `[::1]:port`, `::1` or `host`; `None` if the port is none.
fn host_and_port(place: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return match port.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => port.is_empty().then_some((host, None)),
        };
    }
    match place.rsplit_once(':') {
        // Anything else with several colons may be a password that lacks its `@`.
        Some((host, _)) if host.contains(':') => is_ipv6(place).then_some((place, None)),
        Some((host, "")) => Some((host, None)),
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((place, None)),
    }
}

/// Whether `place` is an IPv6 address, with or without a zone.
fn is_ipv6(place: &str) -> bool {
    let address = place.split('%').next().unwrap_or_default();
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Undoes `%XX`.
pub(crate) fn decode(text: &str) -> Result<String, &'static str> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err("a `%` in it is not followed by two hex digits");
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| "it is not UTF-8")
}
