//! What a caller may do.

use std::{fmt, str::FromStr};

/// What a caller may do to the trust data of a GUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read metadata and the changefeed of the GUN.
    Pull,
    /// Publish signed targets, in the roles that a rule names.
    Push,
    /// Change who may sign: root, and the keys and roles of delegations.
    Delegate,
    /// Have the server make a new key for snapshot or timestamp.
    Rotate,
    /// Delete all trust data of the GUN.
    Delete,
    /// See the GUN in the inventory, without reading its metadata. [`Action::Pull`] includes it.
    See,
    /// Read the lines of the audit log about the GUN.
    Audit,
    /// What concerns all GUNs: the changefeed of the whole server, its inventory and audit log.
    Admin,
}

/// A set of [`Action`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

/// A word that names no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no action: pull, push, delegate, rotate, delete, see, audit, admin, or * for all of them"
)]
pub struct InvalidAction(pub String);

impl Action {
    /// All actions.
    pub const ALL: [Self; 8] = [
        Self::Pull,
        Self::Push,
        Self::Delegate,
        Self::Rotate,
        Self::Delete,
        Self::See,
        Self::Audit,
        Self::Admin,
    ];

    /// The word for it in rules.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delegate => "delegate",
            Self::Rotate => "rotate",
            Self::Delete => "delete",
            Self::See => "see",
            Self::Audit => "audit",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = InvalidAction;

    fn from_str(word: &str) -> Result<Self, InvalidAction> {
        Self::ALL
            .into_iter()
            .find(|action| action.name() == word)
            .ok_or_else(|| InvalidAction(word.to_owned()))
    }
}

impl Actions {
    /// Every action: `*`.
    #[must_use]
    pub fn all() -> Self {
        Action::ALL.into_iter().collect()
    }

    /// Whether `action` is among them.
    #[must_use]
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The actions that `word` stands for: one, or all for `*`.
    ///
    /// # Errors
    ///
    /// [`InvalidAction`]
    pub fn parse(word: &str) -> Result<Self, InvalidAction> {
        if word == "*" {
            return Ok(Self::all());
        }
        Ok(Self::from_iter([word.parse()?]))
    }

    /// These and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Actions {
    /// `*`, or their words with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("*");
        }
        let words: Vec<_> = Action::ALL
            .into_iter()
            .filter(|action| self.contains(*action))
            .map(Action::name)
            .collect();
        f.write_str(&words.join(", "))
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(
            actions
                .into_iter()
                .fold(0, |bits, action| bits | action.bit()),
        )
    }
}
