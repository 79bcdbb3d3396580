//! What clients call a service.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::pki;

/// A host name, with or without a leading `*.`, or an IP address, as certificates have them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// What a client could not call a service, though a certificate would take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    text: String,
    why: &'static str,
}

impl Name {
    /// As it stands in a certificate: in small letters, addresses in their shortest form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for many names, none of which it says.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        // As addresses are written in URLs.
        let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        if bare.unwrap_or(name).parse::<IpAddr>().is_ok() {
            return Ok(Self(pki::host_name(bare.unwrap_or(name))));
        }
        match fault(name) {
            Some(why) => Err(InvalidName {
                text: name.to_owned(),
                why,
            }),
            None => Ok(Self(pki::host_name(name))),
        }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, why } = self;
        write!(
            f,
            "{text:?} is not what a client can call a server: {why}. Write names such as trust.example.com and \
             addresses such as 192.0.2.1 or ::1, with commas between them (docker-compose: NAMES in `.env`)"
        )
    }
}

impl std::error::Error for InvalidName {}

/// Why `name`, which is no address, is no name.
fn fault(name: &str) -> Option<&'static str> {
    let host = name.strip_prefix("*.").unwrap_or(name);
    let labels: Vec<_> = host.split('.').collect();
    if name.is_empty() {
        Some("a name between two commas is missing")
    } else if !name.is_ascii() {
        Some("write it in its registered form, xn--…")
    } else if name.contains("://") {
        Some("leave out `://` and everything before the name")
    } else if name.contains('/') {
        Some("leave out `/` and everything after it")
    } else if has_port(name) {
        Some("leave out the port")
    } else if host.contains('*') || (host != name && labels.len() < 2) {
        Some("`*.` may stand only at the beginning, before two labels or more")
    } else if host.len() > 253 || !labels.iter().all(|label| is_label(label)) {
        Some(
            "each part between dots has 1 to 63 letters, digits, `-` or `_`, with no `-` at its ends",
        )
    } else if labels.iter().all(|label| is_number(label))
        || labels.last().is_some_and(|it| is_number(it))
    {
        Some("it ends like an address, and is not one")
    } else {
        None
    }
}

fn has_port(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(host, port)| {
        let is_one = !host.contains(':') || host.ends_with(']');
        is_one && is_number(port)
    })
}

fn is_label(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&text.len())
        && text.bytes().all(is_plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{InvalidName, Name};

    fn parse(text: &str) -> Result<String, InvalidName> {
        text.parse::<Name>().map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_and_addresses_are_taken_as_certificates_have_them() {
        for (text, expected) in [
            (" Trust.Example.com ", "trust.example.com"),
            ("localhost", "localhost"),
            ("my_registry", "my_registry"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("*.example.com", "*.example.com"),
            ("192.0.2.1", "192.0.2.1"),
            ("0:0::1", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_no_client_can_call_a_server_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "between two commas"),
            ("  ", "between two commas"),
            ("https://trust.example.com", "before the name"),
            ("host:8443", "the port"),
            ("[::1]:8443", "the port"),
            ("192.0.2.1:443", "the port"),
            ("10.0.0.0/8", "leave out `/`"),
            ("a b", "each part"),
            ("a\nb", "each part"),
            ("trust.example.com.", "each part"),
            ("-trust.example.com", "each part"),
            ("a..b", "each part"),
            ("fe80::1%eth0", "each part"),
            ("[trust]", "each part"),
            ("bücher.example", "xn--"),
            ("10.0.0.256", "ends like an address"),
            ("1234", "ends like an address"),
            ("*", "`*.` may stand"),
            ("*.com", "`*.` may stand"),
            ("a.*.example.com", "`*.` may stand"),
            ("a*.example.com", "`*.` may stand"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.contains("such as trust.example.com"), "{error}");
            assert!(error.starts_with(&format!("{:?}", text.trim())), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_name_is_its_own_name(text in "\\PC{0,40}|[a-z0-9.:*\\[\\]/-]{0,80}") {
            if let Ok(name) = parse(&text) {
                prop_assert_eq!(parse(&name), Ok(name));
            }
        }
    }
}
