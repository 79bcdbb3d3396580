//! What `config check` prints: every key, what it is in effect, and who said so.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{Origin, secret::HIDDEN};

use super::{Found, Key, Secrecy, Settings};

/// Stands for a part that must not be seen. Its length says nothing about the secret's.
const MASK: &str = "********";

impl Settings {
    /// Every key with its value and its source, a line each, without secrets.
    #[must_use]
    pub fn effective(&self) -> String {
        let mut lines = String::new();
        for key in self.keys {
            writeln!(lines, "{}", self.line(key)).expect("a String takes all that is written");
        }
        lines
    }

    /// `found`, the value of `path`, in quotes and without secrets.
    pub(super) fn shown(&self, path: &str, found: &Found) -> String {
        let secrecy = self.key(path).map_or(Secrecy::None, |key| key.secrecy);
        // What a file or a command says may be anything, were the wrong one named.
        if secrecy == Secrecy::Whole || found.origin.is_secret() {
            return HIDDEN.to_owned();
        }
        match (&found.value, secrecy) {
            (Value::String(url), Secrecy::Inside) => Value::from(without_password(url)).to_string(),
            (value, _) => masked(path, value).to_string(),
        }
    }

    fn line(&self, key: &Key) -> String {
        let path = key.path;
        match self.found.get(path) {
            None => format!("{path} is not set (default; {})", key.help),
            Some(found) => {
                let source = match &found.origin {
                    Origin::File(_) => "file".to_owned(),
                    Origin::Variable(name) => format!("environment, {name}"),
                    secret => secret.to_string(),
                };
                format!("{path} = {} ({source})", self.shown(path, found))
            }
        }
    }
}

/// `value` without the passwords that its name or its form gives away.
fn masked(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), masked(name, value)))
            .collect(),
        _ if name.contains("password") || name.contains("secret") => MASK.into(),
        other => other.clone(),
    }
}

/// A database URL without its password, in any of the forms that Notary takes: a URL, a DSN of
/// Go's MySQL driver, or libpq's `key=value` words. Where in doubt it hides more.
fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let credentials = url[start..]
        .rfind('@')
        .map_or("", |at| &url[start..start + at]);
    let mut shown = match credentials.find(':') {
        Some(colon) => {
            let end = start + credentials.len();
            format!("{}:{MASK}{}", &url[..start + colon], &url[end..])
        }
        None => url.to_owned(),
    };
    let mut from = 0;
    while let Some(at) = shown[from..].to_ascii_lowercase().find("password=") {
        let value = from + at + "password=".len();
        let end = value + length_of_value(&shown[value..]);
        shown.replace_range(value..end, MASK);
        from = value + MASK.len();
    }
    shown
}

/// How long the value at the start of `text` is: up to its closing quote, or a separator.
fn length_of_value(text: &str) -> usize {
    if !text.starts_with('\'') {
        return text
            .find(|c: char| c == '&' || c.is_whitespace())
            .unwrap_or(text.len());
    }
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn the_password_of_a_database_url_is_hidden_in_every_form() {
        for (url, shown) in [
            (
                "postgres://me:p@s/s@db:5432/x?sslmode=disable",
                "postgres://me:********@db:5432/x?sslmode=disable",
            ),
            (
                "me:pa:ss@w/rd@tcp(db:3306)/x?parseTime=True",
                "me:********@tcp(db:3306)/x?parseTime=True",
            ),
            (
                "host=db password='a \\' b' user=me",
                "host=db password=******** user=me",
            ),
            (
                "host=db user=me PASSWORD=a@b",
                "host=db user=me PASSWORD=********",
            ),
            (
                "postgres://db/x?password=abc&user=me",
                "postgres://db/x?password=********&user=me",
            ),
            ("me@unix(/run/db.sock)/x", "me@unix(/run/db.sock)/x"),
            ("/var/lib/notary.db", "/var/lib/notary.db"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
