//! Whose signatures were verified.

use crate::{key::KeyId, role::Role};

/// A key, and the role that it signs for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signer {
    /// The name of the role.
    pub role: String,
    /// The key.
    pub key_id: KeyId,
}

/// Keeps whose signatures of the file of `role` were verified.
pub(super) fn note_signers(signed_by: &mut Vec<Signer>, role: &Role, keys: Vec<KeyId>) {
    let signer = |key_id| Signer {
        role: role.to_string(),
        key_id,
    };
    signed_by.extend(keys.into_iter().map(signer));
}
