//! Files that others vouch for, and by whose signatures.

use crate::{files::File, key::KeyId};

/// A file that enough of its role's keys signed.
#[derive(Clone, Debug)]
pub(crate) struct SignedFile {
    pub(crate) file: File,
    /// Whose signatures were verified.
    pub(crate) signers: Vec<KeyId>,
}
