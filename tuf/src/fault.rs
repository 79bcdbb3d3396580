//! What is wrong with a file, and what follows from it.

use crate::Role;

/// A stored file that cannot be what it was when it was accepted: a fault of the server's storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored {role} cannot be used: {reason}")]
pub struct Damaged {
    /// Which file.
    pub role: Role,
    /// What is wrong with it.
    pub reason: String,
}
