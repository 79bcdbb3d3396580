//! Notary's layered configuration: a file, and environment variables that override it.
//!
//! A program declares its settings as structs, one a [`section!`](crate::section). [`Settings`]
//! knows from them which names of the file are unknown, which environment variables count, and what
//! must never be printed; [`manual`] makes the manual of them. A section gives out its values as
//! [`Setting`]s, so that a setting that was never declared cannot be asked for.

mod effective;
mod error;
mod file;
mod key;
mod layers;
mod manual;
mod once;
mod section;
mod sources;
mod variables;
mod words;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::{self, Display},
    path::{Path, PathBuf},
};

pub use error::SettingsError;
pub use key::{Default, Key, Kind, Secrecy, Show};
pub use manual::manual;
pub use section::{Entry, Held, Section, Setting, Whole};
use serde_json::Value;
use strsim::levenshtein;
pub(crate) use words::go_bool;

use crate::{Origin, secret::Source};

/// What of `known` `word` was likely meant to be, if one of them is close.
#[must_use]
pub fn likely<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let known = known.iter().map(|known| (levenshtein(word, known), *known));
    known
        .filter(|(distance, _)| *distance <= (word.len() / 3).max(2))
        .min()
        .map(|(_, known)| known)
}

/// Parses `text`, the content of `file`, in the format that the file's extension names, for files
/// beside the configuration. Names keep their case.
///
/// # Errors
///
/// If the extension names no format, or the text is not of that format, or has a name twice in one
/// section. The text is never quoted.
pub fn parse(file: &Path, text: &str) -> Result<Value, SettingsError> {
    file::parse(file, text)
}

/// The settings of a program, from its file and its environment.
#[derive(Clone)]
pub struct Settings {
    /// The file as the operator named it.
    file: PathBuf,
    /// Starts the name of every environment variable.
    prefix: &'static str,
    /// What the program knows.
    sections: &'static [Section],
    /// What is set, by the path of its key.
    found: BTreeMap<&'static str, Found>,
    /// Where secrets are that were not read yet, by the path of their key.
    sources: BTreeMap<&'static str, Source>,
    /// Paths of the file that are not keys.
    unknown: Vec<String>,
    /// Environment variables that are not keys.
    unknown_variables: Vec<String>,
}

/// A value that is set, and by whom. It may be a secret, and is wiped when dropped.
#[derive(Clone)]
struct Found {
    value: Value,
    origin: Origin,
}

impl Drop for Found {
    fn drop(&mut self) {
        sources::wipe(&mut self.value);
    }
}

impl Settings {
    /// Reads `file` and lays the variables of `env` that name a setting of `sections`
    /// over it.
    ///
    /// The format goes by the extension: `.json` (also without extension), `.yaml`, `.yml`,
    /// `.toml`. Names are compared without regard to case. An empty variable counts as unset.
    ///
    /// What is [`secret`](Key::secret) may be in a file, or printed by a command, which the
    /// variable with `_FILE` or `_COMMAND` at its end names, or the key with `_file` or `_command`.
    /// It is read here and not again, which blocks while a command runs.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or parsed, a name occurs twice, a value has the wrong shape, or a
    /// secret cannot be had.
    pub fn load(
        file: &Path,
        env_prefix: &'static str,
        sections: &'static [Section],
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self::load_without_secrets(file, env_prefix, sections, env)?;
        settings.read_sources()?;
        settings.check_shapes()?;
        Ok(settings)
    }

    /// The same, but secrets in files and of commands are left where they are and count as unset,
    /// for what is done too often to ask a vault each time and needs no secret.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_without_secrets(
        file: &Path,
        env_prefix: &'static str,
        sections: &'static [Section],
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let content = file::read(file, sections)?;
        let mut settings = Self {
            file: file.to_owned(),
            prefix: env_prefix,
            sections,
            found: BTreeMap::new(),
            sources: BTreeMap::new(),
            unknown: Vec::new(),
            unknown_variables: Vec::new(),
        };
        settings.take_section("", content)?;
        settings
            .found
            .retain(|_, found| !found.value.is_null() && found.value != "");
        settings.check_sources()?;
        settings.take_environment(env)?;
        settings.check_shapes()?;
        Ok(settings)
    }

    /// The folder of the configuration file, from which relative paths start.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// The paths of the file that no key has. The program ignores them, as Notary did, but
    /// should warn: see [`warnings`](Self::warnings).
    #[must_use]
    pub fn unknown_paths(&self) -> &[String] {
        &self.unknown
    }

    /// A sentence for each unknown path, naming the key that was likely meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let warn = |path: &String| {
            let file = self.file.display();
            let meant = self
                .likely(path)
                .map(|key| format!("; did you mean {key:?}?"));
            format!(
                "{file}: unknown key {path:?} is ignored{}",
                meant.unwrap_or_default()
            )
        };
        self.unknown.iter().map(warn).collect()
    }

    fn invalid(&self, path: &str, accepted: impl Display) -> SettingsError {
        let found = self.found.get(path);
        let value = found.map_or_else(
            || "nothing".to_owned(),
            |found| self.show_wrong(path, found),
        );
        SettingsError::Invalid {
            origin: self.origin(path),
            key: path.to_owned(),
            value,
            accepted: accepted.to_string(),
        }
    }

    fn refuse(&self, path: &str, reason: impl Display) -> SettingsError {
        SettingsError::Refused {
            origin: self.origin(path),
            key: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The error for a path of [`unknown_paths`](Self::unknown_paths) where nothing may be unknown;
    /// it names the key that was likely meant.
    #[must_use]
    pub fn refuse_unknown(&self, path: &str) -> SettingsError {
        let meant = self.likely(path);
        let meant = meant.map(|key| format!("; did you mean {key:?}?"));
        self.refuse(
            path,
            format_args!("there is no such setting{}", meant.unwrap_or_default()),
        )
    }

    /// The error for a name of [`unknown_paths`](Self::unknown_paths) that was likely meant to be
    /// the section `meant`, in which nothing may be unknown.
    #[must_use]
    pub fn refuse_section(&self, path: &str, meant: &str) -> SettingsError {
        self.refuse(
            path,
            format_args!("there is no such section; did you mean {meant:?}?"),
        )
    }

    fn missing(&self, key: &Key) -> SettingsError {
        SettingsError::Missing {
            file: self.file.clone(),
            key: key.path.to_owned(),
            variable: key.overriding_variable(self.prefix),
            instead: self.suggest(key.path).unwrap_or_default(),
            help: key.summary().into(),
        }
    }

    /// What the file has that was likely meant to be `path`, or the section around it.
    fn suggest(&self, path: &str) -> Option<String> {
        self.unknown.iter().find_map(|unknown| {
            let meant = self.likely(unknown)?;
            let rest = path.strip_prefix(&meant)?;
            (rest.is_empty() || rest.starts_with('.'))
                .then(|| format!(", but {unknown:?} is there: write {meant:?}"))
        })
    }

    /// Who set `path`; the file, if it is unset.
    fn origin(&self, path: &str) -> Origin {
        let found = self.found.get(path);
        found.map_or_else(|| Origin::File(self.file.clone()), |f| f.origin.clone())
    }

    /// The value of `key`, if it is set.
    fn value(&self, key: &Key) -> Option<&Value> {
        self.found.get(key.path).map(|found| &found.value)
    }

    fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.sections.iter().flat_map(|section| section.keys)
    }

    fn key(&self, path: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.path == path)
    }

    /// The key that `path` was likely meant to be, if one is close.
    fn likely(&self, path: &str) -> Option<String> {
        let members = |key: &Key| {
            let below = key.members.iter();
            below
                .map(|member| format!("{}.{member}", key.path))
                .collect::<Vec<_>>()
        };
        let mut known: Vec<String> = self.keys().flat_map(members).collect();
        known.extend(self.keys().map(|key| key.path.to_owned()));
        if !path.contains('.') {
            let sections = self.keys().filter_map(|key| key.path.split_once('.'));
            known.extend(sections.map(|(section, _)| section.to_owned()));
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let meant = variables::find_new_name(path, &known).or_else(|| likely(path, &known));
        meant.map(str::to_owned)
    }
}

/// Without the values: some are secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
