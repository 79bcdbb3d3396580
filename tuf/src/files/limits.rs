//! What one upload may ask for.

use crate::{encoding::json::Count, role::Role, wire::MetadataFormat};

/// What an upload may ask for. Stored files above these limits stay readable and renewable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How much work verifying the signatures of one update may take. The unit is the verification
    /// of one P-256 signature over a short text; other algorithms and long texts count for more.
    pub verifications: u32,
    /// Keys that one role may have.
    pub role_keys: usize,
    /// Keys that one file may define.
    pub keys: usize,
    /// Roles that one file may name.
    pub roles: usize,
    /// Signatures that one file may have.
    pub signatures: usize,
    /// Files that a snapshot may list.
    pub meta_files: usize,
}

impl Limits {
    pub(crate) fn most(&self, count: Count) -> usize {
        match count {
            Count::Keys => self.keys,
            Count::Roles => self.roles,
            Count::RoleKeys => self.role_keys,
            Count::Signatures => self.signatures,
            Count::MetaFiles => self.meta_files,
        }
    }

    /// These limits, or the size of the `stored` file of `role` where that is beyond them: a file
    /// from before the limits may be replaced by one that is no larger.
    #[must_use]
    pub fn raised_to(self, format: MetadataFormat, role: &Role, stored: &[u8]) -> Self {
        let Some(sizes) = format.spelling().measure(role, stored) else {
            return self;
        };
        Self {
            verifications: self.verifications,
            role_keys: self.role_keys.max(sizes.of(Count::RoleKeys)),
            keys: self.keys.max(sizes.of(Count::Keys)),
            roles: self.roles.max(sizes.of(Count::Roles)),
            signatures: self.signatures.max(sizes.of(Count::Signatures)),
            meta_files: self.meta_files.max(sizes.of(Count::MetaFiles)),
        }
    }

    /// Whether a file has no more of anything than it may.
    pub(crate) fn allow(&self, format: MetadataFormat, role: &Role, bytes: &[u8]) -> bool {
        *self == self.raised_to(format, role, bytes)
    }
}

impl Default for Limits {
    /// Room for a thousand delegations in one update, each signed by several keys.
    fn default() -> Self {
        Self {
            verifications: 10_000,
            role_keys: 100,
            keys: 1_000,
            roles: 1_000,
            signatures: 1_000,
            meta_files: 10_000,
        }
    }
}
