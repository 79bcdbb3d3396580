//! How the file and the environment come together.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use serde_json::Value;

use super::{Found, Key, Kind, Settings, SettingsError, file, variables};
use crate::Origin;

impl Settings {
    /// Sorts what stands at and below `path` in the file into known and unknown.
    pub(super) fn take_section(&mut self, path: &str, content: Value) -> Result<(), SettingsError> {
        let Value::Object(members) = content else {
            return Ok(());
        };
        for (name, value) in members {
            let below = if path.is_empty() {
                name
            } else {
                format!("{path}.{name}")
            };
            if let Some(key) = self.key(&below) {
                let origin = Origin::File(self.file.clone());
                self.found.insert(key.path, Found { value, origin });
            } else if !self.is_section(&below) {
                if !self.take_source(&below, &value)? {
                    self.unknown.push(below);
                }
            } else if value.is_object() || value.is_null() {
                self.take_section(&below, value)?;
            } else {
                return Err(SettingsError::NotASection {
                    file: self.file.clone(),
                    key: below,
                });
            }
        }
        Ok(())
    }

    fn is_section(&self, path: &str) -> bool {
        let within = |key: &Key| {
            key.path
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        self.keys().any(within)
    }

    /// Lays the variables of `env` that name a key over what was found so far.
    pub(super) fn take_environment(
        &mut self,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), SettingsError> {
        let env: BTreeMap<OsString, OsString> = env.into_iter().collect();
        self.note_unknown_variables(&env);
        for key in self.keys() {
            self.take_members(key, &env)?;
            let Some(variable) = key.overriding_variable(self.prefix) else {
                continue;
            };
            if key.has_sources() {
                self.take_source_variables(key, &variable, &env)?;
            } else if let Some(value) = env.get(OsStr::new(&variable)).filter(|v| !v.is_empty()) {
                let Some(value) = value.to_str() else {
                    return Err(SettingsError::NotUnicode { variable });
                };
                let found = Found {
                    value: value.into(),
                    origin: Origin::Variable(variable),
                };
                self.found.insert(key.path, found);
            }
        }
        Ok(())
    }

    /// Lays the variables of `env` that name a member of the section `key` over that section.
    fn take_members(
        &mut self,
        key: &'static Key,
        env: &BTreeMap<OsString, OsString>,
    ) -> Result<(), SettingsError> {
        for member in key.members {
            let variable = variables::derive(self.prefix, &format!("{}.{member}", key.path));
            let Some(value) = env.get(OsStr::new(&variable)).filter(|v| !v.is_empty()) else {
                continue;
            };
            let Some(text) = value.to_str() else {
                return Err(SettingsError::NotUnicode { variable });
            };
            let found = self.found.entry(key.path).or_insert_with(|| Found {
                value: Value::Object(serde_json::Map::new()),
                origin: Origin::Variable(variable),
            });
            // What is no section is refused later, with the shapes of all settings.
            if let Value::Object(members) = &mut found.value {
                // A file says whether something is a text or a truth value; a variable cannot.
                let value = match text {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    text => text.into(),
                };
                members.insert((*member).to_owned(), value);
            }
        }
        Ok(())
    }

    /// Turns scalars into the text they stand for where text is wanted, and refuses what no getter
    /// could make sense of.
    pub(super) fn check_shapes(&mut self) -> Result<(), SettingsError> {
        for key in self.keys() {
            let Some(found) = self.found.get_mut(key.path) else {
                continue;
            };
            match key.kind {
                Kind::Text | Kind::Path if found.value.is_string() => {}
                Kind::Text | Kind::Path => match file::scalar(&found.value) {
                    Some(text) => found.value = text.into(),
                    None => return Err(self.invalid(key.path, "a text")),
                },
                Kind::Map if !found.value.is_object() => {
                    return Err(self.invalid(key.path, "a section of names and values"));
                }
                Kind::Map | Kind::Integer | Kind::Boolean | Kind::List => {}
            }
        }
        Ok(())
    }
}
