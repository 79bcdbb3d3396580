//! The name of a repository.

use std::{fmt, sync::Arc};

/// A globally unique name: what a repository is called, for example `docker.io/library/alpine`.
///
/// Names are compared byte for byte, as Notary does; nothing is folded or normalised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gun(Arc<str>);

impl Gun {
    /// The longest name, in characters: the width of Notary's database columns.
    pub const MAX_CHARS: usize = 255;

    /// Takes `name` if it can name a repository.
    ///
    /// Notary 0.7 routes any text without `*`; NUL is refused here because PostgreSQL cannot store
    /// it.
    pub fn parse(name: &str) -> Result<Self, InvalidGun> {
        if name.is_empty() {
            return Err(InvalidGun::Empty);
        }
        if name.chars().count() > Self::MAX_CHARS {
            return Err(InvalidGun::TooLong);
        }
        match name.chars().find(|c| matches!(c, '*' | '\0')) {
            Some(character) => Err(InvalidGun::Character(character)),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Gun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no [`Gun`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGun {
    /// There is no text at all.
    #[error("the repository name is empty")]
    Empty,
    /// The name has more than [`Gun::MAX_CHARS`] characters.
    #[error("the repository name is longer than 255 characters")]
    TooLong,
    /// The name holds `*`, which Notary keeps for patterns, or NUL.
    #[error("the repository name holds the character {0:?}")]
    Character(char),
}
