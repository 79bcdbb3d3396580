//! Who speaks for a role.

use crate::key::KeyId;

/// The keys of a role, any `threshold` of which have to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleKeys {
    pub(crate) key_ids: Vec<KeyId>,
    /// As written; below 1 it is refused with the file that says so.
    pub(crate) threshold: i64,
}
