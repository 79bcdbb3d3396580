//! Secrets from outside: an environment variable, a file that another one names, or what a command
//! prints that a third one holds.
//!
//! A secret `NAME` is in the variable `NAME`, in the file that `NAME_FILE` names, or on the
//! standard output of the command in `NAME_COMMAND`. What is read is wiped when dropped; nothing
//! here says more of it than where it came from.

mod command;
mod reference;

use std::{
    ffi::OsString,
    fmt,
    io::{self, Read},
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

pub use command::CommandFault;
pub use reference::Reference;
use zeroize::Zeroizing;

use crate::{Origin, regular};

/// The bytes of a secret, wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// Stands for a secret where it must not be seen. Its length says nothing about the secret's.
pub const HIDDEN: &str = "(hidden)";

/// The longest secret that is taken, in bytes: more than any, and little enough to hold.
const LONGEST: usize = 64 * 1024;

/// How long a command may take, which may have to ask a vault far away.
const PATIENCE: Duration = Duration::from_mins(1);

/// What understands command lines. People write pipes and quotes for the tools of their vaults.
const SHELL: &str = "/bin/sh";

/// What the variable (or the key of a file) that names a secret's file ends in.
pub(crate) const FILE: &str = "_file";

/// What the variable (or the key of a file) that holds a secret's command ends in.
pub(crate) const COMMAND: &str = "_command";

/// Where a secret comes from.
#[derive(Clone)]
pub struct Source {
    origin: Origin,
    place: Place,
}

#[derive(Clone)]
enum Place {
    /// Here.
    Value(Secret),
    /// In a file.
    File(PathBuf),
    /// On the standard output of a command. Its line may hold secrets itself.
    Command(Secret),
}

/// Why there is no secret. No variant holds one, nor the command that was to print it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It cannot be told which one counts.
    #[error("{0} and {1} are both set: set one of the two")]
    Both(String, String),
    /// The file is not there, may not be read, or is no regular file.
    #[error("{origin}: {source}")]
    Unreadable {
        /// Where the secret should be.
        origin: Origin,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing, which is never what is meant.
    #[error("{0}: it is empty")]
    Empty(Origin),
    /// It is no secret but something else.
    #[error("{0}: it is longer than {LONGEST} bytes")]
    TooLong(Origin),
    /// It is not the text that it should be.
    #[error("{0}: it is not valid UTF-8")]
    NotUnicode(Origin),
    /// It is where the secret should have been found, and not the secret.
    #[error("{origin}: {reference}")]
    Unresolved {
        /// Where it stands.
        origin: Origin,
        /// What it begins with, and what resolves it.
        reference: Reference,
    },
    /// The command did not do its work.
    #[error("{origin}: {fault}")]
    Command {
        /// Where the command stands.
        origin: Origin,
        /// How it failed.
        fault: CommandFault,
    },
}

impl Source {
    /// Where the variable `name` and its two companions say that the secret is; `None` if none of
    /// the three is set. Empty ones count as unset, as everywhere.
    ///
    /// # Errors
    ///
    /// [`SecretError::Both`] if more than one is set.
    pub fn of_variables<'v>(
        name: &str,
        value: impl Fn(&str) -> Option<&'v [u8]>,
    ) -> Result<Option<Self>, SecretError> {
        let [file, command] =
            [FILE, COMMAND].map(|ending| name.to_owned() + &ending.to_uppercase());
        let set = |name: &str| value(name).filter(|value| !value.is_empty());
        let sources = [
            set(name).map(|value| Self::value(name, value)),
            set(&file).map(|path| {
                let path = PathBuf::from(OsString::from_vec(path.to_vec()));
                Self::file(path, file.clone())
            }),
            set(&command).map(|line| Self::command(line, command.clone())),
        ];
        Self::only(sources, |origin| origin.named_by().to_owned())
    }

    /// The only one of `sources`; `named` says who named it.
    pub(crate) fn only(
        sources: impl IntoIterator<Item = Option<Self>>,
        named: impl Fn(&Origin) -> String,
    ) -> Result<Option<Self>, SecretError> {
        let mut sources = sources.into_iter().flatten();
        match (sources.next(), sources.next()) {
            (Some(one), Some(other)) => {
                Err(SecretError::Both(named(&one.origin), named(&other.origin)))
            }
            (only, _) => Ok(only),
        }
    }

    fn value(variable: &str, value: &[u8]) -> Self {
        Self {
            origin: Origin::Variable(variable.to_owned()),
            place: Place::Value(Zeroizing::new(value.to_vec())),
        }
    }

    /// The file at `path`.
    #[must_use]
    pub fn file(path: PathBuf, named_by: String) -> Self {
        Self {
            origin: Origin::SecretFile {
                path: path.clone(),
                named_by,
            },
            place: Place::File(path),
        }
    }

    /// The standard output of the command `line`.
    #[must_use]
    pub fn command(line: &[u8], named_by: String) -> Self {
        Self {
            origin: Origin::Command { named_by },
            place: Place::Command(Zeroizing::new(line.to_vec())),
        }
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The shortest name for where it is: a variable, or a file.
    #[must_use]
    pub fn name(&self) -> String {
        match self.path() {
            Some(path) => path.display().to_string(),
            None => self.origin.named_by().to_owned(),
        }
    }

    /// The file that holds it, if one does.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Value(_) | Place::Command(_) => None,
        }
    }

    /// Whether reading it takes the time that a command takes, and costs what a command costs.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self.place, Place::Command(_))
    }

    /// Reads it. The line end that editors and commands add is no part of it; a variable is taken
    /// as it is.
    ///
    /// Blocks: a command may take a minute.
    ///
    /// # Errors
    ///
    /// [`SecretError`], which says where the secret should have been and what is wrong there; that
    /// is also the answer to a [`Reference`].
    pub fn read(&self) -> Result<Secret, SecretError> {
        let secret = self.read_as_it_is()?;
        match Reference::find(&secret) {
            None => Ok(secret),
            Some(reference) => Err(SecretError::Unresolved {
                origin: self.origin.clone(),
                reference,
            }),
        }
    }

    /// Like [`read`](Self::read), but takes a [`Reference`] as it is: for a caller that has to open
    /// what was encrypted with one by mistake, and encrypts nothing more with it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_as_it_is(&self) -> Result<Secret, SecretError> {
        self.read_with(Path::new(SHELL), PATIENCE)
    }

    fn read_with(&self, shell: &Path, patience: Duration) -> Result<Secret, SecretError> {
        let origin = || self.origin.clone();
        let secret = match &self.place {
            Place::Value(value) => return Ok(value.clone()),
            Place::File(path) => regular::open(path)
                .and_then(read_bounded)
                .map_err(|source| SecretError::Unreadable {
                    origin: origin(),
                    source,
                })?,
            Place::Command(line) => {
                let name = self.origin.named_by();
                command::output(line, name, shell, patience).map_err(|fault| {
                    SecretError::Command {
                        origin: origin(),
                        fault,
                    }
                })?
            }
        };
        if secret.len() > LONGEST {
            return Err(SecretError::TooLong(origin()));
        }
        let secret = without_line_end(secret);
        if secret.is_empty() {
            return Err(SecretError::Empty(origin()));
        }
        Ok(secret)
    }
}

/// Without the secret.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.origin).finish()
    }
}

/// What `source` holds, if that is at most [`LONGEST`]; else a little more.
fn read_bounded(source: impl Read) -> io::Result<Secret> {
    // With room for all: a buffer that grows leaves what it held behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    source
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut secret)
        .map(|_| secret)
}

fn without_line_end(mut secret: Secret) -> Secret {
    for end in [b'\n', b'\r'] {
        if secret.last() != Some(&end) {
            break;
        }
        secret.pop();
    }
    secret
}

#[cfg(test)]
mod tests;
