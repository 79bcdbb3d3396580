//! The parts of an overview.

use std::sync::Arc;

use time::OffsetDateTime;

use super::problem::{Problem, Severity};
use crate::{
    key::{KeyId, KeyType},
    metadata::Digest,
    role::Role,
};

/// What operators see of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// Root, timestamp, snapshot, targets, then delegations, parents first: those whose files can
    /// be read.
    pub roles: Vec<RoleOverview>,
    /// Each key that may sign for a role, and whose signatures can count: of the top roles in the
    /// order above, then of what each file delegates. Delegations that were never published have
    /// signers too.
    pub signers: Vec<SignerOverview>,
    /// By role, in the order of `roles`, then by name: what a client lists. Expiry is left aside,
    /// except that nothing below an expired delegation is read.
    pub tags: Vec<TagOverview>,
    /// Empty if clients can follow the repository, today and without a warning.
    pub problems: Vec<Problem>,
}

impl Overview {
    /// How bad the worst problem is; `None` if there is none.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.problems.iter().map(|problem| problem.severity).max()
    }
}

/// The current file of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleOverview {
    /// Which role.
    pub role: Role,
    /// The file's version.
    pub version: i64,
    /// When it expires; `None` if it does not say, which counts as long ago.
    pub expires: Option<OffsetDateTime>,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// How many bytes it has.
    pub bytes: u64,
    /// How many of its keys have to sign it; 1 at least.
    pub threshold: u32,
    /// The keys that may sign it.
    pub keys: Vec<KeyId>,
    /// Those whose signatures were verified, in the order of their ids: all of them, unless so many
    /// signed beyond the threshold that verifying them would cost more than it tells. Of a root
    /// with certificates, the ids are those under which clients count them.
    pub signed_by: Vec<KeyId>,
    /// The beginnings of the names that it may list, as far as the roles above it may list them. An
    /// empty one covers all names. The first 100 of them; only targets and delegations have any.
    pub paths: Vec<String>,
    /// Whether clients pass over it, with all below it, because too few of its keys signed.
    pub is_skipped: bool,
    /// Whether it and everything above it is as it should be, whatever the date. Wherever clients
    /// can follow the repository, this is so of all files that they do not pass over.
    pub is_believed: bool,
}

/// A key that may sign for a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerOverview {
    /// For which role.
    pub role: Role,
    /// Which key.
    pub key: KeyId,
    /// The kind of key.
    pub algorithm: KeyType,
    /// The certificate that it is in; `None` for a bare key.
    pub certificate: Option<SignerCertificate>,
}

/// What the certificate of a key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCertificate {
    /// Whom it names; of a root key, the GUN, or the beginning of one followed by `*`.
    pub common_name: Arc<str>,
    /// The last second of its validity.
    pub expires: OffsetDateTime,
}

/// A target that clients list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagOverview {
    /// The role that lists it.
    pub role: Role,
    /// Its name; of an image, the tag.
    pub name: String,
    /// The digest of what it names.
    pub digest: Digest,
    /// How many bytes that has; 0 if it does not say.
    pub length: i64,
}
