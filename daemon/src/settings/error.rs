//! What can be wrong with a configuration, said so that the operator can mend it.

use std::{io, path::PathBuf};

use crate::{Origin, SecretError};

/// Why the settings cannot be used. The text names the file (or variable), the key and, unless it
/// is secret, its value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file is missing or may not be read.
    #[error("{}: could not read the configuration: {source}", file.display())]
    Unreadable {
        /// The file as the operator named it.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The extension of the file says nothing about its format.
    #[error("{}: unknown format; accepted: a file name ending in .json, .yaml, .yml or .toml", .0.display())]
    UnknownFormat(PathBuf),
    /// The file is not what its extension says. The reason never quotes the file: it may hold
    /// secrets.
    #[error("{}: not valid {format}: {reason}", file.display())]
    Unparsable {
        /// The file as the operator named it.
        file: PathBuf,
        /// JSON, YAML or TOML.
        format: &'static str,
        /// Where the fault is and what was expected there.
        reason: String,
    },
    /// Two names differ only in case, so it cannot be told which one counts.
    #[error("{}: {key} is given twice; names are the same whatever their case", file.display())]
    Twice {
        /// The file as the operator named it.
        file: PathBuf,
        /// The path of the name, in lower case.
        key: String,
    },
    /// A value stands where other settings should be.
    #[error("{}: {key} is a single value; accepted: a section with settings in it", file.display())]
    NotASection {
        /// The file as the operator named it.
        file: PathBuf,
        /// The path of the section.
        key: String,
    },
    /// An environment variable is not Unicode.
    #[error("environment variable {variable}: the value is not valid UTF-8")]
    NotUnicode {
        /// Its name.
        variable: String,
    },
    /// The program cannot start without this key.
    #[error(
        "{}: {key} is missing{}{instead}; it is: {help}",
        file.display(),
        or_variable(variable.as_deref())
    )]
    Missing {
        /// The file as the operator named it.
        file: PathBuf,
        /// The path of the key.
        key: String,
        /// The environment variable that could set it, too.
        variable: Option<String>,
        /// What the file has in its place, or nothing.
        instead: String,
        /// What the key means.
        help: Box<str>,
    },
    /// The value of a key makes no sense.
    #[error("{origin}: {key}: {value} is not valid; accepted: {accepted}")]
    Invalid {
        /// Who set the value.
        origin: Origin,
        /// The path of the key.
        key: String,
        /// The value in quotes; hidden if any of it may be secret.
        value: String,
        /// What would be right.
        accepted: String,
    },
    /// The value of a key does not go with something else, or a part of it is wrong.
    #[error("{origin}: {key}: {reason}")]
    Refused {
        /// Who set the value.
        origin: Origin,
        /// The path of the key.
        key: String,
        /// Why, and what to do.
        reason: String,
    },
    /// An environment variable is called as a setting is, and is none.
    #[error("{origin}: there is no such setting{meant}")]
    UnknownVariable {
        /// The variable.
        origin: Origin,
        /// The one that was likely meant.
        meant: String,
    },
    /// The secret of a key cannot be had from where it should be.
    #[error("{key}: {source}")]
    Secret {
        /// The path of the key.
        key: String,
        /// What is wrong, and where.
        source: SecretError,
    },
}

fn or_variable(variable: Option<&str>) -> String {
    variable.map_or_else(String::new, |name| format!(" (and {name} is not set)"))
}
