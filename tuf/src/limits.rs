//! What one upload may ask for.

use std::cell::Cell;

use crate::{
    MetadataFormat, Role, encoding::json::Count, rules::threshold::SignatureFault,
    signature::Material,
};

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

/// How many signed bytes are hashed at the cost of one P-256 verification.
const BYTES_PER_UNIT: usize = 32 << 10;

/// The work that is left for verifying signatures.
///
/// It is spent before each verification, so a file that asks for too much is refused before it has
/// cost more than the limit.
#[derive(Debug)]
pub(crate) struct Effort {
    left: Cell<Option<u32>>,
    spare: Cell<u32>,
}

/// The work, beside the limit, for telling who signed beyond the threshold: for the audit log alone.
const SPARE_EFFORT: u32 = 64;

impl Effort {
    /// The work that an upload may cost.
    pub(crate) fn of(limits: Limits) -> Self {
        Self {
            left: Cell::new(Some(limits.verifications)),
            spare: Cell::new(SPARE_EFFORT),
        }
    }

    /// As much as it takes: for stored files, which were within the limits when they were taken.
    pub(crate) fn unlimited() -> Self {
        Self {
            left: Cell::new(None),
            spare: Cell::new(0),
        }
    }

    /// Takes `cost` away.
    pub(crate) fn spend(&self, cost: u32) -> Result<(), SignatureFault> {
        let Some(left) = self.left.get() else {
            return Ok(());
        };
        let less = left.checked_sub(cost).ok_or(SignatureFault::TooMuchWork)?;
        self.left.set(Some(less));
        Ok(())
    }

    /// Takes `cost` away from what is to spare; false if that is not enough.
    pub(crate) fn spend_spare(&self, cost: u32) -> bool {
        match self.spare.get().checked_sub(cost) {
            Some(less) => {
                self.spare.set(less);
                true
            }
            None => false,
        }
    }
}

/// The cost of one verification with a key over a message of `length` bytes.
pub(crate) fn cost(material: &Material, length: usize) -> u32 {
    let hashing = u32::try_from(length / BYTES_PER_UNIT).unwrap_or(u32::MAX);
    material.cost().saturating_add(hashing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_spent_up_to_the_limit_and_refused_beyond_it() {
        let effort = Effort::of(Limits {
            verifications: 30,
            ..Limits::default()
        });
        assert_eq!(effort.spend(25), Ok(()));
        assert!(effort.spend(6).is_err());
        assert_eq!(effort.spend(5), Ok(()));
        assert!(effort.spend(1).is_err());
        assert_eq!(Effort::unlimited().spend(u32::MAX), Ok(()));
    }

    #[test]
    fn spare_work_is_counted_apart_from_the_limit() {
        let effort = Effort::of(Limits {
            verifications: 1,
            ..Limits::default()
        });
        assert!(effort.spend_spare(SPARE_EFFORT - 1));
        assert!(!effort.spend_spare(2));
        assert!(effort.spend_spare(1));
        assert_eq!(effort.spend(1), Ok(()));
        assert!(!Effort::unlimited().spend_spare(1));
    }
}
