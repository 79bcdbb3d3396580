//! Secrets that are not in the configuration itself: which file or command has them, and reading
//! them.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    mem,
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use serde_json::Value;
use zeroize::Zeroize as _;

use super::{Found, Key, Settings, SettingsError, file};
use crate::secret::{self, Reference, SecretError, Source};

impl Settings {
    /// Takes what the file has at `path`, if that is the name of a secret with an ending, such as
    /// `storage.db_url_file`; whether it is.
    pub(super) fn take_source(&mut self, path: &str, value: &Value) -> Result<bool, SettingsError> {
        let named = |ending| {
            let key = self.key(path.strip_suffix(ending)?)?;
            key.has_sources().then_some((key, ending))
        };
        let Some((key, ending)) = named(secret::FILE).or_else(|| named(secret::COMMAND)) else {
            return Ok(false);
        };
        if value.is_null() || value == "" {
            return Ok(true);
        }
        let Some(text) = file::scalar(value) else {
            return Err(self.not_a_text(path));
        };
        let named_by = format!("{path} in {}", self.file.display());
        let source = if ending == secret::FILE {
            let folder = self.file.parent().unwrap_or(Path::new(""));
            Source::file(folder.join(text), named_by)
        } else {
            Source::command(text.as_bytes(), named_by)
        };
        if self.sources.insert(key.path, source).is_none() {
            return Ok(true);
        }
        let [file, command] =
            [secret::FILE, secret::COMMAND].map(|ending| key.path.to_owned() + ending);
        Err(cannot_be_had(key, SecretError::Both(file, command)))
    }

    fn not_a_text(&self, path: &str) -> SettingsError {
        SettingsError::Invalid {
            origin: self.origin(path),
            key: path.to_owned(),
            value: "what is there".to_owned(),
            accepted: "a text".to_owned(),
        }
    }

    /// Takes what the variable of `key` and its companions in `env` say; it counts instead of what
    /// the file says.
    pub(super) fn take_source_variables(
        &mut self,
        key: &'static Key,
        variable: &str,
        env: &BTreeMap<OsString, OsString>,
    ) -> Result<(), SettingsError> {
        let value = |name: &str| env.get(OsStr::new(name)).map(|value| value.as_bytes());
        let source = Source::of_variables(variable, value);
        if let Some(source) = source.map_err(|error| cannot_be_had(key, error))? {
            self.found.remove(key.path);
            self.sources.insert(key.path, source);
        }
        Ok(())
    }

    /// Refuses secrets that the file has, and says are elsewhere.
    pub(super) fn check_sources(&self) -> Result<(), SettingsError> {
        let both = |(path, source): (&&str, &Source)| {
            let key = self.key(path).filter(|_| self.found.contains_key(path))?;
            let named_by = source.origin().named_by().to_owned();
            Some(cannot_be_had(
                key,
                SecretError::Both(key.path.to_owned(), named_by),
            ))
        };
        self.sources.iter().find_map(both).map_or(Ok(()), Err)
    }

    /// Reads the secrets from where they are. Those in the configuration file are looked at, too:
    /// none may be a reference to a secret.
    pub(super) fn read_sources(&mut self) -> Result<(), SettingsError> {
        for (path, found) in &self.found {
            let key = self.key(path).filter(|key| key.has_sources());
            let text = found.value.as_str().unwrap_or_default();
            if let (Some(key), Some(reference)) = (key, Reference::find(text.as_bytes())) {
                let origin = found.origin.clone();
                return Err(cannot_be_had(
                    key,
                    SecretError::Unresolved { origin, reference },
                ));
            }
        }
        for (path, source) in mem::take(&mut self.sources) {
            let value = text(&source).map_err(|source| SettingsError::Secret {
                key: path.to_owned(),
                source,
            })?;
            let origin = source.origin().clone();
            self.found.insert(path, Found { value, origin });
        }
        Ok(())
    }
}

fn cannot_be_had(key: &Key, source: SecretError) -> SettingsError {
    SettingsError::Secret {
        key: key.path.to_owned(),
        source,
    }
}

/// The secret as a text: a copy of just its size, which [`Found`] will wipe.
fn text(source: &Source) -> Result<Value, SecretError> {
    let secret = source.read()?;
    match str::from_utf8(&secret) {
        Ok(text) => Ok(text.into()),
        Err(_) => Err(SecretError::NotUnicode(source.origin().clone())),
    }
}

/// Overwrites the texts in `value`.
pub(super) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
