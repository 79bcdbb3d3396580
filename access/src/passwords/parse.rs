//! The lines of a password file.

use std::collections::BTreeMap;

use super::{Entry, PasswordFile, error::InvalidHash, hash::Hash};
use crate::credentials::is_name;

/// A password file that is not used, with the line at fault. Hashes are not quoted, nor are lines
/// that cannot be taken apart: they may be passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPasswordFile {
    /// There is no user in it.
    #[error(
        "there is no user in it: add one with `htpasswd -B FILE USER` or `notary-server auth hash USER`"
    )]
    NoUsers,
    /// A line has no colon.
    #[error("line {line} is not of the form user:hash")]
    NoColon {
        /// Its number, from 1.
        line: usize,
    },
    /// A line begins with a name that cannot log in.
    #[error(
        "line {line} has no name that somebody could log in with: \
         it is empty, has control characters in it, or white space around it"
    )]
    UserName {
        /// Its number, from 1.
        line: usize,
    },
    /// A user is there twice, and which of the passwords counts would be a guess.
    #[error(
        "line {line} names the user {user:?} again, who is already in line {first}: keep one of them"
    )]
    Repeated {
        /// The number of the second line, from 1.
        line: usize,
        /// The user's name.
        user: String,
        /// The number of the first line.
        first: usize,
    },
    /// A hash is not used.
    #[error("line {line}: the password of {user:?} {fault}")]
    Hash {
        /// Its number, from 1.
        line: usize,
        /// The user's name.
        user: String,
        /// What is wrong with it.
        fault: InvalidHash,
    },
}

impl PasswordFile {
    /// Reads the text of a file: `user:hash` lines, empty ones and comments (`#`). Hashes are
    /// bcrypt (`$2y$`, `$2b$`, `$2a$`) and argon2id; anything else is refused with its line and its
    /// cure.
    ///
    /// # Errors
    ///
    /// [`InvalidPasswordFile`]; an empty list of users is one.
    pub fn parse(text: &str) -> Result<Self, InvalidPasswordFile> {
        // Editors on Windows begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut users = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| is_entry(text)) {
            let (user, entry) = entry(line, text)?;
            if let Some(first) = lines.insert(user, line) {
                let user = user.to_owned();
                return Err(InvalidPasswordFile::Repeated { line, user, first });
            }
            users.insert(user.to_owned(), entry);
        }
        Self::new(users).ok_or(InvalidPasswordFile::NoUsers)
    }
}

fn is_entry(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

fn entry(line: usize, text: &str) -> Result<(&str, Entry), InvalidPasswordFile> {
    let (user, hash) = text
        .split_once(':')
        .ok_or(InvalidPasswordFile::NoColon { line })?;
    if !is_name(user) || user.trim() != user {
        return Err(InvalidPasswordFile::UserName { line });
    }
    let text = hash.trim_end();
    let hash = Hash::parse(text).map_err(|fault| InvalidPasswordFile::Hash {
        line,
        user: user.to_owned(),
        fault,
    })?;
    Ok((user, Entry::new(user, hash, text)))
}
