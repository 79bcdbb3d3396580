//! What people paste.

use std::fmt;

use super::Setup;

/// The lines to paste into a shell, after which docker's content trust uses this service.
pub struct Instructions<'a>(pub &'a Setup);

impl fmt::Display for Instructions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.0.server;
        let shown = match self.0.hosts.iter().find(|name| !name.is_wildcard()) {
            Some(name) => server.with_host(name.as_str()).show(),
            None => server.show(),
        };
        let ca = quote(&self.0.place.ca.to_string_lossy());
        let folder = format!("~/.docker/tls/{shown}");
        writeln!(f, "export DOCKER_CONTENT_TRUST=1")?;
        writeln!(f, "export DOCKER_CONTENT_TRUST_SERVER=https://{shown}")?;
        write!(f, "mkdir -p {folder} && cp {ca} {folder}/ca.crt")
    }
}

/// `text` as one word of a shell.
pub(crate) fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte);
    if text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_path_with_a_blank_a_star_or_a_quote_is_one_word_to_the_shell() {
        assert_eq!(quote("/srv/trust/ca.crt"), "/srv/trust/ca.crt");
        assert_eq!(quote("*.example.com"), "'*.example.com'");
        assert_eq!(quote("/my trust/it's"), r"'/my trust/it'\''s'");
    }
}
