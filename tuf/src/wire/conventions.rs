//! Rules of trust in which metadata formats differ.

use crate::{
    fault::MetaFault,
    metadata::{Checksums, MetaFile},
    role::{DelegationName, Role},
};

/// What a metadata format settles in another way than others.
pub(crate) trait Conventions: Sync {
    /// Whether a snapshot lists the root. Where none does, the newest root is current.
    fn lists_root(&self) -> bool;

    /// Who may delegate to a role.
    fn delegator(&self, name: &DelegationName) -> Delegator;

    /// Checks that `listed` is how a snapshot or timestamp lists this file of `role`.
    fn check_listed(
        &self,
        role: &Role,
        listed: Option<&MetaFile>,
        version: i64,
        actual: &Checksums,
    ) -> Result<(), MetaFault>;

    /// Whether a root of the version `sent` may be sent while that of `current` is stored.
    fn may_follow(&self, current: Option<i64>, sent: i64) -> bool;

    /// Whether a root speaks for a repository by certificates that name it. Where none does, a first
    /// root is believed as it comes.
    fn certifies_roots(&self) -> bool;
}

/// Who may delegate to a role below targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delegator {
    /// This one alone, as the name of the role says.
    Only(Role),
    /// Any file of the targets tree.
    Any,
}

/// Checks every hash that is listed against the file's.
pub(super) fn check_hashes(
    role: &Role,
    listed: &MetaFile,
    actual: &Checksums,
) -> Result<(), MetaFault> {
    for (algorithm, listed, actual) in [
        ("sha256", &listed.sha256, &actual.sha256[..]),
        ("sha512", &listed.sha512, &actual.sha512[..]),
    ] {
        if let Some(listed) = listed.as_deref().filter(|listed| *listed != actual) {
            return Err(MetaFault::Checksum {
                role: role.clone(),
                algorithm,
                expected: listed.to_vec(),
            });
        }
    }
    Ok(())
}
