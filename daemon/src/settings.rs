//! Notary's layered configuration: a file, and environment variables that override it.
//!
//! A program lists its [`Key`]s once. [`Settings`] knows from that list which names of the file are
//! unknown, which environment variables count, and what must never be printed.

mod database_url;
mod effective;
mod error;
mod file;
mod key;
mod layers;
mod once;
mod sources;
mod variables;
mod words;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::{self, Display},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub use error::SettingsError;
pub use key::{Key, Kind, Secrecy};

pub(crate) use words::go_bool;

use words::distance;

use crate::{Origin, secret::Source};

/// What of `known` `word` was likely meant to be, if one of them is close.
#[must_use]
pub fn likely<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let known = known.iter().map(|known| (distance(word, known), *known));
    known
        .filter(|(distance, _)| *distance <= (word.len() / 3).max(2))
        .min()
        .map(|(_, known)| known)
}

/// Parses `text`, the content of `file`, in the format that the file's extension names, for files beside
/// the configuration. Names keep their case.
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
    keys: &'static [Key],
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
    /// Reads `file` and lays the variables of `env` that name one of `keys` over it.
    ///
    /// The format goes by the extension: `.json` (also without extension), `.yaml`, `.yml`, `.toml`.
    /// Names are compared without regard to case. An empty variable counts as unset.
    ///
    /// What is [`secret`](Key::secret) may be in a file, or printed by a command, which the variable with
    /// `_FILE` or `_COMMAND` at its end names, or the key with `_file` or `_command`. It is read here and not
    /// again, which blocks while a command runs.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or parsed, a name occurs twice, a value has the wrong shape, or a secret
    /// cannot be had.
    pub fn load(
        file: &Path,
        env_prefix: &'static str,
        keys: &'static [Key],
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut settings = Self::load_without_secrets(file, env_prefix, keys, env)?;
        settings.read_sources()?;
        settings.check_shapes()?;
        Ok(settings)
    }

    /// The same, but secrets in files and of commands are left where they are and count as unset, for what
    /// is done too often to ask a vault each time and needs no secret.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_without_secrets(
        file: &Path,
        env_prefix: &'static str,
        keys: &'static [Key],
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let content = file::read(file, keys)?;
        let mut settings = Self {
            file: file.to_owned(),
            prefix: env_prefix,
            keys,
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

    /// The text at `path`; `None` if it is unset or empty.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.value(path)?.as_str()
    }

    /// The text at `path`, which the program cannot do without.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Missing`] names the key and the variable that would set it.
    pub fn required_text(&self, path: &str) -> Result<&str, SettingsError> {
        self.text(path).ok_or_else(|| self.missing(path))
    }

    /// The folder of the configuration file, from which relative paths start.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// The path at `path`, relative ones taken from the folder of the configuration file.
    #[must_use]
    pub fn path(&self, path: &str) -> Option<PathBuf> {
        self.text(path).map(|text| self.folder().join(text))
    }

    /// The whole number at `path`.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn integer(&self, path: &str) -> Result<Option<i64>, SettingsError> {
        let Some(value) = self.value(path) else {
            return Ok(None);
        };
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_i64(),
        };
        number
            .map(Some)
            .ok_or_else(|| self.invalid(path, "a whole number"))
    }

    /// The whole number at `path`, which must lie in `range`; `default` if it is unset.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn integer_in(
        &self,
        path: &str,
        range: RangeInclusive<i64>,
        default: i64,
    ) -> Result<i64, SettingsError> {
        let refuse = || {
            let (low, high) = range.clone().into_inner();
            self.invalid(
                path,
                format_args!("a whole number between {low} and {high}"),
            )
        };
        let number = self.integer(path).map_err(|_| refuse())?.unwrap_or(default);
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(refuse())
        }
    }

    /// The boolean at `path`.
    ///
    /// # Errors
    ///
    /// If something else is there.
    pub fn boolean(&self, path: &str) -> Result<Option<bool>, SettingsError> {
        let Some(value) = self.value(path) else {
            return Ok(None);
        };
        let boolean = match value {
            Value::Bool(boolean) => Some(*boolean),
            Value::String(text) => go_bool(text),
            other => match other.as_i64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
        };
        boolean
            .map(Some)
            .ok_or_else(|| self.invalid(path, "true or false"))
    }

    /// The texts at `path`; none if it is unset.
    ///
    /// # Errors
    ///
    /// If there is something else than a list of texts, or one text.
    pub fn list(&self, path: &str) -> Result<Vec<String>, SettingsError> {
        let texts = match self.value(path) {
            None => Some(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(file::scalar).collect(),
            Some(value) => {
                file::scalar(value).map(|text| text.split_whitespace().map(str::to_owned).collect())
            }
        };
        texts.ok_or_else(|| self.invalid(path, "a list of texts"))
    }

    /// The section at `path`, its names in lower case unless the key keeps it; empty if it is unset.
    #[must_use]
    pub fn map(&self, path: &str) -> BTreeMap<String, Value> {
        let section = self.value(path).and_then(Value::as_object);
        section
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether there is anything at `path`; an empty section or list counts as nothing.
    #[must_use]
    pub fn is_set(&self, path: &str) -> bool {
        self.value(path).is_some_and(|value| match value {
            Value::Object(members) => !members.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        })
    }

    /// The paths of the file that no key has. The program ignores them, as Notary did, but
    /// should warn: see [`warnings`](Self::warnings).
    #[must_use]
    pub fn unknown(&self) -> &[String] {
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

    /// The error for a value that `path` must not have; `accepted` says what it may be.
    #[must_use]
    pub fn invalid(&self, path: &str, accepted: impl Display) -> SettingsError {
        let found = self.found.get(path);
        let value = found.map_or_else(
            || "nothing".to_owned(),
            |found| self.shown_wrong(path, found),
        );
        SettingsError::Invalid {
            origin: self.origin(path),
            key: path.to_owned(),
            value,
            accepted: accepted.to_string(),
        }
    }

    /// The error for a `path` whose value does not go with something else, or is wrong in a part of it;
    /// `reason` is a whole sentence and must not quote secrets.
    #[must_use]
    pub fn refused(&self, path: &str, reason: impl Display) -> SettingsError {
        SettingsError::Refused {
            origin: self.origin(path),
            key: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The error for a path of [`unknown`](Self::unknown) where nothing may be unknown; it names the key
    /// that was likely meant.
    #[must_use]
    pub fn refused_unknown(&self, path: &str) -> SettingsError {
        let meant = self.likely(path);
        let meant = meant.map(|key| format!("; did you mean {key:?}?"));
        self.refused(
            path,
            format_args!("there is no such setting{}", meant.unwrap_or_default()),
        )
    }

    /// The error for a `path` that must be set and is not.
    #[must_use]
    pub fn missing(&self, path: &str) -> SettingsError {
        let key = self.key(path);
        SettingsError::Missing {
            file: self.file.clone(),
            key: path.to_owned(),
            variable: key.and_then(|key| key.overriding_variable(self.prefix)),
            instead: self.misspelt(path).unwrap_or_default(),
            help: key.map_or("", |key| key.help),
        }
    }

    /// What the file has that was likely meant to be `path`, or the section around it.
    fn misspelt(&self, path: &str) -> Option<String> {
        self.unknown.iter().find_map(|unknown| {
            let meant = self.likely(unknown)?;
            let rest = path.strip_prefix(&meant)?;
            (rest.is_empty() || rest.starts_with('.'))
                .then(|| format!(", but {unknown:?} is there: write {meant:?}"))
        })
    }

    /// Who set `path`; the file, if nobody did.
    fn origin(&self, path: &str) -> Origin {
        let found = self.found.get(path);
        found.map_or_else(|| Origin::File(self.file.clone()), |f| f.origin.clone())
    }

    /// The value at `path`, which must be one of the program's keys.
    fn value(&self, path: &str) -> Option<&Value> {
        debug_assert!(
            self.key(path).is_some(),
            "{path} is not in the list of keys"
        );
        self.found.get(path).map(|found| &found.value)
    }

    fn key(&self, path: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    /// The key that `path` was likely meant to be, if one is close.
    fn likely(&self, path: &str) -> Option<String> {
        let members = |key: &Key| {
            let below = key.members.iter();
            below
                .map(|member| format!("{}.{member}", key.path))
                .collect::<Vec<_>>()
        };
        let mut known: Vec<String> = self.keys.iter().flat_map(members).collect();
        known.extend(self.keys.iter().map(|key| key.path.to_owned()));
        if !path.contains('.') {
            let sections = self.keys.iter().filter_map(|key| key.path.split_once('.'));
            known.extend(sections.map(|(section, _)| section.to_owned()));
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let meant = variables::renamed(path, &known).or_else(|| likely(path, &known));
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
