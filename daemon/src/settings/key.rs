//! What a program says of each setting that it knows.

use super::variables;

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

/// How much of a value is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Nothing. (What is called a password in a section is hidden all the same.)
    None,
    /// The password in a database's URL.
    Inside,
    /// Everything.
    Whole,
}

/// A setting that a program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its place in the file, in lower case: `server.http_addr`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How much of its value is shown, in errors and by `config check`.
    pub secrecy: Secrecy,
    /// The environment variable that overrides it, if it has a name of its own; otherwise the name is
    /// made from the path.
    pub variable: Option<&'static str>,
    /// Whether the names in a [`Kind::Map`] keep their case; otherwise they have none.
    pub keeps_case: bool,
    /// The names in a [`Kind::Map`] that have an environment variable each.
    pub members: &'static [&'static str],
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
            secrecy: Secrecy::None,
            variable: None,
            keeps_case: false,
            members: &[],
            help,
        }
    }

    /// The same key, with a value that is never shown.
    ///
    /// Beside the value itself, a file may be named that holds it, or a command that prints it: see
    /// [`secret`](crate::secret).
    #[must_use]
    pub const fn secret(self) -> Self {
        Self {
            secrecy: Secrecy::Whole,
            ..self
        }
    }

    /// The same key, with a URL that may have a password in it, which is not shown; otherwise as
    /// [`secret`](Self::secret).
    #[must_use]
    pub const fn secret_inside(self) -> Self {
        Self {
            secrecy: Secrecy::Inside,
            ..self
        }
    }

    /// The same key, with a section in which each of these names has an environment variable that
    /// overrides it.
    #[must_use]
    pub const fn members(self, members: &'static [&'static str]) -> Self {
        Self { members, ..self }
    }

    /// Whether its value may come from a file or a command. Sections are in the configuration file alone.
    pub(super) fn has_sources(&self) -> bool {
        self.secrecy != Secrecy::None && self.kind != Kind::Map
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
        let derived = || variables::derived(prefix, self.path);
        (self.kind != Kind::Map).then(|| self.variable.map_or_else(derived, str::to_owned))
    }
}
