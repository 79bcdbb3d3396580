//! Where a value of the configuration comes from.

use std::{
    fmt,
    path::{Path, PathBuf},
};

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
    /// Whether the value as a whole is from a place for secrets, so that nothing of it is to be
    /// shown.
    pub(crate) fn is_secret(&self) -> bool {
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
