//! What `config check` prints: every key, what it is in effect, and who said so.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Found, Key, Secrecy, Settings};
use crate::{Origin, secret::HIDDEN};

/// Stands for a password. Its length says nothing about the password's.
const MASK: &str = "********";

impl Settings {
    /// What is set, with its value and its source, a line each, without secrets.
    #[must_use]
    pub fn effective(&self) -> String {
        self.lines(|key| self.found.contains_key(key.path))
    }

    /// Every setting with its value and its source or default, a line each, without secrets.
    #[must_use]
    pub fn effective_with_defaults(&self) -> String {
        self.lines(|_| true)
    }

    fn lines(&self, is_wanted: impl Fn(&Key) -> bool) -> String {
        let mut lines = String::new();
        for key in self.keys().filter(|key| is_wanted(key)) {
            writeln!(lines, "{}", self.line(key)).expect("a String takes all that is written");
        }
        lines
    }

    /// `found`, the value of `path` that is not as it should be, in quotes. A URL that is wrong may
    /// have its password anywhere, or be one: nothing is seen of it.
    pub(super) fn show_wrong(&self, path: &str, found: &Found) -> String {
        match self.secrecy(path, found) {
            Secrecy::None => mask(path, &found.value).to_string(),
            Secrecy::Inside(_) | Secrecy::Whole => HIDDEN.to_owned(),
        }
    }

    /// `found`, the value of `path`, in quotes and without secrets.
    fn show(&self, path: &str, found: &Found) -> String {
        match (self.secrecy(path, found), &found.value) {
            (Secrecy::None, value) => mask(path, value).to_string(),
            (Secrecy::Inside(show), Value::String(text)) => {
                show(text).map_or_else(|| HIDDEN.to_owned(), |text| Value::from(text).to_string())
            }
            (Secrecy::Inside(_) | Secrecy::Whole, _) => HIDDEN.to_owned(),
        }
    }

    /// How much of `found`, the value of `path`, is secret.
    fn secrecy(&self, path: &str, found: &Found) -> Secrecy {
        // What a file or a command says may be anything, were the wrong one named.
        if found.origin.is_secret() {
            return Secrecy::Whole;
        }
        self.key(path).map_or(Secrecy::Whole, |key| key.secrecy)
    }

    fn line(&self, key: &Key) -> String {
        let path = key.path;
        match self.found.get(path) {
            None => match key.describe_default() {
                Some(default) => format!("{path} = {default} (default)"),
                None => format!("{path} is not set"),
            },
            Some(found) => {
                let source = match &found.origin {
                    Origin::File(_) => "file".to_owned(),
                    Origin::Variable(name) => format!("environment, {name}"),
                    secret => secret.to_string(),
                };
                format!("{path} = {} ({source})", self.show(path, found))
            }
        }
    }
}

/// `value` without the passwords that its name or its form gives away.
fn mask(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), mask(name, value)))
            .collect(),
        _ if name.contains("password") || name.contains("secret") => MASK.into(),
        other => other.clone(),
    }
}
