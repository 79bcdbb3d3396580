//! What an update may change, by the rights that it takes.

use std::fmt;

use crate::role::Role;

/// One thing that an update changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The targets that a role lists; or none of them, and the file is only signed again.
    Targets(Role),
    /// Who may sign, and for what: root, or anything in a file of the targets tree but its targets,
    /// version and expiry. Paths and thresholds of delegations are part of it, and so are members
    /// that this crate does not know. It is also what a snapshot does to a role whose file it
    /// replaces, brings back or hides although the update has no such file.
    Signers(Role),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Targets(role) => write!(f, "a change of the targets of {role}"),
            Self::Signers(role) => write!(f, "a change of who signs, made in {role}"),
        }
    }
}
