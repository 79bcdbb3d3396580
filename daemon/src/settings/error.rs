//! What can be wrong with a configuration, said so that the operator can mend it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::secret::SecretError;

/// Why the settings cannot be used. The text names the file (or variable), the key and its value.
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
    /// The file is not what its extension says. The reason never quotes the file: it may hold secrets.
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
    #[error("{}: {key} is missing{}; it is: {help}", file.display(), or_variable(variable.as_deref()))]
    Missing {
        /// The file as the operator named it.
        file: PathBuf,
        /// The path of the key.
        key: String,
        /// The environment variable that could set it, too.
        variable: Option<String>,
        /// What the key means.
        help: &'static str,
    },
    /// The value of a key makes no sense.
    #[error("{origin}: {key}: {value} is not valid; accepted: {accepted}")]
    Invalid {
        /// Who set the value.
        origin: Origin,
        /// The path of the key.
        key: String,
        /// The value in quotes, masked if it is secret.
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
    /// The secret of a key cannot be had from where it should be.
    #[error("{key}: {source}")]
    Secret {
        /// The path of the key.
        key: String,
        /// What is wrong, and where.
        source: SecretError,
    },
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file of this name.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
    /// A file that holds nothing but the value.
    SecretFile {
        /// The file.
        path: PathBuf,
        /// The variable that names it, or the key of the configuration file.
        named_by: String,
    },
    /// A command that prints the value.
    Command {
        /// The variable that holds the command, or the key of the configuration file.
        named_by: String,
    },
}

impl Origin {
    /// Whether the value as a whole is from a place for secrets, so that nothing of it is to be shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::SecretFile { .. } | Self::Command { .. })
    }

    /// The variable, or the key of the configuration file, that led here.
    pub(crate) fn named_by(&self) -> &str {
        match self {
            Self::File(_) => "",
            Self::Variable(name) => name,
            Self::SecretFile { named_by, .. } | Self::Command { named_by } => named_by,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => Path::display(file).fmt(f),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::SecretFile { path, named_by } => {
                write!(f, "file {} (named by {named_by})", path.display())
            }
            Self::Command { named_by } => write!(f, "command in {named_by}"),
        }
    }
}

fn or_variable(variable: Option<&str>) -> String {
    variable.map_or_else(String::new, |name| format!(" (and {name} is not set)"))
}
