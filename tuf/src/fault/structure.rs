//! Files that do not look as a file of their role must.

use crate::{key::KeyId, role::Role};

/// Why a file does not look as a file of its role must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{role} is invalid: {problem}")]
pub struct StructureFault {
    /// The role whose file it would be.
    pub role: Role,
    /// What is wrong.
    pub problem: StructureProblem,
}

/// What is wrong with the structure of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructureProblem {
    /// It has no signed part.
    #[error("the file is empty")]
    Empty,
    /// It was read as the file of another kind of role.
    #[error("it is a file of another role")]
    OtherKind,
    /// It says that it is of another type.
    #[error("its type is {found:?}, not {expected:?}")]
    Type {
        /// The type of its role.
        expected: &'static str,
        /// The type that it names.
        found: String,
    },
    /// Its version is below 1.
    #[error("its version is below 1")]
    Version,
    /// It names no keys for a role.
    #[error("it names no keys for {0}")]
    MissingRole(Role),
    /// It gives a role a threshold below 1.
    #[error("the threshold of {role} is {threshold}")]
    Threshold {
        /// The name of the role.
        role: String,
        /// The threshold.
        threshold: i64,
    },
    /// It lists a key for a role and does not have it.
    #[error("it lists the key {id} for {role} without defining it")]
    MissingKey {
        /// The name of the role.
        role: String,
        /// The id under which the key is listed.
        id: KeyId,
    },
    /// It delegates to a name that it cannot delegate to.
    #[error("it cannot delegate to {0:?}")]
    DelegationName(String),
    /// It lists no SHA-256 of a file that it must list.
    #[error("it lists no SHA-256 of {0}")]
    MissingChecksum(&'static str),
    /// It lists a checksum that is too long or too short.
    #[error("the {algorithm} checksum of {name} has the wrong length")]
    ChecksumLength {
        /// The role whose file is listed.
        name: &'static str,
        /// `sha256` or `sha512`.
        algorithm: &'static str,
    },
}
