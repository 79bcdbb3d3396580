//! Settings by the text of their path, until every program has sections.

use std::{collections::BTreeMap, ops::RangeInclusive, path::PathBuf};

use serde_json::Value;

use super::{Settings, SettingsError, file, go_bool};

impl Settings {
    /// The text at `path`; `None` if it is unset or empty.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.value_at(path)?.as_str()
    }

    /// The text at `path`, which the program cannot do without.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Missing`] names the key and the variable that would set it.
    pub fn required_text(&self, path: &str) -> Result<&str, SettingsError> {
        self.text(path).ok_or_else(|| self.missing_at(path))
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
        let Some(value) = self.value_at(path) else {
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
        let Some(value) = self.value_at(path) else {
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
        let texts = match self.value_at(path) {
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
        let section = self.value_at(path).and_then(Value::as_object);
        section
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether there is anything at `path`; an empty section or list counts as nothing.
    #[must_use]
    pub fn is_set(&self, path: &str) -> bool {
        self.value_at(path).is_some_and(|value| match value {
            Value::Object(members) => !members.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        })
    }

    /// The error for a `path` that must be set and is not.
    #[must_use]
    pub fn missing_at(&self, path: &str) -> SettingsError {
        let key = self.key(path);
        self.missing(key.unwrap_or_else(|| panic!("{path} is not in the list of keys")))
    }

    fn value_at(&self, path: &str) -> Option<&Value> {
        self.found.get(path).map(|found| &found.value)
    }
}
