//! What a program says of each setting that it knows.

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; numbers and booleans are taken as they are written (`port: 7899`).
    Text,
    /// A path, relative to the folder of the configuration file.
    Path,
    /// A whole number, as such or as text.
    Integer,
    /// A boolean, as such, as 0 or 1, or as one of the texts that Go accepts (`t`, `TRUE`, …).
    Boolean,
    /// A list of texts; a plain text is split at white space.
    List,
    /// A section that is read as a whole; environment variables do not reach into it.
    Map,
}

/// A setting that a program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its place in the file, in lower case: `server.http_addr`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether its value is never shown, neither in errors nor by `config check`. (The password
    /// inside a `db_url` is hidden in any case.)
    pub secret: bool,
    /// The environment variable that overrides it, if it has a name of its own; otherwise the name is
    /// made from the path.
    pub variable: Option<&'static str>,
    /// Whether the names in a [`Kind::Map`] keep their case; otherwise they have none.
    pub keeps_case: bool,
    /// One line on its meaning and its default, for `config check` and for errors.
    pub help: &'static str,
}

impl Key {
    /// A key whose value may be shown.
    #[must_use]
    pub const fn new(path: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            path,
            kind,
            secret: false,
            variable: None,
            keeps_case: false,
            help,
        }
    }

    /// The same key, with a value that is never shown.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    /// The same key, overridden by the environment variable of this name and by no other.
    #[must_use]
    pub const fn variable(self, name: &'static str) -> Self {
        Self {
            variable: Some(name),
            ..self
        }
    }

    /// The same key, with a section whose names keep their case, since others decide on them.
    #[must_use]
    pub const fn keeping_case(self) -> Self {
        Self {
            keeps_case: true,
            ..self
        }
    }

    /// The environment variable that overrides this key, if one does.
    ///
    /// It is made from the path and never taken apart again: `http_addr` has an underscore itself.
    pub(super) fn overriding_variable(&self, prefix: &str) -> Option<String> {
        let derived = || format!("{prefix}_{}", self.path.replace('.', "_").to_uppercase());
        (self.kind != Kind::Map).then(|| self.variable.map_or_else(derived, str::to_owned))
    }
}
