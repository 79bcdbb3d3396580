//! What Notary 0.7 settles in its own way.

use crate::{
    fault::MetaFault,
    metadata::{Checksums, MetaFile},
    role::{DelegationName, Role},
    wire::conventions::{Conventions, Delegator, check_hashes},
};

/// The rules of Notary 0.7.
pub(super) struct NotaryConventions;

impl Conventions for NotaryConventions {
    fn lists_root(&self) -> bool {
        true
    }

    /// The name of a delegation begins with that of the role that delegates.
    fn delegator(&self, name: &DelegationName) -> Delegator {
        let (above, _) = name
            .as_str()
            .rsplit_once('/')
            .expect("a delegation's name has a slash");
        Delegator::Only(match above {
            "targets" => Role::Targets,
            above => Role::Delegation(DelegationName::new(above)),
        })
    }

    /// Hashes are compared, and one is enough. Versions are not listed, and lengths are covered by
    /// the hashes.
    fn check_listed(
        &self,
        role: &Role,
        listed: Option<&MetaFile>,
        _: i64,
        actual: &Checksums,
    ) -> Result<(), MetaFault> {
        match listed {
            Some(file) if file.sha256.is_some() || file.sha512.is_some() => {
                check_hashes(role, file, actual)
            }
            _ => Err(MetaFault::NotListed(role.clone())),
        }
    }

    /// The next version, or the same one once more. The first root has version 1 or 2.
    fn may_follow(&self, current: Option<i64>, sent: i64) -> bool {
        let from = current.unwrap_or(1);
        sent == from || Some(sent) == from.checked_add(1)
    }

    fn certifies_roots(&self) -> bool {
        true
    }
}
