//! Files that the keys of their role did not sign.

use crate::key::KeyId;

/// Why a role's keys did not sign a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The file has no signatures.
    #[error("the file has no signatures")]
    Unsigned,
    /// A key that would count is listed under an id that is not its own.
    #[error("the key that is listed as {0} has another id")]
    FalseKeyId(KeyId),
    /// Too few keys signed.
    #[error("{valid} of the {threshold} keys that {role} needs signed it")]
    Threshold {
        /// The name of the role.
        role: String,
        /// How many keys signed.
        valid: usize,
        /// How many have to. Below 1, nothing verifies.
        threshold: i64,
    },
    /// The signatures of one update take more work than [`Limits`](crate::Limits) allow.
    #[error("verifying the signatures of this update takes more work than the server allows")]
    TooMuchWork,
}
