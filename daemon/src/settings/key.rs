//! What a program says of each setting that it knows.

use super::{Held, variables};

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

/// What may be shown of a value that has a secret in it; `None` if nothing.
pub type Show = fn(&str) -> Option<String>;

/// How much of a value is secret.
#[derive(Clone, Copy, Debug)]
pub enum Secrecy {
    /// Nothing. (What is called a password in a section is hidden all the same.)
    None,
    /// A part, which the function leaves out; it shows nothing at all of a value that it does not
    /// understand.
    Inside(Show),
    /// Everything.
    Whole,
}

/// What a setting is if it is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This number.
    Number(i64),
    /// On or off.
    Switch(bool),
    /// This text.
    Text(&'static str),
    /// What the program makes of other settings, in words.
    Described(&'static str),
}

/// A setting that a program knows.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its place in the file, in lower case: `server.http_addr`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// How much of its value is shown, in errors and by `config check`.
    pub secrecy: Secrecy,
    /// The environment variable that overrides it, if it has a name of its own; otherwise the name
    /// is made from the path.
    pub variable: Option<&'static str>,
    /// Whether the names in a [`Kind::Map`] keep their case; otherwise they are lowered.
    pub keeps_case: bool,
    /// The names in a [`Kind::Map`] that have an environment variable each.
    pub members: &'static [&'static str],
    /// What it is if it is not set.
    pub default: Option<Default>,
    /// The least and the greatest number accepted.
    pub range: Option<(i64, i64)>,
    /// What a number counts: `seconds`.
    pub unit: Option<&'static str>,
    /// The manual, in Markdown: what it does, and which values are refused.
    pub manual: &'static str,
}

impl Key {
    /// A key whose value may be shown.
    #[must_use]
    pub const fn new(path: &'static str, kind: Kind, manual: &'static str) -> Self {
        Self {
            path,
            kind,
            secrecy: Secrecy::None,
            variable: None,
            keeps_case: false,
            members: &[],
            default: match kind {
                Kind::Boolean => Some(Default::Switch(false)),
                _ => None,
            },
            range: None,
            unit: None,
            manual,
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

    /// The same key, with a value of which only what `show` answers is shown; otherwise as
    /// [`secret`](Self::secret).
    #[must_use]
    pub const fn secret_inside(self, show: Show) -> Self {
        Self {
            secrecy: Secrecy::Inside(show),
            ..self
        }
    }

    /// The same key, with a section in which each of these names has an environment variable that
    /// overrides it.
    #[must_use]
    pub const fn members(self, members: &'static [&'static str]) -> Self {
        Self { members, ..self }
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

    /// The same key, which is `number` if it is not set.
    #[must_use]
    pub const fn default(self, number: i64) -> Self {
        self.defaulting(Default::Number(number))
    }

    /// The same key, which is `text` if it is not set.
    #[must_use]
    pub const fn default_text(self, text: &'static str) -> Self {
        self.defaulting(Default::Text(text))
    }

    /// The same key, whose default the program finds out; `words` say how.
    #[must_use]
    pub const fn default_is(self, words: &'static str) -> Self {
        self.defaulting(Default::Described(words))
    }

    /// The same key, a switch that is on if it is not set.
    #[must_use]
    pub const fn on_by_default(self) -> Self {
        self.defaulting(Default::Switch(true))
    }

    const fn defaulting(self, default: Default) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// The same key, a number from `least` to `most`.
    #[must_use]
    pub const fn between(self, least: i64, most: i64) -> Self {
        Self {
            range: Some((least, most)),
            ..self
        }
    }

    /// The same key, a number of `unit`.
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// The same key, if it goes with a field that holds a `T`; otherwise the program does not
    /// compile.
    #[doc(hidden)]
    #[must_use]
    pub const fn check<T: Held>(self) -> Self {
        if let Some((lowest, highest)) = T::NUMBERS {
            let Some((least, most)) = self.range else {
                panic!("a number needs `between`")
            };
            assert!(lowest <= least && least <= most && most <= highest);
            match self.default {
                Some(Default::Number(number)) => assert!(least <= number && number <= most),
                Some(Default::Described(_)) | None => assert!(!T::NEEDS_DEFAULT),
                Some(_) => panic!("the default of a number is a number"),
            }
        }
        self
    }

    /// Whether its value may come from a file or a command. Sections are in the configuration file
    /// alone.
    pub(super) fn has_sources(&self) -> bool {
        !matches!(self.secrecy, Secrecy::None) && self.kind != Kind::Map
    }

    /// The environment variable that overrides this key, if one does.
    ///
    /// It is made from the path and never taken apart again: `http_addr` has an underscore itself.
    pub(super) fn overriding_variable(&self, prefix: &str) -> Option<String> {
        let derived = || variables::derive(prefix, self.path);
        (self.kind != Kind::Map).then(|| self.variable.map_or_else(derived, str::to_owned))
    }

    /// The environment variables that override members of this section.
    pub(super) fn member_variables(&self, prefix: &str) -> Vec<String> {
        let members = self.members.iter();
        let paths = members.map(|member| format!("{}.{member}", self.path));
        paths.map(|path| variables::derive(prefix, &path)).collect()
    }
}
