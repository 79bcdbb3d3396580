//! The three formats of configuration files, as one tree with names in lower case.

use std::{fs, path::Path};

use serde_json::{Map, Value, map::Entry};
use zeroize::Zeroizing;

use super::{Section, SettingsError, once};

/// Reads `file` in the format that its extension names.
pub(super) fn read(file: &Path, sections: &[Section]) -> Result<Value, SettingsError> {
    // Before the file is read: a wrong extension is said even of a file that is not there.
    Format::of(file)?;
    let text = fs::read_to_string(file).map_err(|source| SettingsError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    let text = Zeroizing::new(text);
    match parse(file, &text)? {
        Value::Object(members) => lower_case(file, sections, "", members),
        _ => Ok(Value::Null),
    }
}

/// Parses `text`, the content of `file`, in the format that its extension names: a section, or
/// nothing.
pub(super) fn parse(file: &Path, text: &str) -> Result<Value, SettingsError> {
    let format = Format::of(file)?;
    let unparsable = |reason| SettingsError::Unparsable {
        file: file.to_owned(),
        format: format.name(),
        reason,
    };
    let text = text.trim_start_matches('\u{feff}');
    match format.parse(text).map_err(unparsable)? {
        content @ (Value::Null | Value::Object(_)) => Ok(content),
        _ => Err(unparsable(
            "the top level must be an object with names and values".to_owned(),
        )),
    }
}

/// The text that a scalar stands for; `None` for lists and sections.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    Yaml,
    Toml,
}

impl Format {
    fn of(file: &Path) -> Result<Self, SettingsError> {
        let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("json" | "") => Ok(Self::Json),
            Some("yaml" | "yml") => Ok(Self::Yaml),
            Some("toml") => Ok(Self::Toml),
            _ => Err(SettingsError::UnknownFormat(file.to_owned())),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Toml => "TOML",
        }
    }

    /// Parses `text`. Errors do not quote it, since the faulty line may be the one with a password.
    fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Json => once::check(text)
                .and_then(|()| serde_json::from_str(text))
                .map_err(|error| error.to_string()),
            Self::Yaml => serde_saphyr::from_str(text).map_err(|error| yaml_reason(&error)),
            Self::Toml => toml::from_str(text).map_err(|error| toml_reason(text, &error)),
        }
    }
}

fn yaml_reason(error: &serde_saphyr::Error) -> String {
    match error.location() {
        Some(place) => format!("fault at line {} column {}", place.line(), place.column()),
        None => "the structure is broken".to_owned(),
    }
}

fn toml_reason(text: &str, error: &toml::de::Error) -> String {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("fault at line {line} column {column}")
}

fn keeps_case(sections: &[Section], path: &str) -> bool {
    let mut keys = sections.iter().flat_map(|section| section.keys);
    keys.any(|key| key.path == path && key.keeps_case)
}

/// The same tree with names in lower case: Notary's names have no case.
fn lower_case(
    file: &Path,
    sections: &[Section],
    path: &str,
    members: Map<String, Value>,
) -> Result<Value, SettingsError> {
    let mut lowered = Map::new();
    for (name, value) in members {
        let name = name.to_lowercase();
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let value = match value {
            Value::Object(below) if !keeps_case(sections, &key) => {
                lower_case(file, sections, &key, below)?
            }
            other => other,
        };
        match lowered.entry(name) {
            Entry::Vacant(free) => free.insert(value),
            Entry::Occupied(_) => {
                return Err(SettingsError::Twice {
                    file: file.to_owned(),
                    key,
                });
            }
        };
    }
    Ok(Value::Object(lowered))
}
